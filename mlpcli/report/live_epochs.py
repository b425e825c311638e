"""What a terminal shows while a training runs: a bar, a curve, and a table of the newest epochs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.live import Live
from rich.text import Text

from mlpcli.report.console import format_duration, format_number
from mlpcli.report.epoch_curve import curve_lines, is_logarithmic
from mlpcli.report.epoch_table import BEST_STYLE, DIM, EpochRow, EpochTable, rate_text
from mlpcli.report.screen import Lines, Screen, cut, width_of
from mlpcli.runs.watcher import Monitored

SHORTEST_PAUSE = 1 / 7
"""Seconds between two drawings: with that of each second, at most eight a second."""

SHARE = 0.004
"""The largest share of the training's time that drawing may take."""

MOST_ROWS = 10
LONGEST_BAR, LONGEST_CURVE = 40, 72
LOW = 14
"""Lines of a terminal from which there is room for the curve."""

FIRST_SHOWN, LAST_SHOWN = 3, 6
"""The epochs that stay on the screen after the end."""


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        epoch: the epoch that runs, from 1.
        epochs: of the training.
        share: of the epoch that is done.
        logs: of the epoch so far.
        member: place, number of trainings and label of one of several.
        before: the seconds that each training before this one took.
        recent: the seconds of the newest epochs.
        began: when the first epoch began.
        until: when the time of all trainings is up; None without a limit.
    """

    epoch: int = 1
    epochs: int = 1
    share: float = 0.0
    logs: Mapping[str, float] = field(default_factory=dict)
    member: tuple[int, int, str] | None = None
    before: list[float] = field(default_factory=list)
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=20))
    began: float = field(default_factory=time.monotonic)
    until: float | None = None

    def head(self) -> str:
        """Return `epoch 3/40`, of one of several trainings with what it is."""
        text = f"epoch {self.epoch}/{self.epochs}"
        return text if self.member is None else f"{self.member[2]} of {self.member[1]}  {text}"

    def done(self) -> float:
        """Return the share of all epochs of all trainings that is done."""
        share = (self.epoch - 1 + self.share) / self.epochs
        return share if self.member is None else (self.member[0] - 1 + share) / self.member[1]

    def left(self) -> float | None:
        """Return the seconds that the rest takes, at the pace of the newest epochs; None at the start.

        They are at most those that the limit of time leaves.
        """
        if not self.recent:
            return None
        each = sum(self.recent) / len(self.recent)
        left = each * (self.epochs - self.epoch + 1 - self.share)
        if self.member is not None:
            mean = sum(self.before) / len(self.before) if self.before else each * self.epochs
            left += (self.member[1] - self.member[0]) * mean
        return left if self.until is None else max(0.0, min(left, self.until - time.monotonic()))


class LiveEpochs:
    """A drawing of a training's progress that is renewed in its place, as rarely as it must."""

    def __init__(self, out: Screen) -> None:
        self.out = out
        self.progress, self.table = Progress(), EpochTable()
        self._live: Live | None = None
        self._drawn_at, self._pause = 0.0, SHORTEST_PAUSE
        self._sizes: list[int] = []  # columns of the lines that were drawn last
        self._compiling = True
        self.until: float | None = None

    @property
    def runs(self) -> bool:
        """Whether it is on the screen."""
        return self._live is not None

    def start(self) -> None:
        """Show it."""
        self._live = Live(
            console=self.out,
            get_renderable=self._draw,
            refresh_per_second=1,
            transient=True,
            vertical_overflow="crop",
        )
        self._live.start(refresh=True)

    def stop(self, *, keep: bool) -> None:
        """Remove it.

        Args:
            keep: leave the table of the first, the best and the last epochs on the screen.
        """
        if self._live is None:
            return
        self._live.stop()
        self._live = None
        if keep and self.table.last:
            for line in final_lines(self.table, self.out.room):
                self.out.print(line, soft_wrap=True)

    def begin(self, monitored: Monitored | None, member: tuple[int, int, str] | None) -> None:
        """Start a training: an empty table, or the epochs before this command."""
        before = self.progress.before
        self.table, self._compiling = EpochTable(monitored), True
        last = self.table.last[-1].epoch if self.table.last else 0
        began = self.progress.began if member is not None and member[0] > 1 else time.monotonic()
        self.progress = Progress(epoch=last + 1, member=member, before=before, began=began, until=self.until)

    def step(self, epoch: int, epochs: int, share: float, logs: Mapping[str, float]) -> None:
        """Note how far an epoch is."""
        now = self.progress
        now.epoch, now.epochs, now.share, now.logs = epoch, epochs, share, logs
        self._compiling = False
        self._redraw()

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        """Note an epoch that is done."""
        self.table.add(epoch, logs, seconds)
        now = self.progress
        now.epoch, now.epochs, now.share, now.logs = epoch, epochs, 1.0, {}
        now.recent.append(seconds)
        self._compiling = False
        self._redraw()

    def _redraw(self) -> None:
        """Draw, where the last drawing is long enough ago for what it took."""
        if self._live is None or time.monotonic() - self._drawn_at < self._pause:
            return
        start = time.thread_time()  # on a busy machine, the clock would count the time of others
        self._live.refresh()
        self._drawn_at = time.monotonic()
        self._pause = max(SHORTEST_PAUSE, (time.thread_time() - start) / SHARE)

    def _draw(self) -> Lines:
        """Return the lines."""
        width, height = self.out.width, self.out.height
        self._erase_wrapped(width)
        ascii_only = not self.out.encoding.startswith("utf")
        if self._compiling:
            passed = format_duration(time.monotonic() - self.progress.began)
            lines = [Text(cut(f"{self.progress.head().partition('/')[0]}  compiling  {passed}", width))]
        else:
            lines = live_lines(self.progress, self.table, (width, height), ascii_only=ascii_only)
        self._sizes = [width_of(line.plain) for line in lines]
        return Lines(lines)

    def _erase_wrapped(self, width: int) -> None:
        """Erase what a terminal that became narrower has wrapped: more lines than were drawn."""
        self.out.erase_lines(sum(max(0, -(-size // width) - 1) for size in self._sizes))


def live_lines(
    progress: Progress, table: EpochTable, size: tuple[int, int], *, ascii_only: bool = False
) -> list[Text]:
    """Return the drawing of a training that runs, in less than the terminal's lines and columns.

    Args:
        progress: how far the training is.
        table: its epochs.
        size: columns and lines of the terminal.
        ascii_only: the terminal has no letters but those of ASCII.
    """
    width, height = size
    above = [_bar(progress, width, ascii_only=ascii_only)]
    if height >= LOW:
        above += _curve(table, width, ascii_only=ascii_only)
    below = [Text(cut(line, width), style=style) for line, style in _notes(table)]
    running = None
    if 0 < progress.share < 1:
        running = EpochRow(progress.epoch, progress.logs, f"{progress.share:.0%}")
    # A line stays free for the cursor, two are the table's header and the names it has no room for.
    room = height - 1 - len(above) - len(below) - 2 - (running is not None)
    rows = table.newest(max(1, min(MOST_ROWS, room - 1))) if table.last else []
    lines = [*above, *table.lines(rows, width, running=running), *below]
    return lines[: max(1, height - 1)]


def final_lines(table: EpochTable, width: int) -> list[Text]:
    """Return the table that stays after the end: the first epochs, the best one and the last ones."""
    lines = table.lines(table.summary(FIRST_SHOWN, LAST_SHOWN), width)
    return [*lines, *(Text(cut(line, width), style=style) for line, style in _notes(table, ended=True))]


def _bar(progress: Progress, width: int, *, ascii_only: bool) -> Text:
    """Return the line with the epoch, a bar, the time since the first epoch and the time left."""
    head, left = progress.head(), progress.left()
    tail = format_duration(time.monotonic() - progress.began)
    if left is not None:
        tail += f", {format_duration(left)} left"
    room = min(LONGEST_BAR, width - width_of(head) - len(tail) - 4)
    if room < 4:
        return Text(cut(f"{head}  {tail}", width))
    full = round(room * min(1.0, progress.done()))
    line, dot = ("#", ".") if ascii_only else ("\N{BOX DRAWINGS HEAVY HORIZONTAL}",) * 2
    text = Text(f"{head}  ")
    text.append(line * full, style="green")
    text.append(dot * (room - full), style="bright_black")
    return text.append(f"  {tail}")


def _curve(table: EpochTable, width: int, *, ascii_only: bool) -> list[Text]:
    """Return the curve of the monitored metric, with its largest and smallest value."""
    points = table.curve.points()
    bounds = table.curve.bounds()
    if bounds is None:
        return []
    low, high = map(format_number, bounds)
    axis = " (log)" if is_logarithmic(points) else ""
    sides = [f"{high} {table.monitor}{axis}", low]
    room = min(LONGEST_CURVE, width - max(len(sides[0]), 24) - 2)
    if room < 10:
        return []
    drawn = curve_lines(points, room, 2, ascii_only=ascii_only)
    sides = [f"{low} to {sides[0]}"] if ascii_only else sides
    taken = max(map(len, drawn))
    lines = []
    for line, side in zip(drawn, sides, strict=True):
        text = Text(line + " " * (taken - len(line)), style="cyan")
        lines.append(text.append(cut(f"  {side}", width - taken), style=DIM))
    return lines


def _notes(table: EpochTable, *, ended: bool = False) -> list[tuple[str, str]]:
    """Return the best epoch, the epochs until EarlyStopping, and the last change of the learning rate."""
    notes = []
    if table.best is not None:
        value = format_number(table.best.logs[table.monitor])
        notes.append((f"* best {table.monitor} {value} in epoch {table.best.epoch}", BEST_STYLE))
    patience = table.monitored.patience() if table.monitored is not None and not ended else None
    if patience is not None:
        waited, most = patience
        notes.append((f"EarlyStopping: {waited} of {most} epochs without improvement", DIM))
    if table.change is not None:
        change = table.change
        rates = f"{rate_text(change.before)} to {rate_text(change.after)}"
        notes.append((f"learning_rate from {rates} in epoch {change.epoch}", DIM))
    return notes
