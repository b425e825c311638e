"""What encoding a column gives: numbers for the network, and the rows that need a message or a count."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mlpcli.data.types import Array

NO_ROWS = np.empty(0, np.int64)


def _no_rows() -> Array:
    return NO_ROWS


@dataclass(frozen=True)
class Encoded:
    """A column's part of the matrix, and the rows that need a message or a count.

    Attributes:
        values: (rows, width) float32.
        missing: positions of rows, int64, whose cell is missing.
        unreadable: positions of rows without a usable value, such as text in a column of numbers.
        unseen: positions of rows with a category that no training row has, or with a text none of whose
            words is known.
        outside: positions of rows with a value outside the range of the training rows.
    """

    values: Array
    missing: Array = field(default_factory=_no_rows)
    unreadable: Array = field(default_factory=_no_rows)
    unseen: Array = field(default_factory=_no_rows)
    outside: Array = field(default_factory=_no_rows)
