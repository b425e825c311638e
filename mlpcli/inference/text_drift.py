"""How the texts of a column differ from those of the training rows: in length, and in unknown words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mlpcli.data.column_values import ColumnValues, of_numbers
from mlpcli.data.dataset import Contract
from mlpcli.data.features.text_encoder import TextEncoder
from mlpcli.inference.column_drift import Compared, compare_columns
from mlpcli.printable import counted
from mlpcli.runs.drift_results import largest
from mlpcli.statistics.drift import bonferroni

WORDS, UNKNOWN = "words", "unknown words, %"
"""The measures of a text. As many words of new texts are unknown by chance as words of training rows are in
one of these only, where `min_count` is 2 (Good, Biometrika 40, 1953)."""


def text_encoders(contract: Contract) -> dict[str, TextEncoder]:
    """Return the encoders of columns of texts by name."""
    encoders = contract.preprocessor.encoders if contract.preprocessor else ()
    return {each.name: each for each in encoders if isinstance(each, TextEncoder)}


def measures(values: ColumnValues, encoder: TextEncoder) -> dict[str, ColumnValues]:
    """Return the measures of each text as columns of numbers; a missing one has none.

    Args:
        values: the texts, as categories.
        encoder: that knows their words.
    """
    ids = [encoder.ids_of(text or "") for text in values.texts] or [[]]
    unknown = encoder.first_id - 1
    lengths = np.array([len(each) for each in ids], np.float64)
    strange = np.array([each.count(unknown) for each in ids], np.float64)
    there = np.array([text is not None for text in values.texts] or [False])
    lengths = np.where(there, lengths, np.nan)
    with np.errstate(invalid="ignore"):
        shares = np.where(lengths > 0, np.round(100 * strange / lengths, 1), np.nan)
    found = {WORDS: lengths, UNKNOWN: shares}
    return {name: of_numbers(name, numbers[values.codes]) for name, numbers in found.items()}


def with_measures(
    columns: Mapping[str, ColumnValues], encoders: Mapping[str, TextEncoder]
) -> dict[str, ColumnValues]:
    """Return columns in which texts are replaced by their measures.

    Args:
        columns: by name.
        encoders: of those that are texts.
    """
    found: dict[str, ColumnValues] = {}
    for name, values in columns.items():
        if name not in encoders:
            found[name] = values
            continue
        for measure, numbers in measures(values, encoders[name]).items():
            found[f"{name}: {measure}"] = numbers
    return found


def compare_texts(known: ColumnValues, new: ColumnValues, encoder: TextEncoder) -> Compared:
    """Compare the texts of a column: the most different of their measures counts.

    Args:
        known: of the training rows, as categories.
        new: of new rows.
        encoder: of the column.
    """
    mine, theirs = measures(known, encoder), measures(new, encoder)
    found = {
        name: compare_columns(replace(mine[name], name=encoder.name), theirs[name], "used") for name in mine
    }
    found[UNKNOWN] = _without_gaps(found[UNKNOWN])
    strongest = max(found.values(), key=lambda each: each.drift.strength).drift
    findings = [
        f"{name}: {text}" if not text.startswith("missing") else text
        for name, each in found.items()
        for text in each.drift.findings
    ]
    gaps = found[WORDS].drift.missing
    drift = replace(
        strongest,
        kind="texts",
        size=largest([each.drift.size for each in found.values()]),
        missing=gaps,
        findings=tuple(findings),
        certain=(),
    )
    return Compared(drift, bonferroni([each.p for each in found.values()]))


def _without_gaps(compared: Compared) -> Compared:
    """Return what was found without the words on missing texts, which the other measure has too."""
    findings = tuple(each for each in compared.drift.findings if not each.startswith("missing"))
    return replace(compared, drift=replace(compared.drift, findings=findings))


def unknown_rows(encoder: TextEncoder, new: ColumnValues) -> tuple[float, list[str]]:
    """Return the share of rows none of whose words is known, and what to say of them.

    Args:
        encoder: of the column.
        new: the texts, as categories.
    """
    shares = measures(new, encoder)[UNKNOWN].numbers
    rows = int((shares == 100).sum())
    mean = float(np.nanmean(shares)) if np.isfinite(shares).any() else 0.0
    findings = [f"{counted(rows, 'row')} without a known word"] if rows else []
    return rows / max(len(new), 1), [*findings, f"{mean:.0f}% of the words of a text are unknown"]
