"""The learning-rate range test: raise the rate step by step until the loss stops falling.

Smith, "Cyclical Learning Rates for Training Neural Networks" (2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlpcli import signals
from mlpcli.data.dataset import Split
from mlpcli.data.types import Array
from mlpcli.errors import Problem, SpecError, TrainingError
from mlpcli.plots.drawing import save_figure
from mlpcli.plots.style import BEST, INK, POINT, new_figure, style_panel
from mlpcli.plots.text import title_panel
from mlpcli.runs.results import RateTest
from mlpcli.spec.load import LoadedSpec, located
from mlpcli.training.find_data import load_data
from mlpcli.training.prepare import build_checked, complete
from mlpcli.training.rate_bounds import FEWEST_STEPS, check_bounds

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

EXPLODED = 4.0
"""The test stops when the smoothed loss is this many times its lowest."""
MOMENTUM = 0.9
"""Of the running mean of the loss that decides when to stop."""

BELOW = 10.0
"""The suggestion is the rate at which the loss is lowest, divided by this."""


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

    Args:
        loaded: The spec.
        low: The first rate.
        high: The last rate.
        steps: The number of steps.
        stage: Receives the stages.
        progress: Receives the steps done, the last rate and the last loss.

    Raises:
        UsageError: The bounds do not fit together.
        SpecError: Data and model do not fit together.
        DataError: The data cannot be read.
        TrainingError: The loss is not finite from the start.
    """
    check_bounds(low, high, steps)
    stage("reading the data")
    rising = _with_rising_rate(loaded, low, high, steps)
    with located(loaded):
        dataset = load_data(loaded)
        stage("building the model")
        model = build_checked(complete(rising, dataset), dataset)
    stage("compiling")
    rates = low * (high / low) ** (np.arange(steps) / (steps - 1))
    losses, diverged = _losses(model, dataset.train, loaded, rates, progress)
    if len(losses) < FEWEST_STEPS:
        hint = "lower --min, or check the data and the loss"
        raise TrainingError(Problem("the loss diverges in the first steps", received=low, hint=hint))
    return replace(_evaluate(rates, losses, _current(loaded), steps), diverged=diverged)


def _with_rising_rate(loaded: LoadedSpec, low: float, high: float, steps: int) -> LoadedSpec:
    """Return the spec with a learning rate that rises at every step, and without callbacks."""
    decay = {"initial_learning_rate": low, "decay_steps": steps - 1, "decay_rate": high / low}
    optimizer = loaded.spec.optimizer
    name = next(
        (n for n in loaded.catalog.class_names("optimizers") if n.lower() == optimizer.class_name.lower()),
        optimizer.class_name,
    )
    if "learning_rate" not in loaded.catalog.signature("optimizers", name).names:
        rule = "has no learning rate of its own, which lr-find would set"
        hint = "try the optimizers inside it one at a time, with --set optimizer=NAME"
        raise SpecError(Problem(rule, path=("optimizer", name), received=name, hint=hint))
    arguments = optimizer.arguments | {"learning_rate": {"ExponentialDecay": decay}}
    changed = optimizer.model_copy(update={"class_name": name, "arguments": arguments})
    # Callbacks are not called here, and may need a rate that they can set.
    update = {"optimizer": changed, "callbacks": ()}
    return replace(loaded, spec=loaded.spec.model_copy(update=update))


def _losses(
    model: keras.Model,
    split: Split,
    loaded: LoadedSpec,
    rates: Array,
    progress: Callable[[int, float, float], None],
) -> tuple[Array, bool]:
    """Return the losses until they explode, and whether by one not finite; restore all variables."""
    from mlpcli.training import compiled
    from mlpcli.training.compiled.step_losses import step_losses

    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    kept = [np.array(variable.numpy()) for variable in variables]
    rows = compiled.Arrays(split.x, split.y, split.weights)
    batch_size = min(loaded.spec.fit.batch_size, len(split))
    detector = _ExplosionDetector()
    losses: list[float] = []
    try:
        chunks = step_losses(model, rows, batch_size=batch_size, steps=len(rates), seed=loaded.spec.seed)
        for chunk in chunks:
            signals.raise_if_interrupted()
            for loss in chunk:
                if detector.explodes(float(loss)):
                    return np.array(losses), not math.isfinite(loss)
                losses.append(float(loss))
            progress(len(losses), float(rates[len(losses) - 1]), losses[-1])
        return np.array(losses), False
    finally:
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)


