"""Why a layer does not take what comes before it, in our words and at the argument that is wrong.

Keras's sentences speak of tensors with the axis of the batch, of layers by names that no spec has, and of a
layer inside another as if it were the outer one. They are shown only where nothing better is known.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from mlpcli.errors import ABSENT, KeyPath, Problem, SpecError
from mlpcli.keras_import import keras
from mlpcli.model.components import memory_refusals, plain_reason
from mlpcli.model.shape_advice import leaves_nothing, shape_hint, values_in
from mlpcli.model.taken_axes import IMAGE_AXES, axes_in_words, is_for_images, taken_axes
from mlpcli.plugin_frames import plugin_failure
from mlpcli.spec.schema import ComponentSpec
from mlpcli.spec.values import Value
from mlpcli.spec.yaml_line import entry_line

Shape = tuple[int | None, ...]

PAIRS = ("Dot", "Subtract", "HashedCrossing")
ATTENTIONS = (
    "Attention",
    "AdditiveAttention",
    "MultiHeadAttention",
    "GroupQueryAttention",
    "GroupedQueryAttention",
)
AXIS_KEYS = ("axis", "axes", "shared_axes", "attention_axes")

IN_OUR_WORDS = {
    r"^Input \d+ with name '.*?' of layer '.*?' is incompatible with the layer: ": "",
    r"^Computed output size would be zero or negative\..*": "nothing would be left of it",
}
"""Patterns of Keras's sentences, and what is said in their place."""


@dataclass(frozen=True)
class Applied:
    """A layer on what it reads, in a network that is built.

    Attributes:
        layer: the layer.
        rows: the shape of a row of each tensor that it reads.
        path: of its class in the spec.
        arguments: as the spec has them.
        before: the class of the layer above it, if any.
        what: what it reads, in words.
        steps: of a layer that is applied to each step of a row, the sizes of the axes before its own.
    """

    layer: keras.layers.Layer
    rows: tuple[Shape, ...]
    path: KeyPath
    arguments: Mapping[str, Value]
    before: str = ""
    what: str = "what comes before it"
    steps: tuple[int | None, ...] = ()

    @property
    def name(self) -> str:
        """The name of its class."""
        return type(self.layer).__name__

    @property
    def row(self) -> Shape:
        """The shape of a row of what it reads first."""
        return self.rows[0]

    @property
    def is_of_keras(self) -> bool:
        """Whether it is one of Keras's, and no plug-in's or ours."""
        return type(self.layer).__module__.startswith("keras.")

    def problem(self, why: str, *, key: str = "", hint: str = "") -> Problem:
        """Return the problem that it does not fit.

        Args:
            why: for a reader who sees the shapes; empty where the argument says it.
            key: of the argument that is wrong; empty for the layer as a whole.
            hint: what to do.
        """
        first = "" if self.steps else "rows, "
        shapes = ", ".join(f"({first}{', '.join(map(_size, row))})" for row in self.rows)
        rule = f"does not fit {self.what}, of shape {shapes}{': ' if why else ''}{why}"
        path = (*self.path, key) if key else self.path
        return Problem(rule, path=path, received=self.arguments.get(key, ABSENT), hint=hint)


@contextmanager
def fitting(
    layer: keras.layers.Layer,
    rows: Iterable[Shape],
    component: ComponentSpec,
    path: KeyPath,
    before: str,
    *,
    many: bool,
) -> Iterator[None]:
    """Turn what Keras raises inside, where a layer is applied, into a SpecError that says why.

    Args:
        layer: the layer.
        rows: the shape of a row of each tensor that it reads.
        component: the layer in the spec.
        path: its place.
        before: the class of the layer above it, if any.
        many: whether the spec names what the layer reads as a list.

    Raises:
        SpecError: it does not fit, which Keras itself would not notice where it leaves nothing of a row, or
            takes several rows for one image.
    """
    given = Applied(layer, tuple(rows), (*path, component.class_name), component.arguments, before)
    if problem := _nothing_left(given) or _no_image(given) or _other_noise(given):
        raise SpecError(problem)
    with memory_refusals(path):
        try:
            yield
        except (SpecError, MemoryError):
            raise
        except Exception as error:  # Keras raises ValueError, TypeError and its backend's own kinds
            number = _wrong_number(given, many=many) if given.is_of_keras else None
            raise SpecError(number or _explained(given) or _in_keras_words(given, error)) from error


