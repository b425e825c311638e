"""The live table of a training: what it shows in any width, how often it is drawn, what stays."""

from __future__ import annotations

import io
import math
import signal
import sys
import time
from pathlib import Path

import pytest

from mlpcli.report import train
from mlpcli.report.epoch_curve import MOST_POINTS, EpochCurve, curve_lines
from mlpcli.report.epoch_table import EpochTable
from mlpcli.report.live_epochs import Progress, final_lines, live_lines
from mlpcli.report.narrow import collapsed, wrapped_text
from mlpcli.report.screen import Screen
from mlpcli.runs.watcher import Monitored
from tests.terminal import Terminal, run_on_terminal


def _logs(epoch: int, metrics: int = 2) -> dict[str, float]:
    value = 1 / epoch if epoch < 31 else 0.5
    names = ["loss", *(f"metric_{number}" for number in range(metrics))]
    logs = dict.fromkeys((*names, *(f"val_{name}" for name in names)), value)
    return logs | {"learning_rate": 0.01 if epoch < 20 else 0.005}


def _table(epochs: int, *, metrics: int = 2, waited: tuple[int, int] | None = None) -> EpochTable:
    table = EpochTable(Monitored("val_loss", False, (), lambda: waited))
    for epoch in range(1, epochs + 1):
        table.add(epoch, _logs(epoch, metrics), 0.25)
    return table


def _plain(progress: Progress, table: EpochTable, width: int, height: int, **more: bool) -> list[str]:
    return [line.plain for line in live_lines(progress, table, (width, height), **more)]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 24), (60, 12), (33, 8), (20, 3), (200, 60)])
@pytest.mark.parametrize("metrics", [0, 2, 30])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_drawing_is_never_larger_than_the_terminal(
    width: int, height: int, metrics: int, ascii_only: bool
) -> None:
    progress = Progress(epoch=41, epochs=100, share=0.5, logs={"loss": 0.25}, member=(2, 5, "fold 2"))
    table = _table(40, metrics=metrics, waited=(10, 15))
    lines = _plain(progress, table, width, height, ascii_only=ascii_only)
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    assert all(line.isascii() for line in lines) or not ascii_only
    assert max(len(line.plain) for line in final_lines(table, width)) <= width


def test_the_drawing_has_best_patience_rate_and_the_running_epoch() -> None:
    table = _table(40, metrics=6, waited=(10, 15))
    progress = Progress(epoch=41, epochs=100, share=0.5, logs={"loss": 0.125}, member=(2, 5, "fold 2"))
    progress.recent.extend([2.0, 4.0])
    lines = _plain(progress, table, 80, 24)
    assert lines[0].startswith("fold 2 of 5  epoch 41/100  ")
    # 59.5 epochs of 3 s, and 3 further trainings of 100 epochs
    assert lines[0].endswith(", 17 min 58 s left")
    assert "1.0000 val_loss" in lines[1]
    header = next(line for line in lines if line.startswith("epoch  "))
    assert header.split() == [
        "epoch",
        "loss",
        "metric_0",
        "metric_1",
        "metric_2",
        "val_loss",
        "learning_rate",
        "time",
    ]
    (best,) = (line for line in lines if "30*" in line)
    assert "0.0333" in best
    (running,) = (line for line in lines if line.endswith("50%"))
    assert running.split() == ["41", "0.1250", "50%"]
    assert "9 more in history.csv: metric_3, metric_4, " in "\n".join(lines)
    assert lines[-3:] == [
        "* best val_loss 0.0333 in epoch 30",
        "EarlyStopping: 10 of 15 epochs without improvement",
        "learning_rate from 0.01 to 0.005 in epoch 20",
    ]


