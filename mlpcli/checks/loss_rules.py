"""What Keras's losses, and the metrics that are losses, accept, and the problems where they are misused.

A rule belongs here when breaking it is always a mistake. What may be intended belongs in `advice.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlpcli.checks.member_losses import member_loss_problems
from mlpcli.checks.other_losses import embedding_problems, sequence_problems
from mlpcli.checks.output_views import OutputView, canonical
from mlpcli.errors import KeyPath, Problem
from mlpcli.model.activation_range import OutputRange
from mlpcli.printable import counted
from mlpcli.spec.schema import ComponentSpec

POSITIVE = (0.0, math.inf)
UNIT = (0.0, 1.0)


@dataclass(frozen=True)
class Takes:
    """What a loss accepts.

    Attributes:
        labels: class indices (sparse), a vector over the classes (dense), 0 or 1 for every unit (binary), or
            numbers.
        probabilities: outputs must lie between 0 and 1, unless `from_logits` says otherwise.
        scores: outputs lie on both sides of 0, and the sign gives the class.
        target: bounds of the targets for which it is defined.
        output: bounds of the outputs for which it is defined.
    """

    labels: Literal["sparse", "dense", "binary", "numbers"]
    probabilities: bool = False
    scores: bool = False
    target: tuple[float, float] | None = None
    output: tuple[float, float] | None = None


_DENSE = Takes("dense", probabilities=True, target=UNIT)
_SPARSE = Takes("sparse", probabilities=True)
_BINARY = Takes("binary", probabilities=True, target=UNIT)
_NUMBERS = Takes("numbers")

LOSSES: dict[str, Takes] = {
    "sparsecategoricalcrossentropy": _SPARSE,
    "categoricalgeneralizedcrossentropy": _SPARSE,
    "categoricalcrossentropy": _DENSE,
    "categoricalfocalcrossentropy": _DENSE,
    "kldivergence": _DENSE,
    "categoricalhinge": Takes("dense"),
    "binarycrossentropy": _BINARY,
    "binaryfocalcrossentropy": _BINARY,
    "hinge": Takes("binary", scores=True),
    "squaredhinge": Takes("binary", scores=True),
    "perceptron": Takes("binary", scores=True),
    "dice": Takes("binary", probabilities=True),
    "tversky": Takes("binary", probabilities=True),
    "poisson": Takes("numbers", target=POSITIVE, output=POSITIVE),
    "meansquaredlogarithmicerror": Takes("numbers", target=POSITIVE),
    "meansquarederror": _NUMBERS,
    "meanabsoluteerror": _NUMBERS,
    "meanabsolutepercentageerror": _NUMBERS,
    "cosinesimilarity": _NUMBERS,
    "huber": _NUMBERS,
    "logcosh": _NUMBERS,
    "quantile": _NUMBERS,
}
"""By `canonical` name. Others are only tried on a batch; `ctc` and `circle` are in `other_losses`."""

MATCHED = {
    "sparsecategoricalcrossentropy": "categorical_crossentropy",
    "categoricalgeneralizedcrossentropy": "categorical_crossentropy",
    "categoricalhinge": "sparse_categorical_crossentropy, or one-hot columns as the target",
}
"""What to use instead where the labels are of the other kind."""


OF_ROWS = {"categoricalgeneralizedcrossentropy": "sparse_categorical_crossentropy"}
"""Losses that would pair the classes of steps with the wrong outputs, each with one that does not."""


def loss_problems(view: OutputView) -> Iterator[Problem]:
    """Yield what is wrong between an output's loss, its units, its activation and its target."""
    name = canonical(view.loss, "losses")
    takes = LOSSES.get(name)
    if view.of_members:
        of_each = [*member_loss_problems(view, probabilities=takes is not None and takes.probabilities)]
        yield from of_each
        if of_each:
            return
    if view.output.kind in ("groups", "sequences"):
        yield from embedding_problems(view) if view.output.kind == "groups" else sequence_problems(view)
        return
    if view.output.steps and name in OF_ROWS:
        rule = "Keras computes this loss from one class per row, not from one per step"
        hint = f"use {OF_ROWS[name]}"
        yield Problem(rule, path=view.loss_path, received=view.loss.class_name, hint=hint)
        return
    if view.output.kind == "numbers":
        yield from _number_problems(view, takes)
    elif takes is not None:
        yield from _label_problems(view, view.loss, view.loss_path, takes)
        yield from _unit_problems(view, takes)
    yield from _activation_problems(view, view.loss, view.loss_path, takes)


