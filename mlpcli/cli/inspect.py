"""`mlpcli inspect`."""

from __future__ import annotations

from typing import Annotated

import typer

from mlpcli.cli.options import DebugOption, JsonOption

TableArgument = Annotated[
    str, typer.Argument(metavar="DATA", help="A CSV, TSV or Parquet file, or a pattern for several.")
]


def inspect(
    data: TableArgument,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column that is to be predicted.")
    ] = None,
    test: Annotated[
        str | None, typer.Option(metavar="FILE", help="Say which rows of this file are in DATA too.")
    ] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """The columns of a table with kind, gaps, values and range, and warnings."""
    from mlpcli.data.inspect.survey import find_warnings, survey_table
    from mlpcli.report import console, table

    survey = survey_table(data, target)
    warnings = find_warnings(survey, test)
    if json:
        console.show_json(table.survey_json(survey, warnings))
    else:
        table.show_survey(survey, warnings)
