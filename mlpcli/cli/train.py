"""`mlpcli train`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpcli.cli.completion import complete_run
from mlpcli.cli.options import (
    RUNS_DIR,
    AdviceOption,
    DebugOption,
    JsonOption,
    LogToOption,
    OptionalSpecArgument,
    RunsDirOption,
    SetOption,
    TrustOption,
)
from mlpcli.cli.train_flags import TrainFlags, as_written, check_flags

if TYPE_CHECKING:
    from mlpcli.runs.folder import Run
    from mlpcli.runs.results import Outcome
    from mlpcli.runs.watcher import Watcher
    from mlpcli.spec.load import LoadedSpec
    from mlpcli.training.replicas.cluster import Cluster

ResumeOption = Annotated[
    str | None,
    typer.Option(
        metavar="RUN",
        help="Finish a run that was interrupted or killed; SPEC may be left out.",
        autocompletion=complete_run,
    ),
]
ContinueOption = Annotated[
    str | None,
    typer.Option(
        "--continue", metavar="RUN", help="Train a finished run for more epochs.", autocompletion=complete_run
    ),
]
EpochsOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="With --continue: how many more epochs.")
]
BestParentOption = Annotated[bool, typer.Option("--best", help="With --continue: the name's best run.")]
FoldsOption = Annotated[
    int | None, typer.Option(metavar="N", help="Train on N folds, each held out once; as fit.folds.")
]
SeedsOption = Annotated[
    int | None, typer.Option(metavar="N", help="Train with N seeds on the same splits; as fit.seeds.")
]
ReplicasOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Train by N processes on this machine, each on its share of every batch; 1 for this one alone.",
    ),
]
MinutesOption = Annotated[
    float | None,
    typer.Option(
        "--max-minutes",
        metavar="N",
        help="End after N minutes, with the files of a finished run; --resume goes on. As fit.max_minutes.",
    ),
]
ForceOption = Annotated[
    bool,
    typer.Option("--force", help="With --resume and --continue: continue even if something has changed."),
]


def train(
    spec: OptionalSpecArgument = None,
    settings: SetOption = None,
    folds: FoldsOption = None,
    seeds: SeedsOption = None,
    resume: ResumeOption = None,
    further: ContinueOption = None,
    epochs: EpochsOption = None,
    replicas: ReplicasOption = None,
    max_minutes: MinutesOption = None,
    log_to: LogToOption = None,
    force: ForceOption = False,
    best: BestParentOption = False,
    trust_plugins: TrustOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    advice: AdviceOption = True,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a spec into a new run folder, or continue a run."""
    repeats = _repeats(folds, seeds)
    options = TrainFlags(
        spec=spec,
        settings=[*(settings or []), *repeats.values()],
        resume=resume,
        further=further,
        epochs=epochs,
        force=force,
        best=best,
        trusted=trust_plugins,
        runs_dir=runs_dir,
        advice=advice,
        max_minutes=max_minutes,
        replicas=replicas,
        log_to=log_to,
    )
    check_flags(options, repeats)
    if max_minutes is not None and resume is None:
        repeats[f"--max-minutes {max_minutes:g}"] = f"fit.max_minutes={max_minutes:g}"
        options = replace(options, settings=[*(settings or []), *repeats.values()])
    if resume is None or not _is_finished(resume, runs_dir, json=json):
        _train(options, repeats, json=json)


def _is_finished(resume: str, runs_dir: Path, *, json: bool) -> bool:
    """Return whether a run to resume has nothing left to train, and show that."""
    from mlpcli.cli.named import find_named
    from mlpcli.report import train as report
    from mlpcli.runs.folder import COMPLETED, tidy

    found = find_named(resume, runs_dir, unfinished=True)
    if found.status != COMPLETED or found.record.can_go_on:
        return False
    tidy(found.folder)
    report.show_finished(found, json=json)
    return True


def _train(options: TrainFlags, repeats: Mapping[str, str], *, json: bool) -> None:
    """Train, and show what the training reached."""
    from mlpcli.cli.findings import find_odd, findings_json, show_odd
    from mlpcli.cli.named import say_which
    from mlpcli.report import train as report
    from mlpcli.report.console import show_json

    with as_written(repeats), report.TrainingReport(stderr=json) as watcher:
        outcome = _run(options, watcher)
    if outcome is None:
        report.show_worker(json=json)
        return
    findings = find_odd(outcome.run)
    if json:
        show_json(report.outcome_json(outcome) | findings_json(findings))
    else:
        report.show_outcome(outcome, options.runs_dir)
        show_odd(findings, outcome.run, options.runs_dir)
        say_which(outcome.run.folder.parent.name, options.runs_dir)


def _logged(options: TrainFlags, watcher: Watcher) -> contextlib.AbstractContextManager[Watcher]:
    """Return a watcher that also writes into MLflow, where asked for, or where the run that is resumed is."""
    from mlpcli.export.mlflow_watchers import goes_on, logged_training
    from mlpcli.runs.folder import find_run

    wanted = options.log_to is not None
    if not wanted and options.resume is not None:
        wanted = goes_on(find_run(options.resume, options.runs_dir, unfinished=True).folder, watcher.note)
    return logged_training(watcher, wanted)


