"""`mlpcli tune`."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import Annotated

import typer

from mlpcli.cli.options import RUNS_DIR, DebugOption, JsonOption, RunsDirOption, SetOption, TrustOption


class Role(enum.StrEnum):
    """What a process does for a search that several run."""

    chief = "chief"
    worker = "worker"


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
    role: Annotated[
        Role | None,
        typer.Option(help="Run this search's trials in processes started by hand: one chief, any workers."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Where the chief listens; 127.0.0.1 unless others must reach it."
        ),
    ] = None,
    trust_plugins: TrustOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Search hyperparameters, then train the best into a run."""
    from mlpcli.cli.searching import check_role, run_search, run_worker
    from mlpcli.report import search
    from mlpcli.report.console import show_json, show_line

    check_role(role.value if role else None, address, workers)
    if role is Role.worker:
        with search.WorkerReport(stderr=json) as lines:
            done = run_worker(
                spec, resume=resume, address=address, trusted=trust_plugins, runs_dir=runs_dir, watcher=lines
            )
        if json:
            show_json({"role": "worker", "trials": done})
        else:
            show_line(f"the search is over; {done} trials were run here")
        return

    with search.SearchReport(stderr=json) as watcher:
        outcome = run_search(
            spec,
            settings=settings or (),
            resume=resume,
            extend_space=extend_space,
            fresh=fresh,
            trials=trials,
            workers=workers,
            address=address,
            trusted=trust_plugins,
            runs_dir=runs_dir,
            watcher=watcher,
            command=sys.argv,
        )
    if json:
        show_json(search.search_json(outcome))
    else:
        search.show_search(outcome)
