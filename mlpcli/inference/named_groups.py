"""Groups of evaluated rows by what `--by` names: a column of the data, the target, or the prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlpcli.data.column_values import of_numbers, of_texts
from mlpcli.data.dataset import Output, Split
from mlpcli.data.levels import median_of
from mlpcli.data.named_arrays import of_name
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array, Arrays
from mlpcli.data.value_groups import BINS, RowGroup, group_rows
from mlpcli.inference.row_columns import RowColumns
from mlpcli.inference.wanted_groups import Wanted
from mlpcli.model.build import output_loss
from mlpcli.model.outputs import predicted_classes, predicted_labels
from mlpcli.model.trained_model import TrainedModel

DECILES = 10
"""Groups of a target or a prediction of numbers."""


@dataclass(frozen=True)
class NamedGroups:
    """Groups of rows by one column.

    Attributes:
        column: its name.
        groups: in the order of its values.
    """

    column: str
    groups: tuple[RowGroup, ...]


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
    values = of_name(arrays, output.name)
    if output.kind == "numbers":
        if not wanted.is_predicted:
            values = output.restore(values, truth=True)
        elif output.levels:
            values = median_of(values, output.levels)
        return _deciles(wanted.column, values, wanted.place)
    if output.kind == "labels":
        marks = predicted_labels(values, output) if wanted.is_predicted else values
        if len(output.target) > 1:  # a column for each label
            return group_rows(of_texts(wanted.column, ("0", "1"), marks[:, wanted.place] == 1))
        return _labels(output, marks)
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
    most = float(np.abs(values[np.isfinite(values)]).max(initial=0.0)) or 1.0
    return np.asarray(np.round(values, 6 - math.floor(math.log10(most))))


def _labels(output: Output, marks: Array) -> list[RowGroup]:
    """Return a group of each label: a row may be in several."""
    names = output.classes or ()
    found = [RowGroup(name, np.flatnonzero(marks[:, place] == 1)) for place, name in enumerate(names)]
    found.append(RowGroup("(no label)", np.flatnonzero((marks == 1).sum(axis=1) == 0)))
    return [each for each in found if len(each.rows)]
