"""A prediction: progress while it runs, and its counts, as text and as JSON."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from rich.status import Status

from mlpcli.printable import counted, printable
from mlpcli.report.console import format_duration, show_line, show_sentence
from mlpcli.report.screen import LONGEST_NAME, console, cut, width_of
from mlpcli.runs.explanation import ExplainedRows
from mlpcli.runs.results import Summary, UnusualCells

WORTH_SAYING = 20.0
"""Seconds that are announced."""

SILENCE = 30.0
"""Seconds after which progress is a line where there is no terminal."""


class PredictionReport:
    """Shows rows so far and rows per second: on a terminal at once, elsewhere a line now and then. A context.

    Args:
        what: was done with the rows: predicted, explained.
    """

    def __init__(self, what: str = "predicted") -> None:
        self.console = console(stderr=True)
        self.status: Status | None = None
        self.what = what
        self.next_line = SILENCE

    def __enter__(self) -> PredictionReport:
        return self

    def __exit__(self, *error: object) -> None:
        if self.status is not None:
            self.status.stop()

    def rows(self, rows: int, seconds: float) -> None:
        """Update the number of predicted rows."""
        if not self.console.is_terminal:
            if seconds >= self.next_line:
                self.next_line = seconds + SILENCE
                show_line(f"{counted(rows, 'row')} {self.what} in {format_duration(seconds)}", stderr=True)
            return
        if self.status is None:
            self.status = self.console.status("")
            self.status.start()
        self.status.update(f"{counted(rows, 'row')}, {rows / max(seconds, 1e-6):,.0f} per second")

    def forecast(self, seconds: float, rows: int | None) -> None:
        """Say how long explanations take, where that is long.

        Args:
            seconds: for a row.
            rows: how many follow; None where that is not known.
        """
        if rows is not None and seconds * rows < WORTH_SAYING:
            return
        if self.status is not None:
            self.status.stop()
            self.status = None
        each = f"{format_duration(1000 * seconds)} for 1,000 rows"
        if rows is None:
            text = f"explaining takes about {each}"
        else:
            whole = format_duration(seconds * rows)
            text = f"explaining the other {counted(rows, 'row')} takes about {whole} ({each})"
        show_sentence(text, stderr=True)


def show_explained(row: int, lines: Sequence[str | None]) -> None:
    """Show what explains a row's prediction, broken between the terms where it is longer than the screen.

    Args:
        row: its number, from 1.
        lines: for each explained number a text, or None where the row has no prediction.
    """
    out = console()
    start = f"{row}  "
    for line in lines:
        text = "no prediction" if line is None else line
        for piece in _broken(printable(text), out.room - len(start)):
            show_line(f"{start}{piece}")
            start = " " * len(start)


def _broken(text: str, width: int) -> list[str]:
    """Return an equation in pieces of at most a width where its terms allow it."""
    terms = re.split(r" (?=[+-] [\d.,]+ \()", text)
    pieces = [terms[0]]
    for term in terms[1:]:
        if width_of(pieces[-1]) + 1 + width_of(term) <= width:
            pieces[-1] += f" {term}"
        else:
            pieces.append(f"  {term}")
    return pieces


def _explained_line(found: ExplainedRows) -> str:
    """Return how predictions were explained, and up to which error."""
    how = {
        "exact": "exact Shapley values",
        "sampled": "sampled Shapley values",
        "expected gradients": "expected gradients",
    }[found.method]
    rows = counted(found.background, "training row")
    parts = [f"{how} against {rows}", f"base + contributions = prediction within {found.residual:.1g}"]
    if found.error:
        parts.append(
            f"standard error of a contribution at most {found.error:.2g} "
            f"(the strongest of a row is {found.strongest:.2g})"
        )
    if found.pictures is not None:
        parts.append(f"{counted(found.groups, 'image', 'images')} drawn in {found.pictures}")
    return "; ".join(parts)


def unusual_text(summary: Summary) -> str:
    """Return what was unusual in predicted rows, but for cells that are filled in; an empty text for none."""
    shown = dataclasses.replace(summary, missing=Counter())
    return "; ".join([*map(printable, summary.warnings), *_unusual(shown, None)])


def show_prediction(
    summary: Summary, target: Path | None, rejects: Path | None, *, kept: bool = False
) -> None:
    """Show how many rows were written where, and what was unusual in them.

    Args:
        summary: of the prediction.
        target: the file that was written; None for stdout.
        rejects: the file of rejected rows; None for none.
        kept: whether a column of the rows was passed through, so that one sees which of them are left.
    """
    if summary.explained is not None:
        show_sentence(_explained_line(summary.explained), stderr=target is None)
    unusual = _unusual(summary, rejects)
    if rejects is not None and summary.rejected and summary.rows and not kept:
        unusual[-1] += ", and not among the predictions: --keep COLUMN shows which row each is of"
    written = counted(summary.rows, "prediction", "predictions")
    if target is not None and not unusual:
        show_line(f"{written} written to {target}")
    elif target is not None:
        show_sentence("; ".join([f"{written} written to {target}", *unusual]))
    elif unusual:
        show_sentence("; ".join([written, *unusual]), stderr=True)


def unusual_cells(found: Summary | UnusualCells) -> list[str]:
    """Return what is unusual in the cells of rows, by kind and column: `3 unseen categories (city 3)`."""
    kinds: dict[tuple[str, str], Counter[str]] = {
        ("missing cell filled in", "missing cells filled in"): found.missing,
        ("unseen category", "unseen categories"): _only(found.unseen, found.texts, inside=False),
        ("text without a known word", "texts without a known word"): _only(found.unseen, found.texts),
        ("value out of the training rows' range", "values out of the training rows' range"): found.outside,
    }
    lines = []
    for words, counts in kinds.items():
        if counts:
            columns = ", ".join(f"{cut(name, LONGEST_NAME)} {n:,}" for name, n in counts.most_common(8))
            lines.append(f"{counted(counts.total(), *words)} ({columns})")
    return lines


def _unusual(summary: Summary, rejects: Path | None) -> list[str]:
    """Return what was unusual in the rows."""
    lines = unusual_cells(summary)
    if summary.empty:
        lines.append(counted(summary.empty, "prediction left empty", "predictions left empty"))
    if rejects is not None:
        lines.append(f"{counted(summary.rejected, 'row', 'rows')} rejected, see {rejects}")
    return lines


def _only(counts: Counter[str], texts: Collection[str], *, inside: bool = True) -> Counter[str]:
    """Return the counts of columns of texts, or of the others."""
    return Counter({name: count for name, count in counts.items() if (name in texts) is inside})


def cells_json(found: Summary | UnusualCells) -> dict[str, dict[str, int]]:
    """Return what is unusual in the cells of some rows for scripts: counts by column."""
    return {"missing": dict(found.missing), "unseen": dict(found.unseen), "outside": dict(found.outside)}


def summary_json(summary: Summary, label: str, output: str | None) -> dict[str, object]:
    """Return a prediction for scripts: its columns, its counts, and the file that it was written to."""
    counts = {"rejected": summary.rejected, "empty": summary.empty, **cells_json(summary)}
    document: dict[str, object] = {
        "run": label,
        "rows": summary.rows,
        "columns": list(summary.columns),
        "counts": counts,
        "seconds": round(summary.seconds, 3),
    }
    if summary.explained is not None:
        document["explained"] = _explained_json(summary.explained)
    return document | ({"output": output} if output is not None else {})


def _explained_json(found: ExplainedRows) -> dict[str, object]:
    return {
        "method": found.method,
        "background_rows": found.background,
        "groups": found.groups,
        "largest_residual": found.residual,
        "largest_standard_error": found.error,
        "mean_strongest_contribution": found.strongest,
        "columns": list(found.columns),
        "pictures": None if found.pictures is None else str(found.pictures),
    }
