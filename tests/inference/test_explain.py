"""What a model looks at: importance and dependence, on data of which they are known."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.data.dataset import Contract, Input, Output
from mlpcli.data.raw_columns import (
    column_places,
    correlated_groups,
    images_of,
    is_image,
    values_at,
    with_values,
)
from mlpcli.data.shown_columns import shown_columns
from mlpcli.printable import counted
from mlpcli.spec.schema import ComponentSpec
from tests.bare_runs import train_bare
from tests.conftest import Result

SPEC = """\
name: known
seed: 3
dataset: {path: known.csv, target: y, test: 0.4, validation: 0.2, features: %s}
%slayers: [%s]
loss: mse
metrics: [MeanAbsoluteError]
optimizer: {Adam: {learning_rate: 0.1}}
fit: {epochs: 30, batch_size: 32, engine: graph}
"""


def _write(folder: Path, features: str = "[a, b, town, noise]", inputs: str = "", layers: str = "") -> Path:
    random = np.random.default_rng(5)
    lines = ["a,b,town,noise,y"]
    for _ in range(300):
        a, b, noise = random.normal(size=3)
        town = random.choice(["Ulm", "Bonn"])
        lines.append(f"{a:.4f},{b:.4f},{town},{noise:.4f},{3 * a - b + 2 * (town == 'Ulm'):.4f}")
    (folder / "known.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    spec = folder / "known.yaml"
    spec.write_text(SPEC % (features, inputs, layers or "Dense: {units: 1}"), encoding="utf-8")
    return spec


@pytest.mark.parametrize(
    ("inputs", "layers"),
    [
        ("", ""),
        pytest.param(
            "inputs: {one: {columns: [noise, a, town]}, two: {columns: [a, b]}}\n",
            "{Concatenate: {}, from: [one, two]}, Dense: {units: 1}",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["flat rows", "named inputs that share a column"],
)
def test_importance_and_dependence_of_a_known_line(
    inputs: str, layers: str, mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, where = _write(tmp_path, inputs=inputs, layers=layers), ("--runs-dir", tmp_path / "runs")
    train_bare(spec, tmp_path / "runs")
    shown = mlpcli("explain", "known", *where, "--json", "--repeats", "2")
    assert shown.status == 0, shown.err
    found = json.loads(shown.out)
    assert found["metric"] == "mean_absolute_error"
    columns = {each["columns"][0]: each for each in found["columns"]}
    assert found["columns"][0]["columns"] == ["a"]
    assert set(columns) == {"a", "b", "town", "noise"}
    # Of a line, |w| times the mean distance of two values, E|a - a'| = 2 / sqrt(pi) for a normal column.
    for name, weight in (("a", 3), ("b", 1)):
        low, high = columns[name]["interval"]
        assert low < weight * 2 / np.sqrt(np.pi) < high * 1.15
    assert columns["noise"]["interval"][0] < 0.05
    assert abs(columns["noise"]["importance"]) < 0.05
    slopes = {}
    for each in found["dependence"]:
        if each["column"] in ("a", "b"):
            slopes[each["column"]] = np.polyfit(each["values"], each["mean"], 1)[0]
        elif each["column"] == "town":
            means = dict(zip(each["values"], each["mean"], strict=True))
            assert means["Ulm"] - means["Bonn"] == pytest.approx(2, abs=0.1)
    assert slopes["a"] == pytest.approx(3, abs=0.1)
    assert slopes["b"] == pytest.approx(-1, abs=0.1)
    files = [Path(file) for file in found["figures"]]
    assert [file.name for file in files] == ["importance.png", "dependence.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)
    if inputs:
        return
    text = mlpcli("explain", "known", *where, "--metric", "loss", "--no-figures", "--rows", "50")
    assert "50 of 120 rows" in text.out
    assert max(map(len, text.out.splitlines())) <= 100
    monkeypatch.setattr("mlpcli.inference.explain.MOST_PRODUCTS", 6 * 20 * 4 * 60)  # weights, times, rows
    monkeypatch.setattr("mlpcli.inference.explain.LEAST_ROWS", 40)
    fewer = mlpcli("explain", "known", *where, "--no-figures", "--repeats", "20")
    assert "60 of 120 rows, " in fewer.out  # of a network that is large
    wrong = mlpcli("explain", "known", *where, "--metric", "los")
    assert wrong.status == 2
    assert "did you mean 'loss'?" in wrong.err


def test_the_figure_of_dependences_says_what_is_not_drawn(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []

    def title(figure: object, text: str, *more: str) -> None:
        titles.append(" ".join(more))

    monkeypatch.setattr("mlpcli.plots.column_importance.title_figure", title)
    random = np.random.default_rng(5)
    a = random.normal(size=300)
    rows = [f"{each:.3f},1,{'high' if each > 0.5 else 'mid' if each > -0.5 else 'low'}" for each in a]
    (tmp_path / "known.csv").write_text("\n".join(["a,same,y", *rows]) + "\n")
    text = (SPEC % ("{a: numeric, same: numeric}", "", "Dense: {units: 3, activation: softmax}")).replace(
        "loss: mse\nmetrics: [MeanAbsoluteError]",
        "loss: sparse_categorical_crossentropy\nmetrics: [accuracy]",
    )
    (tmp_path / "known.yaml").write_text(text)
    run = train_bare(tmp_path / "known.yaml", tmp_path / "runs")
    shown = mlpcli("explain", run.folder)
    assert shown.status == 0, shown.err
    assert titles[-1].endswith("probability of high; not drawn: predictions of low, mid and column same")


def test_the_dependence_on_a_date_goes_from_its_first_to_its_last(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    """Also where they are not written so that the order of texts is that of days."""
    days = np.datetime64("2024-01-01") + np.arange(400)
    texts = [f"{day.astype(object):%d/%m/%Y}" for day in days]
    rows = [f"{text},{number % 5},{number}" for number, text in enumerate(texts)]
    (tmp_path / "known.csv").write_text("day,a,y\n" + "\n".join([*rows, ",0,200"]) + "\n")
    features = "{day: {kind: date, parts: [elapsed]}, a: numeric}"
    (tmp_path / "known.yaml").write_text(SPEC % (features, "", "Dense: {units: 1}"))
    train_bare(tmp_path / "known.yaml", tmp_path / "runs")
    shown = mlpcli("explain", "known", "--runs-dir", tmp_path / "runs", "--json", "--no-figures")
    assert shown.status == 0, shown.err
    first = json.loads(shown.out)["dependence"][0]
    assert first["column"] == "day"
    places = [texts.index(value) for value in first["values"]]
    assert len(places) == 20
    assert places == sorted(places)
    assert places[0] < 10
    assert places[-1] > 390
    assert max(np.diff(places)) < 40


@pytest.fixture(scope="module")
def brightness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that predicts a number from images of 6 x 5, by a line."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    x = random.integers(0, 255, (60, 6, 5)).astype(np.uint8)
    np.savez(folder / "rows.npz", x=x, y=x.mean(axis=(1, 2), dtype=np.float32))
    spec = folder / "brightness.yaml"
    spec.write_text(
        "name: brightness\ndataset: {path: rows.npz, test: 0.3, target_scaling: standardize}\n"
        "layers: [Rescaling: {scale: 0.004}, Flatten, Dense: {units: 1}]\n"
        "fit: {epochs: 2, batch_size: 16, engine: graph}\n"
    )
    return _trained(spec)


def _trained(spec: Path) -> Path:
    return train_bare(spec, spec.parent / "runs").folder


def test_what_pixels_add_to_a_line_is_known(brightness: Path) -> None:
    """Of a line, the weight times the distance to the mean training row; with no error but rounding."""
    from mlpcli.inference.evaluate import predict_outputs
    from mlpcli.inference.own_data import own_data
    from mlpcli.inference.saliency import SaliencyExplainer
    from mlpcli.model.trained_model import load_trained
    from mlpcli.runs.explanation import ExplainOptions
    from mlpcli.runs.folder import open_run

    trained = load_trained(open_run(brightness))
    train = own_data(trained).dataset.train.x
    rows = train[:2]
    found = SaliencyExplainer(trained, ExplainOptions(background=1000)).explain(
        rows, predict_outputs(trained, rows)
    )
    scale = (trained.contract.output.scale or (1.0,))[0]
    weights = trained.model.get_weights()[0].reshape(6, 5) * 0.004 * scale
    np.testing.assert_allclose(found.maps, weights * (rows - train.mean(axis=0)), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.base[0], np.mean(np.asarray(predict_outputs(trained, train))), rtol=1e-4)
    assert np.abs(found.residual).max() < 1e-3


def test_the_background_is_read_from_rows_in_files(brightness: Path) -> None:
    from mlpcli.inference.saliency import SaliencyExplainer
    from mlpcli.model.trained_model import load_trained
    from mlpcli.runs.explanation import ExplainOptions
    from mlpcli.runs.folder import open_run

    class Stored:
        """Rows in files that are too many for memory: some of them can be read."""

        def __len__(self) -> int:
            return 1000

        def __getitem__(self, rows: np.ndarray) -> np.ndarray:
            return np.ones((len(rows), 6, 5), np.uint8)

        def __array__(self, *_: object, **__: object) -> np.ndarray:
            raise AssertionError("all rows are read")

    trained = load_trained(open_run(brightness))
    rows: Any = Stored()
    explainer = SaliencyExplainer(trained, ExplainOptions(background=7), rows)
    assert explainer.background.shape == (7, 6, 5)


def test_predicted_images_are_drawn(brightness: Path, mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.arange(90, dtype=np.uint8).reshape(3, 6, 5))
    given = ("predict", brightness, tmp_path / "rows.npy", "--explain")
    told = mlpcli(*given, "-o", tmp_path / "out.csv")
    assert told.status == 0, told.err
    assert f"3 images drawn in {tmp_path / 'out_saliency'}" in " ".join(told.out.split())
    for row in csv.DictReader((tmp_path / "out.csv").read_text().splitlines()):
        assert Path(row["picture"]).read_bytes().startswith(b"\x89PNG")
        assert row["picture"] in row["explanation"]
        assert abs(float(row["contribution_residual"])) < 1e-2
    again = mlpcli(*given, "--pictures", tmp_path / "out_saliency")
    assert again.status == 2
    assert "add --force to replace what is in it" in again.err
    columns = mlpcli(*given, "--group", "a,b", "--strongest", "2")
    assert columns.status == 2
    assert columns.err.count("is of images, which have no columns") == 2
    assert "this is a file" in mlpcli(*given, "--force", "--pictures", tmp_path / "rows.npy").err


TWO = """
name: two
dataset: {path: photos.csv, features: {photo: {kind: image}}, target: {light: light, side: side},
          test: null, validation: null}