def metric_loss_problems(view: OutputView, component: ComponentSpec, path: KeyPath) -> Iterator[Problem]:
    """Yield the same for a metric that is a loss."""
    takes = LOSSES.get(canonical(component, "metrics"))
    if takes is None:
        return
    if view.output.kind == "numbers":
        yield from _domain_problems(view, component, path, takes)
    else:
        yield from _label_problems(view, component, path, takes)
    if not takes.scores:
        yield from _probability_problems(view, component, path, takes)


# ---------------------------------------------------------------- numbers


def _number_problems(view: OutputView, takes: Takes | None) -> Iterator[Problem]:
    target, units = view.output.target, view.units
    levels = view.output.levels
    wanted = len(target) * max(1, len(levels))
    wide = view.targets.width
    if takes is not None and takes.labels == "sparse":
        rule = f"this loss takes one class index per row, the target has {wide} numbers per row"
        hint = f"use {MATCHED[canonical(view.loss, 'losses')]}"
        yield Problem(rule, path=view.loss_path, received=view.loss.class_name, hint=hint)
        return
    if units != wanted:
        columns = ", ".join(map(repr, target))
        each = f"for each target column ({columns})"
        if levels:
            each = f"for each quantile ({', '.join(map(str, levels))})"
            each += f" of each target column ({columns})" if len(target) > 1 else ""
        rule = f"the output must have {counted(wanted, 'unit')}, one {each}"
        classes = view.output_range is not None and view.output_range.sums_to_one
        hint = "for classes use a loss such as sparse_categorical_crossentropy" if classes else ""
        yield Problem(rule, path=view.units_path, received=units, hint=hint)
        return
    if takes is not None:
        yield from _domain_problems(view, view.loss, view.loss_path, takes)
    yield from _target_range_problems(view)


def _target_range_problems(view: OutputView) -> Iterator[Problem]:
    """Yield targets that the output's activation cannot reach."""
    values = view.output_range
    takes = LOSSES.get(canonical(view.loss, "losses"))
    if takes is None or values is None or takes.scores or view.loss.arguments.get("from_logits"):
        return  # a custom loss may read targets in its own way
    if values.sums_to_one and view.units == 1:
        return  # reported on its own
    low, high = view.span
    scaled = view.output.scale is not None
    if not values.holds(low, high):
        what = "the scaled target" if scaled else "the target"
        rule = (
            f"{what} ranges from {low:.4g} to {high:.4g}, {values.name} only produces {bounds_text(values)}"
        )
        yield Problem(rule, path=values.path, hint=_target_range_hint(view, values, scaled))
    elif values.sums_to_one and view.units > 1:
        sums = (np.asarray(each, np.float64).sum(axis=-1) for each in view.targets)
        if any(bool((np.abs(each - 1) > 1e-2).any()) for each in sums):
            rule = f"the values of a {values.name} add up to 1, those of a row of the target do not"
            yield Problem(rule, path=values.path, hint="leave the activation out")


def _target_range_hint(view: OutputView, values: OutputRange, scaled: bool) -> str:
    if not values.sums_to_one and (values.low, values.high) in (UNIT, (-1.0, 1.0)):
        return "leave the activation out, or set dataset.target_scaling: minmax"
    if scaled:
        return "leave the activation out, or use target_scaling: minmax"
    return "leave the activation out"


def bounds_text(values: OutputRange) -> str:
    """Return a range as text: `values from 0 to 1`, `values of at least 0`."""
    if math.isfinite(values.low) and math.isfinite(values.high):
        return f"values from {values.low:.3g} to {values.high:.3g}"
    if math.isfinite(values.low):
        return f"values of at least {values.low:.3g}"
    return f"values of at most {values.high:.3g}"


