"""`mlpcli predict`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from mlpcli.cli.options import (
    RUNS_DIR,
    DebugOption,
    JsonOption,
    RunArgument,
    RunsDirOption,
    TrustOption,
    refuse_output,
)


def predict(
    run: RunArgument,
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A CSV, TSV, Parquet, npy or npz file of rows, or a quoted pattern for several; "
            "- for CSV on standard input.",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            help="Where to write: .csv, .tsv, .parquet, .jsonl or .npy. Default, and -: CSV on stdout.",
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Pass a column of DATA through. Repeatable; a,b works too."),
    ] = None,
    on_unknown: Annotated[
        str | None,
        typer.Option(
            metavar="error|bucket|null",
            help="A category never seen in training, or a value out of its range: refuse the row, "
            "let it through, or leave its prediction empty. Default: as the spec says, or bucket.",
        ),
    ] = None,
    rejects: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write rows that cannot be read to this CSV file, and go on."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the output file if it is there.")] = False,
    trust_plugins: TrustOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Predict the rows of a file with a run's model; memory does not grow with the file."""
    from mlpcli.report import console
    from mlpcli.runs.folder import find_run

    target = Path(output) if output not in (None, "-") else None
    for path, option in ((target, "-o"), (rejects, "--rejects")):
        if path is not None:
            refuse_output(path, option, "leave -o out for standard output" if option == "-o" else "")
    unknown = _policy(on_unknown)
    found = find_run(run, runs_dir, trusted=trust_plugins)
    from mlpcli.inference import writers
    from mlpcli.inference.predict import Wish, predict_run, summary_json

    writers.check_output(target, force=force)
    writers.check_output(rejects, force=force, option="--rejects")
    source = sys.stdin.buffer if data == "-" else Path(data)
    with console.PredictionReport() as progress:
        wish = Wish(tuple(keep or ()), unknown, rejects, progress.rows)
        if target is not None:
            with writers.writing(target) as sink:
                summary = predict_run(found, source, sink, wish=wish)
        else:
            sink = writers.MemorySink() if json else writers.sink_of_text(sys.stdout.buffer, "csv")
            summary = predict_run(found, source, sink, wish=wish)
    for warning in summary.warnings:
        console.show_line(warning, stderr=True, style="yellow")
    if json:
        document = summary_json(summary, found.label, None if target is None else str(target))
        rows = {"predictions": sink.rows} if isinstance(sink, writers.MemorySink) else {}
        console.show_json(document | rows)
    else:
        console.show_prediction(summary, target, rejects)


def _policy(text: str | None) -> Literal["error", "bucket", "null"] | None:
    """The value of --on-unknown.

    Raises:
        UsageError: it is none of the three.
    """
    policies: dict[str | None, Literal["error", "bucket", "null"] | None] = {
        None: None,
        "error": "error",
        "bucket": "bucket",
        "null": "null",
    }
    if text in policies:
        return policies[text]
    from mlpcli.errors import Problem, UsageError

    raise UsageError(Problem("--on-unknown: must be error, bucket or null", received=text))
