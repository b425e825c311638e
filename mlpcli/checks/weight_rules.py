"""Regularizers and constraints that cannot be applied to the weights of their layer."""

from __future__ import annotations

from collections.abc import Iterator

from mlpcli.errors import ABSENT, Problem
from mlpcli.keras_import import keras
from mlpcli.model.components import plain_reason
from mlpcli.spec.schema import Spec

KINDS = ("regularizer", "constraint")


def weight_problems(model: keras.Model, spec: Spec) -> Iterator[Problem]:
    """Yield the regularizers and constraints that Keras cannot apply, which it says only in training.

    A constraint is tried on a copy: the weights stay as they are.

    Args:
        model: a network of the spec's layers, whose weights have values.
        spec: the spec.
    """
    for node in spec.graph.nodes if spec.model is None else ():
        component = spec.layers[node.index]
        for weight in model.get_layer(node.name).trainable_variables:
            for kind in KINDS:
                applied = getattr(weight, kind, None)
                if applied is None:
                    continue
                try:
                    applied(keras.ops.convert_to_tensor(weight))
                except Exception as error:  # Keras raises ValueError, TypeError and its backend's own kinds
                    key = f"{weight.name}_{kind}"
                    inside = ("layers", node.index, component.class_name)
                    known = key in component.arguments
                    rule = f"cannot be applied to the {weight.name}, of shape {tuple(weight.shape)}"
                    yield Problem(
                        f"{'' if known else f'its {key} '}{rule}: {plain_reason(error)}",
                        path=(*inside, key) if known else inside,
                        received=component.arguments.get(key, ABSENT),
                    )