def _domain_problems(
    view: OutputView, component: ComponentSpec, path: KeyPath, takes: Takes
) -> Iterator[Problem]:
    """Yield numbers for which a loss, or a metric, which sees them in their own units, is not defined."""
    name, kind, received = canonical(component, _namespace(path)), _kind(path), component.class_name
    low, high = view.span if path[0] != "metrics" else view.own_span
    if takes.target is not None and (low < takes.target[0] or high > takes.target[1] + 1e-6):
        wanted = "from 0 to 1" if takes.target == UNIT else "of at least 0"
        rule = f"this {kind} takes targets {wanted}, this target ranges from {low:.4g} to {high:.4g}"
        hint = "use mse or mae" if path[0] != "metrics" else "use RootMeanSquaredError or mae"
        yield Problem(rule, path=path, received=received, hint=hint)
    elif name == "meanabsolutepercentageerror" and view.has_zero(own_units=path[0] == "metrics"):
        rule = f"this {kind} divides by the target, which is 0 in some rows"
        yield Problem(rule, path=path, received=received, hint="use mae, or msle for targets of at least 0")
    elif name == "cosinesimilarity" and view.targets.width == 1:
        rule = f"this {kind} compares directions, and a single number has only a sign"
        yield Problem(rule, path=path, received=received, hint="use mse or mae")
    values = view.output_range
    if takes.output is not None and values is not None and values.low < takes.output[0]:
        rule = f"this {kind} takes outputs of at least 0, {values.name} also produces negative ones"
        if kind == "metric":
            yield Problem(
                rule, path=path, received=received, hint="use activation: softplus, or leave it out"
            )
        else:
            hint = "use activation: softplus or exponential"
            yield Problem(rule, path=values.path, received=values.name, hint=hint)


# ---------------------------------------------------------------- classes and labels


def _label_problems(
    view: OutputView, component: ComponentSpec, path: KeyPath, takes: Takes
) -> Iterator[Problem]:
    """Compare class indices, one-hot vectors and labels with what the loss accepts."""
    kind, name, what = view.output.kind, component.class_name, _kind(path)
    instead = MATCHED.get(canonical(component, _namespace(path)))
    if kind == "labels" and takes.labels in ("sparse", "dense"):
        rule = f"a row may have several labels, this {what} takes one class per row"
        hint = "use binary_crossentropy and sigmoid"
        yield Problem(rule, path=path, received=name, hint=hint)
    elif kind == "one_hot" and takes.labels == "sparse":
        rule = f"the labels are one-hot vectors, this {what} takes class indices"
        yield Problem(rule, path=path, received=name, hint=f"use {instead or 'categorical_crossentropy'}")
    elif kind == "classes" and takes.labels == "dense":
        rule = f"the labels are class indices, this {what} takes one-hot vectors"
        hint = f"use {instead or 'sparse_categorical_crossentropy'}"
        yield Problem(rule, path=path, received=name, hint=hint)


def _of_one_unit(view: OutputView) -> str:
    """Return the way to keep an output of one unit for two classes."""
    if view.output_range is not None and view.output_range.name == "sigmoid":
        return "or write loss: BinaryCrossentropy for this unit"
    return "or give this unit activation: sigmoid, and write loss: BinaryCrossentropy"


def _unit_problems(view: OutputView, takes: Takes) -> Iterator[Problem]:
    """Check how many units an output of classes or labels has."""
    units, classes, kind = view.units, view.classes, view.output.kind
    one_hot = kind != "classes"
    if one_hot or takes.labels in ("sparse", "dense"):
        if units != classes:
            each = "label" if kind == "labels" else "class"
            rule = f"the output must have {counted(classes, 'unit')}, one for each {each}"
            hint = _of_one_unit(view) if units == 1 and classes == 2 and kind == "classes" else ""
            yield Problem(rule, path=view.units_path, received=units, hint=hint)
    elif takes.labels != "binary":
        return
    elif units == 1 and classes > 2:
        rule = f"this loss takes two classes, the target has {classes}"
        hint = f"use sparse_categorical_crossentropy and {classes} softmax units"
        yield Problem(rule, path=view.loss_path, received=view.loss.class_name, hint=hint)
    elif units != 1:
        hint = "one sigmoid unit, or sparse_categorical_crossentropy with a softmax unit for each class"
        if takes.scores:
            hint = "one unit without activation, whose sign gives the class"
        rule = "the output must have 1 unit for this loss"
        yield Problem(rule, path=view.units_path, received=units, hint=hint)


