"""Resume a run with folds or seeds: finished trainings are kept, others trained from their checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlpcli import runs
from mlpcli.errors import RunError
from mlpcli.files import sweep
from mlpcli.model.plugins import run_plugins
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import read_history
from mlpcli.runs.results import Outcome
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import LoadedSpec
from mlpcli.training.disk_space import check_room, check_run_writable
from mlpcli.training.identity import identity
from mlpcli.training.prepare import Prepared
from mlpcli.training.repeated.member_builder import MemberBuilder, prepare_members
from mlpcli.training.repeated.parent import RETRAINED, Parent, members_entry
from mlpcli.training.repeated.train_members import is_finished, run_members
from mlpcli.training.resume import (
    check_same,
    check_unfinished,
    identity_then,
    spec_to_resume,
)
from mlpcli.training.run_record import begin_record, resumed_record, start_sha256
from mlpcli.training.time_limit import limit_shown


def resume_members(
    run: Run,
    loaded: LoadedSpec | None = None,
    *,
    watcher: Watcher,
    command: Sequence[str] = (),
    force: bool = False,
    max_minutes: float | None = None,
) -> Outcome:
    """Finish a run with folds or seeds that was interrupted or killed, in its own folder.

    On the same machine and versions its files have the numbers of the uninterrupted run, to the last digit.

    Args:
        run: The run.
        loaded: A spec to compare with the run's; None for the run's own.
        watcher: Receives the progress.
        command: The command line, for `run.json`.
        force: Resume although spec, data or plug-ins have changed, or the run has diverged.
        max_minutes: After how many the trainings end; None for those of the spec.

    Raises:
        RunError: As `resume_run`.
        TrainingError: A training diverged, or a file could not be written.
        KeyboardInterrupt: Passed on, after the state so far was saved.
    """
    runs.check_inside(run.folder)
    check_run_writable(run.folder)
    with runs.locked(run.folder):
        run = replace(run, record=runs.open_run(run.folder).record)
        check_unfinished(run, force=force)
        sweep(run.folder)
        spec, kept = spec_to_resume(run, loaded)
        if spec.folder == run.folder.resolve():
            run_plugins(run, spec.catalog)  # checks their checksums, before anything else imports them
        prepared = prepare_members(spec, watcher)
        with MemberBuilder(prepared) as builder:
            parent = Parent(run.folder, prepared, {}, watcher, command, kept)
            minutes = prepared.loaded.spec.fit.max_minutes if max_minutes is None else max_minutes
            parent.limit = limit_shown(minutes, prepared.clock.started, watcher)
            return _resume(run, parent, builder, force=force)


def _resume(run: Run, parent: Parent, builder: MemberBuilder, *, force: bool) -> Outcome:
    prepared, watcher, command = parent.prepared, parent.watcher, parent.command
    members = [parent.member_folder(repeat) for repeat in prepared.repeats]
    check_members([*members, run.folder / RETRAINED])
    finished = [repeat for repeat in prepared.repeats if is_finished(parent.member_folder(repeat))]
    left = [repeat for repeat in prepared.repeats if repeat not in finished]
    first = builder.build_first((left or prepared.repeats)[0])
    _check_same(run, parent, first, force=force)
    check_room(run.folder, first.model, count=len(left) + 1)
    for note in prepared.moved:
        watcher.note(note)
    watcher.note(f"resuming {run.label}: {len(finished)} of {len(prepared.repeats)} trainings are finished")
    record = begin_record(prepared.completed, prepared.dataset, first.model, command)
    before = resumed_record(run, command, epoch=0, kept_specs=parent.kept_specs)
    parent.record |= {**record, **before, "members": members_entry(prepared)}
    return run_members(parent, builder, first)


def check_members(folders: Sequence[Path]) -> None:
    """Check what the end of the run reads of each training that is finished, before others are trained.

    Args:
        folders: Of the trainings, finished or not.

    Raises:
        RunError: Files of some are damaged or missing; all of them are named.
    """
    from mlpcli.model.trained_model import check_digest

    problems = []
    for folder in folders:
        try:
            if (folder / runs.RECORD).is_file() and runs.open_run(folder).status == runs.COMPLETED:
                member = runs.open_run(folder)
                read_history(member.require(runs.HISTORY))
                member.require(runs.MODEL)
                check_digest(member, runs.MODEL)
        except RunError as error:
            hint = f"delete the folder {folder} and resume: it is trained again"
            problems += [replace(each, hint=hint) for each in error.problems]
    if problems:
        raise RunError(*problems)


def _check_same(run: Run, parent: Parent, first: Prepared, *, force: bool) -> None:
    prepared = parent.prepared
    now_is = identity(
        parent.resolved(first),
        prepared.dataset,
        prepared.completed.catalog,
        start_sha256(prepared.completed),
    )
    check_same(run, identity_then(run, None), now_is, parent.watcher, force=force)
