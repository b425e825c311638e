"""`mlpcli evaluate`."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from mlpcli.errors import AllAtOnce
from mlpcli.free_names import file_part
from mlpcli.printable import counted

if TYPE_CHECKING:
    from mlpcli.data.readers.reading import Reading
    from mlpcli.errors import Step
    from mlpcli.runs.folder import Run
    from mlpcli.runs.results import Evaluation

ByOption = Annotated[
    list[str] | None,
    typer.Option(
        "--by",
        metavar="COLUMN",
        help="Every metric by group of rows, the worst first: by a column of the data, the target, or "
        "predicted_TARGET. Repeatable; a,b works too.",
        autocompletion=complete_run_column,
    ),
]


OutputOption = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Write the rows that are measured: their numbers, from 1 without a header, what is predicted, "
        "and their cells. .csv, .tsv, .parquet or .jsonl.",
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace the output file if it exists.")]


def evaluate(
    run: RunArgument,
    split: Annotated[
        str, typer.Option(help="Which of the run's splits: train, validation, test or held_out.")
    ] = "test",
    data: Annotated[
        str | None, typer.Option(help="A file of rows with their targets, instead of a split.")
    ] = None,
    by: ByOption = None,
    output: OutputOption = None,
    force: ForceOption = False,
    figures: Annotated[
        bool,
        typer.Option("--figures/--no-figures", help="Draw the errors, into the folder plots of the run."),
    ] = True,
    intervals: Annotated[
        bool, typer.Option("--intervals/--no-intervals", help="Show 95% intervals of the metrics.")
    ] = True,
    sheet: SheetOption = None,
    query: QueryOption = None,
    delimiter: DelimiterOption = None,
    comment: CommentOption = None,
    charset: CharsetOption = None,
    header: HeaderOption = None,
    decimal: DecimalOption = None,
    thousands: ThousandsOption = None,
    date_format: DateFormatOption = None,
    best: BestOption = False,
    trust_plugins: TrustOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Compute the metrics of a run on its test split, or on a file."""
    from mlpcli.cli.named import find_named

    at_once, file = AllAtOnce(), _file(data)
    named = at_once.of(find_named, run, runs_dir, trusted=trust_plugins, best=best)
    words = (sheet, query, delimiter, comment, charset, header, decimal, thousands, date_format)
    read = at_once.of(reading_of, *words)
    at_once.of(_check_output, output, force=force)
    _check_all(at_once, named, split, file, by or [], read)
    folder = figures_folder(named.value, name_of(split, file)) if figures else None
    given = (intervals, tuple(by or ()), read.value, output)
    _show(named.value, _measure(named.value, split, file, folder, *given), folder, output, json=json)


def _measure(
    run: Run,
    split: str,
    data: Path | None,
    folder: Path | None,
    intervals: bool,
    by: tuple[str, ...],
    reading: Reading,
    output: Path | None,
) -> Evaluation:
    with _drawing_beside(folder):
        from mlpcli.inference.evaluate import EvaluateOptions, evaluate_run

        options = EvaluateOptions(folder, intervals, by, reading, output)
        return evaluate_run(run, split=split, data=data, options=options)


def _check_output(output: Path | None, *, force: bool) -> None:
    """Refuse a file for the rows that cannot be written.

    Raises:
        UsageError: it cannot.
    """
    from mlpcli.data.formats import format_of
    from mlpcli.errors import Problem, UsageError

    check_output(output, "-o", force=force, in_folder=True)
    if output is not None and format_of(output, without=[".npy"]) == "npy":
        rule = f"-o {output}: an .npy file has no columns"
        raise UsageError(Problem(rule, hint="write .csv, .tsv, .parquet or .jsonl"))


def _file(data: str | None) -> Path | None:
    """Return the file that --data names; None without it."""
    from mlpcli.data.readers.find_files import as_path

    return None if data is None else as_path(data)


def _check_all(
    at_once: AllAtOnce, run: Step[Run], split: str, data: Path | None, by: list[str], reading: Step[Reading]
) -> None:
    """Check what needs no TensorFlow, see `check_first` and `check_by`; or only the file.

    Raises:
        MlpcliError: with everything that is wrong.
    """
    from mlpcli.data.readers.find_files import named_files

    if run and reading:
        at_once.of(partial(check_first, way=OTHER_ROWS), run.value, split, data, reading.value)
        at_once.of(check_by, run.value, split, data, by, reading.value)
    elif data is not None:
        at_once.of(named_files, str(data))
    at_once.finish()


