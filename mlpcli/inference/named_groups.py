"""Groups of evaluated rows by what `--by` names: a column of the data, the target, or the prediction."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mlpcli.data.column_values import of_numbers, of_texts
from mlpcli.data.dataset import Contract, Output, Split
from mlpcli.data.levels import median_of
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array, Arrays
from mlpcli.data.value_groups import BINS, RowGroup, group_rows
from mlpcli.errors import Problem, UsageError, nearest_column
from mlpcli.inference.row_columns import RowColumns
from mlpcli.model.build import output_loss
from mlpcli.model.outputs import predicted_classes, predicted_labels
from mlpcli.model.trained_model import TrainedModel

DECILES = 10
"""Groups of a target or a prediction of numbers."""

TARGET, PREDICTION = "target", "prediction"
"""Words for the only target and what is predicted of it, where no column has this name."""


@dataclass(frozen=True)
class NamedGroups:
    """Groups of rows by one column.

    Attributes:
        column: its name.
        groups: in the order of its values.
    """

    column: str
    groups: tuple[RowGroup, ...]


@dataclass(frozen=True)
class Wanted:
    """A column by which rows are grouped.

    Attributes:
        column: its name, as it was given.
        output: the output whose target it is, or that predicts it; None for a column of the data.
        place: of the target among those of the output.
        is_predicted: whether the prediction is meant.
    """

    column: str
    output: Output | None = None
    place: int = 0
    is_predicted: bool = False


def wanted_groups(contract: Contract, columns: RowColumns, given: Sequence[str]) -> list[Wanted]:
    """Return what is meant by the names of `--by`.

    Args:
        contract: of the model.
        columns: of the rows.
        given: names of columns, of targets, or of what is predicted of one: `predicted_<target>`; a text may
            hold several with commas between them.

    Raises:
        UsageError: there is no such column, or a row has several values of it.
    """
    made = _of_outputs(contract, columns.names)
    found: list[Wanted] = []
    problems: list[Problem] = []
    for name in dict.fromkeys(_names(given, {*columns.names, *made})):
        numbered = f"column {name}"
        if name in made:
            found.append(made[name])
            if made[name].output is not None and _has_several(made[name].output):
                rule = f"--by {name}: each row has several values of it"
                problems.append(Problem(rule, hint="name a column with one value a row"))
        elif name in columns.names or numbered in columns.names:
            found.append(Wanted(name if name in columns.names else numbered))
        else:
            known = [*columns.names, *(each for each in made if each not in columns.names)]
            rule = f"--by {name}: the rows have no such column"
            problems.append(Problem(rule, hint=nearest_column(name, known)))
    if problems:
        raise UsageError(*problems)
    return found


def _names(given: Sequence[str], known: Collection[str]) -> Iterator[str]:
    """Yield the names, of which one text may hold several."""
    for text in given:
        if text in known or "," not in text:
            yield text
        else:
            yield from (each.strip() for each in text.split(",") if each.strip())


def _has_several(output: Output | None) -> bool:
    return output is not None and (bool(output.steps) or output.kind == "sequences")


def _of_outputs(contract: Contract, known: Sequence[str]) -> dict[str, Wanted]:
    """Return the targets and predictions by name.

    Args:
        contract: of the model.
        known: the columns of the data. A target of numbers that is one of them is read from there, where it
            has all of its digits.
    """
    found: dict[str, Wanted] = {}
    for output in contract.outputs:
        numbers = output.kind == "numbers"
        names = output.number_names if numbers else (output.name or output.target[0],)
        for place, (target, shown) in enumerate(zip(output.target, names, strict=False)):
            exact = output.kind == "numbers" and not output.steps and target in known
            found.setdefault(target, Wanted(target, None if exact else output, place))
            if output.kind != "groups":
                guess = f"predicted_{shown}"
                found.setdefault(guess, Wanted(guess, output, place, is_predicted=True))
    if len(contract.target) == 1:
        (target,) = contract.target
        for word, meant in ((TARGET, target), (PREDICTION, f"predicted_{target}")):
            if word not in known and meant in found:
                found.setdefault(word, found[meant])
    return found


def find_groups(
    trained: TrainedModel, split: Split, predicted: Arrays, columns: RowColumns, wanted: Sequence[Wanted]
) -> list[NamedGroups]:
    """Return the groups of rows by each of some columns.

    Args:
        trained: the model.
        split: the rows.
        predicted: what the model gives for them, as `predict_outputs` returns it.
        columns: of the rows.
        wanted: the columns.
    """
    raw = columns.read([each.column for each in wanted if each.output is None])
    found = []
    for each in wanted:
        if each.output is None:
            bins = DECILES if each.column in trained.contract.target else BINS
            groups = group_rows(raw[each.column], bins)
        else:
            groups = _groups_of_output(trained, split, predicted, each, each.output)
        found.append(NamedGroups(each.column, tuple(groups)))
    return found


def _groups_of_output(
    trained: TrainedModel, split: Split, predicted: Arrays, wanted: Wanted, output: Output
) -> list[RowGroup]:
    arrays = predicted if wanted.is_predicted else split.y
    values = arrays[output.name] if isinstance(arrays, dict) else arrays
    if output.kind == "numbers":
        if not wanted.is_predicted:
            values = output.restore(values, truth=True)
        elif output.levels:
            values = median_of(values, output.levels)
        return _deciles(wanted.column, values, wanted.place)
    if output.kind == "labels":
        return _labels(output, predicted_labels(values, output) if wanted.is_predicted else values)
    if wanted.is_predicted:
        indices = predicted_classes(values, output_loss(trained.spec, output.name), output)
    else:
        indices = class_indices(values)
    return group_rows(of_texts(wanted.column, output.classes or (), indices))


def _deciles(name: str, values: Array, place: int) -> list[RowGroup]:
    column = np.asarray(values).reshape(len(values), -1)[:, place].astype(np.float64)
    return group_rows(of_numbers(name, _rounded(column)), DECILES)


def _rounded(values: Array) -> Array:
    """Return numbers with the seven digits that float32 has, so that 3 is not 3.0000002."""
    most = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    return np.asarray(np.round(values, 6 - math.floor(math.log10(most))))


def _labels(output: Output, marks: Array) -> list[RowGroup]:
    """Return a group of each label: a row may be in several."""
    names = output.classes or ()
    found = [RowGroup(name, np.flatnonzero(marks[:, place] == 1)) for place, name in enumerate(names)]
    found.append(RowGroup("(no label)", np.flatnonzero((marks == 1).sum(axis=1) == 0)))
    return [each for each in found if len(each.rows)]
