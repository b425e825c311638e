"""What a run writes for TensorBoard: by tab, exact under resume, and without a trace in the training."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli import runs
from mlpcli.data.dataset import Split
from mlpcli.errors import SpecError
from mlpcli.keras_import import keras, tf
from mlpcli.runs.folder import open_run
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import load_spec
from mlpcli.training.boards.event_files import code_block, cut_files, write_whole
from mlpcli.training.boards.gradient_batch import gradient_norms, gradients_of, spread_rows
from mlpcli.training.boards.layer_events import layer_graph
from mlpcli.training.boards.prediction_pictures import prediction_summaries
from mlpcli.training.boards.projector_files import Vectors, sprite_of, write_vectors
from mlpcli.training.boards.weight_images import weight_image
from mlpcli.training.job import TrainOptions
from mlpcli.training.prepare import Prepared, check_logs, prepare
from tests.conftest import Result

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


@pytest.mark.slow
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


def settings_in(board: Path) -> dict[str, Any]:
    """What the HPARAMS tab shows of a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    read = EventAccumulator(str(board))
    read.Reload()
    content = read.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    found = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    return {name: getattr(value, str(value.WhichOneof("kind"))) for name, value in found.items()}


@pytest.mark.slow
def test_the_run_is_described_in_texts_settings_and_graphs(trained: tuple[Path, Path]) -> None:
    run, board = trained[0], trained[0] / "tensorboard"
    read = events(board)
    texts = {tag: read[tag][0][1].item().decode() for tag in ("spec", "data", "network", "environment")}
    assert texts["spec"] == f"```\n{(run / 'resolved.yaml').read_text().rstrip()}\n```"
    assert "36" in texts["data"]
    assert "even, odd" in texts["data"]
    assert "tensorflow" in texts["environment"]
    assert "mlpcli train spec.yaml" in texts["environment"]
    settings = settings_in(board)
    assert settings["learning_rate"] == 0.001
    assert settings["layers"].startswith("Dense 4 relu, BatchNormalization, Dropout 0.3, Dense 2 softmax")
    assert (settings["batch_size"], settings["epochs"], settings["optimizer"]) == (16, 3, "Adam")
    graph = graph_of(board)
    assert graph["hidden"] == ["input_with_embeddings"]
    assert graph["dense"] == ["dropout"]
    assert any("MatMul" in name for name in graph_of(board / "train"))


@pytest.mark.slow
def test_pictures_are_files_that_can_be_read(trained: tuple[Path, Path]) -> None:
    board = trained[0] / "tensorboard"
    for split, tag in (("train", "hidden/kernel/image"), ("validation", "predictions/confusion_matrix")):
        found = events(board / split)[tag]
        assert [step for step, _ in found] == [0, 2]
        width, height, png = found[0][1]
        assert tf.io.decode_png(png).shape[:2] == (int(height), int(width))


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_what_is_logged_changes_nothing_in_the_training(trained: tuple[Path, Path], tmp_path: Path) -> None:
    plain = train_text(BOARD + "  - TensorBoard: false\n", tmp_path, Watcher())
    assert not (plain / "tensorboard").exists()
    assert (plain / "history.csv").read_text() == (trained[0] / "history.csv").read_text()
    one, other = (keras.models.load_model(run / "model.keras").get_weights() for run in (plain, trained[0]))
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def ready(text: str, folder: Path) -> Prepared:
    """Prepare a spec on the table."""
    (folder / "t.csv").write_text(TABLE, encoding="utf-8")
    (folder / "spec.yaml").write_text(text, encoding="utf-8")
    return prepare(load_spec(folder / "spec.yaml"))


PLAIN = """\
name: plain
dataset: {path: t.csv, target: kind, features: {city: one_hot}}
layers: [Dense: {units: 2, activation: softmax}]
fit: {epochs: 2, batch_size: 16}
callbacks:
  - TensorBoard: {profile_batch: [100, 200], embeddings_freq: 1, activations_freq: 1,
                  embeddings_metadata: {town: labels.tsv}}
"""


def test_what_network_or_data_cannot_give_is_refused_at_its_place(tmp_path: Path) -> None:
    text = PLAIN.replace("{city: one_hot}", "{city: categorical}")
    with pytest.raises(SpecError) as caught:
        check_logs(ready(text, tmp_path))
    found = [(problem.headline(), problem.advice()) for problem in caught.value.problems]
    places = ("profile_batch", "embeddings_freq", "activations_freq", "embeddings_metadata.town")
    for (headline, advice), place in zip(found, places, strict=True):
        assert f"callbacks[0].TensorBoard.{place}: " in headline
        assert headline.startswith(("spec.yaml:", str(tmp_path)))
        assert advice
    assert "1 to 6 (2 epochs of 3 batches each), received [100, 200]" in found[0][0]
    assert found[0][1].endswith("the end of the first epoch is [1, 3]")


