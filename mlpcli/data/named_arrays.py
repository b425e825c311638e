"""One array, or several by the name of their input or output: the one that is meant, and some of its rows."""

from __future__ import annotations

from typing import Any, overload

import numpy as np

from mlpcli.data.types import Array, Arrays


@overload
def of_name(arrays: Arrays, name: str) -> Array: ...


@overload
def of_name(arrays: Arrays | None, name: str) -> Array | None: ...


@overload
def of_name(arrays: Any, name: str) -> Any: ...


def of_name(arrays: Any, name: str) -> Any:
    """Return the array of an input or an output; the only one, and None, whatever the name is.

    Args:
        arrays: Arrays, or tensors.
        name: Of the input or the output; empty for the only one.
    """
    return arrays[name] if isinstance(arrays, dict) else arrays


@overload
def rows_of(arrays: Arrays, rows: Array | slice) -> Arrays: ...


@overload
def rows_of(arrays: Arrays | None, rows: Array | slice) -> Arrays | None: ...


def rows_of(arrays: Arrays | None, rows: Array | slice) -> Arrays | None:
    """Return some rows of an array, or of each of several; None stays None.

    Args:
        arrays: (rows, ...) each.
        rows: Positions, (some,) int, or a slice.
    """
    if isinstance(arrays, dict):
        return {name: each[rows] for name, each in arrays.items()}
    return None if arrays is None else arrays[rows]


def places_of(rows: Array, among: Array) -> Array:
    """Return where in a split some rows of the source are, (rows,) int.

    Args:
        rows: (rows,) int positions in the source.
        among: Those of all rows of the split, in their order.
    """
    place_of = np.full(int(among.max()) + 1, -1)
    place_of[among] = np.arange(len(among))
    found: Array = place_of[rows]
    return found
