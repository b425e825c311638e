"""What a model looks at: importance and dependence, on data of which they are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpcli.data.dataset import Contract, Input, Output
from mlpcli.data.raw_columns import column_places, correlated_groups, values_at, with_values
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
        (
            "inputs: {one: {columns: [noise, a, town]}, two: {columns: [a, b]}}\n",
            "Concatenate: {}, Dense: {units: 1}",
        ),
    ],
    ids=["flat rows", "named inputs that share a column"],
)
def test_importance_and_dependence_of_a_known_line(
    inputs: str, layers: str, mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = "{Concatenate: {}, from: [one, two]}, Dense: {units: 1}" if inputs else layers
    spec, where = _write(tmp_path, inputs=inputs, layers=layers), ("--runs-dir", tmp_path / "runs")
    trained = mlpcli("train", spec, *where)
    assert trained.status == 0, trained.err
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
    monkeypatch.setattr("mlpcli.inference.explain.MOST_PRODUCTS", 5 * 20 * 4 * 60)  # weights, times, rows
    monkeypatch.setattr("mlpcli.inference.explain.LEAST_ROWS", 40)
    fewer = mlpcli("explain", "known", *where, "--no-figures", "--repeats", "20")
    assert "60 of 120 rows, " in fewer.out  # of a network that is large
    wrong = mlpcli("explain", "known", *where, "--metric", "los")
    assert wrong.status == 2
    assert "did you mean 'loss'?" in wrong.err


def test_images_have_no_columns(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    spec = tmp_path / "images.yaml"
    spec.write_text(
        "name: images\ndataset: {name: digits}\nlayers: [Flatten, Dense: {units: 10, activation: softmax}]\n"
        "fit: {epochs: 1, batch_size: 256}\n"
    )
    assert mlpcli("train", spec, "--runs-dir", tmp_path / "runs").status == 0
    shown = mlpcli("explain", "images", "--runs-dir", tmp_path / "runs")
    assert shown.status == 2
    assert "8 x 8 values" in shown.err


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
