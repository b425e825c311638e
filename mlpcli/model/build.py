"""Spec to compiled Keras model: classes are looked up in Keras, and its objections get their place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np

from mlpcli.data.dataset import Contract, Dataset
from mlpcli.data.types import Arrays
from mlpcli.errors import KeyPath, Problem, SpecError
from mlpcli.keras_import import keras
from mlpcli.keras_internals import name_outputs
from mlpcli.model.adapt_layers import adapt_behind, adapt_to
from mlpcli.model.call_layer import call_layer
from mlpcli.model.components import make_component, make_instance, refusals
from mlpcli.model.learned_values import give_learned
from mlpcli.model.member_layers import MemberMean
from mlpcli.model.member_loss import MemberLoss
from mlpcli.model.memory import bounded_weights, check_batch, check_outputs, optimizer_arrays
from mlpcli.model.metrics import fit_metrics
from mlpcli.model.nested_layers import check_inner_layers
from mlpcli.model.plugins import NONE, Plugins
from mlpcli.model.quantile_outputs import in_order, levels_by_layer
from mlpcli.model.schedule_steps import with_steps
from mlpcli.model.shape_refusals import check_one_output, fitting
from mlpcli.model.subclassed import build_class, needs_adapting
from mlpcli.model.variable_factors import give_factors, unmatched
from mlpcli.spec.layer_graph import ONLY_INPUT, Graph
from mlpcli.spec.member_axis import member_outputs, output_nodes
from mlpcli.spec.schema import ComponentSpec, Spec
from mlpcli.spec.values import Value

Tensors = dict[str, "keras.KerasTensor"]
"""Symbolic tensors by the name of their input or output."""


def build_model(
    spec: Spec,
    dataset: Dataset,
    plugins: Plugins = NONE,
    *,
    scope: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> keras.Model:
    """Build the compiled model of a spec.

    Layers with an `adapt` method (Normalization, Discretization) learn from the training rows only.

    Args:
        spec: with its loss and metrics filled in.
        dataset: the data; float32 inside the model.
        plugins: the spec's plug-ins.
        scope: Of a strategy of `tf.distribute`, whose devices get the variables.

    Returns:
        A model from one array, or a dict of them where the spec names its inputs, to one array, or a dict
        where the outputs have names.

    Raises:
        SpecError: Keras rejects a layer, an argument's value, or a shape; every rejected component is
            reported.
    """
    spec = with_steps(spec, len(dataset.train), plugins.catalog)
    kept = _kept_arrays(spec, plugins)
    keras.utils.clear_session()
    with scope(), precision(spec.fit.precision):
        keras.utils.set_random_seed(spec.seed)
        with bounded_weights(kept=kept):
            model = build_network(spec, dataset.contract, dataset.train.x, plugins)
        check_batch(model, spec.graph, min(spec.fit.batch_size, len(dataset.train)))
        compile_model(model, spec, dataset.contract, plugins)
        return model


def _kept_arrays(spec: Spec, plugins: Plugins) -> int:
    """Return how many arrays the optimizer keeps for each weight; 0 where it cannot be told yet."""
    try:
        made = make_component(spec.optimizer, "optimizers", ("optimizer",), plugins)
        return optimizer_arrays(keras.optimizers.get(made))
    except Exception:  # whatever is wrong with it is reported where it is compiled
        return 0


def build_network(
    spec: Spec,
    contract: Contract,
    rows: Arrays | None = None,
    plugins: Plugins = NONE,
    *,
    learned: Mapping[str, Mapping[str, object]] | None = None,
) -> keras.Model:
    """Build the network of a spec, without compiling it.

    Args:
        spec: the spec.
        contract: what the rows look like.
        rows: training rows that layers with an `adapt` method learn from, as `Split.x` has them; None leaves
            those layers untrained.
        plugins: the spec's plug-ins.
        learned: by layer, attributes that it once learned beside its weights.

    Raises:
        SpecError: Keras rejects a layer, an argument's value, or a shape.
    """
    graph = spec.graph
    inputs = _inputs(contract, graph)
    if spec.model is not None:
        found = build_class(spec.model, inputs, graph, rows, plugins)
        return _network(spec, inputs, found, contract)
    layers = _make_layers(spec, graph, plugins)
    tensors = {name: _embed_categories(tensor, contract, name) for name, tensor in inputs.items()}
    levels = levels_by_layer(contract, graph)
    for node, layer in zip(graph.nodes, layers, strict=True):
        path: KeyPath = ("layers", node.index)
        below = [tensors[source] for source in node.sources]
        give_learned(layer, (learned or {}).get(node.name, {}))
        if needs_adapting(layer) and rows is not None:
            with refusals(path, "cannot learn from the training rows"):
                _adapt(layer, inputs, below if node.many else below[0], rows)
        if rows is not None:
            check_inner_layers(layer, spec.layers[node.index], path)
        check_outputs(layer, below, spec.fit.batch_size if rows is not None else 1, path)
        before = spec.layers[node.index - 1].class_name if node.index else ""
        with fitting(layer, map(_row_shape, below), spec.layers[node.index], path, before, many=node.many):
            if isinstance(layer, MemberMean):  # each member's quantiles are in order too
                below = [in_order(below[0], f"{node.name}_members", levels.get(node.name), graph)]
            tensors[node.name] = call_layer(layer, below, node)
            check_one_output(tensors[node.name], spec.layers[node.index], path)
    return _network(spec, inputs, {name: tensors[name] for name in graph.outputs}, contract)


def _network(spec: Spec, inputs: Tensors, outputs: Tensors, contract: Contract) -> keras.Model:
    graph = spec.graph
    levels = levels_by_layer(contract, graph)
    outputs = {name: in_order(tensor, name, levels.get(name), graph) for name, tensor in outputs.items()}
    model = keras.Model(
        inputs if graph.inputs else inputs[ONLY_INPUT],
        outputs if graph.named else outputs[graph.outputs[0]],
        name=network_name(spec),
    )
    if levels and graph.named:
        name_outputs(model)
    return model


def _inputs(contract: Contract, graph: Graph) -> Tensors:
    dtype = contract.dtype if contract.dtype == "int64" else None
    if not graph.inputs:
        return {ONLY_INPUT: keras.Input(contract.shape, name=ONLY_INPUT, dtype=dtype)}
    return {each.name: keras.Input(each.shape, name=each.name, dtype=dtype) for each in contract.inputs}


def _embed_categories(tensor: keras.KerasTensor, contract: Contract, name: str) -> keras.KerasTensor:
    """Replace the numbers of categories that have an embedding by their trained vectors."""
    embeddings = contract.preprocessor.embeddings if contract.preprocessor else {}
    taken = {each.name: each.columns for each in contract.inputs}.get(name)
    places = list(range(contract.shape[0]) if taken is None else taken) if embeddings else []
    if not embeddings.keys() & {*places}:
        return tensor
    assert contract.preprocessor is not None
    owners = {span.start: column for column, span in contract.preprocessor.spans.items()}
    plain = [index for index, place in enumerate(places) if place not in embeddings]
    pieces = [keras.ops.take(tensor, np.array(plain), axis=1)] if plain else []
    for index, place in enumerate(places):
        if place in embeddings:
            slots, width = embeddings[place]
            stem = contract.preprocessor.served[owners[place]]
            layer = keras.layers.Embedding(slots, width, name=f"{name}_{stem}_embedding")
            # As whole numbers: mixed precision would round them.
            pieces.append(layer(keras.ops.cast(tensor[:, index], "int32")))
    return pieces[0] if len(pieces) == 1 else keras.layers.Concatenate(name=f"{name}_with_embeddings")(pieces)


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Give layers created inside this dtype policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def compile_model(model: keras.Model, spec: Spec, contract: Contract, plugins: Plugins = NONE) -> None:
    """Compile the model with its losses, optimizer and metrics; metrics are in the targets' own units.

    Args:
        model: the network.
        spec: with its loss and metrics filled in, and lengths of schedules in steps.
        contract: the outputs.
        plugins: the spec's plug-ins.

    Raises:
        SpecError: Keras rejects one of them.
    """
    problems: list[Problem] = []

    def make(component: ComponentSpec, namespace: str, path: KeyPath) -> object:
        try:
            return make_component(component, namespace, path, plugins)
        except SpecError as error:
            problems.extend(error.problems)
            return None

    losses = _make_losses(spec, contract, make)
    optimizer = make(spec.optimizer, "optimizers", ("optimizer",))
    if spec.optimizer.factors and isinstance(optimizer, keras.optimizers.Optimizer):
        factors = (spec.optimizer.learning_rate_factors, spec.optimizer.weight_decay_factors)
        problems += unmatched(model.trainable_variables, *factors)
        give_factors(optimizer, *factors)
    counts: Counter[str] | None = Counter() if len(contract.outputs) > 1 else None
    metrics = {
        each.name: fit_metrics(
            [(one, make(one, "metrics", path)) for path, one in output_metrics(spec, each.name)],
            each,
            (model.output[each.name] if each.name else model.output).shape[1:],
            counts,
            contract.numbers,
            activation_of_logits(output_loss(spec, each.name)),
        )
        for each in contract.outputs
    }
    if problems:
        raise SpecError(*problems)
    model.compile(
        loss=_of_members(spec, losses),
        optimizer=optimizer,
        metrics=metrics if contract.output.name else metrics[""],
        loss_weights=spec.loss_weights,
    )


def _make_losses(
    spec: Spec, contract: Contract, make: Callable[[ComponentSpec, str, KeyPath], object]
) -> object:
    """Create the only loss, or one for each output by name."""
    assert spec.loss is not None
    if isinstance(spec.loss, dict):
        return {name: make(component, "losses", ("loss", name)) for name, component in spec.loss.items()}
    loss = make(spec.loss, "losses", ("loss",))
    return {each.name: loss for each in contract.outputs} if contract.output.name else loss


def _of_members(spec: Spec, losses: object) -> object:
    """Return the losses as they are of outputs that are means of members: in training, of each member."""
    means = member_outputs(spec)
    if not means:
        return losses
    if not isinstance(losses, dict):
        return MemberLoss(losses)
    return {name: MemberLoss(loss) if name in means else loss for name, loss in losses.items()}


def output_metrics(spec: Spec, output: str) -> Iterator[tuple[KeyPath, ComponentSpec]]:
    """Yield the metrics of an output, each with its place; without a mapping every output has the same."""
    if isinstance(spec.metrics, dict):
        for index, component in enumerate(spec.metrics.get(output, ())):
            yield ("metrics", output, index), component
    else:
        for index, component in enumerate(spec.metrics or ()):
            yield ("metrics", index), component


def output_loss(spec: Spec, output: str) -> ComponentSpec:
    """Return the loss of an output; without a mapping every output has the same."""
    assert spec.loss is not None
    return spec.loss[output] if isinstance(spec.loss, dict) else spec.loss


def activation_of_logits(loss: ComponentSpec) -> str:
    """Return what makes the outputs of a loss from logits probabilities; empty for any other loss."""
    if not loss.arguments.get("from_logits", False):
        return ""
    return "sigmoid" if "Binary" in loss.class_name else "softmax"


def _make_layers(spec: Spec, graph: Graph, plugins: Plugins) -> list[keras.layers.Layer]:
    """Create the layer of every node; all that Keras rejects is reported in one error."""
    problems: list[Problem] = []
    layers = []
    outputs = output_nodes(spec)
    for node in graph.nodes:
        component = spec.layers[node.index]
        own: dict[str, Value] = {"name": node.name}
        if node.name in outputs and spec.fit.precision != "float32":
            # Losses and probabilities need the digits.
            own["dtype"] = component.arguments.get("dtype", "float32")
        path: KeyPath = ("layers", node.index, component.class_name)
        try:
            layers.append(
                make_instance("layers", component.class_name, component.arguments | own, path, plugins)
            )
        except SpecError as error:
            problems += (each for each in error.problems if each not in problems)
    if problems:
        raise SpecError(*problems)
    return layers


def _adapt(
    layer: keras.layers.Layer,
    inputs: Tensors,
    below: keras.KerasTensor | list[keras.KerasTensor],
    rows: Arrays,
) -> None:
    """Let a layer learn from the training rows as they look after the layers below it."""
    for name, tensor in inputs.items():
        if below is tensor:
            adapt_to(layer, rows[name] if isinstance(rows, dict) else rows)
            return
    named = isinstance(rows, dict)
    adapt_behind(layer, keras.Model(inputs if named else inputs[ONLY_INPUT], below), rows)


def _row_shape(tensor: keras.KerasTensor) -> tuple[int | None, ...]:
    return tuple(getattr(tensor, "shape", ()) or ())[1:]


def network_name(spec: Spec) -> str:
    """Return the name of a spec's network: the spec's, of letters, digits and _."""
    return re.sub(r"[^A-Za-z0-9_]", "_", spec.name)