# ---------------------------------------------------------------- activations


def _activation_problems(
    view: OutputView, component: ComponentSpec, path: KeyPath, takes: Takes | None
) -> Iterator[Problem]:
    """Compare the output's activation with its loss."""
    values = view.output_range
    if values is None:
        return
    if values.sums_to_one and view.units == 1:
        hint = "leave the activation out" if view.output.kind == "numbers" else "use sigmoid"
        yield Problem(
            f"{values.name} on one unit is always 1",
            path=values.path,
            received=values.name,
            hint=hint,
        )
        return
    if takes is None:
        return
    yield from _probability_problems(view, component, path, takes)
    if takes.probabilities and view.units > 1:
        yield from _exclusion_problems(view, values, takes)
    if takes.scores and view.units == 1 and not values.steps and (values.low >= 0 or values.high <= 0):
        rule = f"this loss separates the classes by sign, {values.name} only produces {bounds_text(values)}"
        hint = "leave the activation out, or use tanh"
        yield Problem(rule, path=values.path, received=values.name, hint=hint)


def _exclusion_problems(view: OutputView, values: OutputRange, takes: Takes) -> Iterator[Problem]:
    """Compare mutually exclusive classes with independent labels."""
    kind = view.output.kind
    if kind in ("classes", "one_hot") and takes.labels in ("sparse", "dense"):
        if values.is_probability and not values.sums_to_one:
            rule = f"the classes are mutually exclusive, {values.name} gives each an independent probability"
            yield Problem(rule, path=values.path, received=values.name, hint="use softmax")
    elif kind == "labels" and values.sums_to_one and not view.has_one_each:
        rule = f"a row may have several labels, the values of a {values.name} add up to 1"
        yield Problem(rule, path=values.path, received=values.name, hint="use sigmoid")


def _probability_problems(
    view: OutputView, component: ComponentSpec, path: KeyPath, takes: Takes
) -> Iterator[Problem]:
    """Yield probabilities where logits are expected, and the reverse."""
    values = view.output_range
    if values is None or not takes.probabilities:
        return
    name = canonical(component, _namespace(path))
    if component.arguments.get("from_logits"):
        written = path[0] in ("loss", "metrics")  # and not chosen
        place: KeyPath = (*path, component.class_name, "from_logits") if written else path
        if values.is_probability:
            hint = "remove from_logits, or the activation"
            rule = f"from_logits cannot be combined with a {values.name} output"
            yield Problem(rule, path=place, received=True, hint=hint)
        elif view.units == 1 and (values.low >= 0 or values.high <= 0):
            rule = f"logits separate the classes by sign, {values.name} only produces {bounds_text(values)}"
            yield Problem(rule, path=values.path, received=values.name, hint="leave the activation out")
    elif not values.is_probability and path[0] != "metrics":
        wanted = "sigmoid" if takes.labels == "binary" else "softmax"
        hint = f"use activation: {wanted}" + (", or from_logits: true in the loss" * (name in WITH_LOGITS))
        rule = "this loss takes probabilities, which this output does not produce"
        yield Problem(rule, path=values.path, received=values.name, hint=hint)
    elif not values.is_probability:
        hint = "leave it out"
        if name in WITH_LOGITS:
            hint = f"write {{{WITH_LOGITS[name]}: {{from_logits: true}}}}"
        rule = "this metric takes probabilities, which this output does not produce"
        yield Problem(rule, path=path, received=component.class_name, hint=hint)


WITH_LOGITS = {
    "binarycrossentropy": "BinaryCrossentropy",
    "binaryfocalcrossentropy": "BinaryFocalCrossentropy",
    "categoricalcrossentropy": "CategoricalCrossentropy",
    "categoricalfocalcrossentropy": "CategoricalFocalCrossentropy",
    "sparsecategoricalcrossentropy": "SparseCategoricalCrossentropy",
}
"""Losses that have `from_logits`, each with its class."""


def _kind(path: KeyPath) -> str:
    return "loss" if path[0] != "metrics" else "metric"


def _namespace(path: KeyPath) -> str:
    return "losses" if path[0] != "metrics" else "metrics"