def _drawing_beside(folder: Path | None) -> contextlib.AbstractContextManager[object]:
    """Return the process that draws figures meanwhile, where there is a folder for them."""
    from mlpcli.training.side_process import side_process

    return contextlib.nullcontext() if folder is None else side_process()


def _show(run: Run, evaluation: Evaluation, folder: Path | None, output: Path | None, *, json: bool) -> None:
    from mlpcli.data.images.find_images import is_image_name
    from mlpcli.report import console
    from mlpcli.report import evaluate as report
    from mlpcli.report.worst_rows import show_worst_rows

    for warning in evaluation.warnings:
        console.show_sentence(warning, stderr=True, style="yellow")
    if json:
        console.show_json(report.evaluation_json(run.label, run.folder, evaluation))
    else:
        report.show_evaluation(run, evaluation)
        if folder is not None and evaluation.figures:
            from mlpcli.inference.evaluation_figures import MOST_WORST

            show_worst_rows(evaluation.figures, most=MOST_WORST, is_image=is_image_name)
            names = ", ".join(file.name for file in evaluation.figures)
            console.show_sentence(f"{folder}: {names}", label="figures  ")
        if output is not None:
            console.show_line(f"{counted(evaluation.rows, 'row')} written to {output}")


def name_of(split: str, data: Path | None) -> str:
    """Return the name of the folder for the figures of a split, or of a file."""
    if data is None:
        return split
    return f"data-{file_part(data.stem) or 'file'}"


def figures_folder(run: Run, name: str) -> Path | None:
    """Return a folder for figures in the run's plots; None, and a line, where it cannot be written.

    Raises:
        RunError: the run contains a link.
    """
    from mlpcli import runs
    from mlpcli.files import why_not_writable
    from mlpcli.report.console import show_sentence

    if why := why_not_writable(run.folder):
        show_sentence(f"no figures: {run.folder} cannot be written, {why}", stderr=True, style="yellow")
        return None
    runs.check_inside(run.folder)
    return run / runs.PLOTS / name


OTHER_ROWS = "measure other rows with --data FILE"
"""What to do where the run's own rows are gone."""


def check_first(
    run: Run, split: str, data: Path | None, reading: Reading | None = None, *, way: str = ""
) -> None:
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
    from mlpcli.data.readers.reading import AS_RECORDED
    from mlpcli.errors import Problem, UsageError, nearest
    from mlpcli.model.run_contract import run_contract

    run.require(runs.MODEL)
    contract = run_contract(run)
    if data is not None:
        check_new_rows(str(data), contract, target=True, reading=reading or AS_RECORDED)
        return
    splits, members = list(runs.data_facts(run).rows), run.record.members
    if members is not None and members.folds > 1:
        splits.append("held_out")
    if splits and split not in splits:
        hint = f"{nearest(split, splits)} it has {', '.join(splits)}; or give --data FILE".strip()
        if split == "held_out":
            hint += "; rows are held out by folds: fit: {folds: 5}"
        raise UsageError(Problem(f"run {run.label} has no {split} split", hint=hint))
    check_data(run, way)


def check_by(run: Run, split: str, data: Path | None, by: list[str], reading: Reading) -> None:
    """Check, before TensorFlow is imported, that there are the columns by which rows are to be grouped.

    Nothing is checked where the run's data is no longer where its spec says: it is searched later.

    Raises:
        UsageError: there is no such column.
    """
    if not by:
        return
    from mlpcli.data.readers.find_files import is_table, named_files
    from mlpcli.errors import DataError, SpecError
    from mlpcli.inference.named_in_options import check_by_own_rows
    from mlpcli.inference.row_columns import columns_of_file, names_of_array, names_of_split
    from mlpcli.inference.wanted_groups import wanted_groups
    from mlpcli.model.run_contract import run_contract
    from mlpcli.model.run_spec import own_spec

    contract = run_contract(run)
    if data is not None:
        try:
            of_table = all(map(is_table, named_files(str(data))))
            found = columns_of_file(data, contract, reading=reading).names if of_table else None
        except DataError:  # `check_first` reports it
            check_by_own_rows(run, by, str(data))
            return
        names = names_of_array(contract) if found is None else found
    else:
        try:
            names = names_of_split(own_spec(run), contract, split)
        except (SpecError, DataError):
            return
    wanted_groups(contract, names, by)
