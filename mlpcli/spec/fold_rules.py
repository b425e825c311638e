"""Rules between keys: of folds, of `fit.engine` and `fit.distribute`, and of `tuner.ensemble`."""

from __future__ import annotations

from collections.abc import Iterator

from mlpcli.errors import KeyPath, Problem
from mlpcli.spec.values import ValueMap


def repeat_problems(data: ValueMap) -> Iterator[Problem]:
    """Yield keys about folds, devices and the mean of trials that do not fit together.

    Args:
        data: the plain values of a spec; what does not fit alone is not reported.
    """
    dataset, fit = data.get("dataset"), data.get("fit")
    fold = dataset.get("fold") if isinstance(dataset, dict) else None
    folds = fit.get("folds") if isinstance(fit, dict) else None
    path: KeyPath = ("dataset", "fold")
    if isinstance(fold, dict):
        number, of = fold.get("number"), fold.get("of")
        if isinstance(number, int) and isinstance(of, int) and number > of >= 2:
            rule = f"must be the number of a fold, from 1 to {of}"
            yield Problem(rule, path=(*path, "number"), received=number)
        if folds is not None:
            rule = "is one fold, and fit.folds trains all folds"
            yield Problem(rule, path=path, received=fold, hint="keep one of them")
    if isinstance(fit, dict) and fit.get("after_folds") is not None and folds is None:
        hint = "add folds, or remove it: with seeds alone the run's model is the mean of its models"
        yield Problem("is for folds", path=("fit", "after_folds"), received=fit["after_folds"], hint=hint)
    if isinstance(fit, dict) and fit.get("distribute") and fit.get("engine") in ("compiled", "keras"):
        rule = "must be auto or graph with fit.distribute, which sums gradients between steps"
        yield Problem(rule, path=("fit", "engine"), received=fit["engine"], hint="keep one of them")
    tuner = data.get("tuner")
    if isinstance(tuner, dict):
        yield from ensemble_problems(tuner.get("ensemble"), tuner.get("folds"), tuner.get("refit"))


def ensemble_problems(ensemble: object, folds: object, refit: object) -> Iterator[Problem]:
    """Yield why the mean of the best trials of a search is not kept beside other keys of `tuner`.

    Args:
        ensemble: of how many trials the mean is kept; None for no mean.
        folds: on how many folds each trial is trained; None for one training.
        refit: on which rows the winner is trained.
    """
    path: KeyPath = ("tuner", "ensemble")
    rules = []
    if ensemble is not None and folds is not None:
        rules.append("keeps one network of each trial, tuner.folds trains several for each")
    if ensemble is not None and refit == "full":
        rules.append("keeps the trials as they were trained, refit: full trains a new network")
    if rules:
        hint = "remove one of the two" if len(rules) == 1 else "remove it, or both of the others"
        yield Problem("; ".join(rules), path=path, received=ensemble, hint=hint)
