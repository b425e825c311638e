"""`mlpcli reproduce`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mlpcli.cli.options import (
    RUNS_DIR,
    BestOption,
    DebugOption,
    JsonOption,
    RunArgument,
    RunsDirOption,
    TrustOption,
)


def reproduce(
    run: RunArgument,
    tolerance: Annotated[
        float, typer.Option(min=0, help="How much a metric may differ, absolute or relative.")
    ] = 0.01,
    force: Annotated[bool, typer.Option("--force", help="Continue even if the data has changed.")] = False,
    best: BestOption = False,
    trust_plugins: TrustOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a finished run again, and compare the results."""
    from mlpcli.cli.named import check_data, find_named
    from mlpcli.report import reproduce as report
    from mlpcli.report.console import show_json
    from mlpcli.report.train import TrainingReport
    from mlpcli.runs.results import DRIFTED

    found = find_named(run, runs_dir, trusted=trust_plugins, best=best)
    check_data(found)
    from mlpcli.training.reproduce import reproduce_run
    from mlpcli.training.side_process import side_process

    with TrainingReport(stderr=json) as watcher, side_process():
        result = reproduce_run(
            found, runs_dir=runs_dir, watcher=watcher, tolerance=tolerance, command=sys.argv, force=force
        )
    if json:
        show_json(report.reproduction_json(result))
    else:
        report.show_reproduction(result)
    if result.verdict == DRIFTED:
        raise typer.Exit(1)
