"""Resume a run that was interrupted, or continue a finished one for more epochs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlpcli import runs
from mlpcli.errors import Problem, RunError, UsageError
from mlpcli.files import read_ordinary, sweep
from mlpcli.model.plugins import run_plugins
from mlpcli.model.run_spec import own_spec
from mlpcli.model.transfer import pinned_start
from mlpcli.printable import counted
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import Identity
from mlpcli.runs.results import Outcome
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.resolve import resolve_spec
from mlpcli.spec.yaml_reader import MAX_BYTES as MAX_SPEC_BYTES
from mlpcli.training.disk_space import check_place, check_room, check_run_writable
from mlpcli.training.engine import recorded_engine
from mlpcli.training.identity import differences, identity, version_changes
from mlpcli.training.job import WHOLE_RUN, TrainOptions
from mlpcli.training.prepare import Prepared, prepare
from mlpcli.training.replicas.cluster import Cluster
from mlpcli.training.replicas.together import together
from mlpcli.training.run_record import ALL_SPECS, origin, resumed_record, start_sha256
from mlpcli.training.session import train_into, train_locked
from mlpcli.training.time_limit import limit_shown
from mlpcli.training.training_state import TrainingState, read_state


def resume_run(
    run: Run,
    loaded: LoadedSpec | None = None,
    *,
    watcher: Watcher,
    command: Sequence[str] = (),
    force: bool = False,
    max_minutes: float | None = None,
    options: TrainOptions = WHOLE_RUN,
) -> Outcome:
    """Finish a run that was interrupted or killed, in its own folder.

    On the same machine and versions the result is bit for bit that of the uninterrupted run.

    Args:
        run: The run.
        loaded: A spec to compare with the run's; None for the run's own.
        watcher: Receives the progress.
        command: The command line, for `run.json`.
        force: Resume although spec, data or plug-ins have changed, or the run has diverged.
        max_minutes: After how many the training ends; None for those of the spec.
        options: How much of the run is written.

    Raises:
        RunError: The run is finished, is being trained by another process, has changed or diverged, or its
            checkpoint is damaged.
        TrainingError: See `train_into`.
        KeyboardInterrupt: See `train_into`.
    """
    if (owner := owner_of(run)) is not None:
        rule = f"run {run.label} is one of the trainings of {owner.label}"
        raise RunError(Problem(rule, hint=f"resume all of it: {runs.resume_command(run.folder)}"))
    runs.check_inside(run.folder)
    check_run_writable(run.folder)
    with runs.locked(run.folder):
        run = replace(run, record=runs.open_run(run.folder).record)
        check_unfinished(run, force=force)
        sweep(run.folder)
        state = saved_state(run)
        spec, kept = spec_to_resume(run, loaded)
        then = identity_then(run, state)
        prepared = _prepare_to_resume(run, spec, then, watcher, force=force)
        epoch = 0 if state is None else state.epoch
        watcher.note(f"resuming {run.label} after epoch {epoch}")
        for note in _other_replicas(run, options.cluster):
            watcher.note(note)
        record = {**resumed_record(run, command, epoch=epoch, kept_specs=kept), **options.record}
        engine = recorded_engine(run, then)
        minutes = prepared.completed.spec.fit.max_minutes if max_minutes is None else max_minutes
        limit = limit_shown(minutes, prepared.clock.started, watcher)
        options = replace(options, state=state, kept_specs=kept, record=record, engine=engine, limit=limit)
        with together(options.cluster, prepared, watcher, epoch=epoch) as peers:
            return train_locked(prepared.job(run.folder, watcher, command, replace(options, peers=peers)))


def _other_replicas(run: Run, cluster: Cluster | None) -> Iterator[str]:
    """Yield a line where as many workers as before would train other numbers."""
    then = 1 if run.record.replicas is None else run.record.replicas.count
    now_are = 1 if cluster is None else cluster.count
    if then != now_are:
        yield (
            f"the result may differ from that of an uninterrupted run: replicas: {then} then, {now_are} now"
        )


def owner_of(run: Run) -> Run | None:
    """Return the run with folds or seeds that a run is one of the trainings of; None for any other run."""
    owner = run.folder.absolute().parent.parent
    if run.record.kind not in ("fold", "seed", "retrained") or not (owner / runs.RECORD).is_file():
        return None
    found = runs.open_run(owner)
    return found if found.record.members is not None else None


def _prepare_to_resume(
    run: Run, spec: LoadedSpec, then: Identity, watcher: Watcher, *, force: bool
) -> Prepared:
    """Prepare a spec, and check that it is the one that the run was started with."""
    if spec.folder == run.folder.resolve():
        run_plugins(run, spec.catalog)  # checks their checksums, before anything else imports them
    prepared = prepare(spec, watcher)
    check_same(run, then, _identity_now(prepared), watcher, force=force)
    check_room(run.folder, prepared.model)
    for note in prepared.moved:
        watcher.note(note)
    return prepared


def spec_to_resume(run: Run, loaded: LoadedSpec | None) -> tuple[LoadedSpec, tuple[str, ...]]:
    """Return the spec to train, and the spec files that its run folder keeps.

    Args:
        run: The run.
        loaded: A spec that was given; None for the run's own.
    """
    own = own_spec(run)
    if loaded is None:
        return own, ALL_SPECS
    spec = _as_started(loaded, own)
    return spec, (runs.SPEC,) if spec.folder == run.folder.resolve() else ()


@dataclass(frozen=True)
class Continuation:
    """How a finished run is continued.

    Attributes:
        epochs: How many more; None for the `fit.epochs` of `settings`, or else as many again.
        settings: Changes to the spec, such as `fit.batch_size=64`.
        force: Continue although the data has changed.
    """

    epochs: int | None = None
    settings: Sequence[str] = ()
    force: bool = False


AS_LONG_AGAIN = Continuation()


def continue_run(
    run: Run,
    *,
    runs_dir: Path,
    watcher: Watcher,
    command: Sequence[str] = (),
    how: Continuation = AS_LONG_AGAIN,
) -> Outcome:
    """Train a finished run for more epochs, in a new folder that holds the joined history.

    Weights and optimizer continue from the end of the last epoch, not from the best one, which early
    stopping may have restored. The callbacks start in their first state, as in a second `fit`.

    Args:
        run: The run.
        runs_dir: The runs folder of the new run.
        watcher: Receives the progress.
        command: The command line, for `run.json`.
        how: What changes.

    Raises:
        RunError: The run is not finished, or its data has changed.
        UsageError: The run already has as many epochs as asked for.
    """
    state, loaded = _state_to_continue(run, runs_dir, how)
    run_plugins(run, loaded.catalog)
    prepared = prepare(loaded, watcher)
    now_is = _identity_now(prepared).model_copy(update={"spec": state.identity.spec})  # --set may change it
    check_same(run, state.identity, now_is, watcher, force=how.force)
    if now_is.data != state.identity.data:
        watcher.note(
            f"the rows are divided anew: test rows may be among those that {run.label} was trained on, so "
            "that their metrics flatter"
        )
    check_room(runs_dir, prepared.model, loaded.spec.name)
    kept = [each for each in state.callbacks if each.averages_in_model]
    start = state.model_copy(update={"callbacks": kept, "stopped": False})
    parent = {"parent": origin(run) | {"epoch": state.epoch}}
    limit = limit_shown(loaded.spec.fit.max_minutes, prepared.clock.started, watcher)
    options = TrainOptions(state=start, record=parent, engine=recorded_engine(run), limit=limit)
    with runs.new_run(runs_dir, loaded.spec.name) as run_dir:
        for note in prepared.moved:
            watcher.note(note)
        watcher.note(f"continuing {run.label} after epoch {state.epoch}")
        return train_into(prepared.job(run_dir, watcher, command, options))


def _state_to_continue(run: Run, runs_dir: Path, how: Continuation) -> tuple[TrainingState, LoadedSpec]:
    """Return the last state of a finished run, and its spec with more epochs."""
    if run.record.members is not None:
        rule = f"run {run.label} has several trainings, of which none is the one to continue"
        first = f"{run.label}/{run.record.members.folders[0]}"
        hint = f"continue one of them: --continue {first}; or train all again with more fit.epochs"
        raise RunError(Problem(rule, hint=hint))
    if run.status != runs.COMPLETED:
        hint = f"finish it with {runs.resume_command(run.folder)}"
        rule = f"run {run.label} {run.describe()}: only a finished run can be continued"
        raise RunError(Problem(rule, hint=hint))
    runs.check_inside(run.folder)
    check_place(runs_dir)
    state = saved_state(run)
    if state is None:
        raise RunError(Problem(f"run {run.label} has no {runs.STATE} to continue from", hint="train again"))
    own = own_spec(run)
    total = state.epoch + (own.spec.fit.epochs if how.epochs is None else how.epochs)
    loaded = own_spec(run, [f"fit.epochs={total}", *how.settings])
    if loaded.spec.fit.epochs <= state.epoch:
        rule = f"run {run.label} already has {counted(state.epoch, 'epoch')}, fit.epochs must be greater"
        raise UsageError(Problem(rule, received=loaded.spec.fit.epochs))
    return state, loaded


def saved_state(run: Run) -> TrainingState | None:
    """Return the state of a run's checkpoint; None when it was stopped before its first."""
    path = run / runs.STATE
    return read_state(path) if os.path.lexists(path) else None


