"""The data that a run was trained on, split as it was then."""

from __future__ import annotations

from typing import NamedTuple

from mlpcli import runs
from mlpcli.data.dataset import Dataset, Split
from mlpcli.data.stored.sampled_rows import is_stored, sampled_split
from mlpcli.errors import Problem, UsageError
from mlpcli.model.run_spec import own_spec
from mlpcli.model.trained_model import TrainedModel
from mlpcli.spec.load import LoadedSpec, located
from mlpcli.training.find_data import find_data, moved_note
from mlpcli.training.whole_data import find_mean_data


class OwnData(NamedTuple):
    """The data of a run.

    Attributes:
        spec: the run's own, with its files where they were found.
        dataset: as the run's model takes it.
        moved: a line on files that were not where the spec says; None where all were.
        changed: whether it is no longer the data that the run was trained on.
    """

    spec: LoadedSpec
    dataset: Dataset
    moved: str | None
    changed: bool


def own_data(trained: TrainedModel) -> OwnData:
    """Read the data that a run was trained on, split as it was then.

    Raises:
        SpecError: the data is gone.
        DataError: it cannot be read any more.
    """
    loaded = own_spec(trained.run)
    members = trained.run.record.members if trained.members else None
    with located(loaded):
        there, dataset = find_mean_data(trained, loaded) if trained.members else find_data(loaded)
    fingerprint = members.fingerprint if members else runs.data_facts(trained.run).fingerprint
    changed = fingerprint not in (None, dataset.fingerprint)
    return OwnData(there, dataset, moved_note(loaded, there), changed)


def own_split(
    trained: TrainedModel, own: OwnData, split: str, *, whole: bool = False
) -> tuple[Split, tuple[str, ...]]:
    """Return one of a run's own splits, and warnings where its data has moved or changed.

    Args:
        trained: the run's model.
        own: its data, as `own_data` reads it.
        split: train, validation, test or held_out.
        whole: also where its rows are in files, of which some are returned otherwise.

    Raises:
        UsageError: The run has no such split.
    """
    found = own.dataset.splits().get(split)
    if found is None:
        hint = f"it has {', '.join(own.dataset.splits())}; or give --data FILE"
        raise UsageError(Problem(f"run {trained.run.label} has no {split} split", hint=hint))
    warnings = data_warnings(trained, own)
    if whole or not is_stored(found):
        return found, warnings
    some = sampled_split(found, trained.spec.fit.memory_bytes)
    few = f"{len(some):,} of {len(found):,} rows, evenly spaced: fit.memory keeps them in files"
    return some, (*warnings, *([few] if len(some) < len(found) else []))


def data_warnings(trained: TrainedModel, own: OwnData) -> tuple[str, ...]:
    """Return a line each where a run's data has moved, or has changed."""
    warning = f"the data of {own.dataset.source} has changed since run {trained.run.label} was trained"
    return (*([own.moved] if own.moved else []), *([warning] if own.changed else []))
