"""Best-practice advice on a spec that is valid but may train poorly; advice is never an error.

Each piece says what was seen, what to do instead, and why. Most rules come from the textbook chapter that the
configs follow (its section on hyperparameters).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.checks.average_advice import advise_on_averages
from mlpcli.checks.constant_targets import advise_on_constant_targets
from mlpcli.checks.log_names import more_is_better
from mlpcli.checks.member_advice import advise_members
from mlpcli.checks.metric_rules import OF_EACH_CLASS
from mlpcli.checks.output_views import canonical
from mlpcli.checks.unread_columns import advise_on_unread_columns
from mlpcli.data.dataset import Contract, Dataset, Output
from mlpcli.data.named_arrays import of_name
from mlpcli.data.stored.stored_array import StoredArray, blocks_of
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array, Arrays
from mlpcli.errors import KeyPath
from mlpcli.printable import counted, verb
from mlpcli.runs.results import Advice
from mlpcli.spec.member_axis import MEMBER_DENSE, MEMBERS
from mlpcli.spec.predictions import threshold_metric
from mlpcli.spec.schema import ComponentSpec, LayerSpec, Spec

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

PROBE_ROWS = 2000
LARGE_INPUT = 10.0
SMALL_INPUT = 0.1
"""Root mean square and standard deviation of an input feature beyond which initial weights do not suit it."""

USUAL_BATCH = 32
CLIPPING = ("clipnorm", "global_clipnorm", "clipvalue")
DEEP = 3
FAR_MORE = 20
SKEWED = 10


def advise(spec: Spec, dataset: Dataset, model: keras.Model) -> list[Advice]:
    """Return the advice on a spec, in the order of a spec's keys."""
    return [
        *_rows(dataset),
        *advise_on_constant_targets(dataset),
        *_inputs(dataset, model),
        *_classes(spec, dataset),
        *_exclusive(dataset),
        *advise_on_unread_columns(spec.inputs, dataset.contract),
        *_sigmoids(spec),
        *_bottlenecks(spec),
        *advise_members(spec),
        *_size(spec, dataset, model),
        *_learning_rate(spec),
        *_batch_size(spec, len(dataset.train)),
        *_patience(spec),
        *advise_on_averages(spec),
    ]


# ---------------------------------------------------------------- data


def _rows(dataset: Dataset) -> Iterator[Advice]:
    """Advise on a single training row."""
    if len(dataset.train) == 1:
        yield Advice(
            "1 row is left to train on",
            "add rows, or set dataset.validation and dataset.test to null",
            "a network learns nothing but that row from it",
            ("dataset",),
        )


def _inputs(dataset: Dataset, model: keras.Model) -> Iterator[Advice]:
    """Check the scale of what the first weights receive, on some training rows."""
    for size, spread in input_scales(model, dataset):
        reason = "initial weights suit inputs of about 1: with others the steps are too large or too small"
        if size > LARGE_INPUT:
            yield Advice(
                f"the inputs are not scaled: their root mean square is about {size:.3g}",
                _scaling(dataset),
                reason,
                ("layers", 0),
            )
        elif 0 < spread < SMALL_INPUT:
            yield Advice(
                f"the inputs are not scaled: their standard deviation is at most {spread:.2g}",
                "put Normalization first",
                reason,
                ("layers", 0),
            )


def input_scales(model: keras.Model, dataset: Dataset) -> Iterator[tuple[float, float]]:
    """Yield the scale of what each layer with the first weights receives, on some training rows.

    Yields:
        The largest root mean square, and the largest standard deviation, of a feature.
    """
    for values in _first_inputs(model, dataset):
        features = values.reshape(len(values), -1)
        size = float(np.sqrt(np.square(features).mean(axis=0)).max())
        yield size, float(features.std(axis=0).max())


def _scaling(dataset: Dataset) -> str:
    image = dataset.contract.dtype == "uint8"
    return f"put Rescaling: {{scale: {1 / 255:.6f}}} first" if image else "put Normalization first"


