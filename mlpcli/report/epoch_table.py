"""The epochs of a training as a table that fits the terminal: the first, the best and the last ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from mlpcli.report.console import format_duration, format_number
from mlpcli.report.epoch_curve import EpochCurve
from mlpcli.report.screen import cut, width_of
from mlpcli.runs.watcher import Monitored

FIRST, LAST = 3, 40
"""Epochs that are kept from the beginning, and from the end."""

LONGEST_HEAD = 26
"""Columns of a metric's name."""

LEARNING_RATE = "learning_rate"
BEST_STYLE = "bold green"
DIM = "dim"


@dataclass(frozen=True)
class EpochRow:
    """An epoch of the table.

    Attributes:
        epoch: its number, from 1.
        logs: the loss and the metrics.
        time: its seconds, or what stands in its last column.
    """

    epoch: int
    logs: Mapping[str, float]
    time: float | str = ""


@dataclass(frozen=True)
class RateChange:
    """A change of the learning rate: the epoch that has the new one."""

    epoch: int
    before: float
    after: float


class EpochTable:
    """What is kept of the epochs of a training, however many there are."""

    def __init__(self, monitored: Monitored | None = None) -> None:
        self.monitored = monitored
        self.first: list[EpochRow] = []
        self.last: deque[EpochRow] = deque(maxlen=LAST)
        self.best: EpochRow | None = None
        self.curve = EpochCurve()
        self.names: dict[str, None] = {}
        self.rate: float | None = None
        self.change: RateChange | None = None
        for logs in monitored.history if monitored is not None else ():
            self.add(int(logs["epoch"]), {name: logs[name] for name in logs if name != "epoch"}, "")

    def add(self, epoch: int, logs: Mapping[str, float], time: float | str) -> None:
        """Add an epoch that is done."""
        row = EpochRow(epoch, logs, time)
        if len(self.first) < FIRST:
            self.first.append(row)
        self.last.append(row)
        if len(self.names) != len(logs):
            self.names |= dict.fromkeys(logs)
        rate = logs.get(LEARNING_RATE)
        if rate is not None and self.rate is not None and rate != self.rate:
            self.change = RateChange(epoch, self.rate, rate)
        self.rate = rate
        value = logs.get(self.monitor)
        if value is not None and value == value:
            self.curve.add(value)
            if self.best is None or self._is_better(value, self.best.logs[self.monitor]):
                self.best = row

    @property
    def monitor(self) -> str:
        """The metric that decides which epoch is best."""
        return "loss" if self.monitored is None else self.monitored.monitor

    def _is_better(self, value: float, than: float) -> bool:
        more = self.monitored is not None and self.monitored.more_is_better
        return value > than if more else value < than

    def newest(self, count: int) -> list[EpochRow]:
        """Return the best epoch and the last ones, at most `count`."""
        rows = list(self.last)[-max(1, count) :]
        if self.best is not None and self.best.epoch < rows[0].epoch and count > 1:
            return [self.best, *rows[1:]] if len(rows) == count else [self.best, *rows]
        return rows

    def summary(self, first: int, last: int) -> list[EpochRow]:
        """Return the first epochs, the best one and the last ones; all of them where they are few."""
        if len(self.last) < LAST and len(self.last) <= first + last + 2:
            return list(self.last)
        chosen = [*self.first[:first], *([self.best] if self.best else []), *list(self.last)[-last:]]
        return [row for _, row in sorted({row.epoch: row for row in chosen}.items())]

    def lines(self, rows: Sequence[EpochRow], width: int, *, running: EpochRow | None = None) -> list[Text]:
        """Return a header and a line for each row, none wider than `width`, and what was left out.

        Args:
            rows: the epochs, by number; between those that are not neighbours stands how many are not shown.
            width: columns of the terminal.
            running: the epoch that is not done.
        """
        every = [*rows, running] if running is not None else list(rows)
        columns = {name: _column(name, every) for name in self._named(every)}
        marks = [f"{row.epoch}{'*' if row is self.best else ' '}" for row in every]
        sides = [_aligned(["epoch ", *marks]), _aligned(["time", *(_time(row.time) for row in every)])]
        chosen = self._chosen(columns, width - sum(len(side[0]) for side in sides))
        cells = [sides[0], *(columns[name] for name in columns if name in chosen), sides[1]]
        texts = [_cropped("  ".join(line).rstrip(), width) for line in zip(*cells, strict=True)]
        lines, before = [Text(texts[0], style="bold")], None
        for row, text in zip(every, texts[1:], strict=True):
            if before is not None and row.epoch > before + 1:
                lines.append(Text(_cropped(_skipped(row.epoch - before - 1), width), style=DIM))
            before = row.epoch
            style = BEST_STYLE if row is self.best else DIM if row is running else ""
            lines.append(Text(text, style=style))
        if missing := [name for name in columns if name not in chosen]:
            words = f"{len(missing)} more in history.csv: {', '.join(missing)}"
            lines.append(Text(cut(words, width), style=DIM))
        return lines

    def _named(self, rows: Sequence[EpochRow]) -> list[str]:
        """Return the names of the columns; the learning rate has one where it changes."""
        names = [name for name in self.names if name != LEARNING_RATE]
        names += [name for row in rows[-1:] for name in row.logs if name not in self.names]
        names = [name for name in dict.fromkeys(names) if name != LEARNING_RATE]
        return [*names, LEARNING_RATE] if self.change is not None else names

    def _chosen(self, columns: Mapping[str, Sequence[str]], room: int) -> set[str]:
        """Return the columns that fit: the monitored one, the losses, the learning rate, then the others."""
        first = [name for name in (self.monitor, "loss", "val_loss", LEARNING_RATE) if name in columns]
        chosen: set[str] = set()
        for name in dict.fromkeys([*first, *columns]):
            room -= len(columns[name][0]) + 2
            if room < 0 and chosen:
                break
            chosen.add(name)
        return chosen


def _column(name: str, rows: Sequence[EpochRow]) -> list[str]:
    return _aligned([cut(name, LONGEST_HEAD), *(_cell(name, row.logs.get(name)) for row in rows)])


def _aligned(cells: Sequence[str]) -> list[str]:
    width = max(map(width_of, cells))
    return [" " * (width - width_of(cell)) + cell for cell in cells]


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return rate_text(value) if name == LEARNING_RATE else format_number(value)


def rate_text(rate: float) -> str:
    """Return a learning rate as a spec has it: `0.001`, `2.5e-05`."""
    return f"{rate:.4g}"


def _time(time: float | str) -> str:
    return time if isinstance(time, str) else format_duration(time)


def _skipped(count: int) -> str:
    return f"  ... {count:,} more"


def _cropped(text: str, width: int) -> str:
    return text if width_of(text) <= width else cut(text, width)
