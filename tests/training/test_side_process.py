"""The side process: what it draws and measures is the same as without it, whatever happens to it."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.plots.drawing import Drawing
from mlpcli.runs import DECISION_BOUNDARY, LEARNING_CURVES, METRICS, MODEL_PICTURE, SUMMARY
from mlpcli.training import side_process as module
from mlpcli.training.side_process import begin, has_side_process, side_process
from tests.conftest import Result

SPEC = """
name: clouds
dataset: {name: moons, rows: 120}
layers: [{Dense: {units: 8, activation: tanh}}, {Dense: {units: 2, activation: softmax}}]
loss: sparse_categorical_crossentropy
metrics: [accuracy]
fit: {epochs: 2, engine: keras}
"""


@pytest.fixture
def forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "saves_time", lambda: True)


@pytest.mark.slow
def test_a_run_is_the_same_with_a_side_process_and_without(
    mlpcli: Callable[..., Result],
    spec_file: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered: list[object] = []
    ask = module.SideProcess._ask

    def count(process: module.SideProcess, job: bytes) -> object:
        answered.append(ask(process, job))
        return answered[-1]

    monkeypatch.setattr(module.SideProcess, "_ask", count)
    folders = []
    for used in (True, False):
        monkeypatch.setattr(module, "saves_time", lambda used=used: used)
        result = mlpcli("train", spec_file(SPEC), "--runs-dir", tmp_path / str(used))
        assert result.status == 0, result.err
        folders.append(next((tmp_path / str(used) / "clouds").iterdir()))
    assert [type(each) for each in answered] == [dict, Drawing, Drawing, Drawing]
    first, second = folders
    for name in (LEARNING_CURVES, MODEL_PICTURE, DECISION_BOUNDARY, METRICS, SUMMARY):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    for picture in (LEARNING_CURVES, MODEL_PICTURE, DECISION_BOUNDARY):
        drawn = [(folder / picture).with_suffix(".svg").read_bytes() for folder in folders]
        assert drawn[0] == drawn[1], picture
    assert json.loads((first / METRICS).read_text(encoding="utf-8"))["baseline"]["linear"] > 0.7


def test_what_fails_there_fails_here_with_its_own_error(forced: None) -> None:
    with side_process():
        waiting = begin(math.sqrt, -1.0)
        fine = begin(math.sqrt, 16.0)
        with pytest.raises(ValueError, match="domain"):
            waiting()
        assert fine() == 4.0


def test_a_side_process_that_ends_is_not_needed(forced: None) -> None:
    with side_process():
        assert module._current is not None
        process = module._current.process
        process.kill()
        process.wait()
        assert begin(math.sqrt, 9.0)() == 3.0
    assert not has_side_process()


def test_a_side_process_is_gone_after_an_interruption(forced: None) -> None:
    pids: list[int] = []

    def interrupted() -> None:
        with side_process():
            assert module._current is not None
            pids.append(module._current.process.pid)
            begin(math.sqrt, 9.0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    assert begin(math.sqrt, 4.0)() == 2.0  # here


def test_a_side_process_that_cannot_start_is_done_without(
    forced: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with side_process():
        assert not has_side_process()
        assert begin(math.sqrt, 4.0)() == 2.0


def test_large_arguments_stay_here(forced: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    with side_process():
        assert module._current is not None
        monkeypatch.setattr(module._current, "begin", lambda job: pytest.fail("sent"))
        assert begin(math.fsum, [1.0] * 100)() == 100.0
