"""A finished run trained again, and held against what it was: the same, near enough, or what drifted."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlpcli
from mlpcli import runs
from mlpcli.errors import Problem, RunError
from mlpcli.model.plugins import run_plugins
from mlpcli.model.run_spec import own_spec
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import read_history
from mlpcli.runs.results import ComparedFact, ComparedMetric, Outcome, Reproduction
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import located
from mlpcli.training.disk_space import check_place, check_room
from mlpcli.training.identity import versions
from mlpcli.training.prepare import Clock, check_callbacks, prepare
from mlpcli.training.run_record import commit_of
from mlpcli.training.session import Extent, train_into

TOLERANCE = 0.01
"""How far a figure may be off, absolutely or as a share of itself, and still count as the same result."""


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

    Raises:
        RunError: the run is not finished; or its data has changed, without `force`.
        TrainingError, KeyboardInterrupt: as `train_into`.
    """
    if run.status != runs.COMPLETED:
        hint = f"finish it with {runs.resume_command(run.folder)}"
        raise RunError(
            Problem(f"run {run.label} {run.describe()}: there is no result to compare with", hint=hint)
        )
    loaded = own_spec(run)
    check_place(runs_dir, loaded.spec.name)
    run_plugins(run, loaded.catalog)
    clock = Clock()
    with located(loaded):
        prepared = prepare(loaded, clock, watcher.stage)
        check_callbacks(loaded)
    _check_data(run, prepared.dataset.fingerprint, force=force)
    then = read_history(run.require(runs.HISTORY))
    facts = changed_facts(run)
    if (parent := run.record.parent) is not None:
        watcher.note(f"run {run.label} continued {parent.run}; here all is trained in one go")
    for note in prepared.moved:
        watcher.note(note)
    for fact in facts:
        watcher.note(f"not as it was: {fact.name}: {fact.then} then, {fact.now} now")
    check_room(runs_dir, prepared.model, loaded.spec.name)
    extent = Extent(record={"reproduces": {"run": run.label, "folder": str(run.folder.resolve())}})
    with runs.new_run(runs_dir, loaded.spec.name) as run_dir:
        outcome = train_into(
            run_dir,
            prepared.loaded,
            prepared.dataset,
            prepared.model,
            watcher=watcher,
            clock=clock,
            command=command,
            extent=extent,
        )
    epoch = first_difference(then, read_history(run_dir / runs.HISTORY))
    return Reproduction(run, outcome, facts, _figures(run, outcome), epoch, tolerance)


def _check_data(run: Run, fingerprint: str, *, force: bool) -> None:
    if fingerprint != runs.data_facts(run).fingerprint and not force:
        rule = (
            f"the data of run {run.label} has changed since it was trained, so its figures cannot come again"
        )
        raise RunError(Problem(rule, hint="put the data back, or add --force to compare all the same"))


def changed_facts(run: Run) -> tuple[ComparedFact, ...]:
    """Versions, commit and machine that are not those of the run."""
    record = run.record
    then: dict[str, Any] = dict(record.versions)
    now: dict[str, Any] = {"mlpcli": mlpcli.__version__, **versions()}
    host = record.host
    then |= {"machine": host.machine, "system": host.system, "cores": host.cores}
    now |= {"machine": platform.machine(), "system": platform.platform(), "cores": os.cpu_count()}
    if record.spec and host.name == platform.node():  # elsewhere the folder is another's, or not there
        then["commit"], now["commit"] = record.commit, commit_of(Path(record.spec).parent)
    return tuple(
        ComparedFact(name, str(then.get(name, "unknown")), str(value))
        for name, value in now.items()
        if then.get(name) != value
    )


def first_difference(one: list[dict[str, float]], other: list[dict[str, float]]) -> int | None:
    """The first epoch, from 1, in which two histories differ in any digit; None where they are the same."""
    for place in range(max(len(one), len(other))):
        if place >= min(len(one), len(other)) or repr(one[place]) != repr(other[place]):
            return place + 1
    return None


def _figures(run: Run, outcome: Outcome) -> tuple[ComparedMetric, ...]:
    then = run.record.metrics
    return tuple(
        ComparedMetric(split, metric, value, outcome.metrics[split][metric])
        for split, values in then.items()
        for metric, value in values.items()
        if metric in outcome.metrics.get(split, {})
    )
