"""The data of a run with folds or seeds, with its targets in the scale of the mean of its members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlpcli.data.dataset import Dataset, Output
from mlpcli.data.scaling import in_precision, scale_target
from mlpcli.data.stacked_contract import stack_contracts
from mlpcli.data.types import Array
from mlpcli.model.run_contract import run_contract
from mlpcli.runs.folder import Run
from mlpcli.spec.repeats import RETRAIN
from mlpcli.training.repeated.parent import Parent


def in_own_scale(parent: Parent, members: Sequence[Run]) -> Dataset:
    """Return the run's data with its targets scaled as the run's own model scales them.

    The run's data has a scale that is learned from all of its rows, as a model that is trained again has. The
    scale of a mean is the mean of its members' scales.

    Args:
        parent: The run.
        members: Its trainings, which are finished.
    """
    dataset = parent.prepared.dataset
    contract = dataset.contract
    if parent.after == RETRAIN or all(each.scale is None for each in contract.outputs):
        return dataset
    of_mean = stack_contracts([run_contract(member) for member in members]).contract
    coded, rows = parent.prepared.opened.coded, dataset.train.rows

    def scaled(output: Output) -> Array:
        own = in_precision(coded[output.name][0], output, contract.numbers)
        return scale_target(own[rows], output)

    y = contract.by_output({each.name: scaled(each) for each in of_mean.outputs})
    train = replace(dataset.train, y=y)
    return replace(dataset, contract=replace(contract, outputs=of_mean.outputs), train=train)
