"""`mlpcli runs`."""

from __future__ import annotations

from typing import Annotated

import typer

from mlpcli.cli.options import RUNS_DIR, DebugOption, JsonOption, RunsDirOption


def runs(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Only the runs of this experiment.")
    ] = None,
    trials: Annotated[bool, typer.Option("--trials", help="Also list the trials inside searches.")] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the runs with their status and metrics."""
    from mlpcli.report import runs as report
    from mlpcli.report.console import show_json
    from mlpcli.runs.folder import list_runs

    listing = list_runs(runs_dir, name, within=trials)
    report.show_left_out(listing.damaged)
    if json:
        show_json([report.run_json(run) for run in listing.runs])
    else:
        report.show_runs(listing, runs_dir)
