"""`mlpcli inspect`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from mlpcli.cli.completion import complete_column
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
from mlpcli.cli.options import RUNS_DIR, BestOption, DebugOption, JsonOption, RunsDirOption

if TYPE_CHECKING:
    from mlpcli.data.inspect.survey import Survey
    from mlpcli.data.inspect.survey_images import ImageSurvey
    from mlpcli.data.readers.reading import Reading
    from mlpcli.errors import AllAtOnce, Step
    from mlpcli.report.inspect import Column
    from mlpcli.runs.drift_results import Drift
    from mlpcli.runs.folder import Run

TABLE_HELP = "A table (CSV, Parquet, Excel, a database), a quoted pattern for several, or a folder of images."
TableArgument = Annotated[str, typer.Argument(metavar="DATA", help=TABLE_HELP)]

TaskOption = Annotated[
    str | None,
    typer.Option(
        metavar="TASK",
        help="classification or regression, where the guess by the target's values is wrong.",
    ),
]

AgainstOption = Annotated[
    str | None,
    typer.Option(
        metavar="RUN", help="Compare the rows of DATA with the training rows of this run, column by column."
    ),
]
FailOption = Annotated[
    str | None,
    typer.Option(
        metavar="CHANGE",
        help="With --against: exit with status 1 from this change on: small, moderate or large.",
    ),
]
DrawOption = Annotated[
    bool,
    typer.Option("--figures/--no-figures", help="With --against: draw what changed, into the run's plots."),
]


def inspect(
    data: TableArgument,
    target: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The column to predict.", autocompletion=complete_column),
    ] = None,
    task: TaskOption = None,
    test: Annotated[
        str | None, typer.Option(metavar="FILE", help="Report the rows that this file and DATA share.")
    ] = None,
    against: AgainstOption = None,
    fail_on: FailOption = None,
    figures: DrawOption = True,
    best: BestOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    sheet: SheetOption = None,
    query: QueryOption = None,
    delimiter: DelimiterOption = None,
    comment: CommentOption = None,
    charset: CharsetOption = None,
    header: HeaderOption = None,
    decimal: DecimalOption = None,
    thousands: ThousandsOption = None,
    date_format: DateFormatOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show the columns of a table, or a folder's images, and warnings; or how rows differ from a run's."""
    from mlpcli.data.readers.find_files import is_image_folder, named_files
    from mlpcli.errors import AllAtOnce

    at_once = AllAtOnce()
    words = (sheet, query, delimiter, comment, charset, header, decimal, thousands, date_format)
    read = at_once.of(reading_of, *words)
    for each in filter(None, (data, test)):
        at_once.of(named_files, each)
    if against is not None:
        at_once.of(_check_against, target, task, test, fail_on)
        _inspect_against(at_once, data, read, DriftOptions(against, fail_on, figures, best, runs_dir, json))
        return
    at_once.of(_check_alone, fail_on, date_format)
    if is_image_folder(Path(data)):
        _inspect_folder(at_once, data, {"--target": target, "--task": task, "--test": test}, read, json=json)
    else:
        survey = _checked_survey(at_once, data, target, task, read)
        _show(survey, _warnings(survey, test), target, json=json)


def _inspect_folder(
    at_once: AllAtOnce, folder: str, options: Mapping[str, object], read: Step[Reading], *, json: bool
) -> None:
    from mlpcli.cli.inspect_images import inspect_images, refuse_for_images

    if read:
        at_once.of(refuse_for_images, options, read.value)
    at_once.finish()
    inspect_images(Path(folder), folder, json=json)


def _checked_survey(
    at_once: AllAtOnce, data: str, target: str | None, task: str | None, read: Step[Reading]
) -> Survey:
    """Survey a table; before it is read, check that it has the target, and that the task is one.

    Raises:
        MlpcliError: with everything that is wrong.
    """
    from mlpcli.data.inspect.survey import survey_table
    from mlpcli.data.inspect.target_task import check_task
    from mlpcli.data.inspect.wanted_columns import check_columns_wanted

    if target is not None:
        if read:
            at_once.of(check_columns_wanted, data, target, None, read.value)
        at_once.of(check_task, task)
    at_once.finish()
    return survey_table(data, target, task, read.value)


def _warnings(survey: Survey, test: str | None) -> list[str]:
    """Return what to know of a table; of a column of images, not that it would be left out."""
    from mlpcli.data.inspect.find_warnings import find_warnings
    from mlpcli.data.inspect.table_images import survey_table_images

    images = survey_table_images(survey)
    return [*find_warnings(survey, test, images), *_of_images(images)]


def _of_images(found: Mapping[str, ImageSurvey]) -> list[str]:
    """Return the columns of a table that name image files, and what would trip a model up in these."""
    from mlpcli.data.inspect.survey_images import image_warnings
    from mlpcli.spec.resolve import inline

    lines = []
    for column, images in found.items():
        way = f"features: {{{inline(column)}: image}}"
        lines.append(f"column {column!r} names image files: {way}, or mlpcli init")
        lines += image_warnings(images)
    return lines


