"""`mlpcli label-check`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpcli.cli.completion import complete_run_column
from mlpcli.cli.options import (
    RUNS_DIR,
    BestOption,
    DebugOption,
    JsonOption,
    RunArgument,
    RunsDirOption,
    check_output,
)

if TYPE_CHECKING:
    from mlpcli.runs.folder import Run


def label_check(
    run: RunArgument,
    top: Annotated[
        int, typer.Option("-n", "--top", min=0, help="How many of the most doubtful labels to show.")
    ] = 20,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write all labels with how doubtful they are: .csv, .tsv, .jsonl or .parquet.",
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="A column of the data to copy to the file; default: all. Repeatable; a,b works too.",
            autocompletion=complete_run_column,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the output file if it exists.")] = False,
    best: BestOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show the rows whose label the models of a run's folds doubt most, none of which had seen the row."""
    from mlpcli.cli.named import find_named
    from mlpcli.errors import AllAtOnce

    at_once = AllAtOnce()
    at_once.of(_check_file, output, keep, force=force)
    named = at_once.of(find_named, run, runs_dir, best=best)
    if named:
        at_once.of(_check_run, named.value, keep or ())
    at_once.finish()
    _check(named.value, top, output, None if keep is None else tuple(keep), json=json)


def _check(found: Run, top: int, output: Path | None, keep: tuple[str, ...] | None, *, json: bool) -> None:
    from mlpcli.inference.label_check import CheckOptions, check_labels
    from mlpcli.report import console
    from mlpcli.report import label_check as report

    check = check_labels(found, CheckOptions(top, output, keep))
    for warning in check.warnings:
        console.show_sentence(warning, stderr=True, style="yellow")
    if json:
        console.show_json(report.label_check_json(found.label, found.folder, check))
    else:
        report.show_label_check(found.label, check)


def _check_run(run: Run, keep: Sequence[str]) -> None:
    """Check that a run has folds, and its table the columns to keep.

    Raises:
        UsageError: with what is missing.
    """
    from mlpcli.errors import AllAtOnce
    from mlpcli.inference.label_check import require_folds
    from mlpcli.inference.named_in_options import check_kept

    at_once = AllAtOnce()
    at_once.of(require_folds, run)
    at_once.of(check_kept, run, keep)
    at_once.finish()


def _check_file(output: Path | None, keep: list[str] | None, *, force: bool) -> None:
    """Refuse a file that cannot be written, and --keep without a file.

    Raises:
        UsageError: one of these.
    """
    from mlpcli.data.formats import format_of
    from mlpcli.errors import Problem, UsageError

    if output is None:
        if keep:
            rule = "--keep names columns for a file"
            raise UsageError(Problem(rule, hint="add -o FILE.csv"))
        return
    if format_of(output, without=(".npy",)) == "npy":
        hint = "choose .csv, .tsv, .jsonl or .parquet"
        raise UsageError(Problem(f"-o {output}: an .npy file cannot hold labels", hint=hint))
    check_output(output, "-o", force=force, in_folder=True)
