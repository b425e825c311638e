"""Check the built model against the data before the first step, with a few rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mlpcli.checks.average_advice import second_swap
from mlpcli.checks.broadcasting import broadcasting_problems
from mlpcli.checks.constant_targets import constant_target_problems
from mlpcli.checks.file_names import missing_numbers
from mlpcli.checks.id_rules import id_problems
from mlpcli.checks.log_names import Mode, directions, metric_names
from mlpcli.checks.loss_rules import loss_problems
from mlpcli.checks.meant_names import meant_name
from mlpcli.checks.member_losses import member_trial_problems
from mlpcli.checks.metric_rules import metric_problems
from mlpcli.checks.other_losses import length_problems
from mlpcli.checks.output_views import OutputView, canonical, output_views
from mlpcli.checks.predict_rules import predict_problems
from mlpcli.checks.sparse_gradients import scale_problems
from mlpcli.checks.text_rules import token_problems
from mlpcli.checks.weight_rules import weight_problems
from mlpcli.data.dataset import Dataset
from mlpcli.data.named_arrays import of_name
from mlpcli.data.types import Arrays
from mlpcli.errors import KeyPath, Problem, SpecError, listing
from mlpcli.keras_import import keras, tf
from mlpcli.keras_internals import compiled_metrics
from mlpcli.model.components import argument_meant, make_component, plain_reason, refusals
from mlpcli.model.memory import is_unfilled
from mlpcli.model.plugins import NONE, Plugins
from mlpcli.spec.callback_rules import MONITORING
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.schema import ComponentSpec, Spec

PROBE_ROWS, FEWEST_ROWS = 8, 2
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
    _build_optimizer(checked)
    if not is_unfilled(model.count_params()) and (wrong := [*weight_problems(model, loaded.spec)]):
        raise SpecError(*wrong)
    if ids := [
        *token_problems(loaded.spec, dataset.contract),
        *id_problems(model, loaded.spec, dataset),
    ]:
        raise SpecError(*ids)
    problems = [found for view in checked.views() for found in _output_problems(view, checked)]
    with warnings.catch_warnings():
        if problems:  # Keras may warn of what is reported already
            warnings.simplefilter("ignore")
        tried = _probe(checked)
        modes = {} if tried else directions(model, validation=dataset.validation is not None)
    if not tried or not problems:
        problems += tried or _callback_problems(loaded.spec, modes)
    problems += predict_problems(list(checked.views()), loaded.spec, dataset)
    if problems:
        raise SpecError(*problems)


def _build_optimizer(checked: _Checked) -> None:
    """Create the optimizer's variables, which is when it looks at the weights that it is to change."""
    component = checked.spec.optimizer
    if is_unfilled(checked.model.count_params()):
        return
    with refusals(("optimizer", component.class_name), f"Keras rejects this {component.class_name}"):
        checked.model.optimizer.build(checked.model.trainable_variables)


def _output_problems(view: OutputView, checked: _Checked) -> Iterator[Problem]:
    """Yield what is wrong with one output: its shape first, since a wrong shape hides everything else."""
    if view.output.steps and view.shape[:-1] != view.output.steps:
        yield _steps_problem(view)
        return
    free = view.output.steps or view.output.kind == "sequences"
    if len(view.shape) != 1 and len(view.output.width) <= 1 and not free:
        yield _shape_problem(view, checked)
        return
    if constant := list(constant_target_problems(view)):
        yield from constant
        return
    yield from loss_problems(view)
    yield from metric_problems(view)


def _steps_problem(view: OutputView) -> Problem:
    """Report an output whose steps are not those of its target."""
    target = ", ".join(("rows", *map(str, view.output.steps), "values"))
    given = ", ".join(("rows", *map(str, view.shape[:-1]), "values"))
    rule = f"each step of the target, ({target}), must have an output, received ({given})"
    hint = "set return_sequences: true in the last recurrent layer, and put no Flatten behind it"
    if len(view.shape) > 1:
        keep = "the layers must keep the number of steps, as with padding: same"
        hint = f"{keep}; for targets of a whole row, put Flatten before the last Dense"
    return Problem(rule, path=view.path, hint=hint)


