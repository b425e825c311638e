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
from mlpcli.data.interval_curve import from_even, to_even
from mlpcli.data.quantiles import Quantiles
from mlpcli.errors import SpecError
from mlpcli.spec.load import load_spec
from mlpcli.spec.predictions import PredictSpec, ThresholdSpec
from mlpcli.spec.schema import ComponentSpec, Spec
from mlpcli.statistics.calibration import tempered
from tests.conftest import Result

pytestmark = pytest.mark.slow

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
    cost = metrics["threshold"].pop("cost")
    assert metrics["threshold"] == {"class": "yes", "probability": fitted.thresholds[0]}
    assert cost["validation"]["chosen"] <= cost["validation"]["usual"]
    assert metrics["intervals"]["validation"]["sold"]["coverage"] >= 0.8
    assert (sales / "plots" / "reliability.png").stat().st_size > 5000
    assert json.loads((sales / "run.json").read_text())["saved_model"]["verified"]


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


def test_each_of_several_outputs_has_what_fits_it(mlpcli: Cli, tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(_sales(), encoding="utf-8")
    (tmp_path / "pair.yaml").write_text(PAIR, encoding="utf-8")
    trained = mlpcli("train", tmp_path / "pair.yaml", "--runs-dir", tmp_path / "runs")
    assert trained.status == 0, trained.err  # the SavedModel's bounds and sets are those of the network
    assert "threshold    sold: yes from" in trained.out
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


def test_a_run_without_the_section_is_as_before(tiny_run: Path) -> None:
    run = next((tiny_run / "tiny").iterdir())
    document = json.loads((run / "run.json").read_text())["data"]["contract"]
    assert "fitted" not in document["outputs"][0]
    assert "predict" not in (run / "resolved.yaml").read_text()
    assert "calibration" not in json.loads((run / "metrics.json").read_text())


# ---------------------------------------------------------------- fitting, on arrays


def _spec(loss: ComponentSpec, predict: PredictSpec) -> Spec:
    return Spec.model_validate(
        {"name": "made", "dataset": {"name": "iris"}, "layers": ["Flatten"], "loss": "mse"}
    ).model_copy(update={"loss": loss, "predict": predict})


def _fit(
    output: Output,
    y: Array,
    values: Array,
    predict: PredictSpec,
    *,
    loss: str = "mse",
    weights: Array | None = None,
) -> Fitted:
    from mlpcli.model.fit_outputs import fit_outputs, known_rows

    contract = Contract("array", (), (2,), "float32", (output,), numbers="float64")
    rows = known_rows(contract, y, values, weights)
    fitted, _ = fit_outputs(_spec(ComponentSpec(class_name=loss), predict), contract, rows)
    assert fitted.output.fitted is not None
    assert read_contract(json.loads(json.dumps(fitted.to_json()))) == fitted
    return fitted.output.fitted


def test_each_target_and_each_step_has_a_bound_of_its_own() -> None:
    random = np.random.default_rng(0)
    y = np.zeros((40, 3, 2))
    values = random.normal(size=y.shape) * np.array([[1, 10], [2, 20], [3, 30]])
    found = _fit(Output(("a", "b"), steps=(3,)), y, values, PredictSpec(intervals=0.9)).intervals
    assert found is not None
    inside = np.abs(values) <= np.reshape(np.array(found.bounds), (3, 2))
    np.testing.assert_allclose(inside.mean(axis=0), 37 / 40)  # ceil(41 * 0.9) of 40
    assert found.of_step((3,), (1,)).bounds == found.bounds[2:4]


def test_rows_and_steps_of_weight_0_do_not_count() -> None:
    y, values = np.zeros((30, 2, 1)), np.ones((30, 2, 1))
    values[20:, 1] = 99.0
    weights = np.ones((30, 2), np.float32)
    weights[20:, 1] = 0
    found = _fit(Output(("a",), steps=(2,)), y, values, PredictSpec(intervals=0.9), weights=weights)
    assert found.intervals is not None
    np.testing.assert_allclose(found.intervals.bounds, [1, 1], rtol=1e-5)
    assert found.rows == 50


def test_quantiles_are_widened_to_hold_the_truth() -> None:
    y = np.linspace(-10, 10, 99)
    values = np.tile([-1.0, 0.0, 1.0], (99, 1))
    output = Output(("a",), levels=(0.1, 0.5, 0.9))
    found = _fit(output, y, values, PredictSpec(intervals=0.9)).intervals
    assert found is not None
    assert found.score == "quantile"
    assert found.bounds[0] == pytest.approx(np.sort(np.abs(y))[89] - 1, rel=1e-5)


def test_one_hot_rows_and_labels_are_fitted_as_their_classes() -> None:
    random = np.random.default_rng(5)
    odds = random.normal(size=(200, 2))
    likely = np.exp(3 * odds) / np.exp(3 * odds).sum(axis=1, keepdims=True)
    sure = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    truth = (random.random(200) < sure[:, 1]).astype(np.int64)
    predict = PredictSpec(calibrate="temperature", threshold=ThresholdSpec(metric="f1"), intervals=0.8)
    classes = Output(("a",), "classes", ("no", "yes"))
    of_classes = _fit(classes, truth, likely, predict, loss="sparse_categorical_crossentropy")
    of_rows = _fit(
        replace(classes, kind="one_hot"), np.eye(2)[truth], likely, predict, loss="categorical_crossentropy"
    )
    of_unit = _fit(classes, truth, likely[:, 1:], predict, loss="binary_crossentropy")
    assert of_classes == of_rows
    assert of_classes.temperature == pytest.approx(3, rel=0.35)
    assert of_unit.temperature == pytest.approx(of_classes.temperature, rel=1e-4)
    assert of_unit.thresholds == pytest.approx(of_classes.thresholds, rel=1e-4)
    labels = Output(("a",), "labels", ("red", "round"))
    both = np.stack([truth, 1 - truth], axis=1)
    found = _fit(labels, both, likely[:, ::-1], replace_intervals(predict), loss="binary_crossentropy")
    assert len(found.thresholds) == 2


def replace_intervals(predict: PredictSpec) -> PredictSpec:
    """Return the section without intervals, which labels do not have."""
    return predict.model_copy(update={"intervals": None})


def test_a_label_that_no_row_has_keeps_the_usual_threshold() -> None:
    labels = Output(("a",), "labels", ("red", "round"))
    y = np.array([[0, 1], [0, 0], [0, 1]])
    values = np.array([[0.1, 0.4], [0.2, 0.1], [0.3, 0.3]])
    predict = PredictSpec(threshold=ThresholdSpec(metric="f1"))
    found = _fit(labels, y, values, predict, loss="binary_crossentropy")
    assert found.thresholds == pytest.approx((0.5, 0.2))


# ---------------------------------------------------------------- the network, the metrics, the scale


@pytest.mark.parametrize(
    ("units", "activation", "loss"),
    [
        (1, "sigmoid", {"class_name": "binary_crossentropy"}),
        (1, None, {"class_name": "BinaryCrossentropy", "arguments": {"from_logits": True}}),
        (2, "softmax", {"class_name": "sparse_categorical_crossentropy"}),
        (2, None, {"class_name": "SparseCategoricalCrossentropy", "arguments": {"from_logits": True}}),
    ],
)
def test_the_network_gives_what_arrays_give_at_a_temperature(
    units: int, activation: str | None, loss: dict[str, Any]
) -> None:
    import keras

    from mlpcli.model.calibrated_network import with_temperature
    from mlpcli.model.outputs import final_outputs

    output = Output(("a",), "classes", ("no", "yes"))
    contract = Contract("array", (), (2,), "float32", (output,))
    spec = _spec(ComponentSpec(**loss), PredictSpec(calibrate="temperature"))
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(units, activation, name="calibrated")(inputs))
    x = np.random.default_rng(0).normal(0, 4, (50, 2)).astype(np.float32)
    before = np.asarray(final_outputs(spec, contract, model(x)))
    fitted = replace(contract, outputs=(replace(output, fitted=Fitted(temperature=2.5)),))
    after = np.asarray(final_outputs(spec, fitted, with_temperature(model, spec, fitted)(x)))
    form = np.zeros((1, 1) if units == 1 else 1, np.int64)
    np.testing.assert_allclose(after, tempered(form, before, 2.5), rtol=1e-4)
    assert with_temperature(model, spec, contract) is model


