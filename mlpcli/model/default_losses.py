"""What a spec's losses expect of the data, and the losses and metrics of a spec that leaves them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from mlpcli.data.dataset import Contract, Output
from mlpcli.data.images.image_reading import image_columns, images_beside_columns
from mlpcli.data.load import Request
from mlpcli.data.types import TargetKind
from mlpcli.model.activation_range import passes_values, units_path
from mlpcli.model.id_names import reads_ids
from mlpcli.model.output_steps import axes_with_steps
from mlpcli.printable import counted
from mlpcli.spec.layer_graph import ONLY_INPUT, Graph
from mlpcli.spec.number_rules import are_levels
from mlpcli.spec.plugins import KERAS, Catalog
from mlpcli.spec.schema import ComponentSpec, LayerSpec, Spec

T = TypeVar("T")

SYMMETRIC = ("tanh", "hard_tanh", "softsign", "sign", "soft_shrink")
"""Activations whose values lie on both sides of 0, between -1 and 1."""


def fold(name: str) -> str:
    """Return a class or short name in one spelling: `SparseCategoricalCrossentropy` has no underscores."""
    return name.lower().replace("_", "")


def wanted_by(loss: ComponentSpec, catalog: Catalog = KERAS) -> TargetKind | None:
    """Return the kind of targets that a loss takes, or None when it can be any."""
    if catalog.plugins and loss.class_name not in (
        *KERAS.class_names("losses"),
        *KERAS.short_names("losses"),
    ):
        return None  # a plug-in's
    name = fold(loss.class_name)
    if name == "bce" or name.startswith(("binarycrossentropy", "binaryfocal")):
        return "labels"
    if name in ("dice", "tversky", "perceptron") or "crossentropy" in name or "hinge" in name:
        return "classes"
    others: dict[str, TargetKind | None] = {"kld": None, "kldivergence": None}
    others |= {"circle": "groups", "ctc": "sequences"}
    return others.get(name, "numbers")


def levels_of(loss: ComponentSpec | None, catalog: Catalog = KERAS) -> tuple[float, ...]:
    """Return the levels of the quantiles that a loss asks for; empty for the losses of values."""
    if loss is None or loss.class_name != "Quantile" or catalog.plugin_of("Quantile"):
        return ()
    given = loss.arguments.get("quantiles")
    return tuple(map(float, given)) if are_levels(given) and isinstance(given, list) else ()


def gives_scores(loss: ComponentSpec) -> bool:
    """Return whether a class loss takes outputs that are not probabilities: above 0 for the second class."""
    return any(word in loss.class_name.lower() for word in ("hinge", "perceptron"))


def data_request(spec: Spec, catalog: Catalog = KERAS) -> Request:
    """Return what the network of a spec needs from the data."""
    layers = output_layers(spec)
    losses = {name: spec.loss.get(name) if isinstance(spec.loss, dict) else spec.loss for name in layers}
    wanted = {
        name: wanted_by(loss, catalog) if loss is not None else _wanted_by_layer(layers[name], spec)
        for name, loss in losses.items()
    }
    symmetric = frozenset(name for name, layer in layers.items() if activation_of(layer) in SYMMETRIC)
    guessed = frozenset(name for name, loss in losses.items() if loss is None)
    return Request(
        wanted,
        symmetric,
        spec.inputs,
        scales_inputs(spec),
        spec.fit.class_weight,
        guessed,
        reads_ids=reads_ids(spec),
        per_step=() if "sequences" in wanted.values() else axes_with_steps(spec),
        levels={name: levels for name, loss in losses.items() if (levels := levels_of(loss, catalog))},
    )


SCALERS = ("Normalization", "BatchNormalization", "Rescaling")
"""Layers that bring their inputs to a common scale."""


def scales_inputs(spec: Spec) -> bool:
    """Return whether a scaling layer reads an input of the network directly; true for any model class.

    What scales images beside columns says nothing of these.
    """
    if spec.model is not None:
        return True
    graph = spec.graph
    inputs = {*(graph.inputs or ()), ONLY_INPUT} - image_inputs(spec)
    return any(
        spec.layers[node.index].class_name in SCALERS and inputs & {*node.sources} for node in graph.nodes
    )


def image_inputs(spec: Spec) -> set[str]:
    """Return the named inputs that take images beside columns of a table."""
    if not images_beside_columns(spec.dataset, spec.inputs):
        return set()
    images = {*image_columns(spec.dataset)}
    return {
        name
        for name, each in (spec.inputs or {}).items()
        if each.kinds == ["image"] or (isinstance(each.columns, list) and {*each.columns} <= images)
    }


def output_layers(spec: Spec) -> dict[str, LayerSpec | None]:
    """Return the layer that computes each output's values, by output: not a Dropout or Flatten behind it.

    The name is empty for a single output without a name.
    """
    graph = spec.graph
    layers = {name: _making_layer(spec, graph, name) for name in graph.outputs}
    return layers if graph.named else {"": next(iter(layers.values()))}


def _making_layer(spec: Spec, graph: Graph, name: str) -> LayerSpec | None:
    nodes = {node.name: node for node in graph.nodes}
    node = nodes.get(name)
    while node is not None and passes_values(spec.layers[node.index].class_name) and len(node.sources) == 1:
        node = nodes.get(node.sources[0])
    return spec.layers[node.index] if node is not None else None


def output_units(spec: Spec) -> dict[str, int | None]:
    """Return the number of units of each output, by its name, where an argument of a layer gives it."""
    graph = spec.graph
    found: dict[str, int | None] = {}
    for name in graph.outputs:
        key, *rest = units_path(spec, graph, name) if graph.nodes else ("model",)
        index = rest[0] if rest else None
        layer = spec.layers[index] if key == "layers" and isinstance(index, int) else None
        found[name if graph.named else ""] = layer.arguments.get("units") if layer is not None else None
    return found


def activation_of(layer: LayerSpec | None) -> str | None:
    """Return the name of a layer's activation: `linear` where there is none, None where it is unknown."""
    if layer is None:
        return None
    if layer.class_name in ("Softmax", "ReLU", "LeakyReLU"):
        return layer.class_name.lower()
    if layer.class_name == "ParametricActivation":
        return None
    activation = layer.arguments.get("activation", "linear")
    return activation if isinstance(activation, str) else None


