"""A training is compared with models that need no network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

from mlpcli.runs.folder import find_run
from tests.conftest import TINY, Result


def test_classes_are_compared_with_the_majority_and_a_linear_model(tiny_run: Path) -> None:
    baseline = json.loads((find_run("tiny", tiny_run) / "metrics.json").read_text())["baseline"]
    _, y = load_iris(return_X_y=True)
    test = train_test_split(y, test_size=0.2, random_state=7, stratify=y)[1]
    assert (baseline["split"], baseline["metric"]) == ("test", "accuracy")
    assert baseline["majority"] == pytest.approx(np.bincount(test).max() / len(test))
    assert baseline["linear"] > 0.85
    metrics = json.loads((find_run("tiny", tiny_run) / "metrics.json").read_text())
    assert baseline["network"] == pytest.approx(metrics["test"]["accuracy"])


@pytest.mark.slow
def test_a_network_that_is_no_better_is_reported(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(200, 2))
    rows = [f"{a},{b},{300 + 200 * a - 100 * b}" for a, b in x]
    (tmp_path / "line.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    spec = tmp_path / "line.yaml"
    text = "dataset: {path: line.csv, target: y}\nlayers: [{Dense: {units: 1}}]\nloss: mse\n"
    spec.write_text(text + "metrics: [mae]\nfit: {epochs: 1, engine: graph}\n")
    result = mlpcli("train", spec, "--runs-dir", tmp_path / "runs")
    assert result.status == 0, result.err
    worse = "the network is no better than the mean on the test rows: root_mean_squared_error"
    assert worse in " ".join(result.out.split())
    metrics = json.loads((find_run("line", tmp_path / "runs") / "metrics.json").read_text())
    assert metrics["baseline"]["linear"] < 0.01
    assert 100 < metrics["baseline"]["mean"] < 400
    assert "baseline  test root_mean_squared_error: mean" in result.out


@pytest.mark.slow
def test_a_network_that_is_better_is_not_blamed(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    spec = tmp_path / "tiny.yaml"
    text = TINY.replace("{name: iris}", "{name: moons, noise: 0.05}").replace("units: 3", "units: 2")
    spec.write_text(text.replace("epochs: 5", "epochs: 40, engine: graph"))
    result = mlpcli("train", spec, "--runs-dir", tmp_path / "runs")
    assert result.status == 0, result.err
    assert "baseline  test accuracy: majority class" in result.out
    assert "no better" not in result.out


def test_a_linear_model_is_there_for_wide_rows_too() -> None:
    from mlpcli.data.dataset import Contract, Dataset, Output, Split
    from mlpcli.data.types import Array
    from mlpcli.training.baseline import measure_baseline

    draw = np.random.default_rng(0)
    x = draw.normal(size=(1600, 300)).astype(np.float32)
    truth = x[:, 0] - x[:, 7]
    outputs: tuple[Output, ...] = (Output(("y",)), Output(("y",), "classes", ("no", "yes")))
    targets: tuple[Array, ...] = (truth.astype(np.float32), (truth > 0).astype(np.int64))
    for output, y in zip(outputs, targets, strict=True):
        splits = (Split(x[rows], y[rows], rows) for rows in (np.arange(1500), np.arange(1500, 1600)))
        contract = Contract("table", (), (300,), "float32", (output,))
        train, test = splits
        found = measure_baseline(Dataset(train, None, test, contract, "", "", {}), seed=0)
        assert found is not None
        if output.classes:
            assert found.scores["linear"] > found.scores["majority"] + 0.2
        else:
            assert found.scores["linear"] < 0.5 * found.scores["mean"]


def test_rows_of_one_class_alone_are_no_error() -> None:
    from mlpcli.data.dataset import Contract, Dataset, Output, Split
    from mlpcli.training.baseline import measure_baseline

    x = np.random.default_rng(0).normal(size=(9000, 100)).astype(np.float32)
    y = np.zeros(9000, np.int64)
    y[[8000, 8999]] = 1  # one of the training rows, which are too many to be all taken, and a test row
    contract = Contract("table", (), (100,), "float32", (Output(("y",), "classes", ("no", "yes")),))
    train, test = (Split(x[rows], y[rows], rows) for rows in (np.arange(8990), np.arange(8990, 9000)))
    found = measure_baseline(Dataset(train, None, test, contract, "", "", {}), seed=0)
    assert found is not None
    assert found.scores == pytest.approx({"majority": 0.9, "linear": 0.9})


@pytest.mark.parametrize("clip", ["none", "smooth"])
@pytest.mark.parametrize("inputs", ["", "inputs: {wide: {columns: [b, area]}}\n"])
def test_quantiles_do_not_hide_a_target_that_is_proportional_to_a_column(
    clip: str, inputs: str, tmp_path: Path
) -> None:
    from mlpcli.spec.load import load_spec
    from mlpcli.training.baseline import measure_baseline
    from mlpcli.training.find_data import load_data

    draw = np.random.default_rng(3)
    area, b = np.exp(draw.uniform(3, 6, 500)), draw.normal(size=500)
    price = 1000 * area + draw.normal(0, 5000, 500)
    sixth = draw.normal(size=500)
    rows = [",".join(map(str, row)) for row in zip(area, b, price, sixth, strict=True)]
    (tmp_path / "houses.csv").write_text("\n".join(["area,b,price,c", *rows]) + "\n")
    layer = "- {Dense: {units: 1}, from: wide}\n" if inputs else "- Dense: {units: 1}\n"
    found = {}
    for scaling in ("quantile", "standardize"):
        (tmp_path / "houses.yaml").write_text(
            f"dataset: {{path: houses.csv, target: price, scaling: {scaling}, clip: {clip}}}\n"
            f"{inputs}layers:\n{layer}loss: mse\noptimizer: Adam\nfit: {{epochs: 1}}\n"
        )
        measured = measure_baseline(load_data(load_spec(tmp_path / "houses.yaml")), seed=0)
        assert measured is not None
        found[scaling] = measured.scores["linear"]
    assert 4000 < found["quantile"] < 6500
    if clip == "none":
        assert found["quantile"] == pytest.approx(found["standardize"], rel=0.02)


def test_the_linear_model_keeps_quantiles_where_they_suit_the_target(tmp_path: Path) -> None:
    from mlpcli.spec.load import load_spec
    from mlpcli.training.baseline import measure_baseline
    from mlpcli.training.find_data import load_data

    draw = np.random.default_rng(4)
    z = draw.normal(size=500)
    rows = [f"{np.exp(2 * each)},{each + 0.1 * draw.normal()}" for each in z]
    (tmp_path / "curve.csv").write_text("\n".join(["a,y", *rows]) + "\n")
    (tmp_path / "curve.yaml").write_text(
        "dataset: {path: curve.csv, target: y, scaling: quantile}\n"
        "layers: [Dense: {units: 1}]\nloss: mse\noptimizer: Adam\nfit: {epochs: 1}\n"
    )
    measured = measure_baseline(load_data(load_spec(tmp_path / "curve.yaml")), seed=0)
    assert measured is not None
    assert measured.scores["linear"] < 0.2
