"""`start_from`: layers of a trained run as the start of another network, frozen or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli.data.moves import moves_to
from mlpcli.errors import KeyPath, MlpcliError, Problem, SpecError, listing, nearest
from mlpcli.files import sha256_of
from mlpcli.runs.folder import MODEL, RECORD, Run, find_run, open_run
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.schema import StartFromSpec

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

Layers = dict[str, "keras.layers.Layer"]


def find_start(loaded: LoadedSpec, *, trusted: bool = False) -> LoadedSpec:
    """Return the spec with the run that it starts from given by its folder, so that it always means one run.

    Args:
        loaded: the spec.
        trusted: the run may have plug-ins that this user has not run before.

    Raises:
        SpecError: there is no such run.
    """
    start = loaded.spec.start_from
    if start is None:
        return loaded
    if Path(start.run).is_absolute():
        return _with_start(loaded, _where_it_lies(loaded, Path(start.run)))
    path: KeyPath = ("start_from", "run")
    try:
        run = find_run(start.run, loaded.runs_dir, trusted=trusted)
    except MlpcliError as error:
        problems = (replace(each, path=path, received=start.run) for each in error.problems)
        raise SpecError(*problems) from None
    return _with_start(loaded, run.folder.resolve())


def _with_start(loaded: LoadedSpec, folder: Path) -> LoadedSpec:
    assert loaded.spec.start_from is not None
    found = loaded.spec.start_from.model_copy(update={"run": str(folder)})
    return replace(loaded, spec=loaded.spec.model_copy(update={"start_from": found}))


def _where_it_lies(loaded: LoadedSpec, folder: Path) -> Path:
    """Return the folder of the run that a run's own spec starts from, also when both were moved."""
    kept = loaded.kept
    if kept is None or (folder / RECORD).is_file():
        return folder
    for move in moves_to([str(folder)], kept.folder):
        found = Path(move.apply(str(folder)))
        whole = (found / RECORD).is_file() and (found / MODEL).is_file()
        if whole and kept.start in (None, sha256_of(found / MODEL)):
            return found
    return folder


def pinned_start(loaded: LoadedSpec, own: LoadedSpec) -> LoadedSpec:
    """Return a spec that starts from a run by name with the run that the name meant when a run of it began.

    Args:
        loaded: the spec.
        own: that run's own spec, which names a folder. A run of the same name that was trained since is
            another.
    """
    start, then = loaded.spec.start_from, own.spec.start_from
    if start is None or then is None:
        return loaded
    folder = _where_it_lies(own, Path(then.run))
    steps = Path(start.run).parts
    is_name = steps in (folder.parts[-2:], folder.parts[-2:-1], folder.parts[-4:])
    return _with_start(loaded, folder) if is_name or Path(start.run).resolve() == folder else loaded


def reuse_layers(model: keras.Model, start: StartFromSpec) -> tuple[str, ...]:
    """Copy a run's weights into the layers of the model that have the same names.

    A layer that learns from data before training, as Normalization does, has from then on what the run's
    layer learned: the layers above it expect that.

    Args:
        model: the new network.
        start: names the run by its folder: see `find_start`.

    Returns:
        The names of the layers that received weights.

    Raises:
        SpecError: a layer is in only one of the two, or its weights have other shapes.
        RunError: the run's model cannot be read.
    """
    from mlpcli.model.learned_values import learns_beside_weights, take_learned
    from mlpcli.model.trained_model import load_trained

    run = open_run(Path(start.run))
    _check_single(run)
    trained = {layer.name: layer for layer in load_trained(run).model.layers}
    own = {layer.name: layer for layer in model.layers}
    full = (name for name, layer in own.items() if layer.weights or learns_beside_weights(layer))
    shared = [name for name in full if name in trained]
    wanted = shared if start.layers is None else list(start.layers)
    problems = list(_problems(wanted, own, trained, start))
    if problems:
        raise SpecError(*problems)
    for name in wanted:
        take_learned(own[name], trained[name])
        if hasattr(own[name], "restart"):  # a schedule of the layer's
            own[name].restart()
        if start.freeze:
            own[name].trainable = False
    return tuple(wanted)


def _check_single(run: Run) -> None:
    """Check that a run has layers of its own.

    Raises:
        SpecError: its model is the mean of others.
    """
    members = run.record.members
    if members is not None and run.record.is_mean:
        rule = f"must be a single network, {run.label} is the mean of {len(members.folders)}"
        hint = f"start from one of them: {run.folder / members.folders[0]}"
        raise SpecError(Problem(rule, path=("start_from", "run"), hint=hint))


def _problems(wanted: list[str], own: Layers, trained: Layers, start: StartFromSpec) -> Iterator[Problem]:
    path: KeyPath = ("start_from", "layers")
    if not wanted:
        hint = f"its layers are {listing(trained)}, this network's {listing(own)}"
        yield Problem("the run has no layer with weights of the same name", path=path[:1], hint=hint)
    for index, name in enumerate(wanted):
        where = path if start.layers is None else (*path, index)
        for layers, owner in ((own, "this network"), (trained, "the run's network")):
            if name not in layers:
                hint = nearest(name, layers) or f"its layers are {listing(layers)}"
                yield Problem(f"is not a layer of {owner}", path=where, received=name, hint=hint)
        if name in own and name in trained:
            yield from _misfits(name, own[name], trained[name], where)


def _misfits(
    name: str, layer: keras.layers.Layer, other: keras.layers.Layer, path: KeyPath
) -> Iterator[Problem]:
    from mlpcli.model.learned_values import learned_width

    here, there = (_shapes(each) for each in (layer, other))
    if here == there and (widths := [learned_width(each) for each in (layer, other)])[0] != widths[1]:
        rule = f"layer {name!r} has learned {widths[0]} values, the run's {widths[1] or 'none'}"
        hint = "give both the same arguments, or leave the layer out of start_from.layers"
        yield Problem(rule, path=path, received=name, hint=hint)
    if here != there:
        rule = f"layer {name!r} has weights of shapes {here}, the run's has {there}"
        hint = "give both the same units and input, or leave the layer out of start_from.layers"
        yield Problem(rule, path=path, received=name, hint=hint)


def _shapes(layer: keras.layers.Layer) -> str:
    return ", ".join(" x ".join(map(str, weight.shape)) or "1" for weight in layer.weights) or "none"
