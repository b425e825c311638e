"""Refuse Keras classes whose own code could run code or open files, judged by their source.

Every name that a class's methods use is resolved: through its bases, the functions of their modules and the
other Keras classes that they create. Names that only compute are in `HARMLESS`. A class that uses any other
name (`tensorflow.saved_model.load`, `jax`, `open`) is refused, unless `GUARDS` says what makes it safe in a
spec. Additions of a later Keras are therefore refused until somebody has reviewed them.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from mlpcli.spec import keras_signatures
from mlpcli.spec.keras_signatures import Definition
from mlpcli.spec.keras_source import syntax_tree, top_level

MODULES = "keras.src.utils.module_utils."
"""The module through which Keras imports other packages: `from ...module_utils import tensorflow as tf`."""

HARMLESS = (
    # modules of Python that only compute
    *("collections", "copy", "functools", "inspect", "itertools", "json", "logging", "math", "operator"),
    *("random", "re", "string", "sys.exc_info", "sys.version_info", "time", "types", "typing", "warnings"),
    *(
        "enum",
        "ml_dtypes",
        "scipy.signal.get_window",
        "torch.Tensor",
        "torch.from_numpy",
    ),  # torch: only under Keras's PyTorch backend
    # Keras's own arithmetic
    *("keras.KerasTensor", "keras.backend", "keras.ops", "keras.src.api_export", "keras.src.backend"),
    *("keras.src.activations", "keras.src.callbacks", "keras.src.constraints", "keras.src.dtype_policies"),
    *("keras.src.initializers", "keras.src.layers", "keras.src.losses", "keras.src.metrics", "keras.src.ops"),
    *("keras.src.optimizers", "keras.src.quantizers", "keras.src.random", "keras.src.regularizers"),
    *("keras.src.tree", "keras.src.trainers.compile_utils", "keras.src.trainers.data_adapters"),
    # loads only layers that the class itself saved, since no argument in a spec can be a saved layer
    "keras.src.saving.serialization_lib",
    *(
        f"keras.src.utils.{name}"
        for name in (
            *("argument_validation", "backend_utils", "image_utils.smart_resize", "io_utils.print_msg"),
            *(
                "jax_utils.is_in_jax_tracing_scope",
                "is_default",
                "numerical_utils",
                "progbar",
                "removeprefix",
            ),
            *("python_utils.default", "python_utils.pythonify_logs", "python_utils.to_list"),
            *("tf_utils.ensure_tensor", "tracking"),
        )
    ),
    # TensorFlow's arithmetic, on numbers and on texts
    *(
        f"tensorflow.{name}"
        for name in (
            *("Assert", "RaggedTensor", "SparseTensor", "Tensor", "Variable", "__internal__", "add"),
            *(
                "as_dtype",
                "as_string",
                "available",
                "bitcast",
                "cast",
                "compat.as_text",
                "concat",
                "constant",
            ),
            *("control_dependencies", "convert_to_tensor", "data.Dataset", "device", "distribute", "equal"),
            *(
                "executing_eagerly",
                "expand_dims",
                "gather",
                "gather_nd",
                "identity",
                "init_scope",
                "is_tensor",
            ),
            *("lookup.KeyValueTensorInitializer", "lookup.StaticHashTable", "lookup.experimental", "map_fn"),
            *("math", "ones_like", "pad", "ragged", "range", "reduce_mean", "reshape", "shape", "size"),
            *("required_space_to_batch_paddings", "sparse", "squeeze", "string", "strings", "unique"),
            *("unique_with_counts", "where", "zeros_like"),
        )
    ),
)
"""Modules and names that only compute."""

HARMFUL = (
    *(
        f"builtins.{name}"
        for name in ("open", "exec", "eval", "compile", "__import__", "input", "breakpoint")
    ),
    *(f"numpy.{name}" for name in ("load", "save", "savez", "savetxt", "loadtxt", "genfromtxt", "fromfile")),
    *(
        "numpy.memmap",
        "numpy.lib",
        "numpy.ctypeslib",
        "numpy.f2py",
        "numpy.DataSource",
        "logging.FileHandler",
    ),
    *(
        "logging.handlers",
        "keras.src.backend.torch",
        "keras.src.backend.jax",
        "keras.src.backend.tensorboard",
    ),
    "keras.src.saving.serialization_lib.enable_unsafe_deserialization",
    *("keras.src.layers.serialize", "keras.src.layers.deserialize", "random.seed"),
)
"""Exceptions in the modules of `HARMLESS`, in Python's built-in functions and in NumPy."""

