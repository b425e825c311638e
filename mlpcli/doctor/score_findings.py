"""Findings from the scores of a run: its metrics by split, and those of models without a network."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mlpcli.doctor import treatments as treat
from mlpcli.doctor.bounds import (
    BALANCED,
    EASIER,
    EASIER_FALL,
    FEW_STEPS,
    FEWEST_ROWS,
    LATER_SHARE,
    ONE_SIDED,
    STRONG_DECAY,
    STRONG_DROPOUT,
    STRONG_PENALTY,
    WORSE_LATER,
)
from mlpcli.doctor.case import Case
from mlpcli.doctor.harm import below_constant, below_linear, is_poor, is_stuck, reference_loss
from mlpcli.doctor.numbers import number, percent
from mlpcli.runs.diagnosis import Finding


def find_baseline(case: Case) -> Iterator[Finding]:
    """Yield a network that a model without one is as good as."""
    constant, linear = below_constant(case), below_linear(case)
    found = constant or linear
    if found is None:
        return
    yield Finding(
        "no-better-than-baseline",
        "error" if constant is not None else "warning",
        found.sentence(),
        "a model without a network does as well" if constant is not None else "a linear model does better",
        {"metric": found.metric, "split": found.split, "network": found.network, "baseline": found.other},
        _instead(case),
    )


def _instead(case: Case) -> str:
    """Return what to do with a network that a model without one is as good as."""
    if case.by_init:
        columns, rows = "see what is in the columns: mlpcli inspect DATA", "mlpcli more-data SPEC"
        return f"{columns}; and whether more rows would help: {rows}"
    if case.spec is not None and case.spec.dataset.path is not None:
        return "compare with the network that mlpcli init writes for the data"
    return "try other layers, or let mlpcli tune search for them"


def find_easier_validation(case: Case) -> Iterator[Finding]:
    """Yield validation rows that are easier than training rows, measured alike: without dropout."""
    train, held = case.metrics.train.get("loss"), case.metrics.validation.get("loss")
    if train is None or held is None or not math.isfinite(train) or train <= 0:
        return
    ends = case.metrics.confidence_intervals.get("validation", {}).get("loss")
    apart = ends is None or ends[1] < train
    floor = EASIER_FALL * (reference_loss(case) or 0.0)
    if (
        held > EASIER * train
        or not apart
        or case.rows.get("validation", 0) < FEWEST_ROWS
        or train - held < floor
    ):
        return
    yield Finding(
        "validation-easier",
        "note",
        f"the loss of the validation rows is {number(held)}, of the training rows {number(train)}, "
        "both without dropout",
        "the validation rows are not like the training rows: their score is too good",
        {"validation": held, "train": train},
        "divide the rows at random, or by the groups or the time that they come from",
    )


def find_drift(case: Case) -> Iterator[Finding]:
    """Yield a target that goes on where the network cannot follow: nearly all later rows err to one side."""
    for target in case.network.targets if case.network is not None else ():
        later = target.later
        if later is None or later.rows < FEWEST_ROWS:
            continue
        one_sided = max(later.above, 1 - later.above) >= ONE_SIDED
        balanced = BALANCED[0] <= later.trained_above <= BALANCED[1]
        large = max(WORSE_LATER * later.trained_error, LATER_SHARE * target.deviation)
        if not (one_sided and balanced and later.error >= large):
            continue
        low = later.above < 0.5
        share, before = (1 - each if low else each for each in (later.above, later.trained_above))
        of = f" of {target.output}" if target.output else ""
        rows = f"{later.rows:,} {later.split} rows, which are later than the training rows,"
        yield Finding(
            "target-drifts",
            "warning",
            f"{percent(share)} of {rows} are predicted too {'low' if low else 'high'}{of}; "
            f"of the training rows {percent(before)}",
            "the target drifts, and a network does not follow a trend beyond the rows that it has seen",
            {"split": later.split, "share": share, "training_share": before, "rows": later.rows},
            "predict the change from an earlier value, with lags: the how-to 'Predict what comes next'",
        )


def find_regularization(case: Case) -> Iterator[Finding]:
    """Yield dropout, penalties or a decay that keep the network from learning."""
    if not is_poor(case):
        return
    strong = list(_strong(case))
    if not strong:
        return
    yield Finding(
        "regularization-too-strong",
        "error" if is_stuck(case) else "warning",
        f"{', '.join(strong)}, and the network learns too little",
        "what should prevent overfitting prevents learning",
        {"penalty": case.penalty},
        "weaken it",
        treat.relax(case),
    )


def _strong(case: Case) -> Iterator[str]:
    for path, arguments in treat.spec_layers(case.spec):
        rate = arguments.get("rate")
        if "Dropout" in str(path[-1]) and isinstance(rate, int | float) and rate >= STRONG_DROPOUT:
            yield f"layers[{path[1]}] drops out {percent(float(rate))}"
    loss = case.network.loss if case.network is not None else None
    if loss is not None and case.penalty > STRONG_PENALTY * (loss + case.penalty) > 0:
        yield f"penalties are {percent(case.penalty / (loss + case.penalty))} of the loss"
    decay = case.spec.optimizer.arguments.get("weight_decay") if case.spec is not None else None
    if isinstance(decay, int | float) and decay >= STRONG_DECAY:
        yield f"weight_decay is {number(float(decay))}"


def find_few_steps(case: Case) -> Iterator[Finding]:
    """Yield batches that are so large that an epoch has hardly any steps."""
    rows = case.rows.get("train", 0)
    if case.members or case.spec is None or not rows or not is_poor(case):
        return
    size = case.spec.fit.batch_size
    steps = math.ceil(rows / size)
    patch = treat.smaller_batches(case)
    if steps > FEW_STEPS or not patch:
        return
    every = steps * len(case.history)
    yield Finding(
        "batch-too-large",
        "warning",
        f"batches of {size:,} of {rows:,} rows make {steps:,} steps an epoch, {every:,} in all",
        "the network changes once a step, so few steps teach it little",
        {"batch_size": size, "steps": steps, "rows": rows},
        "take smaller batches",
        patch,
    )
