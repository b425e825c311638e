"""Metrics: right or refused for each kind of output, with names, directions and NaN as they should be."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mlpcli.checks.log_names import directions
from mlpcli.checks.tuner_objective import find_objective
from mlpcli.errors import SpecError
from mlpcli.keras_import import import_keras
from mlpcli.spec.component_rules import forbidden
from mlpcli.spec.load import load_spec
from mlpcli.spec.schema import TunerSpec
from tests.model.every_output import OUTPUTS, ROWS, WAVES, alone, prepared, problems, spec_of

if TYPE_CHECKING:
    from mlpcli.training.prepare import Prepared

pytestmark = pytest.mark.usefixtures("beside_table")

NUMBER_METRICS = "LogCoshError MeanAbsoluteError MeanSquaredError R2Score RootMeanSquaredError"
CORRELATIONS = "ConcordanceCorrelation PearsonCorrelation"
COUNTS = "FalseNegatives FalsePositives TrueNegatives TruePositives"
RANKED = "AUC PrecisionAtRecall RecallAtPrecision SensitivityAtSpecificity SpecificityAtSensitivity"
BINARY = f"{COUNTS} {RANKED} BinaryAccuracy BinaryCrossentropy BinaryIoU Hinge Precision Recall SquaredHinge"
LABELS_AS_NUMBERS = f"{NUMBER_METRICS} {CORRELATIONS} MeanSquaredLogarithmicError Poisson"

RIGHT = {
    "sigmoid": f"{BINARY} {LABELS_AS_NUMBERS} F1Score FBetaScore",
    "logit": "Hinge SquaredHinge",
    "softmax": "F1Score FBetaScore SparseCategoricalAccuracy SparseCategoricalCrossentropy",
    "onehot": f"{BINARY} {LABELS_AS_NUMBERS} CosineSimilarity F1Score FBetaScore KLDivergence OneHotIoU "
    "OneHotMeanIoU CategoricalAccuracy CategoricalCrossentropy CategoricalHinge",
    "labels": f"{BINARY} {LABELS_AS_NUMBERS} CosineSimilarity",
    "one": f"{NUMBER_METRICS} {CORRELATIONS} MeanAbsolutePercentageError",
    "three": f"{NUMBER_METRICS} {CORRELATIONS} CosineSimilarity MeanAbsolutePercentageError",
}
"""By output, the metrics of Keras that are right as they are; `check` refuses the others."""

OF_CLASSES = {"num_classes": 3, "target_class_ids": [0]}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "IoU": OF_CLASSES,
    "OneHotIoU": OF_CLASSES,
    "MeanIoU": {"num_classes": 3},
    "OneHotMeanIoU": {"num_classes": 3},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "MeanMetricWrapper": {"fn": "mse"},
}


def written(name: str, **more: object) -> str:
    """A metric as a spec has it."""
    return json.dumps({name: ARGUMENTS.get(name, {}) | more})


@pytest.fixture(scope="module")
def every() -> Prepared:
    """A network with every output, each with the metrics that are right for it."""
    return prepared(spec_of({name: [*map(written, names.split())] for name, names in RIGHT.items()}))


def exported() -> list[str]:
    """The names of Keras's metrics that a spec may have."""
    metrics = import_keras().metrics
    classes = [name for name in dir(metrics) if isinstance(getattr(metrics, name), type)]
    return sorted(name for name in classes if not forbidden("metrics", name))


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_other_metric_of_keras_is_refused_at_its_own_place(output: str) -> None:
    wrong = [name for name in exported() if name not in RIGHT[output].split()]
    text = spec_of({output: [*map(written, wrong)]})
    with pytest.raises(SpecError) as caught:
        prepared(text)
    for place, (name, problem) in enumerate(zip(wrong, caught.value.problems, strict=True)):
        assert problem.path[:3] == ("metrics", output, place)
        line = int(problem.headline().split(":")[1])
        assert name in text.splitlines()[line - 1]  # the line that is named holds the metric


def meaning(output: str, name: str, y: np.ndarray, outputs: Any) -> Any:
    """The value that Keras gives where targets and arguments are as its documentation wants them."""
    keras = import_keras()
    arguments = dict(ARGUMENTS.get(name, {}))
    one = outputs.shape[1] == 1
    if one and name in CORRELATIONS:
        truth, found = y.reshape(-1), np.asarray(outputs).reshape(-1)
        if name == "PearsonCorrelation":
            return np.corrcoef(truth, found)[0, 1]
        gap = (truth.mean() - found.mean()) ** 2
        return 2 * np.cov(truth, found, ddof=0)[0, 1] / (truth.var() + found.var() + gap)
    if name in ("F1Score", "FBetaScore"):
        arguments |= {"threshold": 0.5} if one else {}
        y = np.eye(3)[y] if output == "softmax" else y
    metric = getattr(keras.metrics, name)(**arguments)
    metric.update_state(y.reshape(len(y), -1) if one else y, outputs)
    return np.asarray(metric.result())


