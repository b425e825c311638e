"""A search's objective and its last training, checked against the metrics and splits that exist."""

from __future__ import annotations

from collections.abc import Mapping

from mlpcli.checks.log_names import Mode, more_is_better
from mlpcli.checks.meant_names import meant_name
from mlpcli.data.dataset import Contract, Dataset
from mlpcli.errors import KeyPath, Problem, SpecError, listing
from mlpcli.model.ensemble import why_no_mean
from mlpcli.runs.search_folder import Objective
from mlpcli.spec.fold_rules import ensemble_problems
from mlpcli.spec.predictions import PredictSpec
from mlpcli.spec.schema import TunerSpec


def find_objective(tuner: TunerSpec, modes: Mapping[str, Mode | None]) -> Objective:
    """Return the objective and its direction.

    Args:
        tuner: the spec's section.
        modes: the metrics that are logged, as `directions` returns them.

    Raises:
        SpecError: no metric has this name, or its direction is unknown.
    """
    given, known = tuner.objective, list(modes)
    name = given if isinstance(given, str) else given.name if given else None
    if name is None:
        return Objective("val_loss" if "val_loss" in known else "loss", "min")
    path = ("tuner", "objective") if isinstance(given, str) else ("tuner", "objective", "name")
    if name not in known:
        hint = f"{meant_name(name, known)} available: {listing(known)}".strip()
        if name.startswith("val_") and not any(other.startswith("val_") for other in known):
            hint = "there is no validation split: set dataset.validation"
        raise SpecError(Problem("no metric has this name", path=path, received=name, hint=hint))
    if not isinstance(given, str) and given is not None:
        return Objective(name, given.direction)
    if mode := modes[name]:
        return Objective(name, mode)
    if more_is_better(name):  # of a plug-in's metric only the name may say it
        return Objective(name, "max")
    words = (
        "loss",
        "error",
        "mse",
        "mae",
        "mape",
        "msle",
        "rmse",
        "crossentropy",
        "hinge",
        "divergence",
        "poisson",
    )
    if any(word in name for word in words):
        return Objective(name, "min")
    hint = f"write objective: {{name: {name}, direction: max}}, or min"
    raise SpecError(
        Problem("cannot infer the direction (min or max) from this name", path=path, received=name, hint=hint)
    )


def check_promotion(tuner: TunerSpec, dataset: Dataset, predict: PredictSpec | None = None) -> None:
    """Check what becomes of the best trials of a search.

    Raises:
        SpecError: see `check_ensemble` and `check_refit`.
    """
    check_refit(tuner, dataset, predict)
    check_ensemble(tuner, dataset.contract)


def check_ensemble(tuner: TunerSpec, contract: Contract) -> None:
    """Check that the best trials of a search have a mean, where one is asked for.

    Raises:
        SpecError: they have none, or the winner is to be trained on other rows.
    """
    path: KeyPath = ("tuner", "ensemble")
    if tuner.ensemble is None:
        return
    if reason := why_no_mean(contract):
        raise SpecError(Problem(reason, path=path, received=tuner.ensemble, hint="remove it"))
    if problems := list(ensemble_problems(tuner.ensemble, tuner.folds, tuner.refit)):
        raise SpecError(*problems)


def check_refit(tuner: TunerSpec, dataset: Dataset, predict: PredictSpec | None = None) -> None:
    """Check that `refit: full`, which also trains on the validation rows, can do so.

    Raises:
        SpecError: these rows come from a separate file, or are needed for what is fitted after the training.
    """
    if tuner.refit == "full" and predict is not None and predict.fitted_keys:
        key = predict.fitted_keys[0]
        rule = f"predict.{key} is fitted on the validation rows, which refit: full also trains on"
        hint = "use refit: train, or remove predict"
        raise SpecError(Problem(rule, path=("tuner", "refit"), received=tuner.refit, hint=hint))
    validation = dataset.split_amounts.get("validation")
    if tuner.refit == "full" and isinstance(validation, str):
        hint = "split the validation rows off the training rows, or use refit: train"
        rule = "a validation split from a file cannot be added to the training rows"
        raise SpecError(Problem(rule, path=("tuner", "refit"), received=tuner.refit, hint=hint))
