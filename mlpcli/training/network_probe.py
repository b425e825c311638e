"""Measure a trained network on some training rows: its activations and gradients by layer, its predictions.

Everything is computed as in `predict`, without dropout and with the running means, so that nothing of the
network changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from mlpcli.checks.advice import input_scales
from mlpcli.data.dataset import Contract, Dataset, Output, Split
from mlpcli.data.named_arrays import of_name, rows_of
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array, Arrays
from mlpcli.keras_import import keras, tf
from mlpcli.keras_internals import all_layers
from mlpcli.model.activation_range import measure_range
from mlpcli.model.build import activation_of_logits, output_loss
from mlpcli.model.components import plain_reason
from mlpcli.model.default_losses import gives_scores
from mlpcli.model.outputs import final_outputs, predicted_classes
from mlpcli.runs.network_record import ClassFacts, LayerFacts, NetworkFacts
from mlpcli.spec.member_axis import output_nodes
from mlpcli.spec.schema import Spec
from mlpcli.statistics.class_areas import class_areas
from mlpcli.training.job import TrainingJob
from mlpcli.training.later_errors import later_split, target_facts

MOST_ROWS = 2000
QUICK_ROWS = 500
"""The most rows that are measured by `doctor`, and at the end of a training."""

MOST_VALUES = 20_000_000
"""The most values of all layers together, by which the rows are fewer for networks of images."""

FEWEST_ROWS = 32
MOST_CLASSES = 200
"""With more, whether each is distinguished from the others takes longer than the rest of what is measured."""

NEAR = 0.001
"""A value this share of the range away from an end of an activation is at that end."""

NEARLY_EVERY = 0.95
"""The share of rows on which a saturated unit is at an end of its range."""

Tensor = Any
"""A tensor of TensorFlow, which has no types."""

CONSTANT = ("classes", "one_hot", "labels", "numbers")
"""The kinds of targets that a constant prediction is known for."""


def record_network(job: TrainingJob, record: dict[str, object]) -> None:
    """Add the facts of a trained network to `run.json`.

    Args:
        job: the training, which is done.
        record: `run.json`.
    """
    if not job.options.probe:
        return
    try:
        facts = probe_network(job.model, job.completed.spec, job.dataset)
    except Exception as error:  # of a layer or a loss of a plug-in's: the run itself is whole
        job.watcher.note(f"the layers were not measured: {type(error).__name__}: {plain_reason(error)}")
        return
    if facts is not None:
        record["network"] = facts.model_dump(exclude_defaults=True)


def probe_network(
    model: keras.Model, spec: Spec, dataset: Dataset, *, most: int = QUICK_ROWS
) -> NetworkFacts | None:
    """Measure a network on some training rows.

    Args:
        model: compiled.
        spec: with its loss.
        dataset: the data.
        most: how many rows at most.

    Returns:
        The facts; None for a model whose layers and loss cannot be looked at: a class of a plug-in's.
    """
    if spec.model is not None or not getattr(model, "inputs", None) or not len(dataset.train):
        return None
    rows = _some_rows(model, dataset.train, most, spec.seed)
    looked = _watched(model, spec)
    found = _pass(model, rows, looked)
    scales = list(input_scales(model, dataset))
    contract = dataset.contract

    @cache
    def later() -> tuple[str, Arrays, Arrays] | None:
        if (named := later_split(dataset)) is None:
            return None
        some = _some_rows(model, named[1], most, spec.seed)
        outputs = _fast(model, lambda x: model(x, training=False))(_tensor(some.x))
        return named[0], some.y, keras.tree.map_structure(np.asarray, outputs)

    return NetworkFacts(
        rows=len(rows),
        layers=[
            _layer_facts(each, found.seen, found.norms, looked)
            for each in model.layers
            if each.name in found.seen or each.name in found.norms
        ],
        loss=_finite(found.loss),
        penalty=_finite(found.penalty) or 0.0,
        constant_loss=_constant_loss(model, spec, contract, rows, found.outputs),
        input_size=max((size for size, _ in scales), default=None),
        input_spread=min((spread for _, spread in scales if spread > 0), default=None),
        classes=list(_class_facts(spec, contract, rows, found.outputs)),
        targets=list(target_facts(contract, rows, found.outputs, later)),
    )


def _some_rows(model: keras.Model, split: Split, most: int, seed: int) -> Split:
    """Return some rows of a split, drawn at random; fewer where the layers have many values for a row."""
    values = sum(_width(tensor) for layer in model.layers for tensor in _tensors(layer))
    count = min(most, max(FEWEST_ROWS, MOST_VALUES // max(1, values)), len(split))
    chosen = np.sort(np.random.default_rng(seed).choice(len(split), count, replace=False))
    x, y, weights = (rows_of(each, chosen) for each in (split.x, split.y, split.weights))
    return Split(x, y, split.rows[chosen], weights)


def _tensors(layer: keras.layers.Layer) -> list[keras.KerasTensor]:
    """Return the outputs of a layer; none for one that is called several times."""
    try:
        return list(keras.tree.flatten(layer.output))
    except (AttributeError, ValueError):
        return []


def _width(tensor: keras.KerasTensor) -> int:
    return math.prod(size or 1 for size in tensor.shape[1:])


@dataclass(frozen=True)
class _Watched:
    """An activation whose values are looked at.

    low, high: the ends of its range, None where it has none.
    dead: 0 is where it is flat, so that a unit that is 0 on every row learns nothing.
    """

    name: str
    low: float | None
    high: float | None
    dead: bool
    output: bool


def _watched(model: keras.Model, spec: Spec) -> dict[str, _Watched]:
    """Return the layers whose activation has a flat part, by name."""
    ends = output_nodes(spec) | {tensor.name for tensor in keras.tree.flatten(model.outputs)}
    found = {}
    for layer in model.layers:
        function = _activation(layer)
        tensors = _tensors(layer)
        if function is None or len(tensors) != 1 or len(tensors[0].shape) < 2:
            continue
        seen = _flat_parts(function, layer.name in ends)
        if seen is not None:
            found[layer.name] = seen
    return found


def _activation(layer: keras.layers.Layer) -> object | None:
    if isinstance(layer, keras.layers.ReLU | keras.layers.ELU | keras.layers.LeakyReLU):
        own: object = layer
        return own
    if isinstance(layer, keras.layers.RNN | keras.layers.Softmax):
        return None  # an RNN's outputs are products of gates
    function: object = getattr(layer, "activation", None)
    return function if callable(function) else None


def _flat_parts(function: object, output: bool) -> _Watched | None:
    """Return what is flat of an activation, found by measuring; None where nothing is."""
    assert callable(function)
    try:
        reach = measure_range(function, ())
        below = np.asarray(function(keras.ops.convert_to_tensor(np.array([[-10.0, -1.0, -0.1]], np.float32))))
    except Exception:  # a plug-in's function, or one of Keras's that wants more than values: nothing is known
        return None
    if reach.sums_to_one or reach.steps:
        return None
    dead = reach.low == 0.0 and not below.any()
    bounded = math.isfinite(reach.low) and math.isfinite(reach.high) and not dead
    if not dead and not bounded:
        return None
    return _Watched(reach.name, reach.low if bounded else None, reach.high if bounded else None, dead, output)


@dataclass(frozen=True)
class _Seen:
    """What the units of a layer do on all rows: (units,) each."""

    zero: Array
    at_end: Array
    identical: bool


@dataclass(frozen=True)
class _Pass:
    """What some rows give on their way through a network and back.

    outputs: of the network.
    seen: what the units of the watched layers do.
    loss, penalty: without the penalties of regularizers, and these.
    norms: of the gradients and of the weights, by layer.
    """

    outputs: Arrays
    seen: dict[str, _Seen]
    loss: float
    penalty: float
    norms: dict[str, tuple[float, float]]


def _pass(model: keras.Model, rows: Split, looked: Mapping[str, _Watched]) -> _Pass:
    """Run some rows through a network and back."""
    kernels = {
        layer.name: [each for each in layer.trainable_variables if len(each.shape) > 1]
        for layer in model.layers
    }
    flat = [each for own in kernels.values() for each in own]
    watched = [model.get_layer(name).output for name in looked]
    inner = keras.Model(model.inputs, [model.output, *watched]) if watched else model

    def compute(x: object, y: object, weights: object) -> tuple[list[Tensor], Tensor, Tensor, list[Tensor]]:
        with tf.GradientTape() as tape:
            values = inner(x, training=False) if watched else [model(x, training=False)]
            whole = model.compute_loss(x=x, y=y, y_pred=values[0], sample_weight=weights, training=False)
            added = sum(model.losses, tf.constant(0.0))
        return values, whole, added, tape.gradient(whole, [each.value for each in flat])

    values, whole, added, found = _fast(model, compute)(*map(_tensor, (rows.x, rows.y, rows.weights)))
    by_variable = {id(each): gradient for each, gradient in zip(flat, found, strict=True)}
    norms = {}
    for name, own in kernels.items():
        if own:
            gradients = [by_variable[id(each)] for each in own]
            arrays = [np.asarray(tf.convert_to_tensor(each)) for each in gradients if each is not None]
            norms[name] = (_norm(arrays), _norm([np.asarray(each) for each in own]))
    outputs, *inside = keras.tree.map_structure(lambda each: np.asarray(each, np.float32), values)
    seen = {name: _seen(each, layer) for (name, each), layer in zip(looked.items(), inside, strict=True)}
    return _Pass(outputs, seen, float(whole) - float(added), float(added), norms)


def _fast(model: keras.Model, compute: Callable[..., Any]) -> Callable[..., Any]:
    """Return what computes the same as a graph where layers loop over steps, which takes seconds otherwise.

    A loss that such a layer adds of its outputs would stay behind in the graph.
    """
    layers = all_layers(model)
    loops = any(isinstance(each, keras.layers.RNN) for each in layers)
    adds = any(getattr(each, "activity_regularizer", None) is not None for each in layers)
    return tf.function(compute) if loops and not adds else compute


def _tensor(arrays: Arrays | None) -> object:
    """Return arrays as tensors, in the same structure."""
    if arrays is None:
        return None
    found: object = keras.tree.map_structure(keras.ops.convert_to_tensor, arrays)
    return found


def _seen(each: _Watched, values: Array) -> _Seen:
    flat = values.reshape(-1, values.shape[-1])
    at_end = np.zeros(flat.shape[1])
    if each.low is not None and each.high is not None:
        margin = NEAR * (each.high - each.low)
        at_end = ((flat < each.low + margin) | (flat > each.high - margin)).mean(axis=0)
    same = flat.shape[1] > 1 and bool((np.ptp(flat, axis=1) <= 1e-6 * (1e-12 + np.abs(flat).max())).all())
    return _Seen((flat == 0).all(axis=0), at_end, same and bool(flat.any()))


def _norm(arrays: list[Array]) -> float:
    return math.sqrt(sum(float(np.square(each.astype(np.float64)).sum()) for each in arrays))


def _layer_facts(
    layer: keras.layers.Layer,
    seen: Mapping[str, _Seen],
    norms: Mapping[str, tuple[float, float]],
    looked: Mapping[str, _Watched],
) -> LayerFacts:
    name = layer.name
    gradient, weight = norms.get(name, (None, None))
    if (own := seen.get(name)) is None:
        return LayerFacts(
            name=name, class_name=type(layer).__name__, gradient=_finite(gradient), weight=_finite(weight)
        )
    each = looked[name]
    saturated = int((own.at_end >= NEARLY_EVERY).sum())
    return LayerFacts(
        name=name,
        class_name=type(layer).__name__,
        activation=each.name,
        units=len(own.zero),
        dead=int(own.zero.sum()) if each.dead else None,
        saturated=saturated if each.low is not None else None,
        identical=own.identical,
        output=each.output,
        gradient=_finite(gradient),
        weight=_finite(weight),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _constant_loss(
    model: keras.Model, spec: Spec, contract: Contract, rows: Split, outputs: Arrays
) -> float | None:
    """Return the loss of the same prediction for every row; None where none is known."""
    if spec.fit.class_weight is not None:  # rows count otherwise in the loss that was recorded
        return None
    constants = {}
    for each in contract.outputs:
        values, y = of_name(outputs, each.name), of_name(rows.y, each.name)
        constant = _constant(spec, each, np.asarray(y), values)
        if constant is None:
            return None
        constants[each.name] = np.broadcast_to(constant, values.shape).astype(np.float32)
    predicted, y, weights = (_tensor(each) for each in (contract.by_output(constants), rows.y, rows.weights))
    whole = model.compute_loss(x=None, y=y, y_pred=predicted, sample_weight=weights, training=False)
    found = float(whole) - float(sum((float(each) for each in model.losses), 0.0))
    return found if math.isfinite(found) else None


def _constant(spec: Spec, output: Output, y: Array, values: Array) -> Array | None:
    """Return the prediction, in the shape of the outputs: a mean or median, or the shares of the classes."""
    loss = output_loss(spec, output.name)
    if output.kind not in CONSTANT or output.levels or gives_scores(loss):
        return None
    if output.kind == "numbers":
        flat = y.reshape(len(y), -1)
        if flat.shape[1] != math.prod(values.shape[1:]):
            return None
        absolute = "absolute" in loss.class_name.lower() or loss.class_name.lower() == "mae"
        middle = np.median(flat, axis=0) if absolute else flat.mean(axis=0)
        return np.asarray(middle.reshape(values.shape[1:]))
    if output.kind == "labels":
        shares = y.reshape(-1, y.shape[-1]).mean(axis=0)
    else:
        shares = np.bincount(class_indices(y).reshape(-1), minlength=len(output.classes or ())) / y.size
        shares = shares / shares.sum()
        shares = shares[1:] if values.shape[-1] == 1 else shares
    if shares.shape[-1] != values.shape[-1]:
        return None
    shares = np.clip(shares, 1e-7, 1 - 1e-7)
    kind = activation_of_logits(loss)
    if kind == "sigmoid":
        return np.asarray(np.log(shares / (1 - shares)))
    return np.asarray(np.log(shares) if kind else shares)


def _class_facts(spec: Spec, contract: Contract, rows: Split, outputs: Arrays) -> Iterator[ClassFacts]:
    """Yield the classes of the rows, and of their predictions, by output."""
    final = final_outputs(spec, contract, outputs)
    for each in contract.outputs:
        if each.kind in ("classes", "one_hot") and each.classes is not None:
            y, values = of_name(rows.y, each.name), np.asarray(of_name(final, each.name))
            predicted = predicted_classes(values, output_loss(spec, each.name), each).reshape(-1)
            count = len(each.classes)
            if predicted.size and predicted.max() < count:
                true = class_indices(np.asarray(y)).reshape(-1)
                yield ClassFacts(
                    output=each.name,
                    names=list(each.classes),
                    truth=np.bincount(true, minlength=count).tolist(),
                    predicted=np.bincount(predicted, minlength=count).tolist(),
                    distinguished=_distinguished(true, values.reshape(len(true), -1)),
                )


def _distinguished(truth: Array, scores: Array) -> list[bool | None]:
    """Return whether each class is distinguished, whatever the threshold: (rows,), (rows, classes)."""
    if scores.shape[-1] > MOST_CLASSES:
        return []
    return [None if each is None else each.tells for each in class_areas(truth, scores)]
