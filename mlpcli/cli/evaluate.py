"""`mlpcli evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpcli.cli.options import RUNS_DIR, DebugOption, JsonOption, RunArgument, RunsDirOption, TrustOption


def evaluate(
    run: RunArgument,
    split: Annotated[
        str, typer.Option(help="Which of the run's splits: train, validation or test.")
    ] = "test",
    data: Annotated[
        Path | None, typer.Option(help="A file of rows with their targets, instead of a split.")
    ] = None,
    trust_plugins: TrustOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Compute the metrics of a run on its test split, or on a file."""
    from mlpcli.cli.named import find_named
    from mlpcli.report import console
    from mlpcli.report import evaluate as report

    found = find_named(run, runs_dir, trusted=trust_plugins)
    from mlpcli.inference.evaluate import evaluate_run

    evaluation = evaluate_run(found, split=split, data=data)
    for warning in evaluation.warnings:
        console.show_line(warning, stderr=True, style="yellow")
    if json:
        console.show_json(report.evaluation_json(found.label, found.folder, evaluation))
    else:
        report.show_evaluation(found.label, evaluation)
