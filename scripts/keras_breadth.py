#!/usr/bin/env python
"""Count the public classes of Keras that a spec can say; with `--write`, write docs/keras.md.

    python scripts/keras_breadth.py --write

A test compares the page with the installed Keras, so that a class of a new version is not overlooked.
"""

# ruff: noqa: E501 - lines of a table

from __future__ import annotations

import argparse
import inspect
import sys
from collections import defaultdict
from pathlib import Path
from types import ModuleType

from mlpcli.spec import keras_signatures
from mlpcli.spec.component_rules import forbidden

PAGE = Path(__file__).parents[1] / "docs" / "keras.md"

BASES = {"Layer": "layers", "Optimizer": "optimizers"}
"""Base classes that stand beside those based on them, with their kind."""

OUTSIDE = {
    "keras": "parts of Keras's own machinery: tensors, variables, scopes",
    "keras.distillation": "trains a student by a teacher, which needs a training step of its own",
    "keras.distribution": "divides arrays among devices, under Keras's JAX backend",
    "keras.dtype_policies": "a policy is said by its name: `fit.precision`, or a layer's `dtype: mixed_bfloat16`",
    "keras.export": "`train` writes the SavedModel itself",
    "keras.models": "the spec's `layers` are the model; a class based on `Model` comes from a plug-in",
    "keras.quantizers": "quantizes the weights of a trained model; a spec describes its training",
    "keras.random": "the spec's `seed` seeds every generator; a component's own `seed` is a number",
    "keras.saving": "edits a file of weights",
    "keras.tree": "a marker for nested structures",
    "keras.utils": "for Python programs: custom objects, bars, data in memory",
    "keras.wrappers": "makes a scikit-learn estimator of a model",
}
"""Why no class of a module is a component of a spec, by module."""


def public_classes() -> dict[str, list[str]]:
    """Return the names of Keras's public classes by module; one of several names for each class."""
    from mlpcli.keras_import import import_keras

    import_keras()
    import keras

    names: dict[type, list[str]] = {}
    _collect(keras, "keras", names)
    found: dict[str, list[str]] = defaultdict(list)
    for paths in names.values():
        module, _, name = min(paths, key=_preference).rpartition(".")
        found[module].append(name)
    return {module: sorted(found[module]) for module in sorted(found)}


def _collect(module: ModuleType, path: str, names: dict[type, list[str]]) -> None:
    for name in sorted(dir(module)):
        value = getattr(module, name)
        if name.startswith("_") or name in ("legacy", "src"):
            continue
        if inspect.isclass(value):
            names.setdefault(value, []).append(f"{path}.{name}")
        elif inspect.ismodule(value) and value.__name__ == f"{path}.{name}":
            _collect(value, f"{path}.{name}", names)


def _preference(path: str) -> tuple[bool, bool, bool, int, str]:
    module = path.rpartition(".")[0]
    other = module.removeprefix("keras.") not in keras_signatures.NAMESPACES
    return other, module not in OUTSIDE, module == "keras", len(path), path


def activations() -> tuple[list[str], list[str]]:
    """Return the activation functions of Keras that a spec can say, and those that it cannot."""
    from mlpcli.keras_import import keras

    tools = ("get", "serialize", "deserialize")
    functions = [name for name, _ in inspect.getmembers(keras.activations, callable) if name not in tools]
    known = keras_signatures.short_names("activations")
    return [name for name in functions if name in known], [name for name in functions if name not in known]


def refusal(module: str, name: str) -> str:
    """Return why a spec cannot say a class; an empty text if it can."""
    namespace = module.removeprefix("keras.")
    if namespace not in keras_signatures.NAMESPACES:
        return OUTSIDE[module]
    if BASES.get(name) == namespace:
        return f"{name} does nothing by itself: name a class that is based on it"
    return forbidden(namespace, name)


def page() -> str:
    """Return the text of the page."""
    classes = public_classes()
    reasons = {(module, name): refusal(module, name) for module, names in classes.items() for name in names}
    said = sum(not reason for reason in reasons.values())
    lines = [
        "# Keras's classes in a spec",
        "",
        f"Keras has {len(reasons)} public classes. {said} are components that a spec can say, with every argument of",
        "their `__init__` that is a number, text, list or component. `scripts/keras_breadth.py --write` writes this",
        "page from the installed Keras; tests compare it, and build each class as Keras does.",
        "",
        "| module | public classes | in a spec |",
        "|---|---|---|",
    ]
    for module, names in classes.items():
        count = sum(not reasons[module, name] for name in names)
        lines.append(f"| `{module}` | {len(names)} | {count} |")
    functions, others = activations()
    lines.append(f"| `keras.activations` (functions) | {len(functions) + len(others)} | {len(functions)} |")
    lines += ["", "## What a spec cannot say, and why", "", "| class | reason |", "|---|---|"]
    for module, names in classes.items():
        refused = [name for name in names if reasons[module, name]]
        if module in OUTSIDE:
            listed = ", ".join(f"`{name}`" for name in refused)
            lines.append(f"| {module}: {listed} | {OUTSIDE[module]} |")
            continue
        lines += (f"| {module}: `{name}` | {reasons[module, name]} |" for name in refused)
    return "\n".join(lines) + "\n" + NOTES


NOTES = """
## How Keras's values are written

| in Keras | in a spec |
|---|---|
| `RNN([GRUCell(3), LSTMCell(2)])` | `RNN: {cell: [{GRUCell: {units: 3}}, {LSTMCell: {units: 2}}]}` |
| `Pipeline([RandomFlip(), RandomZoom(0.2)])` | `Pipeline: {layers: [RandomFlip, {RandomZoom: {height_factor: 0.2}}]}` |
| `MultiOptimizer(OptimizerMap(SGD(), {"dense/.*": Adam()}))` | `MultiOptimizer: {optimizer_map: {OptimizerMap: {default_optimizer: SGD, optimizer_map: {'dense/.*': Adam}}}}` |
| `TextVectorization(ngrams=(1, 2))` | `TextVectorization: {ngrams: [1, 2]}`: a list becomes a tuple where Keras takes only that |
| `SGD(learning_rate=1.0)` | `SGD: {learning_rate: 1}`: a whole number becomes a float where Keras takes only that |

`Equalization` returns its input's own symbol, by which Keras leaves it out of a network; mlpcli wraps it in a
`Pipeline` of the same name. The text layers `StringLookup` and `TextVectorization` have no place in a network
whose inputs are numbers: text columns of a table are [encoded before it](tables.md). The losses `Circle` (of
embeddings) and `CTC` (of sequences of labels) have targets of their own: see [spec.md](spec.md#embeddings).

## Ids

An array of integers keeps its digits (`int64`, also in `saved_model/`) where only `Embedding`,
`ReversibleEmbedding`, `CategoryEncoding`, `Hashing`, `HashedCrossing` or `IntegerLookup` read the input;
otherwise it becomes float32, as before. An id below 0, or not below `input_dim` or `num_tokens`, is an error of
`check` with its row; at `predict` and `evaluate` it is a row to name, which `--rejects` takes.
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write docs/keras.md, instead of printing it")
    if parser.parse_args().write:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())
