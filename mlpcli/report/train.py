"""A training: progress while it runs, and what it reached, as text and as JSON.

On a terminal: a live table of the newest epochs with a curve and the time left.
Into a pipe or a file: plain lines.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from rich.status import Status
from rich.text import Text

from mlpcli.printable import counted
from mlpcli.program_name import as_called
from mlpcli.report.console import fits, fitting_table, format_duration, format_number, show_json, show_line
from mlpcli.report.epoch_table import LEARNING_RATE, rate_text
from mlpcli.report.fitted_predictions import show_fitted
from mlpcli.report.interval_words import interval_notes, interval_text, split_note, value_text
from mlpcli.report.live_epochs import LiveEpochs
from mlpcli.report.member_table import fitted_note, member_line, spread_tables
from mlpcli.report.narrow import (
    MOST_LAYERS,
    SHOWN_LAYERS,
    as_many,
    collapsed,
    layer_table,
    shape_text,
    wrapped,
    wrapped_text,
)
from mlpcli.report.screen import LONGEST_NAME, Screen, console, cut
from mlpcli.runs.folder import Run, resume_command
from mlpcli.runs.judge_baseline import EXACT, named_entries
from mlpcli.runs.results import Outcome, Plan, Repeated, intervals_json
from mlpcli.runs.shell_options import runs_dir_option
from mlpcli.runs.watcher import Monitored, Watcher
from mlpcli.spec.repeats import RETRAIN

EVERY_EPOCH = 20
"""Epochs that each have a line in a pipe; after them, those with a round number have one."""

LONGEST_SILENCE = 10.0
"""Seconds after which an epoch has a line in a pipe, whatever its number."""


class TrainingReport(Watcher):
    """Shows the progress of a training: a live table on a terminal, lines elsewhere. A context."""

    def __init__(self, *, stderr: bool = False) -> None:
        self.console = console(stderr=stderr)
        self.on_terminal = self.console.is_terminal and not self.console.is_dumb_terminal
        self.live = LiveEpochs(self.console)
        self.pace = _Pace()
        self.status: Status | None = None
        self.member: tuple[int, int, str] | None = None  # of a run with folds or seeds
        self.members, self.began = 0, time.monotonic()  # those that are finished, since when
        self._waiting: tuple[int, int, Mapping[str, float], float] | None = None  # an epoch without a line
        self._rate: float | None = None  # the learning rate of the last line

    def __enter__(self) -> TrainingReport:
        return self

    def __exit__(self, *error: object) -> None:
        self._clear()

    def _clear(self) -> None:
        """End the table, whose summary stays, and the spinner; the last epoch has a line in any case."""
        self.live.stop(keep=self.member is None)
        if self._waiting is not None:
            self._show_epoch(*self._waiting)
        if self.status is not None:
            self.status.stop()
            self.status = None

    def stage(self, text: str) -> None:
        """Show a spinner with a few words, on a terminal only."""
        self._clear()
        if self.on_terminal and text:
            self.status = self.console.status(text)
            self.status.start()

    def plan(self, plan: Plan, run_dir: Path) -> None:
        """Show the data, the layers and the folder."""
        self._clear()
        rows = ", ".join(f"{count:,} {name}" for name, count in plan.rows.items())
        self._wrapped("data     ", f"{plan.source}: {rows} rows" + _class_count(plan))
        self.console.print(Text(f"run      {run_dir}"))
        layers = [(row.name, row.kind, shape_text(row.shape), f"{row.parameters:,}") for row in plan.layers]
        few = collapsed(layers, MOST_LAYERS, SHOWN_LAYERS)
        self.console.print(layer_table(self.console, ("layer", "class", "output", "parameters"), few, 2))
        fixed = plan.parameters - plan.trainable
        note = f" ({plan.trainable:,} of them trained)" if fixed else ""
        self.console.print(
            f"{counted(plan.parameters, 'parameter')}{note}, {counted(plan.steps, 'step')} per epoch"
        )

    def limited(self, seconds: float) -> None:
        """Keep when the time is up: the time left is at most the time until then."""
        self.live.until = time.monotonic() + seconds

    def engine(self, name: str, reason: str) -> None:
        """Show the engine, and why it is that one."""
        self._wrapped("engine   ", f"{name}: {reason}")

    def monitored(self, monitored: Monitored) -> None:
        """Begin the table of the epochs."""
        self.live.begin(monitored, self.member)
        if self.on_terminal and not self.live.runs:
            if self.status is not None:
                self.status.stop()
                self.status = None
            self.live.start()

    def step(self, epoch: int, epochs: int, done: int, total: int, logs: Mapping[str, float]) -> None:
        """Show how far an epoch is."""
        if self.live.runs:
            self.live.step(epoch, epochs, done / total, logs)

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        """Add an epoch to the table; in a pipe, print a line for it unless there are many."""
        if self.live.runs:
            self.live.epoch(epoch, epochs, logs, seconds)
        elif self.member is None:
            self._waiting = (epoch, epochs, logs, seconds)
            if self.pace.is_due(epoch, epochs):
                self._show_epoch(*self._waiting)

    def _show_epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        """Print the line of an epoch, with the learning rate at its end where that has changed."""
        self._waiting = None
        head, tail = f"epoch {epoch:>{len(str(epochs))}}/{epochs}", format_duration(seconds)
        rate = logs.get(LEARNING_RATE)
        changed = None if rate is None or self._rate in (None, rate) else rate
        self._rate = rate
        self.console.print(Text(epoch_line(head, logs, tail, self.console.room, rate=changed)))

    def member_begins(self, place: int, count: int, label: str) -> None:
        """Start a training of a run with folds or seeds, of which the bar shows a part."""
        if self.member is None:
            self.began = time.monotonic()
        self.member = (place, count, label)

    def member_ends(self, member: Run, split: str) -> None:
        """Print a line for a training that is finished."""
        place, count, label = self.member or (1, 1, member.label)
        self.members += 1
        passed = time.monotonic() - self.began
        self.live.progress.before.append(passed - sum(self.live.progress.before))
        left = passed / self.members * (count - place) if place < count else None
        if left is not None and self.live.until is not None:
            left = max(0.0, min(left, self.live.until - time.monotonic()))
        line = member_line(member, f"{place}/{count} {label}", split, left, self.console.room)
        self.console.print(Text(line))

    def note(self, text: str) -> None:
        """Print a sentence above the progress, in lines that fit the terminal, or 80 columns of a pipe."""
        self._wrapped("", text, style="yellow")

    def _wrapped(self, label: str, text: str, style: str = "") -> None:
        """Print a label and a text, whose further lines are indented, in as many columns as there are."""
        for line in wrapped_text(text, self.console.room, label):
            self.console.print(Text(line, style=style), soft_wrap=True)


class _Pace:
    """Decides which epochs have a line in a pipe: ten thousand epochs have some seventy."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def is_due(self, epoch: int, epochs: int) -> bool:
        """Return whether an epoch has a line."""
        now = time.monotonic()
        step = 1 if epoch <= EVERY_EPOCH else 10 ** (len(str(epoch // 2)) - 1)
        if epoch % step == 0 or epoch == epochs or now - self._last >= LONGEST_SILENCE:
            self._last = now
            return True
        return False


def _class_count(plan: Plan) -> str:
    return f", {counted(len(plan.classes), 'class', 'classes')}" if plan.classes else ""


def epoch_line(
    head: str, logs: Mapping[str, float], tail: str, room: int, *, rate: float | None = None
) -> str:
    """Return an epoch's line; where it is too long, without its time, or closer, or with fewer logs.

    Args:
        head: the number of the epoch.
        logs: its losses and metrics, of which those on validation rows stay longest.
        tail: its time.
        room: columns of the line.
        rate: a learning rate that has changed; it is left out rather than a metric on validation rows.
    """
    every = _logs(logs, 10**6)
    plain = f"{head}  {_logs(logs, room - len(head) - len(tail) - 4)}  {tail}"
    for line in (f"{head}  {every}  {tail}", f"{head}  {every}", f"{head}  {every.replace('  ', ' ')}"):
        if len(line) <= room:
            plain = line
            break
    if rate is not None:
        changed = f"{LEARNING_RATE} {rate_text(rate)}"
        for shown in (every, _logs(logs, room - len(head) - len(changed) - 4)):
            line = f"{head}  {shown}  {changed}"
            if len(line) <= room and _validated(line, logs) >= _validated(plain, logs):
                return f"{line}  {tail}" if len(line) + 2 + len(tail) <= room else line
    return plain


def _validated(line: str, logs: Mapping[str, float]) -> int:
    """Return how many metrics on validation rows a line has."""
    return sum(f" {name} " in line for name in logs if name.startswith("val_"))


def _logs(logs: Mapping[str, float], room: int, *, counted: bool = True) -> str:
    """Return as many of an epoch's logs as fit, the losses first; `history.csv` has all of them."""
    names = [name for name in logs if name != "learning_rate"]
    pairs = [f"{cut(name, LONGEST_NAME)} {format_number(logs[name])}" for name in names]
    losses = [names.index(name) for name in ("loss", "val_loss") if name in names]
    validated = [place for place, name in enumerate(names) if name.startswith("val_") and name != "val_loss"]
    first = [*losses, *validated]
    return as_many(pairs, room, first=first, counted=counted)


def show_outcome(outcome: Outcome, runs_dir: Path) -> None:
    """Show what a training reached, where its files are, and what to type next."""
    out = console()
    repeated = outcome.repeated
    for split, (title, shown) in (
        () if repeated is None else zip(repeated.spreads, spread_tables(repeated), strict=True)
    ):
        out.print()
        out.print(title)
        out.print(shown)
        if note := fitted_note(split, outcome.predictions):
            for line in wrapped_text(note, out.room):
                out.print(Text(line, style="dim"))
    out.print()
    if outcome.repeated is not None:
        for line in wrapped_text(_whose_metrics(outcome, outcome.repeated), out.room):
            out.print(Text(line))
    _show_metrics(out, outcome)
    if outcome.baseline is not None:
        for line in wrapped_text(_baseline_text(outcome.baseline), out.room):
            out.print(Text(line))
    show_fitted(out, outcome.predictions)
    best = "" if outcome.best is None else f", {_best_text(outcome)}"
    out.print()
    trained = outcome.parts.get("training", outcome.seconds)
    for line in wrapped_text(f"{_epoch_count(outcome)} in {format_duration(trained)}{best}", out.room):
        out.print(Text(line))
    record = outcome.run.record
    if record.can_go_on:
        minutes = "" if record.time is None else f" of {record.time.max_minutes:g} minutes"
        go_on = f"epochs are left, train them with: {resume_command(outcome.run.folder)}"
        for line in wrapped_text(f"the time{minutes} is up; {go_on}", out.room):
            out.print(Text(line, style="yellow"), soft_wrap=True)
    if outcome.parts:
        parts = [f"{name} {format_duration(seconds)}" for name, seconds in outcome.parts.items()]
        lines = wrapped(parts, out.room - 14, indent="     ")
        out.print(Text(f"all  {format_duration(outcome.seconds)}: {lines[0]}"))
        for line in lines[1:]:
            out.print(Text(line))
    out.print(Text(f"run  {outcome.run.folder}"))
    name, where = outcome.run.folder.parent.name, runs_dir_option(runs_dir)
    rows = "" if outcome.metrics.keys() & {"test", "held_out"} else " --data FILE"
    out.print(Text(as_called(f"next mlpcli evaluate {name}{rows}{where}")))
    out.print(Text(as_called(f"     mlpcli predict {name} DATA -o predictions.csv{where}")))


def _whose_metrics(outcome: Outcome, repeated: Repeated) -> str:
    """Return which models the metrics of a run with folds or seeds are of."""
    members = outcome.run.record.members
    again = members is not None and members.after == RETRAIN
    what = "trained once more on all of their rows" if again else f"the mean of all {repeated.count} models"
    means = " and ".join(split for split in outcome.metrics if split != "test")
    texts = [f"{means}: means over the {counted(repeated.count, 'training')}"] if means else []
    texts += [f"test: of the run's own model, {what}"] if "test" in outcome.metrics else []
    return "; ".join(texts)


def _show_metrics(out: Screen, outcome: Outcome) -> None:
    """Show the metrics of every split, and the intervals of those of the last that has some."""
    names = list(next(iter(outcome.metrics.values())))
    rows = [
        (split, *(value_text(outcome.intervals.get(split), name, values[name]) for name in names))
        for split, values in outcome.metrics.items()
    ]
    last = next(reversed(outcome.intervals), None)  # test where there is one, else validation
    if last is None:
        out.print(fitting_table(out, ("split", *names), rows))
        return
    intervals = outcome.intervals[last]
    ends = [interval_text(intervals, name) for name in names]
    title = f"{last}, {intervals.method['level']:.0%}"
    with_ends = fitting_table(out, ("split", *names), [*rows, (title, *ends)])
    if any(ends) and fits(out, with_ends):
        out.print(with_ends)
    else:
        out.print(fitting_table(out, ("split", *names), rows))
        pairs = [f"{name} {each}" for name, each in zip(names, ends, strict=True) if each]
        for line in wrapped([f"{title}:", *pairs], out.room, indent="  ") if pairs else ():
            out.print(Text(line))
    divided = split_note(outcome.run, last) if any(ends) else ""
    for note in [*interval_notes(intervals), *([divided] if divided else [])]:
        for line in wrapped_text(note, out.room):
            out.print(Text(line, style="dim"))


def _epoch_count(outcome: Outcome) -> str:
    """Return `5 epochs`; of a run that was resumed or continues another, `2 of 14 epochs`."""
    record = outcome.run.record
    before = record.parent.epoch or 0 if record.parent is not None else 0
    if record.resumed:
        before = record.resumed[-1].after_epoch
    every = counted(outcome.epochs, "epoch")
    return f"{outcome.epochs - before} of {every}" if 0 < before <= outcome.epochs else every


def _best_text(outcome: Outcome) -> str:
    """Return which epoch was best; of a run that continues another, whether it was one of the other's."""
    assert outcome.best is not None
    text = f"best {outcome.monitor} {format_number(outcome.best)} in epoch {outcome.best_epoch}"
    parent = outcome.run.record.parent
    if parent is None or parent.epoch is None or (outcome.best_epoch or 0) > parent.epoch:
        return text
    return f"none of the new ones better than epoch {outcome.best_epoch} of {parent.run}: {text}"


def _baseline_text(baseline: Mapping[str, object]) -> str:
    """Return `baseline  test accuracy: majority class 0.3333, linear model 0.9667`."""
    every = [f"{name}: {_baseline_scores(name, entry)}" for name, entry in named_entries(baseline)]
    what = f"{baseline['output']} " if "output" in baseline else ""
    return f"baseline  {baseline['split']} {what}{'; '.join(every)}"


def _baseline_scores(name: str, entry: Mapping[str, object]) -> str:
    """Return the scores of models without a network; where the table has another, the network's too."""
    words = {"majority": "majority class", "mean": "mean", "linear": "linear model"}
    words |= {"network": "network"} if name.endswith(EXACT) else {}
    scores = ((word, entry.get(key)) for key, word in words.items())
    return ", ".join(f"{word} {format_number(score)}" for word, score in scores if isinstance(score, float))


def show_finished(run: Run, *, json: bool) -> None:
    """Show that a run is finished already."""
    epochs = run.record.epochs or 0
    if json:
        document = {"run": run.label, "folder": str(run.folder), "status": run.status, "epochs": epochs}
        show_json(document | {"metrics": run.record.metrics})
        return
    show_line(f"run {run.label} is finished, after {counted(epochs, 'epoch')}: nothing to do")
    show_line(f"train it for more epochs with: mlpcli train --continue {run.label} --epochs N")


def show_worker(*, json: bool) -> None:
    """Show that a worker other than worker 0 has done its part."""
    if json:
        show_json({"status": "done"})
        return
    show_line("this worker has done its part; worker 0 keeps the run")


def outcome_json(outcome: Outcome) -> dict[str, object]:
    """Return a training's outcome for scripts."""
    return {
        "run": outcome.run.label,
        "folder": str(outcome.run.folder),
        "status": outcome.run.status,
        "epochs": outcome.epochs,
        "seconds": outcome.seconds,
        **({"ended_by": outcome.run.record.ended_by} if outcome.run.record.can_go_on else {}),
        "parts": outcome.parts,
        "best": {"monitor": outcome.monitor, "value": outcome.best, "epoch": outcome.best_epoch},
        "metrics": outcome.metrics,
        **intervals_json(outcome.intervals),
        "baseline": outcome.baseline,
        **outcome.predictions,
        **({} if outcome.repeated is None else outcome.repeated.to_json()),
    }