def test_metrics_are_of_the_predicted_classes() -> None:
    import keras

    from mlpcli.model.metrics import fit_metrics

    random = np.random.default_rng(2)
    likely = random.random((40, 1)).astype(np.float32)
    truth = random.integers(0, 2, 40)
    chosen = likely[:, 0] >= 0.3
    wanted = {
        "accuracy": (chosen == truth).mean(),
        "precision": (chosen & (truth == 1)).sum() / chosen.sum(),
        "recall": (chosen & (truth == 1)).sum() / (truth == 1).sum(),
    }
    names = {"accuracy": "accuracy", "precision": keras.metrics.Precision(), "recall": keras.metrics.Recall()}
    output = Output(("a",), "classes", ("no", "yes"), fitted=Fitted(thresholds=(0.3,)))
    logits = np.log(likely / (1 - likely))
    two = np.concatenate([1 - likely, likely], axis=1)
    for values, activation in ((likely, ""), (logits, "sigmoid"), (two, ""), (np.log(two), "softmax")):
        for name, made in names.items():
            if values.shape[1] == 2 and name != "accuracy":
                continue
            if activation and name == "accuracy" and values.shape[1] == 1:
                made = keras.metrics.BinaryAccuracy(threshold=0.0)
            elif activation and name != "accuracy":
                made = type(made)(thresholds=0.0)
            component = ComponentSpec(class_name=name)
            (metric,) = fit_metrics(
                [(component, made)], output, (None, values.shape[1])[1:], None, activation=activation
            )
            assert isinstance(metric, keras.metrics.Metric)
            metric.update_state(truth if values.shape[1] == 2 else truth[:, None], values)
            assert float(metric.result()) == pytest.approx(wanted[name]), (name, activation)
    own = keras.metrics.Precision(thresholds=0.7)
    (kept,) = fit_metrics([(ComponentSpec(class_name="Precision"), own)], output, (1,), None)
    assert kept is own


