"""A learning-rate range test: its progress, and what it found, as text and as JSON."""

from __future__ import annotations

import math
from pathlib import Path

from rich.progress import BarColumn, Progress
from rich.text import Text

from mlpcli.errors import Place
from mlpcli.printable import counted
from mlpcli.report.console import format_number, show_json, show_sentence
from mlpcli.report.screen import WordsColumn, console
from mlpcli.runs.results import RateTest

OTHER = 2.0
"""How many times the suggestion a spec's own rate is where a word on it is due."""


class RateReport:
    """Shows the progress of a range test: a bar on a terminal, nothing elsewhere. A context."""

    def __init__(self, steps: int, *, stderr: bool = False) -> None:
        self.progress_bar = Progress(
            WordsColumn("{task.description}"),
            BarColumn(bar_width=28),
            WordsColumn("{task.fields[now]}"),
            console=console(stderr=stderr),
            transient=True,
            disable=not console(stderr=stderr).is_terminal,
        )
        self.task = self.progress_bar.add_task("", total=steps, now="")

    def __enter__(self) -> RateReport:
        self.progress_bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress_bar.stop()

    def stage(self, text: str) -> None:
        """Show what is done before the first step."""
        self.progress_bar.update(self.task, description=text)

    def progress(self, step: int, rate: float, loss: float) -> None:
        """Show the last step, its rate and its loss."""
        now = f"rate {rate:.2g}  loss {format_number(loss)}"
        self.progress_bar.update(self.task, description="testing", completed=step, now=now)


def show_rate_test(test: RateTest, picture: Path, place: Place | None, *, json: bool) -> None:
    """Show the suggestion, why, and where the plot is."""
    if json:
        show_json(rate_test_json(test, picture, place))
        return
    out = console()
    for warning in test.warnings:
        show_sentence(warning, stderr=True, style="yellow")
    out.print(Text(_ending(test)))
    out.print(Text(f"it was lowest ({format_number(float(test.smoothed.min()))}) at {test.turning:.2g}"))
    now = "" if test.current is None else f" (the spec has {test.current:g})"
    out.print(Text(f"suggested learning rate  {test.suggestion:g}{now}", style="bold"))
    if test.current is not None and place is None and test.current > OTHER * test.suggestion:
        show_sentence(
            f"the spec's {test.current:g} is larger, which may be meant: the test sees one rise of the rate "
            f"in {counted(len(test.rates), 'step')}, and its suggestion is cautious. Specs of init have a "
            "rate that was chosen by whole trainings, for averages of the weights; replace it only where a "
            "whole training with the suggested rate ends better"
        )
    out.print(Text(f"plot     {picture}"))
    if place is not None:
        out.print(Text(f"written  {place}"))
    else:
        out.print(Text("next     add --write to put it into the spec"))


def _ending(test: RateTest) -> str:
    """Return how a range test ended: after all its steps, by a loss that rose, or by no finite one."""
    steps, rate = len(test.rates), f"{test.rates[-1]:.3g}"
    if test.diverged:
        return f"the loss diverged (no finite number) after {counted(steps, 'step')}, above a rate of {rate}"
    if test.exploded:
        return (
            f"the loss rose far above its lowest after {steps:,} steps, at a rate of {rate}: the test ended"
        )
    return f"the loss was measured for all {counted(steps, 'step')}, up to a rate of {rate}"


def rate_test_json(test: RateTest, picture: Path, place: Place | None) -> dict[str, object]:
    """Return a range test for scripts; a loss that is not finite is null."""
    return {
        "suggestion": test.suggestion,
        "turning_point": test.turning,
        "current": test.current,
        "exploded": test.exploded,
        "diverged": test.diverged,
        "picture": str(picture),
        "written": str(place) if place is not None else None,
        "warnings": list(test.warnings),
        "rates": test.rates.tolist(),
        "losses": [loss if math.isfinite(loss) else None for loss in test.losses.tolist()],
        "smoothed": test.smoothed.tolist(),
    }
