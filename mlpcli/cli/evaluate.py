"""`mlpcli evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from mlpcli.runs.folder import Run


def evaluate(
    run: RunArgument,
    split: Annotated[
        str, typer.Option(help="Which of the run's splits: train, validation, test or held_out.")
    ] = "test",
    data: Annotated[
        Path | None, typer.Option(help="A file of rows with their targets, instead of a split.")
    ] = None,
    best: BestOption = False,
    trust_plugins: TrustOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Compute the metrics of a run on its test split, or on a file."""
    from mlpcli.cli.named import find_named
    from mlpcli.report import console
    from mlpcli.report import evaluate as report

    found = find_named(run, runs_dir, trusted=trust_plugins, best=best)
    _check_first(found, split, data)
    from mlpcli.inference.evaluate import evaluate_run

    evaluation = evaluate_run(found, split=split, data=data)
    for warning in evaluation.warnings:
        console.show_line(warning, stderr=True, style="yellow")
    if json:
        console.show_json(report.evaluation_json(found.label, found.folder, evaluation))
    else:
        report.show_evaluation(found.label, evaluation)


def _check_first(run: Run, split: str, data: Path | None) -> None:
    """Check what needs no TensorFlow: that the run has a model and the split, or the file its columns.

    Raises:
        RunError: the run has no model.
        UsageError: it has no such split.
        DataError: the file is missing, or lacks a column.
        SpecError: the file of the split is missing.
    """
    from mlpcli import runs
    from mlpcli.cli.named import check_data
    from mlpcli.data.first_look import check_new_rows
    from mlpcli.errors import Problem, UsageError
    from mlpcli.model.run_contract import run_contract

    run.require(runs.MODEL)
    contract = run_contract(run)
    if data is not None:
        check_new_rows(str(data), contract, target=True)
        return
    splits = runs.data_facts(run).rows
    if splits and split not in splits:
        hint = f"it has {', '.join(splits)}; or give --data FILE"
        raise UsageError(Problem(f"run {run.label} has no {split} split", hint=hint))
    check_data(run)
