"""Whether more rows would help: the progress of the trainings, and the scores as text and as JSON."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, stdev

from rich.progress import BarColumn, Progress
from rich.text import Text

from mlpcli.printable import counted
from mlpcli.report.console import format_duration, format_number, show_json, show_line
from mlpcli.report.screen import WordsColumn, console, table
from mlpcli.runs.more_data import ENOUGH, HELPS, MoreData, MoreDataWatcher, SizeScores, Step

MOST_METRICS = 3
"""Columns of other metrics in the table."""


class MoreDataReport(MoreDataWatcher):
    """Shows the progress: a bar on a terminal, a line for each training elsewhere. A context."""

    def __init__(self, metric: str, *, stderr: bool = False) -> None:
        self.metric = metric.removeprefix("val_")
        self.screen = console(stderr=stderr)
        self.bar = Progress(
            WordsColumn("{task.description}"),
            BarColumn(bar_width=20),
            WordsColumn("{task.fields[now]}"),
            console=self.screen,
            transient=True,
            disable=not self.screen.is_terminal,
        )
        self.task = self.bar.add_task("", total=1.0, now="")
        self.left = ""

    def __enter__(self) -> MoreDataReport:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def stage(self, text: str) -> None:
        """Show what is done before the first training."""
        self.bar.update(self.task, description=text)

    def note(self, text: str) -> None:
        """Show one line."""
        self.bar.console.print(Text(text, style="yellow"), soft_wrap=True)

    def trains(self, step: Step, share: float, seconds_left: float | None) -> None:
        """Move the bar."""
        self.left = "" if seconds_left is None else f"{format_duration(seconds_left)} left"
        words = f"training {step.number} of {step.planned}: {counted(step.rows, 'row')}"
        self.bar.update(self.task, description=words, completed=share, now=self.left)

    def trained(self, step: Step, metrics: Mapping[str, float]) -> None:
        """Print a line for a training where there is no bar."""
        if self.screen.is_terminal:
            return
        score = metrics.get(self.metric, math.nan)
        words = f"training {step.number} of {step.planned}  {counted(step.rows, 'row')}, seed {step.seed}"
        tail = f"  {self.left}" if self.left and step.number < step.planned else ""
        self.screen.print(Text(f"{words}  val_{self.metric} {format_number(score)}{tail}"))


def show_more_data(found: MoreData, picture: Path, document: Path, *, json: bool) -> None:
    """Show the scores by size, and whether more rows would help."""
    if json:
        show_json(more_data_json(found, picture))
        return
    out = console()
    out.print(Text(f"{found.name}: {found.source}, trained on fewer rows and more", style="bold"))
    out.print(table(*_table(found), names=()))
    what = f"measured on the same {found.validation_rows:,} validation rows; the test rows were not used"
    for sentence in (what, *conclusions(found)):
        for line in textwrap.wrap(sentence, out.room):
            out.print(Text(line))
    out.print(Text(f"picture  {picture}"))
    out.print(Text(f"numbers  {document}"))
    if found.interrupted:
        line = f"interrupted after {found.done} of {counted(found.planned, 'training')}; the files hold these"
        show_line(line, stderr=True)


def _table(found: MoreData) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of the table: the score, then other metrics."""
    names = [name for size in found.sizes[:1] for name in size.metrics[0]] if found.sizes else []
    others = [name for name in names if name != found.metric][:MOST_METRICS]
    while others and sum(len(name) + 2 for name in others) > 30:
        others.pop()
    head = ["rows", "trainings", f"val_{found.metric}", "deviation", *others, "time"]
    return head, [_row(size, found.metric, others) for size in found.sizes]


def _row(size: SizeScores, metric: str, others: list[str]) -> list[str]:
    scores = size.scores(metric)
    cells = [f"{size.rows:,}", str(len(size.metrics)), _mean(scores)]
    cells.append(format_number(stdev(scores)) if len(scores) > 1 else "")
    return [*cells, *(_mean(size.scores(name)) for name in others), format_duration(size.seconds)]


def _mean(values: list[float]) -> str:
    return format_number(mean(values)) if values else "nan"


def conclusions(found: MoreData) -> list[str]:
    """Return sentences: what twice as many rows would do, as certain as the scores allow."""
    law, name = found.doubling, f"val_{found.metric}"
    if law is None:
        return [f"too few trainings for a curve of {name}: add sizes with --sizes, or --repeats"]
    low, high = (format_number(end) for end in law.from_now)
    now, then = format_number(law.now), format_number(law.doubled)
    if found.verdict == HELPS:
        change = "raise" if law.change > 0 else "lower"
        lines = [
            (
                f"more rows would help: doubling them to {2 * law.rows:,} would {change} {name} "
                f"from {now} to about {then} ({low} to {high}, 95%)"
            )
        ]
    elif found.verdict == ENOUGH:
        lines = [
            (
                f"no more gain is expected: with twice the rows {name} would go from {now} to about {then} "
                f"({low} to {high}, 95%)"
            )
        ]
    else:
        lines = [
            (
                f"whether more rows would help is not clear: with twice as many {name} "
                f"would be {low} to {high} (95%), and is {now} now; more --repeats narrow this"
            )
        ]
    if 2 * found.at_the_end > found.done:
        lines.append(
            f"in {found.at_the_end} of {found.done} trainings the last epoch was the best: they may gain by "
            "more epochs as well, so set fit.epochs higher first"
        )
    return lines


def more_data_json(found: MoreData, picture: Path) -> dict[str, object]:
    """Return the scores and the curve for scripts."""
    law = found.doubling
    return {
        "name": found.name,
        "data": found.source,
        "metric": f"val_{found.metric}",
        "direction": "max" if found.more_is_better else "min",
        "training_rows": found.training_rows,
        "validation_rows": found.validation_rows,
        "sizes": [_size_json(each, found.metric) for each in found.sizes],
        "doubling": None if law is None else {**vars(law), "rows": 2 * law.rows},
        "more_rows_help": found.verdict,
        "conclusions": conclusions(found),
        "trainings": {"planned": found.planned, "done": found.done, "best_at_the_end": found.at_the_end},
        "interrupted": found.interrupted,
        "seconds": round(found.seconds, 1),
        "notes": list(found.notes),
        "picture": str(picture),
    }


def _size_json(size: SizeScores, metric: str) -> dict[str, object]:
    scores = size.scores(metric)
    return {
        "rows": size.rows,
        "mean": mean(scores) if scores else None,
        "standard_deviation": stdev(scores) if len(scores) > 1 else None,
        "scores": scores,
        "metrics": [dict(each) for each in size.metrics],
        "seconds": round(size.seconds, 1),
    }