ROOTS = ("Layer", "Operation", "Loss", "Metric", "BaseOptimizer", "Optimizer", "Callback", "KerasSaveable")
"""The root classes, which every network uses."""

NEVER_CALLED = (
    *("get_config", "from_config", "get_build_config", "build_from_config"),
    *("save_assets", "load_assets", "save_own_variables", "load_own_variables", "load_vocabulary"),
)
"""Methods that Keras calls to save a model or to read a saved one. mlpcli reads only weights, and saves only
into the run folder."""


@dataclass(frozen=True)
class Guard:
    """A rule that makes classes safe although they use some harmful names.

    Attributes:
        uses: the harmful names.
        namespace: the kind of class.
        classes: the classes; empty for every class with the argument `lists`.
        lists: an argument that must be a list, because a text would be the path of a file.
        hint: what to write instead of a path.
    """

    uses: tuple[str, ...]
    namespace: str
    classes: tuple[str, ...] = ()
    lists: str = ""
    hint: str = field(default="", compare=False)

    def holds_for(self, namespace: str, class_name: str) -> bool:
        """Return whether this rule applies to a class."""
        if namespace != self.namespace:
            return False
        if self.classes:
            return class_name in self.classes
        return self.lists in keras_signatures.signature(namespace, class_name).names


FILE_CALLBACKS = ("ModelCheckpoint", "CSVLogger", "TensorBoard", "BackupAndRestore")

GUARDS = (
    Guard(
        tuple(
            f"tensorflow.{name}"
            for name in ("io.gfile.exists", "lookup.TextFileInitializer", "lookup.TextFileIndex")
        ),
        "layers",
        lists="vocabulary",
        hint="write the words as a list: a spec cannot load a file into a layer",
    ),
    # They write only inside the run folder: see `make_callbacks`.
    Guard(
        (
            *("keras.src.utils.file_utils", "os.path", "os.listdir", "csv", "tensorflow", "tensorboard"),
            *("keras.src.backend.tensorboard", "google.protobuf"),
        ),
        "callbacks",
        FILE_CALLBACKS,
    ),
    # It sends each epoch's logs to the address in the spec, as docs/security.md states.
    Guard(("requests",), "callbacks", ("RemoteMonitor",)),
)

TAKES_FUNCTIONS = {
    ("layers", "Lambda"): "use Activation, Rescaling or another named layer",
    ("callbacks", "LambdaCallback"): "write a callback class in a plug-in",
    ("metrics", "MeanMetricWrapper"): "name the metric or loss itself, or write a function in a plug-in",
}
"""Classes that need a Python function, and what to use instead."""


@cache
def refusal(namespace: str, class_name: str) -> str:
    """Return why a spec may not use a Keras class, and what to use instead; an empty text if it may."""
    if instead := TAKES_FUNCTIONS.get((namespace, class_name)):
        return f"a spec runs no code: {instead}"
    if class_name not in keras_signatures.keras_class_names(namespace):
        return ""
    if not (found := unguarded(namespace, class_name)):
        return ""
    first = min(found, key=lambda name: (name.startswith("keras.src."), name))
    instead = "use other layers, or write one" if namespace == "layers" else "write a class of your own"
    return f"a spec runs no code and loads no file, and {class_name} uses {first}: {instead} in a plug-in"


def unguarded(namespace: str, class_name: str) -> frozenset[str]:
    """Return the names a Keras class uses that neither `HARMLESS` nor a guard allows."""
    guarded = [name for guard in GUARDS if guard.holds_for(namespace, class_name) for name in guard.uses]
    return frozenset(name for name in _used(namespace, class_name) if not _is_under(name, guarded))


