"""Metrics: right or refused for each kind of output, with names, directions and NaN as they should be."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mlpcli.checks.log_names import directions
from mlpcli.checks.tuner_objective import find_objective
from mlpcli.errors import SpecError
from mlpcli.keras_import import import_keras
from mlpcli.runs.folder import open_run
from mlpcli.runs.results import Outcome
from mlpcli.spec.component_rules import forbidden
from mlpcli.spec.load import load_spec
from mlpcli.spec.schema import TunerSpec
from tests.conftest import Result
from tests.training.test_resume import Quiet

if TYPE_CHECKING:
    from mlpcli.training.prepare import Prepared

ROWS = 60
WAVES = np.sin(np.arange(1, 7 * ROWS + 1).reshape(7, ROWS) ** 1.5)
NUMBERS = {
    "a": WAVES[0],
    "b": WAVES[1],
    "x": WAVES[0] + WAVES[1],
    "y": 3 * WAVES[2] - WAVES[0],
    "z": WAVES[3],
}
KINDS = (np.arange(ROWS) * 7 % 5) % 3
TABLE: dict[str, Any] = NUMBERS | {
    "two": np.where(WAVES[0] + WAVES[4] > 0, "on", "off"),
    "kind": np.array(["cat", "dog", "a b"])[KINDS],
    **{name: np.where(place == KINDS, 1, 0) for place, name in enumerate("pqr")},
    "l1": np.where(WAVES[0] > 0, 1, 0),
    "l2": np.where(WAVES[1] + WAVES[5] > 0, 1, 0),
}

OUTPUTS = {
    "sigmoid": ("two", "{units: 1, activation: sigmoid}", "binary_crossentropy"),
    "logit": ("two", "{units: 1}", "{BinaryCrossentropy: {from_logits: true}}"),
    "softmax": ("kind", "{units: 3, activation: softmax}", "sparse_categorical_crossentropy"),
    "onehot": ("[p, q, r]", "{units: 3, activation: softmax}", "categorical_crossentropy"),
    "labels": ("[l1, l2]", "{units: 2, activation: sigmoid}", "binary_crossentropy"),
    "one": ("x", "{units: 1}", "mse"),
    "three": ("[x, y, z]", "{units: 3}", "mse"),
}

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


def spec_of(metrics: dict[str, list[str]], more: str = "") -> str:
    """A network with an output of each kind, and the metrics of some, one a line."""
    targets = ", ".join(f"{name}: {target}" for name, (target, _, _) in OUTPUTS.items())
    layers = [f"  - {{Dense: {layer}, name: {name}, from: input}}" for name, (_, layer, _) in OUTPUTS.items()]
    losses = ", ".join(f"{name}: {loss}" for name, (_, _, loss) in OUTPUTS.items())
    lines = [f"dataset: {{path: t.csv, features: [a, b], target: {{{targets}}}}}", "layers:", *layers]
    lines += [f"loss: {{{losses}}}", "metrics:"]
    for name in OUTPUTS:
        lines += [f"  {name}:" + (" []" if not metrics.get(name) else "")]
        lines += [f"    - {metric}" for metric in metrics.get(name, ())]
    return "\n".join(lines) + "\n" + more


def alone(output: str, metrics: str, more: str = "", *, dataset: str = "", name: str = "s") -> str:
    """A network with one output."""
    target, layer, loss = OUTPUTS[output]
    return (
        f"name: {name}\nmetrics: {metrics}\n"
        f"dataset: {{path: t.csv, features: [a, b], target: {target}{dataset}}}\n"
        f"layers: [{{Dense: {layer}}}]\nloss: {loss}\n{more}"
    )


@pytest.fixture(scope="module", autouse=True)
def _table(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """All specs of these tests lie beside one table."""
    folder = tmp_path_factory.mktemp("metrics")
    with (folder / "t.csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow(TABLE)
        writer.writerows(zip(*(column.tolist() for column in TABLE.values()), strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


def prepared(text: str) -> Prepared:
    from mlpcli.training.prepare import prepare

    Path("s.yaml").write_text(text)
    return prepare(load_spec(Path("s.yaml")))


def problems(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        prepared(text)
    return [problem.headline() for problem in caught.value.problems]


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
    assert headline.startswith("s.yaml:2:30 metrics[2]: this metric cannot be computed"), headline


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


def trained(ready: Prepared, runs_dir: Path, watcher: Quiet | None = None) -> Outcome:
    """Train in a new run folder, without a SavedModel and figures."""
    from mlpcli import runs
    from mlpcli.training.job import TrainOptions
    from mlpcli.training.session import train_into

    options = TrainOptions(saved_model=False, figures=False, baseline=False)
    with runs.new_run(runs_dir, ready.completed.spec.name) as folder:
        return train_into(ready.job(folder, watcher or Quiet(), options=options))


MONITORED = """\
fit: {{epochs: 4, batch_size: 16, engine: {engine}, checkpoint: {{every: 1}}}}
callbacks:
  - EarlyStopping: {{monitor: {monitor}, patience: 9, restore_best_weights: true}}
  - ReduceLROnPlateau: {{monitor: {monitor}, patience: 1}}
  - ModelCheckpoint: {{monitor: {monitor}, save_best_only: true, filepath: mine.keras}}
