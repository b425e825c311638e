"""Read columns of a text table by PyArrow, all rows at once."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.readers.charset import UTF_8
from mlpcli.data.readers.delimited import (
    TextOrigin,
    open_table_text,
    refuse_encoding,
    refuse_open_quote,
    refuse_rows,
)
from mlpcli.data.readers.dialect import BLANKS, Dialect
from mlpcli.data.readers.find_files import arrow_source
from mlpcli.data.readers.header import Header
from mlpcli.data.readers.packed import packing_of
from mlpcli.data.readers.row_errors import first_line
from mlpcli.data.types import EXACT, ArrowColumn

if TYPE_CHECKING:
    import pyarrow as pa

TRUE, FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
PLAIN_DIGITS = re.compile(r"[+-]?\d+([.,]\d*)?", re.ASCII)

_BLOCK = 4 << 20  # bytes that one thread parses at a time; a table with a longer row is parsed again
_MAX_BLOCK = (1 << 31) - 1


def read_delimited(
    origin: TextOrigin, columns: Sequence[str], text: Collection[str], dialect: Dialect
) -> pa.Table:
    """Return some columns of a text table.

    Args:
        origin: of the table, with its header.
        columns: to read.
        text: those of them that are kept as they are written.
        dialect: how the cells are written.

    Raises:
        DataError: rows have too many or too few cells, or the text is not what its header says.
    """
    import pyarrow as pa

    try:
        data = _parse(origin.path, origin.header, columns, text, dialect, _BLOCK)
    except pa.ArrowInvalid as error:
        _refuse_text(origin)
        if "block" not in str(error):
            origin.refuse(f"cannot be read as a table ({first_line(error)})")
        size = min(_MAX_BLOCK, _size(origin) + 1)
        data = _parse(origin.path, origin.header, columns, text, dialect, size)
    temporal = [field.name for field in data.schema if pa.types.is_temporal(field.type)]
    temporal += _rounded(data, origin)
    if temporal:  # kept as text: PyArrow would convert a time with a zone, and drop the digits of a cell
        return read_delimited(origin, columns, {*text, *temporal}, dialect)
    if any(pa.types.is_binary(field.type) for field in data.schema):
        refuse_encoding(origin.path, origin)
    if origin.header.quoted and _odd_quotes(origin):
        refuse_open_quote(origin)
    return data


def padded_columns(
    origin: TextOrigin, data: pa.Table, text: Collection[str], dialect: Dialect
) -> tuple[str, ...]:
    """Return the columns of whole numbers in which some have a zero before another digit."""
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = [field.name for field in data.schema if pa.types.is_integer(field.type)]
    if not whole:
        return ()
    written = read_delimited(origin, whole, whole, dialect)

    def holds_padded(column: ArrowColumn) -> bool:
        trimmed = pc.utf8_trim_whitespace(column)
        zeros = pc.and_(pc.starts_with(trimmed, "0"), pc.greater(pc.binary_length(trimmed), 1))
        return bool(pc.any(zeros).as_py())

    return tuple(name for name in whole if name not in text and holds_padded(written.column(name)))


def _rounded(data: pa.Table, origin: TextOrigin) -> list[str]:
    """Return the columns with plain numbers beyond 2^53, where PyArrow has read rounded float64."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = []
    for field in data.schema:
        ends = pc.min_max(data.column(field.name)).as_py() if pa.types.is_floating(field.type) else {}
        if any(end is not None and EXACT <= abs(end) < math.inf for end in ends.values()):
            values = data.column(field.name).to_numpy()
            row = int(np.flatnonzero(np.abs(np.nan_to_num(values)) >= EXACT)[0])
            record = origin.text_rows({row}).get(row)
            place = origin.header.names.index(field.name)
            if record is not None and PLAIN_DIGITS.fullmatch(record.cells[place].strip()):
                found.append(field.name)
    return found


def _parse(
    path: Path, header: Header, columns: Sequence[str], text: Collection[str], dialect: Dialect, block: int
) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    changed = header.comment or header.delimiter == BLANKS
    plain = not (packing_of(path) or changed) and header.charset == UTF_8
    with open_table_text(path, header) as recoded:
        return csv.read_csv(
            arrow_source(path) if plain else recoded,
            read_options=csv.ReadOptions(
                column_names=list(header.names), skip_rows=header.lines, block_size=block
            ),
            parse_options=csv.ParseOptions(
                delimiter=header.delimiter,
                newlines_in_values=header.quoted,
                invalid_row_handler=(lambda row: "skip") if header.skips else None,
            ),
            convert_options=csv.ConvertOptions(
                include_columns=list(columns),
                column_types={name: pa.string() for name in text},
                null_values=list(dialect.missing_spellings),
                strings_can_be_null=False,  # text keeps its spelling; ParsedColumn finds the missing cells
                true_values=list(TRUE),
                false_values=list(FALSE),
                decimal_point=dialect.decimal,
            ),
        )


def _refuse_text(origin: TextOrigin) -> None:
    if origin.header.charset == UTF_8:
        refuse_encoding(origin.path, origin)
    if origin.header.quoted:
        refuse_open_quote(origin)
    refuse_rows(origin)


def _odd_quotes(origin: TextOrigin) -> bool:
    """Return whether the number of quotes is odd, as when one is never closed."""
    with open_table_text(origin.path, origin.header) as file:
        return sum(piece.count(b'"') for piece in iter(lambda: file.read(_BLOCK), b"")) % 2 == 1


def _size(origin: TextOrigin) -> int:
    """Return the size of a text in bytes of UTF-8."""
    with open_table_text(origin.path, origin.header) as file:
        return sum(map(len, iter(lambda: file.read(_BLOCK), b"")))
