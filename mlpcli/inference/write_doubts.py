"""Write every given label with how doubtful it is, and the columns of its row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.row_names import RowName
from mlpcli.data.types import Array
from mlpcli.data.writers import writing
from mlpcli.free_names import beside
from mlpcli.inference.checked_rows import CheckedRows
from mlpcli.inference.label_ranking import Answer, Ranking

if TYPE_CHECKING:
    import pyarrow as pa


def write_doubts(output: Path, ranking: Ranking, data: CheckedRows, keep: Sequence[str] | None) -> None:
    """Write all labels of a ranking, the most doubtful first.

    A column of the data that has the name of one of ours is `<name>_input`.

    Args:
        output: .csv, .tsv, .jsonl or .parquet.
        ranking: the labels.
        data: their rows.
        keep: columns of the data to copy; None for all.

    Raises:
        UsageError: there is no such column.
    """
    kept = data.columns(keep)
    own = _own_columns(ranking, data.name(ranking.given, ranking.places))
    cells = data.cells(ranking.given, ranking.places, kept)
    with writing(output) as writer:
        writer.write(own | beside(cells, own), np.empty((len(ranking), 0), np.float32))


def _own_columns(ranking: Ranking, names: Sequence[RowName]) -> dict[str, pa.Array]:
    """Return the columns that say how doubtful each label is; those that say nothing here are left out."""
    import pyarrow as pa

    several = len({name.file for name in names}) > 1
    lines = [name.line for name in names]
    questions = [answer.question for answer in ranking.answers]
    columns: dict[str, pa.Array] = {"rank": pa.array(np.arange(1, len(ranking) + 1))}
    if several:
        columns["file"] = pa.array([name.file for name in names])
    columns["row"] = pa.array([name.row for name in names])
    if any(line is not None for line in lines):
        columns["line"] = pa.array(lines, pa.int64())
    columns["fold"] = pa.array(ranking.given.folds[ranking.places])
    for title in ("output", "label"):
        if any(getattr(question, title) for question in questions):
            texts = [str(getattr(question, title)) for question in questions]
            columns[title] = pa.array([texts[asked] for asked in ranking.asked])
    numbers = not any(question.names for question in questions)
    columns["given"] = _values(ranking, [each.shown_given() for each in questions], numbers=numbers)
    columns["predicted"] = _values(ranking, [each.shown_predicted() for each in questions], numbers=numbers)
    if not numbers:
        for place, title in enumerate(("given_probability", "predicted_probability")):
            columns[title] = _floats(ranking, [_chance(answer, place) for answer in ranking.answers])
    if any(answer.deviations is not None for answer in ranking.answers):
        columns["deviations"] = _floats(ranking, [answer.deviations for answer in ranking.answers])
    columns["doubt"] = _floats(ranking, [answer.doubt for answer in ranking.answers])
    columns["likely_wrong"] = pa.array(_picked(ranking, [answer.suspected for answer in ranking.answers]))
    return columns


def _chance(answer: Answer, place: int) -> Array | None:
    chances = answer.question.chances()
    return None if chances is None else chances[place]


def _picked(ranking: Ranking, values: Sequence[Array]) -> Array:
    """Return a value of each label: of some by question, each (rows,), that of its question and row."""
    return np.asarray(np.stack(values, axis=1)[ranking.places, ranking.asked])


def _floats(ranking: Ranking, values: Sequence[Array | None]) -> pa.Array:
    """Return numbers as a column, null where a question has none."""
    import pyarrow as pa

    none = np.full(len(ranking.given.rows), np.nan)
    filled = [none if each is None else np.asarray(each, np.float64) for each in values]
    return pa.array(_picked(ranking, filled), from_pandas=True)


def _values(ranking: Ranking, values: Sequence[Array], *, numbers: bool) -> pa.Array:
    """Return labels and numbers as a column: of floats where all are numbers, of text otherwise."""
    import pyarrow as pa

    picked = _picked(ranking, [each.astype(np.float64 if numbers else object) for each in values])
    return pa.array(picked) if numbers else pa.array([str(value) for value in picked])
