"""Mistakes that only the built model and the data together show, found before the first step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlpcli.data.dataset import Dataset
from mlpcli.engine.parts import plain_reason
from mlpcli.errors import KeyPath, Problem, SpecError, nearest
from mlpcli.spec.plugins import KERAS, Catalog
from mlpcli.spec.schema import PartSpec, Spec

PROBE_ROWS = 8


def snake(name: str) -> str:
    """A loss's class or short name in one spelling: `SparseCategoricalCrossentropy` has no underscores."""
    return name.lower().replace("_", "")


def wants_classes(loss: PartSpec, catalog: Catalog = KERAS) -> bool | None:
    """True for a loss on class labels, False for one on numbers, None when it can be either."""
    if (
        loss.class_name not in (*KERAS.class_names("losses"), *KERAS.short_names("losses"))
        and catalog.plugins
    ):
        return None  # a plug-in's
    name = snake(loss.class_name)
    if name in ("bce", "dice", "tversky", "perceptron") or "crossentropy" in name or "hinge" in name:
        return True
    return None if name in ("kld", "kldivergence", "circle", "ctc") else False


def gives_scores(loss: PartSpec) -> bool:
    """Whether a class loss takes outputs that are no probabilities: above 0 for the second class."""
    return any(word in loss.class_name.lower() for word in ("hinge", "perceptron"))


def check_model(model: Any, spec: Spec, dataset: Dataset) -> None:
    """Hold outputs against targets, the loss against both, and what callbacks monitor against the metrics.

    Raises:
        SpecError: with every problem found.
    """
    problems = list(_output_problems(model, spec, dataset))
    if not problems:
        problems += _probe(model, dataset)
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


def _output_problems(model: Any, spec: Spec, dataset: Dataset) -> Iterator[Problem]:
    path = _argument_path(spec, "units")
    shape = tuple(model.output_shape[1:])
    target = dataset.train.y.shape[1:]
    classes = dataset.contract.classes
    if len(shape) != 1 and len(target) <= 1:
        rule = f"the output of a row must be a list of numbers, not of shape {shape}"
        hint = (
            "put Flatten before the first Dense"
            if len(dataset.contract.shape) > 1
            else "end with a Dense layer"
        )
        yield Problem(rule, path=path[:2], hint=hint)
        return
    units = math.prod(shape)
    if classes is None:
        wanted = math.prod(target) if target else 1
        if units != wanted:
            columns = ", ".join(dataset.contract.target)
            rule = f"the output must have {_units(wanted)}, one for each target column ({columns})"
            yield Problem(rule, path=path, received=units)
        return
    yield from _class_problems(spec, units, len(classes), dataset.contract.one_hot, path)
    yield from _activation_problems(model, spec, units, _argument_path(spec, "activation"))


def _argument_path(spec: Spec, argument: str) -> KeyPath:
    """The path of an argument of the last layer, or of that layer where the argument is left out."""
    layer = spec.layers[-1]
    path: KeyPath = ("layers", len(spec.layers) - 1)
    return (*path, layer.class_name, argument) if argument in layer.arguments else path


def _units(count: int) -> str:
    return "1 unit" if count == 1 else f"{count} units"


def _class_problems(spec: Spec, units: int, classes: int, one_hot: bool, path: KeyPath) -> Iterator[Problem]:
    loss = snake(spec.loss.class_name)
    if "sparse" in loss or loss.startswith("categorical"):
        if "sparse" in loss and one_hot:
            hint = "use categorical_crossentropy"
            yield Problem(
                "the labels are one-hot vectors, this loss takes class indices",
                path=("loss",),
                received=spec.loss.class_name,
                hint=hint,
            )
        elif "sparse" not in loss and not one_hot:
            hint = "use sparse_categorical_crossentropy"
            yield Problem(
                "the labels are class indices, this loss takes one-hot vectors",
                path=("loss",),
                received=spec.loss.class_name,
                hint=hint,
            )
        if units != classes:
            yield Problem(
                f"the output must have {_units(classes)}, one for each class", path=path, received=units
            )
    elif not one_hot and units == 1 and classes > 2:
        hint = f"use sparse_categorical_crossentropy and {classes} softmax units"
        yield Problem(
            f"this loss takes two classes, the target has {classes}",
            path=("loss",),
            received=spec.loss.class_name,
            hint=hint,
        )
    elif not one_hot and units != 1:
        hint = "one sigmoid unit, or sparse_categorical_crossentropy with a softmax unit for each class"
        yield Problem("the output must have 1 unit for this loss", path=path, received=units, hint=hint)
    elif one_hot and units != classes:
        yield Problem(
            f"the output must have {_units(classes)}, one for each class", path=path, received=units
        )


def _activation_problems(model: Any, spec: Spec, units: int, path: KeyPath) -> Iterator[Problem]:
    name = output_activation(model)
    loss = snake(spec.loss.class_name)
    if "crossentropy" not in loss and loss != "bce":
        return
    from_logits = bool(spec.loss.arguments.get("from_logits", False))
    wanted = "sigmoid" if loss.startswith(("binary", "bce")) else "softmax"
    if name == "softmax" and units == 1:
        yield Problem("softmax on one unit is always 1", path=path, received="softmax", hint="use sigmoid")
    elif name in ("softmax", "sigmoid") and from_logits:
        hint = "remove from_logits, or the activation"
        place: KeyPath = ("loss", spec.loss.class_name, "from_logits")
        yield Problem(f"from_logits does not go with a {name} output", path=place, received=True, hint=hint)
    elif name in ("linear", "relu", "tanh", "softplus") and not from_logits:
        hint = f"use activation: {wanted}, or from_logits: true in the loss"
        yield Problem(
            "this loss takes probabilities, which this output is not", path=path, received=name, hint=hint
        )


def output_activation(model: Any) -> str | None:
    """The name of the last layer's activation, or None when the layer has none that can be named."""
    layer = model.layers[-1]
    kind = type(layer).__name__
    if kind == "Softmax":
        return "softmax"
    activation = getattr(layer, "activation", None)
    return getattr(activation, "__name__", None)


def _probe(model: Any, dataset: Dataset) -> list[Problem]:
    """Send a few rows through the model, the loss and the metrics, then forget that they were there."""
    x, y = dataset.train.x[:PROBE_ROWS], dataset.train.y[:PROBE_ROWS]
    stage: tuple[KeyPath, str] = (("layers",), "the model cannot compute a batch")
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