def check_unfinished(run: Run, *, force: bool) -> None:
    """Refuse to resume a run that is finished, not only for a time, or has diverged.

    Args:
        run: The run.
        force: Resume although it has diverged.

    Raises:
        RunError: It is, or has.
    """
    if run.status == runs.COMPLETED and not run.record.can_go_on:
        raise RunError(
            Problem(f"run {run.label} is finished", hint="train it for more epochs with --continue")
        )
    if run.status == runs.DIVERGED and not force:
        hint = "change the spec and start a new run, or give a changed SPEC or --set, and --force"
        raise RunError(Problem(f"run {run.label} has diverged and would diverge again", hint=hint))


def check_same(run: Run, then: Identity, now_is: Identity, watcher: Watcher, *, force: bool) -> None:
    """Refuse to train with another spec, other data or plug-ins; note other versions.

    Args:
        run: The run.
        then: What it was started with.
        now_is: What is there now.
        watcher: Receives the notes.
        force: Train nevertheless, and note what has changed.

    Raises:
        RunError: Something has changed, without `force`.
    """
    changed = differences(then, now_is, run.folder)
    if changed and not force:
        hint = "restore them, start a new run, or add --force to continue anyway"
        first = Problem(f"run {run.label} was started with other settings, data or plug-ins", hint=hint)
        raise RunError(first, *changed)
    for note in [problem.rule for problem in changed] + version_changes(then, now_is):
        watcher.note(f"the result may differ from that of an uninterrupted run: {note}")