def _first_inputs(model: keras.Model, dataset: Dataset) -> Iterator[Array]:
    """Yield the values that reach each layer that is the first with a kernel on its way from the input."""
    from mlpcli.keras_import import keras

    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        return
    untouched = {id(tensor) for tensor in model.inputs}
    rows = _head(dataset.train.x, [tensor.name for tensor in model.inputs])
    for layer in model.layers:
        try:
            tensors = keras.tree.flatten(layer.input)
        except (AttributeError, ValueError):  # a layer that is called several times has no single input
            continue
        if not all(id(tensor) in untouched for tensor in tensors):
            continue
        if not layer.trainable_weights:
            untouched |= {id(tensor) for tensor in keras.tree.flatten(layer.output)}
        elif getattr(layer, "kernel", None) is not None:
            yield np.asarray(keras.Model(model.inputs, tensors[0])(rows, training=False), np.float64)


def _head(x: Arrays, names: list[str]) -> list[Array]:
    """Return some rows of each input, in the order of `names`."""
    arrays = [x[name] for name in names] if isinstance(x, dict) else [x]
    return [array[:PROBE_ROWS].astype(np.float32) for array in arrays]


def _classes(spec: Spec, dataset: Dataset) -> Iterator[Advice]:
    """Advise on a target with skewed classes."""
    for name, counts in class_counts(dataset.contract, dataset.train.y).items():
        most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
        if counts[most] < SKEWED * counts[least] or spec.fit.class_weight is not None:
            continue
        if spec.predict is not None and spec.predict.threshold is not None:
            continue
        if any(canonical(metric, "metrics") in OF_EACH_CLASS for metric in _metrics(spec, name)):
            continue
        what = f"the classes of {name}" if name else "the classes"
        seen = f"{what} are skewed: {counted(counts[most], 'row')} of {most}, {counts[least]:,} of {least}"
        metric = threshold_metric([*counts].index(least))
        threshold = f"predict: {{threshold: {{metric: {metric}}}}} or " if len(counts) == 2 else ""
        fix = f"set {threshold}fit.class_weight: balanced, and look at precision and recall of each class"
        yield Advice(seen, fix, "always predicting the majority class looks accurate", ("dataset",))


def _metrics(spec: Spec, name: str) -> list[ComponentSpec]:
    """Return the metrics of an output, which has a name where there are several."""
    return spec.metrics.get(name, []) if isinstance(spec.metrics, dict) else spec.metrics or []


def _exclusive(dataset: Dataset) -> Iterator[Advice]:
    """Advise on labels of which every row has exactly one, as if they were mutually exclusive classes."""
    for each in dataset.contract.outputs:
        y = dataset.train.y[each.name] if each.name else dataset.train.y
        if each.kind == "labels" and y.shape[-1] > 2 and _is_one_each(y):
            yield Advice(
                f"every row has exactly one of {y.shape[-1]} labels",
                "if they are mutually exclusive, use softmax with categorical_crossentropy",
                "sigmoids may give a row several labels or none",
                ("loss", each.name) if each.name else ("loss",),
            )


def _is_one_each(y: Array | StoredArray) -> bool:
    """Return whether every row has exactly one label."""
    return all(bool((block.sum(axis=-1) == 1).all()) for block in blocks_of(y))


# ---------------------------------------------------------------- layers


def _sigmoids(spec: Spec) -> Iterator[Advice]:
    """Advise on sigmoids in a deep stack."""
    found: list[KeyPath] = []
    for index, layer in enumerate(spec.layers[:-1]):
        if (
            layer.class_name in ("Dense", "NTKDense", "Activation")
            and layer.arguments.get("activation") == "sigmoid"
        ):
            found += [("layers", index, layer.class_name, "activation")] * layer.repeat
    if len(found) >= DEEP:
        yield Advice(
            f"{counted(len(found), 'hidden layer')} have a sigmoid",
            "use relu, gelu or swish in hidden layers, sigmoid only in the output",
            "a sigmoid's slope is at most 1/4, so that gradients vanish in a deep network",
            found[0],
        )


