"""Rules between keys: `dataset.fold`, `fit.folds`, `fit.after_folds`; `fit.engine` and `fit.distribute`."""

from __future__ import annotations

from collections.abc import Iterator

from mlpcli.errors import KeyPath, Problem
from mlpcli.spec.values import ValueMap


def repeat_problems(data: ValueMap) -> Iterator[Problem]:
    """Yield keys about folds and devices that do not fit together.

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
