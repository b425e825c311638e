"""How trainings stop: signals, kills, full disks, divergence. What was reached is kept."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mlpcli.runs.folder import find_run
from mlpcli.training.checkpoint_file import read_checkpoint
from tests.conftest import TINY, Result

pytestmark = [pytest.mark.slow, pytest.mark.uncounted]

LONG = TINY.replace("epochs: 5", "epochs: 1000000")


def _start(spec: Path, runs_dir: Path, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mlpcli", "train", str(spec), "--runs-dir", str(runs_dir)]
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def _wait_for_epochs(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch"):
            return
    raise AssertionError(process.communicate())


def test_a_signal_is_an_orderly_stop(tmp_path: Path) -> None:
    spec, runs_dir = tmp_path / "tiny.yaml", tmp_path / "runs"
    spec.write_text(LONG)
    process = _start(spec, runs_dir)
    _wait_for_epochs(process)
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    answered = next(line for line in process.stdout if line.startswith("interrupted"))
    assert time.monotonic() - asked < 5.0  # within a second where nothing else is running
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "interrupted\n")
    run = find_run("tiny", runs_dir, unfinished=True)
    record, state = run.record.to_json(), read_checkpoint(run / "checkpoints/state.ckpt")
    assert (record["status"], record["error"]) == ("interrupted", "SIGTERM")
    assert answered == f"interrupted: saving the state after epoch {state['epoch']}\n"
    assert out.split() == f"resume with: mlpcli train --resume {run.label} --runs-dir {runs_dir}".split()
    assert len((run / "history.csv").read_text().splitlines()) == state["epoch"] + 1


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_is_named_and_a_second_one_ends_the_process_at_once(first: signal.Signals) -> None:
    code = (
        "import time\nfrom mlpcli import signals\n"
        "with signals.handling_signals():\n"
        "    try:\n        print('ready', flush=True); time.sleep(60)\n"
        "    except KeyboardInterrupt as error:\n        print(error, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(first)
        assert process.stdout.readline() == f"{first.name}\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 130


BUSY = """
import hashlib, threading
from mlpcli import signals
with signals.handling_signals():
    threading.Timer(0.5, lambda: print("ready", flush=True)).start()  # the main thread is inside by then
    hashlib.pbkdf2_hmac("sha256", b"", b"", 500_000_000)  # minutes inside C
"""


def test_who_is_busy_in_c_says_so_within_a_second_and_can_be_ended() -> None:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", BUSY], text=True, **streams) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline().startswith("stopping after the current step; press Ctrl-C again")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130


def test_a_signal_that_reaches_a_destructor_leaves_no_traceback() -> None:
    code = (
        "import os, signal, weakref\nfrom mlpcli import signals\n"
        "class Thing: pass\n"
        "with signals.handling_signals():\n"
        "    thing = Thing()\n"
        "    mark = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGTERM))\n"
        "    del thing\n"
        "    try:\n        signals.raise_if_interrupted()\n"
        "    except KeyboardInterrupt:\n        print('stopped')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("stopped\n", "")


def test_a_process_told_to_ignore_hangups_goes_on_ignoring_them() -> None:
    code = (
        "import os, signal\nfrom mlpcli import signals\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does\n"
        "with signals.handling_signals():\n    os.kill(os.getpid(), signal.SIGHUP)\nprint('alive')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "alive\n"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 80 quick epochs that nobody disturbs."""
    from mlpcli.cli import main

    folder = tmp_path_factory.mktemp("alone")
    (folder / "tiny.yaml").write_text(KILLED)
    assert main(["train", str(folder / "tiny.yaml"), "--runs-dir", str(folder / "runs")]) == 0
    return find_run("tiny", folder / "runs").folder


KILLED = TINY.replace("epochs: 5", "epochs: 80") + "callbacks: [CSVLogger]\n"
KILLED = KILLED.replace("  - Dense: {units: 3", "  - Dropout: {rate: 0.2}\n  - Dense: {units: 3")


def _same(one: Path, other: Path) -> None:
    for name in ("history.csv", "metrics.json", "log.csv"):
        assert (one / name).read_text() == (other / name).read_text(), name
    states = [read_checkpoint(folder / "checkpoints" / "state.ckpt") for folder in (one, other)]
    for state in states:  # TensorBoard counts the chunks of steps, which go by the clock
        state["callbacks"] = [kept for kept in state["callbacks"] if kept["class"] != "TensorBoard"]
    np.testing.assert_equal(states[0], states[1])