def _bottlenecks(spec: Spec) -> Iterator[Advice]:
    """Advise on a hidden layer much narrower than both of its neighbours."""
    if any(layer.sources for layer in spec.layers):
        return  # in a graph, neighbours in the list are not neighbours in the network
    dense = [(i, layer) for i, layer in enumerate(spec.layers) if layer.class_name in ("Dense", "NTKDense")]
    widths = [layer.arguments["units"] for _, layer in dense]
    for place in range(len(dense) - 1):
        before, width, after = widths[max(0, place - 1)], widths[place], widths[place + 1]
        if (place == 0 or 2 * width <= before) and 2 * width <= after and after > 2:
            yield Advice(
                f"{counted(width, 'unit')} {verb(width, 'come')} before a layer of {after}",
                "give all hidden layers the same width, or make them narrower towards the output",
                "later layers cannot recover what a narrow layer loses",
                ("layers", dense[place][0], dense[place][1].class_name, "units"),
            )


def _size(spec: Spec, dataset: Dataset, model: keras.Model) -> Iterator[Advice]:
    """Advise on far more parameters than rows, without any regularization."""
    members, parameters = _parameters_of_one(model)
    rows = len(dataset.train)
    guarded = any(component.class_name == "EarlyStopping" for component in spec.callbacks)
    guarded |= any("Dropout" in layer.class_name or _regularized(layer) for layer in spec.layers)
    if parameters > FAR_MORE * rows and not guarded:
        yield Advice(
            f"{counted(members, 'member') + ' of ' if members > 1 else ''}{counted(parameters, 'parameter')}"
            f"{' each' if members > 1 else ''} are trained on {counted(rows, 'row')}",
            "use fewer units, or EarlyStopping, Dropout or an L2 kernel_regularizer",
            "a network much larger than its data memorizes the rows",
            ("layers",),
        )


def _parameters_of_one(model: keras.Model) -> tuple[int, int]:
    """Return how many members a network has, and the parameters of one of them, shared ones included."""
    members, parameters = 1, sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    for layer in model.layers:
        for weight in layer.trainable_weights:
            if type(layer).__name__ in (MEMBERS, MEMBER_DENSE) and (
                weight.name != "kernel" or len(weight.shape) == 3  # a kernel of two axes is shared
            ):
                members = max(members, weight.shape[0])
                parameters -= int(np.prod(weight.shape)) - int(np.prod(weight.shape[1:]))
    return members, parameters


def _regularized(layer: LayerSpec) -> bool:
    return any(name.endswith("regularizer") for name in layer.arguments)


# ---------------------------------------------------------------- training


def _learning_rate(spec: Spec) -> Iterator[Advice]:
    """Advise on SGD at its default learning rate."""
    if spec.optimizer.class_name.lower() == "sgd" and "learning_rate" not in spec.optimizer.arguments:
        yield Advice(
            "SGD runs at its default learning rate, 0.01",
            "choose one: mlpcli lr-find, or try 0.003, 0.03 and 0.1",
            "the learning rate is the setting that matters most, and no rate suits every network",
            ("optimizer",),
        )


