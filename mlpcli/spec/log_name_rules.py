"""The objective of a search and the monitors of callbacks, held against the metrics of the spec alone.

What cannot be said without the built model is left to its check: the metrics that are chosen for a target,
those of plug-ins, other spellings of a metric, and whether there are validation rows.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlpcli.errors import KeyPath, Problem, listing, nearest
from mlpcli.spec.component_forms import class_meant
from mlpcli.spec.keras_source import snake_case
from mlpcli.spec.plugins import Catalog
from mlpcli.spec.schema import ComponentSpec, Spec

VALIDATION, LOSS, LEARNING_RATE = "val_", "loss", "learning_rate"


def log_name_problems(spec: Spec, catalog: Catalog) -> Iterator[Problem]:
    """Yield a problem for the objective and each monitor that no logged value can have as its name."""
    bare = _bare_names(spec, catalog)
    if bare is None:
        return
    validated = bool(spec.dataset.validation) or bool(spec.fit.folds)
    known = [*bare, *(f"{VALIDATION}{name}" for name in bare if validated)]
    for path, name in _given(spec, catalog):
        if name.startswith(VALIDATION) and not validated:
            continue
        word = name.removeprefix(VALIDATION)
        if any(word == each or word.startswith(f"{each}_") for each in bare):
            continue
        if class_meant(word, "metrics", catalog) or (word == LEARNING_RATE and path[0] == "callbacks"):
            continue
        hint = f"{nearest(name, known)} available: {listing(known)}".strip()
        yield Problem("no metric has this name", path=path, received=name, hint=hint)


def _given(spec: Spec, catalog: Catalog) -> Iterator[tuple[KeyPath, str]]:
    """Yield the names of logged values in a spec, with their paths."""
    objective = spec.tuner.objective if spec.tuner is not None else None
    if isinstance(objective, str):
        yield ("tuner", "objective"), objective
    elif objective is not None:
        yield ("tuner", "objective", "name"), objective.name
    for index, callback in enumerate(spec.callbacks):
        monitor = callback.arguments.get("monitor")
        if isinstance(monitor, str) and catalog.plugin_of(callback.class_name) is None:
            yield ("callbacks", index, callback.class_name, "monitor"), monitor


def _bare_names(spec: Spec, catalog: Catalog) -> list[str] | None:
    """Return the names of an epoch's values on the training rows; None where only the model can say them."""
    if spec.metrics is None or spec.model is not None or catalog.plugins or not catalog.complete:
        return None
    graph = spec.graph
    if isinstance(spec.metrics, list):
        return None if graph.named else [LOSS, *(_name(metric, catalog) for metric in spec.metrics)]
    names = [f"{output}_{LOSS}" for output in graph.outputs]
    for output, several in spec.metrics.items():
        names += [f"{output}_{_name(metric, catalog)}" for metric in several]
    return [LOSS, *names]


def _name(metric: ComponentSpec, catalog: Catalog) -> str:
    """Return the name of a metric of Keras's or mlpcli's: its argument, its default, or that of its class."""
    word = metric.class_name
    if not word[:1].isupper():
        return word
    given = metric.arguments.get("name") or catalog.signature("metrics", word).defaults.get("name")
    return str(given) if given else snake_case(word)