def _shape_problem(view: OutputView, checked: _Checked) -> Problem:
    """Report an output of more than one axis, at the first Dense that reads an image."""
    rule = f"the output of a row must be a list of numbers, not of shape {view.shape}"
    for node in checked.spec.graph.nodes:
        component = checked.spec.layers[node.index]
        if component.class_name not in ("Dense", "NTKDense"):
            continue
        shape = tuple(keras.tree.flatten(checked.model.get_layer(node.name).input)[0].shape[1:])
        if len(shape) > 1:
            hint = f"{_sequence_hint(checked.spec, node.index)}put Flatten before this {component.class_name}"
            rule = f"reads rows of shape {shape}, so {rule}"
            return Problem(rule, path=("layers", node.index), hint=hint)
    return Problem(rule, path=view.path, hint="end with Flatten and a Dense layer")


def _sequence_hint(spec: Spec, index: int) -> str:
    """Return what to remove where the layer above is recurrent and gives an output for every step."""
    above = spec.layers[index - 1] if index else None
    if above is None or above.arguments.get("return_sequences") is not True:
        return ""
    return f"remove return_sequences from the {above.class_name} above, or "


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
    count = FEWEST_ROWS if is_unfilled(model.count_params()) else PROBE_ROWS
    x, y = first_rows(train.x, count), first_rows(train.y, count)
    inside: KeyPath = ("layers",) if checked.spec.model is None else ("model",)
    outputs = loss = None
    computed = False
    try:
        outputs = model(x, training=False)
        model(first_rows(train.x, _rows_that_fit(model)), training=False)  # a value may be odd further down
        computed = True
        loss = model.compute_loss(x, y, outputs)
        model.compute_metrics(x, y, outputs)
    except Exception as error:  # whatever Keras or TensorFlow objects to
        reason = plain_reason(error)
        if not computed:
            return [Problem(f"the model cannot compute a batch: {reason}", path=inside)]
        if loss is None or outputs is None:
            return _blame_loss(checked, y, outputs, reason)
        return _blame_metric(checked, y, outputs, reason)
    finally:
        model.reset_metrics()
    if not np.all(np.isfinite(loss.numpy())):
        hint = "look at the output's activation and at the target's range"
        return [Problem("the loss of the first rows is not a finite number", path=("loss",), hint=hint)]
    for view in checked.views():
        found = of_name(outputs, view.output.name)
        if problems := list(length_problems(view, keras.ops.convert_to_numpy(found))):
            return problems
        labels = of_name(train.y, view.output.name)
        if problems := list(broadcasting_problems(view, labels, checked.plugins)):
            return problems
        if view.of_members and (problems := list(_member_problems(view, checked, x, y))):
            return problems
    return [
        *scale_problems(model, checked.spec, x, y),
        *_not_in_a_graph(checked, y, outputs),
        *_odd_results(checked),
        *_equal_names(checked),
    ]


def _member_problems(view: OutputView, checked: _Checked, x: Arrays, y: Arrays) -> Iterator[Problem]:
    """Yield what is wrong with a loss that is computed of each member in training."""
    name = view.output.name
    layer = checked.model.get_layer(name or checked.spec.graph.outputs[0])
    members = keras.Model(checked.model.input, layer.input)(x, training=False)
    made = make_component(view.loss, "losses", view.loss_path, checked.plugins)
    yield from member_trial_problems(view, made, members, of_name(y, name))


