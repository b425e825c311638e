"""The learning-rate range test: raise the rate step by step, and see where the loss stops falling.

Smith, "Cyclical Learning Rates for Training Neural Networks" (2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli import signals
from mlpcli.data.types import Array
from mlpcli.errors import Problem, TrainingError, UsageError
from mlpcli.keras_import import import_keras
from mlpcli.plots.style import BEST, INK, POINT, new_figure, style_panel
from mlpcli.plots.text import plot_label, save_figure
from mlpcli.runs.results import RateTest
from mlpcli.spec.load import LoadedSpec, located
from mlpcli.training.find_data import load_data
from mlpcli.training.prepare import build_checked

EXPLODED = 4.0
"""The test stops when the smoothed loss is this many times its lowest."""
MEMORY = 0.9  # of the running mean that says so
FEWEST_STEPS = 20
BELOW = 10.0
"""The suggestion is this many times below the rate at which the loss is lowest."""


def find_rate(
    loaded: LoadedSpec,
    *,
    low: float = 1e-5,
    high: float = 10.0,
    steps: int = 500,
    stage: Callable[[str], None] = lambda text: None,
    progress: Callable[[int, float, float], None] = lambda step, rate, loss: None,
) -> RateTest:
    """Train a spec's model with rates from `low` to `high`, each a constant factor above the last.

    progress: called as the test goes with the steps done, the last rate and the last loss.

    Raises:
        UsageError: the bounds do not fit together.
        SpecError, DataError: the spec cannot be trained.
        TrainingError: the loss is not a number from the start.
    """
    if not 0 < low < high or not math.isfinite(high):
        raise UsageError(Problem("--min must be above 0 and below --max", received=[low, high]))
    if steps < FEWEST_STEPS:
        raise UsageError(Problem(f"--steps must be at least {FEWEST_STEPS}", received=steps))
    stage("reading the data")
    ramped = _with_ramp(loaded, low, high, steps)
    with located(loaded):
        dataset = load_data(loaded)
        stage("building the model")
        model = build_checked(ramped, dataset)
    stage("compiling")
    rates = low * (high / low) ** (np.arange(steps) / (steps - 1))
    losses = _losses(model, dataset.train, loaded, rates, progress)
    if len(losses) < FEWEST_STEPS:
        hint = "lower --min, or look at the data and the loss"
        raise TrainingError(Problem("the loss explodes at once", received=low, hint=hint))
    return _judge(rates, losses, _current(loaded), steps)


def _with_ramp(loaded: LoadedSpec, low: float, high: float, steps: int) -> LoadedSpec:
    """The spec with a learning rate that rises at every step; without weight decay's own schedules."""
    decay = {"initial_learning_rate": low, "decay_steps": steps - 1, "decay_rate": high / low}
    optimizer = loaded.spec.optimizer
    name = next(
        (n for n in loaded.catalog.class_names("optimizers") if n.lower() == optimizer.class_name.lower()),
        optimizer.class_name,
    )
    arguments = optimizer.arguments | {"learning_rate": {"ExponentialDecay": decay}}
    made = optimizer.model_copy(update={"class_name": name, "arguments": arguments})
    ramped = {"optimizer": made, "callbacks": ()}  # which are not called, and may want a rate of their own
    return replace(loaded, spec=loaded.spec.model_copy(update=ramped))


def _losses(
    model: Any,
    split: Any,
    loaded: LoadedSpec,
    rates: Array,
    progress: Callable[[int, float, float], None],
) -> Array:
    """Losses up to the explosion; all variables of model and optimizer are put back."""
    import_keras()
    from mlpcli.training import compiled
    from mlpcli.training.compiled.step_losses import step_losses

    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    kept = [np.array(variable.numpy()) for variable in variables]
    rows = compiled.Arrays(split.x, split.y, split.weights)
    batch_size = min(loaded.spec.fit.batch_size, len(split))
    watch = _Explosion()
    losses: list[float] = []
    try:
        chunks = step_losses(model, rows, batch_size=batch_size, steps=len(rates), seed=loaded.spec.seed)
        for chunk in chunks:
            signals.raise_if_interrupted()
            for loss in chunk:
                if watch.sees(float(loss)):
                    return np.array(losses)
                losses.append(float(loss))
            progress(len(losses), float(rates[len(losses) - 1]), losses[-1])
        return np.array(losses)
    finally:
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)


class _Explosion:
    """Sees from the losses, one by one, when they have exploded."""

    def __init__(self) -> None:
        self.mean, self.weight, self.lowest, self.count = 0.0, 0.0, math.inf, 0

    def sees(self, loss: float) -> bool:
        """Whether it is over with this loss."""
        if not math.isfinite(loss):
            return True
        self.mean = MEMORY * self.mean + (1 - MEMORY) * loss
        self.weight = MEMORY * self.weight + (1 - MEMORY)
        mean = self.mean / self.weight  # without the zero that it began with
        self.count += 1
        if self.count >= FEWEST_STEPS:
            self.lowest = min(self.lowest, mean)
        return mean > EXPLODED * self.lowest and self.lowest > 0


def _judge(rates: Array, losses: Array, current: float | None, steps: int) -> RateTest:
    smoothed = smooth(losses, max(3, steps // 25))
    exploded = len(losses) < steps
    lowest = int(np.argmin(smoothed))
    turning = float(rates[lowest])
    warnings = []
    if lowest >= len(losses) - 2 and not exploded:
        warnings.append("the loss was still falling at the highest rate: try a higher --max")
    if lowest < steps // 20:
        warnings.append("the loss hardly fell before it rose: try a lower --min, or look at the data")
    suggestion = float(f"{turning / BELOW:.1e}")
    return RateTest(
        rates[: len(losses)], losses, smoothed, turning, suggestion, exploded, current, tuple(warnings)
    )


def smooth(values: Array, width: int) -> Array:
    """Means over windows that fall off to both sides, (n,) float64: a curve that neither lags nor leads."""
    kernel = np.bartlett(2 * width + 1)
    sums = np.convolve(values, kernel, mode="same")
    weights = np.convolve(np.ones(len(values)), kernel, mode="same")
    return np.asarray(sums / weights, dtype=np.float64)


def _current(loaded: LoadedSpec) -> float | None:
    optimizer = loaded.spec.optimizer
    rate = optimizer.arguments.get("learning_rate")
    if rate is None and optimizer.class_name in loaded.catalog.class_names("optimizers"):
        rate = loaded.catalog.signature("optimizers", optimizer.class_name).defaults.get("learning_rate")
    return float(rate) if isinstance(rate, int | float) else None


def draw_rate_test(test: RateTest, target: Path, *, title: str) -> None:
    """Loss against rate, with the turning point and the suggestion."""
    figure = new_figure(7.2, 4.2)
    axes = figure.add_subplot()
    axes.plot(test.rates, test.losses, color=POINT, alpha=0.25, linewidth=0.8, label="loss of a step")
    axes.plot(test.rates, test.smoothed, color=POINT, linewidth=1.8, label="smoothed")
    axes.axvline(test.turning, color=INK, linestyle=":", linewidth=1.2, label=f"lowest at {test.turning:.2g}")
    axes.axvline(test.suggestion, color=BEST, linewidth=1.6, label=f"suggestion {test.suggestion:.2g}")
    low, high = float(test.smoothed.min()), float(max(test.smoothed[0], np.median(test.losses)))
    room = high - low or 1.0
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss", title=plot_label(title))
    axes.set_ylim(low - 0.15 * room, high + 0.6 * room)
    style_panel(axes)
    axes.legend(frameon=False)
    save_figure(figure, target)
