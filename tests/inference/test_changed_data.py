"""A run whose data file was edited, moved or deleted: what is said, and what is never suggested."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.bare_runs import train_bare
from tests.conftest import Result

pytestmark = pytest.mark.slow

SPEC = """\
name: net
dataset: {path: houses.csv, target: price, target_scaling: standardize}
layers: [Dense: {units: 4, activation: relu}, Dense: {units: 1}]
loss: mse
optimizer: Adam
fit: {epochs: 1, batch_size: 32, engine: graph}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table and a run that was trained on it."""
    monkeypatch.chdir(tmp_path)
    numbers = np.random.default_rng(1).uniform(20, 200, 200).round(2).tolist()
    rows = [f"{area},{'abc'[place % 3]},{area * 3:.1f}" for place, area in enumerate(numbers)]
    Path("houses.csv").write_text("\n".join(["area,kind,price", *rows]) + "\n")
    Path("net.yaml").write_text(SPEC)
    train_bare(Path("net.yaml"), Path("runs"))
    return tmp_path


def _said(result: Result) -> str:
    assert result.status in (0, 2), result.err
    return " ".join(result.err.split())


def test_evaluate_warns_of_training_rows_also_where_the_runs_own_file_was_edited(
    folder: Path, mlpcli: Callable[..., Result]
) -> None:
    evaluate = ("evaluate", "net", "--no-figures", "--no-intervals", "--data")
    own = "128 of the 200 rows of houses.csv are rows that the run was trained on"
    told = _said(mlpcli(*evaluate, "houses.csv"))
    assert own in told
    assert "has changed" not in told
    lines = Path("houses.csv").read_text().splitlines()
    Path("before.csv").write_text("\n".join(lines) + "\n")
    lines[5] = "77.7,b,200.0"
    Path("houses.csv").write_text("\n".join(lines) + "\n")
    assert "houses.csv has changed since run net/" in (told := _said(mlpcli(*evaluate, "houses.csv")))
    assert f"was trained: about {own}" in told
    told = _said(mlpcli(*evaluate, "before.csv"))
    assert "has changed since run net/" in told
    assert "of the 200 rows of before.csv have the features of rows that the run was trained on" in told
    Path("houses.csv").write_text("\n".join(lines[:150]) + "\n")
    told = _said(mlpcli(*evaluate, "houses.csv"))
    assert "which of its rows the run was trained on is no longer known" in told


HELP = {
    "evaluate net": "put it there, or measure other rows with --data FILE",
    "explain net": "put it there",
    "reproduce net": "put it there",
    "train --continue net --epochs 1": "put it there, or name the file with --set dataset.path=FILE",
}


@pytest.mark.parametrize("command", HELP)
def test_a_run_without_its_data_says_where_it_was_looked_for(
    command: str, folder: Path, mlpcli: Callable[..., Result]
) -> None:
    Path("houses.csv").rename("elsewhere.csv")
    Path("net.yaml").rename("houses.yaml")
    result = mlpcli(*command.split())
    told = _said(result)
    assert result.status == 2
    looked = f"it was looked for as '{folder.name}/houses.csv' and 'houses.csv' in the run's folder"
    assert looked in told
    assert f"{HELP[command]} 4 |" in told
    assert "did you mean" not in told
    for way in ("--set dataset.path=elsewhere.csv",) if "--set" in HELP[command] else ():
        assert mlpcli(*command.split(), *way.split()).status == 0


def test_a_spec_is_never_suggested_as_data(folder: Path, mlpcli: Callable[..., Result]) -> None:
    Path("net.yaml").write_text(SPEC.replace("houses.csv", "huoses.csv"))
    for name in ("huose.yaml", "huoses.py", "huoses.md"):
        Path(name).write_text("")
    assert "did you mean 'houses.csv'?" in mlpcli("check", "net.yaml").err
    Path("houses.csv").unlink()
    assert "looked in" in mlpcli("check", "net.yaml").err
    Path("huose").mkdir()
    Path("net.yaml").write_text(SPEC.replace("houses.csv", "huoses"))
    assert "did you mean 'huose'?" in mlpcli("check", "net.yaml").err
