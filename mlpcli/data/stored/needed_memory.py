"""How much memory the rows of a dataset would take, from the size of its files."""

from __future__ import annotations

from pathlib import Path

from mlpcli.data.readers.find_files import arrow_source, ending_of, find_files, is_server_path, is_table
from mlpcli.data.readers.packed import packing_of
from mlpcli.errors import MlpcliError
from mlpcli.machine import format_bytes, memory_bytes
from mlpcli.spec.schema import DatasetSpec

OF_TEXT = 5.0
"""Bytes of memory for a byte of a text file, while it becomes rows: measured, see docs/memory.md."""

OF_PACKED = 4.0
"""By how much a packed text is larger than its file."""

OF_CELL = 40.0
"""Bytes of memory for a cell of a Parquet file."""

MUCH = 0.5
"""The share of the machine's memory from which on there is a note."""


def needed_memory(spec: DatasetSpec, folder: Path) -> float:
    """Return about how many bytes the rows of a dataset take while they are read; 0 where that is not known.

    Args:
        spec: the `dataset` section.
        folder: relative to which its paths are read.
    """
    if spec.path is None:
        return 0.0
    try:
        paths = find_files(spec.path, folder, ("dataset", "path"))
        return sum(_of_file(path) for path in paths if is_table(path) and not is_server_path(path))
    except (MlpcliError, OSError):
        return 0.0  # whoever reads it says what is wrong


def _of_file(path: Path) -> float:
    if ending_of(path) == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(arrow_source(path)) as file:
                cells = int(file.metadata.num_rows) * int(file.metadata.num_columns)
                return OF_CELL * cells
        except (pa.ArrowException, OSError):
            return 0.0
    return OF_TEXT * path.stat().st_size * (OF_PACKED if packing_of(path) else 1.0)


def memory_advice(spec: DatasetSpec, folder: Path) -> str | None:
    """Return a line on rows that may not fit into memory; None where they do.

    Args:
        spec: the `dataset` section.
        folder: relative to which its paths are read.
    """
    needed, there = needed_memory(spec, folder), memory_bytes()
    if there is None or needed < MUCH * there:
        return None
    size, whole = format_bytes(needed), format_bytes(there)
    return (
        f"the rows of {spec.path} take about {size} of memory while they are read, and this machine has "
        f"{whole}: fit: {{memory: 2GB}} keeps them in files"
    )
