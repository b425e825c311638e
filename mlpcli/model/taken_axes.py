"""How many axes the rows of a layer have, and what these hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

SPATIAL = re.compile(r"[123]D\b|[123]D(?=Transpose)")

INNER = {1: ("steps",), 2: ("height", "width"), 3: ("depth", "height", "width")}
IMAGE_AXES = 3
RECURRENT = ("RNN", "Bidirectional")


def taken_axes(layer: keras.layers.Layer) -> int | None:
    """Return how many axes a row has that a layer takes; None for any number."""
    name = type(layer).__name__
    if match := SPATIAL.search(name):
        return int(match[0][0]) + 1 + name.startswith("ConvLSTM")  # which has steps too
    if is_for_images(layer):
        return IMAGE_AXES
    if name in RECURRENT and _cell_takes_values(layer):
        return 2
    specs = layer.input_spec if isinstance(layer.input_spec, list | tuple) else [layer.input_spec]
    wanted = getattr(specs[0], "ndim", None) if specs and specs[0] is not None else None
    return None if wanted is None else int(wanted) - 1


def is_for_images(layer: keras.layers.Layer) -> bool:
    """Return whether a layer of Keras changes images: Keras takes flat rows for one image of all rows."""
    return type(layer).__module__.startswith("keras.") and "image_preprocessing" in type(layer).__module__


def _cell_takes_values(layer: keras.layers.Layer) -> bool:
    """Return whether each step of a recurrent layer is a list of values, as for all but convolutions."""
    inner = getattr(layer, "forward_layer", layer)
    return "Conv" not in type(inner).__name__


def axes_in_words(layer: keras.layers.Layer, axes: int) -> str:
    """Return the axes of the rows of a layer in words: `3 axes (height, width, channels)`.

    Args:
        layer: the layer.
        axes: how many they are.
    """
    name = type(layer).__name__
    inner: tuple[str, ...] = ()
    if match := SPATIAL.search(name):
        inner = INNER[int(match[0][0])]
    elif is_for_images(layer):
        inner = INNER[2]
    elif axes == 2 and hasattr(layer, "return_sequences"):
        return "2 axes (steps, values)"
    if not inner:
        return "1 axis" if axes == 1 else f"{axes} axes"
    first = getattr(layer, "data_format", "") == "channels_first"
    held = ("channels", *inner) if first else (*inner, "channels")
    if name.startswith("ConvLSTM"):
        held = ("steps", *held)
    return f"{len(held)} axes ({', '.join(held)})"
