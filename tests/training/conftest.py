"""Runs that the tests of trainings share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlpcli.runs.folder import find_run
from mlpcli.spec.load import load_spec
from tests.conftest import TINY
from tests.training.stopped_runs import Stopping


@pytest.fixture(scope="session")
def interrupted_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs folder of a run named `tiny`, interrupted as its third epoch of five ended."""
    from mlpcli.training.session import train

    folder = tmp_path_factory.mktemp("interrupted")
    (folder / "tiny.yaml").write_text(TINY)
    watcher = Stopping(3, KeyboardInterrupt("SIGINT"))
    with pytest.raises(KeyboardInterrupt):
        train(load_spec(folder / "tiny.yaml"), runs_dir=folder / "runs", watcher=watcher)
    return folder / "runs"


@pytest.fixture
def interrupted(interrupted_runs: Path, tmp_path: Path) -> Path:
    """The folder of a copy of that run, for a test that resumes or damages it."""
    shutil.copytree(interrupted_runs, tmp_path / "runs")
    return find_run("tiny", tmp_path / "runs", unfinished=True).folder


@pytest.fixture
def fresh_keras() -> Iterator[None]:
    """The same random numbers and names for every test, and no precision of another one."""
    import keras

    keras.utils.set_random_seed(1)
    yield
    keras.config.set_dtype_policy("float32")
    keras.utils.clear_session()