def _explained(given: Applied) -> Problem | None:
    """Return why a layer, or one inside it, does not fit; None where that is not known."""
    if not given.is_of_keras:
        return None
    for inner in _inside(given):
        if found := _explained(inner):
            return found
    axes = taken_axes(given.layer)
    if axes is not None and axes != len(given.row):
        return _wrong_axes(given, axes)
    if given.name == "TimeDistributed" and len(given.row) < 2:
        sizes: list[Value] = [*given.steps, *given.row, 1]
        hint = "" if None in sizes else f"put {entry_line('Reshape', {'target_shape': sizes})} before it"
        return given.problem("it takes rows of steps, with 2 axes or more", hint=hint)
    rules = (
        *(_other_product, _nothing_left, _unlike, _no_such_axis),
        *(_wrong_groups, _other_letters, _no_weights, _other_statistics),
    )
    return next((found for rule in rules if (found := rule(given))), None)


def _inside(given: Applied) -> Iterator[Applied]:
    """Yield the layers that a layer applies, each on what it reads."""
    if given.name == "TimeDistributed" and len(given.row) >= 2:
        steps, own = (*given.steps, given.row[0]), given.row[1:]
        inner = _inner(given, "layer", given.layer.layer, own)
        yield replace(inner, what="a step of what comes before it", steps=steps)
    elif given.name == "SpectralNormalization":
        yield _inner(given, "layer", given.layer.layer, given.row)
    elif given.name == "Pipeline":
        row = given.row
        written = given.arguments.get("layers")
        for place, layer in enumerate(given.layer.layers):
            one = written[place] if isinstance(written, list) and place < len(written) else None
            yield _written(given, ("layers", place), layer, one, row)
            try:
                row = tuple(layer.compute_output_shape((None, *row)))[1:]
            except Exception:  # it is the one that does not fit
                return


def _inner(given: Applied, key: str, layer: keras.layers.Layer, row: Shape) -> Applied:
    return _written(given, (key,), layer, given.arguments.get(key), row)


def _written(
    given: Applied, steps: KeyPath, layer: keras.layers.Layer, written: Value, row: Shape
) -> Applied:
    """Return a layer inside another, which the spec has as `{Class: {...}}` or as a name alone."""
    path: KeyPath = (*given.path, *steps)
    arguments: Value = {}
    if isinstance(written, dict) and len(written) == 1:
        ((name, arguments),) = written.items()
        path = (*path, name)
    own = arguments if isinstance(arguments, dict) else {}
    return replace(given, layer=layer, rows=(row,), path=path, arguments=own, before="")


def _wrong_number(given: Applied, *, many: bool) -> Problem | None:
    """Return the problem of a layer that reads another number of layers than the spec names."""
    count = len(given.rows)
    are = "is 1" if count == 1 else f"are {count}"
    is_merge = any(base.__name__ == "Merge" for base in type(given.layer).__mro__)
    path = given.path[:2]
    if given.name in ATTENTIONS and count not in (2, 3):
        rule = f"reads 2 or 3 layers (query, value, and perhaps key), here {are}"
        hint = "write from: [query, value]; for attention of a layer to itself, name it twice: from: [a, a]"
        return Problem(rule, path=path, hint=hint)
    if given.name in PAIRS and count != 2:
        return Problem(f"reads 2 layers, here {are}", path=path, hint="name them: from: [a, b]")
    if is_merge and not many:
        rule = "joins several layers, here is 1"
        return Problem(rule, path=path, hint="name them: from: [a, b]; each needs a name, such as name: a")
    return None


def _wrong_axes(given: Applied, axes: int) -> Problem:
    words = axes_in_words(given.layer, axes)
    hint = shape_hint(given.layer, given.row, given.before, steps=given.steps)
    return given.problem(f"it takes rows of {words}", hint=hint)


def _no_image(given: Applied) -> Problem | None:
    """Return the problem of a layer for images on flat rows, of which it would take several for one image."""
    of_images = given.is_of_keras and is_for_images(given.layer)
    return _wrong_axes(given, IMAGE_AXES) if of_images and len(given.row) < IMAGE_AXES else None


