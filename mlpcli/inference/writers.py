"""Where predictions go, a chunk at a time: CSV, TSV, JSON lines, Parquet, npy, or memory."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from mlpcli.data.readers.files import arrow_source
from mlpcli.data.readers.parse_cells import python_values
from mlpcli.data.types import Array
from mlpcli.errors import Problem, UsageError
from mlpcli.files import replacing

FORMATS = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".jsonl": "jsonl", ".npy": "npy"}


class Sink(Protocol):
    """Takes predicted rows.

    columns: PyArrow arrays by name, the same names each time. outputs: (rows, outputs) float32.
    """

    def write(self, columns: Mapping[str, Any], outputs: Array) -> None:
        """Take some rows."""

    def close(self) -> None:
        """All rows were taken."""


def format_of(output: Path) -> str:
    """The format that an output file's ending asks for.

    Raises:
        UsageError: no format has this ending.
    """
    if output.suffix not in FORMATS:
        rule = f"-o {output}: the ending must be one of {', '.join(FORMATS)}"
        raise UsageError(Problem(rule, received=output.suffix))
    return FORMATS[output.suffix]


def check_output(output: Path | None, *, force: bool, option: str = "-o") -> None:
    """Refuse, before any work, an output of no known format or one that stands there already.

    Raises:
        UsageError: either of these.
    """
    if output is None:
        return
    if option == "-o":
        format_of(output)
    if output.exists() and not force:
        rule = f"{option} {output}: the file is there already"
        raise UsageError(Problem(rule, hint="add --force to replace it"))
    if not output.parent.is_dir():
        raise UsageError(Problem(f"{option} {output}: there is no folder {output.parent}"))


@contextlib.contextmanager
def writing(output: Path) -> Iterator[Sink]:
    """A sink whose file appears whole when the context ends well, or not at all."""
    kind = format_of(output)
    with replacing(output) as path:
        if kind == "parquet":
            sink: Sink = ParquetSink(path)
            yield sink
            sink.close()
            return
        with path.open("wb") as file:
            sink = NpySink(file) if kind == "npy" else sink_of_text(file, kind)
            yield sink
            sink.close()


def sink_of_text(file: IO[bytes], kind: str) -> Sink:
    """A sink of CSV, TSV or JSON lines."""
    return LinesSink(file) if kind == "jsonl" else TextSink(file, "\t" if kind == "tsv" else ",")


class TextSink:
    """CSV or TSV, quoted as by Python's csv module; numbers in the shortest form that reads back equal."""

    def __init__(self, file: IO[bytes], delimiter: str) -> None:
        self.file, self.delimiter = file, delimiter
        self.begun = False

    def write(self, columns: Mapping[str, Any], outputs: Array) -> None:
        """Write some rows, below the header if they are the first."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.begun:
            header = self._cells(pa.array(list(columns)))
            self.file.write(self.delimiter.join(header.to_pylist()).encode() + b"\n")
            self.begun = True
        cells = [self._cells(column) for column in columns.values()]
        if len(cells) == 1:  # an empty line would be no row
            cells = [pc.if_else(pc.equal(cells[0], ""), '""', cells[0])]
        if not cells or not len(cells[0]):
            return
        end, between, nothing = (pa.scalar(text, pa.large_string()) for text in ("\n", self.delimiter, ""))
        last = pc.binary_join_element_wise(cells[-1], end, nothing)
        lines = pc.binary_join_element_wise(*cells[:-1], last, between) if cells[1:] else last
        if isinstance(lines, pa.ChunkedArray):
            lines = lines.combine_chunks()
        _, ends, content = lines.buffers()
        offsets = np.frombuffer(ends, np.int64)[lines.offset : lines.offset + len(lines) + 1]
        self.file.write(memoryview(content)[offsets[0] : offsets[-1]])

    def _cells(self, column: Any) -> Any:
        """A column as the texts of its cells, quoted where they hold a delimiter, a quote or a line break."""
        import pyarrow as pa
        import pyarrow.compute as pc

        numeric = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
        if pa.types.is_nested(column.type):
            column = pa.array([str(value) for value in python_values(column)], pa.large_string())
        texts = pc.fill_null(pc.cast(column, pa.large_string()), "")
        if numeric:
            return texts
        special = pc.match_substring_regex(texts, f'[{self.delimiter}"\\r\\n]')
        if pc.any(special).as_py():
            doubled = pc.replace_substring(texts, '"', '""')
            quote, nothing = (pa.scalar(text, pa.large_string()) for text in ('"', ""))
            texts = pc.if_else(special, pc.binary_join_element_wise(quote, doubled, quote, nothing), texts)
        return texts

    def close(self) -> None:
        """Nothing is held back."""


class LinesSink:
    """A JSON object a row."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def write(self, columns: Mapping[str, Any], outputs: Array) -> None:
        """Write some rows."""
        for row in plain_rows(columns):
            self.file.write(json.dumps(row, ensure_ascii=False, default=str).encode() + b"\n")

    def close(self) -> None:
        """Nothing is held back."""


class ParquetSink:
    """A Parquet file; its types are those of the first rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer: Any = None

    def write(self, columns: Mapping[str, Any], outputs: Array) -> None:
        """Write some rows as a row group."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table(dict(columns))
        if self.writer is None:
            self.writer = pq.ParquetWriter(arrow_source(self.path, "wb"), table.schema)
        self.writer.write_table(table.cast(self.writer.schema))

    def close(self) -> None:
        """Write the footer."""
        if self.writer is not None:
            self.writer.close()


HEADER_BYTES = 128
"""What an .npy header of two dimensions takes up, whatever their size, by NumPy's padding."""


class NpySink:
    """The outputs alone, (rows, outputs) float32; the header, which tells the rows, is written last."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.rows, self.width = 0, 0
        file.write(b"\0" * HEADER_BYTES)

    def write(self, columns: Mapping[str, Any], outputs: Array) -> None:
        """Write some rows."""
        self.rows, self.width = self.rows + len(outputs), outputs.shape[1]
        self.file.write(np.ascontiguousarray(outputs, np.float32).data)

    def close(self) -> None:
        """Write the header."""
        self.file.seek(0)
        header = {"descr": "<f4", "fortran_order": False, "shape": (self.rows, self.width)}
        np.lib.format.write_array_header_1_0(self.file, header)
        assert self.file.tell() == HEADER_BYTES


class MemorySink:
    """Keeps all rows as plain Python values."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, columns: Mapping[str, Any], outputs: Array) -> None:
        """Keep some rows."""
        self.rows += plain_rows(columns)

    def close(self) -> None:
        """Nothing is held back."""


def plain_rows(columns: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows as dicts of Python values."""
    values = [_plain(column) for column in columns.values()]
    return (dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True))


def _plain(column: Any) -> list[Any]:
    """Python values; a float32 keeps its own shortest digits rather than those of its float64 twin."""
    import pyarrow as pa

    if pa.types.is_float32(column.type):
        texts = column.cast(pa.string()).to_pylist()
        return [None if text is None else float(text) for text in texts]
    return python_values(column)
