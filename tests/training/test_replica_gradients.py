"""Tables, such as embeddings, train under several workers to the weights of one process; what cannot be
divided is refused at its place."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mlpcli.errors import SpecError, TrainingError
from mlpcli.spec.load import load_spec, located
from mlpcli.training.replicas.cluster import Cluster
from mlpcli.training.replicas.join import join
from mlpcli.training.replicas.peers import Peers
from mlpcli.training.replicas.starter import check_starter
from mlpcli.training.replicas.wire import Left
from tests.conftest import TINY
from tests.training.worker_threads import together

if TYPE_CHECKING:
    from mlpcli.keras_import import keras


@pytest.mark.parametrize("count", [2, 3])
def test_arrays_of_all_workers_are_joined_in_their_order_whatever_their_lengths(count: int) -> None:
    def own(index: int) -> list[np.ndarray]:
        rows = 3 * index  # worker 0 has none
        return [np.arange(rows, dtype=np.int32) + 100 * index, np.full((rows, 2), index / 4, np.float32)]

    def work(peers: Peers) -> object:
        return [each.tolist() for each in peers.joined(own(peers.index))]

    whole = [np.concatenate(each).tolist() for each in zip(*map(own, range(count)), strict=True)]
    assert together(count, work) == [whole] * count


def test_more_slices_than_fit_into_memory_are_refused() -> None:
    def work(peers: Peers) -> object:
        if peers.index == 1:
            peers._exchange({0: np.array([2**60], np.int64)}, {0: np.empty(1, np.int64)})
            return None
        return peers.joined([np.zeros((1, 4), np.float32)])

    left = together(2, work)[0]
    assert isinstance(left, Left)
    assert (left.index, left.reason) == (1, "it sends too many gradients")


ROWS, BATCH = 19, 6  # the last batch has one row: the second worker has none of it


def _tables(optimizer: object) -> keras.Model:
    """Return a network of two tables: one with repeated entries and read twice, one with a penalty."""
    from mlpcli.keras_import import keras

    keras.utils.set_random_seed(1)
    layers, words, place = keras.layers, keras.Input((3,), name="words"), keras.Input((1,), name="place")
    shared = layers.Embedding(5, 2)
    penalized = layers.Embedding(4, 2, embeddings_regularizer="l2")
    read = [layers.Flatten()(each) for each in (shared(words), shared(place), penalized(place))]
    model = keras.Model({"words": words, "place": place}, layers.Dense(1)(layers.Concatenate()(read)))
    model.compile(loss="mse", optimizer=optimizer)
    return model


def _variables(model: keras.Model) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("AdamW", {"global_clipnorm": 0.3, "weight_decay": 0.1}),
        pytest.param("RMSprop", {"clipnorm": 0.2, "momentum": 0.5}, marks=pytest.mark.slow),
        pytest.param("Nadam", {"gradient_accumulation_steps": 2}, marks=pytest.mark.slow),
    ],
)
def test_two_workers_train_tables_to_the_weights_of_one(name: str, settings: dict[str, float]) -> None:
    from mlpcli.keras_import import keras
    from mlpcli.training.compiled import GRAPH, Arrays, FitSettings, fit
    from mlpcli.training.replicas.fit_shared import fit_shared

    how = FitSettings(epochs=2, batch_size=BATCH, shuffle=True, seed=3, loop=GRAPH)
    rng = np.random.default_rng(0)
    x = {"words": rng.integers(0, 5, (ROWS, 3)), "place": rng.integers(0, 4, (ROWS, 1))}
    rows = Arrays(
        {key: values.astype(np.int32) for key, values in x.items()},
        rng.normal(size=(ROWS, 1)).astype(np.float32),
        rng.uniform(0.5, 2, ROWS).astype(np.float32),
    )
    models = [_tables(getattr(keras.optimizers, name)(0.02, **settings)) for _ in range(3)]

    def work(peers: Peers) -> object:
        model = models[peers.index]
        fit_shared(model, rows, how, peers=peers)
        return "trained"

    assert together(2, work) == ["trained", "trained"]
    fit(models[2], rows, how)
    for one, other, alone in zip(*map(_variables, models), strict=True):
        assert np.array_equal(np.array(one), np.array(other)), one.path
        np.testing.assert_allclose(np.array(one), np.array(alone), atol=1e-6, err_msg=one.path)


def test_moving_averages_become_the_same_mean_on_every_worker() -> None:
    from mlpcli.keras_import import keras
    from mlpcli.training.replicas.shared_state import share_state

    models = []
    for worker in range(3):
        model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()])
        model.compile(loss="mse", optimizer="sgd")
        model.layers[0].moving_mean.assign([worker, 0.1])
        model.layers[0].gamma.assign([worker, 0.1])
        models.append(model)

    def work(peers: Peers) -> object:
        share_state(models[peers.index], peers)
        layer = models[peers.index].layers[0]
        return [np.array(each).tolist() for each in (layer.moving_mean, layer.gamma)]

    tenth = float(np.float32(0.1))
    assert together(3, work) == [[[1.0, tenth], [0.0, tenth]]] * 3


PLUGIN = """
import keras


def off_by(y_true, y_pred):
    return keras.ops.mean(y_pred, axis=-1)


