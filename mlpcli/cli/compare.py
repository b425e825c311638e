"""`mlpcli compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpcli.cli.completion import complete_run
from mlpcli.cli.options import (
    RUNS_DIR,
    DebugOption,
    JsonOption,
    RunsDirOption,
    TrustOption,
    check_output,
)

if TYPE_CHECKING:
    from mlpcli.runs.folder import Run

METRIC_HELP = "The metric to test. Default: the first of the specs that all runs have, else the loss."
SPLIT_HELP = "The rows to predict. Default: test; validation of trials, and where a run has no test."
DATA_HELP = "A file of rows with their targets, which all models predict, instead of a split."
TEST_HELP = "Test which differences are more than chance, by the models' predictions, folds or seeds."
OUTPUT_HELP = "The plot. Default: in the runs folder, named after the runs."


def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...", help="Names, name/timestamp, or run folders.", autocompletion=complete_run
        ),
    ],
    trials: Annotated[
        bool, typer.Option("--trials", help="Compare the trials of a search, the best first.")
    ] = False,
    metric: Annotated[str | None, typer.Option(help=METRIC_HELP)] = None,
    split: Annotated[str | None, typer.Option(help=SPLIT_HELP)] = None,
    data: Annotated[str | None, typer.Option(metavar="FILE", help=DATA_HELP)] = None,
    test: Annotated[bool, typer.Option("--test/--no-test", help=TEST_HELP)] = True,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="PNG", help=OUTPUT_HELP)] = None,
    trust_plugins: TrustOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Compare runs: settings, metrics, curves, and which differences are more than chance."""
    from mlpcli.errors import AllAtOnce
    from mlpcli.inference.differences import check_wishes
    from mlpcli.report.runs import show_left_out
    from mlpcli.runs.comparison import choose, default_picture

    at_once = AllAtOnce()
    file = at_once.of(_file, data, split, test=test)
    chosen = at_once.of(choose, names, runs_dir, trials=trials, trusted=trust_plugins)
    found = chosen.value if chosen else []
    picture = output or default_picture(found, runs_dir)
    hint = "choose another file with -o"
    at_once.of(check_output, picture, "-o", hint=hint, default=output is None)
    for run in found:
        show_left_out(run.left_out)
    if chosen and file:
        at_once.of(check_wishes, found, metric=metric, split=split, data=file.value)
    at_once.finish()
    _compare(found, output, picture, metric=metric, split=split, data=file.value, test=test, json=json)


def _file(data: str | None, split: str | None, *, test: bool) -> Path | None:
    """Return the file that --data names; None without it.

    Raises:
        UsageError: it does not go together with another option.
    """
    from mlpcli.data.readers.find_files import as_path
    from mlpcli.errors import Problem, UsageError

    if data is None:
        return None
    if split is not None:
        rule = f"--data {data} and --split {split}: the rows are of a file or of a split"
        raise UsageError(Problem(rule, hint="leave one of them out"))
    if not test:
        rule = f"--data {data}: its rows are for the test, which --no-test leaves out"
        raise UsageError(Problem(rule, hint="leave one of them out"))
    return as_path(data)


def _compare(
    found: list[Run],
    output: Path | None,
    picture: Path,
    *,
    metric: str | None,
    split: str | None,
    data: Path | None,
    test: bool,
    json: bool,
) -> None:
    """Show the table at once, then what is tested, which takes longer; or one document."""
    from mlpcli.inference.differences import find_differences
    from mlpcli.report import compare as report
    from mlpcli.report.console import show_json, show_line, show_sentence
    from mlpcli.report.significance import show_significance, significance_json
    from mlpcli.runs.comparison import side_by_side

    table, letters = side_by_side(found), report.letters(len(found))
    if not json:
        report.show_comparison(table)
    tested = find_differences(found, metric=metric, split=split, data=data) if test else None
    if tested is not None and tested.models is not None:
        for warning in tested.models.warnings:
            show_sentence(warning, stderr=True, style="yellow")
    if tested is not None and not json:
        show_significance(tested, letters)
    from mlpcli.plots.compare_runs import draw_comparison

    labels = [f"{letter}  {label}" for letter, label in zip(letters, table.short, strict=True)]
    groups = tested.models.breakdowns if tested is not None and tested.models is not None else ()
    drawn = draw_comparison(found, labels, picture, groups, beside=output is None)
    if json:
        document = report.comparison_json(table, picture if drawn else None)
        show_json(document | ({"test": significance_json(tested, table.labels)} if tested else {}))
    elif drawn:
        show_line(f"picture  {picture}")