layers:
  - Rescaling: {scale: 0.004}
  - Flatten
  - {Dense: {units: 1}, name: light, from: flatten}
  - {Dense: {units: 2, activation: softmax}, name: side, from: flatten}
loss: {light: mse, side: sparse_categorical_crossentropy}
fit: {epochs: 3, batch_size: 8, engine: graph}
"""


@pytest.mark.slow
def test_a_class_of_the_second_output_of_images_is_explained(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    from PIL import Image

    lines = ["photo,light,side"]
    for place in range(24):
        pixels = random.integers(0, 255, (8, 8, 3)).astype(np.uint8)
        pixels[:, (place % 2) * 4 :][:, :4] //= 4
        Image.fromarray(pixels).save(tmp_path / f"{place}.png")
        lines.append(f"{place}.png,{pixels.mean():.2f},{('left', 'right')[place % 2]}")
    (tmp_path / "photos.csv").write_text("\n".join(lines))
    (tmp_path / "two.yaml").write_text(TWO)
    run = _trained(tmp_path / "two.yaml")
    given = ("predict", run, tmp_path / "photos.csv", "--explain", "--json", "--pictures", tmp_path / "drawn")
    found = json.loads(mlpcli(*given, "--class", "right", "--force").out)["predictions"]
    assert len(found) == 24
    for row in found:
        assert row["explained_class"] == "right"
        assert row["explanation"].startswith(f"side right {row['side_probability_right']:.4g} = ")
    usual = json.loads(mlpcli(*given, "--force").out)["predictions"]
    assert all(row["explanation"].startswith("light ") for row in usual)


def test_images_that_are_not_drawn_say_so(
    brightness: Path, mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "rows.npy", np.arange(90, dtype=np.uint8).reshape(3, 6, 5))
    monkeypatch.setattr("mlpcli.inference.explain_images.MOST_PICTURES", 1)
    given = ("predict", brightness, tmp_path / "rows.npy", "--explain", "--pictures", tmp_path / "one")
    first, *others = mlpcli(*given).out.splitlines()
    assert first.startswith("1  target ")
    assert others[-2:] == [f"{row}  not drawn: the first 1 images are" for row in (2, 3)]
    assert len([*(tmp_path / "one").iterdir()]) == 1


def test_ids_of_tokens_are_no_image() -> None:
    rows = np.zeros((2, 6, 5), np.uint8)
    found = images_of(rows, np.array([1]))
    assert found is not None
    assert found.shape == (1, 6, 5)
    assert images_of(rows.astype(np.int64), np.array([1])) is None
    contract = Contract("array", (), (6, 5), "int64", (Output(("y",)),))
    assert not is_image(contract)
    assert is_image(replace(contract, dtype="uint8"))


def test_images_are_explained_by_their_pixels(
    brightness: Path, mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = mlpcli("explain", brightness, "--json")
    assert shown.status == 0, shown.err
    found = json.loads(shown.out)
    assert len(found["images"]) == 12
    wrong = [abs(float(each["truth"]) - float(each["predicted"])) for each in found["images"]]
    assert wrong[0] == max(wrong) > min(wrong)
    for each in found["images"]:
        assert each["value"] == pytest.approx(float(each["predicted"]), rel=1e-3)
        assert abs(each["residual"]) < 1e-2
    (file,) = map(Path, found["figures"])
    assert (file.name, file.read_bytes()[:4]) == ("saliency.png", b"\x89PNG")
    text = mlpcli("explain", brightness, "--no-figures").out
    assert "the 12 most wrong images" in text
    assert max(map(len, text.splitlines())) <= 80
    metric = mlpcli("explain", brightness, "--metric", "mae", "--rows", "20", "--repeats", "9")
    assert metric.status == 2
    assert metric.err.count("which have no columns to shuffle") == 3
    monkeypatch.setattr("mlpcli.data.raw_columns.LEAST_SIDE", 100)  # rows of arrays that are no images
    assert "6 x 5 values" in mlpcli("explain", brightness).err
    none = mlpcli("predict", brightness, brightness.parents[2] / "rows.npz", "--explain")
    assert none.status == 2
    assert "rows of 6 x 5 values, which are no columns" in none.err


def test_images_of_files_are_named_by_them_and_those_that_are_not_wrong_are_others(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    from PIL import Image

    for name, shade in (("dark", 20), ("light", 230)):
        (tmp_path / "shades" / name).mkdir(parents=True)
        for number in range(20):
            wrong = 250 - shade if number == 0 else shade  # one that is in the wrong folder
            image = np.full((6, 6, 3), wrong + number % 3, np.uint8)
            Image.fromarray(image).save(tmp_path / "shades" / name / f"{name}{number:02}.png")
    (tmp_path / "known.yaml").write_text(
        "name: shades\nseed: 1\ndataset: {path: shades, image_size: [6, 6], test: 0.3}\n"
        "layers: [Rescaling: {scale: 0.004}, Flatten, Dense: {units: 1, activation: sigmoid}]\n"
        "loss: binary_crossentropy\nmetrics: [accuracy]\noptimizer: {Adam: {learning_rate: 0.05}}\n"
        "fit: {epochs: 40, batch_size: 8, engine: graph}\n"
    )
    folder = train_bare(tmp_path / "known.yaml", tmp_path / "runs").folder
    shown = mlpcli("explain", folder, "--split", "train", "--json", "--no-figures")
    assert shown.status == 0, shown.err
    found = json.loads(shown.out)
    wrong, first = found["wrong"], found["images"][0]
    assert 1 <= wrong <= 2
    assert first["file"] == f"{first['truth']}/{first['truth']}00.png"
    text = mlpcli("explain", folder, "--split", "train", "--no-figures").out
    assert f"{counted(wrong, 'wrong image')}, then {12 - wrong} others\n" in text
    assert text.splitlines()[2].split()[0] == "file"
    assert f"{first['truth']}00.png" in text
    assert "row" not in text.replace("training row", "")


def test_values_of_columns_are_read_and_replaced_in_every_input() -> None:
    inputs = (Input("one", (2, 0), (2,)), Input("two", None, (3,)))
    contract = Contract(
        kind="array",
        features=("a", "b", "c"),
        shape=(3,),
        dtype="float32",
        outputs=(Output(("y",)),),
        inputs=inputs,
    )
    flat = np.arange(6, dtype=np.float32).reshape(2, 3)
    x = contract.take_inputs(flat)
    assert [*shown_columns(replace(contract, inputs=inputs[:1]), {"one": x["one"]})] == ["a", "c"]
    assert column_places(contract) == {"a": (0,), "b": (1,), "c": (2,)}
    np.testing.assert_array_equal(values_at(x, contract, [2, 0]), flat[:, [2, 0]])
    changed = with_values(x, contract, [0, 1], np.array([[7, 8], [9, 10]]))
    expected = contract.take_inputs(np.array([[7, 8, 2], [9, 10, 5]], np.float32))
    for name in ("one", "two"):
        np.testing.assert_array_equal(changed[name], expected[name])
        np.testing.assert_array_equal(x[name], contract.take_inputs(flat)[name])  # as it was


def test_correlated_columns_are_grouped_by_ranks() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 400))
    x = np.stack([a, np.exp(5 * a), b, -b + 0.1 * a, random.normal(size=400), np.ones(400)], axis=1)
    places = {name: (index,) for index, name in enumerate(("a", "exp", "b", "minus", "noise", "constant"))}
    assert correlated_groups(x, places, 0.8) == [("a", "exp"), ("b", "minus")]


def test_what_the_order_of_a_sum_leaves_is_no_importance() -> None:
    from mlpcli.inference.explain import _rounded

    assert [_rounded(value, 1e-12) for value in (5.551e-17, -5.551e-17, 2e-12, -0.01)] == [0, 0, 2e-12, -0.01]


def test_the_curve_of_a_prediction_is_of_what_it_is_called() -> None:
    from mlpcli.inference.explain import shown_of

    values = np.array([[0.25, 0.75, 0.5]])
    two, three = ("no", "yes"), ("low", "mid", "high")
    loss, hinge = (ComponentSpec(class_name=name) for name in ("BinaryCrossentropy", "Hinge"))
    for output, taken, of, wanted in (
        (Output(("y",), levels=(0.1, 0.5, 0.9)), loss, values, ("predicted y", 0.75)),
        (Output(("y",), "labels", two), loss, values[:, :2], ("probability of no", 0.25)),
        (Output(("y",), "classes", two), loss, values[:, :2], ("probability of yes", 0.75)),
        (Output(("y",), "classes", two), loss, values[:, :1], ("probability of yes", 0.25)),
        (Output(("y",), "classes", two), hinge, values[:, :1], ("score of yes", 0.25)),
        (Output(("y",), "one_hot", three), loss, values, ("probability of low", 0.25)),
    ):
        name, curve = shown_of(output, taken, of)
        assert (name, curve.tolist()) == (wanted[0], [wanted[1]])
