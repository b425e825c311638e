"""Several workers or devices train what one process trains; what they cannot is refused at its place."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import numpy as np
import pytest

from mlpcli.errors import SpecError
from mlpcli.runs.folder import find_run
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import load_spec, load_text
from mlpcli.training.replicas.spec_rules import check_spec
from tests.conftest import TINY, Result

Command = Callable[..., Result]


@pytest.mark.parametrize(
    ("fit", "said"),
    [
        ("{folds: 2}", "fit.folds: a run with folds cannot be trained by 3 replicas"),
        ("{seeds: 2}", "fit.seeds: a run with seeds cannot be trained by 3 replicas"),
        ("{engine: keras}", "fit.engine: must be auto, compiled or graph for 3 replicas"),
        ("{batch_size: 2}", "fit.batch_size: must be at least 3 for 3 replicas"),
        ("{distribute: mirrored}", "fit.distribute: cannot be combined with 3 replicas"),
    ],
)
def test_what_replicas_cannot_train_is_refused_before_anything_starts(fit: str, said: str) -> None:
    loaded = load_text(TINY.replace("{epochs: 5, batch_size: 16}", fit), Path("tiny.yaml"))
    with pytest.raises(SpecError) as error:
        check_spec(loaded.spec, 3)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("loss: {SparseCategoricalCrossentropy: {reduction: sum}}", "must be a mean over rows"),
        ("loss: sparse_categorical_crossentropy", ""),
    ],
)
def test_a_loss_that_is_no_mean_over_rows_is_refused(changed: str, said: str) -> None:
    from mlpcli.training.compiled import Arrays
    from mlpcli.training.prepare import prepare
    from mlpcli.training.replicas.shard_errors import check_can_share

    text = TINY.replace("loss: sparse_categorical_crossentropy", changed)
    prepared = prepare(load_text(text, Path("tiny.yaml")))
    train = prepared.dataset.train
    problems = ""
    try:
        check_can_share(prepared.model, Arrays(train.x, train.y, train.weights))
    except SpecError as error:
        problems = str(error)
    assert said in problems
    assert bool(problems) == bool(said)


def _network(loss: object) -> object:
    from mlpcli.keras_import import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(loss=loss)
    return model


@pytest.mark.parametrize(
    ("name", "settings", "joined"),
    [
        ("Circle", {}, "Circle"),
        ("circle", None, "Circle"),
        ("Dice", {}, "Dice"),
        ("dice", None, "Dice"),
        ("Dice", {"axis": (0, 1)}, "Dice"),
        ("Tversky", {}, "Tversky"),
        ("Dice", {"axis": 1}, ""),
        ("MeanSquaredError", {}, ""),
    ],
)
def test_a_loss_of_the_rows_of_a_batch_together_is_refused(
    name: str, settings: dict[str, object] | None, joined: str
) -> None:
    from mlpcli.keras_import import keras
    from mlpcli.training.compiled import Arrays
    from mlpcli.training.replicas.shard_errors import check_can_share

    loss = name if settings is None else getattr(keras.losses, name)(**settings)
    rows = Arrays(np.ones((4, 3), "float32"), np.ones((4, 2), "float32"))
    if not joined:
        check_can_share(_network(loss), rows, who="devices")
        return
    said = f"from the rows of a batch together, which devices divide, received '{joined}'"
    with pytest.raises(SpecError, match=said):
        check_can_share(_network(loss), rows, who="devices")


def test_what_several_devices_cannot_train_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mlpcli.training.prepare import prepare
    from mlpcli.training.replicas import mirrored

    loss = "loss: {SparseCategoricalCrossentropy: {reduction: sum}}"
    text = TINY.replace("loss: sparse_categorical_crossentropy", loss)
    loaded = load_text(text.replace("epochs: 5", "epochs: 5, distribute: mirrored"), Path("tiny.yaml"))
    prepare(loaded)  # one device trains it
    monkeypatch.setattr(mirrored, "devices", lambda: ["/GPU:0", "/GPU:1"])
    with pytest.raises(SpecError, match="must be a mean over rows for several devices"):
        prepare(loaded)


def test_all_workers_begin_at_the_epoch_of_worker_0() -> None:
    from mlpcli.training.compiled import FitSettings
    from mlpcli.training.replicas.step_loop import run_epochs

    class Other:
        """A worker whose own callbacks have found no backup."""

        def __init__(self) -> None:
            self.asked: list[int] = []
            self.rows: list[list[int]] = []

        def begin_training(self) -> None: ...

        def begin_epoch(self) -> None: ...

        def end_epoch(self) -> None: ...

        def train(self, rows: np.ndarray) -> None:
            self.rows.append(rows.tolist())

        def logs(self) -> dict[str, float]:
            return {"loss": 1.0}

        def decided(self, number: int) -> int:
            self.asked.append(number)
            return 2 if len(self.asked) == 1 else number

    other = Other()
    how = FitSettings(epochs=3, batch_size=2, shuffle=False, seed=0)
    history = run_epochs(_network("mse"), other, how, rows=3, evaluator=None)
    assert history.epoch == [2]
    assert other.rows == [[0, 1], [2]]


KILLED = """
import fcntl
import os
import signal
from pathlib import Path

