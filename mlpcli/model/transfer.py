"""`start_from`: layers of a trained run as the start of another network, frozen or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlpcli.errors import KeyPath, MlpcliError, Problem, SpecError, listing, nearest
from mlpcli.runs.folder import find_run, open_run
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.schema import StartFromSpec


def find_start(loaded: LoadedSpec, *, trusted: bool = False) -> LoadedSpec:
    """The spec with the run that it starts from named by its folder, so that it means one run for ever.

    trusted: the run may have plug-ins that this user has not run before.

    Raises:
        SpecError: there is no such run.
    """
    start = loaded.spec.start_from
    if start is None or Path(start.run).is_absolute():
        return loaded
    path: KeyPath = ("start_from", "run")
    try:
        run = find_run(start.run, loaded.runs_dir, trusted=trusted)
    except MlpcliError as error:
        problems = (replace(each, path=path, received=start.run) for each in error.problems)
        raise SpecError(*problems) from None
    found = start.model_copy(update={"run": str(run.folder.resolve())})
    return replace(loaded, spec=loaded.spec.model_copy(update={"start_from": found}))


def reuse_layers(model: Any, start: StartFromSpec) -> tuple[str, ...]:
    """Put a run's weights into the layers of the model that have the same names; tells which.

    start: names the run by its folder: see `find_start`.

    Raises:
        SpecError: a layer is in only one of the two, or its weights have other shapes.
        RunError: the run's model cannot be read.
    """
    from mlpcli.model.trained_model import load_trained

    trained = {layer.name: layer for layer in load_trained(open_run(Path(start.run))).model.layers}
    own = {layer.name: layer for layer in model.layers}
    shared = [name for name, layer in own.items() if name in trained and layer.weights]
    wanted = shared if start.layers is None else list(start.layers)
    problems = list(_problems(wanted, own, trained, start))
    if problems:
        raise SpecError(*problems)
    for name in wanted:
        own[name].set_weights(trained[name].get_weights())
        if start.freeze:
            own[name].trainable = False
    return tuple(wanted)


def _problems(
    wanted: list[str], own: dict[str, Any], trained: dict[str, Any], start: StartFromSpec
) -> Iterator[Problem]:
    path: KeyPath = ("start_from", "layers")
    if not wanted:
        hint = f"its layers are {listing(trained)}, this network's {listing(own)}"
        yield Problem("the run has no layer with weights of the same name", path=path[:1], hint=hint)
    for index, name in enumerate(wanted):
        where = path if start.layers is None else (*path, index)
        for layers, owner in ((own, "this network"), (trained, "the run's network")):
            if name not in layers:
                hint = nearest(name, layers) or f"its layers are {listing(layers)}"
                yield Problem(f"is no layer of {owner}", path=where, received=name, hint=hint)
        if name in own and name in trained:
            yield from _misfits(name, own[name], trained[name], where)


def _misfits(name: str, layer: Any, other: Any, path: KeyPath) -> Iterator[Problem]:
    here, there = (_shapes(each) for each in (layer, other))
    if here != there:
        rule = f"layer {name!r} has weights of shapes {here}, the run's has {there}"
        hint = "give both the same units and input, or leave the layer out of start_from.layers"
        yield Problem(rule, path=path, received=name, hint=hint)


def _shapes(layer: Any) -> str:
    return ", ".join(" x ".join(map(str, weight.shape)) or "1" for weight in layer.weights) or "none"
