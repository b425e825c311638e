"""The labels of a run's data beside what its folds predict of them, from `out_of_fold.csv`; no TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from mlpcli import runs
from mlpcli.data.dataset import Contract, Output
from mlpcli.data.labels import Labels
from mlpcli.data.readers.dialect import PLAIN, Dialect
from mlpcli.data.readers.row_errors import raise_row_errors
from mlpcli.data.readers.table_values import labels, numeric_matrix
from mlpcli.data.readers.tables import Table, check_columns, open_table, read_table
from mlpcli.data.sources.source_rows import SourceRows
from mlpcli.data.step_targets import encode_rows
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array
from mlpcli.errors import DataError, Problem, RunError
from mlpcli.model.run_contract import run_contract
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import TRAIN_AGAIN

ABSENT, PRESENT = "0", "1"
"""The classes of one of several labels."""

Rows = Array | slice
ALL = slice(None)


@dataclass(frozen=True)
class Question:
    """One label, or number, of each row: given, and predicted by models that were not trained on the row.

    Attributes:
        output: of the network; empty for a single one.
        label: of several labels, target columns or steps, the one that is meant; empty where there is one.
        names: of the classes; empty for numbers.
        given: (rows,) int64 class indices, or float64 numbers.
        predicted: (rows, classes) probabilities, or (rows,) numbers; float64.
    """

    output: str
    label: str
    names: tuple[str, ...]
    given: Array
    predicted: Array

    @property
    def kind(self) -> Literal["classes", "numbers"]:
        """What is asked for."""
        return "classes" if self.names else "numbers"

    def likeliest(self, rows: Rows = ALL) -> Array:
        """Return the predicted class of some rows, (rows,) int64."""
        return np.asarray(self.predicted[rows].argmax(axis=1))

    def shown_given(self, rows: Rows = ALL) -> Array:
        """Return what was given for some rows, (rows,): names of classes, or numbers."""
        return np.array(self.names, object)[self.given[rows]] if self.names else self.given[rows]

    def shown_predicted(self, rows: Rows = ALL) -> Array:
        """Return what is predicted, likewise."""
        return np.array(self.names, object)[self.likeliest(rows)] if self.names else self.predicted[rows]

    def chances(self, rows: Rows = ALL) -> tuple[Array, Array] | None:
        """Return the probabilities of the given and of the predicted class, (rows,); None for numbers."""
        if not self.names:
            return None
        found = self.predicted[rows]
        return found[np.arange(len(found)), self.given[rows]], found.max(axis=1)


@dataclass(frozen=True)
class GivenLabels:
    """The rows that folds held out.

    Attributes:
        rows: (rows,) int64, the number of each in its file, from 1.
        folds: (rows,) int64, the fold that held it out, from 1.
        questions: what was given and predicted.
        unchecked: outputs that hold no single labels, each with what it holds.
        files: (rows,) the name of each row's file, where there are several; None otherwise.
    """

    rows: Array
    folds: Array
    questions: tuple[Question, ...]
    unchecked: tuple[tuple[str, str], ...] = ()
    files: Array | None = None


def read_given_labels(run: Run) -> GivenLabels:
    """Read the out-of-fold predictions of a run that was trained with folds.

    Raises:
        RunError: the run has none, or the file is damaged.
    """
    path, contract = run.require(runs.OUT_OF_FOLD), run_contract(run)
    # Texts such as NA may be labels, as the table of the run says.
    known = PLAIN if contract.preprocessor is None else contract.preprocessor.dialect
    try:
        return _read(path, contract, replace(PLAIN, values=known.values))
    except DataError as error:
        raise RunError(*map(_damaged, error.problems)) from None


def _damaged(problem: Problem) -> Problem:
    return Problem(problem.rule, received=problem.received, hint=TRAIN_AGAIN)


def _read(path: Path, contract: Contract, dialect: Dialect) -> GivenLabels:
    file = open_table(path, str(path), dialect)
    asked = [output for output in contract.outputs if output.kind not in UNCHECKED]
    own = {output.name: _given_columns(output, file.names) for output in asked}
    check_columns(file.names, [*PLACES, *(name for names in own.values() for name in names)], file.origin)
    texts = [name for output in asked if _is_text(output) for name in own[output.name]]
    table = read_table(file, file.names, text=[*texts, *({FILE} & {*file.names})])
    rows, folds = (_numbers(table, name).astype(np.int64) for name in PLACES)
    questions: list[Question] = []
    for output in asked:
        given = _given(output, own[output.name], table, contract)
        questions += _questions(output, given, table)
    unchecked = [(each.name, UNCHECKED[each.kind]) for each in contract.outputs if each.kind in UNCHECKED]
    files = np.array(table.columns[FILE].arrow.to_pylist(), object) if FILE in table.columns else None
    return GivenLabels(rows, folds, tuple(questions), tuple(unchecked), files)


PLACES, FILE = ("row", "fold"), "file"
"""Columns that say where a row is, and which fold held it out; and its file, where there are several."""


def _is_text(output: Output) -> bool:
    """Return whether a target is written as labels, not as numbers."""
    return output.kind == "classes" or output.separator is not None


def _given_columns(output: Output, names: Sequence[str]) -> list[str]:
    """Return the columns of an output's own target: of each step, its values.

    Args:
        output: what the run's contract says of it.
        names: of all columns. A target that has the name of another column is `<name>_input`.
    """
    several = output.kind in ("one_hot", "labels") and output.separator is None
    own, count = list(output.target), len(output.classes or ()) if several else len(output.target)
    if count != len(own):
        own = [f"{output.target[0]}_{place}" for place in range(count)]
    columns = ["_".join((name, *map(str, step))) for step in np.ndindex(*output.steps) for name in own]
    return [f"{name}_input" if f"{name}_input" in names else name for name in columns]


def _given(output: Output, names: list[str], table: Table, contract: Contract) -> Array:
    """Return the target of an output, (rows, ...), encoded as that of the training rows.

    Raises:
        DataError: a cell is no label of the output, or no number.
    """
    steps = math.prod(output.steps)
    target: Labels | Array
    if _is_text(output):
        target = _joined([labels(table.columns[name]) for name in names])
    else:
        target, errors, total = numeric_matrix(table, names)
        raise_row_errors(table.origin, errors, total)
        target = target.reshape(table.rows * steps, -1)
        target = target[:, 0] if target.shape[1] == 1 else target
    what = f"column {names[0]!r}"
    rows = SourceRows(np.empty((table.rows, 0)), target, table.origin, what, steps=output.steps)
    return encode_rows(replace(rows, output_targets={output.name: (target, what)}), output, contract.numbers)


def _joined(columns: list[Labels]) -> Labels:
    """Return the labels of each step, a column each, as those of (rows * steps,)."""
    if len(columns) == 1:
        return columns[0]
    shifts = np.cumsum([0, *(len(each.values) for each in columns[:-1])])
    codes = np.stack([each.codes + shift for each, shift in zip(columns, shifts, strict=True)], axis=1)
    values = [value for each in columns for value in each.values]
    return replace(columns[0], values=values, codes=codes.reshape(-1), numbers=None)


UNCHECKED = {"groups": "embeddings", "sequences": "sequences of labels"}
"""Kinds of outputs that give no label a probability."""


def _questions(output: Output, given: Array, table: Table) -> Iterator[Question]:
    """Yield what is asked of an output: its label, each of several, each target column; of each step.

    Args:
        output: what the run's contract says of it.
        given: its target, as `encode_rows` returns it.
        table: the columns that were predicted.
    """
    for step in np.ndindex(*output.steps):
        ending = "".join(f"_{place}" for place in step)
        of_step = given[:, *step] if output.steps else given
        where = f"step {', '.join(str(place + 1) for place in step)}" if step else ""
        for label, names, target, predicted in _by_label(output, of_step, table, ending):
            yield Question(output.name, " ".join(filter(None, (label, where))), names, target, predicted)


Asked = tuple[str, tuple[str, ...], Array, Array]
"""The label that is meant, the classes, what was given, and what was predicted: see `Question`."""


def _by_label(output: Output, given: Array, table: Table, ending: str) -> Iterator[Asked]:
    stem = f"{output.name}_" if output.name else ""
    classes = output.classes or ()
    if output.kind == "labels":
        for place, name in enumerate(classes):
            chance = _numbers(table, f"{stem}probability_{name}{ending}")
            present = (given.reshape(len(given), -1)[:, place] > 0).astype(np.int64)
            yield name, (ABSENT, PRESENT), present, np.stack([1 - chance, chance], axis=1)
    elif classes:
        if f"{stem}score{ending}" in table.columns:  # of a hinge loss: above 0 for the second class
            with np.errstate(over="ignore"):
                second = 1 / (1 + np.exp(-_numbers(table, f"{stem}score{ending}")))
            chances = np.stack([1 - second, second], axis=1)
        else:
            columns = [_numbers(table, f"{stem}probability_{name}{ending}") for name in classes]
            chances = np.stack(columns, axis=1)
        # The class of a step is in an axis of its own, as a one-hot row is.
        indices = given.reshape(-1) if output.kind == "classes" else class_indices(given)
        yield "", classes, indices.astype(np.int64), chances
    else:
        values = given.reshape(len(given), -1).astype(np.float64)
        for place, (target, column) in enumerate(zip(output.target, output.number_names, strict=True)):
            label = target if len(output.target) > 1 else ""
            yield label, (), values[:, place], _numbers(table, f"predicted_{column}{ending}")


def _numbers(table: Table, name: str) -> Array:
    """Return a column of numbers, (rows,) float64.

    Raises:
        DataError: there is none, or a cell is no number.
    """
    check_columns(tuple(table.columns), [name], table.origin)
    values, errors, total = numeric_matrix(table, [name])
    raise_row_errors(table.origin, errors, total)
    return values[:, 0]
