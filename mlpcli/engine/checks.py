"""Mistakes that only the built model and the data together show, found before the first step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpcli.data.dataset import Arrays, Contract, Dataset, Output
from mlpcli.engine.models import output_loss
from mlpcli.engine.objectives import fold
from mlpcli.engine.parts import plain_reason
from mlpcli.errors import KeyPath, Problem, SpecError, nearest
from mlpcli.spec.graph import spec_graph
from mlpcli.spec.schema import LayerSpec, PartSpec, Spec

PROBE_ROWS = 8


def check_model(model: Any, spec: Spec, dataset: Dataset) -> None:
    """Hold outputs against targets, the loss against both, and what callbacks monitor against the metrics.

    Raises:
        SpecError: with every problem found.
    """
    sights = _sights(model, spec, dataset.contract)
    problems = [found for sight in sights for found in _output_problems(sight, dataset.contract)]
    if not problems:
        problems += _probe(model, dataset, ("layers",) if spec.model is None else ("model",))
    if not problems:
        problems += _monitor_problems(spec, log_names(model, validation=dataset.validation is not None))
    if problems:
        raise SpecError(*problems)


def log_names(model: Any, *, validation: bool) -> list[str]:
    """The names that an epoch's logs will hold, once the metrics are built."""
    names = [metric.name for metric in model.metrics]
    flat: list[str] = []
    for metric in model.metrics:
        flat += _names_of(metric)
    names = flat or names
    return names + [f"val_{name}" for name in names] if validation else names


def _names_of(metric: Any) -> list[str]:
    """A CompileMetrics stands for the metrics inside it."""
    if hasattr(metric, "_flat_metrics"):
        result = metric.result()
        return list(result) if isinstance(result, dict) else [metric.name]
    return [metric.name]


@dataclass(frozen=True)
class _Sight:
    """One output as a check sees it: its target, its layer in the spec, its loss, and the shape of a row."""

    output: Output
    path: KeyPath
    layer: LayerSpec | None
    loss: PartSpec
    loss_path: KeyPath
    shape: tuple[int, ...]
    activation: str | None

    def argument(self, name: str) -> KeyPath:
        """The path of an argument of the layer, or of the layer where the argument is left out."""
        if self.layer is None or name not in self.layer.arguments:
            return self.path
        return (*self.path, self.layer.class_name, name)

    @property
    def units(self) -> int:
        """Values of one row."""
        return math.prod(self.shape)


def _sights(model: Any, spec: Spec, contract: Contract) -> Iterator[_Sight]:
    graph = spec_graph(spec)
    places = {node.name: node.index for node in graph.nodes}
    for output in contract.outputs:
        layer = output.name or graph.outputs[0]
        tensor = model.output[output.name] if output.name else model.output
        index = places.get(layer)
        by_output = isinstance(spec.loss, dict)
        yield _Sight(
            output,
            ("layers", index) if index is not None else ("layers",) if spec.model is None else ("model",),
            spec.layers[index] if index is not None else None,
            output_loss(spec, output.name),
            ("loss", output.name) if by_output else ("loss",),
            tuple(tensor.shape[1:]),
            output_activation(model.get_layer(layer)) if index is not None else None,
        )


def _output_problems(sight: _Sight, contract: Contract) -> Iterator[Problem]:
    target = sight.output.width
    path = sight.argument("units")
    if len(sight.shape) != 1 and len(target) <= 1:
        rule = f"the output of a row must be a list of numbers, not of shape {sight.shape}"
        hint = "put Flatten before the first Dense" if len(contract.shape) > 1 else "end with a Dense layer"
        yield Problem(rule, path=sight.path, hint=hint)
        return
    if sight.output.kind == "numbers":
        wanted = math.prod(target) if target else 1
        if sight.units != wanted:
            columns = ", ".join(sight.output.target)
            rule = f"the output must have {_units(wanted)}, one for each target column ({columns})"
            yield Problem(rule, path=path, received=sight.units)
        return
    yield from _class_problems(sight, path)
    yield from _activation_problems(sight, sight.argument("activation"))


def _units(count: int) -> str:
    return "1 unit" if count == 1 else f"{count} units"


