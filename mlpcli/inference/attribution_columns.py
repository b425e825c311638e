"""Contributions as columns of a prediction, and as a line that a person reads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mlpcli.data.readers.parse_cells import python_values
from mlpcli.data.types import Array, ArrowColumn
from mlpcli.free_names import free_name
from mlpcli.inference.attributions import Attributions, Explainer
from mlpcli.inference.explained_values import Explained

if TYPE_CHECKING:
    import pyarrow as pa

DIGITS = 7
"""Of the largest contribution of a row: as many as float32 resolves."""

SHOWN_DIGITS = 3
"""Of the largest contribution of a row, in its text."""

CONTRIBUTION, LINE = "contribution", "explanation"
"""Parts of an explanation."""

LONGEST_CELL = 24
MISSING = "missing"


@dataclass(frozen=True)
class WrittenExplanation:
    """The columns that explain some predictions, and what they state about themselves.

    Attributes:
        columns: by name, (rows,) each.
        lines: the names of those that explain a row in a line.
        residual: the largest distance between a prediction and the sum as written.
        error: the largest standard error of a contribution.
        spread: the mean absolute contribution of the strongest column of a row, beside which both are judged.
    """

    columns: dict[str, Array | pa.Array]
    lines: tuple[str, ...]
    residual: float
    error: float
    spread: float


def attribution_columns(
    explainer: Explainer, found: Attributions, cells: Sequence[ArrowColumn], names: Sequence[str]
) -> WrittenExplanation:
    """Return what is written of the contributions to some rows' predictions.

    Args:
        explainer: which found them.
        found: the contributions.
        cells: the model's columns as they were read; empty where they are not known.
        names: the columns that are written already.
    """
    import pyarrow as pa

    given = {name: _texts(column) for name, column in zip(explainer.columns, cells, strict=False)}
    several = len(explainer.explained) > 1
    columns: list[_Column] = []
    residual = spread = 0.0
    for place, each in enumerate(explainer.explained):
        own = _Rounded.of(found, place)
        stem = f"{each.name}_" if several else ""
        columns += _columns(explainer, each, own, found, place, stem)
        line = pa.array(_lines(explainer, each, own, given), pa.string())
        columns.append(_Column(f"{stem}{LINE}", LINE, line))
        if len(own.values):
            residual = max(residual, float(np.abs(own.residual).max()))
            spread = max(spread, float(np.abs(own.contributions).max(axis=1).mean()))
    free = _free_names(columns, names)
    return WrittenExplanation(
        {name: column.values for name, column in zip(free, columns, strict=True)},
        tuple(name for name, column in zip(free, columns, strict=True) if column.part == LINE),
        residual,
        float(found.errors.max(initial=0.0)),
        spread,
    )


class _Column(NamedTuple):
    """A column that explains: its name, which part of an explanation it is, and its values."""

    name: str
    part: str
    values: Array | pa.Array


def _free_names(columns: Sequence[_Column], names: Sequence[str]) -> list[str]:
    """Return the names of columns beside those that are written already.

    A raw column may be called `error`: its contribution has another name than the error of contributions.
    """
    taken, found = {*names}, dict[int, str]()
    for place in sorted(range(len(columns)), key=lambda place: columns[place].part == CONTRIBUTION):
        found[place] = free_name(columns[place].name, taken)
        taken.add(found[place])
    return [found[place] for place in range(len(columns))]


@dataclass(frozen=True)
class _Rounded:
    """The contributions to one explained number of each row, rounded to the digits that are worth writing."""

    values: Array
    base: Array
    contributions: Array
    chosen: Array

    @classmethod
    def of(cls, found: Attributions, place: int) -> _Rounded:
        contributions, base = found.contributions[:, :, place], found.base[:, place]
        largest = np.abs(contributions).max(axis=1, initial=0.0)
        decimals = _decimals(largest, DIGITS)
        return cls(
            found.values[:, place],
            _round(base[:, None], decimals)[:, 0],
            _round(contributions, decimals),
            found.chosen[:, place],
        )

    @property
    def residual(self) -> Array:
        """The prediction minus the base and all contributions, (rows,)."""
        return np.asarray(self.values - self.base - self.contributions.sum(axis=1))


def _decimals(sizes: Array, digits: int) -> Array:
    """Return to how many decimals numbers of some sizes have so many digits, (rows,) int64."""
    known = np.where(sizes > 0, sizes, 1.0)
    return (digits - 1 - np.floor(np.log10(known))).clip(-300, 300).astype(np.int64)


def _round(table: Array, decimals: Array) -> Array:
    """Return the rows of a table, each rounded to its own number of decimals."""
    found = np.array(table, np.float64)
    for each in np.unique(decimals):
        rows = decimals == each
        found[rows] = np.round(found[rows], int(each))
    return found + 0.0  # never -0.0


def _columns(
    explainer: Explainer, each: Explained, own: _Rounded, found: Attributions, place: int, stem: str
) -> Iterator[_Column]:
    import pyarrow as pa

    if each.units != ("",):
        units = pa.array(_units(explainer, each, own), pa.string())
        yield _Column(f"{stem}explained_class", "class", units)
    yield _Column(f"{stem}base_value", "base", own.base)
    for number, group in enumerate(explainer.groups):
        name = f"{stem}contribution_{group.name}"
        yield _Column(name, CONTRIBUTION, own.contributions[:, number])
    yield _Column(f"{stem}contribution_error", "error", found.errors[:, place].astype(np.float32))
    yield _Column(f"{stem}contribution_residual", "residual", own.residual.astype(np.float32))


def _units(explainer: Explainer, each: Explained, own: _Rounded) -> list[str]:
    """Return the name of what is explained in each row."""
    explained = explainer.explained
    first = sum(len(before.units) for before in explained[: explained.index(each)])
    return [each.units[unit - first] for unit in own.chosen]


def _texts(column: ArrowColumn) -> list[str]:
    """Return cells as a person reads them: a number without idle digits, a gap as `missing`."""
    return [_text(value) for value in python_values(column)]


def _text(value: object) -> str:
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:,.0f}"
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 3].rstrip()}..."


def _lines(explainer: Explainer, each: Explained, own: _Rounded, given: dict[str, list[str]]) -> list[str]:
    """Return a line for each row: `price 213,000 = 180,000 + 21,000 (rooms 6) - 3,000 (town Ulm)`."""
    names = [""] * len(own.values) if each.units == ("",) else _units(explainer, each, own)
    strongest = explainer.options.strongest
    order = np.argsort(-np.abs(own.contributions), axis=1, kind="stable")
    decimals = _decimals(np.abs(own.contributions).max(axis=1, initial=0.0), SHOWN_DIGITS).clip(0, 12)
    found = []
    for row, (name, places) in enumerate(zip(names, decimals, strict=True)):
        shown = [place for place in order[row][:strongest] if own.contributions[row, place] != 0]
        terms = [(own.contributions[row, place], _what(explainer, place, row, given)) for place in shown]
        rest = len(explainer.groups) - len(shown)
        if rest and any(own.contributions[row, place] for place in order[row][strongest:]):
            others = float(own.contributions[row].sum() - sum(value for value, _ in terms))
            terms.append((others, f"{rest} other{'s' if rest > 1 else ''}"))
        head = f"{each.name} {name} " if name else f"{each.name} "
        start = f"{head}{own.values[row]:,.{places}f} = {own.base[row]:,.{places}f}"
        found.append("".join([start, *_shown(terms, int(places))]))
    return found


def _shown(terms: Sequence[tuple[float, str]], places: int) -> Iterator[str]:
    for value, what in terms:
        yield f" {'-' if value < 0 else '+'} {abs(value):,.{places}f} ({what})"


def _what(explainer: Explainer, place: int, row: int, given: dict[str, list[str]]) -> str:
    """Return the columns of a group with their cells: `rooms 6, area 120`."""
    columns = explainer.groups[place].columns
    shown = [f"{name} {given[name][row]}" if name in given else name for name in columns[:3]]
    more = len(columns) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def left_empty(columns: Mapping[str, Array | pa.Array], empty: Array | None) -> dict[str, pa.Array]:
    """Return columns as PyArrow arrays, with nothing in rows that have no prediction.

    Args:
        columns: of the rows that have one.
        empty: (rows,) bool, which have none; None where all have one.
    """
    import pyarrow as pa

    arrow = {
        name: column if isinstance(column, pa.Array) else pa.array(column) for name, column in columns.items()
    }
    if empty is None or not empty.any():
        return arrow
    places = np.full(len(empty), -1)
    places[~empty] = np.arange((~empty).sum())
    taken = pa.array(places, mask=places < 0)
    return {name: column.take(taken) for name, column in arrow.items()}
