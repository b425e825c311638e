"""Runs with folds or seeds on the screen: a line for each training, and a table of what they reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table
from rich.text import Text

from mlpcli.report.console import format_duration, format_number
from mlpcli.report.narrow import as_many
from mlpcli.report.screen import LONGEST_NAME, cut, table
from mlpcli.runs.folder import Run
from mlpcli.runs.results import Repeated, Spread

WHOSE = {
    "held_out": ": each model on the fold that it has not seen",
    "test": ": each model by itself on the test rows",
    "validation": ": each model by itself on the validation rows",
}
"""What the models of several trainings are measured on, by split."""


def member_line(member: Run, head: str, split: str, left: float | None, room: int) -> str:
    """Return the line of a training that is finished: its scores, its best epoch, the time that is left.

    Args:
        member: the training.
        head: what it is: `fold 2/5`.
        split: whose scores are shown.
        left: the seconds that the others will take; None for the last one.
        room: columns of the line.
    """
    record = member.record
    metrics = record.metrics.get(split, {})
    best = record.best
    tail = "" if left is None else f"  {format_duration(left)} left"
    if best is not None and best.epoch is not None:
        tail = f"  best epoch {best.epoch} of {record.epochs}{tail}"
    pairs = [f"{cut(name, LONGEST_NAME)} {format_number(value)}" for name, value in metrics.items()]
    shown = as_many(pairs, room - len(head) - len(split) - len(tail) - 4, first=(), counted=True)
    return f"{head}  {split} {shown}{tail}"


def spread_tables(repeated: Repeated) -> Iterator[tuple[Text, Table]]:
    """Yield a title and a table for each split that the trainings were measured on.

    Args:
        repeated: what the trainings have reached.
    """
    for split, of in repeated.spreads.items():
        title = f"{split} over {repeated.count} {repeated.kind if repeated.kind == 'seeds' else 'trainings'}"
        title += WHOSE.get(split, "")
        whole = repeated.out_of_fold if split == "held_out" else {}
        heads = ("metric", "mean", "deviation", "95% interval", *(("all rows",) if whole else ()))
        rows = [(name, *_cells(each), *_of_all(whole, name)) for name, each in of.items()]
        yield Text(title), table(heads, rows)


def fitted_note(split: str, predictions: Mapping[str, object]) -> str:
    """Return how the mean and all rows of a table differ by what was fitted; empty where they do not.

    Args:
        split: that the table is of.
        predictions: the entries of `metrics.json` about what was fitted.
    """
    keys = {"calibration": "the temperature", "threshold": "the threshold"}
    fitted = [word for key, word in keys.items() if predictions.get(key)]
    if not fitted:
        return ""
    usual = ", so by 0.5" if predictions.get("threshold") else ""
    them = "them" if fitted[1:] else "it"
    alone = f"each training without {' and '.join(fitted)} of the run{usual}"
    return f"mean: {alone}; all rows: with {them}" if split == "held_out" else alone


def _cells(spread: Spread) -> tuple[str, str, str]:
    low, high = spread.interval
    between = "" if low != low else f"{format_number(low)} to {format_number(high)}"
    deviation = spread.standard_deviation
    return format_number(spread.mean), "" if deviation != deviation else format_number(deviation), between


def _of_all(whole: Mapping[str, float], name: str) -> tuple[str, ...]:
    if not whole:
        return ()
    return (format_number(whole[name]) if name in whole else "",)
