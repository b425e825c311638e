"""What to know of a column before training: digits that are lost, dates that can be read in two ways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from mlpcli.data.features.encoders import DateEncoder, NumericEncoder, parse_date_column
from mlpcli.data.features.exact_numbers import exact_numbers
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.features.profiles import Profile
from mlpcli.data.lost_digits import lost_digits, some_rows
from mlpcli.data.readers.parse_cells import ParsedColumn
from mlpcli.data.types import Array
from mlpcli.printable import quoted

SHOWN_ROWS = 3


def date_notes(profile: Profile, column: ParsedColumn, written: str, *, guessed: bool) -> Iterator[str]:
    """Yield what to know of a column of dates.

    Args:
        profile: of the column.
        column: with its cells.
        written: the format in which they are read.
        guessed: whether the spec does not state the format.

    Yields:
        A line if day and month cannot be told apart, and one if only some dates have a zone.
    """
    if guessed and profile.twin is not None:
        declared = f"{{kind: date, format: '{profile.twin}'}}"
        yield (
            f"column {profile.name!r}: day and month cannot be told apart, it is read as {written}; "
            f"if the other comes first, declare it under dataset.features: {declared}"
        )
    if guessed and "%y" in written:
        rule = f"its years have two digits, it is read as {written}"
        yield f"column {profile.name!r}: {rule}: 69 to 99 are 1969 to 1999, 00 to 68 are 2000 to 2068"
    if column.dialect.numbers == "float32":
        return
    cells, dates = parse_date_column(column, written)
    if not (dates.valid & dates.zoned).any() or dates.zoned[dates.valid].all():
        return
    zoned, valid = dates.zoned[cells.codes], dates.valid[cells.codes]
    bare, with_zone = np.flatnonzero(valid & ~zoned), np.flatnonzero(valid & zoned)
    few, what, others = bare, "no time zone", "the others do"
    if len(with_zone) < len(bare):
        few, what, others = with_zone, "a time zone", "the others do not"
    shown = ", ".join(f"{row + 1:,}" for row in few[:SHOWN_ROWS].tolist())
    rows = f"row {shown}" if len(few) == 1 else f"rows {shown}{', ...' if len(few) > SHOWN_ROWS else ''}"
    count = f"{len(few):,} of {int(valid.sum()):,} dates"
    rule = "a date without one counts as UTC"
    yield f"column {profile.name!r}: {count} name {what} ({rows}), {others}; {rule}"


def lost_digit_notes(
    preprocessor: Preprocessor,
    columns: Mapping[str, ParsedColumn],
    rows: Array,
    targets: Iterable[str] = (),
) -> Iterator[str]:
    """Yield a line for each column of numbers that the float32 of the network cannot tell apart.

    Args:
        preprocessor: fitted on the rows.
        columns: the raw columns by name.
        rows: (training rows,) int64, positions.
        targets: the columns of targets that are numbers; float64 is what these lose digits to.
    """
    coded = [each for each in preprocessor.encoders if isinstance(each, NumericEncoder | DateEncoder)]
    some = some_rows(rows, len(coded))
    for encoder in coded:
        column = columns[encoder.name].take(some)
        if isinstance(encoder, NumericEncoder):
            lost = _lost_numbers(encoder, column)
        else:
            lost = _lost_dates(encoder, column)
        if lost is not None:
            sampled = f" (of {len(some):,} rows)" if len(some) < len(rows) else ""
            yield f"column {encoder.name!r}: {lost}{sampled}; {_advice(encoder)}"
    for name in targets:
        exact = exact_numbers(columns[name])
        distinct, rounded = 0, 0
        if exact is not None:
            distinct, rounded = len(np.unique(exact)), len(np.unique(exact.astype(np.float64)))
        if rounded < distinct:
            counts = f"{distinct:,} distinct numbers beyond 2^53 become {rounded:,} in float64"
            yield f"target {name!r}: {counts}; subtract what they have in common"
        columns[name].release()


def _lost_numbers(encoder: NumericEncoder, column: ParsedColumn) -> str | None:
    values = column.numbers.values
    known = values[~np.isnan(values)]
    exact = exact_numbers(column)
    with np.errstate(over="ignore"):
        taken = encoder.scaled(known).astype(np.float32)
    return lost_digits(known, taken, None if exact is None else len(np.unique(exact)))


def _lost_dates(encoder: DateEncoder, column: ParsedColumn) -> str | None:
    """Count what float32 loses of the parts; that parts recur, every week or year, is meant."""
    cells, dates = parse_date_column(column, encoder.format)
    valid = dates.valid[cells.codes]
    parts = encoder.exact_parts(column)[valid]
    _, exact = np.unique(parts, axis=0, return_inverse=True)
    lost = lost_digits(exact.reshape(-1), parts)
    return lost and lost.replace("numbers", "dates", 1)


def _advice(encoder: NumericEncoder | DateEncoder) -> str:
    if isinstance(encoder, DateEncoder):
        return "add parts that differ, such as hour, or give what matters as a number, such as seconds"
    if encoder.is_plain:
        return (
            f"scale it in float64 before, under dataset.features: {quoted(encoder.name)}: "
            "{scaling: standardize}; a Normalization layer comes too late"
        )
    return (
        "take what matters into a column of its own (such as the time within a day), or the logarithm, "
        "scaling: log; a column of codes is {kind: categorical}"
    )
