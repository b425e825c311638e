"""Results and progress as text, tables and JSON: the only module beside the CLI that prints.

On a terminal: colour, tables, a bar with the time left. Into a pipe or a file: plain lines.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TaskID, TimeElapsedColumn, TimeRemainingColumn
from rich.status import Status
from rich.table import Table
from rich.text import Text

from mlpcli.errors import MlpcliError, Place, excerpt
from mlpcli.printable import json_text, printable
from mlpcli.report.screen import LONGEST_NAME, Screen, WordsColumn, console, cut, table

if TYPE_CHECKING:
    from mlpcli.inference.evaluate import Evaluation, OutputScores
    from mlpcli.inference.predict import Summary
    from mlpcli.runs.folder import Run
    from mlpcli.training.session import Outcome, Plan


def show_error(error: MlpcliError) -> None:
    """Every problem of an error on stderr, then how many there were."""
    out = console(stderr=True)
    for problem in error.problems:
        headline = Text(problem.headline())
        place = problem.place
        if isinstance(place, Place):
            headline.stylize("bold", 0, len(printable(str(place))))
        out.print(headline, soft_wrap=True)
        if isinstance(place, Place) and place.source:
            source, caret = excerpt(place)
            out.print(Text(source, style="dim"), soft_wrap=True)
            out.print(Text(caret, style="bold red"), soft_wrap=True)
    if len(error.problems) > 1:
        out.print(f"{len(error.problems)} problems found", style="bold")


def show_json(document: Any) -> None:
    """One JSON document on stdout."""
    ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
    show_text(json_text(document, ascii_only=ascii_only) + "\n")


def show_text(text: str) -> None:
    """A document as it is, such as a spec or a script, on stdout; whoever wrote it has escaped its names."""
    sys.stdout.write(text)


def show_line(text: str, *, stderr: bool = False, style: str = "") -> None:
    """One line."""
    console(stderr=stderr).print(Text(text, style=style), soft_wrap=True)


def fitting_table(out: Screen, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A plain table; where the console is too narrow for it, turned: what were its columns are its rows."""
    made = table(columns, rows)
    if fits(out, made):
        return made
    return table(
        (columns[0], *(row[0] for row in rows)), zip(columns[1:], *(row[1:] for row in rows), strict=True)
    )


def fits(out: Screen, made: Table) -> bool:
    """Whether a table can be shown without cutting anything off."""
    return Measurement.get(out, out.options.update(width=10_000), made).maximum <= out.width


