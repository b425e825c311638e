"""Check the `tuner` section of a spec against the installed Keras Tuner, without importing it."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from mlpcli.errors import Problem, nearest
from mlpcli.spec.schema import TunerSpec
from mlpcli.spec.values import Value

ALGORITHMS = ("RandomSearch", "GridSearch", "Hyperband", "BayesianOptimization")
OWN_KEYS = ("algorithm", "max_minutes", "promote", "seeds", "folds", "ensemble", "refit")
"""The keys of `tuner` that are ours, not Keras Tuner's."""

INSTEAD = {
    "hyperparameters": "write hyperparameters in the spec itself: {hp: int, min: 1, max: 8}",
    "tune_new_entries": "the spec defines what is searched",
    "allow_new_entries": "the spec defines what is searched",
    "hypermodel": "the spec defines the model",
    "executions_per_trial": "the best trials are trained again with several seeds: seeds: 3",
    "overwrite": "each search has its own folder: start a new one with mlpcli tune SPEC --fresh",
    "directory": "the folder is given with --runs-dir",
    "project_name": "the folder has the spec's name",
    "epochs": "the spec defines the epochs of a trial: fit.epochs",
    "direction": "write objective: {name: val_accuracy, direction: max}",
}
"""Arguments of Keras Tuner that a spec cannot give, and what to use instead."""


@cache
def arguments(algorithm: str) -> tuple[str, ...]:
    """Return the arguments of a Keras Tuner class that a spec can give, in the class's order."""
    node = next(node for node in _classes() if node.name == algorithm)
    init = next(n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
    names = [argument.arg for argument in (*init.args.args, *init.args.kwonlyargs)]
    return tuple(name for name in names if name != "self" and name not in INSTEAD)


@cache
def _classes() -> tuple[ast.ClassDef, ...]:
    found = importlib.util.find_spec("keras_tuner")  # finds the package's folder, runs none of its code
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("Keras Tuner is not installed: run scripts/run, or pip install mlpcli")
    folder = Path(found.submodule_search_locations[0]) / "src" / "tuners"
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.py"))]
    return tuple(node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef))


def check_tuner(tuner: Value) -> Iterator[Problem]:
    """Yield a problem for each key that the algorithm does not take; the schema checks types and values."""
    if not isinstance(tuner, dict):
        return
    algorithm = tuner.get("algorithm", "RandomSearch")
    if algorithm not in ALGORITHMS:
        hint = nearest(algorithm, ALGORITHMS) or f"available: {', '.join(ALGORITHMS)}"
        path = ("tuner", "algorithm")
        yield Problem("unknown search algorithm", path=path, received=algorithm, hint=hint)
        return
    known = (*OWN_KEYS[:1], *arguments(algorithm), *OWN_KEYS[1:])
    for key in tuner:
        if key not in known and (key in TunerSpec.model_fields or key in INSTEAD):
            hint = INSTEAD.get(key) or f"it takes {', '.join(known[1:])}"
            yield Problem(f"{algorithm} has no such argument", path=("tuner", key), received=key, hint=hint)
