"""What a run writes for TensorBoard: by tab, exact under resume, and without a trace in the training."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli import runs
from mlpcli.keras_import import keras, tf
from mlpcli.runs.folder import open_run
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import load_spec
from mlpcli.training.job import TrainOptions
from mlpcli.training.prepare import prepare

TABLE = "a,city,kind\n" + "".join(
    f"{place / 60},{('Bern', 'Köln', 'a|b')[place % 3]},{'odd' if place % 3 == 1 else 'even'}\n"
    for place in range(60)
)
BOARD = """\
name: board
seed: 7
dataset: {path: t.csv, target: kind, features: {city: {kind: categorical, encoding: embedding, width: 2}}}
layers:
  - Dense: {units: 4, activation: relu, name: hidden}
  - BatchNormalization
  - Dropout: {rate: 0.3}
  - Dense: {units: 2, activation: softmax}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
fit: {epochs: 3, batch_size: 16, checkpoint: {every: 1}}
callbacks:
"""
EVERYTHING = """\
  - TensorBoard: {histogram_freq: 2, write_graph: true, write_images: true, write_steps_per_second: true,
                  update_freq: 2, profile_batch: [2, 3], embeddings_freq: 1, gradients_freq: 1,
                  predictions_freq: 2, activations_freq: 1}
"""


DESCRIBES = {"__run_graph__", "data", "environment", "_hparams_/session_start_info"}
"""Tags with a time, a command, a path or an order of operations in them, which each session writes anew."""

QUICK = TrainOptions(saved_model=False, figures=False, baseline=False, intervals=False)


class Copying(Watcher):
    """Copies the run folder as its second epoch ends, before its state is written."""

    def __init__(self, copy: Path) -> None:
        self.copy, self.folder = copy, Path()

    def plan(self, plan: object, run_dir: Path) -> None:
        self.folder = run_dir

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        if epoch == 2:
            shutil.copytree(self.folder, self.copy)


def train_text(text: str, folder: Path, watcher: Watcher) -> Path:
    """Train a spec on the table with no files that these tests do not read; return the run folder."""
    from mlpcli.training.session import train_into

    (folder / "t.csv").write_text(TABLE, encoding="utf-8")
    (folder / "spec.yaml").write_text(text, encoding="utf-8")
    ready = prepare(load_spec(folder / "spec.yaml"))
    with runs.new_run(folder / "runs", ready.completed.spec.name) as run_dir:
        train_into(ready.job(run_dir, watcher, ("mlpcli", "train", "spec.yaml"), QUICK))
    return run_dir


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run with everything, and its folder as it was when it was killed in the second epoch."""
    folder = tmp_path_factory.mktemp("boards")
    killed = folder / "killed" / "2026-01-01_00-00-00"
    return train_text(BOARD + EVERYTHING, folder, Copying(killed)), killed


def events(folder: Path) -> dict[str, list[tuple[int, Any]]]:
    """Everything in the event files of a folder, also what TensorBoard would hide: by tag step and value."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util.tensor_util import make_ndarray

    found: dict[str, list[tuple[int, Any]]] = {}
    for file in sorted(folder.glob("events.*")):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, make_ndarray(value.tensor)))
    return found


def plugins(folder: Path) -> dict[str, str]:
    """The tab in which each tag is shown, as TensorBoard reads it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    return {tag: read.SummaryMetadata(tag).plugin_data.plugin_name for tag in read.Tags()["tensors"]}


