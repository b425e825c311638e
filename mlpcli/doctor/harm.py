"""Whether a network is any good: its loss stuck, or no better than a constant or a linear model."""

from __future__ import annotations

import math

from mlpcli.doctor.bounds import STUCK
from mlpcli.doctor.case import Case
from mlpcli.runs.folder import DIVERGED
from mlpcli.runs.judge_baseline import Judgement, Scores
from mlpcli.spec.schema import ComponentSpec


def reference_loss(case: Case) -> float | None:
    """Return the training loss of a constant prediction; without data, that of classes that are as frequent.

    Weights of classes make it another one, so that nothing is known.
    """
    if case.constant_loss is not None or case.network is not None:
        return case.constant_loss
    if case.spec is None or case.spec.fit.class_weight is not None or len(case.classes) != 1:
        return None
    loss, (count,) = case.spec.loss, case.classes.values()
    if not isinstance(loss, ComponentSpec) or "crossentropy" not in loss.class_name.lower() or count < 2:
        return None
    return math.log(2) if "binary" in loss.class_name.lower() else math.log(count)


def final_loss(case: Case) -> float | None:
    """Return the loss on training rows at the end, without penalties; else the lowest of any epoch."""
    if case.network is not None and case.network.loss is not None:
        return case.network.loss
    losses = [each for each in case.values("loss") if math.isfinite(each)]
    return min(losses) - case.penalty if losses else None


def is_stuck(case: Case) -> bool:
    """Return whether the loss is that of a constant prediction, or worse."""
    reference, reached = reference_loss(case), final_loss(case)
    if reference is None or reached is None or len(case.history) < 2:
        return False
    if case.network is None and abs(reached - reference) > STUCK * reference:
        return False  # of classes that are not as frequent the constant loss is lower than the one assumed
    return reached >= (1 - STUCK) * reference


def below_constant(case: Case) -> Judgement | None:
    """Return the comparison with the majority class or the mean, where the network is no better."""
    found = _scores(case).by_constant()
    return found if found is not None and found.verdict == "no better" else None


def below_linear(case: Case) -> Judgement | None:
    """Return the comparison with a linear model, where the network is worse by more than chance."""
    found = _scores(case).by_linear()
    return found if found is not None and found.verdict == "worse" else None


def as_good(case: Case) -> tuple[Judgement, ...]:
    """Return comparisons with other models that say of the network only that it is not better."""
    return tuple(each for each in _scores(case).judge() if each.verdict not in ("no better", "worse"))


def _scores(case: Case) -> Scores:
    baseline = case.metrics.baseline
    split = str(baseline.get("split", "test"))
    intervals = case.metrics.confidence_intervals.get(split, {})
    predict = case.spec.predict if case.spec is not None else None
    chosen = "threshold" in (case.metrics.model_extra or {}) and (predict is None or predict.chosen_threshold)
    return Scores(baseline, intervals, case.rows.get(split, 0), bool(chosen))


def is_poor(case: Case) -> bool:
    """Return whether something is wrong with what the network has learned."""
    return (
        case.status == DIVERGED
        or is_stuck(case)
        or below_constant(case) is not None
        or below_linear(case) is not None
    )
