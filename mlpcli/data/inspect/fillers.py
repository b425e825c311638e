"""Find the signs that stand for a missing cell among numbers and dates, such as `--`, `..` and `*`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from mlpcli.data.features.dates import find_format
from mlpcli.data.features.profiles import DATE_SAMPLE
from mlpcli.data.readers.dialect import split_number
from mlpcli.data.readers.notations import MIN_SHARE, holds_codes, text_counts
from mlpcli.data.readers.parse_cells import is_text, plain_type
from mlpcli.data.readers.tables import Table
from mlpcli.printable import printable

MAX_SIGNS = 3
"""A column with more such signs says something with them."""


def find_fillers(table: Table) -> tuple[str, ...]:
    """Return texts without letters and digits that are found in columns of numbers or dates.

    However many of a column's cells they fill: what a table lacks, it may lack in most rows.

    Args:
        table: that was read; the usual spellings of a missing cell are missing already.
    """
    found: dict[str, None] = {}
    for column in table.columns.values():
        if not is_text(plain_type(column.arrow).type):
            continue
        counts = text_counts(column)
        signs = [text for text in counts if not any(map(str.isalnum, text))]
        others = {text: rows for text, rows in counts.items() if text not in signs}
        if 0 < len(signs) <= MAX_SIGNS and _are_values(others):
            found |= dict.fromkeys(signs)
    return tuple(found)


def filler_note(label: str, fillers: Sequence[str]) -> str:
    """Return the sentence about such signs in a table."""
    shown = " and ".join(f"'{printable(sign)}'" for sign in fillers)
    what = "is read as a missing cell" if len(fillers) == 1 else "are read as missing cells"
    return f"{label}: {shown} among numbers or dates {what}"


def _are_values(counts: Mapping[str, int]) -> bool:
    """Return whether texts, given with their rows, are numbers or dates."""
    if not counts or holds_codes(counts):
        return False
    numbers = sum(rows for text, rows in counts.items() if split_number(text) is not None)
    if numbers >= MIN_SHARE * sum(counts.values()):
        return True
    return find_format(dict(islice(counts.items(), DATE_SAMPLE)), MIN_SHARE) is not None
