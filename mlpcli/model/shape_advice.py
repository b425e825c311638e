"""What to do about a layer whose input has the wrong number of axes, or is smaller than its window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlpcli.model.taken_axes import SPATIAL, taken_axes
from mlpcli.spec.yaml_line import entry_line

if TYPE_CHECKING:
    from mlpcli.keras_import import keras


def shape_hint(
    layer: keras.layers.Layer,
    shape: tuple[int | None, ...],
    before: str = "",
    *,
    steps: Sequence[int | None] = (),
) -> str:
    """Return what to do about a layer that does not take its input; an empty text where that is not known.

    Args:
        layer: the layer.
        shape: of one row of its input.
        before: the class of the layer above it, if any.
        steps: of a layer inside a `TimeDistributed`, the sizes of the axes before those of a step.
    """
    name = type(layer).__name__
    sizes = [size for size in shape if size is not None]
    if len(sizes) < len(shape) or not sizes:
        return ""
    if name == "Reshape":
        row = "step" if steps else "row"
        return f"a {row} has {values_in(sizes)}: the product of target_shape must be the same"
    axes = taken_axes(layer)
    if axes is None or axes == len(shape):
        return _window_hint(layer, sizes)[1]
    if None in steps:
        return ""
    outer = [size for size in steps if size is not None]
    if axes == 1:
        return _put([math.prod(sizes)], outer) if outer else "put Flatten before it"
    if before == "Flatten" and len(shape) == 1:
        return f"remove the Flatten before it: {name} takes rows of {axes} axes"
    if len(shape) < axes:
        first = getattr(layer, "data_format", "") == "channels_first"
        return _too_few(name, sizes, axes, outer, first=first)
    if SPATIAL.search(name):
        wider = SPATIAL.sub(f"{len(shape) - 1}D", name)
        return f"use {wider}" if len(shape) <= 4 else ""
    return _put([sizes[0], math.prod(sizes[1:])], outer) if axes == 2 else ""


def leaves_nothing(layer: keras.layers.Layer, shape: tuple[int | None, ...]) -> tuple[str, str] | None:
    """Return the argument of a layer that leaves nothing of its input, and what to do; None for another.

    Args:
        layer: any layer.
        shape: of one row of its input.
    """
    sizes = [size for size in shape if size is not None]
    if not sizes or len(sizes) < len(shape) or taken_axes(layer) != len(shape):
        return None
    key, hint = _window_hint(layer, sizes)
    return (key, hint) if hint else None


def _window_hint(layer: keras.layers.Layer, sizes: list[int]) -> tuple[str, str]:
    """Return the argument of a window that is larger than its input, and what to do; or two empty texts.

    Args:
        layer: any layer.
        sizes: of one row of its input, with as many axes as the layer takes.
    """
    name = type(layer).__name__
    if name.startswith("Cropping"):
        return _crop_hint(layer, sizes)
    key = next((each for each in ("kernel_size", "pool_size") if hasattr(layer, each)), None)
    if key is None or getattr(layer, "padding", "") != "valid" or "Transpose" in name:
        return "", ""
    first = layer.data_format == "channels_first"
    inner = sizes[name.startswith("ConvLSTM") :]
    inner = inner[1:] if first else inner[:-1]
    steps = _by_axis(getattr(layer, "dilation_rate", 1), len(inner))
    largest = [(size - 1) // step + 1 for size, step in zip(inner, steps, strict=True)]
    windows = _by_axis(getattr(layer, key), len(inner))
    if all(window <= most for window, most in zip(windows, largest, strict=True)):
        return "", ""
    most = str(largest[0]) if len({*largest}) == 1 else str(largest)
    dilated = f" at dilation_rate {max(steps)}" if max(steps) > 1 else ""
    return key, f"{key} can be at most {most} here{dilated}; or set padding: same, or shrink less above"


def _crop_hint(layer: keras.layers.Layer, sizes: list[int]) -> tuple[str, str]:
    """Return the argument of what crops all of its input, and what to do; or two empty texts."""
    ends = [layer.cropping] if len(sizes) == 2 else [*layer.cropping]
    first = getattr(layer, "data_format", "") == "channels_first"
    inner = sizes[1:] if first else sizes[:-1]
    wrong = [f"{sum(both)} of {size}" for both, size in zip(ends, inner, strict=True) if sum(both) >= size]
    if not wrong:
        return "", ""
    most = str(inner[0] - 1) if len({*inner}) == 1 else str([size - 1 for size in inner])
    return "cropping", f"it cuts off {' and '.join(wrong)}: both ends together can be at most {most} here"


def _by_axis(value: int | tuple[int, ...], axes: int) -> list[int]:
    return [value] * axes if isinstance(value, int) else [*value]


def _too_few(name: str, sizes: list[int], axes: int, outer: list[int], *, first: bool) -> str:
    """Return the Reshape that gives rows the axes that they lack: channels, or steps of one value each."""
    if axes == len(sizes) + 1:
        return _put([1, *sizes] if first else [*sizes, 1], outer)
    if axes == 3 and len(sizes) == 1:
        for channels in (1, 3):
            side = math.isqrt(sizes[0] // channels)
            if side > 2 and side * side * channels == sizes[0]:
                target = [channels, side, side] if first else [side, side, channels]
                return f"if {'each' if outer else 'a row'} is an image, {_put(target, outer)}"
        return f"a {'step' if outer else 'row'} of {values_in(sizes)} is no image: use Dense"
    fewer = SPATIAL.sub(f"{len(sizes)}D", name)
    return f"use {fewer} after {_reshape([*outer, *sizes, 1])}"


def _put(target: list[int], outer: list[int]) -> str:
    where = "the TimeDistributed" if outer else "it"
    return f"put {_reshape([*outer, *target])} before {where}"


def _reshape(target: list[int]) -> str:
    return entry_line("Reshape", {"target_shape": [*target]})


def values_in(sizes: Sequence[int]) -> str:
    """Return how many values a row of some sizes has: `8 x 8 = 64 values`."""
    shown = f"{math.prod(sizes):,} values"
    return shown if len(sizes) == 1 else f"{' x '.join(map(str, sizes))} = {shown}"
