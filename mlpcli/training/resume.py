"""Going on with a run: to what it would have been, or, when it is finished, beyond."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlpcli import runs
from mlpcli.errors import Problem, RunError, UsageError
from mlpcli.files import read_ordinary, sweep
from mlpcli.model.plugins import run_plugins
from mlpcli.model.run_spec import own_spec
from mlpcli.model.transfer import pinned_start
from mlpcli.runs.folder import Run
from mlpcli.runs.results import Outcome
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import LoadedSpec, located
from mlpcli.spec.resolve import resolve_spec
from mlpcli.spec.yaml_reader import MAX_BYTES as MAX_SPEC_BYTES
from mlpcli.training.disk_space import check_place, check_room, check_run_writable
from mlpcli.training.identity import differences, identity, version_changes
from mlpcli.training.prepare import Clock, Prepared, check_callbacks, prepare
from mlpcli.training.run_record import now, start_of
from mlpcli.training.session import Extent, train_held, train_into
from mlpcli.training.training_state import TrainingState, read_state

WHOLE = Extent()


def resume_run(
    run: Run,
    loaded: LoadedSpec | None = None,
    *,
    watcher: Watcher,
    command: Sequence[str] = (),
    force: bool = False,
    extent: Extent = WHOLE,
) -> Outcome:
    """Finish a run that was interrupted or killed, in its own folder.

    On the same machine and versions the result is that of the run left alone, bit for bit.

    loaded: a spec to hold against the run's; None for the run's own.
    force: go on although spec, data or plug-ins have changed, or the run has diverged.

    Raises:
        RunError: the run is finished, is being trained by another process, has changed or diverged, or its
            checkpoint is damaged.
        TrainingError, KeyboardInterrupt: as `train_into`.
    """
    runs.check_inside(run.folder)
    check_run_writable(run.folder)
    with runs.locked(run.folder):
        run = replace(runs.open_run(run.folder), trusted=run.trusted)
        _check_unfinished(run, force=force)
        sweep(run.folder)
        state = _state(run)
        clock = Clock()
        own = own_spec(run)
        spec = own if loaded is None else _as_begun(loaded, own)
        is_own = spec.folder == run.folder.resolve()
        if is_own:
            run_plugins(run, spec.catalog)  # a look at their checksums, before anything else imports them
        with located(spec):
            prepared = prepare(spec, clock, watcher.stage)
            dataset, model = prepared.dataset, prepared.model
            check_callbacks(spec)
        _check_same(run, _identity_then(run, state), _identity_now(prepared), watcher, force=force)
        check_room(run.folder, model)
        epoch = 0 if state is None else state.epoch
        for note in prepared.moved:
            watcher.note(note)
        watcher.note(f"resuming {run.label} after epoch {epoch}")
        record = {**_resumed(run, epoch, command), **extent.record}
        kept = (runs.SPEC, runs.RESOLVED) if loaded is None else (runs.SPEC,) if is_own else ()
        extent = replace(extent, state=state, kept_specs=kept, record=record)
        return train_held(
            run.folder,
            prepared.loaded,
            dataset,
            model,
            watcher=watcher,
            clock=clock,
            command=command,
            extent=extent,
        )


def continue_run(
    run: Run,
    *,
    runs_dir: Path,
    watcher: Watcher,
    epochs: int | None = None,
    settings: Sequence[str] = (),
    command: Sequence[str] = (),
    force: bool = False,
) -> Outcome:
    """Train a finished run for more epochs, in a new folder that holds the joined history.

    Weights and optimizer go on from the end of the last epoch, which is not the best one that early stopping
    may have put into the model. The callbacks begin afresh, as in a second `fit`.

    epochs: how many more; None for what `settings` say of fit.epochs, or else as many again.

    Raises:
        RunError: the run is not finished, or its data has changed.
        UsageError: there are no more epochs than the run has already.
    """
    if run.status != runs.COMPLETED:
        hint = f"finish it with {runs.resume_command(run.folder)}"
        raise RunError(Problem(f"run {run.label} {run.describe()}: only a finished run goes on", hint=hint))
    runs.check_inside(run.folder)
    check_place(runs_dir)
    state = _state(run)
    if state is None:
        raise RunError(Problem(f"run {run.label} has no {runs.STATE} to go on from", hint="train again"))
    own = own_spec(run)
    total = state.epoch + (own.spec.fit.epochs if epochs is None else epochs)
    loaded = own_spec(run, [f"fit.epochs={total}", *settings])
    if loaded.spec.fit.epochs <= state.epoch:
        rule = f"run {run.label} has {state.epoch} epochs already, fit.epochs must be more than that"
        raise UsageError(Problem(rule, received=loaded.spec.fit.epochs))
    run_plugins(run, loaded.catalog)
    clock = Clock()
    with located(loaded):
        prepared = prepare(loaded, clock, watcher.stage)
        dataset, model = prepared.dataset, prepared.model
        check_callbacks(loaded)
    kept = state.identity
    changed = _identity_now(prepared) | {"spec": kept["spec"]}  # the spec may change: see --set
    _check_same(run, kept, changed, watcher, force=force)
    check_room(runs_dir, model, loaded.spec.name)
    record = {"parent": {"run": run.label, "folder": str(run.folder.resolve()), "epoch": state.epoch}}
    extent = Extent(state=state.model_copy(update={"callbacks": [], "stopped": False}), record=record)
    with runs.new_run(runs_dir, loaded.spec.name) as run_dir:
        for note in prepared.moved:
            watcher.note(note)
        watcher.note(f"continuing {run.label} after epoch {state.epoch}")
        return train_into(
            run_dir,
            prepared.loaded,
            dataset,
            model,
            watcher=watcher,
            clock=clock,
            command=command,
            extent=extent,
        )


def _state(run: Run) -> TrainingState | None:
    """The state of a run's checkpoint; None when it was stopped before its first."""
    path = run / runs.STATE
    return read_state(path) if os.path.lexists(path) else None


