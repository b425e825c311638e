"""A signal that C code turns into an error of its own still stops a training, and a search."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mlpcli.runs.search_folder import load_search
from mlpcli.runs.watcher import Watcher
from mlpcli.signals import handling_signals
from tests.bare_runs import train_bare
from tests.conftest import SMALL_SEARCH, TINY, Result


def _lose_a_signal() -> None:
    """Receive SIGTERM as NumPy's C code does that is called at that moment."""
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except KeyboardInterrupt as error:
        raise SystemError("<built-in method __array__> returned a result with an exception set") from error


class LostInEpoch2(Watcher):
    """A watcher in whose second epoch a signal is lost."""

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        if epoch == 2:
            _lose_a_signal()


def test_a_training_is_interrupted(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    with handling_signals(), pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        train_bare(tmp_path / "tiny.yaml", tmp_path / "runs", LostInEpoch2(), settings=["fit.engine=graph"])
    (folder,) = (tmp_path / "runs" / "tiny").glob("*")
    assert '"status": "interrupted"' in (folder / "run.json").read_text()


def test_a_search_is_interrupted_and_its_trial_has_not_failed(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small.yaml").write_text(SMALL_SEARCH)
    monkeypatch.setattr("mlpcli.tuning.trials.train_into", lambda job: _lose_a_signal())
    result = mlpcli("tune", tmp_path / "small.yaml", "--runs-dir", tmp_path / "runs")
    assert (result.status, result.err) == (130, "interrupted\n")
    (folder,) = (tmp_path / "runs").glob("*/*")
    assert [trial.status for trial in load_search(folder).trials] == ["running"]
