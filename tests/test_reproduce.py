"""`reproduce`: the same to the last digit, within tolerance, or what drifted and what may be why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.runs import find_run
from tests.conftest import Result


@pytest.fixture
def copied(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of the tiny run, in a runs folder of its own."""
    shutil.copytree(tiny_run, tmp_path / "runs")
    return find_run("tiny", tmp_path / "runs").folder


def _change(run_dir: Path, change: Callable[[dict[str, object]], None]) -> None:
    record = json.loads((run_dir / "run.json").read_text())
    change(record)
    (run_dir / "run.json").write_text(json.dumps(record))


def test_the_same_machine_gives_the_same_digits(copied: Path, mlpcli: Callable[..., Result]) -> None:
    label, runs_dir = f"tiny/{copied.name}", copied.parent.parent
    result = mlpcli("reproduce", label, "--runs-dir", runs_dir)
    assert (result.status, result.err) == (0, "")
    assert f"{label}: equal to the last digit, in every epoch and figure\n" in result.out
    again = find_run("tiny", runs_dir)
    assert again.folder != copied
    assert again.record["reproduces"] == {"run": label, "folder": str(copied)}
    assert (again / "history.csv").read_text() == (copied / "history.csv").read_text()


def test_what_is_not_as_it_was_is_told_and_a_drift_is_a_failure(
    copied: Path, mlpcli: Callable[..., Result]
) -> None:
    def older(record: dict[str, object]) -> None:
        record["versions"]["keras"] = "3.1.4"  # type: ignore[index]
        record["metrics"]["test"]["loss"] += 0.5  # type: ignore[index]
        record["metrics"]["train"]["loss"] += 0.001  # type: ignore[index]

    _change(copied, older)
    label, runs_dir = f"tiny/{copied.name}", copied.parent.parent
    result = mlpcli("reproduce", label, "--runs-dir", runs_dir, "--json")
    document = json.loads(result.out)
    assert (result.status, document["verdict"]) == (1, "drifted")
    assert [fact["name"] for fact in document["changed"]] == ["keras"]
    assert "not as it was: keras: 3.1.4 then, " in result.err
    near = mlpcli("reproduce", label, "--runs-dir", runs_dir, "--tolerance", "0.6")
    assert near.status == 0
    assert f"{label}: within the tolerance of 0.6" in near.out


def test_a_history_that_parts_is_told_with_its_epoch(copied: Path) -> None:
    from mlpcli.engine.reproduction import first_difference

    history = copied / "history.csv"
    lines = history.read_text().splitlines(keepends=True)
    other = copied / "other.csv"
    other.write_text("".join(lines))
    assert first_difference(history, other) is None
    other.write_text("".join([*lines[:3], lines[3].replace("0", "1", 1), *lines[4:]]))
    assert first_difference(history, other) == 3
    other.write_text("".join(lines[:-1]))
    assert first_difference(history, other) == 5


def test_changed_data_and_unfinished_runs_are_refused(copied: Path, mlpcli: Callable[..., Result]) -> None:
    def other_data(record: dict[str, object]) -> None:
        record["data"]["fingerprint"] = "0" * 64  # type: ignore[index]

    _change(copied, other_data)
    result = mlpcli("reproduce", copied)
    assert result.status == 2
    assert f"the data of run tiny/{copied.name} has changed since it was trained" in result.err
    _change(copied, lambda record: record.update(status="interrupted"))
    result = mlpcli("reproduce", copied)
    assert result.status == 2
    assert f"run tiny/{copied.name} was interrupted: there is no result to compare with" in result.err