def test_what_stays_has_the_first_the_best_and_the_last_epochs() -> None:
    def epochs(count: int) -> list[str]:
        texts = [line.plain for line in final_lines(_table(count), 80)[1:]]
        return [text if "more" in text else text.split()[0] for text in texts]

    few, many = epochs(8), epochs(100)
    assert many[:5] == ["1", "2", "3", "  ... 26 more", "30*"]
    assert many[5:12] == ["  ... 64 more", *(str(epoch) for epoch in range(95, 101))]
    assert few[:8] == [*(str(epoch) for epoch in range(1, 8)), "8*"]
    assert EpochTable().summary(3, 6) == []


def test_a_resumed_training_has_the_epochs_before() -> None:
    history = [{"epoch": float(epoch), **_logs(epoch)} for epoch in range(1, 36)]
    table = EpochTable(Monitored("val_loss", False, history))
    table.add(36, _logs(36), 0.25)
    shown = "\n".join(line.plain for line in final_lines(table, 80))
    assert "* best val_loss 0.0333 in epoch 30" in shown
    assert len(table.curve.points()) == 36


def test_a_larger_value_is_better_where_the_monitor_says_so() -> None:
    table = EpochTable(Monitored("val_accuracy", True))
    for epoch, value in enumerate([0.5, math.nan, 0.75, 0.625, 0.75], 1):
        table.add(epoch, {"val_accuracy": value}, 1.0)
    assert table.best is not None
    assert table.best.epoch == 3