def _check_unfinished(run: Run, *, force: bool) -> None:
    if run.status == runs.COMPLETED:
        raise RunError(Problem(f"run {run.label} is finished", hint="train it further with --continue"))
    if run.status == runs.DIVERGED and not force:
        hint = "change the spec and train anew, or give a changed SPEC or --set, and --force"
        raise RunError(Problem(f"run {run.label} has diverged and would diverge again", hint=hint))


def _check_same(
    run: Run, then: dict[str, Any], now_is: dict[str, Any], watcher: Watcher, *, force: bool
) -> None:
    changed = differences(then, now_is, run.folder)
    if changed and not force:
        hint = "put it back, begin a new run, or add --force to go on all the same"
        first = Problem(f"run {run.label} was begun with something else", hint=hint)
        raise RunError(first, *changed)
    notes = [problem.rule for problem in changed] + version_changes(then["versions"], now_is["versions"])
    for note in notes:
        watcher.note(f"not bit for bit what the run left alone would be: {note}")


def _identity_then(run: Run, state: TrainingState | None) -> dict[str, Any]:
    """What the run was begun with; from its other files when there is no checkpoint yet."""
    if state is not None:
        return state.identity
    record, data = run.record, runs.data_facts(run)
    return {
        "spec": read_ordinary(run.require(runs.RESOLVED), MAX_SPEC_BYTES).decode("utf-8"),
        "data": data.fingerprint,
        "rows": data.rows,
        "plugins": {Path(entry.file).name: entry.sha256 for entry in record.plugins},
        "start_from": record.start_from.sha256 if record.start_from is not None else None,
        "versions": {name: text for name, text in record.versions.items() if name != "mlpcli"},
    }


def _identity_now(prepared: Prepared) -> dict[str, Any]:
    """What the run would be with the spec and the data that are there now."""
    loaded, dataset = prepared.loaded, prepared.dataset
    resolved = resolve_spec(loaded, dataset.split_amounts, dataset.features)
    start = start_of(loaded)
    return identity(resolved, dataset, loaded.catalog, start["sha256"] if start else None)


def _as_begun(loaded: LoadedSpec, own: LoadedSpec) -> LoadedSpec:
    """A spec that is given to go on with, as it was when the run began: its name, and the run it starts from.

    A spec without a name has that of its file, which may have been renamed.
    """
    named = replace(loaded, spec=loaded.spec.model_copy(update={"name": own.spec.name}))
    return pinned_start(named, own)


def _resumed(run: Run, epoch: int, command: Sequence[str]) -> dict[str, Any]:
    """The run's record with a line about this going on, and without how it had ended."""
    ended = ("status", "error", "ended", "metrics", "timings", "engine")
    kept = {name: value for name, value in run.record.to_json().items() if name not in ended}
    entry = {"at": now(), "after_epoch": epoch, "was": run.status, "command": list(command)}
    return kept | {"resumed": [*kept.get("resumed", ()), entry]}
