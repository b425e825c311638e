"""A target of labels, as a file has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlpcli.data.types import Array


@dataclass(frozen=True)
class Labels:
    """A target of labels, as they were written.

    values: the different labels, in no order; codes: (rows,) int64, the position of each row's label.
    """

    values: list[Any]
    codes: Array

    def __len__(self) -> int:
        return len(self.codes)
