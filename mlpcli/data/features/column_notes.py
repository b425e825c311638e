"""What a person should know of how columns of text are read: codes, and texts that count as missing cells."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from mlpcli.data.features.feature_kinds import Features
from mlpcli.data.readers.notations import holds_codes, text_counts
from mlpcli.data.readers.parse_cells import ParsedColumn, is_text
from mlpcli.printable import counted, quoted
from mlpcli.spec.resolve import inline

MAX_NAMED = 3
"""Columns with such texts that are named; the others are counted."""


def text_notes(
    columns: Mapping[str, ParsedColumn],
    chosen: Features,
    *,
    declared: Collection[str] = (),
    labels: Collection[str] = (),
) -> Iterator[str]:
    """Yield notes on columns of codes, and on texts that are read as missing cells.

    Args:
        columns: by name.
        chosen: how the features are used.
        declared: the columns whose use the spec states.
        labels: the columns of labels.
    """
    texts = {
        name: columns[name]
        for name, spec in chosen.used.items()
        if spec.kind == "categorical" and is_text(columns[name].kind)
    }
    for name in (name for name in texts if name not in declared):
        counts = text_counts(texts[name])
        if holds_codes(counts):
            shown = next(text for text in counts if text.startswith("0"))
            way = f"for numbers set features: {{{inline(name)}: numeric}}"
            yield f"column {name!r} holds codes such as {shown!r}, kept as text; {way}"
    targets = {name: columns[name] for name in labels if is_text(columns[name].kind)}
    yield from _gap_notes(texts | targets, labels)
    yield from _spelling_notes(texts | targets)


def _spelling_notes(columns: Mapping[str, ParsedColumn]) -> Iterator[str]:
    """Yield a line for each column with categories that a person takes for one: `Basic` and `basic `."""
    for name, column in columns.items():
        spelled: dict[str, dict[str, int]] = {}
        for text, rows in text_counts(column).items():
            alike = " ".join(unicodedata.normalize("NFKC", text).split()).casefold()
            spelled.setdefault(alike, {})[text] = rows
        several = [texts for texts in spelled.values() if len(texts) > 1]
        if several:
            first = " and ".join(f"{text!r} in {counted(rows, 'row')}" for text, rows in several[0].items())
            more = f", and {counted(len(several) - 1, 'other group')}" if len(several) > 1 else ""
            yield (
                f"column {name!r} has categories that differ only in case, blanks or forms of letters: "
                f"{first}{more}; each is one of its own, so write them alike in the file if they are one"
            )


def _gap_notes(columns: Mapping[str, ParsedColumn], labels: Collection[str]) -> Iterator[str]:
    found = {name: _spelled_gaps(column, labels=name in labels) for name, column in columns.items()}
    named = {name: gaps for name, gaps in found.items() if gaps}
    if not named:
        return
    shown = [
        f"{name!r} ({', '.join(repr(text) + ' in ' + counted(rows, 'row') for text, rows in gaps.items())})"
        for name, gaps in list(named.items())[:MAX_NAMED]
    ]
    more = f" and {len(named) - MAX_NAMED} more columns" if len(named) > MAX_NAMED else ""
    words = list(dict.fromkeys(text for gaps in named.values() for text in gaps))
    way = f"dataset: {{not_missing: [{', '.join(map(quoted, words))}]}}"
    yield f"text that is read as missing cells: {', '.join(shown)}{more}; if it is a value, set {way}"


def _spelled_gaps(column: ParsedColumn, *, labels: bool) -> dict[str, int]:
    """Return the rows of each text that means a missing cell, without those that the spec lists."""
    dialect = column.dialect.of("", labels=labels)
    words = {text for text in dialect.missing_texts if text and text not in dialect.missing}
    values, codes = column.coded()
    counts = np.bincount(codes, minlength=len(values)).tolist()
    return {str(text): rows for text, rows in zip(values, counts, strict=True) if text in words and rows}
