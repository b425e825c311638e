"""Find out how each column of a table writes its numbers, judged by the whole column."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlpcli.data.readers.delimited import TextOrigin
from mlpcli.data.readers.dialect import (
    NUMBER,
    THOUSANDS,
    Dialect,
    Notation,
    NumberCell,
    is_currency,
    split_number,
)
from mlpcli.data.readers.parse_cells import ParsedColumn, is_text, spell_number
from mlpcli.data.readers.tables import ReadTable, Table, TableFile, read_table
from mlpcli.printable import shortened
from mlpcli.spec.resolve import inline

MIN_SHARE = 0.9
"""A column with at least this share of numbers is one; its other cells are invalid."""

MIN_PADDED = 0.05
"""Whole numbers of several lengths are codes if this share of them begins with a zero."""

MAX_UNGROUPED = 4
"""Longer numbers without separators show that a comma in others does not separate thousands."""

FIRST_TEXTS = 500
"""Texts among which half must look like numbers, or the column holds none."""

_NINES = re.compile(r"[1-9]")
_DIGITS, _PADDED = re.compile(r"[0-9]+"), re.compile(r"0[0-9]+")


@dataclass(frozen=True)
class Stated:
    """What the spec says of how a column of numbers writes them; None where it says nothing."""

    decimal: str | None = None
    thousands: str | None = None
    unit: str | None = None

    @property
    def spelled(self) -> bool:
        """Whether PyArrow would take the numbers for others, or for text."""
        return bool(self.decimal or self.thousands or self.unit)


@dataclass(frozen=True)
class Judgement:
    """How a column of text writes its numbers.

    Attributes:
        notation: that fits most cells.
        other: another that fits as many and gives other numbers, if the column itself does not tell.
        shows: the decimal sign that the column is evidence of; empty for none.
        example: a cell that is not a plain number.
        whole: whether the cells without a separator are whole numbers below 1,000: beside them three digits
            behind a comma are thousands, since of numbers with decimals one in a thousand is whole.
    """

    notation: Notation
    other: Notation | None
    shows: str
    example: str
    whole: bool = False


def read_numbers(
    file: TableFile,
    columns: Sequence[str],
    *,
    text: Collection[str] = (),
    labels: Collection[str] = (),
    stated: Mapping[str, Stated] | None = None,
    declared: bool = False,
    read: ReadTable = read_table,
) -> tuple[Table, dict[str, str]]:
    """Read some columns of a table, and find out how each writes its numbers.

    Args:
        file: the opened table.
        columns: names of the columns to read.
        text: columns that are kept as they are written, and hold no numbers.
        labels: columns that are kept as they are written, and may hold numbers.
        stated: the columns that hold numbers, with what is known of how they write them.
        declared: whether the decimal sign of the table's dialect is what the spec says.
        read: reads the columns.

    Returns:
        The table, whose dialect has the notation of each column that is not plain; and a note on each, by its
        name, and under an empty name on the table.

    Raises:
        DataError: as `read_table`.
    """
    stated = stated or {}
    spelled = [*text, *labels, *(name for name, each in stated.items() if each.spelled)]
    table: Table = read(file, columns, text=spelled, codes=True)
    found = _judge_all(table, text, stated, declared)
    if not declared and file.dialect.decimal == "." and _shows_commas(table, found, _delimiter(file)):
        again, notes = read_numbers(
            with_dialect(file, replace(file.dialect, decimal=",")),
            columns,
            text=text,
            labels=labels,
            stated=stated,
            declared=True,
            read=read,
        )
        example = next(each.example for each in found.values() if each.shows == "," or each.other)
        note = f"the decimal sign is a comma ({_quoted(example)}); if not, set dataset: {{decimal: '.'}}"
        note = f"{file.origin.label}: {note}"
        return again, {"": note, **notes}
    settled = {name: _settle(each, file.dialect.decimal) for name, each in found.items()}
    notes = {name: _note(name, each) for name, each in settled.items() if each.example}
    return _with_notations(table, settled), notes


def with_dialect(file: TableFile, dialect: Dialect) -> TableFile:
    """Return a table, and each of several files, with another dialect."""
    return replace(file, dialect=dialect, more=tuple(with_dialect(each, dialect) for each in file.more))


def holds_codes(counts: Mapping[str, int]) -> bool:
    """Return whether texts are codes such as `02139`: whole numbers, some with a zero before other digits.

    Args:
        counts: rows by text.
    """
    whole = {text: count for text, count in counts.items() if _DIGITS.fullmatch(text)}
    padded = sum(count for text, count in whole.items() if _PADDED.fullmatch(text))
    total = sum(whole.values())
    if not padded or total < MIN_SHARE * sum(counts.values()):
        return False
    return len({len(text) for text in whole}) == 1 or padded >= MIN_PADDED * total


def _with_notations(table: Table, found: Mapping[str, Judgement]) -> Table:
    dialect = replace(table.dialect, notations={name: each.notation for name, each in found.items()})
    columns = {name: column.in_dialect(dialect.of(name)) for name, column in table.columns.items()}
    return replace(table, dialect=dialect, columns=columns)


def _shows_commas(table: Table, found: Mapping[str, Judgement], delimiter: str) -> bool:
    """Return whether the columns of a table show that its decimal sign is a comma."""
    shown = [each.shows for each in found.values()]
    points = shown.count(".") + sum(_is_float(column) for column in table.columns.values())
    commas = shown.count(",")
    if delimiter != ";":
        return commas > points
    ambiguous = any(each.other is not None and not each.whole for each in found.values())
    return commas >= points if commas else ambiguous and not points


def _is_float(column: ParsedColumn) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(column.kind))


def _delimiter(file: TableFile) -> str:
    first = file.more[0] if file.more else file
    return first.origin.header.delimiter if isinstance(first.origin, TextOrigin) else ""


def _judge_all(
    table: Table, text: Collection[str], stated: Mapping[str, Stated], declared: bool
) -> dict[str, Judgement]:
    found = {}
    for name, column in table.columns.items():
        if name in text or not is_text(column.kind):
            continue
        judgement = _judge(column, stated.get(name), table.dialect, declared)
        if judgement is not None:
            found[name] = judgement
    return found


def _judge(column: ParsedColumn, stated: Stated | None, dialect: Dialect, declared: bool) -> Judgement | None:
    """Return how a column writes its numbers; None if they are plain, or it is no column of numbers."""
    counts = text_counts(column)
    first = list(counts)[:FIRST_TEXTS]
    if stated is None and sum(split_number(text) is not None for text in first) < 0.5 * len(first):
        return None
    shapes, example = _shapes(counts, dialect)
    if stated is None and (not example or holds_codes(counts)):
        return None
    unit = _unit(shapes) if stated is None or stated.unit is None else stated.unit
    fits = {
        notation: sum(rows for cell, rows in shapes if _fits(cell, notation))
        for notation in _candidates(unit, stated or Stated(), dialect, declared)
    }
    most = max(fits.values(), default=0)
    if not fits or (stated is None and most < MIN_SHARE * sum(counts.values())):
        return None
    best = [notation for notation, rows in fits.items() if rows == most]
    judged = [cell for cell, _ in shapes if _fits(cell, best[0])]
    numbers = [[_value(cell, notation) for cell in judged] for notation in best]
    other = next((each for each, made in zip(best, numbers, strict=True) if made != numbers[0]), None)
    if example and np.isnan(best[0].number(example)):
        fitting = (text for text in counts if not np.isnan(best[0].number(text)))
        example = next((text for text in fitting if not _is_plain(text, dialect.decimal)), "")
    if not example and best[0] == dialect.notation:
        return None
    whole = other is not None and _are_whole(judged)
    return Judgement(best[0], other, "" if other else _shown(judged, best[0]), example, whole)


def _are_whole(cells: Sequence[NumberCell]) -> bool:
    """Return whether some cells have no separator, and these are whole numbers of at most three digits."""
    bare = [cell.digits.lstrip("+-") for cell in cells]
    bare = [digits for digits in bare if digits.isdigit()]
    return bool(bare) and max(map(len, bare)) <= 3


def _shapes(counts: Mapping[str, int], dialect: Dialect) -> tuple[list[tuple[NumberCell, int]], str]:
    """Return a number of each shape with its rows, such as 1,200 for all of nine and a comma; and an example.

    The example is a cell that PyArrow does not take for a number.
    """
    shapes: dict[tuple[str, str], tuple[NumberCell, int]] = {}
    example = ""
    for text, rows in counts.items():
        cell = split_number(text)
        if cell is None:
            continue
        if not example and not _is_plain(text, dialect.decimal):
            example = text
        key = cell.unit, _NINES.sub("9", cell.digits)
        known, count = shapes.get(key, (cell, 0))
        shapes[key] = known, count + rows
    return list(shapes.values()), example


def _is_plain(text: str, decimal: str) -> bool:
    bare = text if decimal == "." else text.replace(".", " ").replace(decimal, ".", 1)
    return bool(NUMBER.fullmatch(bare))


def _value(cell: NumberCell, notation: Notation) -> float:
    return notation.number(cell.digits + (f" {cell.unit}" if cell.unit else ""))


def text_counts(column: ParsedColumn) -> dict[str, int]:
    """Return the rows of a column by its text, without missing cells, the first texts first."""
    texts = column.texts
    counts = np.bincount(texts.codes, minlength=len(texts.values)).tolist()
    gaps = frozenset(column.dialect.missing_spellings)
    return {
        text: count
        for text, count in zip(texts.values, counts, strict=True)
        if text is not None and count and text not in gaps
    }


def _unit(shapes: Sequence[tuple[NumberCell, int]]) -> str:
    """Return the most frequent unit, if most cells have it: numbers without one are of another."""
    rows: dict[str, int] = {}
    for cell, count in shapes:
        rows[cell.unit] = rows.get(cell.unit, 0) + count
    best = max(filter(None, rows), key=rows.__getitem__, default="")
    return best if is_currency(best) or rows.get(best, 0) >= rows.get("", 0) else ""


def _candidates(unit: str, stated: Stated, dialect: Dialect, declared: bool) -> Iterator[Notation]:
    """Yield notations, the likely first: the table's own decimal sign, and no separator."""
    for thousands in ("", *THOUSANDS):
        for decimal in (dialect.decimal, "," if dialect.decimal == "." else "."):
            if decimal == thousands or (stated.decimal or decimal) != decimal:
                continue
            if stated.thousands is not None and thousands != stated.thousands:
                continue
            free = stated.decimal is not None or stated.thousands is not None
            if declared and not free and dialect.thousands and decimal != dialect.decimal:
                continue
            if not free and dialect.thousands and thousands not in ("", dialect.thousands):
                continue
            yield Notation(decimal, thousands, unit)


