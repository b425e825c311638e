"""Pictures of a model: its graph and the plane of its classes."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.runs.folder import find_run
from tests.bare_runs import BARE, train_bare
from tests.conftest import Result


def _keras() -> Any:
    from mlpcli.keras_import import import_keras

    return import_keras()


@pytest.fixture(scope="module")
def wide_and_deep() -> Any:
    """Two inputs, two outputs, and an edge that passes three ranks."""
    keras = _keras()
    layers = keras.layers
    wide, deep = keras.Input((5,), name="wide"), keras.Input((6,), name="deep")
    hidden = layers.Dense(30, activation="relu", name="hidden1")(layers.Normalization(name="norm_deep")(deep))
    hidden = layers.Dense(30, activation="relu", name="hidden2")(hidden)
    joined = layers.Concatenate(name="joined")([layers.Normalization(name="norm_wide")(wide), hidden])
    outputs = [layers.Dense(1, name="output")(joined), layers.Dense(1, name="aux_output")(hidden)]
    return keras.Model([wide, deep], outputs, name="wide_and_deep")


def test_every_layer_lies_below_what_it_reads(wide_and_deep: Any) -> None:
    from mlpcli.plots.diagram_layout import read_graph

    graph = read_graph(wide_and_deep)
    ranks = {box.name: box.rank for box in graph.boxes}
    assert ranks == {
        "wide": 0,
        "deep": 0,
        "norm_wide": 1,
        "norm_deep": 1,
        "hidden1": 2,
        "hidden2": 3,
        "joined": 4,
        "aux_output": 4,
        "output": 5,
    }
    joined = {(graph.boxes[first].name, graph.boxes[second].name) for first, second in graph.edges}
    assert joined == {
        ("wide", "norm_wide"),
        ("deep", "norm_deep"),
        ("norm_deep", "hidden1"),
        ("hidden1", "hidden2"),
        ("norm_wide", "joined"),
        ("hidden2", "joined"),
        ("joined", "output"),
        ("hidden2", "aux_output"),
    }


def test_the_diagram_says_which_columns_an_input_holds(wide_and_deep: Any) -> None:
    from mlpcli.data.dataset import Contract, Input, Output
    from mlpcli.data.input_contents import input_contents
    from mlpcli.plots.diagram_layout import read_graph

    names = ("rooms", "area", *(f"a_long_name_{place}" for place in range(6)))
    inputs = (Input("wide", (1, 0), (2,)), Input("deep", range(2, 8), (6,)))
    contract = Contract("array", names, (8,), "float32", (Output(("y",)),), inputs=inputs)
    found = input_contents(contract)
    assert found == {"wide": "rooms, area", "deep": "6 numeric columns"}
    boxes = {box.name: box for box in read_graph(wide_and_deep, found).boxes}
    assert boxes["wide"].details == ["rooms, area"]
    assert boxes["hidden1"].details == []
    assert input_contents(replace(contract, inputs=())) == {"": "8 numeric columns"}
    assert input_contents(Contract("array", (), (8, 8), "uint8", (Output(("y",)),))) == {}


def test_what_picks_categories_out_of_an_input_is_no_box() -> None:
    from mlpcli.keras_import import keras
    from mlpcli.plots.diagram_layout import read_graph, summary_text

    whole = keras.Input((3,), name="others")
    code = keras.ops.cast(whole[:, 2], "int32")
    vector = keras.layers.Embedding(9, 4, name="street_embedding")(code)
    plain = keras.ops.take(whole, np.array([0, 1]), axis=1)
    joined = keras.layers.Concatenate(name="joined")([plain, vector])
    model = keras.Model(whole, keras.ops.take(keras.layers.Dense(2, name="dense")(joined), 0, axis=1))
    graph = read_graph(model)
    names = [box.name for box in graph.boxes]
    assert names[:4] == ["others", "street_embedding", "joined", "dense"]
    assert [box.kind for box in graph.boxes[4:]] == ["Take"]  # of the network itself
    edges = {(names[first], names[second]) for first, second in graph.edges}
    assert {("others", "street_embedding"), ("others", "joined"), ("street_embedding", "joined")} < edges
    assert "cast" in summary_text(model)


def test_columns_that_mark_missing_cells_are_called_so() -> None:
    from mlpcli.data.dataset import Contract, Input, Output
    from mlpcli.data.features.encoders import NumericEncoder
    from mlpcli.data.features.preprocessor import Preprocessor
    from mlpcli.data.input_contents import input_contents
    from mlpcli.data.readers.dialect import PLAIN

    preprocessor = Preprocessor(
        tuple(NumericEncoder(name, 0.0, indicator=True) for name in ("size", "built")), PLAIN
    )
    inputs = (Input("numbers", (0, 2), (2,)), Input("others", (1, 3), (2,)))
    contract = Contract(
        "table", ("size", "built"), (4,), "float32", (Output(("y",)),), inputs, None, preprocessor
    )
    assert input_contents(contract) == {"numbers": "size, built", "others": "size missing, built missing"}


def test_the_kinds_of_many_columns_are_counted() -> None:
    from mlpcli.data.input_contents import _words

    names = [f"measurement_{place}" for place in range(5)]
    kinds = ["numeric", "date", "numeric", "categorical", "numeric"]
    assert _words(names, kinds) == "3 numeric, 1 date, 1 categorical"


def test_no_two_boxes_or_passing_edges_share_a_place(wide_and_deep: Any) -> None:
    from mlpcli.plots.diagram_layout import read_graph

    graph = read_graph(wide_and_deep)
    taken = [(box.rank, box.place) for box in graph.boxes]
    for (first, _), bends in graph.bends.items():
        taken += [(graph.boxes[first].rank + 1 + step, place) for step, place in enumerate(bends)]
    assert len(set(taken)) == len(taken)
    assert sum(len(bends) for bends in graph.bends.values()) == 2  # norm_wide past hidden1 and hidden2


def test_an_edge_crosses_no_other_where_it_need_not() -> None:
    from mlpcli.plots.diagram_layout import Box, Graph, lay_out

    names = ["a", "b", "c", "c2", "b2", "a2"]  # a feeds a2 and so on: as they come, all would cross
    graph = Graph([Box(name, "Dense", "1", 0) for name in names], [(0, 5), (1, 4), (2, 3)])
    lay_out(graph)
    place = {box.name: box.place for box in graph.boxes}
    above = sorted("abc", key=lambda name: place[name])
    assert sorted("abc", key=lambda name: place[f"{name}2"]) == above


def test_a_box_is_as_wide_as_what_it_says() -> None:
    from matplotlib.image import imread

    from mlpcli.plots.diagram_layout import Box, Graph
    from mlpcli.plots.model_diagram import draw_model

    for name in ("dense_1", "piecewise_linear_embedding"):
        graph = Graph([Box(name, "PiecewiseLinearEmbedding", "16", 196)], [])
        image = imread(io.BytesIO(draw_model(graph, title="").png))[..., :3].mean(axis=2)
        name_row = image[round(0.45 * len(image)) :]
        dark = np.flatnonzero((name_row < 0.35).any(axis=0))  # letters, and no edge of a box
        box = np.flatnonzero((name_row < 0.75).any(axis=0))
        assert box.min() + 5 < dark.min() < dark.max() < box.max() - 5


def test_the_picture_grows_with_the_model(wide_and_deep: Any, tmp_path: Path) -> None:
    from matplotlib.image import imread

    from mlpcli.plots.diagram_layout import read_graph
    from mlpcli.plots.model_diagram import draw_model

    keras = _keras()
    inputs = keras.Input((4,))
    output = inputs
    for _ in range(60):
        output = keras.layers.Dense(3, activation="relu")(output)
    deep_model = keras.Model(inputs, output)
    (tmp_path / "deep.png").write_bytes(draw_model(read_graph(deep_model), title="deep").png)
    (tmp_path / "wide.png").write_bytes(draw_model(read_graph(wide_and_deep), title="wide").png)
    deep, wide = imread(tmp_path / "deep.png"), imread(tmp_path / "wide.png")
    assert wide.shape[1] > 1.7 * deep.shape[1]
    assert 4 * wide.shape[0] < deep.shape[0] <= 6001
    for image in (deep, wide):  # boxes from the top to the foot
        inked = np.flatnonzero((image[..., :3].min(axis=2) < 0.7).any(axis=1))
        assert inked.min() < 0.08 * len(image) + 30
        assert inked.max() > 0.9 * len(image)


def test_the_summary_tells_shapes_parameters_and_what_is_read(wide_and_deep: Any) -> None:
    from mlpcli.plots.diagram_layout import summary_text

    lines = summary_text(wide_and_deep).splitlines()
    assert lines[0].split() == ["layer", "class", "output", "parameters", "reads"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[1:-2]}
    assert rows["hidden1"] == ["Dense,", "relu", "30", "210", "norm_deep"]
    assert rows["joined"] == ["Concatenate", "35", "0", "norm_wide,", "hidden2"]
    assert rows["wide"] == ["input", "5", "0"]
    assert lines[-1] == "1,231 parameters, 1,207 of them trained"


def test_the_plane_is_coloured_by_what_the_model_takes_it_for(tmp_path: Path) -> None:
    from matplotlib.image import imread

    from mlpcli.plots.decision_boundary import draw_decision_boundary, predict_plane
    from mlpcli.plots.style import CLASS_COLORS

    x = np.array([[-1, -1], [1, 1], [-1, 1], [1, -1]], np.float32)

    def right_is_second(points: Any) -> Any:
        return (points[:, :1] > 0).astype(np.float32)

    splits = {"train": (x, np.array([0, 1, 0, 1]))}
    plane = predict_plane(right_is_second, splits)
    drawn = draw_decision_boundary(
        plane, splits, title="plane", features=("a", "b"), classes=("left", "right")
    )
    (tmp_path / "plane.png").write_bytes(drawn.png)
    image = imread(tmp_path / "plane.png")[..., :3]
    height, width, _ = image.shape
    left, right = image[height // 2, int(0.25 * width)], image[height // 2, int(0.8 * width)]
    for colour, name in ((left, CLASS_COLORS[0]), (right, CLASS_COLORS[1])):
        pure = np.array([int(name[start : start + 2], 16) / 255 for start in (1, 3, 5)])
        np.testing.assert_allclose(colour, 0.5 + 0.5 * pure, atol=0.02)


def test_a_run_has_its_pictures_and_a_plane_where_there_are_two_features(
    spec_file: Callable[[str], Path], tmp_path: Path, tiny_run: Path
) -> None:
    text = """\
