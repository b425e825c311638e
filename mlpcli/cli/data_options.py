"""Options of the commands that read a file of rows: what a spec would say of it under `dataset`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mlpcli.data.readers.reading import Reading

SheetOption = Annotated[
    str | None,
    typer.Option("--sheet", metavar="NAME", help="The sheet of an Excel file. Default: the first."),
]
QueryOption = Annotated[
    str | None, typer.Option("--query", metavar="SELECT", help="The query whose rows a database gives.")
]
DelimiterOption = Annotated[
    str | None,
    typer.Option("--delimiter", metavar="SIGN", help="Between the cells of a text: ';', '|', tab, blanks."),
]
CommentOption = Annotated[
    str | None, typer.Option("--comment", metavar="SIGN", help="How the comment lines of a text begin: '#'.")
]
CharsetOption = Annotated[
    str | None,
    typer.Option("--charset", metavar="NAME", help="The character set of a text, such as latin-1."),
]
HeaderOption = Annotated[
    bool | None,
    typer.Option("--header/--no-header", help="Whether the first row names the columns. Default: detected."),
]
DecimalOption = Annotated[
    str | None,
    typer.Option("--decimal", metavar="SIGN", help="The decimal sign of numbers in a table: '.' or ','."),
]
ThousandsOption = Annotated[
    str | None,
    typer.Option(
        "--thousands", metavar="SIGN", help="Between thousands: ',', '.', an apostrophe, blank, or none."
    ),
]

DateFormatOption = Annotated[
    str | None,
    typer.Option(
        "--date-format",
        metavar="FORMAT",
        help="How the dates of new rows are written, such as %d.%m.%Y. Default: as in the training file.",
    ),
]

_SPELLED = {"tab": "\t", "\\t": "\t", "blanks": " ", "blank": " ", "space": " "}


def reading_of(
    sheet: str | None,
    query: str | None,
    delimiter: str | None,
    comment: str | None,
    charset: str | None,
    header: bool | None,
    decimal: str | None,
    thousands: str | None,
    date_format: str | None = None,
) -> Reading:
    """Return what the options say.

    Raises:
        UsageError: a value is impossible.
    """
    from mlpcli.data.readers.reading import Reading
    from mlpcli.errors import Problem, UsageError, suggest
    from mlpcli.spec.features import DATE_FORMATS, THOUSANDS_PATTERN
    from mlpcli.spec.file_words import COMMENT_PATTERN, COMMENT_RULE, DELIMITER_PATTERN, DELIMITER_RULE
    from mlpcli.spec.schema import check_charset

    delimiter = _SPELLED.get(delimiter or "", delimiter)
    thousands = {"none": "", **_SPELLED}.get(thousands or "", thousands)
    problems = []
    for option, value, pattern, rule in (
        ("--delimiter", delimiter, DELIMITER_PATTERN, DELIMITER_RULE),
        ("--comment", comment, COMMENT_PATTERN, COMMENT_RULE),
        ("--decimal", decimal, "[.,]", "'.' or ','"),
        ("--thousands", thousands, THOUSANDS_PATTERN, "',', '.', ' ', an apostrophe, or none"),
    ):
        if value is not None and not re.fullmatch(pattern, value):
            problems.append(Problem(f"{option}: must be {rule}", received=value))
    if decimal is not None and thousands == decimal:
        problems.append(Problem("--thousands: must differ from --decimal", received=thousands))
    if date_format is not None and date_format not in DATE_FORMATS:
        hint = suggest(date_format, DATE_FORMATS, f"one of {', '.join(DATE_FORMATS)}")
        problems.append(Problem("--date-format: no such format", received=date_format, hint=hint))
    try:
        check_charset(charset or "utf-8")
    except ValueError:
        rule = "--charset: must be a character set, such as utf-8, latin-1, windows-1252 or utf-16"
        problems.append(Problem(rule, received=charset))
    if problems:
        raise UsageError(*problems)
    return Reading(sheet, query, delimiter, comment, charset, header, decimal, thousands, date_format)
