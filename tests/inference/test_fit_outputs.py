"""What `predict:` fits, on arrays and small networks: bounds, sets, thresholds and a temperature."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpcli.data.contract_form import read_contract
from mlpcli.data.dataset import Contract, Output
from mlpcli.data.fitted_outputs import Fitted, Intervals
from mlpcli.data.interval_curve import from_even, to_even
from mlpcli.data.quantiles import Quantiles
from mlpcli.spec.predictions import PredictSpec, ThresholdSpec
from mlpcli.spec.schema import ComponentSpec, Spec
from mlpcli.statistics.calibration import tempered

Array = NDArray[Any]


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
