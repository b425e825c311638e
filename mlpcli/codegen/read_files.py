"""The functions of a standalone script that read a table from a file, or from several one below the other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlpcli.codegen.source_text import DataCode, cannot_write, text, text_list
from mlpcli.data.readers.charset import UTF_8
from mlpcli.data.readers.delimited import read_header
from mlpcli.data.readers.dialect import Dialect
from mlpcli.data.readers.partitions import DataFiles, folder_keys
from mlpcli.data.readers.row_errors import NoRowsError
from mlpcli.data.readers.tables import open_table

FILES = "files"
"""What a script calls the list of its files, where there are several."""

MOST_FILES = 200
"""A script does not list more files than these."""


def are_several(files: DataFiles) -> bool:
    """Return whether a path named several files, or a pattern, which may be one of a single file."""
    return len(files) > 1 or files.base is not None


def files_lines(files: Sequence[Path]) -> list[str]:
    """Return the lines that list several files."""
    return [f"{FILES} = [", *(f"    {text(str(path.absolute()))}," for path in files), "]"]


def table_functions(code: DataCode, files: DataFiles, dialect: Dialect) -> list[str]:
    """Return the function that reads a table, and for several files the one that joins them.

    Args:
        code: the script so far, for its imports.
        files: of the table.
        dialect: how their cells are written.

    Raises:
        UsageError: they are written in a way that a short function does not read, or not all alike.
    """
    several = are_several(files)
    first = _check_alike(files, dialect) if several else files[0]
    functions = ["\n".join(_table_function(code, first, dialect, several=several))]
    if several:
        functions.append("\n".join(_tables_function()))
    return functions


def _check_alike(files: DataFiles, dialect: Dialect) -> Path:
    """Refuse files that a script would have to read in different ways.

    Returns:
        The first one that has rows.

    Raises:
        UsageError: their columns, formats or separators differ, or folders are columns.
    """
    hint = "write them to one CSV or Parquet file"
    if any(folder_keys(files)):
        raise cannot_write("columns that are the names of folders", hint)
    if len(files) > MOST_FILES:
        raise cannot_write(f"rows of {len(files):,} files", hint)
    if len({path.suffix.lower() for path in files}) > 1:
        raise cannot_write("files of different kinds", hint)
    columns: dict[Path, frozenset[str]] = {}
    for path in files:
        with contextlib.suppress(NoRowsError):
            columns[path] = frozenset(open_table(path, str(path), dialect).names)
    if len({*columns.values()}) > 1:
        raise cannot_write("files with different columns", hint)
    first = next(iter(columns))
    if first.suffix.lower() == ".parquet":
        return first
    headers = [read_header(path, str(path), dialect) for path in columns]
    if len({(each.delimiter, each.charset, bool(each.lines)) for each in headers}) > 1:
        raise cannot_write("files with different separators or character sets", hint)
    if any(each.lines > 1 and each.notes for each in headers):
        raise cannot_write("a table with lines above its header")
    return first


def _table_function(code: DataCode, path: Path, dialect: Dialect, *, several: bool) -> Iterator[str]:
    code.imports.add("import os")
    yield "def read_table(path):"
    yield '    """The columns of a table by name, each an array."""'
    if path.suffix.lower() == ".parquet":
        code.imports.add("import pyarrow.parquet")
        yield "    columns = pyarrow.parquet.read_table(path).to_pydict()"
        yield "    return {name: np.array(cells) for name, cells in columns.items()}"
        return
    code.imports.add("import csv")
    header = read_header(path, str(path), dialect)
    if header.lines > 1 and header.notes:
        raise cannot_write("a table with lines above its header")
    if header.charset.startswith(("utf-16", "utf-32")):
        raise cannot_write(f"a table in {header.charset}")
    encoding = "utf-8-sig" if header.charset == UTF_8 else header.charset
    names = "" if header.lines else f", fieldnames={text_list(list(header.names))}"
    first = "rows[:1] and rows[0]" if several else "rows[0]"  # a file may have a header alone
    yield f'    with open(path, encoding="{encoding}", newline="") as file:'
    yield f"        rows = list(csv.DictReader(file, delimiter={text(header.delimiter)}{names}))"
    yield f"    return {{name.strip(): np.array([row[name] for row in rows]) for name in {first}}}"


def _tables_function() -> Iterator[str]:
    yield "def read_tables(paths):"
    yield '    """The columns of several tables, one below the other; of one without rows nothing."""'
    yield "    tables = [table for path in paths if any(map(len, (table := read_table(path)).values()))]"
    yield "    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}"
