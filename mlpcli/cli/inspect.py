"""`mlpcli inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlpcli.cli.completion import complete_column
from mlpcli.cli.options import DebugOption, JsonOption

if TYPE_CHECKING:
    from mlpcli.data.inspect.survey import Survey
    from mlpcli.report.inspect import Column

TABLE_HELP = "A CSV, TSV or Parquet file, or a quoted pattern for several."
TableArgument = Annotated[str, typer.Argument(metavar="DATA", help=TABLE_HELP)]

TaskOption = Annotated[
    str | None,
    typer.Option(
        metavar="TASK",
        help="classification or regression, where the guess by the target's values is wrong.",
    ),
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
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show the columns of a table with kind, missing cells, values and range, and warnings."""
    from mlpcli.data.inspect.find_warnings import find_warnings
    from mlpcli.data.inspect.survey import survey_table
    from mlpcli.report import console
    from mlpcli.report import inspect as report

    survey = survey_table(data, target, task)
    warnings = find_warnings(survey, test)
    if json:
        console.show_json(
            report.survey_json(
                survey.path, survey.table.rows, target, _columns(survey), warnings, _task(survey)
            )
        )
    else:
        report.show_survey(survey.path, survey.table.rows, _columns(survey), warnings, _task(survey))


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