def list_hint(namespace: str, class_name: str, argument: str) -> str:
    """Return the hint for an argument that must be a list, because a text would be the path of a file."""
    found = (guard for guard in GUARDS if guard.lists == argument and guard.holds_for(namespace, class_name))
    return next((guard.hint for guard in found), "")


def only_in_list(namespace: str, class_name: str) -> bool:
    """Return whether a class is allowed only in the list of callbacks, which its guard covers."""
    return any(class_name in guard.classes and namespace == guard.namespace for guard in GUARDS)


def _is_under(name: str, prefixes: tuple[str, ...] | list[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def _is_harmless(name: str) -> bool:
    if _is_under(name, HARMFUL):
        return False
    return name.split(".")[0] in ("builtins", "numpy") or _is_under(name, HARMLESS)


def _used(namespace: str, class_name: str) -> frozenset[str]:
    """Return the names that do more than compute, used by a class, its bases and the classes it creates."""
    found: set[str] = set()
    waiting = [_steps(keras_signatures.lineage(namespace, class_name))]
    seen: set[tuple[str, str]] = set()
    while waiting:
        for definition in waiting.pop():
            assert isinstance(definition.module, str)
            if (key := (definition.module, definition.node.name)) in seen:
                continue
            seen.add(key)
            for name in _names_in(*key):
                if not _is_harmless(name):
                    found.add(name)
                elif made := _class_of(name):
                    waiting.append(_steps(keras_signatures.lineage_of(made)))
    return frozenset(found)


def _steps(definitions: Iterator[Definition]) -> Iterator[Definition]:
    """Yield a class and its bases up to the root classes."""
    for definition in definitions:
        if definition.node.name in ROOTS:
            return
        yield definition


def _class_of(name: str) -> Definition | None:
    """Return the definition of the Keras class that a name refers to, if any."""
    module, _, last = name.rpartition(".")
    steps = name.split(".")
    if steps[:2] != ["keras", "src"] or steps[2] not in keras_signatures.NAMESPACES or not last[:1].isupper():
        return None
    return keras_signatures.find_class(module, last)


@cache
def _names_in(module: str, class_name: str) -> frozenset[str]:
    """Return the full names used in a class's methods and in the functions of its module that they call."""
    top = _definitions(module)
    imports = dict(_imports(module))
    found: set[str] = set()
    chains: list[list[str]] = []
    seen = {class_name}
    nodes: list[ast.AST] = [top[class_name]]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.FunctionDef) and node.name in NEVER_CALLED:
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            local = _imported(node)
            imports |= local
            found.update(name for name in local.values() if name != "tensorflow")
        elif steps := _attribute_steps(node):
            chains.append(steps)
            if steps[0] in top and steps[0] not in seen:
                seen.add(steps[0])
                nodes.append(top[steps[0]])
        else:
            nodes += ast.iter_child_nodes(node)
    for first, *rest in chains:
        if first in imports:
            found.add(".".join([imports[first], *rest]))
        elif first not in top and hasattr(builtins, first):
            found.add(f"builtins.{first}")
    return frozenset(found)


def _attribute_steps(node: ast.AST) -> list[str]:
    """Return `tf.io.gfile` as its three names; an empty list for any other expression."""
    steps: list[str] = []
    while isinstance(node, ast.Attribute):
        steps.append(node.attr)
        node = node.value
    return [node.id, *reversed(steps)] if isinstance(node, ast.Name) else []


@cache
def _definitions(module: str) -> dict[str, ast.stmt]:
    statements = top_level(syntax_tree(module))
    return {node.name: node for node in statements if isinstance(node, ast.FunctionDef | ast.ClassDef)}


@cache
def _imports(module: str) -> dict[str, str]:
    """Return the names that a module imports outside its functions, each with its full name."""
    found: dict[str, str] = {}
    for node in top_level(syntax_tree(module)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= _imported(node)
    return found


def _imported(node: ast.Import | ast.ImportFrom) -> dict[str, str]:
    if isinstance(node, ast.ImportFrom):
        return {
            alias.asname or alias.name: f"{node.module}.{alias.name}".removeprefix(MODULES)
            for alias in node.names
        }
    return {
        alias.asname or alias.name.split(".")[0]: alias.name if alias.asname else alias.name.split(".")[0]
        for alias in node.names
    }
