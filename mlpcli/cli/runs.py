"""`mlpcli runs`."""

from __future__ import annotations

from typing import Annotated

import typer

from mlpcli.cli.options import RUNS_DIR, DebugOption, JsonOption, RunsDirOption


def runs(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Of an experiment; all of them without it.")
    ] = None,
    trials: Annotated[
        bool, typer.Option("--trials", help="Also the trials that searches are made of.")
    ] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the runs there are, with what they reached."""
    from mlpcli.report import runs as report_runs
    from mlpcli.report.console import show_json
    from mlpcli.runs.folder import list_runs

    listing = list_runs(runs_dir, name, within=trials)
    if json:
        show_json([report_runs.run_json(run) for run in listing.runs])
    else:
        report_runs.show_runs(listing, runs_dir)
    report_runs.show_left_out(listing.damaged)
