"""Start and resume a run, whether its spec is trained once or several times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlpcli.runs.folder import Run
from mlpcli.runs.results import Outcome
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.repeats import is_repeated, trained_once
from mlpcli.training.job import NEW_RUN, WHOLE_RUN, TrainOptions
from mlpcli.training.replicas.cluster import Cluster
from mlpcli.training.resume import resume_run
from mlpcli.training.session import train


def start_run(
    loaded: LoadedSpec,
    *,
    runs_dir: Path,
    watcher: Watcher,
    command: Sequence[str] = (),
    options: TrainOptions = NEW_RUN,
) -> Outcome:
    """Train a spec into a new folder under `runs_dir`; see `train` and `train_members`.

    Args:
        loaded: The spec.
        runs_dir: The runs folder.
        watcher: Receives the progress.
        command: The command line, for `run.json`.
        options: How much of the run of a single training is written; whether advice is shown.
    """
    if is_repeated(loaded.spec):
        from mlpcli.training.repeated.train_members import train_members

        advice = options.advice
        return train_members(loaded, runs_dir=runs_dir, watcher=watcher, command=command, advice=advice)
    return train(trained_once(loaded), runs_dir=runs_dir, watcher=watcher, command=command, options=options)


def resume(
    run: Run,
    loaded: LoadedSpec | None = None,
    *,
    watcher: Watcher,
    command: Sequence[str] = (),
    force: bool = False,
    max_minutes: float | None = None,
    cluster: Cluster | None = None,
) -> Outcome:
    """Finish a run that was interrupted or killed, in its own folder; see `resume_run` and `resume_members`.

    Args:
        run: The run.
        loaded: A spec to compare with the run's; None for the run's own.
        watcher: Receives the progress.
        command: The command line, for `run.json`.
        force: Resume although spec, data or plug-ins have changed, or the run has diverged.
        max_minutes: After how many the trainings end; None for those of the spec.
        cluster: The workers that train a single training together.
    """
    if run.record.members is not None:
        from mlpcli.training.repeated.resume_members import resume_members

        return resume_members(
            run, loaded, watcher=watcher, command=command, force=force, max_minutes=max_minutes
        )
    return resume_run(
        run,
        loaded,
        watcher=watcher,
        command=command,
        force=force,
        max_minutes=max_minutes,
        options=replace(WHOLE_RUN, cluster=cluster),
    )