def of_batch(y_true, y_pred):
    return keras.ops.max(y_pred)


class Highest(keras.metrics.Metric):
    def __init__(self, name="highest"):
        super().__init__(name=name)
        self.value = self.add_weight(shape=(), initializer="zeros", name="value")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.value.assign(keras.ops.maximum(self.value, keras.ops.max(y_pred)))

    def result(self):
        return self.value + 0
"""


def _problems(folder: Path, text: str, check: Callable[..., None], **settings: object) -> list[str]:
    from mlpcli.training.compiled import Arrays
    from mlpcli.training.prepare import prepare

    (folder / "spec.yaml").write_text(text)
    prepared = prepare(load_spec(folder / "spec.yaml"))
    train = prepared.dataset.train
    spec = prepared.completed.spec
    try:
        with located(prepared.completed):
            check(prepared.model, Arrays(train.x, train.y, train.weights), spec=spec, **settings)
    except SpecError as error:
        return [each.headline().partition("spec.yaml:")[2] for each in error.problems]
    return []


def test_metrics_that_keep_no_sums_are_refused_at_their_places(tmp_path: Path) -> None:
    from mlpcli.training.replicas.shard_errors import check_can_share

    (tmp_path / "metrics.py").write_text(PLUGIN)
    text = TINY.replace(
        "metrics: [accuracy]", "metrics: [accuracy, off_by, of_batch, Highest]\nplugins: [metrics.py]"
    )
    found = _problems(tmp_path, text, check_can_share)
    line = 1 + text.splitlines().index("metrics: [accuracy, off_by, of_batch, Highest]")
    assert [each.split(": ")[0] for each in found] == [f"{line}:29 metrics[2]", f"{line}:39 metrics[3]"]
    assert "are no sums over rows, received 'of_batch'; write a function that returns a value" in found[0]


def test_sums_are_tried_on_the_first_rows_of_targets_that_stay_in_their_file(tmp_path: Path) -> None:
    from mlpcli.data.stored.stored_array import BLOCK_BYTES, StoredArray
    from mlpcli.keras_import import import_keras
    from mlpcli.training.compiled import Arrays
    from mlpcli.training.replicas.row_sums import without_sums

    keras = import_keras()
    names: dict[str, Callable[[], object]] = {}
    exec(PLUGIN, names)
    rows, path = BLOCK_BYTES, tmp_path / "y.rows"
    with path.open("wb") as file:
        file.truncate(4 * rows)  # more than is read at once
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse", metrics=[names["Highest"]()])
    x = np.broadcast_to(np.float32(1), (rows, 1))
    model.evaluate(x[:2], np.zeros(2), verbose=0)
    y = StoredArray(path, (rows,), np.dtype(np.float32), most_bytes=0)
    assert [metric.name for _, _, metric in without_sums(model, Arrays(x, y))] == ["highest"]


def test_synchronized_averages_are_refused_at_their_place(tmp_path: Path) -> None:
    from mlpcli.training.replicas.shard_errors import check_can_share

    layer = "  - BatchNormalization: {synchronized: true}"
    text = TINY.replace("layers:\n", f"layers:\n{layer}\n")
    line = 1 + text.splitlines().index(layer)
    place = f"{line}:40 layers[0].BatchNormalization.synchronized"
    found = _problems(tmp_path, text, check_can_share)
    assert [each.split(": ")[0] for each in found] == [place]
    assert "'batch_normalization' averages over the rows of the whole batch, which replicas" in found[0]
    assert "remove synchronized: true, and each averages over its share; or train" in found[0]


def test_a_worker_that_waits_for_one_notices_that_another_has_left() -> None:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    addresses = (*(("127.0.0.1", each.getsockname()[1]) for each in sockets), ("127.0.0.1", 1))
    came = threading.Event()

    def give_up() -> None:
        if came.is_set():
            raise TrainingError

    def first() -> None:
        with pytest.raises(TrainingError):
            join(Cluster(0, addresses, check=give_up), sockets[0], lambda text: None)

    def waits(text: str) -> None:
        if "worker 2" in text:  # worker 0 has answered
            came.set()

    thread = threading.Thread(target=first)
    thread.start()
    with pytest.raises(Left) as left:
        join(Cluster(1, addresses), sockets[1], waits)
    thread.join()
    assert left.value.index == 0


STARTER = """
import os, subprocess, sys
worker = '''
import os, sys, time
from mlpcli.training.replicas.starter import ending_with
with ending_with(os.getppid()):
    print("ready", flush=True)
    time.sleep(60)
'''
process = subprocess.Popen([sys.executable, "-c", worker], stdout=subprocess.PIPE, text=True)
process.stdout.readline()
os.write(1, b"began")
os._exit(0)
"""


def test_a_worker_ends_soon_after_the_process_that_started_it() -> None:
    # The worker holds stderr open, which ends when it does.
    done = subprocess.run(
        [sys.executable, "-c", STARTER], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.stdout, done.returncode) == ("began", 0), done.stderr
    check_starter(os.getppid())
    with pytest.raises(TrainingError, match="worker 0, which started this worker, has ended"):
        check_starter(os.getpid())
