"""Read Feather and Arrow IPC files by PyArrow, a record batch at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mlpcli.data.readers.batch_table import BATCH_ROWS, BatchTable, plain_bytes
from mlpcli.data.readers.check_columns import checked_column
from mlpcli.data.readers.find_files import arrow_source
from mlpcli.data.readers.header import MAX_COLUMNS
from mlpcli.data.readers.row_errors import (
    MAX_PACKING_RATIO,
    MAX_REPEATED_BYTES,
    Origin,
    check_memory,
    first_line,
)
from mlpcli.data.types import ArrowColumn
from mlpcli.files import open_ordinary

if TYPE_CHECKING:
    import pyarrow as pa


class ArrowFile(BatchTable):
    """A Feather file, or an Arrow IPC file or stream."""

    def __init__(self, path: Path, label: str) -> None:
        """Read the names of the columns.

        Raises:
            DataError: the file is of another format, damaged, or has two columns of one name.
        """
        self.path, self.origin = path, Origin(label)
        if path.stat().st_size == 0:
            self.origin.refuse("is empty (0 bytes)")
        with open_ordinary(path) as file:
            if file.read(4) == b"FEA1":
                hint = "write it again with pyarrow.feather.write_feather"
                self.origin.refuse("is of the old Feather format, version 1", hint=hint)
        with self._opened(None) as reader:
            try:
                self.names = tuple(reader.schema.names)
            except UnicodeDecodeError as error:
                self._refuse(error)
        if not self.names:
            self.origin.refuse("holds no columns")
        if len(self.names) > MAX_COLUMNS:
            rule = f"has {len(self.names):,} columns, a table may have at most {MAX_COLUMNS:,}"
            self.origin.refuse(rule)
        repeated = sorted(name for name, count in Counter(self.names).items() if count > 1)
        if repeated:
            rule = f"column name {repeated[0]!r} occurs more than once"
            self.origin.refuse(rule, hint="rename all but one")

    def batches(self, columns: Sequence[str]) -> Iterator[dict[str, ArrowColumn]]:
        """Yield some columns of all rows in their order, their values checked against their types."""
        first = claimed = 0
        most = MAX_REPEATED_BYTES + MAX_PACKING_RATIO * self.path.stat().st_size
        with self._opened(columns) as reader:
            for batch in self._stored(reader):
                claimed += batch.num_rows * max(1, len(columns))
                if 4 * claimed > most:
                    self.origin.refuse(f"claims {batch.num_rows:,} rows, far more than its size")
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    part = batch.slice(start, BATCH_ROWS)
                    self._check_texts(part)
                    yield {
                        name: checked_column(name, part.column(name), self.origin, first=first)
                        for name in columns
                    }
                    first += part.num_rows

    def _check_texts(self, part: pa.RecordBatch) -> None:
        try:
            size = sum(map(plain_bytes, part.columns))
        except (ValueError, IndexError):  # codes beyond their dictionary, which `checked_column` names
            return
        check_memory(size, self.origin)

    def _stored(self, reader: pa.ipc.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        try:
            if hasattr(reader, "num_record_batches"):
                for place in range(reader.num_record_batches):
                    yield reader.get_batch(place)
            else:
                yield from reader
        except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
            self._refuse(error)

    @contextmanager
    def _opened(self, columns: Sequence[str] | None) -> Iterator[pa.ipc.RecordBatchReader]:
        import pyarrow as pa

        places = None if columns is None else [self.names.index(name) for name in columns]
        options = pa.ipc.IpcReadOptions(included_fields=places)
        source = arrow_source(self.path)
        try:
            file = pa.OSFile(str(source)) if isinstance(source, Path) else source
            try:
                reader = pa.ipc.open_file(file, options=options)
            except pa.ArrowInvalid:
                file.seek(0)
                reader = pa.ipc.open_stream(file, options=options)
        except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
            self._refuse(error)
        with file:
            yield reader

    def _refuse(self, error: Exception) -> NoReturn:
        hint = "the file is damaged, or its extension is wrong"
        self.origin.refuse(f"cannot be read as Feather or Arrow ({first_line(error)})", hint=hint)
