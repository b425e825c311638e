"""A target of labels, before they become class indices."""

from __future__ import annotations

from dataclasses import dataclass

from mlpcli.data.readers.dialect import LABEL_GAPS
from mlpcli.data.types import Array


@dataclass(frozen=True)
class Labels:
    """A target of labels, as they are written.

    Attributes:
        values: the distinct labels, in no particular order.
        codes: (rows,) int64, the position of each row's label in `values`.
        gaps: spellings of a missing label.
        numbers: (values,) float64, each label as a number, NaN for none, if its table writes numbers in
            another way than Python; otherwise None.
    """

    values: list[object]
    codes: Array
    gaps: frozenset[str] = LABEL_GAPS
    numbers: Array | None = None

    def __len__(self) -> int:
        return len(self.codes)
