"""What each row adds to a metric: the sums give Keras's value, for every metric of Keras's that is a sum."""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mlpcli.data.dataset import Output, Split
from mlpcli.keras_import import keras
from mlpcli.model.correlations import RowCorrelation
from mlpcli.model.metric_wrappers import LabelRows, MetricWrapper, NamedValues, StepRows
from mlpcli.model.metrics import fit_metrics
from mlpcli.model.row_addends import Addends, NotOfRows, addends_of
from mlpcli.model.target_scaling import InOwnUnits
from mlpcli.spec.schema import ComponentSpec
from mlpcli.training import compiled
from mlpcli.training.row_metrics import RowMetric, measure_rows, row_metrics

if TYPE_CHECKING:
    from mlpcli.data.types import Array

BASES = {"Metric", "Mean", "Sum", "MeanMetricWrapper"}
"""Classes that others are made of, which measure nothing by themselves."""

ARGUMENTS: dict[str, list[dict[str, Any]]] = {
    "AUC": [
        {},
        {"curve": "PR"},
        {"curve": "PRGAIN"},
        {"curve": "PR", "summation_method": "minoring"},
        {"summation_method": "majoring", "num_thresholds": 7},
        {"thresholds": [0.2, 0.25, 0.9]},
        {"multi_label": True, "label_weights": [1.0, 2.0, 5.0]},
        {"multi_label": True, "curve": "PR", "num_labels": 3},
        {"label_weights": [1.0, 2.0, 5.0]},
        {"from_logits": True},
    ],
    "Precision": [{}, {"class_id": 1}, {"top_k": 2}, {"thresholds": [0.7, 0.3]}, {"thresholds": [0, 0.5, 1]}],
    "Recall": [{}, {"class_id": 2, "top_k": 1}, {"thresholds": [0.1, 0.2, 0.9]}],
    "F1Score": [{}, {"average": "micro", "threshold": 0.4}, {"average": "macro"}, {"average": "weighted"}],
    "FBetaScore": [{"beta": 0.5, "average": "weighted"}],
    "IoU": [{"num_classes": 3, "target_class_ids": [0, 2], "sparse_y_true": False, "sparse_y_pred": False}],
    "MeanIoU": [{"num_classes": 3, "sparse_y_true": False, "sparse_y_pred": False, "ignore_class": 1}],
    "OneHotIoU": [{"num_classes": 3, "target_class_ids": [1]}],
    "OneHotMeanIoU": [{"num_classes": 3}],
    "BinaryIoU": [{}, {"target_class_ids": [1], "threshold": 0.3}],
    "R2Score": [{}, {"class_aggregation": None}, {"class_aggregation": "variance_weighted_average"}],
    "PrecisionAtRecall": [{"recall": 0.6}],
    "RecallAtPrecision": [{"precision": 0.6}, {"precision": 1.0, "num_thresholds": 5}],
    "SensitivityAtSpecificity": [{"specificity": 0.5}, {"specificity": 0.7, "class_id": 0}],
    "SpecificityAtSensitivity": [{"sensitivity": 0.5, "num_thresholds": 1}],
    "TruePositives": [{}, {"thresholds": [0.2, 0.8]}],
    "BinaryCrossentropy": [{}, {"label_smoothing": 0.1, "from_logits": True}],
    "TopKCategoricalAccuracy": [{"k": 2}],
    "SparseTopKCategoricalAccuracy": [{"k": 2}],
}
SPARSE = ("SparseCategoricalAccuracy", "SparseTopKCategoricalAccuracy", "SparseCategoricalCrossentropy")


def every_metric() -> list[tuple[str, dict[str, Any]]]:
    classes = [name for name, each in vars(keras.metrics).items() if inspect.isclass(each)]
    return [(name, given) for name in sorted({*classes} - BASES) for given in ARGUMENTS.get(name, [{}])]


def added(made: Addends, y: Any, outputs: Any) -> Array:
    """What rows add to a metric, of arrays."""
    return made.of_rows(keras.ops.convert_to_tensor(y), keras.ops.convert_to_tensor(outputs), None)


def rows_of(name: str, seed: int, count: int = 40) -> tuple[Array, Array]:
    """Targets and outputs of a kind that every metric of that name takes: one-hot rows, or indices."""
    random = np.random.default_rng(seed)
    outputs = random.dirichlet(np.ones(3), count).round(2).astype(np.float32)
    classes = random.integers(0, 3, count)
    return (classes, outputs) if name in SPARSE else (np.eye(3, dtype=np.float32)[classes], outputs)


