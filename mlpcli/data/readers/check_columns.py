"""Columns as PyArrow decodes them from a Parquet file, which may hold what nothing can convert.

A file says of itself that its texts are UTF-8, its codes are within their dictionary, its time zone exists.
Here that is held against the values, once, where they come in; what reads the columns later can rely on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlpcli.data.readers.row_errors import Origin, RowError
from mlpcli.errors import DataError


def checked_column(name: str, column: Any, origin: Origin, *, first: int = 0) -> Any:
    """Return a column of values that can be converted, extension types as what they are stored as.

    first: the place in the file of the column's first row.

    Raises:
        DataError: a value breaks what its type promises; file, row and column are named.
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
        raise DataError(*origin.problems([row_error])) from None
    return column


def _stored(column: Any) -> Any:
    """A column without the extension type around its values."""
    import pyarrow as pa

    while isinstance(column.type, pa.BaseExtensionType):
        chunks = [chunk.storage for chunk in column.chunks]
        column = pa.chunked_array(chunks, type=column.type.storage_type)
    return column


def _convert(column: Any) -> None:
    """Do with a column what is done with it later; raises what PyArrow raises."""
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


def _first_bad(column: Any) -> int:
    """The first row that cannot be converted, by halving; 0 where none is to blame by itself."""
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


def _rule(kind: Any, error: Exception) -> str:
    import pyarrow as pa

    if pa.types.is_timestamp(kind) and kind.tz is not None and "timezone" in str(error):
        return f"is of time zone {kind.tz!r}, which is unknown"
    if "UTF8" in str(error):
        return "must be UTF-8 text"
    return f"cannot be read ({str(error).splitlines()[0]})"
