"""The part of a standalone script that builds the network."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator
from pathlib import Path

from mlpcli import runs
from mlpcli.codegen.keras_calls import KerasCalls, call
from mlpcli.codegen.names import identifier
from mlpcli.codegen.source_text import text, text_list
from mlpcli.data.dataset import Contract
from mlpcli.model.quantile_outputs import levels_by_layer
from mlpcli.spec import keras_signatures
from mlpcli.spec.keras_roles import returns_input
from mlpcli.spec.layer_graph import ONLY_INPUT, Graph, Node
from mlpcli.spec.member_axis import member_outputs, output_nodes
from mlpcli.spec.schema import LayerSpec, Spec
from mlpcli.spec.values import Value

STATISTICS = ("mean", "vocabulary", "bin_boundaries")
"""Arguments that replace what a layer would learn from data."""


BESIDE_WEIGHTS = {
    "Discretization": "model.get_layer(name).bin_boundaries = trained.get_layer(name).bin_boundaries",
    "IntegerLookup": "model.get_layer(name).set_vocabulary(trained.get_layer(name).get_vocabulary())",
}
"""How a layer takes over what another learned from data and keeps beside its weights."""


def network_code(calls: KerasCalls, graph: Graph) -> Iterator[str]:
    """Yield the lines that build the network as `model`."""
    spec = calls.spec
    if spec.fit.precision != "float32":
        yield f"keras.config.set_dtype_policy({text(spec.fit.precision)})"
    yield "keras.utils.set_random_seed(SEED)"
    own_names = spec.start_from is not None  # by which weights are taken over
    by_path = "MultiOptimizer" in (spec.optimizer.class_name, *_classes(spec.optimizer.arguments))
    by_path = by_path or bool(spec.optimizer.factors) or bool(_embeddings(calls.contract))
    learning = any(_adapts(spec.layers[node.index]) for node in graph.nodes[1:])
    if _is_stack(graph) and not learning and not by_path:  # a Sequential's name begins its weights' paths
        yield from _sequential(calls, graph, named=own_names)
    else:
        yield from _functional(calls, graph, named=own_names)
    if spec.start_from is not None:
        yield from _reused(spec)
    yield "model.summary()"


def _classes(value: Value) -> Iterator[str]:
    """Yield the keys of a mapping and of those inside it, classes among them."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _classes(inner)


def _reused(spec: Spec) -> Iterator[str]:
    """Yield lines that copy weights of a trained model into layers of the same names."""
    start = spec.start_from
    assert start is not None
    learned = {layer.class_name for layer in spec.layers if _adapts(layer)}
    beside = [name for name in BESIDE_WEIGHTS if name in learned]
    model_file = Path(start.run) / runs.MODEL
    yield f"trained = keras.saving.load_model({text(str(model_file))}, compile=False)"
    if start.layers is None:
        also = "".join(f" or isinstance(layer, keras.layers.{name})" for name in beside)
        names = f"[layer.name for layer in model.layers if layer.weights{also}]"
        yield f"for name in {names}:"
        yield "    if name not in [layer.name for layer in trained.layers]:"
        yield "        continue"
    else:
        yield f"for name in {text_list(list(start.layers))}:"
    yield "    model.get_layer(name).set_weights(trained.get_layer(name).get_weights())"
    for class_name in sorted(learned & {"Normalization", *BESIDE_WEIGHTS}):
        yield f"    if isinstance(model.get_layer(name), keras.layers.{class_name}):"
        yield f"        {BESIDE_WEIGHTS.get(class_name, 'model.get_layer(name).finalize_state()')}"
    if start.freeze:
        yield "    model.get_layer(name).trainable = False"


def _is_stack(graph: Graph) -> bool:
    above = (ONLY_INPUT, *(node.name for node in graph.nodes))
    chained = all(node.sources == (above[place],) for place, node in enumerate(graph.nodes))
    return chained and not graph.inputs and not graph.named


def _adapts(layer: LayerSpec) -> bool:
    """Return whether a layer learns from the data before training."""
    learns = keras_signatures.has_method("layers", layer.class_name, "adapt")
    return learns and all(layer.arguments.get(name) is None for name in STATISTICS)


def _layer(calls: KerasCalls, node: Node, graph: Graph, *, named: bool) -> str:
    layer = calls.spec.layers[node.index]
    own: dict[str, Value] = {"name": node.name} if named or layer.name else {}
    if node.name in output_nodes(calls.spec) and calls.spec.fit.precision != "float32":
        own["dtype"] = layer.arguments.get("dtype", "float32")
    code = calls.call("layers", layer.class_name, layer.arguments | own)
    if returns_input(layer.class_name):  # and would be left out of a network: see `model/call_layer.py`
        return call("keras.layers.Pipeline", [f"[{code}]"])
    return code


def _sequential(calls: KerasCalls, graph: Graph, *, named: bool) -> Iterator[str]:
    layers = [f"keras.Input({_shape(calls.contract.shape)}{_dtype(calls)})"]
    levels = len(calls.contract.output.levels)
    for node in graph.nodes:
        code = _layer(calls, node, graph, named=named)
        if levels and node.name in member_outputs(calls.spec):
            layers.append(calls.ordering(levels))
        if _adapts(calls.spec.layers[node.index]):
            variable = identifier(node.name)
            yield f"{variable} = {code}"
            yield f"{variable}.adapt(x_train)"
            code = variable
        layers.append(code)
    if levels:
        layers.append(calls.ordering(levels))
    yield call("model = keras.Sequential", ["[\n" + textwrap.indent(",\n".join(layers), "    ") + ",\n]"])


