"""What a Keras class's own code may do, read off its source: a spec runs no code and opens no files.

Every name that a class's methods use is followed to where it comes from: through its bases, the functions
of their modules and the other Keras classes that they make. Names that compute are in `HARMLESS`; a class
that uses any other (`tensorflow.saved_model.load`, `jax`, `open`) is refused, unless `GUARDS` says what keeps
it harmless in a spec. What a later Keras adds is therefore refused until somebody has read it.
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
"""Where Keras imports other packages from: `from keras.src.utils.module_utils import tensorflow as tf`."""

HARMLESS = (
    # Python's modules that compute
    *("collections", "copy", "functools", "inspect", "itertools", "json", "logging", "math", "operator"),
    *("random", "re", "string", "sys.exc_info", "sys.version_info", "time", "types", "typing", "warnings"),
    *(
        "enum",
        "ml_dtypes",
        "scipy.signal.get_window",
        "torch.Tensor",
        "torch.from_numpy",
    ),  # torch: under Keras's PyTorch backend alone
    # Keras's own arithmetic
    *("keras.KerasTensor", "keras.backend", "keras.ops", "keras.src.api_export", "keras.src.backend"),
    *("keras.src.activations", "keras.src.callbacks", "keras.src.constraints", "keras.src.dtype_policies"),
    *("keras.src.initializers", "keras.src.layers", "keras.src.losses", "keras.src.metrics", "keras.src.ops"),
    *("keras.src.optimizers", "keras.src.quantizers", "keras.src.random", "keras.src.regularizers"),
    *("keras.src.tree", "keras.src.trainers.compile_utils", "keras.src.trainers.data_adapters"),
    # of saved layers: those that the class made itself, since no argument in a spec can be a saved layer
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
"""Modules and names whose use does nothing but compute."""

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
"""What is excepted from the modules in `HARMLESS`, from Python's built-in functions and from NumPy."""

ROOTS = ("Layer", "Operation", "Loss", "Metric", "BaseOptimizer", "Optimizer", "Callback", "KerasSaveable")
"""The classes that every other stands on; what they do, every network does."""

NEVER_CALLED = (
    *("get_config", "from_config", "get_build_config", "build_from_config"),
    *("save_assets", "load_assets", "save_own_variables", "load_own_variables", "load_vocabulary"),
)
"""Methods that Keras calls when it saves a model or reads a saved one: `mlpcli` reads weights alone, and
saves into the run folder."""


@dataclass(frozen=True)
class Guard:
    """What keeps classes harmless although they use some names that are not.

    Attributes:
        uses: the names.
        namespace: the kind of class.
        classes: which classes; empty for any class with the argument `lists`.
        lists: an argument that may be a list and not a text, because a text is the path of a file.
    """

    uses: tuple[str, ...]
    namespace: str
    classes: tuple[str, ...] = ()
    lists: str = ""
    hint: str = field(default="", compare=False)

    def holds_for(self, namespace: str, class_name: str) -> bool:
        """Whether a class is guarded by this."""
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
        hint="write the words as a list: a spec reads no file into a layer",
    ),
    # They write where `make_callbacks` says: inside the run folder.
    Guard(
        (
            *("keras.src.utils.file_utils", "os.path", "os.listdir", "csv", "tensorflow", "tensorboard"),
            *("keras.src.backend.tensorboard", "google.protobuf"),
        ),
        "callbacks",
        FILE_CALLBACKS,
    ),
    # It sends the epochs' figures where the spec says, and docs/security.md says that it does.
    Guard(("requests",), "callbacks", ("RemoteMonitor",)),
)

TAKES_FUNCTIONS = {
    ("layers", "Lambda"): "use Activation, Rescaling or another named layer",
    ("callbacks", "LambdaCallback"): "write a callback class in a plug-in",
}
"""Classes that do nothing without a Python function, and what to use instead."""

MAPPINGS = (("callbacks", "RemoteMonitor", "headers"), ("callbacks", "TensorBoard", "embeddings_metadata"))
"""Arguments of Keras's classes that are plain mappings. Any other mapping would be a saved object, which
Keras would build: `{class_name: ..., module: ..., config: ...}`."""


@cache
def refusal(namespace: str, class_name: str) -> str:
    """Why no spec may use a class of Keras, and what to use instead; an empty text where one may."""
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
    """What a class of Keras uses that neither `HARMLESS` nor a guard allows."""
    guarded = [name for guard in GUARDS if guard.holds_for(namespace, class_name) for name in guard.uses]
    return frozenset(name for name in _used(namespace, class_name) if not _is_under(name, guarded))


def list_hint(namespace: str, class_name: str, argument: str) -> str:
    """What to write for an argument that may be a list alone, since a text would be the path of a file."""
    found = (guard for guard in GUARDS if guard.lists == argument and guard.holds_for(namespace, class_name))
    return next((guard.hint for guard in found), "")


def takes_mapping(namespace: str, class_name: str, argument: str) -> bool:
    """Whether an argument of a class of Keras's or of ours may be a mapping that is no component."""
    return (namespace, class_name, argument) in MAPPINGS


def stands_alone(namespace: str, class_name: str) -> bool:
    """Whether a class may stand in the list of callbacks alone, where its guard is, not in an argument."""
    return any(class_name in guard.classes and namespace == guard.namespace for guard in GUARDS)


def _is_under(name: str, prefixes: tuple[str, ...] | list[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def _is_harmless(name: str) -> bool:
    if _is_under(name, HARMFUL):
        return False
    return name.split(".")[0] in ("builtins", "numpy") or _is_under(name, HARMLESS)


def _used(namespace: str, class_name: str) -> frozenset[str]:
    """The names that a class uses, its bases and what it makes included, and that do more than compute."""
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
    """A class and its bases, as far as those that every class stands on."""
    for definition in definitions:
        if definition.node.name in ROOTS:
            return
        yield definition


def _class_of(name: str) -> Definition | None:
    """The layer, initializer or the like that a name stands for, which the class makes."""
    module, _, last = name.rpartition(".")
    steps = name.split(".")
    if steps[:2] != ["keras", "src"] or steps[2] not in keras_signatures.NAMESPACES or not last[:1].isupper():
        return None
    return keras_signatures.find_class(module, last)


@cache
def _names_in(module: str, class_name: str) -> frozenset[str]:
    """The full names of what a class's methods use, those of the functions of its module included."""
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
    """`tf.io.gfile` as its three names; nothing for what is no chain of names."""
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
    """The names that a module imports outside its functions, and what each stands for."""
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
