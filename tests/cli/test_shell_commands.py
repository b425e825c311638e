"""Commands that are shown to a person: a shell reads the paths in them as they are meant."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from mlpcli.report.init import Proposal, show_example, show_proposal
from mlpcli.runs.shell_options import runs_dir_option

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
