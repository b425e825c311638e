"""Find rows that two splits share, by a hash of each row; and how many would be shared by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mlpcli.data.types import Array

BLOCK = 1 << 20
"""Values that are hashed at a time."""

SAMPLE = 2_000
"""Rows of each side by which chance is estimated."""

NEGLIGIBLE = 1e-6


def row_hashes(arrays: Sequence[Array]) -> Array:
    """Return a hash of each row, by all of its values; 0.0 and -0.0 are equal.

    A multilinear hash of mixed values, modulo 2**64 (Lemire and Kaser 2014, "Strongly universal string
    hashing is fast"); rows with equal hashes are still to be compared.

    Args:
        arrays: (rows, ...) each, the values of the same rows.

    Returns:
        (rows,) uint64.
    """
    hashes = np.zeros(len(arrays[0]), np.uint64)
    generator = np.random.RandomState(0)
    for array in arrays:
        flat = array.reshape(len(array), -1)
        width = flat.shape[1]
        odd = generator.randint(0, 2**63, size=width, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        step = max(1, BLOCK // max(1, width))
        for start in range(0, len(flat), step):
            bits = _bits(flat[start : start + step]) * np.uint64(0x9E3779B97F4A7C15)
            bits ^= bits >> np.uint64(29)
            hashes[start : start + step] += (bits * odd).sum(axis=1, dtype=np.uint64)
    return hashes


def _bits(values: Array) -> Array:
    """Return the bits of values as uint64."""
    if values.dtype.kind == "f":
        values = np.ascontiguousarray(values) + values.dtype.type(0)
        values = values.view(f"u{values.dtype.itemsize}")
    return values.astype(np.uint64)


def distinct_rows(table: Array) -> tuple[Array, Array]:
    """Return the distinct rows of a table, and for each of its rows the position of the equal one among them.

    Equal are rows of the same bits: 0.0 and -0.0 are two.

    Args:
        table: (rows, width).
    """
    table = np.ascontiguousarray(table)
    rows = table.view(np.dtype((np.void, table.dtype.itemsize * table.shape[1])))[:, 0]
    _, first, places = np.unique(rows, return_index=True, return_inverse=True)
    return table[first], places


def equal_rows(these: Sequence[Array], others: Sequence[Array]) -> tuple[Array, Array]:
    """Find the rows that are also among others.

    Args:
        these: (rows, ...) each, the values of the same rows.
        others: as many arrays, of other rows.

    Returns:
        The positions of such rows, and for each the position of an equal one among the others.
    """
    known, wanted = row_hashes(others), row_hashes(these)
    order = np.argsort(known, kind="stable")
    places = np.minimum(np.searchsorted(known[order], wanted), len(order) - 1)
    found = np.flatnonzero(known[order[places]] == wanted)
    same = order[places[found]]
    equal = np.ones(len(found), bool)
    for mine, theirs in zip(these, others, strict=True):
        step = max(1, BLOCK // max(1, mine[:1].size))
        for start in range(0, len(found), step):
            part = slice(start, start + step)
            axes = tuple(range(1, mine.ndim))
            equal[part] &= (mine[found[part]] == theirs[same[part]]).all(axis=axes)
    return found[equal], same[equal]


def expected_equal(columns: Sequence[tuple[Array, Array]], count: int) -> float:
    """Estimate which share of rows would be among others by chance, if columns were independent.

    Args:
        columns: for each column a number for the value of each row, and the same of the others; samples do.
        count: how many others there are.

    Returns:
        From 0 to 1.
    """
    logs = np.zeros(len(columns[0][0])) if columns else np.zeros(1)
    for values, others in columns:
        distinct, counts = np.unique(others, return_counts=True)
        places = np.minimum(np.searchsorted(distinct, values), len(distinct) - 1)
        rows = np.where(distinct[places] == values, counts[places], 0.5)
        logs += np.log(rows / len(others))
        if logs.max() + np.log(count) < np.log(NEGLIGIBLE):
            return 0.0
    chances = np.exp(logs)
    return float(np.mean(-np.expm1(count * np.log1p(-np.minimum(chances, 1 - 1e-12)))))


def is_more_than_chance(found: int, expected: float) -> bool:
    """Return whether rows are equal more often than chance explains, where columns depend on each other too.

    Args:
        found: how many rows are equal to another.
        expected: how many would be if columns were independent; it is Poisson's mean, and doubled, since they
            seldom are.
    """
    return found > 2 * expected + 3 * math.sqrt(expected)
