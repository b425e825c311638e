"""One more training on the rows of all folds, for as many epochs as were best in the folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlpcli.data.splits import without_validation
from mlpcli.model.schedule_steps import for_epochs
from mlpcli.runs.folder import Run
from mlpcli.spec.callback_rules import monitors_validation
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.repeats import split_seed, trained_once
from mlpcli.spec.schema import ComponentSpec, Spec
from mlpcli.training.repeated.member_results import median_epoch


def spec_of_retraining(loaded: LoadedSpec, members: Sequence[Run]) -> LoadedSpec:
    """Return the spec that trains on all rows but those of the test split.

    No validation rows stop it early: it has as many epochs as the median of the members' best ones.

    Args:
        loaded: A spec with folds.
        members: Its trainings, which are finished.
    """
    spec = loaded.spec
    section = without_validation(spec.dataset).model_copy(update={"split_seed": split_seed(spec)})
    own: dict[str, object] = {"dataset": section, "callbacks": _kept(spec), "predict": None}
    once = trained_once(loaded).spec.model_copy(update=own)
    return replace(loaded, spec=for_epochs(once, epochs_of(members), spec.fit.epochs, loaded.catalog))


def epochs_of(members: Sequence[Run]) -> int:
    """Return the median of the best epochs; where no validation rows showed which is best, of all epochs."""
    epochs = []
    for member in members:
        best, count = member.record.best, member.record.epochs or 1
        judged = best is not None and best.epoch is not None and best.monitor.startswith("val_")
        epochs.append(best.epoch if judged and best is not None and best.epoch is not None else count)
    return median_epoch(epochs)


def _kept(spec: Spec) -> list[ComponentSpec]:
    """Return the callbacks that need no validation rows, and those that are left out."""
    return [
        each
        for each in spec.callbacks
        if each.off or not monitors_validation(each.class_name, each.arguments)
    ]
