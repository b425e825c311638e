"""Where the output goes: terminals that know only ASCII, pipes whose reader has gone, closed streams."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlpcli.report.console import fitting_table
from mlpcli.report.screen import Screen
from mlpcli.runs.folder import find_run
from tests.conftest import TINY
from tests.terminal import run_on_terminal


def _run(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of shell, in which `mlpcli` is this one."""
    line = command.replace("mlpcli ", f"{sys.executable} -m mlpcli ", 1)
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


@pytest.fixture
def foreign_name(tiny_run: Path, tmp_path: Path) -> Path:
    """A run with a class that ASCII cannot spell, finished according to its record."""
    shutil.copytree(tiny_run, tmp_path / "runs")
    run_dir = find_run("tiny", tmp_path / "runs").folder
    record = json.loads((run_dir / "run.json").read_text())
    record["metrics"]["café"] = record["metrics"].pop("test")
    (run_dir / "run.json").write_text(json.dumps(record))
    return run_dir


def test_an_ascii_stream_gets_escapes_and_valid_json(foreign_name: Path) -> None:
    done = _run(f"mlpcli train --resume {foreign_name} --json", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "café" in json.loads(done.stdout)["metrics"]
    assert done.stdout.isascii()
    told = _run("mlpcli train café.yaml", PYTHONIOENCODING="ascii")
    assert told.returncode == 2
    assert told.stderr.startswith("caf\\xe9.yaml: there is no such file; looked in ")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_a_command_that_succeeds_does_so_with_a_closed_stream(closed: str, foreign_name: Path) -> None:
    done = _run(f"mlpcli train --resume {foreign_name} {closed}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&- <&-"])
def test_an_error_that_cannot_be_shown_is_still_the_exit_status(closed: str) -> None:
    assert _run(f"mlpcli train missing.yaml {closed}").returncode == 2


def test_a_reader_that_has_gone_ends_it_quietly(foreign_name: Path) -> None:
    done = _run(f"mlpcli train --resume {foreign_name} | true")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert _run("mlpcli schema | head -c 10").stderr == ""


def test_a_reader_that_has_gone_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from mlpcli.cli import program
    from mlpcli.report.console import show_line

    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w")

    def gone(*arguments: object, **options: object) -> int:
        monkeypatch.setattr(sys, "stdout", stream)
        show_line("x" * 100_000)
        stream.flush()
        return 0

    monkeypatch.setattr(program, "_command", lambda: gone)
    kept = os.dup(1)  # what ends it quietly points stdout at nothing
    try:
        assert program.main(["runs"]) == 0
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        with contextlib.suppress(BrokenPipeError):
            stream.close()
    assert capfd.readouterr().err == ""


def test_no_colour_goes_into_a_pipe_whatever_the_environment_asks_for() -> None:
    asked = dict.fromkeys(("FORCE_COLOR", "TTY_COMPATIBLE", "CLICOLOR_FORCE"), "1")
    done = _run("mlpcli train missing.yaml", **asked)
    assert done.stderr.startswith("missing.yaml: there is no such file")
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_training_on_an_ascii_terminal_moves_the_cursor_and_writes_only_ascii(tmp_path: Path) -> None:
    """On one of UTF-8 too a training is drawn: see `test_live_epochs`."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    command = [sys.executable, "-m", "mlpcli", "train", "tiny.yaml", "--set", "fit.engine=graph"]
    status, shown = run_on_terminal(command, folder=tmp_path, encoding="ascii")
    assert status == 0
    assert b"\x1b[?25l" in shown
    assert shown.isascii()
    assert b"Traceback" not in shown
    assert b"* best val_loss" in shown


def test_a_table_that_is_too_wide_is_turned() -> None:
    columns = ("split", "loss", "root_mean", "accuracy")
    rows = [("train", "0.5", "0.7", "0.8"), ("test", "0.6", "0.8", "0.7")]
    shown = {}
    for width in (40, 30):
        stream = io.StringIO()
        out = Screen(stream, width=width)
        out.print(fitting_table(out, columns, rows))
        shown[width] = [tuple(line.split()) for line in stream.getvalue().splitlines()]
    assert shown[40] == [columns, *rows]
    assert shown[30] == list(zip(columns, *rows, strict=True))
