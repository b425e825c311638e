"""A spec as a standalone Keras script: the same data, network and training, without mlpcli.

For readers who want to see what a spec means, and so that nobody is locked in. With `fit: {engine: keras}`
mlpcli and the script reach the same weights: the script carries the order of rows, a function of seed and
epoch, and makes its layers in the same order from the same seed.
"""

from __future__ import annotations

import keyword
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlpcli
from mlpcli import runs
from mlpcli.checks.log_names import more_is_better
from mlpcli.codegen.data import data_code
from mlpcli.codegen.extract import read_pieces
from mlpcli.codegen.names import check_names, name_part
from mlpcli.codegen.source import DataCode, cannot_write, text, text_list
from mlpcli.data.dataset import Contract, Dataset
from mlpcli.spec import keras_signatures
from mlpcli.spec.component_rules import namespace_of_argument
from mlpcli.spec.keras_source import snake_case
from mlpcli.spec.layer_graph import ONLY_INPUT, Graph, Node
from mlpcli.spec.load import LoadedSpec, located
from mlpcli.spec.schema import ComponentSpec, LayerSpec, Spec
from mlpcli.training.find_data import load_data
from mlpcli.training.prepare import complete

WIDTH = 100
CUSTOM_OBJECTS = Path(__file__).parents[1] / "model" / "custom_objects.py"
STATISTICS = ("mean", "vocabulary", "bin_boundaries")
"""Arguments of a layer that learns from data, which spare it the learning."""

FILES = {"CSVLogger": ("filename", "log.csv"), "TensorBoard": ("log_dir", "tensorboard")}
"""Callbacks that write, each with where in the script's folder when the spec does not say."""

BEST = "best.weights.h5"


def script_of(loaded: LoadedSpec) -> str:
    """The script of a spec; its data is read for what only it can tell, such as the classes.

    Raises:
        SpecError, DataError: the spec and its data do not go together.
        UsageError: see `write_script`.
    """
    with located(loaded):
        dataset = load_data(loaded)
        loaded, _ = complete(loaded, dataset)
    return write_script(loaded, dataset)


def write_script(loaded: LoadedSpec, dataset: Dataset) -> str:
    """The script of a spec whose losses and metrics are filled in, over its data.

    Raises:
        UsageError: the spec holds what a script cannot (plug-ins).
    """
    spec = loaded.spec
    if spec.plugins:
        raise cannot_write("plug-ins", "they are Python already: import them into a script of your own")
    writer = _Writer(spec, dataset.contract)
    graph = spec.graph
    check_names([*(node.name for node in graph.nodes), *graph.inputs, *graph.outputs])
    data = data_code(spec, dataset, loaded.folder)
    model = [*_model(writer, graph)]
    training = [*_training(writer, data)]
    blocks = [
        _head(loaded),
        _imports(data),
        "\n".join(_settings(spec)),
        *_function_blocks([*data.functions, *writer.pieces(), *_batches(spec)]),
        "# Data\n" + "\n".join(data.lines),
        "# Model\n" + "\n".join(model),
        "# Training\n" + "\n".join(training),
        "# Results\n" + "\n".join(_results(spec, data)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _head(loaded: LoadedSpec) -> str:
    file = text(loaded.file.name)[1:-1]  # a file may be named `"""` and then some Python
    lines = [
        f'"""{loaded.spec.name}: what `mlpcli train {file}` does, in Keras alone.',
        "",
        f"Written by mlpcli {mlpcli.__version__}; with fit.engine: keras it reaches the same weights.",
        '"""',
    ]
    return "\n".join(lines)


def _imports(data: DataCode) -> str:
    """Three groups: the future, the standard library, the rest."""
    standard = sorted(line for line in data.imports if line in ("import os", "import csv"))
    rest = ["import keras", "import numpy as np", *(line for line in data.imports if line not in standard)]
    rest.sort(key=lambda line: (line.startswith("from"), line))
    groups = ["from __future__ import annotations", "\n".join(standard), "\n".join(rest)]
    return "\n\n".join(group for group in groups if group)


def _settings(spec: Spec) -> Iterator[str]:
    yield f"SEED = {spec.seed}"
    yield f"EPOCHS = {spec.fit.epochs}"
    yield f"BATCH_SIZE = {spec.fit.batch_size}"


def _function_blocks(blocks: list[str]) -> list[str]:
    return [f"\n{block}" for block in blocks] + ([""] if blocks else [])


# ---------------------------------------------------------------- parts


class _Writer:
    """Writes Keras parts as Python, and remembers which of our own it used."""

    def __init__(self, spec: Spec, contract: Contract) -> None:
        self.spec, self.contract = spec, contract
        self.own: set[str] = set()

    def pieces(self) -> list[str]:
        """The source of our own parts that were used."""
        return read_pieces(CUSTOM_OBJECTS, sorted(self.own), given=("keras", "np", "Any"))

    def part(self, part: ComponentSpec, namespace: str) -> str:
        """A loss, metric, optimizer or callback; short names stay texts."""
        name = part.class_name
        if name in keras_signatures.class_names(namespace):
            return self.call(namespace, name, part.arguments)
        return self.short(name, namespace)

    def short(self, name: str, namespace: str) -> str:
        """A short name, or our own part that it stands for."""
        if name not in keras_signatures.own_short_names(namespace):
            return text(name.lower() if namespace == "optimizers" else name)
        if namespace == "losses":
            owners = keras_signatures.own_class_names("losses")
            name = next(each for each in owners if snake_case(each) == name)
            self.own.add(name)
            return f"{name}()"
        self.own.add(name)
        return name

    def call(self, namespace: str, class_name: str, arguments: dict[str, Any]) -> str:
        """`keras.layers.Dense(units=10, activation="relu")`."""
        owner = f"keras.{namespace}."
        if class_name in keras_signatures.own_class_names(namespace):
            self.own.add(class_name)
            owner = ""
        given = [f"{name}={self.value(name, value)}" for name, value in arguments.items()]
        return call(f"{owner}{class_name}", given)

    def value(self, name: str, value: Any) -> str:
        """An argument's value as Python source."""
        namespace = namespace_of_argument(name, value)
        if isinstance(value, dict) and namespace:
            ((class_name, arguments),) = value.items()
            return self.call(namespace, class_name, arguments or {})
        if isinstance(value, str):
            if namespace == "layers":
                return self.call("layers", value, {})
            return self.short(value, namespace) if namespace else text(value)
        if isinstance(value, list):
            return "[" + ", ".join(self.value(name, item) for item in value) + "]"
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key!r}: {self.value('', item)}" for key, item in value.items()) + "}"
        return f'float("{value}")' if value in (float("inf"), float("-inf")) else repr(value)


