"""What every test may use: a spec on disk, the CLI in this process, and one small trained run."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.processor_time import ProcessorTime
from tests.untraced import look_away

if TYPE_CHECKING:
    from mlpcli.data.load import Request
    from mlpcli.data.types import TargetKind

# The same examples every time: a run of the tests is not a lottery.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["MLPCLI_CACHE"] = "off"  # of compiled programs: the user's own is left alone

# A shell starts what it runs in the background deaf to Ctrl-C, and what the tests start would be too.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and nohup makes them deaf to hangups


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what shows the cost of the tests, and what measures the coverage of all."""
    parser.addoption("--processor-time", action="store_true", help="show it by file and by test at the end")
    parser.addoption("--count-all", action="store_true", help="the coverage of tests marked uncounted too")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to measure the tests, where that was asked for."""
    if config.getoption("--processor-time"):
        config.pluginmanager.register(ProcessorTime())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what uses a search as slow, and leave the coverage of tests marked uncounted alone.

    While coverage is measured, a training takes a third longer: Keras and TensorFlow are traced too.
    """
    for item in items:
        if "searched" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")
        if item.get_closest_marker("uncounted") and not config.getoption("--count-all"):
            item.add_marker("no_cover")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Spend no time on coverage of libraries."""
    if item.config.pluginmanager.hasplugin("_cov"):
        look_away(traces=item.get_closest_marker("slow") is not None)


def pytest_collection_finish() -> None:
    """Leave the tests themselves out of every later search for garbage."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Leave what stays of a test out of every later search for garbage.

    Every model that is built searches for garbage, TensorFlow alone is 450,000 objects, and each training
    leaves some thousands: a test that took 0.2 s otherwise takes 1 s, and 4 s late in a long file.
    """
    began = time.perf_counter()
    result = yield
    if time.perf_counter() - began > WORTH_A_SEARCH_SECONDS:
        gc.collect()
        gc.freeze()
    return result


WORTH_A_SEARCH_SECONDS = 0.3
"""A test that took longer has imported or built something."""


@pytest.fixture(scope="session", autouse=True)
def _a_memory_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the tests train with is not remembered in the user's home."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


ROOT = Path(__file__).parent.parent

TINY = """\
name: tiny
seed: 7
dataset: {name: iris}
layers:
  - Normalization
  - Dense: {units: 8, activation: relu}
  - Dense: {units: 3, activation: softmax}
loss: sparse_categorical_crossentropy
optimizer: {Adam: {learning_rate: 0.02}}
metrics: [accuracy]
fit: {epochs: 5, batch_size: 16}
"""


# Nothing is compiled for each of its trainings, which would take longer than all else.
SMALL_SEARCH = """\
name: small
seed: 7
dataset: {name: iris}
layers:
  - Normalization
  - Dense: {units: {hp: int, min: 4, max: 16, step: 4, name: units}, activation: relu}
  - Dense: {units: 3, activation: softmax}
loss: sparse_categorical_crossentropy
optimizer:
  hp: choice
  values: [{SGD: {learning_rate: &lr {hp: float, min: 1e-3, max: 1e-1, sampling: log, name: lr}}},
           {Adam: {learning_rate: *lr}}]
metrics: [accuracy]
fit: {epochs: 2, batch_size: 32, engine: graph}
tuner: {objective: val_accuracy, max_trials: 3}
"""


@dataclass(frozen=True)
class Result:
    """How a command ended and what it wrote."""

    status: int
    out: str
    err: str


@pytest.fixture
def mlpcli(capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run the command line in this process: `mlpcli("train", spec)`."""
    from mlpcli.cli import main

    def run(*arguments: object) -> Result:
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Result(status, captured.out, captured.err)

    return run


@pytest.fixture
def spec_file(tmp_path: Path) -> Callable[[str], Path]:
    """Write a spec's text to a file of its own."""

    def write(text: str, name: str = "spec.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs folder of one finished run named `tiny`: iris, five epochs."""
    from mlpcli.cli import main

    folder = tmp_path_factory.mktemp("tiny")
    spec = folder / "tiny.yaml"
    spec.write_text(TINY, encoding="utf-8")
    runs_dir = folder / "runs"
    assert main(["train", str(spec), "--runs-dir", str(runs_dir)]) == 0
    return runs_dir


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs folder of one finished search named `small`; a test that goes on with it copies it."""
    from mlpcli.cli import main

    folder = tmp_path_factory.mktemp("searched")
    (folder / "small.yaml").write_text(SMALL_SEARCH, encoding="utf-8")
    assert main(["tune", str(folder / "small.yaml"), "--runs-dir", str(folder / "runs")]) == 0
    return folder / "runs"


def wanting(classes: bool | None) -> Request:
    """What one output without a name wants of the data: classes, numbers, or whatever there is."""
    from mlpcli.data.load import Request

    wanted: dict[bool | None, TargetKind | None] = {True: "classes", False: "numbers", None: None}
    return Request({"": wanted[classes]})
