"""Train a finished run again and compare: equal, within tolerance, or drifted."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

import mlpcli
from mlpcli import runs
from mlpcli.errors import Problem, RunError
from mlpcli.model.plugins import run_plugins
from mlpcli.model.run_spec import own_spec
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import read_history
from mlpcli.runs.results import ComparedFact, ComparedMetric, Outcome, Reproduction
from mlpcli.runs.watcher import Watcher
from mlpcli.training.disk_space import check_place, check_room
from mlpcli.training.engine import recorded_engine
from mlpcli.training.identity import versions
from mlpcli.training.job import TrainOptions
from mlpcli.training.prepare import Prepared, prepare
from mlpcli.training.repeated.member_builder import PreparedMembers
from mlpcli.training.repeated.train_members import train_members
from mlpcli.training.run_record import commit_of, origin
from mlpcli.training.session import train_into
from mlpcli.training.time_limit import EpochLimit

TOLERANCE = 0.01
"""How much a metric may differ, absolutely or as a share of itself, and still count as the same result."""


def reproduce_run(
    run: Run,
    *,
    runs_dir: Path,
    watcher: Watcher,
    tolerance: float = TOLERANCE,
    command: Sequence[str] = (),
    force: bool = False,
) -> Reproduction:
    """Train a finished run again, into a new folder under `runs_dir`, and compare.

    Args:
        run: The run.
        runs_dir: The runs folder of the new run.
        watcher: Receives the progress.
        tolerance: See `TOLERANCE`.
        command: The command line, for `run.json`.
        force: Train although the data has changed.

    Raises:
        RunError: The run is not finished; or its data has changed, without `force`.
        TrainingError: See `train_into`.
        KeyboardInterrupt: See `train_into`.
    """
    _check_can_be_reproduced(run)
    members = run.record.members
    loaded = own_spec(run)
    check_place(runs_dir, loaded.spec.name)
    run_plugins(run, loaded.catalog)
    then, facts = read_history(run.require(runs.HISTORY)), changed_facts(run)

    def check(prepared: Prepared | PreparedMembers) -> None:
        _check_data(run, prepared.dataset.fingerprint, force=force)
        _note_changes(run, prepared, facts, watcher)

    record: dict[str, object] = {"reproduces": origin(run)}
    if members is not None:
        outcome = train_members(
            loaded,
            runs_dir=runs_dir,
            watcher=watcher,
            command=command,
            record=record,
            check=check,
            new=False,
        )
    else:
        prepared = prepare(loaded, watcher)
        check(prepared)
        check_room(runs_dir, prepared.model, loaded.spec.name)
        limit = EpochLimit(len(then)) if run.record.can_go_on else None
        options = TrainOptions(record=record, engine=recorded_engine(run), limit=limit)
        with runs.new_run(runs_dir, loaded.spec.name) as run_dir:
            outcome = train_into(prepared.job(run_dir, watcher, command, options))
    epoch = first_difference(then, read_history(outcome.run / runs.HISTORY))
    return Reproduction(run, outcome, facts, _compared_metrics(run, outcome), epoch, tolerance)


def _check_can_be_reproduced(run: Run) -> None:
    """Refuse a run that is not one training, or not one that ends alike each time.

    Raises:
        RunError: It is.
    """
    if run.status != runs.COMPLETED:
        rule = f"run {run.label} {run.describe()}: there is no result to compare with"
        raise RunError(Problem(rule, hint=f"finish it with {runs.resume_command(run.folder)}"))
    members = run.record.members
    if run.record.kind == "search" and members is not None:
        rule = f"run {run.label} is the mean of {len(members.folders)} trials of a search, not one training"
        raise RunError(Problem(rule, hint=f"reproduce one of them: {run.folder / members.folders[0]}"))
    if members is not None and run.record.can_go_on:
        rule = f"trainings of run {run.label} ended when their time was up, which no two commands do alike"
        raise RunError(Problem(rule, hint=f"reproduce one of them: {run.folder / members.folders[0]}"))


def _note_changes(
    run: Run, prepared: Prepared | PreparedMembers, facts: Sequence[ComparedFact], watcher: Watcher
) -> None:
    """Note what may change the result."""
    if (parent := run.record.parent) is not None:
        watcher.note(f"run {run.label} continued {parent.run}; here everything is trained in one session")
    for note in prepared.moved:
        watcher.note(note)
    for fact in facts:
        watcher.note(f"changed: {fact.name}: {fact.then} then, {fact.now} now")


def _check_data(run: Run, fingerprint: str, *, force: bool) -> None:
    if fingerprint != runs.data_facts(run).fingerprint and not force:
        rule = f"the data of run {run.label} has changed, so its metrics cannot be reproduced"
        raise RunError(Problem(rule, hint="restore the data, or add --force to compare anyway"))


def changed_facts(run: Run) -> tuple[ComparedFact, ...]:
    """Return the versions, the commit, the machine and the replicas that differ from those of the run."""
    record = run.record
    then: dict[str, object] = dict(record.versions)
    now: dict[str, object] = {"mlpcli": mlpcli.__version__, **versions()}
    host = record.host
    then |= {"machine": host.machine, "system": host.system, "cores": host.cores}
    now |= {"machine": platform.machine(), "system": platform.platform(), "cores": os.cpu_count()}
    if record.replicas is not None:
        then["replicas"], now["replicas"] = record.replicas.count, 1
    if record.spec and host.name == platform.node():  # on another machine the folder is another or none
        then["commit"], now["commit"] = record.commit, commit_of(Path(record.spec).parent)
    return tuple(
        ComparedFact(name, str(then.get(name, "unknown")), str(value))
        for name, value in now.items()
        if then.get(name) != value
    )


def first_difference(one: list[dict[str, float]], other: list[dict[str, float]]) -> int | None:
    """Return the first epoch, from 1, in which two histories differ in any digit; None where none does."""
    for place in range(max(len(one), len(other))):
        if place >= min(len(one), len(other)) or repr(one[place]) != repr(other[place]):
            return place + 1
    return None


def _compared_metrics(run: Run, outcome: Outcome) -> tuple[ComparedMetric, ...]:
    then = run.record.metrics
    return tuple(
        ComparedMetric(split, metric, value, outcome.metrics[split][metric])
        for split, values in then.items()
        for metric, value in values.items()
        if metric in outcome.metrics.get(split, {})
    )