"""


@pytest.mark.parametrize("engine", ["compiled", "keras"])
def test_metrics_of_a_scaled_target_train_reload_and_are_monitored(
    engine: str, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    """Name, direction and configuration are those of the metric that is measured in the target's own units."""
    text = alone(
        "three",
        "[mae, {R2Score: {class_aggregation: null}}, PearsonCorrelation]",
        MONITORED.format(engine=engine, monitor="val_r2_score_z"),
        dataset=", target_scaling: standardize",
    )
    from mlpcli.training.run_callback import RunCallback, restore_history
    from mlpcli.training.training_state import read_state

    ready = prepared(text)
    run = trained(ready, tmp_path).run
    history = list(csv.DictReader((run / "history.csv").read_text().splitlines()))
    names = ["mae", "pearson_correlation", "r2_score_x", "r2_score_y", "r2_score_z"]
    assert list(history[0])[2:7] == names
    values = [float(row["val_r2_score_z"]) for row in history]
    assert run.record.best is not None
    assert (run.record.best.monitor, run.record.best.value) == ("val_r2_score_z", max(values))
    measured = json.loads((run / "metrics.json").read_text())["validation"]
    keras = import_keras()
    model = keras.models.load_model(run / "checkpoints/last.keras")
    rows = ready.dataset.validation
    assert rows is not None
    again = model.evaluate(rows.x, rows.y, return_dict=True, verbose=0)
    assert sorted(again) == ["loss", *names]
    if max(values) == values[-1]:
        for name in names:
            assert again[name] == pytest.approx(measured[name], rel=1e-4), name
    state = read_state(run / "checkpoints/state.ckpt")
    before = [{re.sub("mae$", "mean_absolute_error", key): row[key] for key in row} for row in state.history]
    resumed = RunCallback(
        tmp_path, monitor="val_mae", more_is_better=False, on_epoch=print, identity=state.identity
    )
    resumed.set_model(ready.model)
    restore_history(resumed, state.model_copy(update={"history": before}))  # as version 0.1 named it
    assert resumed.history == state.history
    told = json.loads(mlpcli("evaluate", "s", "--split", "validation", "--json", "--runs-dir", tmp_path).out)
    assert told["metrics"] == pytest.approx(measured, rel=1e-4)


TWO_OPTIMIZERS = """\
optimizer:
  MultiOptimizer:
    optimizer_map: {OptimizerMap: {default_optimizer: SGD, optimizer_map: {'dense/.*': Adam}}}
"""

CALLBACKS_AT_WORK = """\
fit: {epochs: 2, batch_size: 16, checkpoint: {every: 1}}
callbacks:
  - ModelCheckpoint: {filepath: 'kept/{epoch}-{val_precision_0.3:.1f}.keras'}
  - TensorBoard: {write_steps_per_second: true, update_freq: 2, histogram_freq: 1, write_images: true}
  - LearningRateScheduler: {schedule: {InverseTimeDecay: {initial_learning_rate: 0.1, decay_steps: 1, decay_rate: 1}}}
"""


