"""`predict:` in a spec: what is fitted after the training, kept in the run, and used wherever it predicts."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpcli.data.contract_form import read_contract
from mlpcli.data.dataset import Contract, Output
from mlpcli.data.fitted_outputs import Fitted, Intervals
from mlpcli.errors import SpecError
from mlpcli.spec.load import load_spec
from tests.bare_runs import train_bare
from tests.conftest import Result

Array = NDArray[Any]
Cli = Callable[..., Result]

SALES = """\
name: sales
seed: 3
dataset: {path: sales.csv, target: sold, features: [size, town]}
layers:
  - Dense: {units: 16, activation: relu}
  - Dense: {units: 1, activation: sigmoid}
optimizer: {Adam: {learning_rate: 0.1}}
metrics: [accuracy, Precision, Recall, AUC]
fit: {epochs: 2, batch_size: 8}
predict: {calibrate: temperature, threshold: {cost: [[0, 1], [6, 0]]}, intervals: 0.8}
"""


def _sales(rows: int = 120) -> str:
    random = np.random.default_rng(1)
    size, town = random.normal(size=rows), random.choice(["Ulm", "Bonn"], rows)
    sold = np.where(size + (town == "Ulm") + random.normal(size=rows) > 0.8, "yes", "no")
    price = np.exp(3 + size + 0.3 * random.normal(size=rows))
    lines = [f"{a:.3f},{b},{c},{d:.2f}" for a, b, c, d in zip(size, town, sold, price, strict=True)]
    return "\n".join(["size,town,sold,price", *lines]) + "\n"


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of two classes, in `runs/sales`, beside its table."""
    from mlpcli.cli import main

    folder = tmp_path_factory.mktemp("sales")
    (folder / "sales.csv").write_text(_sales(), encoding="utf-8")
    (folder / "sales.yaml").write_text(SALES, encoding="utf-8")
    assert main(["train", str(folder / "sales.yaml"), "--runs-dir", str(folder / "runs")]) == 0
    return next((folder / "runs" / "sales").iterdir())


def _contract(run: Path) -> Contract:
    return read_contract(json.loads((run / "run.json").read_text())["data"]["contract"])


def _predicted(mlpcli: Cli, run: Path, data: Path, target: Path) -> list[dict[str, str]]:
    found = mlpcli("predict", run, data, "-o", target)
    assert found.status == 0, found.err
    with target.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_what_was_fitted_is_in_the_run(sales: Path) -> None:
    fitted = _contract(sales).output.fitted
    assert fitted is not None
    assert fitted.temperature != 1.0
    assert fitted.thresholds[0] < 0.5  # a miss costs six times as much as a false alarm
    assert fitted.intervals is not None
    assert fitted.intervals.level == 0.8
    metrics = json.loads((sales / "metrics.json").read_text())
    calibration = metrics["calibration"]
    assert calibration["temperature"] == fitted.temperature
    fit = calibration["validation"]
    assert fit["after"]["log_loss"] < fit["before"]["log_loss"]
    assert {"ece", "brier", "log_loss"} == set(calibration["test"]["after"])
    cost, scores = metrics["threshold"].pop("cost"), metrics["threshold"].pop("scores")
    assert scores["test"]["yes"]["recall"] == pytest.approx(metrics["test"]["recall"])
    assert scores["test"]["yes"]["precision"] == pytest.approx(metrics["test"]["precision"])
    assert scores["validation"]["yes"]["rows"] > 0
    assert metrics["threshold"] == {"class": "yes", "probability": fitted.thresholds[0]}
    assert cost["validation"]["chosen"] <= cost["validation"]["usual"]
    assert metrics["intervals"]["validation"]["sold"]["coverage"] >= 0.8
    assert (sales / "plots" / "reliability.png").stat().st_size > 5000
    assert json.loads((sales / "run.json").read_text())["saved_model"]["verified"]


@pytest.mark.slow
def test_evaluate_measures_the_fitted_model(mlpcli: Cli, sales: Path) -> None:
    found = json.loads(mlpcli("evaluate", sales, "--json").out)
    metrics = json.loads((sales / "metrics.json").read_text())
    assert found["metrics"] == metrics["test"]
    assert found["intervals"] == metrics["intervals"]["test"]
    confusion = np.array(found["confusion"])
    assert found["metrics"]["accuracy"] == pytest.approx(np.trace(confusion) / confusion.sum())
    assert found["metrics"]["recall"] == pytest.approx(found["classes"]["yes"]["recall"])
    assert found["metrics"]["precision"] == pytest.approx(found["classes"]["yes"]["precision"])
    measured = metrics["calibration"]["test"]["after"]["log_loss"]
    assert found["metrics"]["loss"] == pytest.approx(measured, rel=1e-4)