def identity_then(run: Run, state: TrainingState | None) -> Identity:
    """Return what the run was started with; from its other files when there is no checkpoint yet.

    Args:
        run: The run.
        state: That of its checkpoint.
    """
    if state is not None:
        return state.identity
    record, data = run.record, runs.data_facts(run)
    return Identity(
        spec=read_ordinary(run.require(runs.RESOLVED), MAX_SPEC_BYTES).decode("utf-8"),
        data=data.fingerprint,
        rows=data.rows,
        plugins={Path(entry.file).name: entry.sha256 for entry in record.plugins},
        start_from=record.start_from.sha256 if record.start_from is not None else None,
        versions={name: text for name, text in record.versions.items() if name != "mlpcli"},
    )


def _identity_now(prepared: Prepared) -> Identity:
    """Return what the run would be with the spec and the data that are there now."""
    completed, dataset = prepared.completed, prepared.dataset
    resolved = resolve_spec(completed, dataset.settled, dataset.features)
    return identity(resolved, dataset, completed.catalog, start_sha256(completed))


def _as_started(loaded: LoadedSpec, own: LoadedSpec) -> LoadedSpec:
    """Return a given spec with name, precision and the run to start from that it had when the run started.

    A spec without a name is named after its file, which may have been renamed.
    """
    spec = loaded.spec.model_copy(update={"name": own.spec.name})
    named = replace(loaded, spec=spec, numbers=own.numbers)
    return pinned_start(named, own)
