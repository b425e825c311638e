"""Mistakes that only the built model and the data together show, found before the first step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpcli.checks.file_names import missing_numbers
from mlpcli.checks.log_names import log_names
from mlpcli.checks.loss_rules import loss_problems
from mlpcli.checks.metric_rules import metric_problems
from mlpcli.checks.outputs import OutputView, output_views
from mlpcli.data.dataset import Dataset
from mlpcli.data.types import Arrays
from mlpcli.errors import KeyPath, Problem, SpecError, listing, nearest
from mlpcli.keras_import import import_keras
from mlpcli.model.components import make_component, plain_reason
from mlpcli.model.plugins import NONE, Plugins
from mlpcli.spec.keras_source import snake_case
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.schema import Spec

PROBE_ROWS = 8
SEEN_ROWS, SEEN_VALUES = 2000, 20_000_000
"""Rows that go through the model alone, and the most values of all its layers that they may make."""


def check_model(model: Any, loaded: LoadedSpec, dataset: Dataset, plugins: Plugins = NONE) -> None:
    """Hold outputs against targets, the loss against both, and what callbacks monitor against the metrics.

    Raises:
        SpecError: with every problem found.
    """
    built = _Built(model, loaded, dataset, plugins)
    problems = [found for view in built.views() for found in _output_problems(view, built)]
    with warnings.catch_warnings():
        if problems:  # Keras may warn of what is told already
            warnings.simplefilter("ignore")
        tried = _probe(built)
    if not tried or not problems:
        problems += tried or _callback_problems(
            loaded.spec, log_names(model, validation=dataset.validation is not None)
        )
    if problems:
        raise SpecError(*problems)


def _output_problems(view: OutputView, built: _Built) -> Iterator[Problem]:
    """What is wrong with one output: its shape first, since nothing else can be said of a wrong one."""
    if len(view.shape) != 1 and len(view.output.width) <= 1:
        yield _shape_problem(view, built)
        return
    yield from loss_problems(view)
    yield from metric_problems(view)


def _shape_problem(view: OutputView, built: _Built) -> Problem:
    """An output of more than one axis, told at the first Dense that reads an image."""
    rule = f"the output of a row must be a list of numbers, not of shape {view.shape}"
    for node in built.spec.graph.nodes:
        part = built.spec.layers[node.index]
        if part.class_name != "Dense":
            continue
        shape = tuple(import_keras().tree.flatten(built.model.get_layer(node.name).input)[0].shape[1:])
        if len(shape) > 1:
            hint = "put Flatten before this Dense"
            rule = f"reads rows of shape {shape}, so that {rule}"
            return Problem(rule, path=("layers", node.index), hint=hint)
    return Problem(rule, path=view.path, hint="end with Flatten and a Dense layer")


@dataclass(frozen=True)
class _Built:
    """What is checked: the model, its spec and its data."""

    model: Any
    loaded: LoadedSpec
    dataset: Dataset
    plugins: Plugins = NONE

    @property
    def spec(self) -> Spec:
        """With its losses and metrics filled in."""
        return self.loaded.spec

    def views(self) -> Iterator[OutputView]:
        """Its outputs."""
        return output_views(self.model, self.loaded, self.dataset)


def _probe(built: _Built) -> list[Problem]:
    """Send a few rows through the model, the loss and the metrics, then forget that they were there."""
    model, train = built.model, built.dataset.train
    x, y = first_rows(train.x, PROBE_ROWS), first_rows(train.y, PROBE_ROWS)
    inside: KeyPath = ("layers",) if built.spec.model is None else ("model",)
    outputs = loss = None
    computed = False
    results: dict[str, Any] = {}
    try:
        outputs = model(x, training=False)
        model(first_rows(train.x, _rows_that_fit(model)), training=False)  # a value may be odd further down
        computed = True
        loss = model.compute_loss(x, y, outputs)
        results = model.compute_metrics(x, y, outputs)
    except Exception as error:  # whatever Keras or TensorFlow has against it
        reason = plain_reason(error)
        if not computed:
            return [Problem(f"the model cannot compute a batch: {reason}", path=inside)]
        return _blame(built, y, outputs, "losses" if loss is None else "metrics", reason)
    finally:
        model.reset_metrics()
    if not np.all(np.isfinite(loss.numpy())):
        hint = "look at the output's activation and at the target's range"
        return [Problem("the loss of the first rows is not a finite number", path=("loss",), hint=hint)]
    return [_not_one_number(name, built) for name, value in results.items() if np.ndim(value) > 0]


def _rows_that_fit(model: Any) -> int:
    """As many rows as advice looks at, or fewer where the outputs of the layers would take much memory."""
    keras = import_keras()
    tensors = [tensor for layer in model.layers for tensor in keras.tree.flatten(layer.output)]
    row = sum(math.prod(size or 1 for size in tensor.shape[1:]) for tensor in tensors)
    return max(PROBE_ROWS, min(SEEN_ROWS, SEEN_VALUES // max(1, row)))


def _blame(built: _Built, y: Arrays, outputs: Any, namespace: str, reason: str) -> list[Problem]:
    """Which of the losses, or of the metrics, cannot be computed: the first that fails by itself."""
    what = "this loss" if namespace == "losses" else "this metric"
    module = getattr(import_keras(), namespace)
    for view in built.views():
        name = view.output.name
        parts = ((view.loss_path, view.loss),) if namespace == "losses" else view.metrics
        for path, part in parts:
            try:
                made = make_component(part, namespace, path, built.plugins)
                module.get(made)(y[name] if name else y, outputs[name] if name else outputs)
            except Exception as error:
                rule = f"{what} cannot be computed from this output and target: {plain_reason(error)}"
                return [Problem(rule, path=path, received=part.class_name)]
    key = "loss" if namespace == "losses" else "metrics"
    rule = f"{what if key == 'loss' else 'these metrics'} cannot be computed from this output and target"
    return [Problem(f"{rule}: {reason}", path=(key,))]


def first_rows(arrays: Arrays, count: int) -> Arrays:
    """The first rows of an array, or of each of several."""
    if isinstance(arrays, dict):
        return {name: array[:count] for name, array in arrays.items()}
    return arrays[:count]


def _not_one_number(name: str, built: _Built) -> Problem:
    """A metric with a value for each class; `name` is Keras's, with the output's before it."""
    hint = "give it average: macro, or leave it out: evaluate shows each class by itself"
    place: KeyPath = ("metrics",)
    for view in built.views():
        for path, part in view.metrics:
            own = part.arguments.get("name", snake_case(part.class_name))
            if name in (own, f"{view.output.name}_{own}"):
                place = path
    rule = "must be one number an epoch, not one for each class"
    return Problem(rule, path=place, received=name, hint=hint)


def _callback_problems(spec: Spec, known: list[str]) -> Iterator[Problem]:
    """Callbacks that look at a value which no epoch has, or set what they cannot."""
    rate = spec.optimizer.arguments.get("learning_rate")
    for index, part in enumerate(spec.callbacks):
        default = {"EarlyStopping": "val_loss", "ReduceLROnPlateau": "val_loss"}.get(part.class_name)
        if part.class_name == "ModelCheckpoint" and part.arguments.get("save_best_only"):
            default = "val_loss"
        path: KeyPath = ("callbacks", index, part.class_name)
        if part.class_name == "ReduceLROnPlateau" and isinstance(rate, dict):
            rule = "cannot lower a learning rate that a schedule sets"
            hint = "write a number as the learning rate, or remove this callback"
            yield Problem(rule, path=path, received=part.class_name, hint=hint)
        if part.class_name == "ModelCheckpoint":
            yield from missing_numbers(part, (*path, "filepath"), known)
        monitor = part.arguments.get("monitor", default)
        if monitor is None or monitor in known or monitor == "learning_rate":
            continue
        if "monitor" in part.arguments:
            path = (*path, "monitor")
        meant = nearest(monitor, known)
        hint = f"{meant} there are {listing(known)}".strip()
        if monitor.startswith("val_") and not any(name.startswith("val_") for name in known):
            hint = "there is no validation split: set dataset.validation, or monitor: loss"
        yield Problem("no metric has this name", path=path, received=monitor, hint=hint)
