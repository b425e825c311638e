"""Divide rows into groups by the values of a column: categories as they are, numbers cut at quantiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mlpcli.data.column_values import ColumnValues
from mlpcli.data.types import Array

BINS = 5
"""Groups of numbers or dates."""

FEW_VALUES = 10
"""So many distinct numbers stay as they are."""

ROWS_OF_A_BIN = 10
"""Fewer groups are made where each would have fewer rows than this."""

MOST_GROUPS = 200
"""Of more categories the most frequent; the others are one group."""

MISSING = "(missing)"


@dataclass(frozen=True)
class RowGroup:
    """Rows with the same value, or with values of one range.

    Attributes:
        name: the value, or the range.
        rows: (some,) int64, their positions in order.
    """

    name: str
    rows: Array


def group_rows(values: ColumnValues, bins: int = BINS) -> list[RowGroup]:
    """Return the groups of rows with values of a column, in the order of the values; every row is in one.

    Args:
        values: of the column.
        bins: how many groups numbers and dates are cut into, at quantiles.
    """
    if values.kind == "categories":
        found = _of_categories(values)
    else:
        found = list(_of_numbers(values, bins))
        if values.unreadable.any():
            what = "(no date)" if values.kind == "dates" else "(no number)"
            found.append(RowGroup(what, np.flatnonzero(values.unreadable)))
    gaps = np.flatnonzero(values.missing)
    return [*found, RowGroup(MISSING, gaps)] if len(gaps) else found


def _of_categories(values: ColumnValues) -> list[RowGroup]:
    counts = np.bincount(values.codes, minlength=len(values.texts))
    codes = [code for code, text in enumerate(values.texts) if text is not None and counts[code]]
    frequent = sorted(codes, key=lambda code: -counts[code])[:MOST_GROUPS]
    order = np.argsort(values.codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)])
    kept = frequent if len(codes) <= MOST_GROUPS else frequent[:-1]
    found = [
        RowGroup(str(values.texts[code]), order[starts[code] : starts[code + 1]]) for code in sorted(kept)
    ]
    if rest := [code for code in codes if code not in set(kept)]:
        rows = np.flatnonzero(np.isin(values.codes, rest))
        found.append(RowGroup(f"({len(rest):,} other values)", rows))
    return found


def cut_points(known: Array, bins: int) -> Array:
    """Return the inner bounds between groups of about as many numbers each, in rising order.

    A number that is equal to a bound belongs below it. Where many numbers are equal there are fewer bounds,
    so that no group has less than half of its share of the rows.

    Args:
        known: (numbers,) float64, at least one.
        bins: how many groups.
    """
    ordered = np.sort(known)
    places = (np.arange(1, bins) * len(ordered)) // bins - 1
    bounds = np.unique(ordered[np.maximum(places, 0)])
    least, kept, taken = len(ordered) / (2 * bins), [], 0
    for bound, below in zip(bounds, np.searchsorted(ordered, bounds, side="right"), strict=True):
        if below - taken >= least and len(ordered) - below >= least:
            kept.append(float(bound))
            taken = int(below)
    return np.array(kept)


def group_codes(known: Array, bins: int, least: int = 1) -> Array:
    """Return the group of each number, (numbers,) int, in rising order: of few distinct ones each its own.

    Args:
        known: (numbers,) float64, at least one.
        bins: how many groups of about as many rows are made of more distinct numbers.
        least: rows that few distinct numbers have at least, on average.
    """
    distinct, codes = np.unique(known, return_inverse=True)
    few = len(distinct) <= FEW_VALUES and least * len(distinct) <= len(known)
    return codes if few else np.searchsorted(cut_points(known, bins), known)


def _of_numbers(values: ColumnValues, bins: int) -> Iterator[RowGroup]:
    known = values.known
    if not len(known):
        return
    rows = np.flatnonzero(~np.isnan(values.numbers))
    codes = group_codes(known, min(bins, max(1, len(known) // ROWS_OF_A_BIN)))
    places = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    ends = [(float(known[each].min()), float(known[each].max())) for each in places]
    for name, each in zip(_range_names(values, ends), places, strict=True):
        yield RowGroup(name, rows[each])


def _range_names(values: ColumnValues, ends: Sequence[tuple[float, float]]) -> list[str]:
    """Return ranges as texts, with as many digits as tell neighbours apart."""
    bounds = sorted({each for pair in ends for each in pair})
    for digits in (4, 6, 9, 12, 17):
        texts = {each: _text(values, each, digits) for each in bounds}
        if len({*texts.values()}) == len(bounds):
            break
    return [texts[low] if low == high else f"{texts[low]} to {texts[high]}" for low, high in ends]


def _text(values: ColumnValues, number: float, digits: int) -> str:
    whole = values.kind == "dates" or (number == int(number) and abs(number) < 1e9) or digits == 17
    return values.shown(number) if whole else f"{number:.{digits}g}"
