"""What `run.json` says of rows that were in files during a training."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0, lt=2**63)]


class RowsOnDisk(BaseModel):
    """Where the encoded rows of a run with `fit.memory` were.

    Attributes:
        folder: that held them.
        bytes: of its files.
        memory: the bytes of them that could be in memory.
        chunks: the parts in which an epoch read the training rows.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="allow", defer_build=True)

    folder: str = ""
    bytes: Count = 0
    memory: Count = 0
    chunks: Count = 0
