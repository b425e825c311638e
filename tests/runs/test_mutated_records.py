"""Records of a run mutated field by field, through every command: an answer or an error, no traceback.

Each example starts from a copy of a small run or search in which one value of one record is another. Whatever
the commands make of it, they end with 0, 1 or 2, and change nothing outside the folder that they were given.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlpcli.errors import KeyPath, RunError
from mlpcli.runs.folder import find_run
from mlpcli.training.checkpoint_file import read_checkpoint, write_checkpoint
from mlpcli.training.training_state import read_state
from tests.conftest import Result
from tests.mutations import at, paths

pytestmark = [pytest.mark.slow, pytest.mark.uncounted]

VALUES: list[Any] = [
    *(None, True, False, 0, 5, -1, 1.5, 10**30, -(10**30), float("nan"), float("inf")),
    *("", "x", "[/]", "\ud800", "\x1b[31m", "\0", "../../../victim", "/", ".", "..", "trials", "{"),
    "é" * 300,
    *([], {}, [1], ["x"], {"x": 1}, [[]], [{}], {"": None}, [[[[[[]]]]]]),
]

Changed = tuple[KeyPath, Any]

FUZZ = int(os.environ.get("MLPCLI_FUZZ", "0"))
"""Examples of each test; 0 for the few that every run of the suite tries."""


def some(examples: int) -> settings:
    return settings(
        max_examples=FUZZ or examples,
        derandomize=not FUZZ,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
        deadline=None,
    )


class Box:
    """A run or search, and things beside it that no command may touch."""

    def __init__(self, folder: Path, source: Path) -> None:
        self.folder, self.source = folder, source
        self.run = folder / "runs" / source.parent.name / source.name
        self.others = folder / "runs" / "other" / "2026-01-01_00-00-00"
        shutil.copytree(source, self.others)
        (folder / "victim").mkdir()
        (folder / "victim" / "precious").write_text("keep me")
        np.save(folder / "rows.npy", np.ones((3, 4), np.float32))
        self.before = self._outside()

    def fresh(self) -> Path:
        """The run as it was at first."""
        shutil.rmtree(self.run.parent, ignore_errors=True)
        shutil.copytree(self.source, self.run)
        return self.run

    def _outside(self) -> dict[str, tuple[int, int]]:
        """Size and time of every file that lies elsewhere."""
        everything = (path for path in self.folder.rglob("*") if path.is_file())
        return {
            str(path): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in everything
            if self.run.parent not in path.parents and path.name != "picture.png"
        }

    def check(self, result: Result, command: list[object]) -> None:
        """An answer, or an error that says what is wrong."""
        assert result.status in (0, 1, 2), command
        assert "Traceback" not in result.err, command
        assert "internal error" not in result.err, (command, result.err)
        assert result.status == 0 or result.err, command
        assert self._outside() == self.before, command


@pytest.fixture(scope="module")
def run_box(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Box:
    return Box(tmp_path_factory.mktemp("mutated"), find_run("tiny", tiny_run).folder)


@pytest.fixture(scope="module")
def search_box(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Box:
    return Box(tmp_path_factory.mktemp("mutated"), find_run("small", searched).folder)


def _mutate(draw: st.DrawFn, document: Any) -> None:
    """Give a value another one, drop it, or rename its key."""
    path = draw(st.sampled_from(paths(document)))
    holder, key = at(document, path[:-1]), path[-1]
    kind = draw(st.sampled_from(["value", "value", "value", "drop", "rename"]))
    if kind == "value":
        holder[key] = copy.deepcopy(draw(st.sampled_from(VALUES)))
    elif kind == "rename" and isinstance(holder, dict):
        holder[draw(st.sampled_from(["x", "", "status", "\x1b"]))] = holder.pop(key)
    else:
        del holder[key]


@st.composite
def mutated(draw: st.DrawFn, document: Any, most: int = 2) -> Any:
    """A document after one mutation or two."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, most))):
        if paths(changed):
            _mutate(draw, changed)
    return changed


def _light(box: Box) -> Iterator[list[object]]:
    """Commands that read records alone."""
    runs_dir = ["--runs-dir", box.folder / "runs"]
    yield ["runs", *runs_dir]
    yield ["runs", "--trials", "--json", *runs_dir]
    compare = ["compare", "--no-test", "-o", box.folder / "picture.png", *runs_dir]
    yield [*compare, box.run, box.others]
    yield [*compare, "--trials", box.run, "--json"]