def _wanted_by_layer(layer: LayerSpec | None, spec: Spec) -> TargetKind | None:
    if spec.dataset.label_separator is not None:
        return "labels"
    certain = activation_of(layer) in ("softmax", "heaviside")
    if spec.dataset.target_scaling is not None and not (certain and isinstance(spec.dataset.target, dict)):
        return "numbers"  # with several outputs, those of classes stay as they are
    by_activation: dict[str | None, TargetKind] = {
        "softmax": "classes",
        "heaviside": "classes",
        "sigmoid": "labels",
    }
    return by_activation.get(activation_of(layer))


@dataclass(frozen=True)
class DefaultLoss:
    """The loss and the metrics that one output gets where the spec names none."""

    loss: ComponentSpec
    metrics: list[ComponentSpec]


def complete_spec(spec: Spec, contract: Contract) -> tuple[Spec, list[str]]:
    """Return the spec with its loss and metrics filled in, and a line on each choice."""
    if spec.loss is not None and spec.metrics is not None:
        return spec, []
    layers = output_layers(spec)
    given = {
        each.name: spec.loss.get(each.name) if isinstance(spec.loss, dict) else spec.loss
        for each in contract.outputs
    }
    units = output_units(spec)
    chosen = {
        each.name: _default_loss(each, layers.get(each.name), units.get(each.name), given[each.name])
        for each in contract.outputs
    }
    notes = []
    update: dict[str, object] = {}
    if spec.loss is None:
        update["loss"] = _single({name: each.loss for name, each in chosen.items()})
        notes.append(f"loss: {_explain(chosen, contract, lambda each: [each.loss])}")
    if spec.metrics is None:
        update["metrics"] = _single({name: each.metrics for name, each in chosen.items()})
        if told := _explain(chosen, contract, lambda each: each.metrics):
            notes.append(f"metrics: {told}")
    return spec.model_copy(update=update), notes