def test_callbacks_that_check_accepts_train(tmp_path: Path) -> None:
    """A threshold in a file's name; a schedule by epoch; everything that TensorBoard can log."""
    metrics = "[{Precision: {thresholds: [0.3, 0.7]}}]"
    ready = prepared(alone("sigmoid", metrics, CALLBACKS_AT_WORK))
    folder = trained(ready, tmp_path).run.folder
    history = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    values = [float(row["val_precision_0.3"]) for row in history]
    kept = {f"{epoch}-{value:.1f}.keras" for epoch, value in enumerate(values, 1)}
    assert {file.name for file in (folder / "kept").iterdir()} == kept
    assert [float(row["learning_rate"]) for row in history] == pytest.approx([0.1, 0.05])


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


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            "callbacks: [{ModelCheckpoint: {filepath: a.keras, save_freq: 2, save_best_only: true}}]\n",
            "ModelCheckpoint: no epoch has ended when save_freq counts batches: there is no such number yet",
        ),
        (
            "callbacks: [{ModelCheckpoint: {filepath: '{val_mae.real}.keras'}}]\n",
            "ModelCheckpoint.filepath: no number is called 'val_mae.real' when this file is written",
        ),
        (
            f"callbacks: [ReduceLROnPlateau]\n{TWO_OPTIMIZERS}",
            "ReduceLROnPlateau: cannot lower the learning rate of a MultiOptimizer, which has several",
        ),
    ],
)
def test_callbacks_that_could_not_work_are_refused(more: str, told: str) -> None:
    (headline,) = problems(alone("one", "[mae]", more))
    assert f"callbacks[0].{told}" in headline


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


