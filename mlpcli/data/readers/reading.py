"""What a command's options say of how a file is read, instead of the spec's or the run's words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlpcli.data.readers.dialect import Dialect, Notation
from mlpcli.data.readers.find_files import DATABASES, TABLES, TEXTS, WORKBOOKS, ending_of, is_server_path
from mlpcli.errors import Problem, UsageError

KINDS: dict[str, tuple[tuple[str, ...], str]] = {
    "sheet": (WORKBOOKS, "an Excel file"),
    "query": (DATABASES, "a database"),
    "delimiter": (TEXTS, "a text file such as .csv"),
    "comment": (TEXTS, "a text file such as .csv"),
}
"""By a word of a dataset, the extensions of the files that it is for, and what they are."""

OPTIONS = KINDS | {
    "charset": (TEXTS, "a text file such as .csv"),
    "header": ((*TEXTS, *WORKBOOKS), "a text file such as .csv, or an Excel file"),
    "decimal": (TABLES, "a table"),
    "thousands": (TABLES, "a table"),
    "date_format": (TABLES, "a table"),
}
"""As options, these are for some files only, too; in a spec they may be of use for later ones."""

OF_CELLS = ("decimal", "thousands", "date_format")
"""The words on how numbers and dates are written."""


@dataclass(frozen=True)
class Reading:
    """How a file is read; None where nothing is said.

    Attributes:
        sheet: of a workbook.
        query: of a database.
        delimiter: between the cells of a text.
        comment: how comment lines begin.
        charset: of a text.
        header: whether the first row names the columns.
        decimal: the decimal sign of numbers.
        thousands: their separator of thousands; an empty text for none.
        date_format: of every date, for new rows.
    """

    sheet: str | None = None
    query: str | None = None
    delimiter: str | None = None
    comment: str | None = None
    charset: str | None = None
    header: bool | None = None
    decimal: str | None = None
    thousands: str | None = None
    date_format: str | None = None

    def on(self, dialect: Dialect) -> Dialect:
        """Return a dialect with what is said here."""
        words = {name: value for name, value in vars(self).items() if name not in OF_CELLS}
        given = {name: value for name, value in words.items() if value is not None}
        if given:
            dialect = replace(dialect, certain=dialect.certain or self.charset is not None, **given)
        return self.on_numbers(dialect)

    @property
    def states_numbers(self) -> bool:
        """Whether it is said how numbers are written."""
        return self.decimal is not None or self.thousands is not None

    def on_numbers(self, dialect: Dialect) -> Dialect:
        """Return a dialect whose numbers, in each column, are written as is said here.

        A separator of thousands that is the new decimal sign is none: a cell that has it is then an error.
        """
        if not self.states_numbers:
            return dialect
        table = self._notation(dialect.notation)
        notations = {name: self._notation(each) for name, each in dialect.notations.items()}
        return replace(dialect, decimal=table.decimal, thousands=table.thousands, notations=notations)

    def _notation(self, own: Notation) -> Notation:
        thousands = own.thousands if self.thousands is None else self.thousands
        decimal = self.decimal or own.decimal
        if self.decimal is None and thousands == decimal:
            decimal = "," if thousands == "." else "."
        return replace(own, decimal=decimal, thousands="" if thousands == decimal else thousands)

    def check(self, paths: Iterable[Path]) -> None:
        """Refuse an option that is for none of some files.

        Raises:
            UsageError: with a problem for each.
        """
        wrong = [
            Problem(f"--{_option(word, vars(self)[word])}: is for {what}", received=file, hint="leave it out")
            for word, what, file in misplaced(vars(self), paths, OPTIONS)
        ]
        if wrong:
            raise UsageError(*wrong)


AS_RECORDED = Reading()


def _option(word: str, value: object) -> str:
    return f"no-{word}" if value is False else word.replace("_", "-")


def misplaced(
    words: dict[str, object], paths: Iterable[Path], kinds: Mapping[str, tuple[tuple[str, ...], str]] = KINDS
) -> Iterator[tuple[str, str, str]]:
    """Yield the words that are given though they are for none of the files: word, what it is for, a file."""
    paths = list(paths)
    for word, (endings, what) in kinds.items():
        fits = (ending_of(path) in endings or (word == "query" and is_server_path(path)) for path in paths)
        if words.get(word) not in (None, "") and paths and not any(fits):
            yield word, what, paths[0].name
