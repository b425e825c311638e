"""At 80 columns, in a pipe or on a terminal, names, status and the main metric are whole."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpcli.errors import Place, Problem, SpecError
from mlpcli.report.console import show_error
from mlpcli.report.narrow import as_many, layer_table, wrapped
from mlpcli.report.screen import Screen
from mlpcli.report.train import epoch_line
from tests.conftest import Result

LONG = "a_name_of_an_experiment_that_is_as_long_as_a_name_may_be_64_char"


@pytest.fixture
def runs_dir(tiny_run: Path, tmp_path: Path) -> Path:
    """Runs with a short and with the longest name, of many metrics; one of them has not started."""
    (folder,) = (tiny_run / "tiny").iterdir()
    for name, day in (("tiny", "01"), ("tiny", "02"), (LONG, "01"), (LONG, "02")):
        copy = tmp_path / "runs" / name / f"2026-01-{day}_00-00-00"
        shutil.copytree(folder, copy)
        record = json.loads((copy / "run.json").read_text())
        record["metrics"]["test"] = {f"metric_number_{n}": n / 7 for n in range(12)}
        record["best"]["monitor"] = "val_mean_absolute_percentage_error"
        (copy / "run.json").write_text(json.dumps(record))
    (tmp_path / "runs" / "tiny" / "2026-01-03_00-00-00").mkdir()
    return tmp_path / "runs"


def _fits(text: str) -> None:
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80


def test_runs_keeps_names_status_and_best_value_whole(runs_dir: Path, mlpcli: Callable[..., Result]) -> None:
    result = mlpcli("runs", "--runs-dir", runs_dir)
    _fits(result.out)
    assert LONG in result.out.splitlines()
    assert result.out.count("2026-01-0") == 5
    assert result.out.count("completed") == 4
    assert result.out.count("val_mean_absolute_percentage_error ") == 4
    assert "2026-01-03_00-00-00  not started" in result.out
    assert "left out, since too wide: kind, epochs, time, test" in result.err
    short = mlpcli("runs", "tiny", "--runs-dir", runs_dir)
    _fits(short.out)
    assert "tiny/2026-01-01_00-00-00" in short.out
    assert short.out.splitlines()[0].split() == ["run", "status", "best"]


def test_compare_of_long_names_has_letters_and_a_legend(
    runs_dir: Path, mlpcli: Callable[..., Result]
) -> None:
    labels = [f"{name}/2026-01-{day}_00-00-00" for name in ("tiny", LONG) for day in ("01", "02")]
    result = mlpcli("compare", *labels, "--runs-dir", runs_dir)
    tables = [line for line in result.out.splitlines() if LONG not in line and "picture" not in line]
    _fits("\n".join(tables))
    for letter, label in zip("ABCD", labels, strict=True):
        assert f"{letter}  {label}" in result.out
    assert sum(line.startswith("status") for line in tables) >= 1
    assert "completed" in result.out


def test_a_comparison_shows_what_one_run_alone_has_unless_it_is_a_default(
    runs_dir: Path, mlpcli: Callable[..., Result]
) -> None:
    one, two = (runs_dir / "tiny" / f"2026-01-{day}_00-00-00" for day in ("01", "02"))
    text = (two / "resolved.yaml").read_text()
    assert "callbacks: []" in text
    added = "callbacks:\n- EarlyStopping: {monitor: val_loss, patience: 7, min_delta: 0}\n"
    (two / "resolved.yaml").write_text(text.replace("callbacks: []\n", added))
    labels = [f"tiny/{folder.name}" for folder in (one, two)]
    document = json.loads(mlpcli("compare", *labels, "--runs-dir", runs_dir, "--json", "--no-test").out)
    assert document["settings"] == {
        "callbacks": [[], None],
        "callbacks[0]": [None, "EarlyStopping"],
        "callbacks[0].patience": [None, 7],
    }
    shown = mlpcli("compare", *labels, "--runs-dir", runs_dir, "--no-test").out
    (line,) = (line for line in shown.splitlines() if line.startswith("callbacks[0].patience"))
    assert line.split() == ["callbacks[0].patience", "-", "7"]


def test_a_comparison_of_other_runs_is_another_picture(runs_dir: Path, mlpcli: Callable[..., Result]) -> None:
    labels = [f"tiny/2026-01-{day}_00-00-00" for day in ("01", "02")]
    pictures = {
        json.loads(mlpcli("compare", *chosen, "--runs-dir", runs_dir, "--json", "--no-test").out)["picture"]
        for chosen in (labels, labels, [labels[0], f"{LONG}/2026-01-01_00-00-00"])
    }
    assert len(pictures) == 2
    assert {str(path) for path in runs_dir.glob("compare-*.png")} == pictures


def test_inspect_keeps_names_and_kinds_whole(tmp_path: Path, mlpcli: Callable[..., Result]) -> None:
    long = "a column whose name is a sentence, as people write them in forms that others fill in, and longer"
    rows = "".join(f"{n},{'xyz'[n % 3] * 12},2020-01-{n % 28 + 1:02}\n" for n in range(60))
    (tmp_path / "t.csv").write_text(f'"{long}",b,when it was\n{rows}')
    result = mlpcli("inspect", tmp_path / "t.csv")
    _, *lines = result.out.splitlines()
    _fits("\n".join(lines))
    shown = " ".join(line[:48].strip() for line in lines)
    assert shown.replace(" ", "").count(long.replace(" ", "")) == 1
    assert [kind for kind in ("numeric", "categorical", "date") if kind in result.out] == [
        "numeric",
        "categorical",
        "date",
    ]


def test_an_epochs_line_fits_with_any_number_of_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlpcli.report import train

    stream = io.StringIO()
    monkeypatch.setattr(train, "console", lambda stderr=False: Screen(stream))
    watcher = train.TrainingReport()
    logs = {"loss": 0.5, **{f"metric_{n}": n / 7 for n in range(12)}}
    logs |= {f"val_{name}": value for name, value in logs.items()}
    watcher.epoch(3, 100, logs, 0.5)
    watcher.epoch(12, 40, {"loss": 1.5, "accuracy": 0.5, "val_loss": 1.5, "val_accuracy": 0.5}, 0.5)
    many, few = stream.getvalue().splitlines()
    assert len(many) <= 80
    assert "loss 0.5000" in many
    assert "val_loss 0.5000" in many
    assert " more  0.5 s" in many
    assert few == "epoch 12/40  loss 1.5000  accuracy 0.5000  val_loss 1.5000  val_accuracy 0.5000"


@pytest.mark.parametrize("room", range(1, 60))
def test_as_many_says_how_many_are_left_out(room: int) -> None:
    pairs = ["loss 1.0", "accuracy 0.5", "val_loss 2.0", "auc 0.1"]
    line = as_many(pairs, room, first=(0, 2))
    shown = [pair for pair in pairs if pair in line.split("  ")]
    left = len(pairs) - len(shown)
    assert line == "  ".join(shown) + (f"  +{left} more" if left else "")
    assert "loss 1.0" in shown
    assert len(line) <= room or len(shown) == 1


def test_wrapped_lines_hold_whole_texts() -> None:
    assert wrapped(["a 1", "bb 2", "ccc 3"], 9, indent=" ") == ["a 1  bb 2", " ccc 3"]
    assert np.all([len(line) <= 12 for line in wrapped(["abc 1"] * 9, 12, indent="  ")])


LOGS = {"loss": 0.5, "accuracy": 0.75, "auc": 0.9, "val_loss": 0.25, "val_accuracy": 0.625, "val_auc": 0.8}


@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_a_changed_learning_rate_takes_no_metric_from_the_line_of_an_epoch(count: int) -> None:
    names = (*LOGS,) if count == 6 else ("loss", "val_loss", "accuracy", "val_accuracy")[:count]
    logs = {name: LOGS[name] for name in LOGS if name in names}
    line = epoch_line("epoch  9/40", logs, "12 ms", 80, rate=0.0005)
    assert len(line) <= 80
    assert ("  learning_rate 0.0005  12 ms" in line) is (count < 3)
    assert [name for name in logs if f" {name} " not in line] == (
        ["accuracy", "auc", "val_auc"] if count == 6 else []
    )
    wide = epoch_line("epoch  9/40", LOGS, "12 ms", 200, rate=0.0005)
    assert wide.endswith("  val_auc 0.8000  learning_rate 0.0005  12 ms")


def test_the_names_of_layers_wrap_beside_whole_numbers() -> None:
    rows = [
        ("3", "layer_" * 12, "Dense", "3", "15"),
        ("12", "batch_normalization", "BatchNormalization", "128 x 128 x 64", "1,234,567"),
        ("", "dense", "AClassOfAPluginWhoseNameIsVeryLong", "3", "12"),
    ]
    stream = io.StringIO()
    out = Screen(stream)
    out.print(layer_table(out, ("line", "layer", "class", "output", "parameters"), rows, 3))
    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    assert max(map(len, lines)) <= 80
    assert "128 x 128 x 64   1,234,567" in stream.getvalue()
    found = "".join(line[6:28].strip() for line in lines[1:])
    assert "layer_" * 12 in found


def test_inspect_says_what_it_leaves_out_and_how_many_rows_each_class_has(
    tmp_path: Path, mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "a_long_name_of_a_column_of_the_table"
    rows = [f"{n / 7:.5f},{'yes' if n % 4 else 'no'}" for n in range(200)]
    (tmp_path / "t.csv").write_text("\n".join([f"{name},left", *rows]) + "\n")
    shown = mlpcli("inspect", tmp_path / "t.csv", "--target", "left")
    assert "histogram" not in shown.out
    assert "left out, since too wide: histogram; --json has everything" in " ".join(shown.err.split())
    assert "classes 2: no 50 (25.0%), yes 150 (75.0%)" in shown.out
    monkeypatch.setenv("COLUMNS", "140")
    wide = mlpcli("inspect", tmp_path / "t.csv", "--target", "left")
    assert "histogram" in wide.out
    assert "left out" not in wide.err
    document = json.loads(mlpcli("inspect", tmp_path / "t.csv", "--target", "left", "--json").out)
    assert document["classes"] == {"no": 50, "yes": 150}


def test_an_error_is_one_line_in_a_pipe_and_breaks_at_words_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "50")
    error = SpecError(Problem("must be one of " + "many words that follow, " * 6, Place("a.yaml", 3, 14)))
    shown = {}
    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stderr", stream)
        show_error(error)
        shown[type(stream)] = re.sub("\x1b\\[[0-9;]*m", "", stream.getvalue())
    assert shown[io.StringIO] == f"{error.problems[0].headline()}\n"
    first, *others = shown[Terminal].rstrip("\n").split("\n")
    assert first.startswith("a.yaml:3:14: must be one of")
    assert len(others) > 1
    assert all(line.startswith("  ") and len(line) <= 50 for line in others)
    assert " ".join(line.strip() for line in (first, *others)).split() == shown[io.StringIO].split()