@pytest.mark.parametrize(("name", "given"), every_metric(), ids=str)
def test_sums_over_rows_give_the_value_of_every_metric_of_keras(name: str, given: dict[str, Any]) -> None:
    metric = getattr(keras.metrics, name)(**given)
    made = addends_of(metric)
    whole: Array | None = None
    for seed in (1, 2):  # two batches
        y, outputs = rows_of(name, seed)
        each = added(made, y, outputs)
        assert len(each) == 40
        whole = each.sum(axis=0) if whole is None else whole + each.sum(axis=0)
        metric.update_state(y, outputs)
    assert whole is not None
    expected = np.asarray(keras.ops.convert_to_numpy(metric.result())).reshape(-1)
    assert made.values(whole) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    several = made.values(np.stack([whole, 2 * whole]))  # resamples at once
    assert several.shape == (2, len(expected))
    assert several[0] == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", ["MeanSquaredError", "AUC", "F1Score", "OneHotMeanIoU", "R2Score", "Recall"])
def test_sums_over_a_draw_of_rows_are_the_metric_of_these_rows(name: str) -> None:
    metric = getattr(keras.metrics, name)(**ARGUMENTS.get(name, [{}])[0])
    y, outputs = rows_of(name, 3)
    made = addends_of(metric)
    drawn = np.random.default_rng(4).integers(0, 40, 40)
    counts = np.bincount(drawn, minlength=40)
    found = made.values(counts @ added(made, y, outputs))
    metric.update_state(y[drawn], outputs[drawn])
    expected = np.asarray(keras.ops.convert_to_numpy(metric.result())).reshape(-1)
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("kind", ["pearson", "concordance"])
def test_correlations_over_rows_keep_their_digits_far_from_zero(kind: Any) -> None:
    random = np.random.default_rng(5)
    x = random.normal(1e6, 1, (50, 2))
    y = x + random.normal(0, 0.5, (50, 2))
    metric = RowCorrelation(kind, 2, dtype="float64")
    metric.update_state(x, y)
    made = addends_of(metric)
    found = made.values(added(made, x, y).sum(axis=0))
    assert found == pytest.approx([float(metric.result())], rel=1e-6)


def test_labels_scaled_targets_and_named_values_are_read_as_the_metric_reads_them() -> None:
    random = np.random.default_rng(6)
    classes, outputs = random.integers(0, 3, 30), random.dirichlet(np.ones(3), 30).astype(np.float32)
    f1 = NamedValues(LabelRows(keras.metrics.F1Score(), 3), "f1", ["a", "b", "c"])
    numbers, found = random.normal(0, 1, (2, 30, 1)).astype(np.float32)
    rmse = InOwnUnits(keras.metrics.RootMeanSquaredError(dtype="float64"), [10.0], [5.0])
    for metric, truth, out in ((f1, classes, outputs), (rmse, numbers[:, 0], found)):
        made = addends_of(metric)
        metric.update_state(keras.ops.convert_to_tensor(truth), keras.ops.convert_to_tensor(out))
        expected = [float(each) for each in keras.tree.flatten(metric.result())]
        assert made.values(added(made, truth, out).sum(axis=0)) == pytest.approx(expected, rel=1e-6)


def test_a_wrapper_says_what_it_changes_so_that_rows_can_be_read_through_it() -> None:
    import mlpcli.model.quantile_outputs  # that all of them exist

    assert len(MetricWrapper.__subclasses__()) >= 5, mlpcli.model.quantile_outputs
    assert all("update_state" not in vars(each) for each in MetricWrapper.__subclasses__())


def test_a_metric_that_is_no_sum_over_rows_is_not_taken_for_one() -> None:
    class Largest(keras.metrics.Metric):  # type: ignore[misc]
        pass

    with pytest.raises(NotOfRows, match="Largest is not known"):
        addends_of(Largest(name="largest"))
    one_value = keras.metrics.MeanMetricWrapper(lambda y, p: keras.ops.max(keras.ops.abs(y - p)))
    with pytest.raises(NotOfRows, match="one value for a whole batch"):
        added(addends_of(one_value), np.ones((4, 1)), np.zeros((4, 1)))


def compiled_rows(model: keras.Model, split: Split, batch: int) -> tuple[dict[str, float], list[RowMetric]]:
    data = compiled.Arrays(split.x, split.y, split.weights)
    shown = compiled.evaluate(model, data, batch_size=batch)
    found, reasons = row_metrics(model, measure_rows(model, split, batch_size=batch))
    assert not reasons
    return shown, found


