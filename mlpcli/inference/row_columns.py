"""The raw columns of rows of a run: of one of its splits, or of a file of new rows; also unused columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlpcli.data.column_values import ColumnValues, ValueKind, kind_of, of_cells, of_numbers
from mlpcli.data.contract_columns import contract_columns
from mlpcli.data.dataset import Contract, Dataset, Split
from mlpcli.data.features.date_hints import date_hint
from mlpcli.data.new_notation import in_notation
from mlpcli.data.raw_columns import column_places, places_read, values_at
from mlpcli.data.readers.dialect import PLAIN
from mlpcli.data.readers.find_files import find_files, is_table, named_files
from mlpcli.data.readers.notations import read_numbers
from mlpcli.data.readers.other_notation import number_hint
from mlpcli.data.readers.parse_cells import ParsedColumn
from mlpcli.data.readers.partitions import DataFiles
from mlpcli.data.readers.reading import AS_RECORDED, Reading
from mlpcli.data.readers.tables import Table, TableFile, open_tables, read_table
from mlpcli.data.sources.kept_rows import KeptOrigin
from mlpcli.data.sources.table_source import dialect_of
from mlpcli.data.types import Array, Arrays
from mlpcli.errors import Problem, UsageError
from mlpcli.spec.load import LoadedSpec


class RowColumns(ABC):
    """Columns that are read when they are asked for.

    Attributes:
        label: of the data, for messages.
        names: of the columns.
    """

    def __init__(self, label: str, names: Sequence[str]) -> None:
        self.label, self.names = label, tuple(names)

    @abstractmethod
    def read(self, names: Sequence[str], kinds: Mapping[str, ValueKind] = {}) -> dict[str, ColumnValues]:
        """Return some columns by name.

        Args:
            names: of the columns.
            kinds: as what some of them are read, whatever their values resemble.

        Raises:
            DataError: the file cannot be read any more.
        """


class NoColumns(RowColumns):
    """Rows of images or of sequences, which have no columns."""

    def __init__(self, label: str) -> None:
        super().__init__(label, ())

    def read(self, names: Sequence[str], kinds: Mapping[str, ValueKind] = {}) -> dict[str, ColumnValues]:
        """Return nothing."""
        del names, kinds
        return {}


class TableColumns(RowColumns):
    """Columns of a table."""

    def __init__(self, file: TableFile, contract: Contract, rows: Array | None = None) -> None:
        """Keep the file.

        Args:
            file: the opened table.
            contract: of the model, which knows how it reads its own columns.
            rows: (rows,) positions in the table; None for all.
        """
        super().__init__(file.origin.label, file.names)
        self.file, self.contract, self.rows = file, contract, rows

    def read(self, names: Sequence[str], kinds: Mapping[str, ValueKind] = {}) -> dict[str, ColumnValues]:
        """Return some columns by name: one that the model reads as the model reads it."""
        cells = self.cells(names)
        found = {}
        for name in names:
            kind, date_format = kind_of(name, cells[name], self.contract)
            if name in kinds and kinds[name] != kind:
                kind, date_format = kinds[name], date_format or "%Y-%m-%d"
            values = of_cells(name, cells[name], kind, date_format)
            if values.words:
                values = replace(values, hint=self._hint(name, values, date_format))
            cells[name].release()
            found[name] = values if self.rows is None else values.take(self.rows)
        return found

    def _hint(self, name: str, values: ColumnValues, date_format: str) -> str:
        """Return the option that reads the first unreadable cell; empty for none."""
        if values.kind == "numbers":
            return number_hint(values.words[0], self.file.dialect.of(name))
        preprocessor = self.contract.preprocessor
        own = preprocessor is not None and name in preprocessor.names  # --date-format is for these alone
        return date_hint(values.words[0], date_format) if own else ""

    def count(self) -> int:
        """Return the number of rows."""
        if self.rows is not None:
            return len(self.rows)
        return read_table(self.file, self.file.names[:1], text=self.file.names[:1]).rows

    def cells(self, names: Sequence[str]) -> dict[str, ParsedColumn]:
        """Return the cells of some columns, of all rows of the table."""
        preprocessor = self.contract.preprocessor
        used = [] if preprocessor is None else [name for name in names if name in preprocessor.names]
        others = [name for name in names if name not in used]
        found: dict[str, ParsedColumn] = {}
        if used:
            found |= self.table(used).columns
        if others:
            found |= read_numbers(self.file, others)[0].columns
        return found

    def table(self, names: Sequence[str]) -> Table:
        """Return some columns of the model as they are read for it, of all rows of the table."""
        preprocessor = self.contract.preprocessor
        spelled = () if preprocessor is None else (*preprocessor.spelled, *preprocessor.dialect.notations)
        return read_table(self.file, names, text=[name for name in names if name in spelled])


class ArrayColumns(RowColumns):
    """Columns of an array of numbers, called by their number where they have no names."""

    def __init__(self, label: str, matrix: Array, names: Sequence[str]) -> None:
        """Keep the array.

        Args:
            label: of the data.
            matrix: (rows, columns).
            names: of the columns.
        """
        super().__init__(label, names)
        self.matrix = matrix

    def read(self, names: Sequence[str], kinds: Mapping[str, ValueKind] = {}) -> dict[str, ColumnValues]:
        """Return some columns by name."""
        del kinds
        return {name: of_numbers(name, self.matrix[:, self.names.index(name)]) for name in names}


def names_of_array(contract: Contract) -> tuple[str, ...]:
    """Return the names of the columns of arrays: of the model's table, or `column 0`, `column 1`..."""
    if contract.preprocessor is not None:
        return contract.features
    return tuple(column_places(contract))


