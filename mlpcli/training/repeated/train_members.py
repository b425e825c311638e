"""Train a spec with folds or seeds: one training after the other in this process, then what they make up."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mlpcli import runs
from mlpcli.errors import RunError
from mlpcli.runs.folder import Run
from mlpcli.runs.results import Outcome
from mlpcli.runs.watcher import Monitored, Watcher
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.repeats import RETRAIN, Repeat, label_of
from mlpcli.training.disk_space import check_place, check_room
from mlpcli.training.engine import recorded_engine
from mlpcli.training.job import TRIAL, TrainOptions
from mlpcli.training.plan import describe, note_advice
from mlpcli.training.prepare import Prepared, check_logs, default_notes
from mlpcli.training.repeated.member_builder import MemberBuilder, PreparedMembers, prepare_members
from mlpcli.training.repeated.parent import RETRAINED, Parent, member_name, members_entry, recording
from mlpcli.training.repeated.retrain import spec_of_retraining
from mlpcli.training.run_record import begin_record
from mlpcli.training.session import train_into
from mlpcli.training.time_limit import limit_shown
from mlpcli.training.training_state import read_state

SPLITS = ("train", "validation", "test", "held_out")


def train_members(
    loaded: LoadedSpec,
    *,
    runs_dir: Path,
    watcher: Watcher,
    command: Sequence[str] = (),
    advice: bool = False,
    record: Mapping[str, object] | None = None,
    check: Callable[[PreparedMembers], None] = lambda prepared: None,
    new: bool = True,
) -> Outcome:
    """Train a spec with folds or seeds into a new folder under `runs_dir`.

    Args:
        loaded: The spec.
        runs_dir: The runs folder.
        watcher: Receives the progress.
        command: The command line, for `run.json`.
        advice: Show best-practice advice.
        record: Further entries of `run.json`.
        check: Checks the data, before anything is built or written.
        new: No run is repeated: the limit of the spec's `fit.max_minutes` holds, and what its TensorBoard
            asks for is checked.

    Raises:
        SpecError: Data and model do not fit together, or a fold is impossible; nothing was written.
        DataError: The data cannot be read; nothing was written.
        TrainingError: A training diverged; the folder keeps the last good state.
        KeyboardInterrupt: Passed on, after the state so far was saved.
    """
    check_place(runs_dir, loaded.spec.name)
    prepared = prepare_members(loaded, watcher)
    check(prepared)
    with MemberBuilder(prepared) as builder:
        first = builder.build_first(prepared.repeats[0])
        if new:
            check_logs(first)
        check_room(runs_dir, first.model, loaded.spec.name, count=len(prepared.repeats) + 1)
        for note in first.notes:
            watcher.note(note)
        with runs.new_run(runs_dir, loaded.spec.name) as run_dir, runs.locked(run_dir):
            for note in default_notes(loaded):
                watcher.note(note)
            begun = begin_record(prepared.completed, prepared.dataset, first.model, command)
            begun |= {"members": members_entry(prepared), **(record or {})}
            parent = Parent(run_dir, prepared, begun, watcher, command)
            if new:
                parent.limit = limit_shown(loaded.spec.fit.max_minutes, prepared.clock.started, watcher)
            return run_members(parent, builder, first, advice=advice)


def run_members(parent: Parent, builder: MemberBuilder, first: Prepared, *, advice: bool = False) -> Outcome:
    """Train what is left of a run with folds or seeds, in its folder, which is locked, and finish it.

    Args:
        parent: The run.
        builder: Builds its trainings.
        first: The first training that is not finished, or any where all are.
        advice: Show best-practice advice.
    """
    from mlpcli.training.baseline import begin_baseline
    from mlpcli.training.compiled import keep_programs
    from mlpcli.training.repeated.finish import Ending, finish  # it imports TensorFlow

    prepared, watcher = parent.prepared, parent.watcher
    with recording(parent):
        parent.begin(first)
        watcher.plan(describe(first.completed, first.dataset, first.model), parent.folder)
        if advice:
            note_advice(watcher, first.completed, first.dataset, first.model)
        measured = begin_baseline(prepared.dataset, seed=prepared.completed.spec.seed)
        with keep_programs(_most_rows(parent)):
            left = [each for each in prepared.repeats if not is_finished(parent.member_folder(each))]
            if left:  # the training on all rows may have other epochs after these
                runs.remove_inside(parent.folder / RETRAINED, parent.folder)
            prepared.clock.lap("begin")
            for place, repeat in enumerate(left):
                rest = len(left) - place + (parent.after == RETRAIN)
                _train_member(parent, builder, repeat, first if place == 0 else None, rest)
            if parent.after == RETRAIN:
                _retrain(parent, builder)
        return finish(Ending(parent, measured, builder.model))


def _most_rows(parent: Parent) -> dict[str, int]:
    """Return the most rows of any training, for which its programs are made."""
    found = {name: parent.prepared.most_rows.get(name, 0) for name in ("train", "validation")}
    if parent.after == RETRAIN:
        found["train"] = max(found["train"], len(parent.prepared.dataset.train))
    return found


def is_finished(folder: Path) -> bool:
    """Return whether the training in a folder is finished, and has no epochs left."""
    if not (folder / runs.RECORD).is_file():
        return False
    run = runs.open_run(folder)
    return run.status == runs.COMPLETED and not run.record.can_go_on


def _train_member(
    parent: Parent, builder: MemberBuilder, repeat: Repeat, built: Prepared | None, rest: int
) -> None:
    """Train one member, from its checkpoint where it has one.

    Args:
        parent: The run.
        builder: Builds the training.
        repeat: Which it is.
        built: The training, where it is built already.
        rest: How many trainings share the time that is left.
    """
    folder, count = parent.member_folder(repeat), len(parent.prepared.repeats)
    parent.watcher.member_begins(repeat.place, count, label_of(repeat, parent.prepared.loaded.spec))
    known = {} if built is None else dict(built.clock.seconds)
    prepared = built or builder.build(repeat)
    kind = "seed" if repeat.fold is None else "fold"
    record = {"kind": kind} if repeat.fold is None else {"kind": kind, "fold": repeat.fold}
    limit = None if parent.limit is None else parent.limit.share(rest)
    options = replace(TRIAL, splits=SPLITS, record=record, probe=True, limit=limit)
    _train_into(parent, prepared, folder, options)
    parent.prepared.clock.add(prepared.clock.seconds, known)
    split = "validation" if repeat.fold is None else "held_out"
    parent.watcher.member_ends(runs.open_run(folder), split)


def _train_into(parent: Parent, prepared: Prepared, folder: Path, options: TrainOptions) -> None:
    """Train in the folder of a training, from its checkpoint where it has one."""
    from mlpcli.files import sweep

    state = None
    if (folder / runs.RECORD).is_file() and (folder / runs.STATE).is_file():
        with contextlib.suppress(RunError):  # a damaged checkpoint costs one training
            state = read_state(folder / runs.STATE)
    if state is None:
        runs.empty_folder(folder, parent.folder)
    else:
        sweep(folder)
        run = runs.open_run(folder)
        options = replace(
            options,
            state=state,
            kept_specs=parent.kept_specs,
            engine=recorded_engine(run, state.identity),
            record={**dict(options.record), **_plugins_of(run)},
        )
    watcher = MemberWatcher(parent.watcher, quiet=folder.name != member_name(parent.prepared.repeats[0])[-2:])
    train_into(prepared.job(folder, watcher, parent.command, options))


def _plugins_of(run: Run) -> dict[str, object]:
    """Return the entry of `run.json` about copies of plug-ins, which the folder of a resumed run has."""
    plugins = run.record.to_json().get("plugins")
    return {"plugins": plugins} if plugins else {}


def _retrain(parent: Parent, builder: MemberBuilder) -> None:
    """Train on the rows of all folds, unless that is finished."""
    from mlpcli.spec.load import located
    from mlpcli.training.job import Clock
    from mlpcli.training.prepare import build_checked, complete

    folder = parent.folder / RETRAINED
    if is_finished(folder):
        return
    count = len(parent.prepared.repeats)
    parent.watcher.member_begins(count, count, "all rows")
    prepared, clock = parent.prepared, Clock()
    loaded = spec_of_retraining(prepared.loaded, parent.members())
    with located(loaded):
        completed = complete(loaded, prepared.dataset)
        model = builder.share(completed, build_checked(completed, prepared.dataset))
    clock.lap("build")
    limit = None if parent.limit is None else parent.limit.share(1)
    options = replace(TRIAL, splits=SPLITS, record={"kind": "retrained"}, probe=True, limit=limit)
    job = Prepared(completed, prepared.dataset, model, clock)
    _train_into(parent, job, folder, options)
    prepared.clock.add(clock.seconds)


class MemberWatcher(Watcher):
    """Passes on what happens in one training of several that the user should see."""

    def __init__(self, watcher: Watcher, *, quiet: bool) -> None:
        """Create the watcher.

        Args:
            watcher: Receives what is passed on.
            quiet: The engine has been shown with an earlier training.
        """
        self.watcher, self.quiet = watcher, quiet

    def engine(self, name: str, reason: str) -> None:
        """Pass on the engine of the first training."""
        if not self.quiet:
            self.watcher.engine(name, reason)

    def monitored(self, monitored: Monitored) -> None:
        """Pass on what decides which epoch is best."""
        self.watcher.monitored(monitored)

    def step(self, epoch: int, epochs: int, done: int, total: int, logs: Mapping[str, float]) -> None:
        """Pass on the steps."""
        self.watcher.step(epoch, epochs, done, total, logs)

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        """Pass on an epoch."""
        self.watcher.epoch(epoch, epochs, logs, seconds)

    def note(self, text: str) -> None:
        """Pass on a note; how to resume is shown by the run."""
        if not text.startswith("resume with:"):
            self.watcher.note(text)
