"""What each pixel of an image adds to a prediction: expected gradients.

Expected gradients (Erion, Janizek, Sturmfels, Lundberg and Lee, Improving performance of deep learning models
with axiomatic attribution priors and expected gradients, Nature Machine Intelligence 3, 2021) are integrated
gradients (Sundararajan, Taly and Yan 2017) averaged over training rows as their start: no colour has to be
declared as nothing, and the maps add up to the prediction less the mean prediction of these rows, as Shapley
values of columns do. Plain gradients, and their smoothed mean, do not; guided backpropagation draws the same
for a network of random weights (Adebayo et al., Sanity checks for saliency maps, 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpcli.data.levels import median_of
from mlpcli.data.types import Array, Arrays
from mlpcli.inference.evaluate import values_of
from mlpcli.inference.explained_values import chosen_of_part, explained_part, units_of_part
from mlpcli.inference.own_data import own_data
from mlpcli.keras_import import keras, tf
from mlpcli.model.outputs import final_outputs
from mlpcli.model.trained_model import TrainedModel
from mlpcli.runs.explanation import ExplainOptions

STEPS = 16
"""Points on the way from each background row to the image, one in each sixteenth."""

AT_ONCE = 512
"""Points whose gradients are computed in one call."""


@dataclass(frozen=True)
class Saliency:
    """The maps of some images.

    Attributes:
        maps: (images, *shape), what each value adds.
        values: (images,), the predictions.
        base: (images,), the mean prediction of the background rows.
        names: (images,), what is explained: a class, or empty for a number.
    """

    maps: Array
    values: Array
    base: Array
    names: tuple[str, ...]

    @property
    def residual(self) -> Array:
        """The prediction less the base and the sum of the map, (images,)."""
        return np.asarray(self.values - self.base - self.maps.reshape(len(self.maps), -1).sum(axis=1))


class SaliencyExplainer:
    """Explains the predictions of a run of images; of several outputs and targets, the first.

    With a class, it is the first output that has this class.
    """

    def __init__(self, trained: TrainedModel, options: ExplainOptions, train: Arrays | None = None) -> None:
        """Choose the background.

        Args:
            trained: the run's model.
            options: the class, and the number of background rows.
            train: the run's training rows, where they have been read already.

        Raises:
            UsageError: there is no such class.
            SpecError: the run's data is gone.
            DataError: it cannot be read any more.
        """
        self.trained = trained
        self.part, self.explained = explained_part(trained, options.class_name)
        rows: Any = own_data(trained).dataset.train.x if train is None else train  # they may be in files
        random = np.random.default_rng([trained.spec.seed, 4])
        chosen = np.sort(random.permutation(len(rows))[: options.background])
        self.shares: Array = random.random((STEPS, len(chosen)))  # the same for every image
        self.background: Array = np.asarray(rows[chosen], np.float32)
        self._base: Array | None = None
        self._gradients: Callable[..., Any] = tf.function(self._trace, reduce_retracing=True)

    @property
    def name(self) -> str:
        """What is explained: the target's name."""
        return self.explained.name

    def explain(self, x: Array, outputs: Arrays) -> Saliency:
        """Return the maps of some images.

        Args:
            x: (images, *shape).
            outputs: what `predict_outputs` returns for them.
        """
        own = self.part.values(outputs)
        chosen = chosen_of_part(self.part, self.explained, own)
        values = units_of_part(self.part, own)[np.arange(len(own)), chosen]
        images = x.astype(np.float32)
        maps = np.stack([self._map(image, unit) for image, unit in zip(images, chosen, strict=True)])
        names = tuple(self.explained.units[unit] for unit in chosen)
        return Saliency(maps, values, self._base_units()[chosen], names)

    def _map(self, image: Array, unit: int) -> Array:
        count, shape = len(self.background), (-1, *(1,) * image.ndim)
        total = np.zeros(image.shape)
        for step in range(STEPS):
            share = ((step + self.shares[step]) / STEPS).astype(np.float32).reshape(shape)
            away = image - self.background
            points = self.background + share * away
            for first in range(0, count, AT_ONCE):
                some = slice(first, first + AT_ONCE)
                found = np.asarray(self._gradients(points[some], np.int32(unit)))
                total += (found * away[some]).sum(axis=0, dtype=np.float64)
        return total / (count * STEPS)

    def _base_units(self) -> Array:
        """Return the mean of each unit over the background rows, (units,)."""
        if self._base is None:
            found = self._units(tf.constant(self.background))
            self._base = np.asarray(found, np.float64).mean(axis=0)
        return self._base

    def _trace(self, points: tf.Tensor, unit: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(points)
            chosen = tf.gather(self._units(points), unit, axis=1)
        return tape.gradient(chosen, points, unconnected_gradients="zero")

    def _units(self, points: tf.Tensor) -> tf.Tensor:
        """Return the units of what is explained as a tensor; see `units_of_part`."""
        part = self.part
        outputs = self.trained.model(points, training=False)
        found = final_outputs(self.trained.spec, self.trained.contract, outputs)
        where: Any = (slice(None), *part.step)
        values = keras.ops.reshape(values_of(found, part.output)[where], (-1, part.width))
        if part.has_levels:
            values = median_of(values, part.output.levels)
        if part.is_single and not part.is_score:
            values = keras.ops.concatenate([1.0 - values, values], axis=1)
        return values