class _ExplosionDetector:
    """Decides after each loss whether the loss explodes."""

    def __init__(self) -> None:
        self.mean, self.weight, self.lowest, self.count = 0.0, 0.0, math.inf, 0

    def explodes(self, loss: float) -> bool:
        """Return whether the test ends with this loss."""
        if not math.isfinite(loss):
            return True
        self.mean = MOMENTUM * self.mean + (1 - MOMENTUM) * loss
        self.weight = MOMENTUM * self.weight + (1 - MOMENTUM)
        mean = self.mean / self.weight  # corrected for its start at zero
        self.count += 1
        if self.count >= FEWEST_STEPS:
            self.lowest = min(self.lowest, mean)
        return mean > EXPLODED * self.lowest and self.lowest > 0


def _evaluate(rates: Array, losses: Array, current: float | None, steps: int) -> RateTest:
    """Return the turning point and the suggestion, with warnings where the range does not suit."""
    smoothed = smooth(losses, max(3, steps // 25))
    exploded = len(losses) < steps
    lowest = int(np.argmin(smoothed))
    turning = float(rates[lowest])
    warnings = []
    if lowest >= len(losses) - 2 and not exploded:
        warnings.append("the loss was still falling at the highest rate: try a higher --max")
    if lowest < steps // 20:
        warnings.append("the loss hardly fell before it rose: try a lower --min, or check the data")
    suggestion = float(f"{turning / BELOW:.1e}")
    return RateTest(
        rates[: len(losses)],
        losses,
        smoothed,
        turning,
        suggestion,
        exploded,
        current,
        warnings=tuple(warnings),
    )


def smooth(values: Array, width: int) -> Array:
    """Return a curve without noise that neither lags nor leads: means in triangular windows.

    Args:
        values: (n,) numbers.
        width: Half the width of a window.

    Returns:
        (n,) float64.
    """
    kernel = np.bartlett(2 * width + 1)
    middle = slice(width, width + len(values))  # "same" would be as long as the kernel, if that is longer
    sums, weights = (np.convolve(each, kernel)[middle] for each in (values, np.ones(len(values))))
    return np.asarray(sums / weights, dtype=np.float64)


def _current(loaded: LoadedSpec) -> float | None:
    """Return the spec's own learning rate; None where it is a schedule."""
    optimizer = loaded.spec.optimizer
    rate = optimizer.arguments.get("learning_rate")
    if rate is None and optimizer.class_name in loaded.catalog.class_names("optimizers"):
        rate = loaded.catalog.signature("optimizers", optimizer.class_name).defaults.get("learning_rate")
    return float(rate) if isinstance(rate, int | float) else None


def draw_rate_test(test: RateTest, target: Path, *, title: str, beside: bool = True) -> None:
    """Draw the loss against the rate, with the turning point and the suggestion.

    Args:
        test: The range test.
        target: The file.
        title: Of the figure.
        beside: Whether to write an SVG beside it.
    """
    figure = new_figure(7.2, 4.2)
    axes = figure.add_subplot()
    axes.plot(test.rates, test.losses, color=POINT, alpha=0.4, linewidth=0.8, label="loss of a step")
    axes.plot(test.rates, test.smoothed, color=POINT, linewidth=1.8, label="smoothed")
    axes.axvline(test.turning, color=INK, linestyle=":", linewidth=1.2, label=f"lowest at {test.turning:.2g}")
    axes.axvline(
        test.suggestion, color=BEST, linewidth=1.6, linestyle="--", label=f"suggestion {test.suggestion:.2g}"
    )
    low, high = float(test.smoothed.min()), float(max(test.smoothed[0], np.median(test.losses)))
    height = high - low or 1.0
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss")
    title_panel(axes, title, 6.4)
    axes.set_ylim(low - 0.15 * height, high + 0.6 * height)
    style_panel(axes)
    axes.legend(frameon=False)
    save_figure(figure, target, beside=beside)