def _other_product(given: Applied) -> Problem | None:
    """Return the problem of a `Reshape` to another number of values."""
    sizes = [size for size in given.row if size is not None]
    if given.name != "Reshape" or len(sizes) < len(given.row):
        return None
    target = [*given.layer.target_shape]
    known = math.prod(size for size in target if size != -1)
    if -1 in target and known and math.prod(sizes) % known:
        hint = f"a {'step' if given.steps else 'row'} has {values_in(sizes)}, which {known} does not divide"
        return given.problem("", key="target_shape", hint=hint)
    return given.problem("", key="target_shape", hint=shape_hint(given.layer, given.row, steps=given.steps))


def _nothing_left(given: Applied) -> Problem | None:
    """Return the problem of a window or a crop that leaves nothing."""
    nothing = leaves_nothing(given.layer, given.row)
    if nothing is None:
        return None
    key, hint = nothing
    found = given.problem("", key=key, hint=hint)
    return replace(found, rule=found.rule.replace("does not fit", "leaves nothing of", 1))


def _other_noise(given: Applied) -> Problem | None:
    """Return the problem of a dropout's `noise_shape` for other rows, which Keras sees only in training."""
    shape = given.arguments.get("noise_shape")
    if not given.is_of_keras or not isinstance(shape, list):
        return None
    sizes = [None, *given.row][-len(shape) :] if shape else []
    if len(shape) <= len(given.row) + 1 and all(
        size in (None, 1) or size == here for size, here in zip(shape, sizes, strict=True)
    ):
        return None
    hint = (
        f"give {len(given.row) + 1} sizes: null where each value has noise of its own, 1 where all share it"
    )
    return given.problem("", key="noise_shape", hint=hint)


def check_one_output(output: object, component: ComponentSpec, path: KeyPath) -> None:
    """Check that a layer has returned one tensor, which is all that the layers after it can read.

    Args:
        output: what it returned.
        component: the layer in the spec.
        path: its place.

    Raises:
        SpecError: it has returned several.
    """
    if not isinstance(output, list | tuple | dict):
        return
    inside = (*path, component.class_name)
    hint = "a layer of a spec has one output"
    key = next((key for key in ("return_state", "merge_mode") if key in component.arguments), "")
    if key:
        hint += f": remove {key}"
    rule = f"returns {len(output)} outputs"
    received = component.arguments.get(key, ABSENT)
    raise SpecError(Problem(rule, path=(*inside, key) if key else inside, received=received, hint=hint))


def _unlike(given: Applied) -> Problem | None:
    """Return the problem of layers that cannot be joined, as their shapes differ."""
    if len(given.rows) < 2:
        return None
    if given.name == "Concatenate":
        axis = given.layer.axis
        if _is_axis(axis, len(given.row)):
            hint = (
                f"along all axes but {axis} they must have the same sizes; put Flatten or Reshape before it"
            )
            return given.problem("the layers that it joins differ", key="", hint=hint)
    elif given.name == "Dot" and all(_is_axis(each, len(given.row)) for each in _numbers(given.layer.axes)):
        return given.problem(
            "", key="axes", hint="the sizes along these axes must be the same in both layers"
        )
    elif given.name in ATTENTIONS and len(given.rows) == 3 and given.rows[1][:-1] != given.rows[2][:-1]:
        return given.problem("value and key, the second and the third, must have the same steps")
    elif any(base.__name__ == "Merge" for base in type(given.layer).__mro__) and given.name != "Dot":
        hint = "give them the same units, or use Concatenate"
        return given.problem("the layers that it joins must have the same shape", hint=hint)
    return None


def _is_axis(axis: int, axes: int) -> bool:
    """Return whether rows of so many axes have this one, which counts from the rows as 0, or from the end."""
    return -axes <= axis <= axes and axis != 0


def _numbers(value: object) -> list[int]:
    several = value if isinstance(value, list | tuple) else [value]
    return [each for each in several if isinstance(each, int)]