def array_columns(label: str, x: Arrays, contract: Contract) -> RowColumns:
    """Return the columns of rows of numbers as the network takes them.

    Args:
        label: of the data.
        x: (rows, width), or by input; not scaled.
        contract: of the model.
    """
    if isinstance(x, np.ndarray) and x.ndim != 2:
        return NoColumns(label)
    places = column_places(contract) if contract.preprocessor is None else {}
    if isinstance(x, dict):
        places = {name: each for name, each in places.items() if {*each} <= places_read(contract)}
    if not places:
        return NoColumns(label)
    wanted = [place for (place,) in places.values()]
    matrix = x[:, wanted] if isinstance(x, np.ndarray) else values_at(x, contract, wanted)
    return ArrayColumns(label, matrix, tuple(places))


def columns_of_file(
    path: Path,
    contract: Contract,
    *,
    raw: Array | None = None,
    kept: Array | None = None,
    reading: Reading = AS_RECORDED,
) -> RowColumns:
    """Return the columns of a file of rows.

    Args:
        path: of the file.
        contract: of the model.
        raw: of arrays, (rows, ...) as the file holds them.
        kept: of a table, (rows,) the positions of the rows that count; None for all.
        reading: how the file is read, where that differs from the run's own.
    """
    label, contract = str(path), in_notation(contract, reading)
    if all(map(is_table, files := named_files(label))):
        preprocessor = contract.preprocessor
        dialect = PLAIN if preprocessor is None else preprocessor.dialect
        file = open_tables(files, label, reading.on(dialect), wanted=contract_columns(contract))
        return TableColumns(file, contract, kept)
    names = names_of_array(contract)
    if raw is None or not names or raw[:1].size != len(names):
        return NoColumns(label)
    return ArrayColumns(label, raw.reshape(len(raw), -1), names)


def columns_of_split(
    loaded: LoadedSpec, dataset: Dataset, contract: Contract, name: str, split: Split
) -> RowColumns:
    """Return the columns of a split of a run.

    Args:
        loaded: the run's spec, with its files where they were found.
        dataset: its data.
        contract: of its model.
        name: of the split whose file and origin are meant.
        split: the rows.

    Raises:
        UsageError: the rows are of two files with other numbers.
    """
    section, found = loaded.spec.dataset, _table_of(loaded, name)
    if found is None:
        return array_columns(dataset.source, split.x, contract)
    if len(np.unique(split.rows)) < len(split.rows):
        rule = f"the {name} rows are of {section.path} and of {section.validation}: columns are of one file"
        raise UsageError(Problem(rule, hint="evaluate each with --data FILE"))
    dialect = contract.preprocessor.dialect if contract.preprocessor else dialect_of(section)
    file = open_tables(*found, dialect, wanted=contract_columns(contract))
    origin = dataset.origins.get(name)
    rows = origin.kept[split.rows] if isinstance(origin, KeptOrigin) else split.rows
    return TableColumns(file, contract, rows)


def _table_of(loaded: LoadedSpec, name: str) -> tuple[DataFiles, str] | None:
    """Return the files of the table that holds a split, and what the spec calls them; None for no table."""
    section = loaded.spec.dataset
    own = getattr(section, name, None)
    key, text = (name, own) if isinstance(own, str) else ("path", section.path)
    if text is None:
        return None
    paths = find_files(text, loaded.folder, ("dataset", key))
    return (paths, text) if all(map(is_table, paths)) else None


def names_of_split(loaded: LoadedSpec, contract: Contract, name: str) -> tuple[str, ...]:
    """Return the columns of a split, whose rows are not read; of arrays also those that no input takes.

    Args:
        loaded: the run's spec.
        contract: of its model.
        name: of the split.

    Raises:
        SpecError: a file is not where the spec says.
    """
    found = _table_of(loaded, name)
    if found is None:
        return names_of_array(contract)
    dialect = contract.preprocessor.dialect if contract.preprocessor else dialect_of(loaded.spec.dataset)
    return open_tables(*found, dialect, wanted=contract_columns(contract)).names