def test_a_curve_keeps_its_shape_however_many_epochs_there_are() -> None:
    curve = EpochCurve()
    for epoch in range(100_000):
        curve.add(100 + epoch / 1000)
    curve.add(math.inf)
    points = curve.points()
    assert len(points) <= MOST_POINTS
    assert points == sorted(points)
    assert curve.bounds() == pytest.approx((100, 200), abs=1)
    rising = curve_lines(points, 40, 2)
    assert [len(line) for line in rising] == [40, 20]
    assert rising[0][:19].strip() == ""
    assert curve_lines([3.0, 3.0], 40, 1) == ["\N{BRAILLE PATTERN DOTS-78}" * 4]
    assert curve_lines([1, 2, 3, 4], 4, 2, ascii_only=True) == ["_.-^"]
    falling = curve_lines([1000.0, 100.0, 10.0, 1.0], 4, 1, ascii_only=True)
    assert falling == ["^-._"], "equal ratios are equal steps"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stream = Terminal(80)
    for name, value in (("COLUMNS", "80"), ("LINES", "24"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(train, "console", lambda stderr=False: Screen(stream))
    return stream


def test_a_terminal_shows_the_newest_epochs_and_keeps_the_summary(terminal: Terminal) -> None:
    with train.TrainingReport() as watcher:
        watcher.monitored(Monitored("val_loss", False))
        assert not terminal.cursor
        for epoch in range(1, 3001):
            watcher.step(epoch, 3000, 1, 2, {"loss": 0.5})
            watcher.epoch(epoch, 3000, _logs(epoch), 0.001)
        watcher.note("a note " * 20)
        watcher.stage("evaluating")
        watcher.stage("")
    shown = terminal.shown()
    assert terminal.cursor
    assert terminal.wrapped == 0
    assert terminal.drawings < 3000, "not one drawing for each epoch"
    assert "━" in terminal.written
    assert "... 2,964 more" in shown
    assert " 3000 " in shown
    assert "━" not in shown
    assert shown.count("epoch  ") == 1, "one header"


def test_a_narrower_terminal_leaves_no_rest_of_the_last_drawing(terminal: Terminal) -> None:
    watcher = train.TrainingReport()
    watcher.console.print("above")
    watcher.monitored(Monitored("val_loss", False))
    for epoch in range(1, 10):
        watcher.epoch(epoch, 10, _logs(epoch), 0.1)
    live = watcher.live
    live._live.refresh()  # type: ignore[union-attr]
    terminal.narrow(40)
    live.out.width = 40
    live._live.refresh()  # type: ignore[union-attr]
    assert terminal.rows[0].strip() == "above"
    assert terminal.shown().count("epoch 9/10") == 1
    watcher.stage("")
    assert terminal.wrapped == 0
    assert [line.split()[0] for line in terminal.shown().splitlines()[:3]] == ["above", "epoch", "1"]


def test_a_pipe_has_a_line_for_round_epochs_only(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(train, "console", lambda stderr=False: Screen(stream))
    with train.TrainingReport() as watcher:
        watcher.monitored(Monitored("val_loss", False))
        for epoch in range(1, 4322):  # stopped early
            watcher.epoch(epoch, 10_000, _logs(epoch), 0.001)
    lines = stream.getvalue().splitlines()
    epochs = [int(line.split()[1].partition("/")[0]) for line in lines]
    assert epochs[:22] == [*range(1, 21), 30, 40]
    assert epochs[-3:] == [3000, 4000, 4321]
    assert len(epochs) == 20 + 18 + 18 + 3 + 1 - 1
    changed = [line for line in lines if "learning_rate" in line]
    assert [line.split()[1] for line in changed] == ["20/10000"]
    assert "val_loss 0.0500" in changed[0]
    assert "learning_rate 0.005" in changed[0]
    assert max(map(len, lines)) <= 80


def test_a_pipe_has_a_line_after_a_long_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = train._Pace()
    due = []
    for epoch in range(1, 40):
        now[0] += 4
        if pace.is_due(epoch, 1000):
            due.append(epoch)
    assert due[19:] == [20, 23, 26, 29, 30, 33, 36, 39]


SCRIPT = """
import os, signal, sys
from mlpcli import signals
from mlpcli.report.train import TrainingReport
from mlpcli.runs.watcher import Monitored

with signals.handling_signals(), TrainingReport() as watcher:
    watcher.monitored(Monitored("loss", False))
    for epoch in range(1, 4):
        watcher.epoch(epoch, 10, {"loss": 1 / epoch}, 1.0)
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    except KeyboardInterrupt:
        if sys.argv[1] == "2":
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        raise
"""


@pytest.mark.parametrize("signals", ["1", "2"])
def test_signals_show_the_cursor_again(signals: str, tmp_path: Path) -> None:
    status, shown = run_on_terminal([sys.executable, "-c", SCRIPT, signals], folder=tmp_path)
    assert status in (1, 130, -signal.SIGINT)
    screen = Terminal(80)
    screen.write(shown.decode())
    assert b"\x1b[?25l" in shown
    assert screen.cursor


def test_long_tables_collapse() -> None:
    rows = [(str(number), "x") for number in range(30)]
    assert collapsed(rows, 30, (2, 1)) == rows
    assert collapsed(rows, 29, (2, 1)) == [("0", "x"), ("1", "x"), ("... 27 more", ""), ("29", "x")]


def test_sentences_wrap_between_words_and_commands_stay_whole() -> None:
    text = "the path /a/b/c is long; resume with: mlpcli train --resume a/b; or not at all"
    assert wrapped_text(text, 24, "note  ") == [
        "note  the path /a/b/c is",
        "      long; resume with:",
        "      mlpcli train --resume a/b;",
        "      or not at all",
    ]
    assert wrapped_text("a  b", 80) == ["a  b"]


def test_a_curve_takes_any_finite_numbers() -> None:
    curve = EpochCurve()
    for value in (1.7e308, -1.7e308, 0.0, 1e-308) * 300:
        curve.add(value)
    assert all(len(line) <= 20 for line in curve_lines(curve.points(), 20, 2))
    assert curve_lines([-1.7e308, 1.7e308], 20, 2)


def test_the_time_left_is_not_more_than_the_limit_leaves() -> None:
    progress = Progress(epoch=2, epochs=1001)
    progress.recent.append(60.0)
    assert progress.left() == 60_000
    progress.until = time.monotonic() + 30
    assert 20 < (progress.left() or 0) <= 30