def _no_such_axis(given: Applied) -> Problem | None:
    """Return the problem of an argument that names an axis which rows do not have."""
    axes = len(given.row)
    for key in AXIS_KEYS:
        if any(not _is_axis(each, axes) for each in _numbers(given.arguments.get(key))):
            hint = "a row has one axis: write -1"
            if axes > 1:
                hint = f"a row has {axes} axes: write 1 to {axes}, or -1 for the last"
            return given.problem("", key=key, hint=hint)
    return None


def _wrong_groups(given: Applied) -> Problem | None:
    """Return the problem of channels that cannot be divided into groups."""
    groups, first = given.arguments.get("groups"), getattr(given.layer, "data_format", "") == "channels_first"
    axis = 0 if first else -1
    if given.name == "GroupNormalization" and isinstance(given.layer.axis, int):
        groups, axis = given.layer.groups, given.layer.axis - (given.layer.axis > 0)
    if not isinstance(groups, int) or not -len(given.row) <= axis < len(given.row):
        return None
    channels = given.row[axis]
    if channels is None or channels % groups == 0:
        return None
    divisors = [each for each in range(1, channels + 1) if channels % each == 0][:12]
    hint = f"a row has {channels} channels: groups can be {', '.join(map(str, divisors))}"
    return given.problem("", key="groups", hint=hint)


def _other_letters(given: Applied) -> Problem | None:
    """Return the problem of an `EinsumDense` whose equation is for rows of other axes, or another output."""
    if given.name != "EinsumDense":
        return None
    letters, axes = str(given.arguments.get("equation")).split(",")[0].replace("...", ""), len(given.row) + 1
    if len(letters) != axes and "..." not in str(given.arguments.get("equation")):
        hint = f"before the comma it needs {axes} letters: one for the rows, and one for each axis of a row"
        return given.problem("", key="equation", hint=hint)
    hint = "give the sizes of the letters after the arrow, without the rows; null where the input has them"
    return given.problem("", key="output_shape", hint=hint)


def _no_weights(given: Applied) -> Problem | None:
    """Return the problem of a layer without weights, where only weights are changed."""
    if given.name != "SpectralNormalization" or _has_weights(given.layer.layer):
        return None
    rule = f"{type(given.layer.layer).__name__} has no weights to normalize"
    return Problem(rule, path=(*given.path, "layer"), hint="wrap Dense, a convolution or an Embedding")


def _other_statistics(given: Applied) -> Problem | None:
    """Return the problem of a `Normalization` with a mean for another number of values."""
    mean, axis = given.arguments.get("mean"), getattr(given.layer, "axis", None)
    if given.name != "Normalization" or not isinstance(mean, list) or axis != (-1,):
        return None
    hint = f"give one mean and one variance, or {given.row[-1]} of each, one for each value"
    return given.problem("", key="mean", hint=hint) if len(mean) != given.row[-1] else None


def _has_weights(layer: keras.layers.Layer) -> bool:
    return any(hasattr(layer, name) for name in ("units", "filters", "kernel_size", "output_dim"))


def _in_keras_words(given: Applied, error: Exception) -> Problem:
    """Return the problem as Keras says it, without its names of layers."""
    reason = plain_reason(error)
    for pattern, words in IN_OUR_WORDS.items():
        reason = re.sub(pattern, words, reason)
    if match := re.search(r"expected (min_)?ndim=(\d+), found ndim.*", reason):
        axes = int(match[2]) - 1
        least = " or more" if match[1] else ""
        reason = f"it takes rows of {axes} {'axis' if axes == 1 else 'axes'}{least}"
    if match := re.match(r'Layer ".*?" expects (\d+) input\(s\), but it received (\d+)', reason):
        rule = f"reads {match[1]} layer, here are {match[2]}"
        return Problem(rule, path=given.path[:2], hint="join them first, with Concatenate")
    known = given.is_of_keras or type(given.layer).__module__.startswith("mlpcli.")
    hint = shape_hint(given.layer, given.row, given.before) if known else ""
    found = replace(given.problem(reason, hint=hint), path=given.path[:2])
    called = "cannot be called on" if plugin_failure(error) else "does not fit"
    return replace(found, rule=found.rule.replace("does not fit", called, 1))


def _size(size: int | None) -> str:
    return "any" if size is None else str(size)