def test_nan_of_a_metric_is_shown_and_never_the_best(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    """And a run that is resumed after it ends as the one left alone."""
    from mlpcli.training.job import TrainOptions
    from mlpcli.training.resume import resume_run

    metrics = "[PearsonCorrelation, {F1Score: {threshold: 0.5}}]"
    monitors = MONITORED.format(engine="auto", monitor="val_pearson_correlation")
    ready = prepared(alone("labels", metrics, monitors, name="all"))
    outcome = trained(ready, tmp_path / "runs", Quiet(tmp_path / "killed"))
    folder = outcome.run.folder
    history = (folder / "history.csv").read_text()
    assert [row["val_pearson_correlation"] for row in csv.DictReader(history.splitlines())] == ["nan"] * 4
    assert outcome.best is None
    assert not (folder / "mine.keras").exists()  # no epoch was better than another
    assert json.loads((folder / "metrics.json").read_text())["test"]["pearson_correlation"] is None
    told = mlpcli("evaluate", "all", "--json", "--runs-dir", tmp_path / "runs")
    assert json.loads(told.out)["metrics"]["pearson_correlation"] is None
    shown = mlpcli("evaluate", "all", "--runs-dir", tmp_path / "runs").out
    assert re.search(r"pearson_correlation +nan *\n", shown)
    killed = open_run(sorted((tmp_path / "killed/all").iterdir())[1])
    resume_run(killed, watcher=Quiet(), options=TrainOptions(saved_model=False, figures=False))
    assert (killed / "history.csv").read_text() == history
    assert "f1_score_l1,f1_score_l2" in history


def test_a_plug_in_s_metric_may_have_many_values_but_needs_a_direction() -> None:
    Path("own.py").write_text(
        "import keras\n"
        "class Spread(keras.metrics.Metric):\n"
        "    def __init__(self, name='spread', **more):\n"
        "        super().__init__(name=name, **more)\n"
        "        self.sums = self.add_variable((2, 3), 'zeros', name='sums')\n"
        "    def update_state(self, y_true, y_pred, sample_weight=None):\n"
        "        self.sums.assign(self.sums + keras.ops.sum(y_pred, axis=0))\n"
        "    def result(self):\n"
        "        return self.sums * 1.0\n"
        "def eager(y_true, y_pred):\n"
        "    return abs(y_pred.numpy()).sum(axis=1)\n"
    )
    plugin = "plugins: [own.py]\n"
    ready = prepared(plugin + alone("softmax", "[Spread]"))
    assert [*directions(ready.model, validation=False)][1:4] == [
        "spread_0_a_b",
        "spread_0_cat",
        "spread_0_dog",
    ]
    stop = "callbacks: [{EarlyStopping: {monitor: val_spread_1_cat}}]\n"
    (headline,) = problems(plugin + alone("softmax", "[Spread]", stop))
    rule = "callbacks[0].EarlyStopping.monitor: nothing says whether this value is better small or large"
    assert f"{rule}, received 'val_spread_1_cat'; write mode: min, or mode: max" in headline
    prepared(plugin + alone("softmax", "[Spread]", stop.replace("}}", ", mode: max}}")))
    (headline,) = problems(plugin + alone("softmax", "[accuracy, eager]"))
    assert headline.startswith("s.yaml:3:21 metrics[1]: this metric works only outside TensorFlow's graphs")


def weighted(class_weight: str, output: str = "") -> Any:
    from mlpcli.training.find_data import load_data

    more = f"fit: {{class_weight: {class_weight}}}\n"
    text = alone(output, "[]", more) if output else spec_of({}, more)
    Path("s.yaml").write_text(text)
    return load_data(load_spec(Path("s.yaml"))).train


def test_classes_of_several_outputs_weigh_as_those_of_one() -> None:
    for given in ("{softmax: balanced, onehot: {q: 3}}", "balanced"):
        train = weighted(given)
        counts = np.bincount(train.y["softmax"])
        expected = (len(train) / (3 * counts))[train.y["softmax"]]  # as scikit-learn and one output have it
        np.testing.assert_allclose(train.weights["softmax"], expected, rtol=1e-6)
        np.testing.assert_array_equal(np.unique(train.weights["one"]), [1])
    train = weighted("{softmax: balanced, onehot: {q: 3}}")
    np.testing.assert_array_equal(train.weights["onehot"], 1 + 2 * train.y["onehot"][:, 1])
    np.testing.assert_array_equal(np.unique(train.weights["sigmoid"]), [1])
    train = weighted("balanced", "softmax")
    expected = (len(train) / (3 * np.bincount(train.y)))[train.y]
    np.testing.assert_allclose(train.weights, expected, rtol=1e-6)
    train = weighted("{cat: 2}")  # classes, of whichever output has them: as before
    np.testing.assert_array_equal(np.unique(train.weights["softmax"]), [1, 2])


def test_weights_by_output_are_read_back() -> None:
    from mlpcli.spec.resolve import resolve_spec

    given = {"softmax": "balanced", "onehot": {"q": 3.0}}
    ready = prepared(spec_of({}, "fit: {class_weight: {softmax: balanced, onehot: {q: 3}}}\n"))
    resolved = resolve_spec(ready.completed, ready.dataset.split_amounts, ready.dataset.features)
    Path("resolved.yaml").write_text(resolved)
    assert load_spec(Path("resolved.yaml")).spec.fit.class_weight == given


@pytest.mark.parametrize(
    ("output", "given", "told"),
    [
        ("", "{softmax: 2}", "softmax: must be 'balanced', or a mapping of class names to numbers, received 2.0"),
        ("", "{softmx: balanced}", "softmx: there is no such output, received 'softmx'; did you mean 'softmax'?"),
        ("", "{one: balanced}", "one: is for a target of classes, that of this output holds none"),
        ("", "{softmax: {catt: 2}}", "softmax.catt: there is no such class, received 'catt'; did you mean 'cat'?"),
        ("", "{softmax: balancd}", "softmax: must be 'balanced', or a mapping of class names to numbers"),
        ("softmax", "{which: balanced}", "which: must be a number, received 'balanced'; with one output, the keys"),
        ("softmax", "{cat: {dog: 2}}", "cat: must be a number"),
    ],
)  # fmt: skip
def test_weights_of_classes_that_do_not_fit_are_told(output: str, given: str, told: str) -> None:
    with pytest.raises(SpecError) as caught:
        weighted(given, output)
    (problem,) = caught.value.problems
    assert f"fit.class_weight.{told}" in problem.headline()
