"""The argument `loss_scale_factor` of an optimizer, which Keras cannot use with layers that look rows up."""

from __future__ import annotations

from collections.abc import Iterator

from mlpcli.data.types import Arrays
from mlpcli.errors import Problem, listing
from mlpcli.keras_import import keras, tf
from mlpcli.spec.schema import Spec

FACTOR = "loss_scale_factor"


def scale_problems(model: keras.Model, spec: Spec, x: Arrays, y: Arrays) -> Iterator[Problem]:
    """Yield the problem of a factor that Keras multiplies the loss by, where it cannot divide the gradient.

    The gradient of an Embedding holds only the rows that were looked up (`tf.IndexedSlices`), and has no
    division. Only such a spec pays for a gradient here.

    Args:
        model: built and compiled.
        spec: whose optimizer it has.
        x: some rows.
        y: their targets.
    """
    if getattr(model.optimizer, FACTOR, None) is None or isinstance(
        model.optimizer, keras.optimizers.LossScaleOptimizer
    ):
        return
    weights = model.trainable_variables
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x, training=False))
    gradients = tape.gradient(loss, [each.value for each in weights])
    sparse = [
        weight.path.rpartition("/")[0]
        for weight, gradient in zip(weights, gradients, strict=True)
        if isinstance(gradient, tf.IndexedSlices)
    ]
    if sparse:
        name = spec.optimizer.class_name
        layers = listing(f"{each!r}" for each in dict.fromkeys(sparse))
        rule = f"Keras cannot scale the gradient of layer {layers}, which holds only the rows of a batch"
        hint = f"remove it, or write optimizer: {{LossScaleOptimizer: {{inner_optimizer: {name}}}}}"
        path = ("optimizer", name, FACTOR)
        yield Problem(rule, path=path, received=getattr(model.optimizer, FACTOR), hint=hint)
