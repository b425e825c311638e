"""Whether a network is any good: its loss stuck, or no better than a constant or a linear model."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mlpcli.doctor.bounds import FEWEST_ROWS, STUCK, WORSE_THAN_LINEAR
from mlpcli.doctor.case import Case
from mlpcli.runs.folder import DIVERGED
from mlpcli.runs.scores import more_is_better
from mlpcli.spec.schema import ComponentSpec


@dataclass(frozen=True)
class Comparison:
    """A score of the network beside that of a model without one."""

    metric: str
    split: str
    network: float
    other: float


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


def below_constant(case: Case) -> Comparison | None:
    """Return the comparison with the majority class or the mean, where the network is no better."""
    found = _comparison(case, "majority") or _comparison(case, "mean")
    return found if found is not None and not _is_better(found.network, found) else None


def below_linear(case: Case) -> Comparison | None:
    """Return the comparison with a linear model, where the network is worse by more than chance."""
    found = _comparison(case, "linear")
    if found is None or _is_better(found.network, found):
        return None
    ends = case.metrics.confidence_intervals.get(found.split, {}).get(found.metric)
    more = more_is_better(found.metric)
    if ends is not None:
        return found if (found.other > ends[1] if more else found.other < ends[0]) else None
    rows = case.rows.get(found.split, 0)
    if more:
        error = math.sqrt(max(found.network * (1 - found.network), 1e-9) / max(rows, 1))
        return found if found.other - found.network > 2 * error and rows else None
    return found if rows >= FEWEST_ROWS and found.network > WORSE_THAN_LINEAR * found.other else None


def _is_better(value: float, than: Comparison) -> bool:
    return value > than.other if more_is_better(than.metric) else value < than.other


def _comparison(case: Case, model: str) -> Comparison | None:
    baseline = case.metrics.baseline
    metric, network, other = baseline.get("metric"), baseline.get("network"), baseline.get(model)
    if not isinstance(metric, str) or not isinstance(network, float) or not isinstance(other, float):
        return None
    if "threshold" in (case.metrics.model_extra or {}):  # chosen for something else than this metric
        return None
    return Comparison(metric, str(baseline.get("split", "test")), network, other)


def is_poor(case: Case) -> bool:
    """Return whether something is wrong with what the network has learned."""
    return (
        case.status == DIVERGED
        or is_stuck(case)
        or below_constant(case) is not None
        or below_linear(case) is not None
    )