import keras

# In the second epoch worker 0 is killed; in the training that goes on, worker 1.
FOLDER = Path({folder!r})
WORKER = 1 if "MLPCLI_REPLICA" in os.environ else 0
DUE = WORKER == 0 or (FOLDER / "killed-0").exists()
ENDS = DUE and not (FOLDER / f"killed-{{WORKER}}").exists()
LOCKED = []


class EndsOnce(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        if WORKER:
            LOCKED.append((FOLDER / "alive").open("w"))
            fcntl.flock(LOCKED[0], fcntl.LOCK_EX)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if ENDS and self.epoch == 1 and batch == 3:
            (FOLDER / f"killed-{{WORKER}}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
"""

# The last batch is short; Dropout would draw by replica, and is left out.
DIVIDED = """\
name: divided
seed: 7
plugins: [ends.py]
dataset: {name: iris}
layers:
  - Members: {count: 2}
  - Dense: {units: 8, activation: relu, kernel_regularizer: {L2: {l2: 0.01}}}
  - MemberDense: {units: 3, activation: softmax}
  - MemberMean
loss: sparse_categorical_crossentropy
optimizer: {SGD: {learning_rate: 0.1, global_clipnorm: 0.5}}
metrics: [accuracy]
fit: {epochs: 3, batch_size: 17, class_weight: balanced}
callbacks: [EndsOnce, {EarlyStopping: {patience: 5}}]
"""


OF_A_TABLE = {
    "dataset: {name: iris}": "dataset: {path: x.npy, target: y.npy}",
    "layers:\n": "layers:\n  - Embedding: {input_dim: 6, output_dim: 2}\n  - Flatten\n",
    "{SGD: {learning_rate: 0.1, ": "{Adam: {learning_rate: 0.01, ",
    "class_weight: balanced": "class_weight: balanced, memory: 20MB",
}


@pytest.mark.slow
def test_two_workers_train_what_one_does_even_killed_and_resumed(mlpcli: Command, tmp_path: Path) -> None:
    (tmp_path / "ends.py").write_text(KILLED.format(folder=str(tmp_path)))
    text = DIVIDED
    for old, new in OF_A_TABLE.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "spec.yaml").write_text(text)
    words = np.random.default_rng(0).integers(0, 6, (140, 3))
    np.save(tmp_path / "x.npy", words)
    np.save(tmp_path / "y.npy", words.sum(axis=1) % 3)
    where = ("--runs-dir", str(tmp_path / "runs"), "--no-advice")
    command = [
        sys.executable,
        "-m",
        "mlpcli",
        "train",
        str(tmp_path / "spec.yaml"),
        "--replicas",
        "2",
        *where,
    ]
    killed = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with (tmp_path / "alive").open("w") as alive:
        _wait_for(alive)  # worker 1 has ended as well

    broken = mlpcli("train", "--resume", "divided", *where)
    assert broken.status == 1, broken.err
    assert "is gone: its process was ended by SIGKILL; resume with: mlpcli train --resume" in " ".join(
        broken.err.split()
    )
    run = find_run("divided", tmp_path / "runs", unfinished=True)
    assert (run.status, run.record.epochs) == ("failed", 1)
    assert run.record.replicas is not None
    assert (run.record.replicas.count, run.record.replicas.source) == (2, "--replicas")

    resumed = mlpcli("train", "--resume", "divided", "--json", *where)
    assert resumed.status == 0, resumed.err
    from mlpcli.training.checkpoint_file import read_checkpoint
    from mlpcli.training.job import TRIAL
    from mlpcli.training.session import train

    loaded = load_spec(tmp_path / "spec.yaml")
    alone = train(loaded, runs_dir=tmp_path / "alone", watcher=Watcher(), options=TRIAL)
    folders = [Path(json.loads(resumed.out)["folder"]), alone.run.folder]
    one, two = (read_checkpoint(folder / "checkpoints" / "state.ckpt") for folder in folders)
    from mlpcli.training.reproduce import changed_facts

    replicas = [
        each for each in changed_facts(find_run("divided", tmp_path / "runs")) if each.name == "replicas"
    ]
    assert [(each.then, each.now) for each in replicas] == [("2", "1")]
    for name, values in one["model"].items():
        np.testing.assert_allclose(values, two["model"][name], atol=1e-6, err_msg=name)
    for a, b in zip(one["history"], two["history"], strict=True):
        assert a == pytest.approx(b, rel=1e-5)


def _wait_for(locked: TextIO) -> None:
    """Wait until the process that has locked a file has ended."""
    for _ in range(200):
        try:
            fcntl.flock(locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the worker still runs")


MIRRORED = """
import sys
import numpy as np
from pathlib import Path
from mlpcli.keras_import import tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import load_text
from mlpcli.training.job import TRIAL
from mlpcli.training.session import train
from mlpcli.training.checkpoint_file import read_checkpoint

found = []
for line in ("", ", distribute: mirrored"):
    text = Path(sys.argv[1]).read_text().replace("batch_size: 17", "batch_size: 17" + line)
    loaded = load_text(text, Path(sys.argv[1]))
    outcome = train(loaded, runs_dir=Path(sys.argv[2]), watcher=Watcher(), options=TRIAL)
    found.append((outcome.run.record.engine.reason, read_checkpoint(outcome.run / "checkpoints/state.ckpt")))
(_, one), (reason, two) = found
assert reason == "each batch is divided among 2 devices", reason
for name, values in one["model"].items():
    np.testing.assert_allclose(values, two["model"][name], atol=1e-5, err_msg=name)
for a, b in zip(one["history"], two["history"]):
    np.testing.assert_allclose(list(a.values()), list(b.values()), rtol=1e-4)

# Another training of this process, whose network has other shapes, and a table whose rows are read in part.
from contextlib import nullcontext
from mlpcli.keras_import import keras
from mlpcli.training.compiled import GRAPH, Arrays, FitSettings, fit
from mlpcli.training.replicas.mirrored import fit_mirrored

def build(scope=nullcontext):
    keras.utils.set_random_seed(1)
    with scope():
        layers = [keras.layers.Embedding(5, 2), keras.layers.Flatten(), keras.layers.Dense(1)]
        network = keras.Sequential([keras.Input((3,)), *layers])
        network.compile(loss="mse", optimizer=keras.optimizers.Adam(0.02, global_clipnorm=0.2))
    return network

words = np.random.default_rng(0).integers(0, 5, (19, 3)).astype(np.int32)
rows = Arrays(words, words.sum(axis=1, keepdims=True).astype(np.float32))
alone, divided = build(), build()
how = FitSettings(epochs=2, batch_size=6, shuffle=True, seed=3, loop=GRAPH)  # the last has one row
fit(alone, rows, how)
fit_mirrored(divided, rows, how, build=build)
for a, b in zip(alone.weights, divided.weights):
    np.testing.assert_allclose(np.array(a), np.array(b), atol=1e-6, err_msg=a.path)
print("equal")
"""


@pytest.mark.slow
def test_two_devices_train_what_one_does(tmp_path: Path) -> None:
    text = DIVIDED.replace("plugins: [ends.py]\n", "").replace("[EndsOnce, ", "[")
    (tmp_path / "spec.yaml").write_text(text)
    command = [sys.executable, "-c", MIRRORED, str(tmp_path / "spec.yaml"), str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.endswith("equal\n"), done.stderr[-3000:]


def test_one_device_says_that_it_trains_alone() -> None:
    from mlpcli.training.replicas.mirrored import device_note, devices, divides

    loaded = load_text(TINY.replace("epochs: 5", "epochs: 5, distribute: mirrored"), Path("tiny.yaml"))
    assert len(devices()) == 1
    assert not divides(loaded.spec)
    assert (
        device_note(loaded.spec)
        == "fit.distribute: mirrored: there is one device here, a CPU; it trains alone"
    )
    assert device_note(load_text(TINY, Path("tiny.yaml")).spec) == ""


def test_an_engine_that_cannot_divide_batches_is_refused() -> None:
    with pytest.raises(SpecError, match=r"fit\.engine: must be auto or graph with fit\.distribute"):
        load_text(
            TINY.replace("epochs: 5", "epochs: 5, distribute: mirrored, engine: keras"), Path("tiny.yaml")
        )