def call(function: str, arguments: list[str]) -> str:
    """A call on one line, or an argument a line where it is too long."""
    one_line = f"{function}({', '.join(arguments)})"
    if len(one_line) <= WIDTH and "\n" not in one_line:
        return one_line
    inside = "".join(textwrap.indent(f"{argument},\n", "    ") for argument in arguments)
    return f"{function}(\n{inside})"


# ---------------------------------------------------------------- the network


def _model(writer: _Writer, graph: Graph) -> Iterator[str]:
    spec = writer.spec
    if spec.fit.precision != "float32":
        yield f"keras.config.set_dtype_policy({text(spec.fit.precision)})"
    yield "keras.utils.set_random_seed(SEED)"
    own_names = spec.start_from is not None  # by which weights are taken over
    if _is_stack(graph) and not any(_adapts(spec.layers[node.index]) for node in graph.nodes[1:]):
        yield from _sequential(writer, graph, named=own_names)
    else:
        yield from _functional(writer, graph, named=own_names)
    if spec.start_from is not None:
        yield from _reused(spec)
    yield "model.summary()"


def _reused(spec: Spec) -> Iterator[str]:
    """Weights of a trained model in layers of the same names."""
    start = spec.start_from
    assert start is not None
    model_file = Path(start.run) / runs.MODEL
    yield f"trained = keras.saving.load_model({text(str(model_file))}, compile=False)"
    if start.layers is None:
        names = "[layer.name for layer in model.layers if layer.weights]"
        yield f"for name in {names}:"
        yield "    if name not in [layer.name for layer in trained.layers]:"
        yield "        continue"
    else:
        yield f"for name in {text_list(list(start.layers))}:"
    yield "    model.get_layer(name).set_weights(trained.get_layer(name).get_weights())"
    if start.freeze:
        yield "    model.get_layer(name).trainable = False"


def _is_stack(graph: Graph) -> bool:
    above = (ONLY_INPUT, *(node.name for node in graph.nodes))
    chained = all(node.sources == (above[place],) for place, node in enumerate(graph.nodes))
    return chained and not graph.inputs and not graph.named


def _adapts(layer: LayerSpec) -> bool:
    """Whether a layer learns from the data before it is trained."""
    learns = keras_signatures.has_method("layers", layer.class_name, "adapt")
    return learns and all(layer.arguments.get(name) is None for name in STATISTICS)