@some(8)
@given(data=st.data(), name=st.sampled_from(["run.json", "run.json", "metrics.json"]))
def test_lists_and_comparisons_bear_any_record(
    run_box: Box, mlpcli: Callable[..., Result], data: st.DataObject, name: str
) -> None:
    path = run_box.fresh() / name
    path.write_text(json.dumps(data.draw(mutated(json.loads(path.read_text())))))
    for command in _light(run_box):
        run_box.check(mlpcli(*command), command)


@some(5)
@given(data=st.data())
def test_lists_and_comparisons_bear_any_search(
    search_box: Box, mlpcli: Callable[..., Result], data: st.DataObject
) -> None:
    path = search_box.fresh() / "search.json"
    path.write_text(json.dumps(data.draw(mutated(json.loads(path.read_text())))))
    for command in _light(search_box):
        search_box.check(mlpcli(*command), command)


@some(6)
@given(
    content=st.binary(max_size=60),
    cut=st.integers(0, 400),
    name=st.sampled_from(["history.csv", "run.json"]),
)
def test_lists_and_comparisons_bear_any_bytes(
    content: bytes, cut: int, name: str, run_box: Box, mlpcli: Callable[..., Result]
) -> None:
    path = run_box.fresh() / name
    path.write_bytes(path.read_bytes()[:cut] + content)
    for command in list(_light(run_box))[:3]:
        run_box.check(mlpcli(*command), command)


@some(4)
@given(data=st.data())
def test_evaluate_and_predict_bear_any_contract(
    run_box: Box, mlpcli: Callable[..., Result], data: st.DataObject
) -> None:
    path = run_box.fresh() / "run.json"
    document = json.loads(path.read_text())
    document["data"] = data.draw(mutated(document["data"]))
    path.write_text(json.dumps(document))
    for command in (["evaluate", run_box.run], ["predict", run_box.run, run_box.folder / "rows.npy"]):
        run_box.check(mlpcli(*command), command)


@some(80)
@given(data=st.data())
def test_a_mutated_checkpoint_is_a_state_or_an_error(run_box: Box, data: st.DataObject) -> None:
    whole = run_box.source / "checkpoints/state.ckpt"
    changed = data.draw(mutated(read_checkpoint(whole)))
    target = run_box.run.parent / "state.ckpt"
    target.parent.mkdir(exist_ok=True)
    try:
        write_checkpoint(target, changed)
    except (TypeError, UnicodeEncodeError, OverflowError):  # a checkpoint cannot hold that
        return
    try:
        found = read_state(target)
    except RunError:
        return
    assert found.epoch >= 0
    assert all(np.isfinite(values).all() for values in found.model.values())


@some(2)
@given(data=st.data())
def test_going_on_bears_a_mutated_checkpoint(
    run_box: Box, mlpcli: Callable[..., Result], data: st.DataObject
) -> None:
    run = run_box.fresh()
    state = read_checkpoint(run / "checkpoints/state.ckpt")
    part = data.draw(st.sampled_from(["callbacks", "best", "identity", "generators", "history"]))
    state[part] = data.draw(mutated(state[part], most=1))
    try:
        write_checkpoint(run / "checkpoints/state.ckpt", state)
    except (TypeError, UnicodeEncodeError, OverflowError):
        return
    document = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(document | {"status": "interrupted"}))
    command: list[object] = ["train", "--resume", run, "--force"]
    run_box.check(mlpcli(*command), command)


@some(2)
@given(data=st.data())
def test_going_on_and_training_again_bear_a_mutated_record(
    run_box: Box, mlpcli: Callable[..., Result], data: st.DataObject
) -> None:
    path = run_box.fresh() / "run.json"
    path.write_text(json.dumps(data.draw(mutated(json.loads(path.read_text()), most=1))))
    inside = ["--runs-dir", run_box.run.parent / "new"]
    for command in (
        ["train", "--resume", run_box.run],
        ["train", "--continue", run_box.run, "--epochs", 1, *inside],
        ["reproduce", run_box.run, *inside],
    ):
        run_box.check(mlpcli(*command), command)


@some(4)
@given(data=st.data())
def test_a_search_is_resumed_or_refused(
    search_box: Box, mlpcli: Callable[..., Result], data: st.DataObject
) -> None:
    path = search_box.fresh() / "search.json"
    document = json.loads(path.read_text())
    document = data.draw(mutated(document, most=1))
    path.write_text(json.dumps(document))
    command: list[object] = ["tune", "--resume", search_box.run, "--runs-dir", search_box.folder / "runs"]
    search_box.check(mlpcli(*command), command)