def _class_problems(sight: _Sight, path: KeyPath) -> Iterator[Problem]:
    name, units = sight.loss.class_name, sight.units
    loss = fold(name)
    classes, one_hot = len(sight.output.classes or ()), sight.output.kind != "classes"
    if sight.output.kind == "labels":
        if "sparse" in loss or loss.startswith("categorical"):
            rule = "a row may have several labels, this loss takes one class a row"
            hint = "use binary_crossentropy and sigmoid"
            yield Problem(rule, path=sight.loss_path, received=name, hint=hint)
        if units != classes:
            rule = f"the output must have {_units(classes)}, one for each label"
            yield Problem(rule, path=path, received=units)
    elif "sparse" in loss or loss.startswith("categorical"):
        if "sparse" in loss and one_hot:
            rule = "the labels are one-hot vectors, this loss takes class indices"
            hint = "use categorical_crossentropy"
            yield Problem(rule, path=sight.loss_path, received=name, hint=hint)
        elif "sparse" not in loss and not one_hot:
            rule = "the labels are class indices, this loss takes one-hot vectors"
            hint = "use sparse_categorical_crossentropy"
            yield Problem(rule, path=sight.loss_path, received=name, hint=hint)
        if units != classes:
            rule = f"the output must have {_units(classes)}, one for each class"
            yield Problem(rule, path=path, received=units)
    elif not one_hot and units == 1 and classes > 2:
        rule = f"this loss takes two classes, the target has {classes}"
        hint = f"use sparse_categorical_crossentropy and {classes} softmax units"
        yield Problem(rule, path=sight.loss_path, received=name, hint=hint)
    elif not one_hot and units != 1:
        hint = "one sigmoid unit, or sparse_categorical_crossentropy with a softmax unit for each class"
        yield Problem("the output must have 1 unit for this loss", path=path, received=units, hint=hint)
    elif one_hot and units != classes:
        rule = f"the output must have {_units(classes)}, one for each class"
        yield Problem(rule, path=path, received=units)


def _activation_problems(sight: _Sight, path: KeyPath) -> Iterator[Problem]:
    name = sight.activation
    loss = fold(sight.loss.class_name)
    if "crossentropy" not in loss and loss != "bce":
        return
    from_logits = bool(sight.loss.arguments.get("from_logits", False))
    wanted = "sigmoid" if loss.startswith(("binary", "bce")) else "softmax"
    if name == "softmax" and sight.units == 1:
        yield Problem("softmax on one unit is always 1", path=path, received="softmax", hint="use sigmoid")
    elif name in ("softmax", "sigmoid") and from_logits:
        hint = "remove from_logits, or the activation"
        place: KeyPath = (*sight.loss_path, sight.loss.class_name, "from_logits")
        yield Problem(f"from_logits does not go with a {name} output", path=place, received=True, hint=hint)
    elif name in ("linear", "relu", "tanh", "softplus") and not from_logits:
        hint = f"use activation: {wanted}, or from_logits: true in the loss"
        yield Problem(
            "this loss takes probabilities, which this output is not", path=path, received=name, hint=hint
        )


def output_activation(layer: Any) -> str | None:
    """The name of a layer's activation, or None when it has none that can be named."""
    kind = type(layer).__name__
    if kind == "Softmax":
        return "softmax"
    activation = getattr(layer, "activation", None)
    return getattr(activation, "__name__", None)


def _probe(model: Any, dataset: Dataset, path: KeyPath) -> list[Problem]:
    """Send a few rows through the model, the loss and the metrics, then forget that they were there."""
    x, y = first_rows(dataset.train.x, PROBE_ROWS), first_rows(dataset.train.y, PROBE_ROWS)
    stage: tuple[KeyPath, str] = (path, "the model cannot compute a batch")
    try:
        outputs = model(x, training=False)
        stage = (("loss",), "this loss cannot be computed from this output and target")
        loss = model.compute_loss(x, y, outputs)
        stage = (("metrics",), "these metrics cannot be computed from this output and target")
        results = model.compute_metrics(x, y, outputs)
    except Exception as error:  # whatever Keras or TensorFlow has against it
        return [Problem(f"{stage[1]}: {plain_reason(error)}", path=stage[0])]
    finally:
        model.reset_metrics()
    if not np.all(np.isfinite(loss.numpy())):
        hint = "look at the output's activation and at the target's range"
        return [Problem("the loss of the first rows is not a finite number", path=("loss",), hint=hint)]
    return [_not_one_number(name) for name, value in results.items() if np.ndim(value) > 0]


def first_rows(arrays: Arrays, count: int) -> Arrays:
    """The first rows of an array, or of each of several."""
    if isinstance(arrays, dict):
        return {name: array[:count] for name, array in arrays.items()}
    return arrays[:count]


def _not_one_number(name: str) -> Problem:
    hint = "give it average: macro, or leave it out: evaluate shows each class by itself"
    return Problem(
        "must be one number an epoch, not one for each class", path=("metrics",), received=name, hint=hint
    )


def _monitor_problems(spec: Spec, known: list[str]) -> Iterator[Problem]:
    for index, part in enumerate(spec.callbacks):
        default = {"EarlyStopping": "val_loss", "ReduceLROnPlateau": "val_loss"}.get(part.class_name)
        if part.class_name == "ModelCheckpoint" and part.arguments.get("save_best_only"):
            default = "val_loss"
        monitor = part.arguments.get("monitor", default)
        if monitor is None or monitor in known or monitor == "learning_rate":
            continue
        path: KeyPath = ("callbacks", index, part.class_name)
        if "monitor" in part.arguments:
            path = (*path, "monitor")
        hint = nearest(monitor, known) or f"there are {', '.join(known)}"
        if monitor.startswith("val_") and not any(name.startswith("val_") for name in known):
            hint = "there is no validation split: set dataset.validation, or monitor: loss"
        yield Problem("no metric has this name", path=path, received=monitor, hint=hint)