def _show(survey: Survey, warnings: list[str], target: str | None, *, json: bool) -> None:
    from mlpcli.report import console
    from mlpcli.report import inspect as report

    classes = survey.class_counts if (survey.task and survey.task.kind == "classification") else {}
    if json:
        console.show_json(
            report.survey_json(
                survey.path, survey.table.rows, target, _columns(survey), warnings, _task(survey), classes
            )
        )
    else:
        report.show_survey(survey.path, survey.table.rows, _columns(survey), warnings, _task(survey), classes)


def _check_alone(fail_on: str | None, date_format: str | None) -> None:
    """Refuse what is for a comparison with a run.

    Raises:
        UsageError: it is given.
    """
    from mlpcli.errors import Problem, UsageError

    problems = [
        Problem(f"{option}: is for a comparison with a run", received=value, hint="add --against RUN")
        for option, value in (("--fail-on", fail_on), ("--date-format", date_format))
        if value is not None
    ]
    if problems:
        raise UsageError(*problems)


def _check_against(target: str | None, task: str | None, test: str | None, fail_on: str | None) -> None:
    """Refuse options that a comparison with a run does not have.

    Raises:
        UsageError: there is one.
    """
    from mlpcli.errors import Problem, UsageError, wrong_choice
    from mlpcli.runs.drift_results import SIZES

    rule = "is not for --against, whose run knows its target"
    problems = [
        Problem(f"{option}: {rule}", received=value, hint="leave it out")
        for option, value in (("--target", target), ("--task", task), ("--test", test))
        if value is not None
    ]
    if fail_on is not None and fail_on not in SIZES[1:]:
        problems.append(wrong_choice("--fail-on", fail_on, SIZES[1:]))
    if problems:
        raise UsageError(*problems)


class DriftOptions(NamedTuple):
    """The options of a comparison with a run."""

    against: str
    fail_on: str | None
    figures: bool
    best: bool
    runs_dir: Path
    json: bool


def _inspect_against(at_once: AllAtOnce, data: str, read: Step[Reading], chosen: DriftOptions) -> None:
    from mlpcli.cli.named import find_named
    from mlpcli.inference.inspect_drift import inspect_drift
    from mlpcli.report import console
    from mlpcli.report.drift_lines import drift_json, show_drift
    from mlpcli.runs.drift_results import SIZES

    named = at_once.of(find_named, chosen.against, chosen.runs_dir, best=chosen.best)
    at_once.finish()
    run = named.value
    drift = inspect_drift(data, run, read.value)
    for warning in drift.warnings:
        console.show_sentence(warning, stderr=True, style="yellow")
    drawn = _draw_drift(run, drift) if chosen.figures else None
    if chosen.json:
        shown = [] if drawn is None else [str(drawn)]
        console.show_json(drift_json(run.label, str(run.folder), drift, shown))
    else:
        show_drift(run.label, drift)
        if drawn is not None:
            console.show_line(f"figure  {drawn}")
    words: list[str] = [*SIZES]
    fail_on = chosen.fail_on
    if fail_on is not None and words.index(drift.size) >= words.index(fail_on):
        console.show_line(f"the change is {drift.size}: --fail-on {fail_on}", stderr=True, style="red")
        raise typer.Exit(1)


def _draw_drift(run: Run, drift: Drift) -> Path | None:
    """Draw the columns that changed; return the file, or None where nothing did."""
    from mlpcli.cli.evaluate import figures_folder, name_of
    from mlpcli.plots.drift_panels import DriftPanel, draw_drift

    panels = [
        DriftPanel(each.name, each.size, each.histogram.labels, each.histogram.known, each.histogram.new)
        for each in drift.columns
        if each.size != "none" and each.histogram is not None and each.histogram.known is not None
    ]
    folder = figures_folder(run, name_of("", Path(drift.source)).replace("data-", "drift-", 1))
    if not panels or folder is None:
        return None
    title = f"{Path(drift.source).name} against {run.label}"
    draw_drift(panels, title=title).write(folder / "drift.png")
    return folder / "drift.png"


def _task(survey: Survey) -> tuple[str, str] | None:
    """Return the task that `init` would propose, and why."""
    return (survey.task.kind, survey.task.reason) if survey.task else None


def _columns(survey: Survey) -> dict[str, Column]:
    """Return what is shown of each column."""
    from mlpcli.data.inspect.survey import histogram, value_range
    from mlpcli.report.inspect import Column

    return {
        name: Column(
            kind=survey.kind(name),
            missing=profile.missing,
            distinct=profile.distinct,
            histogram=histogram(profile),
            range=value_range(profile),
            values=profile.counts if profile.content != "dates" and profile.numbers is None else None,
        )
        for name, profile in survey.profiles.items()
    }