def _batch_size(spec: Spec, rows: int) -> Iterator[Advice]:
    """Advise on batches above the usual size: of all rows, or where nothing keeps the first steps small."""
    size = spec.fit.batch_size
    if size > USUAL_BATCH and size >= rows > 1:
        smaller = min(USUAL_BATCH, 1 << max(1, rows // 4).bit_length() - 1)
        yield Advice(
            f"a batch of {size:,} rows holds all {rows:,} training rows: an epoch is one step",
            f"use {smaller}, or train for as many more epochs",
            "each step changes the weights once, and few steps may leave a network untrained",
            ("fit", "batch_size"),
        )
    elif size > USUAL_BATCH and not _warms_up(spec.optimizer) and not _clips(spec.optimizer):
        yield Advice(
            f"batches of {counted(size, 'row')} start at the full learning rate",
            "use 32, or add a warm-up or global_clipnorm, "
            "and tune the learning rate again for this batch size",
            "large batches can be unstable at first and may be worse on new rows",
            ("fit", "batch_size"),
        )


def _warms_up(optimizer: ComponentSpec) -> bool:
    rate = optimizer.arguments.get("learning_rate")
    if not isinstance(rate, dict):
        return False
    return any(name == "Warmup" or (arguments or {}).get("warmup_steps") for name, arguments in rate.items())


def _clips(optimizer: ComponentSpec) -> bool:
    return any(optimizer.arguments.get(name) is not None for name in CLIPPING)


def _patience(spec: Spec) -> Iterator[Advice]:
    """Advise on early stopping that never happens, or that keeps a model past its best."""
    for index, component in enumerate(spec.callbacks):
        path: KeyPath = ("callbacks", index, component.class_name)
        yield from _mode(component, path)
        patience = component.arguments.get("patience", DEFAULT_PATIENCE.get(component.class_name))
        if isinstance(patience, int) and patience >= spec.fit.epochs:
            reason = "it can never take effect"
            if component.class_name == "EarlyStopping" and _restores(component):
                run = f"a run of {counted(spec.fit.epochs, 'epoch')}"
                reason = f"it never stops {run}; it only restores the best epoch's weights"
            yield Advice(
                f"{component.class_name} waits {counted(patience, 'epoch')} in a run of {spec.fit.epochs}",
                "lower patience or raise fit.epochs",
                reason,
                (*path, "patience") if "patience" in component.arguments else path,
            )
        elif component.class_name == "EarlyStopping" and not _restores(component):
            past = max(1, patience) if isinstance(patience, int) else 1
            yield Advice(
                "EarlyStopping keeps the weights of the last epoch",
                "add restore_best_weights: true",
                f"by then the model is {counted(past, 'epoch')} past its best",
                path,
            )


def _restores(early_stopping: ComponentSpec) -> bool:
    return bool(early_stopping.arguments.get("restore_best_weights"))


def _mode(component: ComponentSpec, path: KeyPath) -> Iterator[Advice]:
    """Advise on a callback that treats the worst value of a metric as its best."""
    monitor, mode = component.arguments.get("monitor"), component.arguments.get("mode", "auto")
    if not isinstance(monitor, str) or mode == "auto":
        return
    if not (monitor.endswith("loss") or more_is_better(monitor)):
        return  # the name does not say which direction is better
    usual = "max" if more_is_better(monitor) else "min"
    if mode != usual:
        yield Advice(
            f"{component.class_name} treats {'lower' if mode == 'min' else 'higher'} {monitor} as better",
            f"write mode: {usual}, or leave it out",
            "it waits for, or keeps, the worst epoch",
            (*path, "mode"),
        )


DEFAULT_PATIENCE = {"EarlyStopping": 0, "ReduceLROnPlateau": 10}
"""Keras's own defaults."""


def class_counts(contract: Contract, y: Arrays) -> dict[str, dict[str, int]]:
    """Return the number of rows, or of steps, of each class, by output; numbers and labels are left out.

    Args:
        contract: the outputs; the only one may have an empty name.
        y: the targets of a split.
    """
    found = {}
    for each in contract.outputs:
        if each.kind in ("classes", "one_hot") and each.classes is not None:
            labels = of_name(y, each.name)
            one_hot = each.kind == "one_hot"
            blocks = [_counts(each, block, one_hot=one_hot) for block in blocks_of(labels)]
            counts = np.sum(blocks, axis=0)
            found[each.name] = {name: int(count) for name, count in zip(each.classes, counts, strict=True)}
    return found


def _counts(output: Output, labels: Array, *, one_hot: bool) -> Array:
    """Return how many rows, or steps, have each class, (classes,)."""
    if output.steps:
        labels, one_hot = class_indices(labels).reshape(-1), False
    counts: Array = (
        labels.sum(axis=0) if one_hot else np.bincount(labels, minlength=len(output.classes or ()))
    )
    return counts
