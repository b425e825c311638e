"""Findings from the history of a training: its losses by epoch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from statistics import fmean

from mlpcli.doctor import treatments as treat
from mlpcli.doctor.bounds import (
    FALLEN,
    FEWEST_EPOCHS,
    FEWEST_FALLING,
    LAST_PART,
    RISEN,
    SETTLED,
    SLOW_FALL,
    STEADY,
    STILL_FALLING,
    STILL_SHARE,
    SWING,
    SWING_ROWS,
    SWING_SHARE,
    USUAL_RATE_FACTOR,
    WORSE_THAN_CONSTANT,
)
from mlpcli.doctor.case import Case
from mlpcli.doctor.harm import below_linear, final_loss, is_stuck, reference_loss
from mlpcli.doctor.numbers import number, percent
from mlpcli.printable import counted
from mlpcli.runs.diagnosis import Finding
from mlpcli.runs.folder import COMPLETED, DIVERGED, FAILED


def find_ending(case: Case) -> Iterator[Finding]:
    """Yield how a training ended that did not end well."""
    last = case.history[-1] if case.history else {}
    infinite = [name for name, value in last.items() if "loss" in name and not math.isfinite(value)]
    if case.status == DIVERGED or infinite:
        epoch = len(case.history) + (0 if infinite else 1)
        rate = f", at a learning rate of {number(case.rate)}" if case.rate else ""
        yield Finding(
            "diverged",
            "error",
            f"the training diverged in epoch {epoch}{rate}",
            "steps were so large that a loss or a weight is no finite number any more",
            {
                "epoch": epoch,
                "learning_rate": case.rate,
                "usual": treat.usual_rate(case.spec) if case.spec is not None else None,
            },
            "lower the learning rate, and bound the gradients",
            (*treat.lower_rate(case), *treat.clip_gradients(case)),
        )
    elif case.status not in (COMPLETED, "running"):
        reason = f": {case.error}" if case.error and case.status == FAILED else ""
        yield Finding(
            "not-ended",
            "error" if case.status == FAILED else "note",
            f"the training did not end: it is {case.status}{reason}",
            "what it would have reached is not known",
            {"epochs": len(case.history)},
            "finish it with mlpcli train --resume",
        )


def find_stuck(case: Case) -> Iterator[Finding]:
    """Yield a loss that is that of a constant prediction."""
    reference, reached = reference_loss(case), final_loss(case)
    if not is_stuck(case) or reference is None or reached is None:
        return
    numbers = case.network is not None and bool(case.network.targets)
    what = "the same prediction for every row"
    if numbers != bool(case.classes):
        what = "predicting the mean" if numbers else "predicting the shares of the classes"
    if case.network is None:
        what = f"guessing among {counted(next(iter(case.classes.values())), 'class', 'classes')}"
    yield Finding(
        "stuck-loss",
        "error",
        f"after {counted(len(case.history), 'epoch')} the training loss is {number(reached)}; "
        f"{what} has {number(reference)}",
        "the network has learned nothing from its inputs",
        {"loss": reached, "constant_loss": reference, "epochs": len(case.history)},
        "the columns may say nothing of the target; or try another rate: mlpcli lr-find",
    )


def find_rate(case: Case) -> Iterator[Finding]:
    """Yield a learning rate that is too high or too low."""
    losses = [each for each in case.values("loss") if math.isfinite(each)]
    if not case.rate or len(losses) < 2 or case.status == DIVERGED:
        return
    usual = treat.usual_rate(case.spec) if case.spec is not None else None
    tuned = case.spec is not None and case.spec.start_from is not None  # trained layers take a low rate
    why = _too_high(case, losses, usual)
    if why is not None:
        yield Finding(
            "learning-rate-too-high",
            "error" if is_stuck(case) else "warning",
            f"{why}, at a learning rate of {number(case.rate)}",
            "steps jump over what they should reach",
            {"learning_rate": case.rate, "usual": usual},
            "lower the learning rate",
            treat.lower_rate(case),
        )
    elif usual is not None and case.rate <= usual / USUAL_RATE_FACTOR and _crawls(losses) and not tuned:
        fall = percent((losses[0] - losses[-1]) / losses[0])
        yield Finding(
            "learning-rate-too-low",
            "error" if is_stuck(case) else "warning",
            f"in {counted(len(losses), 'epoch')} the training loss fell by {fall}, a little in each, "
            f"at a learning rate of {number(case.rate)}",
            "steps are so small that the training would take very many epochs",
            {"learning_rate": case.rate, "usual": usual, "first_loss": losses[0], "last_loss": losses[-1]},
            "raise the learning rate",
            treat.raise_rate(case),
        )


def _too_high(case: Case, losses: list[float], usual: float | None) -> str | None:
    """Return what says that the rate is too high; None where nothing does."""
    reference = reference_loss(case) if case.network is not None else None
    rises = [after / before - 1 for before, after in itertools.pairwise(losses) if before > 0]
    if reference is not None and len(losses) >= FEWEST_EPOCHS:
        above = min(losses[1:]) - case.penalty
        if above > WORSE_THAN_CONSTANT * reference and sum(each > 0 for each in rises) >= SWING_SHARE * len(
            rises
        ):
            constant = f"where a constant prediction has {number(reference)}"
            return f"the training loss stayed above {number(above)}, {constant}"
    if (swings := _swings(case, losses, SETTLED * max(losses[0], reference or 0.0))) is not None:
        return swings
    if (
        usual is not None
        and case.rate is not None
        and case.rate >= USUAL_RATE_FACTOR * usual
        and is_stuck(case)
    ):
        return f"the loss is stuck, and {number(case.rate / usual)} times the usual rate was taken"
    return None


def _swings(case: Case, losses: list[float], settled: float) -> str | None:
    """Return how often a loss rose by much, by more than the chance of few rows explains; None for seldom."""
    joined = _epochs_joined(case)
    means = [fmean(losses[at : at + joined]) for at in range(0, len(losses) - joined + 1, joined)]
    rises = [after / before - 1 for before, after in itertools.pairwise(means) if before > 0]
    big = [each for at, each in enumerate(rises) if each > SWING and means[at + 1] > settled]
    if len(means) < FEWEST_EPOCHS or len(big) < max(2, SWING_SHARE * len(rises)):
        return None
    mean = "" if joined == 1 else f", in the mean of {joined} epochs,"
    often = f"{len(big)} times by more than {percent(SWING)}, once by {percent(max(big))}"
    return f"the training loss{mean} rose {often}"


def _epochs_joined(case: Case) -> int:
    """Return of how many epochs the mean loss is taken, so that it is not mostly chance.

    Where all rows are one batch, and no layer draws at random, there is no chance.
    """
    rows = case.rows.get("train", 0)
    if case.spec is None or not rows:
        return 1
    names = [each.class_name for each in case.spec.layers]
    draws = any("Dropout" in name or "Noise" in name or name.startswith("Random") for name in names)
    return math.ceil(SWING_ROWS / rows) if draws or rows > case.spec.fit.batch_size else 1


def _crawls(losses: list[float]) -> bool:
    """Return whether a loss falls in nearly every epoch, by little, and at the end as at the beginning."""
    if len(losses) < FEWEST_EPOCHS or losses[0] <= 0:
        return False
    falls = [before - after for before, after in itertools.pairwise(losses)]
    half = len(falls) // 2
    steady = sum(falls[half:]) >= STEADY * sum(falls[:half]) * (len(falls) - half) / half
    whole = losses[0] - losses[-1]
    return (
        sum(each > 0 for each in falls) >= 0.8 * len(falls) and 0 < whole <= SLOW_FALL * losses[0] and steady
    )


def find_stop(case: Case) -> Iterator[Finding]:
    """Yield a training that was over too soon."""
    name = "val_loss" if case.values("val_loss") else "loss"
    values = case.values(name)
    if case.timed_out:
        return  # the end of a training says how to go on with it
    if case.spec is None or case.status != COMPLETED or not values or not all(map(math.isfinite, values)):
        return
    stopped = case.callback("EarlyStopping")
    if len(values) < case.spec.fit.epochs:
        if stopped is not None and _stopped_rashly(case, int(stopped[1].arguments.get("patience", 0))):
            yield Finding(
                "stopped-too-soon",
                "warning",
                f"EarlyStopping ended the training after {counted(len(values), 'epoch')}, "
                "while the training loss still fell",
                "a single bad epoch is no sign that the training is over",
                {"epochs": len(values), "patience": stopped[1].arguments.get("patience", 0)},
                "give EarlyStopping more patience",
                treat.wait_longer(case),
            )
        return
    fall = _last_fall(values)
    weak, crawls = below_linear(case) is not None, _is_on_its_way(case)
    least = (STILL_FALLING / 10, STILL_SHARE / 2) if weak else (STILL_FALLING, STILL_SHARE)
    if fall is None or (not crawls and (fall[0] < least[0] or fall[1] < least[1])):
        return
    beside = ", and the network is worse than a linear model" if weak else ""
    last = "epoch" if fall[2] == 1 else counted(fall[2], "epoch")
    yield Finding(
        "stopped-too-soon",
        "warning",
        f"{name} still fell by {percent(fall[0])} in the last {last} of {len(values)}{beside}",
        "with more epochs the network would be better",
        {"epochs": len(values), "fall": fall[0], "share_of_all": fall[1]},
        "train for more epochs",
        treat.train_longer(case),
    )


def _is_on_its_way(case: Case) -> bool:
    """Return whether a loss that is that of a constant prediction falls, at a rate that is not too low."""
    usual = treat.usual_rate(case.spec) if case.spec is not None else None
    low = usual is not None and case.rate is not None and case.rate <= usual / USUAL_RATE_FACTOR
    return not low and is_stuck(case) and _crawls(case.values("loss"))


def _last_fall(values: list[float]) -> tuple[float, float, int] | None:
    """Return the fall in the last epochs, as a share of the value before and of the whole fall; and how many.

    None where there are too few epochs, or the lowest value is not at the end; of fewer than FEWEST_EPOCHS
    each must be better than the one before.
    """
    falls = all(after < before for before, after in itertools.pairwise(values))
    if len(values) < FEWEST_FALLING or (len(values) < FEWEST_EPOCHS and not falls):
        return None
    last = max(1, math.ceil(LAST_PART * len(values)))
    before, after = min(values[:-last]), min(values[-last:])
    at_end = values.index(min(values)) >= len(values) - max(1, last // 2)
    whole = values[0] - after
    if before <= 0 or whole <= 0 or not at_end:
        return None
    return (before - after) / before, (before - after) / whole, last


def _stopped_rashly(case: Case, patience: int) -> bool:
    losses = case.values("loss")
    return patience <= 2 and 2 <= len(losses) <= 2 * FEWEST_EPOCHS and losses[-1] < 0.97 * losses[-2]


def find_overfitting(case: Case) -> Iterator[Finding]:
    """Yield a validation loss that rose while the training loss fell, up to the epoch that was kept."""
    held, losses = case.values("val_loss"), case.values("loss")
    if len(held) < FEWEST_EPOCHS or len(losses) != len(held) or case.keeps_best:
        return
    if not all(map(math.isfinite, (*held, *losses))):
        return
    best = held.index(min(held))
    end = sorted(held[-3:])[1]
    rise = end - held[best]
    if best >= len(held) - 3 or held[best] <= 0 or rise < SETTLED * held[0]:
        return
    if end < RISEN * held[best] or losses[-1] > FALLEN * losses[best]:
        return
    yield Finding(
        "overfitting",
        "warning",
        f"from epoch {best + 1} on val_loss rose from {number(held[best])} to {number(end)}, "
        f"while the training loss fell from {number(losses[best])} to {number(losses[-1])}",
        "the network learns its training rows by heart, and the last epoch is the model",
        {"epoch": best + 1, "lowest": held[best], "last": end},
        "stop when val_loss no longer falls, and keep the best epoch",
        treat.stop_early(case, patience=max(10, best // 5)),
    )
