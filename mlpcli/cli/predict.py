"""`mlpcli predict`."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast, get_args

import typer

from mlpcli.cli.completion import complete_run_column
from mlpcli.cli.data_options import (
    CharsetOption,
    CommentOption,
    DateFormatOption,
    DecimalOption,
    DelimiterOption,
    HeaderOption,
    QueryOption,
    SheetOption,
    ThousandsOption,
    reading_of,
)
from mlpcli.cli.options import (
    RUNS_DIR,
    BestOption,
    DebugOption,
    JsonOption,
    RunArgument,
    RunsDirOption,
    TrustOption,
    check_output,
)
from mlpcli.cli.predict_explain import (
    BackgroundOption,
    ClassOption,
    ExplainOption,
    GroupOption,
    PicturesOption,
    StrongestOption,
    check_with_run,
    explain_options,
)
from mlpcli.errors import AllAtOnce

if TYPE_CHECKING:
    from mlpcli.data.dataset import Contract
    from mlpcli.data.readers.reading import Reading
    from mlpcli.errors import Step
    from mlpcli.inference.predict import PredictOptions
    from mlpcli.runs.explanation import ExplainOptions
    from mlpcli.runs.folder import Run
    from mlpcli.runs.results import Summary

Policy = Literal["error", "bucket", "null"]

DataArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A file of rows: a table of any kind, npy or npz; or a quoted pattern for several; "
        "- for CSV on standard input.",
    ),
]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        help="Where to write: .csv, .tsv, .parquet, .jsonl or .npy. Default, and -: CSV on stdout; "
        "with --explain the default is a line for each row.",
    ),
]
KeepOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        help="Pass a column of DATA through. Repeatable; a,b works too.",
        autocompletion=complete_run_column,
    ),
]
OnUnknownOption = Annotated[
    str | None,
    typer.Option(
        metavar="error|bucket|null",
        help="A category never seen in training, or a value outside the range of the training rows: "
        "reject the row, accept it, or leave its prediction empty. Default: as the spec says, or bucket.",
    ),
]
RejectsOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write rows that cannot be read to this CSV file, and continue."),
]
IntervalsOption = Annotated[
    float | None,
    typer.Option(
        metavar="LEVEL",
        help="The share of rows whose truth intervals and sets are to hold, such as 0.8, for a run with "
        "predict: {intervals: ...}. Default: the spec's.",
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace the output file if it exists.")]


def predict(
    run: RunArgument,
    data: DataArgument,
    output: OutputOption = None,
    keep: KeepOption = None,
    on_unknown: OnUnknownOption = None,
    rejects: RejectsOption = None,
    intervals: IntervalsOption = None,
    explain: ExplainOption = False,
    strongest: StrongestOption = None,
    class_name: ClassOption = None,
    group: GroupOption = None,
    background: BackgroundOption = None,
    sheet: SheetOption = None,
    query: QueryOption = None,
    delimiter: DelimiterOption = None,
    comment: CommentOption = None,
    charset: CharsetOption = None,
    header: HeaderOption = None,
    decimal: DecimalOption = None,
    thousands: ThousandsOption = None,
    date_format: DateFormatOption = None,
    pictures: PicturesOption = None,
    force: ForceOption = False,
    best: BestOption = False,
    trust_plugins: TrustOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Predict the rows of a file with a run's model; memory does not grow with the file."""
    from mlpcli.cli.named import find_named

    at_once, kept, target = AllAtOnce(), tuple(keep or ()), None if output in (None, "-") else Path(output)
    given = (strongest, class_name, group, background, pictures)
    at_once.of(_check_outputs, target, rejects, force=force)
    policy, how = at_once.of(_policy, on_unknown), at_once.of(explain_options, target, explain, *given)
    named = at_once.of(find_named, run, runs_dir, trusted=trust_plugins, best=best, say=not json)
    words = (sheet, query, delimiter, comment, charset, header, decimal, thousands, date_format)
    read = at_once.of(reading_of, *words)
    _check_first(at_once, named, data, kept, intervals, read)
    _finish_checks(at_once, named, how, strongest, pictures, force=force)
    from mlpcli.inference.predict import PredictOptions

    options = PredictOptions(kept, policy.value, rejects, intervals, explain=how.value, reading=read.value)
    _predict_and_show(named.value, data, target, options, lines=output is None, json=json)


def _finish_checks(
    at_once: AllAtOnce,
    run: Step[Run],
    how: Step[ExplainOptions | None],
    strongest: int | None,
    pictures: Path | None,
    *,
    force: bool,
) -> None:
    """Check how predictions are to be explained, with the run; raise what is wrong with all of a command."""
    if run and how and how.value is not None:
        at_once.of(check_with_run, run.value, how.value, strongest, pictures, force=force)
    at_once.finish()


