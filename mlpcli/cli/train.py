"""`mlpcli train`."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpcli.cli.options import (
    RUNS_DIR,
    AdviceOption,
    DebugOption,
    JsonOption,
    RunsDirOption,
    SetOption,
    TrustOption,
)

if TYPE_CHECKING:
    from mlpcli.training.session import Outcome, Watcher


def train(
    spec: Annotated[
        Path | None, typer.Argument(metavar="SPEC", help="The YAML file of the experiment.")
    ] = None,
    settings: SetOption = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Finish a run that was interrupted or killed; SPEC may be left out."
        ),
    ] = None,
    further: Annotated[
        str | None, typer.Option("--continue", metavar="RUN", help="Train a finished run for more epochs.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="With --continue: how many more epochs.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --resume and --continue: go on although something changed.")
    ] = False,
    trust_plugins: TrustOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    advice: AdviceOption = True,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train what a spec says, into a new run folder; or go on with a run."""
    from mlpcli.report import console
    from mlpcli.runs.folder import COMPLETED, find_run, tidy

    _check_usage(spec, resume, further, epochs)
    if resume is not None:
        found = find_run(resume, runs_dir, unfinished=True)
        if found.status == COMPLETED:
            tidy(found.folder)
            console.show_finished(found, json=json)
            return
    # A plug-in's callback may print: stdout is for the one document then.
    aside = contextlib.redirect_stdout(sys.stderr) if json else contextlib.nullcontext()
    with aside, console.TrainingReport(stderr=json) as watcher:
        leave = {"force": force, "trusted": trust_plugins}
        if resume is not None:
            outcome = _resume(resume, spec, settings or [], runs_dir, watcher, **leave)
        elif further is not None:
            outcome = _continue(further, epochs, settings or [], runs_dir, watcher, **leave)
        else:
            assert spec is not None
            outcome = _begin(spec, settings or [], runs_dir, watcher, advice, trust_plugins)
    if json:
        console.show_json(console.outcome_json(outcome))
    else:
        console.show_outcome(outcome, runs_dir)


def _begin(
    spec: Path, settings: list[str], runs_dir: Path, watcher: Watcher, advice: bool, trusted: bool
) -> Outcome:
    from mlpcli.spec.load import load_spec, located

    loaded = load_spec(spec, settings=settings)
    from mlpcli.model.transfer import find_start
    from mlpcli.training.session import train as train_spec

    with located(loaded):
        loaded = find_start(replace(loaded, runs_dir=runs_dir), trusted=trusted)

    return train_spec(loaded, runs_dir=runs_dir, watcher=watcher, command=sys.argv, advice=advice)


def _resume(
    name: str,
    spec: Path | None,
    settings: list[str],
    runs_dir: Path,
    watcher: Watcher,
    *,
    force: bool,
    trusted: bool,
) -> Outcome:
    from mlpcli.runs.folder import find_run
    from mlpcli.spec.load import load_spec

    run = find_run(name, runs_dir, unfinished=True, trusted=trusted)
    loaded = replace(load_spec(spec, settings=settings), runs_dir=runs_dir) if spec else None
    from mlpcli.model.run_spec import own_spec
    from mlpcli.training.resume import resume_run

    if loaded is None and settings:
        loaded = own_spec(run, settings)

    return resume_run(run, loaded, watcher=watcher, command=sys.argv, force=force)


def _continue(
    name: str,
    epochs: int | None,
    settings: list[str],
    runs_dir: Path,
    watcher: Watcher,
    *,
    force: bool,
    trusted: bool,
) -> Outcome:
    from mlpcli.runs.folder import find_run

    run = find_run(name, runs_dir, trusted=trusted)
    from mlpcli.training.resume import continue_run

    return continue_run(
        run,
        runs_dir=runs_dir,
        watcher=watcher,
        epochs=epochs,
        settings=settings,
        command=sys.argv,
        force=force,
    )


def _check_usage(spec: Path | None, resume: str | None, further: str | None, epochs: int | None) -> None:
    """Refuse flags that do not go together.

    Raises:
        UsageError: they do not.
    """
    from mlpcli.errors import Problem, UsageError

    if resume is not None and further is not None:
        raise UsageError(Problem("--resume and --continue do not go together", hint="keep one"))
    if further is not None and spec is not None:
        raise UsageError(Problem("--continue takes the run's own spec", hint="leave SPEC out, or use --set"))
    if epochs is not None and further is None:
        raise UsageError(Problem("--epochs is for --continue", hint="use --set fit.epochs=N"))
    if spec is None and resume is None and further is None:
        raise UsageError(Problem("Missing argument 'SPEC'; see mlpcli train --help"))
