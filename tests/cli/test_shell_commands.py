"""Commands that are shown to a person: a shell reads the paths in them as they are meant."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlpcli.extras import install
from mlpcli.program_name import COMMANDS, as_called
from mlpcli.report.doctor import show_diagnosis, show_lines
from mlpcli.report.init import Proposal, show_example, show_proposal
from mlpcli.runs.diagnosis import Diagnosis, Finding
from mlpcli.runs.shell_options import runs_dir_option
from tests.conftest import Result

SPACED = "my data/it's.yaml"


@pytest.mark.parametrize("folder", ["runs", "other", "my runs", "a'b", "$HOME"])
def test_the_folder_of_the_runs_is_quoted(folder: str) -> None:
    wanted = [] if folder == "runs" else ["--runs-dir", folder]
    assert shlex.split(runs_dir_option(Path(folder))) == wanted


def test_the_next_commands_name_the_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = Path(SPACED)
    spec.parent.mkdir()
    spec.write_text("name: x\n")
    show_example([spec], json=False)
    proposal = Proposal(SPACED, "y", "regression", "why", 9, 0, "", (), (), "spec")
    show_proposal(proposal, "rows.csv")
    lines = [line for line in capsys.readouterr().out.splitlines() if " mlpcli " in line]
    commands = [shlex.split(line.partition("mlpcli ")[2]) for line in lines]
    assert commands == [["check", SPACED], ["train", SPACED]] * 2


def test_commands_begin_as_the_program_was_called(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLPCLI_PROGRAM", "scripts/run")
    assert "\n  scripts/run train digits.yaml " in mlpcli().out
    written = mlpcli("init", "--example", "digits")
    assert written.out.splitlines()[-2:] == [
        "next scripts/run check digits.yaml",
        "     scripts/run train digits.yaml",
    ]
    assert "scripts/run evaluate RUN --data FILE" in mlpcli("evaluate", "digits", "rows.csv").err
    assert "see scripts/run train --help" in mlpcli("train", "digits.yaml", "--max-minutes", "x").err
    help_text = mlpcli("doctor", "--help").out
    assert "Usage: scripts/run doctor" in help_text
    assert "Example: scripts/run doctor" in help_text
    assert "Example: scripts/run train" in mlpcli("--help").out
    assert mlpcli("--help").out.startswith("Usage: scripts/run [OPTIONS] COMMAND [ARGS]...\n")
    assert "train one: scripts/run train SPEC" in mlpcli("runs").out
    monkeypatch.setenv("MLPCLI_PROGRAM", "my tools/run")
    (tmp_path / "digits.yaml").unlink()
    assert "next 'my tools/run' check" in mlpcli("init", "--example", "digits").out


def test_the_doctor_names_commands_as_the_program_was_called(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLPCLI_PROGRAM", "scripts/run")
    found = Finding("leak", "warning", "seen", "why", fix="look at it: mlpcli inspect DATA")
    show_lines([found], "rent", "runs")
    show_diagnosis("rent/1", Diagnosis((found,)), ())
    shown = capsys.readouterr().out
    assert "     why: scripts/run doctor rent\n" in shown
    assert "to do: look at it: scripts/run inspect DATA" in shown


def test_help_in_panels_names_commands_as_the_program_was_called(
    monkeypatch: pytest.MonkeyPatch, mlpcli: Callable[..., Result]
) -> None:
    monkeypatch.setenv("MLPCLI_PROGRAM", "scripts/run")
    monkeypatch.setenv("TERM", "xterm")
    terminal = SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("mlpcli.cli.help_text.sys", terminal)
    shown = mlpcli("doctor", "--help").out
    assert "Example: scripts/run doctor" in shown
    assert "Usage: scripts/run doctor" in shown
    assert "Usage: scripts/run [OPTIONS] COMMAND" in mlpcli("--help").out


def test_an_extra_is_installed_for_the_python_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLPCLI_PROGRAM", "scripts/run")
    monkeypatch.setattr("sys.executable", "/here/.venv/bin/python")
    hint = '/here/.venv/bin/python -m pip install "mlpcli[excel]"'
    assert as_called(f"an Excel file needs it; {install('excel')}") == f"an Excel file needs it; run: {hint}"
    monkeypatch.delenv("MLPCLI_PROGRAM")
    assert as_called(install("excel")) == 'run: pip install "mlpcli[excel]"'


def test_all_commands_are_known_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlpcli.cli.program import app

    assert sorted(str(each.name) for each in app.registered_commands) == [*COMMANDS]
    monkeypatch.setenv("MLPCLI_PROGRAM", "run")
    assert as_called("mlpcli trains; pip install mlpcli export; runs/mlpcli check") == (
        "mlpcli trains; pip install run export; runs/mlpcli check"
    )
