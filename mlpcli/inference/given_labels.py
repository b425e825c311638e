"""The labels of a run's data beside what its folds predict of them, from `out_of_fold.csv`; no TensorFlow."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from mlpcli import runs
from mlpcli.data.dataset import Contract, Output
from mlpcli.data.labels import Labels
from mlpcli.data.readers.broken_rules import raise_row_errors
from mlpcli.data.readers.dialect import PLAIN
from mlpcli.data.readers.row_errors import Origin
from mlpcli.data.readers.table_values import labels, numeric_matrix
from mlpcli.data.readers.tables import Table, check_columns, open_table, read_table
from mlpcli.data.sources.source_rows import SourceRows
from mlpcli.data.step_targets import encode_rows
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array
from mlpcli.errors import DataError, Problem, RunError
from mlpcli.inference.out_of_fold_checks import (
    check_once,
    check_probabilities,
    numbers,
    whole_numbers,
)
from mlpcli.model.default_losses import fold
from mlpcli.model.run_contract import run_contract
from mlpcli.model.run_spec import own_spec
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import TRAIN_AGAIN
from mlpcli.spec.schema import Spec

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
        origin: names a row's line in `out_of_fold.csv`, while the rows are in its order; None otherwise.
    """

    rows: Array
    folds: Array
    questions: tuple[Question, ...]
    unchecked: tuple[tuple[str, str], ...] = ()
    files: Array | None = None
    origin: Origin | None = None


def read_given_labels(run: Run) -> GivenLabels:
    """Read the out-of-fold predictions of a run that was trained with folds.

    Raises:
        RunError: the run has none, or the file is damaged.
    """
    path, contract = run.require(runs.OUT_OF_FOLD), run_contract(run)
    with damage_of(path):
        return _read(run, path, contract)


@contextlib.contextmanager
def damage_of(path: Path) -> Iterator[None]:
    """Say of what is wrong with a run's own table that the table is damaged.

    Args:
        path: of the table, which is its name in messages too.

    Raises:
        RunError: instead of a DataError, and of an OSError.
    """
    try:
        yield
    except DataError as error:
        raise RunError(*(_damaged(path, each) for each in error.problems)) from None
    except OSError as error:
        rule = f"{path} cannot be read ({error.strerror or error})"
        raise RunError(Problem(rule, hint=TRAIN_AGAIN)) from None


def _damaged(path: Path, problem: Problem) -> Problem:
    what = problem.rule.removeprefix(str(path)).lstrip(": ")
    return Problem(f"{path} is damaged: {what}", received=problem.received, hint=TRAIN_AGAIN)


def _read(run: Run, path: Path, contract: Contract) -> GivenLabels:
    file = open_table(path, str(path))
    asked = [output for output in contract.outputs if output.kind not in UNCHECKED]
    own = {output.name: _given_columns(output, file.names) for output in asked}
    check_columns(file.names, [*PLACES, *(name for names in own.values() for name in names)], file.origin)
    file = replace(file, dialect=replace(PLAIN, values=_values(contract, file.names)))
    several = _names_files(contract, file.names)
    texts = [name for output in asked if _is_text(output) for name in own[output.name]]
    table = read_table(file, file.names, text=[*texts, *((FILE,) if several else ())])
    files = np.array(table.columns[FILE].arrow.to_pylist(), object) if several else None
    rows, folds = _places(run, table, files)
    spec = own_spec(run).spec if (run / runs.RESOLVED).is_file() else None
    questions: list[Question] = []
    for output in asked:
        if _gives_probabilities(spec, output):
            check_probabilities(table, _probability_columns(output, file.names))
        given = _given(output, own[output.name], table, contract)
        questions += _questions(output, given, table)
    unchecked = [(each.name, UNCHECKED[each.kind]) for each in contract.outputs if each.kind in UNCHECKED]
    return GivenLabels(rows, folds, tuple(questions), tuple(unchecked), files, table.origin)


PLACES, FILE = ("row", "fold"), "file"
"""Columns that say where a row is, and which fold held it out; and its file, where there are several."""


def _places(run: Run, table: Table, files: Array | None) -> tuple[Array, Array]:
    """Return the row and the fold of each line, (rows,) int64."""
    members = run.record.members
    folds = None if members is None or members.folds < 2 else members.folds
    row, held_out_by = PLACES
    rows = whole_numbers(table, row, None, "must be the number of a row, from 1")
    check_once(table, row, rows, files)
    rule = "must be a fold of the run" + ("" if folds is None else f", 1 to {folds}")
    return rows, whole_numbers(table, held_out_by, folds, rule)


def _values(contract: Contract, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the texts that are labels though they usually mean a missing cell, by column of the file.

    Args:
        contract: of the run, which knows them by the column of its table.
        names: of the file's columns. A target that has the name of another column is `<name>_input`.
    """
    known = {} if contract.preprocessor is None else dict(contract.preprocessor.dialect.values)
    renamed = {name: f"{name}_input" for name in known if name and f"{name}_input" in names}
    return {**known, **{new: known[name] for name, new in renamed.items() if new not in known}}


def _names_files(contract: Contract, names: Sequence[str]) -> bool:
    """Return whether a column names each row's file; a target may have that column's name."""
    targets = {name for output in contract.outputs for name in output.target}
    return FILE in names and (FILE not in targets or f"{FILE}_input" in names)


def _gives_probabilities(spec: Spec | None, output: Output) -> bool:
    """Return whether the numbers of an output's classes are probabilities, by its loss.

    Others, such as the mean squared error, are also minimized by numbers that are not between 0 and 1.
    """
    if not output.classes or spec is None:
        return False
    own = spec.loss.get(output.name) if isinstance(spec.loss, dict) else spec.loss
    return own is None or fold(own.class_name) == "bce" or "crossentropy" in fold(own.class_name)


def _probability_columns(output: Output, names: Sequence[str]) -> list[str]:
    stem = f"{output.name}_" if output.name else ""
    endings = ["".join(f"_{place}" for place in step) for step in np.ndindex(*output.steps)]
    wanted = [f"{stem}probability_{name}{ending}" for ending in endings for name in output.classes or ()]
    return [name for name in wanted if name in names]


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
    renamed = {f"{name}_input" for name in columns} & {*names} - {*columns}
    return [f"{name}_input" if f"{name}_input" in renamed else name for name in columns]


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
        target, errors = numeric_matrix(table, names)
        raise_row_errors(table.origin, errors)
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
            chance = numbers(table, f"{stem}probability_{name}{ending}")
            present = (given.reshape(len(given), -1)[:, place] > 0).astype(np.int64)
            yield name, (ABSENT, PRESENT), present, np.stack([1 - chance, chance], axis=1)
    elif classes:
        if f"{stem}score{ending}" in table.columns:  # of a hinge loss: above 0 for the second class
            with np.errstate(over="ignore"):
                second = 1 / (1 + np.exp(-numbers(table, f"{stem}score{ending}")))
            chances = np.stack([1 - second, second], axis=1)
        else:
            columns = [numbers(table, f"{stem}probability_{name}{ending}") for name in classes]
            chances = np.stack(columns, axis=1)
        # The class of a step is in an axis of its own, as a one-hot row is.
        indices = given.reshape(-1) if output.kind == "classes" else class_indices(given)
        yield "", classes, indices.astype(np.int64), chances
    else:
        values = given.reshape(len(given), -1).astype(np.float64)
        for place, (target, column) in enumerate(zip(output.target, output.number_names, strict=True)):
            label = target if len(output.target) > 1 else ""
            yield label, (), values[:, place], numbers(table, f"predicted_{column}{ending}")