def test_names_do_not_depend_on_what_the_process_has_created_before() -> None:
    names = []
    for _ in range(2):
        ready = prepared(
            spec_of({"sigmoid": ["Precision", "FalseNegatives", "Precision"], "onehot": ["Precision"]})
        )
        names.append([name for name in directions(ready.model, validation=False) if "loss" not in name])
    assert names[0] == names[1]
    numbered = ["precision", "false_negatives", "precision_1"]
    assert {*names[0]} == {*(f"sigmoid_{name}" for name in numbered), "onehot_precision_2"}


@pytest.mark.parametrize("output", OUTPUTS)
def test_metrics_have_the_values_that_their_documentation_means(output: str, every: Prepared) -> None:
    train = every.dataset.train
    outputs = every.model(train.x, training=False)
    every.model.reset_metrics()
    results = every.model.compute_metrics(train.x, train.y, outputs)
    keras = import_keras()
    for name in RIGHT[output].split():
        made = getattr(keras.metrics, name)(**ARGUMENTS.get(name, {}))
        own = re.sub(r"_\d+$", "", made.name)  # Keras numbers some of them
        expected = meaning(output, name, train.y[output], outputs[output])
        (values,) = (results[key] for key in results if re.fullmatch(rf"{output}_{own}(_\d+)?", key))
        if isinstance(values, dict):
            ends = {"softmax": ["a_b", "cat", "dog"], "onehot": ["p", "q", "r"]}[output]
            assert list(values) == [f"{output}_{own}_{end}" for end in ends]
            values = [float(value) for value in values.values()]
        np.testing.assert_allclose(values, np.squeeze(expected), rtol=2e-4, atol=1e-6, err_msg=name)


def test_the_f_scores_are_those_of_scikit_learn(every: Prepared) -> None:
    from sklearn.metrics import f1_score

    train = every.dataset.train
    outputs = every.model(train.x, training=False)
    every.model.reset_metrics()
    results = every.model.compute_metrics(train.x, train.y, outputs)
    classes = np.asarray(outputs["softmax"]).argmax(axis=1)
    ours = [float(value) for value in results["softmax_f1_score"].values()]
    np.testing.assert_allclose(ours, f1_score(train.y["softmax"], classes, average=None), atol=1e-6)
    yes = np.asarray(outputs["sigmoid"])[:, 0] > 0.5
    assert float(results["sigmoid_f1_score"]) == pytest.approx(f1_score(train.y["sigmoid"], yes), abs=1e-6)


SMALL_IS_BETTER = ("loss", "error", "hinge", "crossentropy", "divergence", "poisson", "false_", "logcosh")


def test_every_value_can_be_monitored_in_its_direction(every: Prepared, tmp_path: Path) -> None:
    from mlpcli.training.callbacks import best_monitor, make_callbacks

    modes = directions(every.model, validation=True)
    assert len(modes) > 200
    monitors = []
    for name, mode in modes.items():
        assert mode == ("min" if any(word in name for word in SMALL_IS_BETTER) else "max"), name
        assert find_objective(TunerSpec(objective=name), modes).direction == mode
        monitors += [f"  - EarlyStopping: {{monitor: {name}}}", f"  - ReduceLROnPlateau: {{monitor: {name}}}"]
    listed = "callbacks:\n" + "\n".join(monitors) + "\n"
    Path("s.yaml").write_text(
        spec_of({name: [*map(written, names.split())] for name, names in RIGHT.items()}, listed)
    )
    spec = load_spec(Path("s.yaml")).spec
    keras = import_keras()
    callbacks = make_callbacks(spec, tmp_path, modes=modes)[:-1]  # without TensorBoard
    assert len(callbacks) == 2 * len(modes)
    events = keras.callbacks.CallbackList(callbacks, model=every.model)
    events.on_train_begin()
    for epoch, value in enumerate((2.0, 1.0)):
        events.on_epoch_end(epoch, dict.fromkeys(modes, value))
    for callback in callbacks:
        assert callback.best == (1.0 if modes[callback.monitor] == "min" else 2.0), callback.monitor
    assert best_monitor(spec, modes, validation=True)[1] is (next(iter(modes.values())) == "max")


@pytest.mark.parametrize(
    ("output", "metric", "told"),
    [
        ("one", "{R2Score: {num_regressors: 3}}", "2:38 metrics[0].R2Score.num_regressors: Keras"),
        ("onehot", "{OneHotMeanIoU: {num_classes: 2}}", "2:41 metrics[0].OneHotMeanIoU.num_classes: the target"),
        ("onehot", "{Precision: {class_id: 3}}", "2:34 metrics[0].Precision.class_id: the"),
        ("onehot", "{Recall: {top_k: 3}}", "2:28 metrics[0].Recall.top_k: all units are"),
        ("sigmoid", "{Recall: {thresholds: []}}", "2:33 metrics[0].Recall.thresholds: needs a threshold"),
        ("sigmoid", "{Precision: {top_k: 1}}", "2:31 metrics[0].Precision.top_k: all units are among the 1"),
        ("labels", "F1Score", "2:11 metrics[0]: a row may have several labels"),
        ("softmax", "{OneHotIoU: {num_classes: 3, target_class_ids: [1]}}", "2:11 metrics[0]: the labels are class"),
        ("onehot", "{MeanIoU: {num_classes: 3}}", "2:11 metrics[0]: the labels are one-hot vectors"),
        ("softmax", "{IoU: {num_classes: 5, sparse_y_pred: false, target_class_ids: [4]}}", "2:74 metrics[0].IoU."),
    ],
)  # fmt: skip
def test_arguments_that_are_never_right_are_refused_at_their_place(
    output: str, metric: str, told: str
) -> None:
    (headline,) = problems(alone(output, f"[{metric}]"))
    assert headline.startswith(f"s.yaml:{told}"), headline