def _rows_that_fit(model: keras.Model) -> int:
    """Return as many rows as advice looks at, or fewer where the layers' outputs would take much memory."""
    tensors = [tensor for layer in model.layers for tensor in keras.tree.flatten(layer.output)]
    row = sum(math.prod(size or 1 for size in tensor.shape[1:]) for tensor in tensors)
    return max(FEWEST_ROWS, min(SEEN_ROWS, SEEN_VALUES // max(1, row)))


def _blame_metric(checked: _Checked, y: Arrays, outputs: Arrays, reason: str) -> list[Problem]:
    """Return the metrics that cannot be computed, each at its own place."""
    problems = []
    for path, component, output, metric in _compiled(checked):
        truth = of_name(y, output)
        found = of_name(outputs, output)
        try:
            metric.update_state(truth, found)
            metric.result()
        except Exception as error:
            rule = "this metric cannot be computed from this output and target"
            problems.append(_blamed(rule, plain_reason(error), path, component))
    if problems:
        return problems
    rule = f"these metrics cannot be computed from this output and target: {reason}"
    return [Problem(rule, path=("metrics",))]


def _compiled(checked: _Checked) -> Iterator[tuple[KeyPath, ComponentSpec, str, keras.metrics.Metric]]:
    """Yield the metrics in the order of the spec: place, component, name of the output, metric."""
    views = {view.output.name: view for view in checked.views()}
    for output, metrics in compiled_metrics(checked.model):
        view = views[output] if output in views else next(iter(views.values()))  # Keras names no only output
        for (path, component), metric in zip(view.metrics, metrics, strict=True):
            yield path, component, view.output.name, metric


def _blame_loss(checked: _Checked, y: Arrays, outputs: Arrays | None, reason: str) -> list[Problem]:
    """Find the loss that cannot be computed: the first that fails by itself."""
    rule = "this loss cannot be computed from this output and target"
    for view in checked.views():
        name, component = view.output.name, view.loss
        try:
            created = make_component(component, "losses", view.loss_path, checked.plugins)
            keras.losses.get(created)(y[name] if name else y, of_name(outputs, name))
        except Exception as error:
            return [_blamed(rule, plain_reason(error), view.loss_path, component)]
    return [Problem(f"{rule}: {reason}", path=("loss",))]


def _blamed(rule: str, reason: str, path: KeyPath, component: ComponentSpec) -> Problem:
    """Return the problem of a component, at the argument that the reason is about where it is about one."""
    name, reason = argument_meant(reason, component.arguments)
    if not name:
        return Problem(f"{rule}: {reason}", path=path, received=component.class_name)
    received = component.arguments[name]
    return Problem(f"{rule}: {reason}", path=(*path, component.class_name, name), received=received)


def first_rows(arrays: Arrays, count: int) -> Arrays:
    """Return the first rows of an array, or of each of several."""
    if isinstance(arrays, dict):
        return {name: array[:count] for name, array in arrays.items()}
    return arrays[:count]


def _not_in_a_graph(checked: _Checked, y: Arrays, outputs: Arrays) -> Iterator[Problem]:
    """Yield metrics of a plug-in that cannot be traced: a training runs as a graph."""
    for path, component, output, metric in _compiled(checked):
        if canonical(component, "metrics"):
            continue  # Keras's own can
        batch = [of_name(each, output) for each in (y, outputs)]
        try:
            traced = tf.function(metric.update_state, autograph=False)
            traced.get_concrete_function(*map(tf.convert_to_tensor, batch))
        except Exception as error:
            rule = f"this metric works only outside TensorFlow's graphs: {plain_reason(error)}"
            hint = "write it with keras.ops alone"
            yield Problem(rule, path=path, received=component.class_name, hint=hint)
    checked.model.reset_metrics()


def _odd_results(checked: _Checked) -> Iterator[Problem]:
    """Yield metrics of a plug-in whose results cannot be logged: how many values they have is not fixed."""
    for path, component, _, metric in _compiled(checked):
        result = metric.result()
        values = keras.tree.flatten(result) if isinstance(result, dict) else [result]
        if any(np.ndim(value) > 0 for value in values):
            rule = "must return a number, several in one array, or a mapping of numbers"
            yield Problem(rule, path=path, received=component.class_name)


def _equal_names(checked: _Checked) -> Iterator[Problem]:
    """Yield metrics whose values would be logged under the name of another's."""
    compiled = list(_compiled(checked))
    taken: set[str] = set()
    for (path, component, _, _), (_, _, names) in zip(compiled, metric_names(checked.model), strict=True):
        if twice := sorted(taken & set(names)):
            rule = f"another metric is logged as {twice[0]} too"
            hint = f"give it a name: {{{component.class_name}: {{name: other}}}}"
            yield Problem(rule, path=path, received=component.class_name, hint=hint)
        taken |= set(names)


def _settings(arguments: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield the arguments of an optimizer, and those of the optimizers inside it."""
    for name, value in arguments.items():
        yield name, value
        if isinstance(value, Mapping) and name != "learning_rate":
            yield from _settings(value)


RATE_CALLBACKS = {"ReduceLROnPlateau": "lower", "LearningRateScheduler": "set"}
"""Callbacks that change the learning rate, and what they do to it."""


def _optimizer_problems(component: ComponentSpec, spec: Spec, path: KeyPath) -> Iterator[Problem]:
    """Yield a callback that needs another optimizer: with a plain learning rate, or with averaged weights."""
    settings = list(_settings(spec.optimizer.arguments))
    name = component.class_name
    if name in RATE_CALLBACKS and any(isinstance(v, Mapping) for n, v in settings if n == "learning_rate"):
        rule = f"cannot {RATE_CALLBACKS[name]} a learning rate that a schedule sets"
        hint = "write a number as the learning rate, or remove this callback"
        yield Problem(rule, path=path, received=name, hint=hint)
    if name in RATE_CALLBACKS and "MultiOptimizer" in (spec.optimizer.class_name, *(n for n, _ in settings)):
        rule = f"cannot {RATE_CALLBACKS[name]} the learning rate of a MultiOptimizer, which has several"
        hint = "give its optimizers schedules as learning rates, or use one optimizer"
        yield Problem(rule, path=path, received=name, hint=hint)
    if name == "SwapEMAWeights" and ("use_ema", True) not in settings:
        rule = "needs the average of the weights, which this optimizer does not keep"
        yield Problem(rule, path=path, received=name, hint="give the optimizer use_ema: true")


def _callback_problems(spec: Spec, modes: Mapping[str, Mode | None]) -> Iterator[Problem]:
    """Yield callbacks that monitor a value that no epoch has, or set what they cannot set."""
    known = list(modes)
    yield from second_swap(spec)
    for index, component in enumerate(spec.callbacks):
        default = {"EarlyStopping": "val_loss", "ReduceLROnPlateau": "val_loss"}.get(component.class_name)
        if component.class_name == "ModelCheckpoint" and component.arguments.get("save_best_only"):
            default = "val_loss"
        path: KeyPath = ("callbacks", index, component.class_name)
        yield from _optimizer_problems(component, spec, path)
        if component.class_name == "ModelCheckpoint":
            yield from missing_numbers(component, (*path, "filepath"), known)
        monitor = component.arguments.get("monitor", default)
        if not isinstance(monitor, str):  # a plug-in's callback may take several
            continue
        if not _saves_by_epoch(component) and monitor.startswith("val_"):
            place: KeyPath = (*path, "monitor") if "monitor" in component.arguments else path
            rule = "no epoch has ended when save_freq counts batches: there is no such number yet"
            hint = f"leave save_freq out, or write monitor: {monitor.removeprefix('val_')}"
            yield Problem(rule, path=place, received=monitor, hint=hint)
            continue
        if monitor in known or monitor == "learning_rate":
            yield from _direction_problems(component, path, monitor, modes.get(monitor))
            continue
        if "monitor" in component.arguments:
            path = (*path, "monitor")
        hint = f"{meant_name(monitor, known)} available: {listing(known)}".strip()
        if monitor.startswith("val_") and not any(name.startswith("val_") for name in known):
            hint = "there is no validation split: set dataset.validation, or monitor: loss"
        yield Problem("no metric has this name", path=path, received=monitor, hint=hint)


def _saves_by_epoch(component: ComponentSpec) -> bool:
    if component.class_name != "ModelCheckpoint" or not component.arguments.get("save_best_only"):
        return True
    return bool(component.arguments.get("save_freq", "epoch") == "epoch")


def _direction_problems(
    component: ComponentSpec, path: KeyPath, monitor: str, mode: Mode | None
) -> Iterator[Problem]:
    """Yield a callback that cannot know whether small or large values of what it monitors are better."""
    given = component.arguments.get("mode", "auto")
    if component.class_name in MONITORING and mode is None and given not in ("min", "max"):
        place = (*path, "monitor") if "monitor" in component.arguments else path
        rule = "nothing says whether this value is better small or large"
        hint = "write mode: min, or mode: max"
        yield Problem(rule, path=place, received=monitor, hint=hint)
