"""Check columns of a Parquet file, whose values may contradict their types.

A file claims that its texts are UTF-8, its codes are within their dictionary, and its time zone exists. The
values are checked once, when they are read, so that later code can rely on them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mlpcli.data.readers.broken_rules import RowErrors
from mlpcli.data.readers.row_errors import Origin, RowError
from mlpcli.data.types import ArrowColumn
from mlpcli.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


def checked_column(name: str, column: ArrowColumn, origin: Origin, *, first: int = 0) -> pa.ChunkedArray:
    """Check that a column's values can be converted.

    Args:
        name: of the column.
        column: as PyArrow decodes it.
        origin: of the column.
        first: the position in the file of the column's first row.

    Returns:
        The column; an extension type is replaced by the type of its storage.

    Raises:
        DataError: a value contradicts its type; with file, row and column.
    """
    import pyarrow as pa

    if isinstance(column, pa.Array):
        column = pa.chunked_array([column])
    column = _stored(column)
    try:
        _convert(column)
    except (pa.ArrowException, ValueError, OverflowError) as error:
        row = _first_bad(column)
        row_error = RowError(first + row, f"column {name!r}", _rule(column.type, error))
        raise DataError(*RowErrors([row_error]).problems(origin)) from None
    return column


def _stored(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without the extension type around its values."""
    import pyarrow as pa

    while isinstance(column.type, pa.BaseExtensionType):
        chunks = [chunk.storage for chunk in column.chunks]
        column = pa.chunked_array(chunks, type=column.type.storage_type)
    return column


def _convert(column: pa.ChunkedArray) -> None:
    """Convert a column as later code does; raise what PyArrow raises."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column.validate(full=True)
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        column.validate(full=True)
        kind = column.type
    if pa.types.is_temporal(kind):
        pc.cast(column, pa.string())
    elif pa.types.is_decimal(kind):
        pc.cast(column, pa.float64(), safe=False)


def _first_bad(column: pa.ChunkedArray) -> int:
    """Return the first row that cannot be converted, by bisection; 0 if no single row is the cause."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        if _fails(lambda: _convert(column.slice(low, middle - low))):  # noqa: B023 (called at once)
            high = middle
        else:
            low = middle
    return low


def _fails(call: Callable[[], None]) -> bool:
    import pyarrow as pa

    try:
        call()
    except (pa.ArrowException, ValueError, OverflowError):
        return True
    return False


def _zone(kind: pa.DataType) -> str | None:
    """Return the time zone of a type; None where it has none, or one that is no text."""
    import pyarrow as pa

    try:
        return kind.tz if pa.types.is_timestamp(kind) else None
    except UnicodeDecodeError:
        return None


def _rule(kind: pa.DataType, error: Exception) -> str:
    zone = _zone(kind)
    if zone is not None and "timezone" in str(error):
        return f"is of time zone {zone!r}, which is unknown"
    if "UTF8" in str(error):
        return "must be UTF-8 text"
    return f"cannot be read ({str(error).splitlines()[0]})"
