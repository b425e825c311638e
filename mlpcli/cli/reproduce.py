"""`mlpcli reproduce`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mlpcli.cli.options import RUNS_DIR, DebugOption, JsonOption, RunArgument, RunsDirOption, TrustOption


def reproduce(
    run: RunArgument,
    tolerance: Annotated[
        float, typer.Option(min=0, help="How far a figure may be off, absolutely or as a share of itself.")
    ] = 0.01,
    force: Annotated[bool, typer.Option("--force", help="Go on although the data has changed.")] = False,
    trust_plugins: TrustOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a finished run again, and say whether it comes to the same."""
    from mlpcli.cli.named import find_named
    from mlpcli.report import console
    from mlpcli.report import reproduce as report_reproduction

    found = find_named(run, runs_dir, trusted=trust_plugins)
    from mlpcli.training.reproduce import DRIFTED, reproduce_run

    with console.TrainingReport(stderr=json) as watcher:
        result = reproduce_run(
            found, runs_dir=runs_dir, watcher=watcher, tolerance=tolerance, command=sys.argv, force=force
        )
    if json:
        console.show_json(report_reproduction.reproduction_json(result))
    else:
        report_reproduction.show_reproduction(result)
    if result.verdict == DRIFTED:
        raise typer.Exit(1)