def _layer(writer: _Writer, node: Node, graph: Graph, *, named: bool) -> str:
    layer = writer.spec.layers[node.index]
    own: dict[str, Any] = {"name": node.name} if named or layer.name else {}
    if node.name in graph.outputs and writer.spec.fit.precision != "float32":
        own["dtype"] = layer.arguments.get("dtype", "float32")
    return writer.call("layers", layer.class_name, layer.arguments | own)


def _sequential(writer: _Writer, graph: Graph, *, named: bool) -> Iterator[str]:
    layers = [f"keras.Input({_shape(writer.contract.shape)})"]
    for node in graph.nodes:
        code = _layer(writer, node, graph, named=named)
        if _adapts(writer.spec.layers[node.index]):
            variable = identifier(node.name)
            yield f"{variable} = {code}"
            yield f"{variable}.adapt(x_train)"
            code = variable
        layers.append(code)
    yield call("model = keras.Sequential", ["[\n" + textwrap.indent(",\n".join(layers), "    ") + ",\n]"])


def _shape(shape: tuple[int, ...]) -> str:
    return f"({shape[0]},)" if len(shape) == 1 else str(shape)


def _functional(writer: _Writer, graph: Graph, *, named: bool) -> Iterator[str]:
    inputs = {each.name: each.shape for each in writer.contract.inputs} or {ONLY_INPUT: writer.contract.shape}
    for name, shape in inputs.items():
        yield f"{identifier(name)} = keras.Input({_shape(shape)}, name={text(name)})"
    taken = _by_name(tuple(inputs)) if graph.inputs else identifier(ONLY_INPUT)
    named = named or graph.named or bool(graph.inputs)
    for node in graph.nodes:
        code = _layer(writer, node, graph, named=named)
        variable = identifier(node.name)
        below = _below(node, writer.spec.layers[node.index])
        if _adapts(writer.spec.layers[node.index]):
            yield f"{variable}_layer = {code}"
            yield f"{variable}_layer.adapt({_rows_below(node, inputs, taken, bool(graph.inputs))})"
            code = f"{variable}_layer"
        yield f"{variable} = {code}({below})"
    outputs = _by_name(graph.outputs) if graph.named else identifier(graph.outputs[0])
    yield call("model = keras.Model", [f"inputs={taken}", f"outputs={outputs}"])


def _below(node: Node, layer: LayerSpec) -> str:
    """What a layer is called with: one tensor, or a list of those that it merges."""
    names = [identifier(source) for source in node.sources]
    if not node.many:
        return names[0]
    if keras_signatures.call_argument("layers", layer.class_name) not in ("inputs", "args"):
        return ", ".join(names)
    merges = len(names) > 1 or "Merge" in keras_signatures.base_names("layers", layer.class_name)
    return f"[{', '.join(names)}]" if merges else names[0]


def _rows_below(node: Node, inputs: dict[str, Any], taken: str, named: bool) -> str:
    """The training rows as they come into a layer."""
    source = node.sources[0]
    if source in inputs:
        return f"x_train[{text(source)}]" if named else "x_train"
    below = _below(node, LayerSpec(class_name="Flatten")) if len(node.sources) == 1 else ""
    return f"np.asarray(keras.Model({taken}, {below})(x_train, training=False))"


def _by_name(names: tuple[str, ...]) -> str:
    return "{" + ", ".join(f"{text(name)}: {identifier(name)}" for name in names) + "}"


RESERVED = {"keras", "np", "os", "csv", "model", "history", "data", "rows", "batches", "callbacks", "input"}
RESERVED |= {"x", "y", "w", "scale", "offset", "counts", "class_weight", "load", "read_table"}


def identifier(name: str) -> str:
    """A layer's name as a variable of the script."""
    made = name_part(name)
    made = f"_{made}" if made[:1].isdigit() else made
    taken = keyword.iskeyword(made) or made in RESERVED or made.startswith(("x_", "y_", "w_"))
    return f"{made}_" if taken else made


# ---------------------------------------------------------------- training