def _single(values: dict[str, T]) -> T | dict[str, T]:
    """Return the only value, of an output without a name; a dict of several unchanged."""
    only = values.get("")
    return values if only is None else only


def _explain(
    chosen: Mapping[str, DefaultLoss],
    contract: Contract,
    components: Callable[[DefaultLoss], list[ComponentSpec]],
) -> str:
    """Return the choices as text: `mse, chosen for a target of numbers`."""
    texts = []
    for each in contract.outputs:
        if not components(chosen[each.name]):
            continue
        names = ", ".join(_component_text(component) for component in components(chosen[each.name]))
        where = f" ({each.name})" if each.name else ""
        texts.append(f"{names}{where}, chosen for {target_text(each)}")
    return "; ".join(texts)


def _component_text(component: ComponentSpec) -> str:
    if not component.arguments:
        return component.class_name
    return component.class_name + "(" + ", ".join(f"{k}: {v}" for k, v in component.arguments.items()) + ")"


def target_text(output: Output) -> str:
    """Return the kind of a target in words."""
    count = len(output.classes or ())
    words = {
        "numbers": "a target of numbers",
        "classes": f"a target of {counted(count, 'class', 'classes')}",
        "one_hot": f"one-hot rows of {counted(count, 'class', 'classes')}",
        "groups": f"embeddings of {counted(count, 'class', 'classes')}",
        "sequences": "a target of sequences of labels",
        "labels": f"a target of {counted(count, 'label')}, any number of them per row",
    }
    each = f", one for each of {' x '.join(map(str, output.steps))} steps" if output.steps else ""
    return words[output.kind] + each


def _default_loss(
    output: Output, layer: LayerSpec | None, units: int | None, given: ComponentSpec | None
) -> DefaultLoss:
    """Choose cross-entropy for classes and labels, from logits where the output has no activation, else MSE.

    Args:
        output: what the data holds.
        layer: the layer that computes the output.
        units: the output's number of units, where known.
        given: the loss, where the spec has one and only the metrics are chosen.
    """
    activation = activation_of(layer)
    if output.kind in ("groups", "sequences"):
        assert given is not None  # which is why the target is of this kind
        return DefaultLoss(given, [])
    if output.kind == "numbers":
        return DefaultLoss(_component("mse"), [_component("RootMeanSquaredError"), _component("mae")])
    if activation in ("heaviside", "sign"):
        return DefaultLoss(_component("perceptron"), [_component("binary_accuracy")])
    binary = output.kind == "labels" or (output.kind == "classes" and units == 1)
    class_name = "BinaryCrossentropy" if binary else "CategoricalCrossentropy"
    if output.kind == "classes" and not binary:
        class_name = "SparseCategoricalCrossentropy"
    logits = activation == "linear"
    metrics = [_component("binary_accuracy" if output.kind == "labels" else "accuracy")]
    if given is not None:
        logits = gives_scores(given) or bool(given.arguments.get("from_logits"))
    if binary and logits:  # Keras's own take what is above one half for a yes, these have 0 there
        arguments = {"name": metrics[0].class_name, "threshold": 0.0}
        metrics = [ComponentSpec(class_name="BinaryAccuracy", arguments=arguments)]
    if logits:
        return DefaultLoss(ComponentSpec(class_name=class_name, arguments={"from_logits": True}), metrics)
    short = {
        "BinaryCrossentropy": "binary_crossentropy",
        "CategoricalCrossentropy": "categorical_crossentropy",
        "SparseCategoricalCrossentropy": "sparse_categorical_crossentropy",
    }
    return DefaultLoss(_component(short[class_name]), metrics)


def _component(name: str) -> ComponentSpec:
    return ComponentSpec(class_name=name)