name: plane
dataset: {name: moons, rows: 100}
layers: [Dense: {units: 3, activation: tanh, name: bent}, Dense: {units: 1}]
loss: {BinaryCrossentropy: {from_logits: true}}
fit: {epochs: 2, engine: graph}
"""
    two_features = train_bare(spec_file(text), tmp_path, options=replace(BARE, figures=True))
    drawn = (two_features / "plots/decision_boundary.svg").read_text(encoding="utf-8")
    assert "bent, tanh: 3 units" in drawn
    for run, plane in ((two_features, True), (find_run("tiny", tiny_run), False)):
        assert (run / "plots/model.png").read_bytes()[:4] == b"\x89PNG"
        assert (run / "plots/decision_boundary.png").exists() is plane
        assert (run / "plots/decision_boundary.svg").exists() is plane
        assert b"prefers-color-scheme:dark" in (run / "plots/learning_curves.svg").read_bytes()
        assert "parameters" in (run / "summary.txt").read_text(encoding="utf-8")


def test_a_page_takes_what_suits_its_theme_and_pixels_of_earlier_runs(tiny_run: Path, tmp_path: Path) -> None:
    from mlpcli.report.page.pictures import read_pictures

    shutil.copytree(tiny_run, tmp_path / "runs")
    run = find_run("tiny", tmp_path / "runs")
    (vector,) = read_pictures(run)
    assert vector.data.startswith("data:image/svg+xml;base64,")
    assert (vector.file, vector.is_vector) == ("plots/model.svg", True)
    svg = run / "plots/model.svg"
    svg.write_text("<svg>")  # not one of ours
    (pixels,) = read_pictures(run)
    svg.unlink()
    assert [pixels] == list(read_pictures(run))
    assert pixels.data.startswith("data:image/png;base64,")
    assert not pixels.is_vector
    assert abs(pixels.width / pixels.height - vector.width / vector.height) < 0.02


def test_ids_are_no_plane_though_there_are_two_of_them(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    """Between two ids there is no row, and beyond the last one the network has no weights."""
    spec = spec_file("""\
name: ids
dataset: {path: ids.npz, validation: 0.25}
layers: [Embedding: {input_dim: 50, output_dim: 2}, Flatten, Dense: {units: 2, activation: softmax}]
loss: sparse_categorical_crossentropy
fit: {epochs: 1, engine: graph}
""")
    for kind in (np.int64, np.float64):
        ids = np.arange(80).reshape(40, 2) % 50
        np.savez(spec.parent / "ids.npz", x=ids.astype(kind), y=np.arange(40) % 2)
        result = mlpcli("train", spec, "--runs-dir", tmp_path / kind.__name__)
        assert result.status == 0, result.err
        plots = find_run("ids", tmp_path / kind.__name__) / "plots"
        assert (plots / "learning_curves.png").exists()
        assert not (plots / "decision_boundary.png").exists()
