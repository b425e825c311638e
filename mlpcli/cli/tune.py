"""`mlpcli tune`."""

from __future__ import annotations

import enum
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpcli.cli.options import (
    RUNS_DIR,
    DebugOption,
    JsonOption,
    LogTo,
    LogToOption,
    OptionalSpecArgument,
    RunsDirOption,
    SetOption,
    TrustOption,
)

if TYPE_CHECKING:
    from mlpcli.errors import Problem
    from mlpcli.runs.results import SearchOutcome
    from mlpcli.runs.watcher import SearchWatcher
    from mlpcli.spec.load import LoadedSpec
    from mlpcli.tuning.search import SearchOptions


class Role(enum.StrEnum):
    """What a process does for a search that several processes run."""

    chief = "chief"
    worker = "worker"


TrialsOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Total number of trials, instead of max_trials.")
]
ResumeOption = Annotated[
    str | None,
    typer.Option(metavar="SEARCH", help="Continue a search; with SPEC, after a change of its ranges."),
]
ExtendSpaceOption = Annotated[
    bool,
    typer.Option("--extend-space", help="With --resume: accept wider ranges and new hyperparameters."),
]
FreshOption = Annotated[
    bool, typer.Option("--fresh", help="Start a new search even if one of the same spec is unfinished.")
]
WorkersOption = Annotated[
    int, typer.Option(metavar="N", min=1, help="Number of processes that run trials in parallel.")
]
EnsembleOption = Annotated[
    int | None,
    typer.Option(metavar="N", min=2, help="Keep the mean of the N best trials, instead of the best."),
]
RoleOption = Annotated[
    Role | None,
    typer.Option(
        help="Run the trials in processes that you start yourself: one chief and any number of workers."
    ),
]
MinutesOption = Annotated[
    float | None,
    typer.Option(
        "--max-minutes",
        metavar="N",
        help="Start no trial after N minutes, and keep the best so far; --resume goes on. "
        "As tuner.max_minutes.",
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT", help="Where the chief listens; 127.0.0.1 unless other machines connect."
    ),
]


@dataclass(frozen=True)
class TuneOptions:
    """The options of one `mlpcli tune`, as given on the command line."""

    spec: Path | None
    settings: Sequence[str]
    trials: int | None
    resume: str | None
    extend_space: bool
    fresh: bool
    ensemble: int | None
    max_minutes: float | None
    workers: int
    role: Role | None
    address: str | None
    trusted: bool
    runs_dir: Path
    log_to: LogTo | None