@pytest.mark.parametrize(
    ("command", "more"),
    [
        (("train",), "fit: {epochs: 2, folds: 2}"),
        (("tune",), "fit: {epochs: 2, batch_size: {hp: choice, values: [8, 16]}}"),
    ],
    ids=["folds", "a search"],
)
def test_folds_and_searches_are_held_to_it_before_anything_is_written(
    command: tuple[str, ...], more: str, tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    (tmp_path / "t.csv").write_text(TABLE, encoding="utf-8")
    text = PLAIN.replace("fit: {epochs: 2, batch_size: 16}", more).replace("one_hot", "categorical")
    (tmp_path / "spec.yaml").write_text(text, encoding="utf-8")
    found = mlpcli(*command, tmp_path / "spec.yaml", "--runs-dir", tmp_path / "runs")
    assert found.status == 2
    assert "callbacks[0].TensorBoard.embeddings_freq: shows the vectors of Embedding layers" in found.err
    assert not [*(tmp_path / "runs").rglob("spec.yaml")]


@pytest.mark.parametrize("batches", ["5", "'2,6'", "[6, 6]", "0"])
def test_batches_of_the_training_can_be_profiled(batches: str, tmp_path: Path) -> None:
    text = PLAIN[: PLAIN.index("callbacks")].replace("{city: one_hot}", "{city: categorical}")
    check_logs(ready(f"{text}callbacks: [TensorBoard: {{profile_batch: {batches}}}]\n", tmp_path))


def test_gradients_are_those_of_the_loss_and_leave_no_trace() -> None:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4, activation="tanh", kernel_regularizer="l2", name="one"),
            layers.BatchNormalization(name="two"),
            layers.Dropout(0.5, name="three"),
            layers.Dense(1, name="four"),
        ]
    )
    model.compile("sgd", "mse", metrics=["mae"])
    chance = np.random.default_rng(1)
    x, y = chance.normal(size=(9, 3)).astype("float32"), chance.normal(size=(9, 1)).astype("float32")
    before = [variable.numpy().copy() for variable in model.variables]
    found = gradients_of(model, Split(x, y, np.arange(9)), np.arange(0, 9, 2))
    for kept, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(kept, variable.numpy(), variable.path)
    with tf.GradientTape() as tape:  # the same draw of the dropout, which now is made for good
        loss = model.compute_loss(x[::2], y[::2], model(x[::2], training=True), training=True)
    by_hand = tape.gradient(loss, [each.value for each in model.trainable_variables])
    assert list(found) == [each.path for each in model.trainable_variables]
    for ours, theirs in zip(found.values(), by_hand, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5, atol=1e-7)
    assert any((a != b.numpy()).any() for a, b in zip(before, model.variables, strict=True))


def test_norms_are_by_layer_and_of_all() -> None:
    gradients = {
        "a/kernel": np.array([[3.0, 0.0]]),
        "a/bias": np.array([4.0]),
        "b/c/kernel": np.array([12.0]),
    }
    assert gradient_norms(gradients) == {"": 13.0, "a": 5.0, "b/c": 12.0}


def test_rows_are_spread_and_none_is_taken_twice() -> None:
    assert spread_rows(100, 5).tolist() == [0, 25, 50, 74, 99]
    assert spread_rows(3, 5).tolist() == [0, 1, 2]


def test_a_weight_is_an_image_in_which_zero_is_grey() -> None:
    image = weight_image(np.array([[-2.0, 0.0, 1.0]]).T)
    assert image is not None
    assert image[..., 0].tolist() == [[0.0, 0.5, 0.75]]
    assert weight_image(np.zeros((3, 3, 2, 4))).shape == (18, 4, 1)  # type: ignore[union-attr]
    assert weight_image(np.array(1.0)) is None


def test_images_lie_in_a_square_in_their_order() -> None:
    images = np.arange(5)[:, None, None] * np.ones((1, 3, 2))
    png, height, width = sprite_of(images)
    pixels = tf.io.decode_png(png).numpy()[..., 0]
    assert (height, width, pixels.shape) == (3, 2, (9, 6))
    assert pixels[::3, ::2].tolist() == [[0, 64, 128], [191, 255, 0], [0, 0, 0]]