def _dtype(calls: KerasCalls) -> str:
    return ', dtype="int64"' if calls.contract.dtype == "int64" else ""


def _shape(shape: tuple[int, ...]) -> str:
    return f"({shape[0]},)" if len(shape) == 1 else str(shape)


def _functional(calls: KerasCalls, graph: Graph, *, named: bool) -> Iterator[str]:
    inputs = {each.name: each.shape for each in calls.contract.inputs} or {ONLY_INPUT: calls.contract.shape}
    for name, shape in inputs.items():
        yield f"{identifier(name)} = keras.Input({_shape(shape)}, name={text(name)}{_dtype(calls)})"
    named = named or graph.named or bool(graph.inputs)
    embedded = {name: code for name in inputs if (code := _embedded(calls.contract, name))}
    for node in graph.nodes if embedded else ():  # which draw their seeds first, as in mlpcli
        yield f"{identifier(node.name)}_layer = {_layer(calls, node, graph, named=named)}"
    for name, code in embedded.items():
        yield f"{_tensor(name, embedded)} = {code}"
    taken = _by_name(tuple(inputs)) if graph.inputs else identifier(ONLY_INPUT)
    raw = inputs.keys() - embedded
    levels = levels_by_layer(calls.contract, graph)
    for node in graph.nodes:
        variable = identifier(node.name)
        code = f"{variable}_layer" if embedded else _layer(calls, node, graph, named=named)
        below = _below(node, calls.spec.layers[node.index], embedded)
        if _adapts(calls.spec.layers[node.index]):
            if not embedded:
                yield f"{variable}_layer = {code}"
            yield f"{variable}_layer.adapt({_rows_below(node, raw, taken, bool(graph.inputs), embedded)})"
            code = f"{variable}_layer"
        if node.name in member_outputs(calls.spec):
            below = calls.in_order(below, levels.get(node.name))
        yield f"{variable} = {code}({below})"
    written = {name: calls.in_order(identifier(name), levels.get(name)) for name in graph.outputs}
    outputs = "{" + ", ".join(f"{text(name)}: {code}" for name, code in written.items()) + "}"
    outputs = outputs if graph.named else written[graph.outputs[0]]
    yield call("model = keras.Model", [f"inputs={taken}", f"outputs={outputs}"])
    if levels and graph.named:  # by which the losses of the outputs are logged
        yield f"model.output_names = {text_list(sorted(graph.outputs))}"


def _embeddings(contract: Contract) -> dict[int, tuple[int, int]]:
    """Return the categories with an embedding; see `Preprocessor.embeddings`."""
    return contract.preprocessor.embeddings if contract.preprocessor is not None else {}


def _embedded(contract: Contract, name: str) -> str:
    """Return the source of an input with vectors for its categories; empty where none has any."""
    embeddings = _embeddings(contract)
    taken = {each.name: each.columns for each in contract.inputs}.get(name)
    places = list(range(contract.shape[0]) if taken is None else taken) if embeddings else []
    if contract.preprocessor is None or not embeddings.keys() & {*places}:
        return ""
    owners = {span.start: column for column, span in contract.preprocessor.spans.items()}
    variable = identifier(name)
    plain = [index for index, place in enumerate(places) if place not in embeddings]
    pieces = [f"keras.ops.take({variable}, np.array({plain}), axis=1)"] if plain else []
    for column, place in enumerate(places):
        if place in embeddings:
            slots, width = embeddings[place]
            layer_name = f"{name}_{contract.preprocessor.served[owners[place]]}_embedding"
            layer = f"keras.layers.Embedding({slots}, {width}, name={text(layer_name)})"
            pieces.append(f'{layer}(keras.ops.cast({variable}[:, {column}], "int32"))')
    if len(pieces) == 1:
        return pieces[0]
    listed = "".join(f"        {piece},\n" for piece in pieces)
    return f"keras.layers.Concatenate(name={text(f'{name}_with_embeddings')})(\n    [\n{listed}    ]\n)"


def _tensor(source: str, embedded: Collection[str]) -> str:
    """Return the variable that holds what a layer gets from an input or from another layer."""
    return identifier(f"{source}_with_embeddings" if source in embedded else source)


def _below(node: Node, layer: LayerSpec, embedded: Collection[str] = ()) -> str:
    """Return what a layer is called with: one tensor, or a list of those that it merges."""
    names = [_tensor(source, embedded) for source in node.sources]
    if not node.many:
        return names[0]
    if keras_signatures.call_argument("layers", layer.class_name) not in ("inputs", "args"):
        return ", ".join(names)
    merges = len(names) > 1 or "Merge" in keras_signatures.base_names("layers", layer.class_name)
    return f"[{', '.join(names)}]" if merges else names[0]


def _rows_below(
    node: Node, inputs: Collection[str], taken: str, named: bool, embedded: Collection[str]
) -> str:
    """Return the training rows as they reach a layer."""
    source = node.sources[0]
    if source in inputs:
        return f"x_train[{text(source)}]" if named else "x_train"
    below = _below(node, LayerSpec(class_name="Flatten"), embedded) if len(node.sources) == 1 else ""
    return f"np.asarray(keras.Model({taken}, {below})(x_train, training=False))"


def _by_name(names: tuple[str, ...]) -> str:
    return "{" + ", ".join(f"{text(name)}: {identifier(name)}" for name in names) + "}"
