"""The data of a run whose model is the mean of others, as that model reads it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlpcli.data.dataset import Dataset, Split
from mlpcli.data.splitter import OpenedData
from mlpcli.data.types import Arrays
from mlpcli.model.trained_model import TrainedModel
from mlpcli.spec.load import LoadedSpec
from mlpcli.training.find_data import divide_by, find_data


def find_mean_data(
    trained: TrainedModel, loaded: LoadedSpec, opened: OpenedData | None = None
) -> tuple[LoadedSpec, Dataset]:
    """Return the spec of a run that is the mean of others, and its data as that mean reads it.

    The trials of a search all have its splits. Of a run with folds or seeds all rows but those of the test
    split are one split, `train`: each is a training row of some member.

    Args:
        trained: The mean.
        loaded: The run's own spec.
        opened: Its rows, where they have been read already.

    Raises:
        SpecError: See `load_dataset`.
        DataError: See `load_dataset`.
    """
    record = trained.run.record
    if opened is not None:
        found, dataset = loaded, divide_by(opened, loaded, trained.contract)
    else:
        fingerprint = record.members.fingerprint if record.members is not None else None
        if loaded.kept is not None:
            loaded = replace(loaded, kept=replace(loaded.kept, fingerprint=fingerprint))
        found, dataset = find_data(loaded, trained.contract)
    return found, dataset if record.kind == "search" else without_validation(dataset)


def without_validation(dataset: Dataset) -> Dataset:
    """Return a dataset whose validation rows are training rows."""
    if dataset.validation is None:
        return dataset
    return replace(dataset, train=_joined(dataset.train, dataset.validation), validation=None)


def _joined(one: Split, other: Split) -> Split:
    """Return the rows of two splits as one."""
    weights = None
    if one.weights is not None or other.weights is not None:
        weights = _both(_weights(one), _weights(other))
    return Split(
        _both(one.x, other.x), _both(one.y, other.y), np.concatenate([one.rows, other.rows]), weights
    )


def _both(one: Arrays, other: Arrays) -> Arrays:
    if isinstance(one, dict) and isinstance(other, dict):
        return {name: np.concatenate([each, other[name]]) for name, each in one.items()}
    return np.concatenate([one, other])


def _weights(split: Split) -> Arrays:
    """Return the weight of each row, which is 1 where all rows count equally."""
    weights: Arrays | None = split.weights
    return np.ones(len(split), np.float32) if weights is None else weights