def tune(
    spec: OptionalSpecArgument = None,
    settings: SetOption = None,
    trials: TrialsOption = None,
    resume: ResumeOption = None,
    extend_space: ExtendSpaceOption = False,
    fresh: FreshOption = False,
    ensemble: EnsembleOption = None,
    max_minutes: MinutesOption = None,
    workers: WorkersOption = 1,
    role: RoleOption = None,
    address: AddressOption = None,
    log_to: LogToOption = None,
    trust_plugins: TrustOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Search hyperparameters, then train the best into a run."""
    options = TuneOptions(
        spec,
        settings or (),
        trials,
        resume,
        extend_space,
        fresh,
        ensemble,
        max_minutes,
        workers,
        role,
        address,
        trust_plugins,
        runs_dir,
        log_to,
    )
    _check_all(options)
    _tune(options, json=json)


def _tune(options: TuneOptions, *, json: bool) -> None:
    """Search, or run the trials of a chief, and show what came of it."""
    from mlpcli.cli.findings import find_odd, findings_json, show_odd
    from mlpcli.export.mlflow_watchers import logged_search
    from mlpcli.report import tune as report
    from mlpcli.report.console import show_json

    if options.role is Role.worker:
        with report.WorkerReport(stderr=json) as watcher:
            done = _work(options, watcher)
        report.show_worker(done, json=json)
        return
    with (
        report.SearchReport(stderr=json) as progress,
        logged_search(progress, _is_logged(options, progress)) as watcher,
    ):
        outcome = _resume(options, watcher) if options.resume is not None else _begin(options, watcher)
    findings = () if outcome.run is None else find_odd(outcome.run)
    if json:
        show_json(report.search_json(outcome) | findings_json(findings))
        return
    report.show_search(outcome, progress.seconds())
    if outcome.run is not None:
        show_odd(findings, outcome.run, options.runs_dir)


def _is_logged(options: TuneOptions, watcher: SearchWatcher) -> bool:
    """Return whether to write into MLflow: where asked for, or where what is resumed is."""
    from mlpcli.export.mlflow_watchers import goes_on
    from mlpcli.runs.search_folder import find_search

    if options.log_to is not None or options.resume is None:
        return options.log_to is not None
    return goes_on(find_search(options.resume, options.runs_dir).folder, watcher.note)


def _begin(options: TuneOptions, watcher: SearchWatcher) -> SearchOutcome:
    """Start a new search.

    Raises:
        UsageError: the newest search of this spec is unfinished, and --fresh was not given.
    """
    from mlpcli.errors import Problem, UsageError
    from mlpcli.keras_import import use_threads
    from mlpcli.runs.search_folder import unfinished_search

    loaded = _load(options)
    assert loaded is not None
    left = None
    if not options.fresh:
        left = unfinished_search(options.runs_dir, loaded.spec.name, loaded.space.to_json())
    if left is not None:
        rule = f"search {left.label} of this spec is not finished: {left.progress()}"
        hint = f"continue it with --resume {left.label}, or start a new one with --fresh"
        raise UsageError(Problem(rule, hint=hint))
    watcher.stage("starting TensorFlow")
    use_threads(loaded.spec.fit.threads)
    from mlpcli.tuning.begin_search import begin_search

    return begin_search(loaded, runs_dir=options.runs_dir, watcher=watcher, options=_search_options(options))


def _resume(options: TuneOptions, watcher: SearchWatcher) -> SearchOutcome:
    """Continue the search that --resume names."""
    from mlpcli.keras_import import use_threads
    from mlpcli.report.runs import show_left_out
    from mlpcli.runs.search_folder import find_search, searched_threads

    assert options.resume is not None
    found = find_search(options.resume, options.runs_dir)
    show_left_out(found.left_out)
    loaded = _load(options)
    use_threads(searched_threads(found.folder) if loaded is None else loaded.spec.fit.threads)
    watcher.stage("starting TensorFlow")
    from mlpcli.tuning.resume_search import resume_search

    return resume_search(found.folder, loaded, watcher=watcher, options=_search_options(options))


def _search_options(options: TuneOptions) -> SearchOptions:
    """Return those of the options that a search takes."""
    from mlpcli.tuning.search import SearchOptions

    return SearchOptions(
        trials=options.trials,
        workers=options.workers,
        ensemble=options.ensemble,
        max_minutes=options.max_minutes,
        address=options.address,
        extend_space=options.extend_space,
        trusted=options.trusted,
        command=sys.argv,
    )


def _work(options: TuneOptions, watcher: SearchWatcher) -> int:
    """Run trials for a chief that may be on another machine; return how many.

    Raises:
        TrainingError: the chief was not found, or contact with it was lost.
    """
    from mlpcli.runs import trust
    from mlpcli.runs.search_folder import find_search
    from mlpcli.spec.load import load_spec

    assert options.address is not None
    folder = find_search(options.resume, options.runs_dir).folder if options.resume is not None else None
    name = ""
    if options.spec is not None:
        loaded = load_spec(options.spec)
        name = loaded.spec.name
        for plugin in loaded.catalog.plugins:  # the chief's copies may run if they are these
            trust.remember(plugin.sha256)
    watcher.stage("starting TensorFlow")
    from mlpcli.tuning.worker import work

    return work(
        options.address,
        search_dir=folder,
        name=name,
        runs_dir=options.runs_dir,
        watcher=watcher,
        trusted=options.trusted,
    )


def _load(options: TuneOptions) -> LoadedSpec | None:
    """Return the spec with the --set values applied, or None without a SPEC."""
    from mlpcli.cli.spec_file import read_spec

    if options.spec is None:
        return None
    return replace(read_spec(options.spec, options.settings, searched=True), runs_dir=options.runs_dir)


def _check_all(options: TuneOptions) -> None:
    """Refuse options that do not go together; then with what is wrong with the spec or the search, too.

    Raises:
        MlpcliError: with everything that is wrong.
    """
    from mlpcli.errors import AllAtOnce, UsageError
    from mlpcli.export.mlflow_log import check_installed
    from mlpcli.runs.search_folder import find_search

    at_once = AllAtOnce()
    with at_once:
        if problems := [*_usage_problems(options)]:
            raise UsageError(*problems)
    if options.log_to is not None:
        at_once.of(check_installed)
    if not at_once.errors:
        return
    if options.resume is not None:
        at_once.of(find_search, options.resume, options.runs_dir)
    at_once.of(_load, options)
    at_once.finish()


def _usage_problems(options: TuneOptions) -> Iterator[Problem]:
    """Yield the options that do not go together."""
    from mlpcli.errors import Problem

    spec, resume = options.spec, options.resume
    if options.max_minutes is not None and not 0 < options.max_minutes < math.inf:
        yield Problem("--max-minutes must be a positive number of minutes", received=options.max_minutes)
    if (options.role is None) != (options.address is None):
        hint = "write both: --role chief --address 127.0.0.1:4100"
        yield Problem("--role and --address must be given together", hint=hint)
    if options.role is not None and options.workers > 1:
        hint = "start each worker yourself, or leave --role out"
        yield Problem("--workers starts processes of this command; --role does not", hint=hint)
    if options.role is Role.worker:
        if options.log_to is not None:
            yield Problem(
                "--log-to is for the chief, which receives the results of all trials", hint="leave it out"
            )
        if spec is None and resume is None:
            hint = "mlpcli tune SPEC --role worker --address HOST:PORT"
            yield Problem("a worker needs the SPEC, or --resume SEARCH", hint=hint)
        return
    if spec is None and resume is None:
        yield Problem("Missing argument 'SPEC'; see mlpcli tune --help")
    if resume is not None and options.fresh:
        yield Problem("--resume and --fresh cannot be combined", hint="keep one")
    if options.extend_space and (resume is None or spec is None):
        hint = "mlpcli tune SPEC --resume SEARCH --extend-space"
        yield Problem("--extend-space needs the changed SPEC and the search to continue", hint=hint)
    if options.settings and spec is None:
        yield Problem("--set needs the SPEC that it changes", hint="give the spec's file too")