def graph_of(folder: Path) -> dict[str, list[str]]:
    """The nodes of a graph, and what each reads."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    return {node.name: list(node.input) for node in read.Graph().node}


def test_each_tab_has_what_the_spec_asks_for(trained: tuple[Path, Path]) -> None:
    board = trained[0] / "tensorboard"
    train, validation = plugins(board / "train"), plugins(board / "validation")
    assert {tag: train[tag] for tag in ("epoch_loss", "epoch_learning_rate", "batch_loss")} == {
        "epoch_loss": "scalars",
        "epoch_learning_rate": "scalars",
        "batch_loss": "scalars",
    }
    assert train["hidden/kernel/histogram"] == train["gradients/hidden/kernel"] == "histograms"
    assert train["hidden/kernel/image"] == validation["predictions/confusion_matrix"] == "images"
    assert train["gradient_norm/hidden"] == train["gradient_norm"] == "scalars"
    assert validation["predictions/mistakes"] == "text"
    assert plugins(board)["_hparams_/session_start_info"] == "hparams"
    assert list((board / "train" / "plugins" / "profile").glob("*/*.xplane.pb"))
    steps = {tag: [step for step, _ in found] for tag, found in events(board / "train").items()}
    assert steps["epoch_loss"] == steps["gradients/hidden/bias"] == [0, 1, 2]
    assert steps["hidden/kernel/histogram"] == [0, 2]
    assert steps["batch_loss"] == steps["batch_steps_per_second"] == [2, 4, 6, 8]


def test_the_run_is_described_in_texts_settings_and_graphs(trained: tuple[Path, Path]) -> None:
    run, board = trained[0], trained[0] / "tensorboard"
    read = events(board)
    texts = {tag: read[tag][0][1].item().decode() for tag in ("spec", "data", "network", "environment")}
    assert texts["spec"] == f"```\n{(run / 'resolved.yaml').read_text().rstrip()}\n```"
    assert "36" in texts["data"]
    assert "even, odd" in texts["data"]
    assert "tensorflow" in texts["environment"]
    assert "mlpcli train spec.yaml" in texts["environment"]
    graph = graph_of(board)
    assert graph["hidden"] == ["input_with_embeddings"]
    assert graph["dense"] == ["dropout"]
    assert any("MatMul" in name for name in graph_of(board / "train"))


def test_pictures_are_files_that_can_be_read(trained: tuple[Path, Path]) -> None:
    board = trained[0] / "tensorboard"
    for split, tag in (("train", "hidden/kernel/image"), ("validation", "predictions/confusion_matrix")):
        found = events(board / split)[tag]
        assert [step for step, _ in found] == [0, 2]
        width, height, png = found[0][1]
        assert tf.io.decode_png(png).shape[:2] == (int(height), int(width))


def test_the_projector_gets_categories_and_rows(trained: tuple[Path, Path]) -> None:
    from google.protobuf import text_format
    from tensorboard.plugins.projector import ProjectorConfig

    board = trained[0] / "tensorboard"
    config = text_format.Parse((board / "projector_config.pbtxt").read_text(), ProjectorConfig())
    city, rows = config.embeddings
    assert city.tensor_name == "input_city_embedding"
    names = (board / city.metadata_path).read_text().splitlines()
    assert names == ["(other)", "(missing)", "Bern", "Köln", "a|b"]
    weights = keras.models.load_model(trained[0] / "checkpoints" / "last.keras")
    vectors = np.loadtxt(board / city.tensor_path)
    np.testing.assert_allclose(vectors, weights.get_layer(city.tensor_name).get_weights()[0], rtol=1e-5)
    labels = [line.split("\t") for line in (board / rows.metadata_path).read_text().splitlines()]
    assert labels[0] == ["row", "kind"]
    assert len(labels) - 1 == len(np.loadtxt(board / rows.tensor_path)) == rows.tensor_shape[0]
    table = TABLE.splitlines()
    assert all(table[int(row)].endswith(kind) for row, kind in labels[1:])


def test_a_killed_run_has_each_step_once_and_ends_with_the_same_numbers(trained: tuple[Path, Path]) -> None:
    from mlpcli.training.resume import resume_run

    alone, killed = trained
    resume_run(open_run(killed), watcher=Watcher(), options=QUICK)
    for part in ("", "train", "validation"):
        one, other = (events(run / "tensorboard" / part) for run in (alone, killed))
        assert one.keys() == other.keys()
        for tag in one.keys() - DESCRIBES:
            assert [step for step, _ in one[tag]] == [step for step, _ in other[tag]], tag
            if "per_second" not in tag:
                np.testing.assert_equal([x for _, x in one[tag]], [x for _, x in other[tag]], tag)
    assert len(list((killed / "tensorboard/train/plugins/profile").iterdir())) == 1


def test_what_is_logged_changes_nothing_in_the_training(trained: tuple[Path, Path], tmp_path: Path) -> None:
    plain = train_text(BOARD + "  - TensorBoard: false\n", tmp_path, Watcher())
    assert not (plain / "tensorboard").exists()
    assert (plain / "history.csv").read_text() == (trained[0] / "history.csv").read_text()
    one, other = (keras.models.load_model(run / "model.keras").get_weights() for run in (plain, trained[0]))
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours, theirs)