def _fits(cell: NumberCell, notation: Notation) -> bool:
    if cell.unit != notation.unit and not (is_currency(notation.unit) and not cell.unit):
        return False
    if not notation.body.fullmatch(cell.digits):
        return False
    whole = cell.digits.partition(notation.decimal)[0]
    return not notation.thousands or not whole.isdigit() or len(whole) <= MAX_UNGROUPED


def _shown(cells: Sequence[NumberCell], notation: Notation) -> str:
    """Return the decimal sign of which some cells are evidence."""
    signs = {notation.decimal, notation.thousands} & {",", "."}
    return notation.decimal if any(sign in cell.digits for cell in cells for sign in signs) else ""


def _settle(judgement: Judgement, decimal: str) -> Judgement:
    """Decide between two notations: money has no three decimal places, otherwise by the table's sign."""
    if judgement.other is None:
        return judgement
    both = (judgement.notation, judgement.other)
    wanted = [each for each in both if each.decimal == decimal] or list(both)
    if is_currency(judgement.notation.unit):
        wanted = [each for each in both if each.thousands] or list(both)
    chosen = wanted[0]
    return replace(judgement, notation=chosen, other=both[1] if chosen == both[0] else both[0])


def _quoted(cell: str) -> str:
    """Return a cell in quotes, its invisible characters as escapes: the blank in it may be a narrow one."""
    sign = '"' if "'" in cell else "'"
    return f"{sign}{shortened(cell, 30)}{sign}"


def _note(name: str, judgement: Judgement) -> str:
    notation, other = judgement.notation, judgement.other
    number = spell_number(notation.number(judgement.example))
    note = f"column {name!r} holds numbers: {_quoted(judgement.example)} is read as {number}"
    if other is not None:
        number = spell_number(other.number(judgement.example))
        way = f"{{kind: numeric, decimal: {other.decimal!r}}}"
        note += f"; for {number} set features: {{{inline(name)}: {way}}}"
    return note