@pytest.mark.slow
def test_every_format_of_predict_holds_the_same(mlpcli: Cli, sales: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    data = sales.parent.parent.parent / "sales.csv"
    rows = _predicted(mlpcli, sales, data, tmp_path / "p.csv")
    fitted = _contract(sales).output.fitted
    assert fitted is not None
    assert fitted.intervals is not None
    likely = np.array([float(row["probability_yes"]) for row in rows])
    assert [row["predicted_sold"] for row in rows] == [
        "yes" if each >= fitted.thresholds[0] else "no" for each in likely
    ]
    sets = [row["sold_set"].split(";") for row in rows]
    assert all(row["predicted_sold"] in names for row, names in zip(rows, sets, strict=True))
    assert [len(names) for names in sets] == [int(row["sold_set_size"]) for row in rows]
    inside = np.array([["no" in names, "yes" in names] for names in sets])
    both = np.stack([1 - likely, likely], axis=1)
    assert inside[both >= fitted.intervals.bounds[0]].all()
    assert mlpcli("predict", sales, data, "-o", tmp_path / "p.npy").status == 0
    np.testing.assert_allclose(np.load(tmp_path / "p.npy"), np.column_stack([likely, inside]), rtol=1e-6)
    assert mlpcli("predict", sales, data, "-o", tmp_path / "p.parquet").status == 0
    table = pq.read_table(tmp_path / "p.parquet").to_pydict()
    assert table["sold_set"] == [row["sold_set"] for row in rows]
    assert mlpcli("predict", sales, data, "-o", tmp_path / "q.npy", "--intervals", "0.5").status == 0
    assert np.load(tmp_path / "q.npy")[:, 1:].sum() < inside.sum()
    refused = mlpcli("predict", sales, data, "--intervals", "0.997")
    assert (refused.status, "keeps the levels 0.5 to 0." in refused.err) == (2, True)
    lines = mlpcli("predict", sales, data, "--json").out
    assert json.loads(lines)["predictions"][0]["sold_set_size"] == int(rows[0]["sold_set_size"])


@pytest.mark.slow
def test_the_saved_models_are_calibrated(mlpcli: Cli, sales: Path, tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    data = sales.parent.parent.parent / "sales.csv"
    rows = _predicted(mlpcli, sales, data, tmp_path / "p.csv")
    likely = np.array([float(row["probability_yes"]) for row in rows])
    with data.open(encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    size = np.array([float(cell["size"]) for cell in cells])
    town = tf.constant([cell["town"] for cell in cells])
    keras_model = keras.models.load_model(sales / "model.keras")
    found = keras_model.predict({"size": size, "town": town}, verbose=0)
    np.testing.assert_allclose(found[:, 0], likely, rtol=1e-5)
    loaded = tf.saved_model.load(sales / "saved_model")
    served = loaded.serve({"size": size, "town": town})
    np.testing.assert_allclose(served["probabilities"][:, 1], likely, rtol=1e-5)
    assert [each.decode() for each in served["label"].numpy()] == [row["predicted_sold"] for row in rows]
    assert [each.decode() for each in served["set"].numpy()] == [row["sold_set"] for row in rows]


@pytest.mark.slow
def test_a_run_that_was_killed_while_it_was_fitted_is_finished_the_same(
    mlpcli: Cli, sales: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "sales" / "later"
    shutil.copytree(sales, copied)
    record = json.loads((copied / "run.json").read_text())
    del record["data"]["contract"]["outputs"][0]["fitted"]
    (copied / "run.json").write_text(json.dumps(record | {"status": "running"}))
    for name in ("metrics.json", "model.keras"):
        (copied / name).unlink()
    found = mlpcli("train", "--resume", copied)
    assert found.status == 0, found.err
    assert (copied / "metrics.json").read_bytes() == (sales / "metrics.json").read_bytes()
    assert _contract(copied) == _contract(sales)


PAIR = """\
name: pair
seed: 3
dataset:
  path: sales.csv
  target: {price: price, sold: sold}
  features: [size, town]
  target_scaling: quantile
layers:
  - {Dense: {units: 8, activation: relu}, name: hidden}
  - {Dense: {units: 1}, name: price, from: hidden}
  - {Dense: {units: 2, activation: softmax}, name: sold, from: hidden}
loss: {price: mse, sold: sparse_categorical_crossentropy}
metrics: {price: [mae], sold: [accuracy]}
fit: {epochs: 2, batch_size: 8}
predict: {calibrate: temperature, threshold: {metric: f1}, intervals: 0.9}
"""


@pytest.mark.slow
def test_each_of_several_outputs_has_what_fits_it(mlpcli: Cli, tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(_sales(), encoding="utf-8")
    (tmp_path / "pair.yaml").write_text(PAIR, encoding="utf-8")
    trained = mlpcli("train", tmp_path / "pair.yaml", "--runs-dir", tmp_path / "runs")
    assert trained.status == 0, trained.err  # the SavedModel's bounds and sets are those of the network
    assert re.search(r"^threshold    sold: yes from 0.\d+ on; validation: precision", trained.out, re.M)
    shown = trained.out.partition("temperature  ")[2].partition("epochs in")[0]
    assert max(map(len, shown.splitlines())) <= 80
    assert re.search(r"^sold validation  +0\.\d{4} ", trained.out, re.M)
    assert re.search(r"^intervals, test rows  +level  +inside  +mean width$", trained.out, re.M)
    run = next((tmp_path / "runs" / "pair").iterdir())
    price, sold = (each.fitted for each in _contract(run).outputs)
    assert price is not None
    assert sold is not None
    assert price.temperature == 1.0
    assert price.thresholds == ()
    assert price.intervals is not None
    assert (price.intervals.score, sold.temperature != 1.0) == ("scaled", True)
    rows = _predicted(mlpcli, run, tmp_path / "sales.csv", tmp_path / "p.csv")
    assert list(rows[0]) == [
        *("predicted_price", "price_low", "price_high"),
        *("predicted_sold", "sold_probability_no", "sold_probability_yes", "sold_set", "sold_set_size"),
    ]
    low, middle, high = (
        np.array([float(row[name]) for row in rows])
        for name in ("price_low", "predicted_price", "price_high")
    )
    assert (low < middle).all()
    assert (middle < high).all()
    found = json.loads(mlpcli("evaluate", run, "--split", "validation", "--json").out)
    assert found["intervals"]["price"]["coverage"] >= 0.9
    confusion = np.array(found["outputs"]["sold"]["confusion"])
    assert found["metrics"]["sold_accuracy"] == pytest.approx(np.trace(confusion) / confusion.sum())
    measured = json.loads((run / "metrics.json").read_text())
    after = measured["calibration"]["outputs"]["sold"]["validation"]["after"]
    assert found["metrics"]["sold_loss"] == pytest.approx(after["log_loss"], rel=1e-4)
    assert found["metrics"] == measured["validation"]
    resolved = (run / "resolved.yaml").read_text()
    assert load_spec(run / "resolved.yaml").spec.predict == load_spec(tmp_path / "pair.yaml").spec.predict
    assert "min_recall" not in resolved


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "network"),
    [
        ("y", "layers: [Dense: {units: 1}]\nloss: mse\n"),
        ("y", "layers: [Dense: {units: 3}]\nloss: {Quantile: {quantiles: [0.1, 0.5, 0.9]}}\n"),
        ("kind", "layers: [Dense: {units: 2, activation: softmax}]\n"),
        ("[y, z]", "layers: [Dense: {units: 2}]\nloss: mse\n"),
    ],
)
def test_a_file_of_bad_rows_alone_has_no_prediction(
    mlpcli: Cli, tmp_path: Path, target: str, network: str
) -> None:
    lines = [f"{i % 17},{i * 7 % 13},{'ab'[i % 2]},{i % 5}" for i in range(120)]
    (tmp_path / "t.csv").write_text("\n".join(["x,y,kind,z", *lines]) + "\n")
    spec = tmp_path / "t.yaml"
    data = f"dataset: {{path: t.csv, target: {target}, features: [x]}}\n"
    spec.write_text(f"{data}{network}fit: {{epochs: 1, engine: graph}}\npredict: {{intervals: 0.8}}\n")
    run = train_bare(spec, tmp_path / "runs")
    (tmp_path / "bad.csv").write_text("x\nsoon\nlater\n")
    for ending in ("csv", "parquet", "npy"):
        out, rejects = tmp_path / f"out.{ending}", tmp_path / f"rejects_{ending}.csv"
        found = mlpcli("predict", run.folder, tmp_path / "bad.csv", "-o", out, "--rejects", rejects)
        assert (found.status, "internal error" in found.err) == (0, False), found.err
        assert rejects.read_text().count("must be a number") == 2
        assert out.exists()


def test_a_run_without_the_section_is_as_before(tiny_run: Path) -> None:
    run = next((tiny_run / "tiny").iterdir())
    document = json.loads((run / "run.json").read_text())["data"]["contract"]
    assert "fitted" not in document["outputs"][0]
    assert "predict" not in (run / "resolved.yaml").read_text()
    assert "calibration" not in json.loads((run / "metrics.json").read_text())


# ---------------------------------------------------------------- fitting, on arrays


# ---------------------------------------------------------------- mistakes

HEAD = "dataset: {name: iris}\nlayers: [Dense: {units: 3, activation: softmax}]\n"


@pytest.mark.parametrize(
    ("section", "place", "message"),
    [
        ("{calibrate: platt}", "3:22", "must be temperature, received 'platt'"),
        ("{calibrate: true}", "3:22", "write temperature"),
        ("{calibrat: temperature}", "3:11", "did you mean 'calibrate'?"),
        ("{threshold: 1.5}", "3:22", "must be a number between 0 and 1"),
        ("{threshold: f1_score}", "3:22", "write {metric: f1}"),
        ("{threshold: {metric: f2}}", "3:31", "must be one of accuracy, balanced_accuracy, f1"),
        ("{threshold: {metric: recall}}", "3:31", "write {metric: recall, min_precision: 0.8}"),
        ("{threshold: {}}", "3:22", "needs a metric, or costs"),
        ("{threshold: {cost: [[0, 1], [5]]}}", "3:38", "must be [[0, 1], [5, 0]]: the costs"),
        ("{threshold: {cost: [[0, 1], [0, 5]]}}", "3:38", "for the second class must cost more"),
        ("{threshold: {metric: f1, cost: [[0, 1], [5, 0]]}}", "3:41", "not by both"),
        ("{intervals: 90}", "3:22", "write 0.9"),
        ("{intervals: {hp: float, min: 0.5, max: 0.9}}", "3:22", "predict cannot be searched"),
    ],
)
def test_a_mistake_in_the_section_is_reported_at_its_place(
    spec_file: Callable[..., Path], section: str, place: str, message: str
) -> None:
    spec = spec_file(f"{HEAD}predict: {section}\n")
    with pytest.raises(SpecError) as caught:
        load_spec(spec)
    (problem,) = caught.value.problems
    assert message in f"{problem.headline()}; {problem.advice()}"
    assert problem.place is not None
    assert f"{problem.place.line}:{problem.place.column}" == place


@pytest.mark.parametrize(
    ("layers", "more", "section", "message"),
    [
        (
            "3, activation: softmax",
            "",
            "{threshold: 0.3}",
            "is for two classes or for labels, this is a target",
        ),
        ("1", "loss: hinge", "{calibrate: temperature}", "outputs of hinge are scores"),
        (
            "3, activation: softmax",
            "",
            "{intervals: 0.99}",
            "needs 99 validation rows at least, there are 24",
        ),
        ("3, activation: softmax", "NONE", "{intervals: 0.9}", "fitted on validation rows, and this dataset"),
        (
            "3, activation: softmax, use_bias: {hp: boolean}",
            "tuner: {refit: full}",
            "{intervals: 0.9}",
            "which refit: full also trains",
        ),
    ],
)
def test_what_cannot_be_fitted_is_a_problem_before_the_training(
    spec_file: Callable[..., Path], mlpcli: Cli, layers: str, more: str, section: str, message: str
) -> None:
    name = "breast_cancer" if "hinge" in more else "iris"
    dataset = "{name: iris, validation: null}" if more == "NONE" else f"{{name: {name}}}"
    text = f"dataset: {dataset}\nlayers: [Dense: {{units: {layers}}}]\n{more.replace('NONE', '')}\n"
    found = mlpcli("check", spec_file(f"{text}predict: {section}\n"))
    assert found.status == 2
    assert message in found.err
    assert "spec.yaml:4:" in found.err or "spec.yaml:3:" in found.err


def test_a_script_says_that_it_fits_nothing_after_the_training(
    mlpcli: Cli, spec_file: Callable[..., Path]
) -> None:
    found = mlpcli("code", spec_file(f"{HEAD}predict: {{intervals: 0.9}}\n"))
    assert found.status == 0
    assert (
        "\n# mlpcli train then fits what predict: says, such as a threshold; it is part of a run.\n"
        in found.out
    )


def test_a_record_with_impossible_values_is_damaged() -> None:
    output = Output(("a",), "classes", ("no", "yes"))
    for fitted in (
        Fitted(temperature=0.0),
        Fitted(thresholds=(0.1, 0.2)),
        Fitted(intervals=Intervals(1.5, "probability", (0.1,))),
        Fitted(intervals=Intervals(0.9, "residual", (0.1,))),
        Fitted(intervals=Intervals(0.9, "probability", (0.1, 0.2))),
        Fitted(intervals=Intervals(0.9, "probability", (float("inf"),))),
    ):
        contract = Contract("array", (), (2,), "float32", (replace(output, fitted=fitted),))
        with pytest.raises(ValueError, match="outputs: "):
            read_contract(json.loads(json.dumps(contract.to_json())))
