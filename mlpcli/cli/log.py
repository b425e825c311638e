"""`mlpcli log`."""

from __future__ import annotations

from typing import Annotated

import typer

from mlpcli.cli.options import (
    RUNS_DIR,
    BestOption,
    DebugOption,
    JsonOption,
    LogTo,
    RunArgument,
    RunsDirOption,
)


def log(
    name: RunArgument,
    to: Annotated[
        LogTo, typer.Option("--to", metavar="mlflow", help="MLflow: ./mlruns, or MLFLOW_TRACKING_URI.")
    ] = LogTo.mlflow,
    best: BestOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a run that is trained into MLflow, with its trials or folds. See also train --log-to."""
    from mlpcli.cli.named import find_named
    from mlpcli.errors import TrainingError
    from mlpcli.export.mlflow_watchers import log_run
    from mlpcli.report.console import show_json, show_line

    run = find_named(name, runs_dir, best=best)
    failures: list[str] = []
    where = log_run(run, failures.append)
    if failures:
        raise TrainingError(*failures)
    if json:
        show_json({"run": run.label, "to": to.value, "tracking_uri": where})
    else:
        show_line(f"logged   {run.label} to {where}")
