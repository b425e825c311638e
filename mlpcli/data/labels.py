"""A target of labels, before they become class indices."""

from __future__ import annotations

from dataclasses import dataclass

from mlpcli.data.types import Array


@dataclass(frozen=True)
class Labels:
    """A target of labels, as they are written.

    Attributes:
        values: the distinct labels, in no particular order.
        codes: (rows,) int64, the position of each row's label in `values`.
    """

    values: list[object]
    codes: Array

    def __len__(self) -> int:
        return len(self.codes)
