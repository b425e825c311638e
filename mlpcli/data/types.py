"""The arrays that data are, and what a loss takes of them."""

from __future__ import annotations

from typing import Any, Literal

from numpy.typing import NDArray

Array = NDArray[Any]


Arrays = Array | dict[str, Array]
"""One array, or several by the name of their input or output."""


TargetKind = Literal["numbers", "classes", "labels"]
"""What a loss takes: values, one class a row, or any number of labels a row."""
