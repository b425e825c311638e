"""`mlpcli predict`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mlpcli.cli.options import RUNS_DIR, DebugOption, JsonOption, RunArgument, RunsDirOption, TrustOption


def predict(
    run: RunArgument,
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A CSV, TSV, Parquet, npy or npz file of rows.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Where to write: .csv, .tsv, .parquet, .jsonl or .npy. Default: CSV on stdout.",
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Pass a column of DATA through. Repeatable; a,b works too."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the output file if it is there.")] = False,
    trust_plugins: TrustOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Predict the rows of a file with a run's model."""
    from mlpcli import report
    from mlpcli.runs import find_run

    found = find_run(run, runs_dir, trusted=trust_plugins)
    from mlpcli.engine.prediction import (
        check_output,
        predict_run,
        predictions_json,
        predictions_text,
        write_predictions,
    )

    check_output(output, force=force)
    predictions = predict_run(found, data, keep=keep or ())
    for warning in predictions.warnings:
        report.show_line(warning, stderr=True, style="yellow")
    if output is not None:
        write_predictions(predictions, output)
    if json:
        report.show_json(predictions_json(predictions, found.label, output))
    elif output is None:
        sys.stdout.write(predictions_text(predictions, "csv"))
    else:
        report.show_line(f"{predictions.rows:,} predictions written to {output}")
