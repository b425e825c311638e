"""`mlpcli tune`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mlpcli.cli.options import RUNS_DIR, DebugOption, JsonOption, RunsDirOption, SetOption


def tune(
    spec: Annotated[
        Path | None, typer.Argument(metavar="SPEC", help="The YAML file of the experiment.")
    ] = None,
    settings: SetOption = None,
    trials: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many trials in all, instead of max_trials.")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="SEARCH", help="Go on with a search; with SPEC, after a change of its ranges."),
    ] = None,
    extend_space: Annotated[
        bool, typer.Option("--extend-space", help="With --resume: take wider ranges and new hyperparameters.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew beside an unfinished search of the same spec.")
    ] = False,
    workers: Annotated[
        int, typer.Option(metavar="N", min=1, help="Processes that run trials at the same time.")
    ] = 1,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Search hyperparameters, then train the best into a run."""
    from mlpcli import report_search
    from mlpcli.cli.searching import run_search
    from mlpcli.report import show_json

    with report_search.SearchReport(stderr=json) as watcher:
        outcome = run_search(
            spec,
            settings=settings or (),
            resume=resume,
            extend_space=extend_space,
            fresh=fresh,
            trials=trials,
            workers=workers,
            runs_dir=runs_dir,
            watcher=watcher,
            command=sys.argv,
        )
    if json:
        show_json(report_search.search_json(outcome))
    else:
        report_search.show_search(outcome, runs_dir)
