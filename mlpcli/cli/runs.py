"""`mlpcli runs`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpcli.cli.completion import complete_run
from mlpcli.cli.options import (
    RUNS_DIR,
    DebugOption,
    JsonOption,
    RunsDirOption,
    check_output,
)
from mlpcli.printable import counted

if TYPE_CHECKING:
    from mlpcli.runs.run_values import RunValues

NameArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME",
        help="Only the runs of this experiment.",
        autocompletion=complete_run,
    ),
]
TrialsOption = Annotated[bool, typer.Option("--trials", help="Also list the trials inside searches.")]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="CONDITION",
        help="Only runs that fit: 'status=completed', 'val_loss<0.3', 'tag=good', 'name=dig*'; "
        "also !=, <=, >, >=, ~ (contains). Repeatable: all must hold.",
    ),
]
SortOption = Annotated[
    str | None, typer.Option("--sort", metavar="NAME", help="Sort by a value; by a metric, the best first.")
]
ReverseOption = Annotated[bool, typer.Option("--reverse", help="The other way round.")]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="NAMES",
        help="What to show: run,status,val_accuracy,seconds,note,fit.epochs (a path of the spec).",
    ),
]
LimitOption = Annotated[
    int | None,
    typer.Option("--limit", min=0, help="How many to show. Default: all; on a terminal 50; 0 for all."),
]
CsvOption = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="Write the values as CSV; - for stdout.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace the CSV file.")]


def runs(
    name: NameArgument = None,
    trials: TrialsOption = False,
    where: WhereOption = None,
    sort: SortOption = None,
    reverse: ReverseOption = False,
    columns: ColumnsOption = None,
    limit: LimitOption = None,
    csv: CsvOption = None,
    force: ForceOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the runs with their status and metrics; sort and filter them."""
    from mlpcli.errors import AllAtOnce
    from mlpcli.report import run_list as report
    from mlpcli.report.console import show_json
    from mlpcli.report.runs import show_left_out
    from mlpcli.runs.choose_runs import check_name, choose_values
    from mlpcli.runs.folder import list_runs
    from mlpcli.runs.run_values import RunValues

    names = [each.strip() for each in (columns or "").split(",") if each.strip()]
    at_once = AllAtOnce()
    at_once.of(_check_csv, csv, force=force, json=json)
    listed = at_once.of(list_runs, runs_dir, name, within=trials)
    everything = [RunValues(run) for run in listed.value.runs] if listed else []
    for each in names:
        at_once.of(check_name, each, everything, "--columns")
    chosen = at_once.of(choose_values, everything, where or (), sort, reverse=reverse)
    at_once.finish()
    listing, found = listed.value, chosen.value
    show_left_out(listing.damaged)
    as_table = not json and csv is None
    shown, hidden = report.limited(found, limit, is_sorted=sort is not None or reverse, shown=as_table)
    if csv is not None:
        _write_csv(csv, shown, names, stderr=json)
    if json:
        show_json([report.run_json(values) for values in shown])
    if as_table and where and not found:
        report.show_nothing_found()
    elif as_table and names:
        report.show_columns(shown, names, hidden=hidden, sort=sort)
    elif as_table:
        report.show_runs(shown, listing, runs_dir, hidden=hidden, chosen=bool(where), sort=sort)


def _check_csv(path: Path | None, *, force: bool, json: bool) -> None:
    """Refuse a file that cannot be written, and standard output where it is for the document.

    Raises:
        UsageError: one of these.
    """
    from mlpcli.errors import Problem, UsageError

    if path is None:
        return
    if str(path) != "-":
        check_output(path, "--csv", hint="write - for standard output", force=force, in_folder=True)
    elif json:
        rule = "--csv -: standard output is for the document of --json"
        raise UsageError(Problem(rule, hint="name a file, or leave one of the two out"))


def _write_csv(path: Path, found: Sequence[RunValues], names: Sequence[str], *, stderr: bool) -> None:
    from mlpcli.files import write_text
    from mlpcli.report.console import show_line, show_text
    from mlpcli.report.run_list import csv_text

    text = csv_text(found, names)
    if str(path) == "-":
        show_text(text)
    else:
        write_text(path, text)
        show_line(f"wrote {path}: {counted(len(found), 'run')}", stderr=stderr)
