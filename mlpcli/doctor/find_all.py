"""All findings of a case, the worst first, and the patch of all of them together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from mlpcli.doctor.bounds import USUAL_RATE_FACTOR
from mlpcli.doctor.case import Case
from mlpcli.doctor.curve_findings import find_ending, find_overfitting, find_rate, find_stop, find_stuck
from mlpcli.doctor.data_findings import find_copies, find_leak
from mlpcli.doctor.network_findings import find_gradients, find_lost_classes, find_scales, find_units
from mlpcli.doctor.score_findings import (
    find_baseline,
    find_drift,
    find_easier_validation,
    find_few_steps,
    find_regularization,
)
from mlpcli.errors import listing
from mlpcli.runs.diagnosis import SEVERITIES, Finding
from mlpcli.spec.edit_spec import Edit

FINDERS: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    find_ending,
    find_leak,
    find_scales,
    find_units,
    find_gradients,
    find_regularization,
    find_rate,
    find_few_steps,
    find_stuck,
    find_overfitting,
    find_stop,
    find_lost_classes,
    find_baseline,
    find_drift,
    find_copies,
    find_easier_validation,
)
"""In the order in which causes come before what they cause."""

RATES = ("learning-rate-too-high", "learning-rate-too-low")
SYMPTOMS = ("saturated-units", "stopped-too-soon", "batch-too-large", "class-never-predicted")

OUTCOMES = ("stuck-loss", "no-better-than-baseline", "class-never-predicted")
"""What a training came to; by itself it says nothing of why."""

CAUSES: dict[str, tuple[str, ...]] = {
    "inputs-not-scaled": (*RATES, *SYMPTOMS, "diverged", "exploding-gradients", "vanishing-gradients"),
    "target-not-scaled": (*RATES, *SYMPTOMS, "diverged", "exploding-gradients"),
    "identical-units": (*RATES, *SYMPTOMS, "dead-units"),
    "vanishing-gradients": (*RATES, *SYMPTOMS, "dead-units"),
    "exploding-gradients": (*RATES, *SYMPTOMS, "dead-units", "diverged"),
    "regularization-too-strong": (*RATES, *SYMPTOMS, "dead-units"),
    "dead-units": ("learning-rate-too-low", "stopped-too-soon", "batch-too-large", "class-never-predicted"),
    "learning-rate-too-high": ("stopped-too-soon", "batch-too-large", "class-never-predicted"),
    "learning-rate-too-low": ("stopped-too-soon", "batch-too-large"),
    "batch-too-large": ("stopped-too-soon",),
}
"""By finding, the findings that it may be the cause of, whose patches are not needed then."""


def find_all(case: Case) -> tuple[Finding, ...]:
    """Return what is wrong, the worst first; of equal ones, causes before what they cause."""
    found = _after_causes([finding for find in FINDERS for finding in find(case)])
    return tuple(sorted(found, key=lambda each: SEVERITIES.index(each.severity)))


def _after_causes(found: list[Finding]) -> list[Finding]:
    """Return the findings; those that only say that a training is bad name what was found that can be why."""
    causes = list(dict.fromkeys(each.code for each in found if each.code in CAUSES))
    if not causes:
        return found
    first = f"first treat {listing(causes)}"
    return [replace(each, fix=first) if each.code in OUTCOMES and not each.patch else each for each in found]


def _is_unusual(found: Finding) -> bool:
    """Return whether a training diverged at a rate so unusual that this alone is a cause."""
    rate, usual = found.evidence.get("learning_rate"), found.evidence.get("usual")
    if found.code != "diverged" or not isinstance(rate, float) or not isinstance(usual, float):
        return False
    return rate >= USUAL_RATE_FACTOR * usual


def whole_patch(findings: Sequence[Finding]) -> tuple[Edit, ...]:
    """Return the changes that treat the causes among some findings, each value changed once."""
    treated = [each for each in findings if each.patch]
    caused = {code for each in treated for code in CAUSES.get(each.code, ())}
    edits: dict[tuple[str | int, ...], Edit] = {}
    for each in treated:
        for edit in each.patch if each.code not in caused or _is_unusual(each) else ():
            edits.setdefault(edit.path, edit)
    # Values first: an inserted layer moves those after it.
    return tuple(sorted(edits.values(), key=lambda each: each.insert))