def test_a_run_killed_at_a_random_moment_ends_as_the_one_left_alone(
    alone: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    """`scripts/torture --kills` kills runs, and those that go on, again and again."""
    chance = random.Random(1)
    spec, runs_dir = tmp_path / "tiny.yaml", tmp_path / "runs"
    spec.write_text(KILLED)
    process = _start(spec, runs_dir)
    _wait_for_epochs(process)
    time.sleep(chance.uniform(0.0, 1.5))
    process.kill()
    process.communicate()
    run = find_run("tiny", runs_dir, unfinished=True)
    assert run.describe() == "was killed"
    resumed = mlpcli("train", "--resume", "tiny", "--runs-dir", runs_dir)
    assert (resumed.status, resumed.err) == (0, ""), resumed.out
    _same(run.folder, alone)
    assert not list(run.folder.rglob("*.part"))


def test_a_disk_that_is_too_small_is_told_and_gone_on_from(
    alone: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    import resource

    spec, runs_dir = tmp_path / "tiny.yaml", tmp_path / "runs"
    spec.write_text(KILLED)
    limit = 24_000  # bytes of a file: enough for the checkpoint, not for a model
    process = _start(
        spec, runs_dir, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    run = find_run("tiny", runs_dir, unfinished=True)
    assert run.status == "failed"
    assert re.fullmatch(
        r"a file could not be written: .*File too large.*; the checkpoint of epoch \d+ is intact; "
        rf"free disk space and resume with: mlpcli train --resume {run.label} --runs-dir {runs_dir}\n",
        err,
    )
    assert mlpcli("train", "--resume", "tiny", "--runs-dir", runs_dir).status == 0
    _same(run.folder, alone)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        subprocess.run(options, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine does not let the tests mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_without_room_is_refused_before_anything_is_written(
    small_disk: Path, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    result = mlpcli("train", spec_file(TINY), "--runs-dir", small_disk / "runs")
    assert result.status == 1
    assert re.fullmatch(
        rf"{small_disk}/runs has 1.0 MB free, a run of this model needs about 8.4 MB; "
        r"free disk space, or choose another folder with --runs-dir\n",
        result.err,
    )
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_leaves_whole_files(
    small_disk: Path,
    mlpcli: Callable[..., Result],
    spec_file: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mlpcli.training import session

    monkeypatch.setattr(session, "check_room", lambda *_: None)  # as if others filled it later
    runs_dir = small_disk / "runs"
    (small_disk / "filler").write_bytes(b"0" * 850_000)
    result = mlpcli("train", spec_file(TINY), "--runs-dir", runs_dir)
    assert result.status == 1
    assert "No space left" in result.err
    run = find_run("tiny", runs_dir, unfinished=True)
    assert read_checkpoint(run / "checkpoints/state.ckpt")["epoch"] == 5
    (small_disk / "filler").unlink()
    assert not list(run.folder.rglob("*.part"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda folder: (folder / "runs").write_text(""),
            "{runs} cannot be the runs folder: {runs} is a file",
        ),
        (
            lambda folder: (folder / "runs").mkdir(mode=0o500),
            "{runs} cannot be the runs folder: {runs} is not",
        ),
    ],
    ids=["a file", "not writable"],
)
def test_a_runs_folder_that_cannot_be_is_told_at_once(
    make: Callable[[Path], object],
    message: str,
    mlpcli: Callable[..., Result],
    spec_file: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    if "is not" in message and os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    make(tmp_path)
    result = mlpcli("train", spec_file(TINY), "--runs-dir", tmp_path / "runs")
    assert result.status == 2
    assert result.err.startswith(message.format(runs=tmp_path / "runs"))


def test_a_read_only_disk_is_told_at_once(
    small_disk: Path, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    result = mlpcli("train", spec_file(TINY), "--runs-dir", small_disk / "runs")
    assert result.status == 2
    assert result.err == (
        f"{small_disk}/runs cannot be the runs folder: {small_disk} is on a read-only file system; "
        "choose another folder with --runs-dir\n"
    )


HIDDEN = """\
name: hidden
dataset: {name: iris}
layers:
  - Normalization
  - Dense: {units: 8, activation: relu}
  - Dense: {units: 3, activation: softmax}
loss: sparse_categorical_crossentropy
optimizer: {SGD: {learning_rate: 0.1}}
fit: {epochs: 10, batch_size: 16, engine: ENGINE}
plugins: [poison.py]
callbacks: [{Poison: {epoch: 3}}]
"""
POISON = """\
import keras
import numpy as np


class Poison(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.at = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.at:  # the epoch's loss and metrics are there already, and finite
            kernel = self.model.layers[-2].kernel
            kernel.assign(kernel * np.where(np.arange(8) == 2, np.nan, 1.0))
"""


@pytest.mark.parametrize("engine", ["compiled", "keras"])
def test_weights_that_are_no_numbers_stop_a_training_whose_loss_hides_it(
    engine: str, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "poison.py").write_text(POISON)
    result = mlpcli("train", spec_file(HIDDEN.replace("ENGINE", engine)), "--runs-dir", tmp_path / "runs")
    assert result.status == 1
    assert "the training diverged in epoch 3: the weights dense/kernel are not finite" in result.err
    assert "lower the learning rate (it was 0.1)" in result.err
    run = find_run("hidden", tmp_path / "runs", unfinished=True)
    assert run.status == "diverged"
    assert f"why, and a patch: mlpcli doctor {run.folder}" in result.out.replace("\n", "").replace("  ", " ")
    state = read_checkpoint(run / "checkpoints/state.ckpt")
    assert state["epoch"] == 2
    assert all(np.isfinite(values).all() for values in state["model"].values())
    for name in ("checkpoints/last.keras", "checkpoints/best.keras", "history.csv"):
        assert (run / name).exists()
    again = mlpcli("train", "--resume", "hidden", "--runs-dir", tmp_path / "runs")
    assert again.status == 2
    assert "has diverged and would diverge again" in again.err