def _predict_and_show(
    run: Run, data: str, target: Path | None, options: PredictOptions, *, lines: bool, json: bool
) -> None:
    from mlpcli.report import predict as report

    with report.PredictionReport("explained" if options.explain else "predicted") as progress:
        options = replace(options, progress=progress.rows, forecast=progress.forecast)
        summary, rows = _predict(run, data, target, options, collect=json, lines=lines)
    _show(run, summary, rows, target, options, json=json)


def _show(
    run: Run,
    summary: Summary,
    rows: list[dict[str, object]] | None,
    target: Path | None,
    options: PredictOptions,
    *,
    json: bool,
) -> None:
    from mlpcli.report import console
    from mlpcli.report import predict as report

    for warning in summary.warnings:
        console.show_sentence(warning, stderr=True, style="yellow")
    if json:
        document = report.summary_json(summary, run.label, None if target is None else str(target))
        console.show_json(document if rows is None else document | {"predictions": rows})
    else:
        report.show_prediction(summary, target, options.rejects, kept=bool(options.keep))


def _check_first(
    at_once: AllAtOnce,
    run: Step[Run],
    data: str,
    keep: tuple[str, ...],
    level: float | None,
    reading: Step[Reading],
) -> None:
    """Check what needs no TensorFlow: the run's model and its intervals, the rows' files and columns.

    Args:
        at_once: takes what is wrong.
        run: the run.
        data: a file, a pattern, or `-`.
        keep: columns to pass through.
        level: of intervals.
        reading: how the file is read.
    """
    from mlpcli import runs
    from mlpcli.data.first_look import check_new_rows
    from mlpcli.data.readers.find_files import named_files
    from mlpcli.errors import Step
    from mlpcli.inference.named_in_options import check_kept_by_own_rows
    from mlpcli.model.run_contract import at_level, run_contract

    contract: Step[Contract] = Step()
    if run:
        with at_once:
            run.value.require(runs.MODEL)
            contract = Step(run_contract(run.value))
    if contract and level is not None:
        at_once.of(at_level, contract.value, level)
    if data == "-":
        return
    there = at_once.of(named_files, data)
    if run and contract and reading:
        at_once.of(check_new_rows, data, contract.value, keep=keep, reading=reading.value)
        if keep and not there:
            at_once.of(check_kept_by_own_rows, run.value, keep, data)


def _check_outputs(target: Path | None, rejects: Path | None, *, force: bool) -> None:
    """Refuse paths that cannot be written.

    Raises:
        UsageError: one of them cannot.
    """
    from mlpcli.data.formats import format_of

    at_once = AllAtOnce()
    hint = "leave -o out for standard output"
    at_once.of(check_output, target, "-o", hint=hint, force=force, in_folder=True)
    if target is not None:
        at_once.of(format_of, target)
    at_once.of(check_output, rejects, "--rejects", force=force, in_folder=True)
    at_once.finish()


def _predict(
    run: Run, data: str, target: Path | None, options: PredictOptions, *, collect: bool, lines: bool
) -> tuple[Summary, list[dict[str, object]] | None]:
    """Predict into a file, on stdout, or into memory.

    Args:
        run: the run whose model predicts.
        data: a file, a pattern, or `-` for CSV on standard input.
        target: the file to write; None for stdout or memory.
        options: columns to keep, the policy for unknown values, the file of rejects, the progress.
        collect: without a target, return the rows instead of writing CSV on stdout.
        lines: without a target, show explanations as lines instead of CSV.

    Returns:
        The summary, and the predicted rows if they were collected.
    """
    from mlpcli.data import writers
    from mlpcli.data.readers.find_files import as_path
    from mlpcli.inference.predict import predict_run

    source = sys.stdin.buffer if data == "-" else as_path(data)
    if target is not None:
        with writers.writing(target) as writer:
            return predict_run(run, source, writer, options=options), None
    if collect:
        memory = writers.MemoryWriter()
        return predict_run(run, source, memory, options=options), memory.rows
    if lines and options.explain is not None:
        from mlpcli.cli.explanation_lines import ExplanationLines

        return predict_run(run, source, ExplanationLines(), options=options), None
    table = writers.text_writer(sys.stdout.buffer, "csv")
    with contextlib.redirect_stdout(sys.stderr):  # a plug-in may print
        return predict_run(run, source, table, options=options), None


def _policy(text: str | None) -> Policy | None:
    """Return the value of --on-unknown.

    Raises:
        UsageError: it is none of the three.
    """
    for policy in get_args(Policy):
        if text == policy:
            return cast(Policy, policy)
    if text is None:
        return None
    from mlpcli.errors import UsageError, wrong_choice

    raise UsageError(wrong_choice("--on-unknown", text, get_args(Policy)))