def test_the_plane_is_coloured_by_the_predicted_class() -> None:
    from mlpcli.plots.decision_boundary import draw_decision_boundary, predict_plane

    splits = {"train": (np.array([[0.0, 0.0], [1.0, 1.0]], np.float32), np.array([0, 1]))}

    def likely(points: Array) -> Array:
        return np.full((len(points), 1), 0.4, np.float32)

    drawn = {
        threshold: draw_decision_boundary(
            predict_plane(likely, splits, threshold),
            splits,
            title="",
            features=("a", "b"),
            classes=("no", "yes"),
        )
        for threshold in (None, 0.5, 0.3)
    }
    assert drawn[None] == drawn[0.5] != drawn[0.3]


@pytest.mark.parametrize("tied", [False, True])
def test_the_scale_of_intervals_goes_on_beyond_the_training_rows(tied: bool) -> None:
    random = np.random.default_rng(0)
    rows = np.round(np.exp(random.normal(size=400)), 0 if tied else 6)
    quantiles = Quantiles.of(rows, 400, 0.5 / 400)
    output = Output(("a",), scale=(1.0,), offset=(0.0,), quantiles=(quantiles,))
    own = np.array([rows.min() - 5, rows.min() - 0.1, rows.max() + 0.1, rows.max() + 5])[:, None]
    even = to_even(output, own)
    assert (np.diff(even[:, 0]) > 0).all()
    np.testing.assert_allclose(from_even(output, even), own, rtol=1e-6)
    inside = np.unique(rows)[:, None]
    np.testing.assert_allclose(from_even(output, to_even(output, inside)), inside, atol=1e-6)
    log = Output(("a",), scale=(1.0,), offset=(0.0,), log=(-3.0,))
    np.testing.assert_allclose(from_even(log, to_even(log, own)), own, rtol=1e-9)


def test_the_names_of_a_set_with_a_semicolon_are_a_list_of_json() -> None:
    import tensorflow as tf

    from mlpcli.model.prediction_bounds import sets_of_classes, tensor_of_sets
    from mlpcli.model.prediction_columns import prediction_columns

    loss = ComponentSpec(class_name="sparse_categorical_crossentropy")
    for classes in (("a;1", 'b"', "ç"), ("a", "b", "ç")):
        fitted = Fitted(intervals=Intervals(0.9, "probability", (0.3,)))
        output = Output(("kind",), "classes", classes, fitted=fitted)
        values = np.array([[0.5, 0.4, 0.1], [0.2, 0.2, 0.6], [0.34, 0.33, 0.33]], np.float32)
        texts = list(map(str, prediction_columns(output, values, loss)["kind_set"]))
        split = [json.loads(each) if ";" in classes[0] else each.split(";") for each in texts]
        assert split == [[*classes[:2]], [classes[2]], [*classes]]
        served = tensor_of_sets(output, tf.constant(values), tf.argmax(values, axis=-1))
        assert [each.decode() for each in served.numpy()] == texts
        assert sets_of_classes(output, values, loss).sum() == 6


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


def test_a_script_says_why_it_cannot_be_written(mlpcli: Cli, spec_file: Callable[..., Path]) -> None:
    found = mlpcli("code", spec_file(f"{HEAD}predict: {{intervals: 0.9}}\n"))
    assert found.status == 2
    assert "a script cannot be written for predict:" in found.err


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
