"""Check the built model against the data before the first step, with a few rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlpcli.checks.file_names import missing_numbers
from mlpcli.checks.log_names import log_names
from mlpcli.checks.loss_rules import loss_problems
from mlpcli.checks.metric_rules import metric_problems
from mlpcli.checks.output_views import OutputView, output_views
from mlpcli.data.dataset import Dataset
from mlpcli.data.types import Array, Arrays
from mlpcli.errors import KeyPath, Problem, SpecError, listing, nearest
from mlpcli.keras_import import keras
from mlpcli.model.components import make_component, plain_reason
from mlpcli.model.plugins import NONE, Plugins
from mlpcli.spec.keras_source import snake_case
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.schema import Spec

PROBE_ROWS = 8
SEEN_ROWS, SEEN_VALUES = 2000, 20_000_000
"""Rows that go through the model without loss, and the most values of its layers that they may produce."""


def check_model(model: keras.Model, loaded: LoadedSpec, dataset: Dataset, plugins: Plugins = NONE) -> None:
    """Check outputs against targets, the loss against both, and what callbacks monitor against the metrics.

    Args:
        model: built and compiled.
        loaded: the spec, with its losses and metrics filled in.
        dataset: the data.
        plugins: the spec's plug-ins.

    Raises:
        SpecError: with every problem found.
    """
    checked = _Checked(model, loaded, dataset, plugins)
    problems = [found for view in checked.views() for found in _output_problems(view, checked)]
    with warnings.catch_warnings():
        if problems:  # Keras may warn of what is reported already
            warnings.simplefilter("ignore")
        tried = _probe(checked)
    if not tried or not problems:
        problems += tried or _callback_problems(
            loaded.spec, log_names(model, validation=dataset.validation is not None)
        )
    if problems:
        raise SpecError(*problems)


def _output_problems(view: OutputView, checked: _Checked) -> Iterator[Problem]:
    """Yield what is wrong with one output: its shape first, since a wrong shape hides everything else."""
    if len(view.shape) != 1 and len(view.output.width) <= 1:
        yield _shape_problem(view, checked)
        return
    yield from loss_problems(view)
    yield from metric_problems(view)


def _shape_problem(view: OutputView, checked: _Checked) -> Problem:
    """Report an output of more than one axis, at the first Dense that reads an image."""
    rule = f"the output of a row must be a list of numbers, not of shape {view.shape}"
    for node in checked.spec.graph.nodes:
        component = checked.spec.layers[node.index]
        if component.class_name != "Dense":
            continue
        shape = tuple(keras.tree.flatten(checked.model.get_layer(node.name).input)[0].shape[1:])
        if len(shape) > 1:
            hint = "put Flatten before this Dense"
            rule = f"reads rows of shape {shape}, so {rule}"
            return Problem(rule, path=("layers", node.index), hint=hint)
    return Problem(rule, path=view.path, hint="end with Flatten and a Dense layer")


@dataclass(frozen=True)
class _Checked:
    """The model being checked, its spec and its data."""

    model: keras.Model
    loaded: LoadedSpec
    dataset: Dataset
    plugins: Plugins = NONE

    @property
    def spec(self) -> Spec:
        """With its losses and metrics filled in."""
        return self.loaded.spec

    def views(self) -> Iterator[OutputView]:
        """Yield its outputs."""
        return output_views(self.model, self.loaded, self.dataset)


def _probe(checked: _Checked) -> list[Problem]:
    """Send a few rows through the model, the loss and the metrics, then reset the metrics."""
    model, train = checked.model, checked.dataset.train
    x, y = first_rows(train.x, PROBE_ROWS), first_rows(train.y, PROBE_ROWS)
    inside: KeyPath = ("layers",) if checked.spec.model is None else ("model",)
    outputs = loss = None
    computed = False
    results: dict[str, Array] = {}
    try:
        outputs = model(x, training=False)
        model(first_rows(train.x, _rows_that_fit(model)), training=False)  # a value may be odd further down
        computed = True
        loss = model.compute_loss(x, y, outputs)
        results = model.compute_metrics(x, y, outputs)
    except Exception as error:  # whatever Keras or TensorFlow objects to
        reason = plain_reason(error)
        if not computed:
            return [Problem(f"the model cannot compute a batch: {reason}", path=inside)]
        return _blame(checked, y, outputs, "losses" if loss is None else "metrics", reason)
    finally:
        model.reset_metrics()
    if not np.all(np.isfinite(loss.numpy())):
        hint = "look at the output's activation and at the target's range"
        return [Problem("the loss of the first rows is not a finite number", path=("loss",), hint=hint)]
    return [_not_one_number(name, checked) for name, value in results.items() if np.ndim(value) > 0]


def _rows_that_fit(model: keras.Model) -> int:
    """Return as many rows as advice looks at, or fewer where the layers' outputs would take much memory."""
    tensors = [tensor for layer in model.layers for tensor in keras.tree.flatten(layer.output)]
    row = sum(math.prod(size or 1 for size in tensor.shape[1:]) for tensor in tensors)
    return max(PROBE_ROWS, min(SEEN_ROWS, SEEN_VALUES // max(1, row)))


def _blame(
    checked: _Checked, y: Arrays, outputs: Arrays | None, namespace: str, reason: str
) -> list[Problem]:
    """Find the loss, or the metric, that cannot be computed: the first that fails by itself."""
    what = "this loss" if namespace == "losses" else "this metric"
    module = getattr(keras, namespace)
    for view in checked.views():
        name = view.output.name
        components = ((view.loss_path, view.loss),) if namespace == "losses" else view.metrics
        for path, component in components:
            try:
                created = make_component(component, namespace, path, checked.plugins)
                module.get(created)(
                    y[name] if name else y, outputs[name] if isinstance(outputs, dict) else outputs
                )
            except Exception as error:
                rule = f"{what} cannot be computed from this output and target: {plain_reason(error)}"
                return [Problem(rule, path=path, received=component.class_name)]
    key = "loss" if namespace == "losses" else "metrics"
    rule = f"{what if key == 'loss' else 'these metrics'} cannot be computed from this output and target"
    return [Problem(f"{rule}: {reason}", path=(key,))]


def first_rows(arrays: Arrays, count: int) -> Arrays:
    """Return the first rows of an array, or of each of several."""
    if isinstance(arrays, dict):
        return {name: array[:count] for name, array in arrays.items()}
    return arrays[:count]


def _not_one_number(name: str, checked: _Checked) -> Problem:
    """Report a metric with a value for each class; `name` is Keras's, with the output's before it."""
    hint = "give it average: macro, or leave it out: evaluate shows each class by itself"
    place: KeyPath = ("metrics",)
    for view in checked.views():
        for path, component in view.metrics:
            own = component.arguments.get("name", snake_case(component.class_name))
            if name in (own, f"{view.output.name}_{own}"):
                place = path
    rule = "must be one number per epoch, not one per class"
    return Problem(rule, path=place, received=name, hint=hint)


def _callback_problems(spec: Spec, known: list[str]) -> Iterator[Problem]:
    """Yield callbacks that monitor a value that no epoch has, or set what they cannot set."""
    rate = spec.optimizer.arguments.get("learning_rate")
    for index, component in enumerate(spec.callbacks):
        default = {"EarlyStopping": "val_loss", "ReduceLROnPlateau": "val_loss"}.get(component.class_name)
        if component.class_name == "ModelCheckpoint" and component.arguments.get("save_best_only"):
            default = "val_loss"
        path: KeyPath = ("callbacks", index, component.class_name)
        if component.class_name == "ReduceLROnPlateau" and isinstance(rate, dict):
            rule = "cannot lower a learning rate that a schedule sets"
            hint = "write a number as the learning rate, or remove this callback"
            yield Problem(rule, path=path, received=component.class_name, hint=hint)
        if component.class_name == "ModelCheckpoint":
            yield from missing_numbers(component, (*path, "filepath"), known)
        monitor = component.arguments.get("monitor", default)
        if monitor is None or monitor in known or monitor == "learning_rate":
            continue
        if "monitor" in component.arguments:
            path = (*path, "monitor")
        meant = nearest(monitor, known)
        hint = f"{meant} available: {listing(known)}".strip()
        if monitor.startswith("val_") and not any(name.startswith("val_") for name in known):
            hint = "there is no validation split: set dataset.validation, or monitor: loss"
        yield Problem("no metric has this name", path=path, received=monitor, hint=hint)