def _repeats(folds: int | None, seeds: int | None) -> dict[str, str]:
    """Return the values of --set that --folds and --seeds stand for, by how these are written."""
    given = {key: value for key, value in (("folds", folds), ("seeds", seeds)) if value is not None}
    return {f"--{key} {value}": f"fit.{key}={value}" for key, value in given.items()}


def _run(options: TrainFlags, watcher: Watcher) -> Outcome | None:
    """Start, resume or continue, as the options say; return nothing in a worker other than worker 0."""
    if options.resume is not None:
        return _resume(options, options.resume, watcher)
    if options.further is not None:
        return _continue(options, options.further, watcher)
    assert options.spec is not None
    return _begin(options, options.spec, watcher)


def _begin(options: TrainFlags, spec: Path, watcher: Watcher) -> Outcome | None:
    """Train a spec from its first epoch."""
    from mlpcli.cli.spec_file import read_spec
    from mlpcli.cli.with_replicas import workers

    loaded = read_spec(spec, options.settings)
    with workers(loaded, options.replicas, options.arguments()) as cluster:
        return _begin_with(cluster, loaded, options, watcher)


def _begin_with(
    cluster: Cluster | None, loaded: LoadedSpec, options: TrainFlags, watcher: Watcher
) -> Outcome | None:
    from mlpcli.model.transfer import find_start
    from mlpcli.spec.load import located
    from mlpcli.training.job import WHOLE_RUN
    from mlpcli.training.side_process import side_process
    from mlpcli.training.start import start_run

    with located(loaded):
        loaded = find_start(replace(loaded, runs_dir=options.runs_dir), trusted=options.trusted)
    if cluster is not None and cluster.index:
        from mlpcli.training.replicas.train_along import work

        work(loaded, cluster, watcher=watcher, command=sys.argv)
        return None
    with side_process(), _logged(options, watcher) as logged:
        return start_run(
            loaded,
            runs_dir=options.runs_dir,
            watcher=logged,
            command=sys.argv,
            options=replace(WHOLE_RUN, advice=options.advice, cluster=cluster),
        )


def _resume(options: TrainFlags, name: str, watcher: Watcher) -> Outcome | None:
    """Finish a run that was interrupted or killed, in its own folder."""
    from mlpcli.cli.named import ELSEWHERE, check_data
    from mlpcli.runs.folder import find_run
    from mlpcli.spec.load import load_spec

    run = find_run(name, options.runs_dir, unfinished=True, trusted=options.trusted)
    loaded = None
    if options.spec is None and not options.settings:
        check_data(run, ELSEWHERE)
    if options.spec is not None:
        loaded = replace(load_spec(options.spec, settings=options.settings), runs_dir=options.runs_dir)
    from mlpcli.cli.with_replicas import workers
    from mlpcli.model.run_spec import own_spec

    if loaded is None and options.settings:
        loaded = own_spec(run, options.settings)
    with workers(loaded or own_spec(run), _replicas_then(options, run), options.arguments()) as cluster:
        if cluster is not None and cluster.index:
            from mlpcli.training.replicas.train_along import work_on_resumed

            work_on_resumed(run, loaded, cluster, watcher=watcher, command=sys.argv)
            return None
        return _resume_with(cluster, run, loaded, options, watcher)


def _replicas_then(options: TrainFlags, run: Run) -> int | None:
    """Return the number of processes to resume a run with: what is asked for, or as many as there were."""
    then = run.record.replicas
    if options.replicas is not None or then is None or then.source != "--replicas":
        return options.replicas
    return then.count


def _resume_with(
    cluster: Cluster | None, run: Run, loaded: LoadedSpec | None, options: TrainFlags, watcher: Watcher
) -> Outcome:
    from mlpcli.training.side_process import side_process
    from mlpcli.training.start import resume

    with side_process(), _logged(options, watcher) as logged:
        return resume(
            run,
            loaded,
            watcher=logged,
            command=sys.argv,
            force=options.force,
            max_minutes=options.max_minutes,
            cluster=cluster,
        )


def _continue(options: TrainFlags, name: str, watcher: Watcher) -> Outcome:
    """Train a finished run for more epochs, in a new folder."""
    from mlpcli.cli.named import ELSEWHERE, check_data, find_named
    from mlpcli.training.replicas.cluster import refuse_cluster

    refuse_cluster(os.environ)
    run = find_named(name, options.runs_dir, trusted=options.trusted, best=options.best)
    if not options.settings:
        check_data(run, ELSEWHERE)
    from mlpcli.keras_import import use_threads
    from mlpcli.model.run_spec import own_spec

    use_threads(own_spec(run, options.settings).spec.fit.threads)  # before anything imports TensorFlow
    from mlpcli.training.resume import Continuation, continue_run
    from mlpcli.training.side_process import side_process

    how = Continuation(options.epochs, options.settings, options.force)
    with side_process(), _logged(options, watcher) as logged:
        return continue_run(run, runs_dir=options.runs_dir, watcher=logged, command=sys.argv, how=how)