def number(value: float) -> str:
    """A figure for a table: four significant digits, no exponent where none is needed."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4f}" if abs(value) < 100 else f"{value:.2f}"
    if 1e5 <= abs(value) < 1e9:
        return f"{value:.0f}"  # a price: four digits would make all of them equal
    return f"{value:.3e}"


def duration(seconds: float) -> str:
    """`12 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


class TrainingReport:
    """Shows a training as it goes: a bar on a terminal, a line an epoch elsewhere. Use as a context."""

    def __init__(self, *, stderr: bool = False) -> None:
        self.console = console(stderr=stderr)
        self.progress: Progress | None = None
        self.task: TaskID | None = None
        self.status: Status | None = None

    def __enter__(self) -> TrainingReport:
        return self

    def __exit__(self, *error: object) -> None:
        self._clear()

    def _clear(self) -> None:
        """Take away what moves: the bar and the spinner."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None
        if self.status is not None:
            self.status.stop()
            self.status = None

    def stage(self, text: str) -> None:
        """A spinner with a few words, on a terminal alone."""
        self._clear()
        if self.console.is_terminal and text:
            self.status = self.console.status(text)
            self.status.start()

    def plan(self, plan: Plan, run_dir: Path) -> None:
        """The data, the layers and the folder."""
        self._clear()
        rows = ", ".join(f"{count:,} {name}" for name, count in plan.rows.items())
        self.console.print(Text(f"data     {plan.source}: {rows} rows" + _class_count(plan)))
        self.console.print(Text(f"run      {run_dir}"))
        layers = [(row.name, row.kind, _shape(row.shape), f"{row.parameters:,}") for row in plan.layers]
        shown = table(("layer", "class", "output", "parameters"), layers, names=(0, 1))
        shown.columns[1].justify = "left"
        self.console.print(shown)
        fixed = plan.parameters - plan.trainable
        note = f" ({plan.trainable:,} of them trained)" if fixed else ""
        self.console.print(f"{plan.parameters:,} parameters{note}, {plan.steps:,} steps an epoch")
        if self.console.is_terminal:
            self._start_bar()

    def _start_bar(self) -> None:
        self.progress = Progress(
            WordsColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=28),
            WordsColumn("{task.fields[logs]}"),
            TimeElapsedColumn(),
            WordsColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        self.task = self.progress.add_task("", total=1.0, epoch="1", logs="compiling")
        self.progress.start()

    def step(self, epoch: int, epochs: int, done: int, total: int, logs: dict[str, float]) -> None:
        """Move the bar within an epoch."""
        if self.progress is not None and self.task is not None:
            completed = (epoch - 1 + done / total) / epochs
            self.progress.update(self.task, completed=completed, epoch=f"{epoch}/{epochs}", logs=_logs(logs))

    def epoch(self, epoch: int, epochs: int, logs: dict[str, float], seconds: float) -> None:
        """Move the bar, and leave a line behind."""
        line = f"epoch {epoch:>{len(str(epochs))}}/{epochs}  {_logs(logs)}  {duration(seconds)}"
        if self.progress is not None and self.task is not None:
            self.progress.update(
                self.task, completed=epoch / epochs, epoch=f"{epoch}/{epochs}", logs=_logs(logs)
            )
            if self._worth_a_line(epoch, epochs):
                self.progress.console.print(Text(line))
        else:
            self.console.print(Text(line))

    _last_line = 0.0

    def _worth_a_line(self, epoch: int, epochs: int) -> bool:
        """On a terminal, quick epochs are thinned out to a few lines a second."""
        now = time.monotonic()
        if epoch in (1, epochs) or now - self._last_line > 0.25:
            self._last_line = now
            return True
        return False

    def note(self, text: str) -> None:
        """One line beside the progress."""
        self.console.print(Text(text, style="yellow"))


def _class_count(plan: Plan) -> str:
    return f", {len(plan.classes)} classes" if plan.classes else ""


def _shape(shape: Sequence[int | None]) -> str:
    return " x ".join(str(size) for size in shape[1:]) or "1"


def _logs(logs: dict[str, float]) -> str:
    return "  ".join(
        f"{cut(name, LONGEST_NAME)} {number(value)}"
        for name, value in logs.items()
        if name != "learning_rate"
    )


def show_outcome(outcome: Outcome, runs_dir: Path) -> None:
    """What a training reached, where it lies, and what to type next."""
    out = console()
    names = list(next(iter(outcome.metrics.values())))
    rows = [(split, *(number(values[name]) for name in names)) for split, values in outcome.metrics.items()]
    out.print()
    out.print(fitting_table(out, ("split", *names), rows))
    if outcome.baseline is not None:
        out.print(Text(_baseline_text(outcome.baseline)))
    best = ""
    if outcome.best is not None:
        best = f", best {outcome.monitor} {number(outcome.best)} in epoch {outcome.best_epoch}"
    out.print()
    out.print(Text(f"{outcome.epochs} epochs in {duration(outcome.seconds)}{best}"))
    out.print(Text(f"run  {outcome.run.folder}"))
    where = "" if str(runs_dir) == "runs" else f" --runs-dir {runs_dir}"
    name = outcome.run.folder.parent.name
    out.print(Text(f"next mlpcli evaluate {name}{where}"))
    out.print(Text(f"     mlpcli predict {name} DATA -o predictions.csv{where}"))


def _baseline_text(baseline: dict[str, Any]) -> str:
    """`baseline  test accuracy: commonest class 0.3333, linear model 0.9667`."""
    words = {"majority": "commonest class", "mean": "mean", "linear": "linear model"}
    found = ", ".join(f"{word} {number(baseline[key])}" for key, word in words.items() if key in baseline)
    what = f"{baseline['output']} " if "output" in baseline else ""
    return f"baseline  {baseline['split']} {what}{baseline['metric']}: {found}"


def show_finished(run: Run, *, json: bool) -> None:
    """That there is nothing to do for a run."""
    epochs = run.record.epochs or 0
    if json:
        document = {"run": run.label, "folder": str(run.folder), "status": run.status, "epochs": epochs}
        show_json(document | {"metrics": run.record.metrics})
        return
    show_line(f"run {run.label} is finished, after {epochs} epochs: nothing to do")
    show_line(f"train it further with: mlpcli train --continue {run.label} --epochs N")


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """A training's outcome for scripts."""
    return {
        "run": outcome.run.label,
        "folder": str(outcome.run.folder),
        "status": outcome.run.status,
        "epochs": outcome.epochs,
        "seconds": outcome.seconds,
        "best": {"monitor": outcome.monitor, "value": outcome.best, "epoch": outcome.best_epoch},
        "metrics": outcome.metrics,
        "baseline": outcome.baseline,
    }


class PredictionReport:
    """Rows so far and rows a second, on a terminal alone. Use as a context."""

    def __init__(self) -> None:
        self.console = console(stderr=True)
        self.status: Status | None = None

    def __enter__(self) -> PredictionReport:
        return self

    def __exit__(self, *error: object) -> None:
        if self.status is not None:
            self.status.stop()

    def rows(self, rows: int, seconds: float) -> None:
        """Some more rows are predicted."""
        if not self.console.is_terminal:
            return
        if self.status is None:
            self.status = self.console.status("")
            self.status.start()
        self.status.update(f"{rows:,} rows, {rows / max(seconds, 1e-6):,.0f} a second")


def show_prediction(summary: Summary, target: Path | None, rejects: Path | None) -> None:
    """How many rows were written where, and what was odd about them."""
    odd = odd_rows(summary, rejects)
    made = counted(summary.rows, "prediction", "predictions")
    if target is not None:
        show_line("; ".join([f"{made} written to {target}", *odd]))
    elif odd:
        show_line("; ".join([made, *odd]), stderr=True)


def counted(count: int, one: str, many: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {one if count == 1 else many}"


def odd_rows(summary: Summary, rejects: Path | None) -> list[str]:
    """What a prediction met, each kind with its columns: `3 unseen categories (city 3)`."""
    tally = summary.counts
    kinds = {
        ("missing cell filled in", "missing cells filled in"): tally.missing,
        ("unseen category", "unseen categories"): tally.unseen,
        ("value out of the training rows' range", "values out of the training rows' range"): tally.outside,
    }
    lines = []
    for words, counts in kinds.items():
        if counts:
            columns = ", ".join(f"{cut(name, LONGEST_NAME)} {n:,}" for name, n in counts.most_common(8))
            lines.append(f"{counted(counts.total(), *words)} ({columns})")
    if tally.empty:
        lines.append(counted(tally.empty, "prediction left empty", "predictions left empty"))
    if rejects is not None:
        lines.append(f"{counted(tally.rejected, 'row', 'rows')} rejected, see {rejects}")
    return lines


def show_evaluation(label: str, evaluation: Evaluation) -> None:
    """Metrics, and for classes a line each with precision, recall and F1."""
    out = console()
    out.print(Text(f"{label} on {evaluation.source}: {evaluation.rows:,} rows", style="bold"))
    out.print(table(("metric", "value"), [(k, number(v)) for k, v in evaluation.metrics.items()]))
    for scores in evaluation.scores:
        rows = [
            (score.name, number(score.precision), number(score.recall), number(score.f1), f"{score.rows:,}")
            for score in scores.classes
        ]
        out.print()
        kind = "class" if scores.confusion is not None else "label"
        title = f"{scores.name}: {kind}" if scores.name else kind
        out.print(table((title, "precision", "recall", "f1", "rows"), rows))


def evaluation_json(label: str, folder: Path, evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation for scripts."""
    document: dict[str, Any] = {
        "run": label,
        "folder": str(folder),
        "data": evaluation.source,
        "rows": evaluation.rows,
        "metrics": evaluation.metrics,
    }
    found = {scores.name: _scores_json(scores) for scores in evaluation.scores}
    return document | found[""] if "" in found else document | ({"outputs": found} if found else {})


def _scores_json(scores: OutputScores) -> dict[str, Any]:
    classes = {
        score.name: {
            "precision": score.precision,
            "recall": score.recall,
            "f1": score.f1,
            "rows": score.rows,
        }
        for score in scores.classes
    }
    if scores.confusion is None:
        return {"labels": classes}
    return {"classes": classes, "confusion": scores.confusion.tolist()}
