"""Take the splits of a dataset off its rows, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.data.dataset import Output
from mlpcli.data.folds import cut_folds
from mlpcli.data.group_split import quantile_bins
from mlpcli.data.nested_rows import TrainingRows, nested_rows
from mlpcli.data.readers.tables import ReadTable, read_table
from mlpcli.data.scaling import in_precision
from mlpcli.data.sources.open import read_split
from mlpcli.data.sources.source_rows import Source, SourceRows
from mlpcli.data.sources.table_source import dialect_of
from mlpcli.data.split_by_column import divide
from mlpcli.data.split_columns import split_column_of
from mlpcli.data.splits import Amount, place_of
from mlpcli.data.step_targets import encode_rows
from mlpcli.data.stored.stored_array import StoredArray
from mlpcli.data.targets import CLASSED, class_indices, stratified_by
from mlpcli.data.types import Array, NumberType
from mlpcli.data.unseen_classes import unseen_classes
from mlpcli.errors import DataError, Problem
from mlpcli.spec.fit_section import FoldSpec
from mlpcli.spec.schema import DatasetSpec
from mlpcli.spec.split_forms import SplitBy

INT64 = np.dtype(np.int64)


@dataclass(frozen=True)
class OpenedData:
    """The rows of a `dataset` section, read and with their targets encoded, but not divided.

    Attributes:
        source: the rows.
        coded: y over the main rows, and the output, by the output's name.
        folder: relative to which paths in the spec are read.
        files: the rows of splits that are files, by split and path; each is read once.
        read: reads the columns of tables.
        rows_dtype: of the positions of rows.
    """

    source: Source
    coded: Mapping[str, tuple[Array, Output]]
    folder: Path
    files: dict[tuple[str, str], SourceRows] = field(default_factory=dict)
    read: ReadTable = read_table
    rows_dtype: np.dtype = INT64


@dataclass(frozen=True)
class RowsOfSplit:
    """Rows of one split before they are divided among the inputs and scaled; y by output."""

    x: Any
    y: dict[str, Array]
    rows: Array
    weights: Array | None
    source_rows: SourceRows


class Splitter:
    """Takes splits off the main rows one after the other, and compares their classes in the end."""

    def __init__(self, opened: OpenedData, seed: int, spec: DatasetSpec, numbers: NumberType) -> None:
        self.opened, self.seed, self.spec, self.numbers = opened, seed, spec, numbers
        source, coded = opened.source, opened.coded
        self.source = source
        table = source.main.table
        self.dialect = dialect_of(spec, numbers) if table is None else table.dialect
        self.notes: list[str] = []
        self.sparse = False  # whether classes were too rare for a stratified split
        self.y = {name: in_precision(y, output, numbers) for name, (y, output) in coded.items()}
        self.outputs = tuple(output for _, output in coded.values())
        self.rows = np.arange(
            len(source.main.x), dtype=opened.rows_dtype
        )  # of the main rows, those that no split has taken
        self.taken: dict[str, RowsOfSplit] = {}

    def add(self, split: str, rows: SourceRows) -> None:
        """Add a split that has rows of its own."""
        y = {each.name: encode_rows(rows, each, self.numbers, split=split) for each in self.outputs}
        self.taken[split] = RowsOfSplit(rows.x, y, np.arange(len(rows.x)), rows.weights, rows)

    def split(self, split: str, amount: Amount | str) -> None:
        """Add a split of some of the remaining rows, or of a file."""
        if isinstance(amount, str):
            self.add(split, self._of_file(split, amount))
            return
        division = divide(
            self.rows,
            amount,
            split=split,
            seed=self.seed,
            outputs=self.outputs,
            y=self.y,
            columns=self.source.split_columns,
            path=place_of(self.spec, split),
        )
        self.sparse |= division.sparse
        self.notes += division.notes
        self.rows = division.stay
        self.taken[split] = self._pick(division.taken)

    def _labels(self, folds: int = 1) -> Array | None:
        """Return the class of each remaining row, or for folds, on request, its bin; or None."""
        named = stratified_by(self.outputs)
        if named is not None:
            return class_indices(self.y[named.name])[self.rows]
        amounts = (self.spec.test, self.spec.validation)
        wanted = any(isinstance(each, SplitBy) and each.stratify is not None for each in amounts)
        if folds < 2 or not wanted:
            return None
        numbers = next(each for each in self.outputs if each.kind == "numbers")
        values = self.y[numbers.name][self.rows]
        return quantile_bins(values.reshape(len(values), -1)[:, 0], len(values) // folds)

    def _other_labels(self) -> Iterator[Array]:
        """Yield the classes of the remaining rows by which they are not stratified: more targets, labels."""
        named = stratified_by(self.outputs)
        for each in self.outputs:
            y = self.y[each.name][self.rows] if each is not named and not each.steps else None
            if y is not None and each.kind in CLASSED:
                yield class_indices(y)
            elif y is not None and each.kind == "labels":
                yield from y.T

    def _of_file(self, split: str, path: str) -> SourceRows:
        """Return the rows of a split's file."""
        files = self.opened.files
        if (split, path) not in files:
            drops = self.spec.drops_missing_targets
            files[split, path] = read_split(
                path,
                split,
                self.source,
                labels={output.name: output.classes is not None for output in self.outputs},
                folder=self.opened.folder,
                weights=self.spec.weights,
                dialect=self.dialect,
                droppable=[each.name for each in self.outputs if drops and each.separator is None],
                read=self.opened.read,
            )
        return files[split, path]

    def hold_out(self, fold: FoldSpec) -> None:
        """Add the rows of a fold as the split `held_out`; those that it does not train on are left out."""
        column = split_column_of(self.spec, self.source.split_columns)
        folds = cut_folds(self.rows, fold.of, seed=self.seed, labels=self._labels(fold.of), column=column)
        training, held_out = folds.take(fold.number)
        self.taken["held_out"] = self._pick(self.rows[held_out])
        self.rows = self.rows[training]

    def keep(self, some: TrainingRows) -> None:
        """Leave some of the training rows, and no others: whole groups, or the latest where time divides."""
        column = split_column_of(self.spec, self.source.split_columns)
        if column is not None and column.sort == "time":
            kept = np.sort(np.argsort(-column.values[self.rows], kind="stable")[: some.number])
        else:
            groups = None if column is None else column.values[self.rows]
            kept = nested_rows(
                some.number,
                seed=some.seed,
                labels=self._labels(),
                also=[*self._other_labels()],
                groups=groups,
                rows=len(self.rows),
            )
        self.rows = self.rows[kept]

    def finish(self) -> dict[str, RowsOfSplit]:
        """Return all splits by name, the training rows first.

        Raises:
            DataError: a split holds a class that no training row has.
        """
        train = self._pick(self.rows)
        problems: list[Problem] = []
        for name, taken in self.taken.items():
            for output in self.outputs:
                y, rows = taken.y[output.name], taken.source_rows.for_output(output.name)
                problems += unseen_classes(
                    train.y[output.name],
                    rows,
                    name,
                    y,
                    taken.rows,
                    output,
                    divided=taken.source_rows is self.source.main,
                )
        if problems:
            raise DataError(*problems)
        return {"train": train} | self.taken

    def _pick(self, rows: Array) -> RowsOfSplit:
        """Return some of the main rows; consecutive rows as a view, so that images are in memory once."""
        main = self.source.main
        window: Array | slice = rows
        if rows[-1] - rows[0] + 1 == len(rows) and (len(rows) == 1 or bool((np.diff(rows) == 1).all())):
            window = slice(int(rows[0]), int(rows[-1]) + 1)
        y = {name: values[window] for name, values in self.y.items()}
        weights = None if main.weights is None else main.weights[window]
        x = main.x if isinstance(main.x, StoredArray) else main.x[window]  # which is picked by its keeper
        return RowsOfSplit(x, y, rows, weights, main)