def test_labels_of_the_projector_keep_to_their_cells(tmp_path: Path) -> None:
    labels = (("a\tb", "1"), ("", "2"))
    write_vectors(tmp_path, [Vectors("x/y", np.ones((2, 3)), ("name", "n"), labels)])
    (file,) = (tmp_path / "projector").glob("*_labels.tsv")
    assert file.read_text() == "name\tn\na b\t1\n(empty)\t2\n"


def test_an_event_file_is_cut_after_what_stays(tmp_path: Path) -> None:
    writer = tf.summary.create_file_writer(str(tmp_path))
    with writer.as_default():
        for step in range(4):
            tf.summary.scalar("epoch_loss", float(step), step=step)
    writer.close()
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])  # as a killed process leaves it
    cut_files([file], lambda tag, step: step < 3)
    assert [step for step, _ in events(tmp_path)["epoch_loss"]] == [0, 1, 2]
    kept = file.read_bytes()
    assert whole.startswith(kept)
    cut_files([file], lambda tag, step: True)
    assert file.read_bytes() == kept
    cut_files([file], lambda tag, step: False)
    assert not file.exists()


@pytest.mark.filterwarnings("ignore:html5lib's sanitizer is deprecated:DeprecationWarning")  # TensorBoard's
def test_a_text_stays_in_its_block_of_code(tmp_path: Path) -> None:
    from tensorboard.compat.proto import event_pb2
    from tensorboard.plugin_util import markdown_to_safe_html

    text = "a: |\n  ```\n  <b>x</b>\n  ```"
    write_whole(tmp_path, [event_pb2.Event(summary=code_block("spec", text))])
    ((_, shown),) = events(tmp_path)["spec"]
    html = markdown_to_safe_html(shown.item())
    assert html.count("<code>") == 1
    assert "&lt;b&gt;x&lt;/b&gt;" in html


def test_the_graph_has_every_edge_between_layers() -> None:
    first, second = keras.Input((2,), name="one"), keras.Input((3,), name="two")
    spaced = keras.layers.Dense(4, name="a_b")(keras.layers.Dense(4, name="a b")(first))
    joined = keras.layers.Concatenate(name="join")([spaced, second])
    graph = layer_graph(keras.Model([first, second], keras.layers.Dense(1, name="out")(joined)))
    from tensorboard.compat.proto import graph_pb2

    nodes = {node.name: node for node in graph_pb2.GraphDef.FromString(graph.graph_def).node}
    reads = {name: list(node.input) for name, node in nodes.items()}
    assert reads == {
        "one": [],
        "two": [],
        "a_b_2": ["one"],
        "a_b": ["a_b_2"],
        "join": ["a_b", "two"],
        "out": ["join"],
    }
    assert nodes["out"].attr["parameters"].i == 8
    assert [dim.size for dim in nodes["join"].attr["_output_shapes"].list.shape[0].dim] == [-1, 7]


OUTPUTS = {
    "numbers, scaled": (
        "target: {n: [a, b]}, target_scaling: standardize",
        "- {Dense: {units: 2}, name: n, from: input}",
        {"n/a/predicted_against_true", "n/a/mistakes", "n/b/predicted_against_true", "n/b/mistakes"},
    ),
    "one unit": (
        "target: kind",
        "- Dense: {units: 1, activation: sigmoid}",
        {"confusion_matrix", "mistakes"},
    ),
    "labels": ("target: [red, blue]", "- Dense: {units: 2, activation: sigmoid}", {"labels"}),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_predictions_are_shown_for_every_kind_of_target(case: str, tmp_path: Path) -> None:
    target, layer, tags = OUTPUTS[case]
    lines = [f"{i},{i % 7},{'xy'[i % 2]},{i % 2},{i % 3 % 2}" for i in range(60)]
    (tmp_path / "u.csv").write_text("\n".join(["a,b,kind,red,blue", *lines]) + "\n")
    loss = "loss: binary_crossentropy\n" if "labels" in case else ""
    features = "[b]" if "labels" in case or "one" in case else "[red, blue]"
    spec = (
        f"name: kinds\ndataset: {{path: u.csv, features: {features}, {target}}}\nlayers:\n  {layer}\n{loss}"
    )
    found = ready(spec, tmp_path)
    summaries = prediction_summaries(found.model, found.completed.spec, found.dataset, "title")
    assert {value.tag.removeprefix("predictions/") for each in summaries for value in each.value} == tags
