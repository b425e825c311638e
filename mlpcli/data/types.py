"""Types of data: arrays, PyArrow columns, and the kinds of targets."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

Array = NDArray[Any]

Arrays = Array | dict[str, Array]
"""One array, or several by the name of their input or output."""

ArrowColumn: TypeAlias = "pa.Array | pa.ChunkedArray"

NumberType = Literal["float32", "float64"]
"""How numbers are kept until they are scaled: float64, or float32 in runs of mlpcli 0.1."""

EXACT = 2.0**53
"""Up to here, float64 holds every whole number."""

PerStep = Collection[int]
"""The numbers of axes of x, with that of the rows, for which outputs have a value for each step of a row."""

ALWAYS: PerStep = range(100)

EarlierRule = Literal["robust", "dates"]
"""What earlier versions encoded otherwise, as their runs still need it: `scaling: robust` divided by the
standard deviation where the quartiles are equal, and the sine of midday in a date was 1e-16."""

TargetKind = Literal["numbers", "classes", "labels", "groups", "sequences"]
"""The target that a loss takes: numbers, one class a row, or any number of labels a row.

Also the class of a row by which embeddings are near each other or apart (groups), and a sequence of labels.
"""
