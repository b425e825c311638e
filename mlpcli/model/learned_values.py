"""What a layer has learned from data before training: taken over from a trained network, or from its file.

`Normalization` keeps it in weights, and what it computes with in a copy of them; `Discretization` and the
lookup layers keep it beside their weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlpcli.keras_import import keras, tf
from mlpcli.keras_internals import all_layers

VOCABULARY = "vocabulary"
COPIES = ("mean", "variance")
"""Of `Normalization`: copies of its weights, in the shape that it computes with."""


def learns_beside_weights(layer: keras.layers.Layer) -> bool:
    """Return whether a layer, or one inside it, has learned from data what is not among its weights."""
    return any(_has_bins(each) or _has_vocabulary(each) for each in all_layers(layer))


def learned_width(layer: keras.layers.Layer) -> int | None:
    """Return how many values a layer has learned where its output's width follows from them."""
    if getattr(layer, "output_mode", "int") == "int":
        return None
    if _has_bins(layer):
        return len(layer.bin_boundaries) + 1
    return int(layer.vocabulary_size()) if _has_vocabulary(layer) else None


def vocabularies(model: keras.Model) -> list[list[object]]:
    """Return the vocabularies that layers of a model have learned: its configuration has none of them."""
    return [list(each.get_vocabulary()) for each in all_layers(model) if _has_vocabulary(each)]


def give_learned(layer: keras.layers.Layer, values: Mapping[str, Any]) -> None:
    """Give a layer that is not called yet what it once learned beside its weights.

    Args:
        layer: Just created.
        values: By attribute.
    """
    for name, value in values.items():
        if name != VOCABULARY:
            setattr(layer, name, value)
        elif layer.output_mode == "tf_idf":  # the weights of the words are read with the network's
            layer.set_vocabulary(value, idf_weights=[1.0] * len(value))
        else:
            layer.set_vocabulary(value)


def take_learned(layer: keras.layers.Layer, trained: keras.layers.Layer) -> None:
    """Give a layer the weights of another and all else that it has learned, so that both compute the same.

    Args:
        layer: Built.
        trained: Of the same class, with weights of the same shapes.
    """
    layer.set_weights(trained.get_weights())
    for mine, other in zip(all_layers(layer), all_layers(trained), strict=False):
        if _has_bins(mine) and getattr(other, "bin_boundaries", None) is not None:
            mine.bin_boundaries = list(other.bin_boundaries)
        elif _has_vocabulary(mine) and hasattr(other, "get_vocabulary"):
            mine.set_vocabulary(other.get_vocabulary())
    follow_weights(all_layers(layer))


def follow_weights(layers: Iterable[keras.layers.Layer]) -> None:
    """Let layers that compute with a copy of their weights copy them again, after others were assigned.

    Args:
        layers: Any layers; a copy that is held in variables stays in the same ones.
    """
    for layer in layers:
        if not hasattr(layer, "finalize_state") or not layer.weights:
            continue
        held = {name: getattr(layer, name, None) for name in COPIES}
        layer.finalize_state()
        for name, variable in held.items():
            if isinstance(variable, tf.Variable):
                variable.assign(getattr(layer, name))
                setattr(layer, name, variable)


def _has_bins(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Discretization) and layer.num_bins is not None


def _has_vocabulary(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, LOOKUPS) and layer.get_config().get(VOCABULARY) is None


LOOKUPS = (keras.layers.IntegerLookup, keras.layers.StringLookup)