def test_intersection_over_union_as_the_hints_write_it() -> None:
    ready = prepared(alone("softmax", "[{MeanIoU: {num_classes: 3, sparse_y_pred: false}}]"))
    train = ready.dataset.train
    outputs = ready.model(train.x, training=False)
    ready.model.reset_metrics()
    found = float(ready.model.compute_metrics(train.x, train.y, outputs)["mean_io_u"])
    classes = np.asarray(outputs).argmax(axis=1)
    shares = [
        ((train.y == each) & (classes == each)).sum() / max(1, ((train.y == each) | (classes == each)).sum())
        for each in range(3)
    ]
    assert found == pytest.approx(np.mean(shares), abs=1e-5)


def test_the_metric_at_fault_is_blamed_and_not_the_first() -> None:
    metrics = "[accuracy, F1Score, {AUC: {multi_label: true, num_labels: 5}}]"
    (headline,) = problems(alone("onehot", metrics))
    assert headline.startswith("s.yaml:2:68 metrics[2].AUC.num_labels: must be the number of the"), headline


def test_names_end_with_letters_digits_dots_and_dashes_and_equal_ones_are_numbered() -> None:
    from mlpcli.model.metric_wrappers import label_names

    found = label_names(["a b", "a/b", "a_b_1", "3-4.5", "é", "", "", 0.3])
    assert found == ["a_b", "a_b_2", "a_b_1", "3-4.5", "é", "", "_1", "0.3"]


def test_a_correlation_over_rows_keeps_the_digits_of_large_values() -> None:
    from mlpcli.model.correlations import RowCorrelation

    x, y = 1e5 + WAVES[0], 1e5 + 0.5 * WAVES[0] + WAVES[1]
    weights = np.arange(ROWS) % 3
    metric = RowCorrelation("pearson", 1)
    for rows in (slice(0, 7), slice(7, 7), slice(7, 50), slice(50, ROWS)):
        metric.update_state(x[rows], y[rows, None], weights[rows])
    assert float(metric.result()) == pytest.approx(
        np.corrcoef(np.repeat(x, weights), np.repeat(y, weights))[0, 1], abs=1e-2
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("val_mean_absolute_error", "val_mae"),
        ("val_rmse", "val_root_mean_squared_error"),
        ("val_r2", "val_r2_score"),
        ("val_los", "val_loss"),
        ("gini", ""),
    ],
)
def test_the_value_that_is_meant_by_another_name_of_its_metric_is_said(name: str, meant: str) -> None:
    known = ["loss", "mae", "root_mean_squared_error", "r2_score", "f1_score_cat"]
    modes = {**dict.fromkeys(known, "min"), **{f"val_{each}": "min" for each in known}}
    with pytest.raises(SpecError) as caught:
        find_objective(TunerSpec(objective=name), modes)  # type: ignore[arg-type]
    (problem,) = caught.value.problems
    assert problem.advice().startswith(f"did you mean {meant!r}? available" if meant else "available")


def test_the_learning_rate_of_optimizers_in_optimizers_is_that_of_the_default() -> None:
    from mlpcli.training.divergence import learning_rate

    kinds = import_keras().optimizers
    inner = kinds.MultiOptimizer(kinds.OptimizerMap(kinds.SGD(0.25), {"dense/.*": kinds.Adam(0.5)}))
    for optimizer in (inner, kinds.LossScaleOptimizer(inner), kinds.LossScaleOptimizer(kinds.SGD(0.25))):
        model = import_keras().Sequential()
        model.compile(optimizer=optimizer)
        assert learning_rate(model) == 0.25


def test_a_scaled_target_beside_classes_is_scaled_alone() -> None:
    text = (
        "dataset: {path: t.csv, features: [a, b], target: {n: x, c: kind}, target_scaling: minmax}\n"
        "layers:\n  - {Dense: {units: 1}, name: n, from: input}\n"
        "  - {Dense: {units: 3, activation: softmax}, name: c, from: input}\n"
    )
    ready = prepared(text)  # the losses, too, are chosen by the targets
    numbers, classes = ready.dataset.contract.outputs
    train = ready.dataset.train.y
    assert isinstance(train, dict)
    assert (train["n"].min(), train["n"].max(), numbers.scale is None) == (0, 1, False)
    assert (classes.kind, classes.scale, train["c"].dtype.kind) == ("classes", None, "i")
    (headline,) = problems(alone("softmax", "[]", dataset=", target_scaling: minmax"))
    assert "dataset.target_scaling: is for a target of numbers, this one holds classes" in headline