def assert_equal(shown: dict[str, float], found: list[RowMetric], *, constant: float = 0.0) -> None:
    values: dict[str, float] = {}
    for metric in found:
        sums = metric.addends(np.arange(metric.rows)).sum(axis=0)
        grouped = metric.sums(seed=1, groups=7)
        assert len(grouped) == 7
        assert grouped.sum(axis=0) == pytest.approx(sums, rel=1e-5)
        values |= dict(zip(metric.names, metric.values(sums), strict=True))
    values["loss"] += constant
    assert values == pytest.approx(shown, rel=1e-5)


def fitted(names: list[str], output: Output, shape: tuple[int | None, ...]) -> list[object]:
    made = [(ComponentSpec(class_name=name), name) for name in names]
    return fit_metrics(made, output, shape, None)


def test_losses_of_several_outputs_with_weights_and_regularisation() -> None:
    random = np.random.default_rng(7)
    keras.utils.set_random_seed(1)
    x = keras.Input((3,))
    one = keras.layers.Dense(1, name="one", kernel_regularizer=keras.regularizers.L2(0.5))(x)
    two = keras.layers.Dense(3, activation="softmax", name="two")(x)
    model = keras.Model(x, {"one": one, "two": two})
    model.compile(
        loss={"one": keras.losses.Huber(), "two": "sparse_categorical_crossentropy"},
        loss_weights={"one": 0.3, "two": 2.0},
        metrics={"one": ["mae"], "two": [keras.metrics.SparseCategoricalAccuracy("accuracy")]},
    )
    rows = random.normal(0, 1, (50, 3)).astype(np.float32)
    y = {"one": rows[:, 0] * 3, "two": random.integers(0, 3, 50)}
    weights = {"one": random.uniform(0, 2, 50).astype(np.float32), "two": np.ones(50, np.float32)}
    # 50 rows in batches of 16: the last one is short, and counts as much in `one_loss`
    shown, found = compiled_rows(model, Split(rows, y, np.arange(50), weights), 16)
    assert [each.names[0] for each in found] == ["loss", "one_loss", "two_loss", "one_mae", "two_accuracy"]
    assert_equal(shown, found, constant=float(sum(model.losses)))


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
def test_a_loss_of_confident_rows_is_computed_from_the_logits(reduction: str) -> None:
    random = np.random.default_rng(8)
    x = keras.Input((2,))
    layer = keras.layers.Dense(1, activation="sigmoid", kernel_initializer="ones")
    model = keras.Model(x, layer(x))
    model.compile(loss=keras.losses.BinaryCrossentropy(reduction=reduction), metrics=["binary_crossentropy"])
    rows = random.normal(0, 30, (40, 2)).astype(np.float32)  # probabilities of 0 and 1, which a log would cut
    y, weights = random.integers(0, 2, (40, 1)), random.uniform(0.5, 2, 40).astype(np.float32)
    shown, found = compiled_rows(model, Split(rows, y, np.arange(40), weights), 40)
    assert shown["binary_crossentropy"] > 17  # -log(1e-7) at most, from probabilities
    assert_equal(shown, found)


def test_steps_that_a_layer_masks_do_not_count_and_rows_stay_whole() -> None:
    random = np.random.default_rng(9)
    x = keras.Input((4, 2))
    hidden = keras.layers.Masking()(x)
    model = keras.Model(x, keras.layers.Dense(3, activation="softmax")(hidden))
    output = Output(("y",), "classes", ("a", "b", "c"), steps=(4,))
    names = ["accuracy", "SparseCategoricalCrossentropy"]
    model.compile(loss="sparse_categorical_crossentropy", metrics=fitted(names, output, (4, 3)))
    rows = random.normal(0, 1, (30, 4, 2)).astype(np.float32)
    rows[::2, 2:] = 0
    y = random.integers(0, 3, (30, 4, 1))
    shown, found = compiled_rows(model, Split(rows, y, np.arange(30)), 30)
    assert_equal(shown, found)
    accuracy = found[1].addends(np.array([0, 1]))
    assert accuracy[:, 1] == pytest.approx([2, 4])  # the steps of each row that count
    assert isinstance(model.metrics[1].metrics[0], StepRows)


@pytest.fixture(autouse=True)
def _no_warnings_of_keras() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not.*built.*")
        yield
