"""Run folders that are damaged, or that a stranger wrote: an error with file and field, and no other harm."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlpcli import runs
from mlpcli.files import open_ordinary
from mlpcli.runs.folder import find_run
from mlpcli.runs.record_models import read_history
from tests.conftest import Result
from tests.runs.conftest import STAMP, with_fields

BRACKETS = "[" * 100_000


DAMAGED = [
    ({"timings": None}, "timings must be an object, received null"),
    ({"timings": {"total": "1"}}, "timings.total must be a valid number, received '1'"),
    ({"metrics": 5}, "metrics must be an object, received 5"),
    ({"metrics": {"test": {"loss": [1]}}}, "metrics.test.loss must be a valid number, received [1]"),
    ({"status": "[/]"}, "status must be 'running', 'completed', 'interrupted', 'diverged' or 'failed'"),
    ({"resumed": 5}, "resumed must be a valid array, received 5"),
    ({"plugins": "x"}, "plugins must be a valid array, received 'x'"),
    ({"plugins": [{"file": "plugins/../../x.py", "sha256": ""}]}, "plugins[0].file "),
    ({"epochs": True}, "epochs must be a valid integer, received true"),
    ({"best": {"monitor": 1}}, "best.monitor must be a valid string, received 1"),
    ({"search": {"objective": None}}, "search.objective must be a valid string, received null"),
    ({"seed": 10**4000}, "seed "),
]


@pytest.mark.parametrize(("fields", "rule"), DAMAGED, ids=lambda value: str(value)[:40])
def test_one_damaged_record_does_not_hide_the_other_runs(
    fields: dict[str, Any], rule: str, copied: Path, mlpcli: Callable[..., Result]
) -> None:
    runs_dir = copied.parent.parent
    with_fields(copied / "run.json", **fields)
    listed = mlpcli("runs", "--runs-dir", runs_dir)
    assert listed.status == 0
    assert f"tiny/{STAMP}" in listed.out
    assert copied.name not in listed.out
    assert listed.err.startswith(f"left out: {copied / 'run.json'} is damaged: {rule}")
    document = json.loads(mlpcli("runs", "--json", "--runs-dir", runs_dir).out)
    assert [each["run"] for each in document] == [f"tiny/{STAMP}"]
    named = mlpcli("compare", copied, f"tiny/{STAMP}", "--runs-dir", runs_dir)
    assert named.status == 2
    assert named.err.startswith(f"{copied / 'run.json'} is damaged: {rule}")
    older = find_run("tiny", runs_dir)
    assert older.label == f"tiny/{STAMP}"
    assert [problem.rule.split(" is damaged")[0] for problem in older.left_out] == [str(copied / "run.json")]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (BRACKETS.encode(), "Invalid JSON: recursion limit exceeded"),
        (b'{"status": "completed", "name": "\\ud800"}', "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"", "Invalid JSON"),
        (b"[]", "must be an object, received []"),
    ],
    ids=["brackets", "surrogate", "bytes", "empty", "list"],
)
def test_a_record_that_is_no_document_is_a_damaged_run(
    content: bytes, rule: str, copied: Path, mlpcli: Callable[..., Result]
) -> None:
    (copied / "run.json").write_bytes(content)
    listed = mlpcli("runs", "--runs-dir", copied.parent.parent)
    assert listed.status == 0
    assert listed.err.startswith(f"left out: {copied / 'run.json'} is damaged: {rule}")
    named = mlpcli("evaluate", copied)
    assert named.status == 2
    assert named.err.startswith(f"{copied / 'run.json'} is damaged: {rule}")


@pytest.mark.parametrize("command", [["evaluate"], ["compare", "tiny"]])
def test_a_resolved_spec_that_is_no_mapping_is_told(
    command: list[str], copied: Path, mlpcli: Callable[..., Result]
) -> None:
    (copied / runs.RESOLVED).write_text("[1, 2]\n")
    result = mlpcli(*command, copied, "--runs-dir", copied.parent.parent)
    assert result.status == 2
    assert result.err.startswith(f"{copied / runs.RESOLVED}:1:1: a spec must be a mapping")


def test_a_choice_among_runs_of_a_name_reports_the_damaged_ones(
    copied: Path, mlpcli: Callable[..., Result]
) -> None:
    with_fields(copied / "run.json", timings=None)
    result = mlpcli("train", "--resume", "tiny", "--runs-dir", copied.parent.parent)
    assert result.status == 0
    assert result.out.startswith(f"run tiny/{STAMP} is finished")
    assert result.err.startswith(f"left out: {copied / 'run.json'} is damaged: timings")


def test_pipes_and_devices_in_a_run_are_not_waited_for(copied: Path, mlpcli: Callable[..., Result]) -> None:
    runs_dir = copied.parent.parent
    for name in ("run.json", "metrics.json", "history.csv"):
        whole = (copied / name).read_bytes()
        (copied / name).unlink()
        os.mkfifo(copied / name)
        result = mlpcli("compare", copied, f"tiny/{STAMP}", "--runs-dir", runs_dir)
        assert result.status == 2
        assert result.err.startswith(f"{copied / name} cannot be read (is a pipe, not an ordinary file)")
        (copied / name).unlink()
        (copied / name).write_bytes(whole)
    with pytest.raises(OSError, match="a device"):
        open_ordinary(Path("/dev/zero"))


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_a_lock_that_is_no_file_is_refused(
    kind: str, copied: Path, tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    with_fields(copied / "run.json", status="running")
    (tmp_path / "precious").write_text("keep me")
    lock = copied / "lock"
    lock.unlink(missing_ok=True)
    {"pipe": os.mkfifo, "folder": os.mkdir, "link": lambda path: path.symlink_to(tmp_path / "precious")}[
        kind
    ](lock)
    assert mlpcli("runs", "--runs-dir", copied.parent.parent).status == 0
    result = mlpcli("train", "--resume", copied)
    assert result.status == 2
    assert str(lock) in result.err
    assert (tmp_path / "precious").read_text() == "keep me"


def test_a_lock_with_another_name_elsewhere_is_not_written(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep me")
    (copied / "lock").unlink(missing_ok=True)
    (copied / "lock").hardlink_to(tmp_path / "precious")
    with runs.locked(copied):
        assert runs.is_locked(copied)
    assert (tmp_path / "precious").read_text() == "keep me"


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"epoch,loss\n1,\xff\n", "history.csv is damaged: it is not UTF-8 (byte 14)"),
        (b"epoch,loss\n1,[/]\n", "history.csv:2 is damaged: could not convert string to float: '[/]'"),
        (
            b"epoch,loss\n1,0.5,7\n",
            "history.csv:2 is damaged: the number of cells is not that",
        ),
        (b"loss\n0.5\n", "history.csv:2 is damaged: no number in the column epoch"),
    ],
)
def test_a_damaged_history_is_named_with_its_line(
    content: bytes, rule: str, copied: Path, mlpcli: Callable[..., Result]
) -> None:
    (copied / "history.csv").write_bytes(content)
    result = mlpcli("compare", copied, f"tiny/{STAMP}", "--runs-dir", copied.parent.parent)
    assert result.status == 2
    assert result.err.startswith(f"{copied}/{rule}")


def test_our_own_history_reads_back(copied: Path) -> None:
    rows = read_history(copied / "history.csv")
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]


def test_a_run_that_was_killed_before_it_began_is_reported_as_that(
    tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    folder = tmp_path / "runs" / "k" / STAMP
    folder.mkdir(parents=True)
    (folder / "spec.yaml").write_text("name: k\n")
    message = (
        f"{folder} is not a run yet: it was stopped before its training started (it has no run.json); "
        "start it again: mlpcli train SPEC, or mlpcli tune SPEC\n"
    )
    for command in (
        ["train", "--resume", "k"],
        ["train", "--resume", f"k/{STAMP}"],
        ["evaluate", "k"],
        ["tune", "--resume", "k"],
        ["train", "--resume", folder],
    ):
        result = mlpcli(*command, "--runs-dir", tmp_path / "runs")
        assert (result.status, result.err) == (2, message), command
    result = mlpcli("evaluate", "kk", "--runs-dir", tmp_path / "runs")
    assert result.err == f"there is no run 'kk' under {tmp_path / 'runs'}; did you mean 'k'?\n"
    (tmp_path / "runs" / "empty").mkdir()
    result = mlpcli("evaluate", "empty", "--runs-dir", tmp_path / "runs")
    assert result.err == f"{tmp_path / 'runs/empty'} contains no runs; available: k\n"


def test_a_repository_beside_a_spec_runs_no_program(tmp_path: Path) -> None:
    """Its settings may name commands for `git status`: a watcher of files, filters of their contents."""
    from mlpcli.training.run_record import commit_of

    def git(*arguments: str) -> None:
        settings = ["-c", "user.name=a", "-c", "user.email=a", "-c", "core.fsmonitor=false"]
        subprocess.run(["git", "-C", str(tmp_path), *settings, *arguments], check=True, capture_output=True)

    program = tmp_path.with_name("program")
    program.write_text('#!/bin/sh\ntouch "$(dirname "$0")/ran-$1"\ncat\n')
    program.chmod(0o755)
    git("init", "-q")
    for name in ("one", "two", "three"):
        (tmp_path / name).write_text("a")
    git("add", ".")
    git("commit", "-qm", "first")
    (tmp_path / ".gitattributes").write_text("one filter=a\ntwo filter=b=c\nthree filter=d\n")
    git("config", "core.fsmonitor", f"{program} watcher")
    git("config", "filter.a.clean", f"{program} clean")
    git("config", "filter.b=c.clean", f"{program} equals")
    git("config", "filter.d.process", f"{program} process")
    git("config", "filter.d.required", "true")
    for name in ("one", "two", "three"):
        (tmp_path / name).write_text("b")
        os.utime(tmp_path / name, (1, 1))
    commit = commit_of(tmp_path)
    assert commit is not None
    assert commit.endswith("+changes")
    assert not list(tmp_path.parent.glob("ran-*"))