def _training(writer: _Writer, data: DataCode) -> Iterator[str]:
    spec = writer.spec
    compiled = [
        f"loss={_losses(writer)}",
        f"optimizer={writer.part(spec.optimizer, 'optimizers')}",
        f"metrics={_metrics(writer)}",
    ]
    if spec.loss_weights:
        compiled.append(f"loss_weights={spec.loss_weights}")
    yield call("model.compile", compiled)
    callbacks = [code for part in spec.callbacks if (code := _callback(writer, part))]
    rows = ", w_train" if data.weighted else ""
    arguments = ["x_train", "y_train", *(["sample_weight=w_train"] if rows else []), "batch_size=BATCH_SIZE"]
    if spec.fit.shuffle:
        yield f"batches = Batches((x_train, y_train{rows}))"
        callbacks.append("keras.callbacks.LambdaCallback(on_epoch_begin=batches.reorder)")
        arguments = ["batches"]
    arguments += ["epochs=EPOCHS", "shuffle=False"]
    if "validation" in data.splits:
        weights = ", w_validation" if data.weighted else ""
        arguments.append(f"validation_data=(x_validation, y_validation{weights})")
        arguments.append("validation_batch_size=BATCH_SIZE")
    if callbacks:
        listed = textwrap.indent(",\n".join(callbacks), "    ")
        arguments.append(f"callbacks=[\n{listed},\n]")
    yield call("history = model.fit", arguments)
    if any(_is_best(part) for part in spec.callbacks):
        yield f"model.load_weights({text(BEST)})"


def _losses(writer: _Writer) -> str:
    loss, outputs = writer.spec.loss, writer.contract.outputs
    assert loss is not None
    if not outputs[0].name:
        assert isinstance(loss, ComponentSpec)
        return writer.part(loss, "losses")
    by_output = {each.name: loss[each.name] if isinstance(loss, dict) else loss for each in outputs}
    return _mapping(by_output, lambda part: writer.part(part, "losses"))


def _metrics(writer: _Writer) -> str:
    metrics, outputs = writer.spec.metrics or [], writer.contract.outputs

    def listed(parts: list[ComponentSpec]) -> str:
        return "[" + ", ".join(writer.part(part, "metrics") for part in parts) + "]"

    if not outputs[0].name:
        assert isinstance(metrics, list)
        return listed(metrics)
    each_has = {
        each.name: metrics.get(each.name, []) if isinstance(metrics, dict) else metrics for each in outputs
    }
    return _mapping(each_has, listed)


def _mapping(values: dict[str, Any], write: Callable[[Any], str]) -> str:
    return "{" + ", ".join(f"{text(name)}: {write(value)}" for name, value in values.items()) + "}"


def _is_best(part: ComponentSpec) -> bool:
    return part.class_name == "ModelCheckpoint" and bool(part.arguments.get("save_best_only"))


def _callback(writer: _Writer, part: ComponentSpec) -> str:
    """A callback, or an empty text for one that only keeps files of a run folder."""
    arguments = dict(part.arguments)
    if (
        part.off
        or part.class_name == "BackupAndRestore"
        or (part.class_name == "ModelCheckpoint" and not _is_best(part) and "filepath" not in arguments)
    ):
        return ""
    if _is_best(part):
        arguments |= {"filepath": BEST, "save_weights_only": True}
        monitor = str(arguments.get("monitor", "val_loss"))
        if arguments.get("mode", "auto") == "auto":  # Keras tells it from the names of built metrics alone
            arguments["mode"] = "max" if more_is_better(monitor) else "min"
    elif part.class_name in FILES:
        argument, default = FILES[part.class_name]
        arguments.setdefault(argument, default)
    return writer.call("callbacks", part.class_name, arguments)


BATCHES = '''\
def epoch_order(epoch, rows):
    """The order of rows in an epoch, from SEED and the epoch alone, as mlpcli has it."""
    entropy = np.random.SeedSequence((SEED, epoch))
    return np.random.Generator(np.random.Philox(entropy)).permutation(rows)


class Batches(keras.utils.PyDataset):
    """Batches of (x, y) or (x, y, weights) in the order of the epoch."""

    def __init__(self, arrays):
        super().__init__()
        self.arrays, self.rows = arrays, len(keras.tree.flatten(arrays)[0])
        self.reorder(0)

    def reorder(self, epoch, logs=None):
        self.order = epoch_order(epoch, self.rows)

    def __len__(self):
        return -(-self.rows // BATCH_SIZE)

    def __getitem__(self, index):
        rows = self.order[index * BATCH_SIZE : (index + 1) * BATCH_SIZE]
        return keras.tree.map_structure(lambda array: array[rows], self.arrays)'''


def _batches(spec: Spec) -> list[str]:
    return [BATCHES] if spec.fit.shuffle else []


def _results(spec: Spec, data: DataCode) -> Iterator[str]:
    if "test" in data.splits:
        weights = ", sample_weight=w_test" if data.weighted else ""
        yield f"print(model.evaluate(x_test, y_test{weights}, return_dict=True, verbose=0))"
    if spec.dataset.target_scaling is not None:
        yield "# Metrics above are of the scaled target; predictions * scale + offset are in its own units."
    yield f"model.save({text(spec.name + '.keras')})"
