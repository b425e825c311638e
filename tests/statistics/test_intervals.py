"""Confidence intervals: they cover as often as they say, hold what is shown, and say why one is missing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mlpcli.data.dataset import Split
from mlpcli.keras_import import keras
from mlpcli.report.interval_words import interval_notes, interval_text
from mlpcli.runs.folder import find_run
from mlpcli.runs.record_models import MetricsRecord, read_record
from mlpcli.runs.results import Intervals, intervals_json
from mlpcli.statistics.bootstrap import (
    Method,
    deal,
    draw_counts,
    group_sizes,
    most_failures,
    percentile_interval,
    resample_sums,
    share_outside,
)
from mlpcli.statistics.curves import ratio
from tests.conftest import Result

if TYPE_CHECKING:
    from mlpcli.data.types import Array


def mean(sums: Array) -> Array:
    return ratio(sums[..., 0], sums[..., 1])


def with_ones(values: Array) -> Array:
    return np.stack([values, np.ones(len(values))], axis=1)


# ---------------------------------------------------------------- statistics


@pytest.mark.parametrize(("rows", "groups"), [(1, 5), (5, 5), (7, 5), (23, 5), (4000, 4000)])
def test_every_row_is_dealt_once_and_groups_differ_by_a_row_at_most(rows: int, groups: int) -> None:
    rounds = list(deal(rows, seed=3, groups=groups))
    assert sorted(np.concatenate(rounds).tolist()) == list(range(rows))
    sizes = np.zeros(min(rows, groups))
    for each in rounds:
        sizes[: len(each)] += 1
    assert sizes.tolist() == group_sizes(rows, groups).tolist()
    if rows <= groups:
        assert rounds[0].tolist() == list(range(rows))


def test_draws_are_as_many_as_rows_and_the_same_for_the_same_seed() -> None:
    drawn = np.concatenate(list(draw_counts(30, 50, seed=1)))
    assert drawn.shape == (50, 30)
    assert set(drawn.sum(axis=1)) == {30}
    assert (drawn == np.concatenate(list(draw_counts(30, 50, seed=1)))).all()
    assert (drawn != np.concatenate(list(draw_counts(30, 50, seed=2)))).any()


def test_many_draws_come_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpcli.statistics.bootstrap.BLOCK", 100)
    assert [len(each) for each in draw_counts(30, 7, seed=1)] == [3, 3, 1]


@pytest.mark.parametrize("groups", [10_000, 60])
@pytest.mark.parametrize("kind", ["mean", "share", "root"])
def test_intervals_cover_the_truth_about_as_often_as_they_say(kind: str, groups: int) -> None:
    """Of 200 samples of 240 rows about 190 intervals hold the truth; of rows or of groups."""
    random = np.random.default_rng(11)
    truth = {"mean": 1.0, "share": 0.8, "root": math.sqrt(2)}[kind]
    held = 0
    for seed in range(200):
        sample = random.exponential(1, 240)
        values = {"mean": sample, "share": sample < -math.log(0.2), "root": sample**2}[kind]
        order = np.concatenate(list(deal(240, seed, groups)))
        units = np.add.reduceat(
            with_ones(values.astype(float))[order], np.arange(0, 240, 240 // min(240, groups))
        )
        method = Method(seed, resamples=200)
        of_sums: Callable[[Array], Array] = mean if kind != "root" else lambda sums: np.sqrt(mean(sums))
        values = of_sums(resample_sums(units, np.ones(len(units)), method))
        found = percentile_interval(values, len(units), method.level)
        assert found is not None
        held += found[0] <= truth <= found[1]
    assert 180 <= held <= 198  # of a fair interval 190 with a standard deviation of 3


def test_groups_that_differ_by_a_row_do_not_make_a_count_less_certain() -> None:
    values = np.tile([0.0, 1.0], 55)  # 110 rows in 100 groups, of which 10 have two rows
    whole = np.zeros((100, 2))
    for rows in deal(110, 1, 100):
        whole[: len(rows)] += with_ones(values[rows])
    drawn = resample_sums(whole, group_sizes(110, 100), Method(1, 2000))
    assert drawn[:, 1] == pytest.approx(110)
    assert drawn[:, 0].std() == pytest.approx(math.sqrt(110) / 2, rel=0.1)


def test_draws_without_a_value_do_not_count_if_they_are_few() -> None:
    values = np.arange(100.0)
    assert percentile_interval(values, 10**9, 0.9) == pytest.approx((4.95, 94.05), rel=1e-4)
    values[:4] = math.nan
    assert percentile_interval(values, 10**9, 0.9) == pytest.approx((8.75, 94.25), rel=1e-4)
    values[:20] = math.inf
    assert percentile_interval(values, 10**9, 0.9) is None
    assert percentile_interval(np.full(3, math.nan), 10) is None


def test_few_rows_have_wider_intervals_as_student_t_has() -> None:
    assert share_outside(10**9) == pytest.approx(0.025, rel=1e-4)
    # t of 4 degrees is 2.7764, times the root of 5/4: 3.1042 standard deviations
    assert share_outside(5) == pytest.approx(0.000954, rel=1e-3)
    assert share_outside(1) == pytest.approx(0.025)


def test_the_most_failures_are_those_that_would_show_with_probability_of_one_in_forty() -> None:
    most = most_failures(40)
    assert (1 - most) ** 40 == pytest.approx(0.025)
    assert most == pytest.approx(0.088, abs=1e-3)


# ---------------------------------------------------------------- of a model


class Largest(keras.metrics.Metric):  # type: ignore[misc]
    """The largest error: no sum over rows."""

    def __init__(self, name: str = "largest") -> None:
        super().__init__(name=name)
        self.most = self.add_variable((), "zeros", name="most")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Keep the largest error."""
        self.most.assign(keras.ops.maximum(self.most, keras.ops.max(keras.ops.abs(y_true - y_pred[:, 0]))))

    def result(self) -> Any:
        """Return it."""
        return self.most


class Broken(Largest):
    """Works in the graph of an evaluation only."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Refuse arrays."""
        if hasattr(y_pred, "numpy"):
            raise TypeError("no eager tensors")
        super().update_state(y_true, y_pred)


def spread(y_true: Any, y_pred: Any) -> Any:
    """A function of a whole batch."""
    return keras.ops.std(y_true - y_pred[:, 0])


def intervals_of(
    metrics: list[Any], rows: int = 60, *, loss: Any = "mse", y: Array | None = None, **more: Any
) -> tuple[Intervals, dict[str, float]]:
    from mlpcli.training import compiled
    from mlpcli.training.intervals import find_intervals
    from mlpcli.training.row_metrics import measure_rows

    keras.utils.set_random_seed(3)
    random = np.random.default_rng(3)
    x = keras.Input((2,))
    model = keras.Model(x, keras.layers.Dense(1, kernel_regularizer=more.pop("regularizer", None))(x))
    model.compile(loss=loss, metrics=metrics)
    features = random.normal(0, 1, (rows, 2)).astype(np.float32)
    truth = features[:, 0] + random.normal(0, 1, rows).astype(np.float32) if y is None else y
    split = Split(features, truth, np.arange(rows))
    shown = compiled.evaluate(model, compiled.Arrays(features, truth), batch_size=32)
    measured = measure_rows(model, split, batch_size=32)
    return find_intervals(model, measured, shown, seed=5, **more), shown


def test_each_value_lies_in_its_interval_and_regularisation_moves_both_ends() -> None:
    plain, shown = intervals_of(["mae", "RootMeanSquaredError"])
    assert [*plain.bounds] == [*shown]
    assert all(low < shown[name] < high for name, (low, high) in plain.bounds.items())
    assert not plain.left_out
    more, moved = intervals_of(["mae"], regularizer=keras.regularizers.L2(10.0))
    assert moved["loss"] > shown["loss"] + 1
    shift = moved["loss"] - shown["loss"]
    assert more.bounds["loss"] == pytest.approx([each + shift for each in plain.bounds["loss"]], rel=1e-4)
    assert more.bounds["mae"] == plain.bounds["mae"]


@pytest.fixture
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("whole_metrics", "intervals"):
        monkeypatch.setattr(f"mlpcli.training.{module}.RESAMPLES", 40)


@pytest.mark.usefixtures("_few_draws")
def test_what_is_no_sum_over_rows_is_computed_anew_or_left_out_with_the_reason() -> None:
    metrics = [Largest(), keras.metrics.MeanMetricWrapper(spread, name="spread"), Broken("broken")]
    found, shown = intervals_of(metrics, most_work=60 * 40)
    assert found.bounds.keys() == {"loss", "largest", "spread"}
    assert found.bounds["spread"][0] < shown["spread"] < found.bounds["spread"][1]
    assert found.bounds["largest"][1] == pytest.approx(shown["largest"])  # no draw has a larger one
    assert "40 draws" in found.notes["largest"]
    assert "TypeError: no eager tensors" in found.left_out["broken"]
    less, _ = intervals_of([Largest()], most_work=60 * 40 - 1)
    why = "Largest is not known to be made of sums over rows; 60 rows are too many to compute it 40 times"
    assert less.left_out == {"largest": why}


@pytest.mark.usefixtures("_few_draws")
def test_losses_of_whole_batches_are_computed_anew() -> None:
    labels = np.random.default_rng(1).integers(0, 2, (60, 1)).astype(np.float32)
    found, shown = intervals_of([], loss=keras.losses.Dice(), y=labels)
    assert "40 draws" in found.notes["loss"]
    assert found.bounds["loss"][0] < shown["loss"] < found.bounds["loss"][1]


def test_a_share_that_is_the_same_in_all_rows_says_what_new_rows_may_bring() -> None:
    metrics = [keras.metrics.BinaryAccuracy("wrong"), keras.metrics.CategoricalAccuracy("right")]
    found, _ = intervals_of(metrics, y=np.full((40, 1), 7, np.float32), rows=40)
    assert found.bounds["wrong"] == (0.0, 0.0)
    assert found.bounds["right"] == (1.0, 1.0)  # of one unit the largest is always the same
    assert found.notes["wrong"] == "all 40 rows are wrong, of new rows up to 0.088 may still be right"
    assert found.notes["right"] == "all 40 rows are right, of new rows up to 0.088 may still be wrong"


@pytest.mark.parametrize("rows", [1, 2, 9])
def test_few_rows_have_a_warning_and_one_row_has_no_interval(rows: int) -> None:
    found, _ = intervals_of(
        ["mae", keras.metrics.R2Score()], rows=rows, y=np.arange(rows, dtype=np.float32)[:, None]
    )
    if rows == 1:
        assert not found.bounds
        assert "one row" in found.left_out["loss"]
    else:
        assert "too narrow" in found.notes["mae"]
    json.dumps(found.to_json(), allow_nan=False)


def test_a_value_that_is_no_number_has_no_interval() -> None:
    found, _ = intervals_of([keras.metrics.R2Score()], y=np.zeros((60, 1), np.float32) + math.pi)
    assert "r2_score" in found.left_out
    json.dumps(found.to_json(), allow_nan=False)


def _judged(positive: int, rows: int, metrics: list[Any]) -> Intervals:
    """Return the intervals of metrics of rows of which a few are positive, and mostly distinguished."""
    from mlpcli.training import compiled
    from mlpcli.training.intervals import find_intervals
    from mlpcli.training.row_metrics import measure_rows

    y = (np.arange(rows) < positive).astype(np.float32)[:, None]
    scores = np.clip(0.35 * y + np.random.default_rng(2).uniform(0, 0.6, (rows, 1)), 0, 1)
    x = keras.Input((1,))
    model = keras.Model(x, keras.layers.Activation("linear")(x))
    model.compile(loss="binary_crossentropy", metrics=metrics)
    features = scores.astype(np.float32)
    shown = compiled.evaluate(model, compiled.Arrays(features, y), batch_size=rows)
    split = Split(features, y, np.arange(rows))
    return find_intervals(model, measure_rows(model, split, batch_size=rows), shown, seed=5)


NEED_CLASSES = {
    "auc": keras.metrics.AUC,
    "pr": lambda name: keras.metrics.AUC(name=name, curve="PR"),
    "sensitivity": lambda name: keras.metrics.SensitivityAtSpecificity(0.5, name=name),
    "recall": keras.metrics.Recall,
    "f1": lambda name: keras.metrics.F1Score(name=name, threshold=0.5),
}


def test_draws_without_a_row_of_a_class_do_not_count_as_an_area_of_0() -> None:
    found = _judged(1, 50, [make(name=name) for name, make in NEED_CLASSES.items()])
    assert found.bounds.keys() == {"loss"}  # without the one positive row are 36% of the draws
    assert {*found.left_out} == {*NEED_CLASSES}
    assert "without a row of a class" in found.left_out["auc"]
    few = _judged(4, 200, [make(name=name) for name, make in NEED_CLASSES.items()])  # 1.8% of the draws
    assert few.bounds.keys() == {"loss", *NEED_CLASSES}
    assert few.bounds["auc"][0] > 0.5
    assert few.bounds["pr"][0] > 0
    same = _judged(6, 100, [keras.metrics.Recall(name="recall", thresholds=0.1)])
    assert same.bounds["recall"] == (1.0, 1.0)
    assert "the same in every draw" in same.notes["recall"]


def test_a_value_of_few_rows_has_the_interval_of_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an area of 7 positive rows of 100, 95% of the intervals should hold the true one; 87% did."""
    seen: list[int] = []

    def noted(values: Array, rows: int, level: float) -> tuple[float, float] | None:
        seen.append(rows)
        return percentile_interval(values, rows, level)

    monkeypatch.setattr("mlpcli.training.intervals.percentile_interval", noted)
    _judged(7, 100, [keras.metrics.AUC(), keras.metrics.Recall(), keras.metrics.BinaryAccuracy()])
    assert seen == [100, 7, 7, 100]


def test_r2_of_a_draw_of_one_value_does_not_count() -> None:
    y = np.zeros((30, 1), np.float32)
    y[0] = 1.0
    found, _ = intervals_of([keras.metrics.R2Score()], y=y, rows=30)
    assert "r2_score" in found.left_out


def test_a_model_that_measures_itself_has_no_intervals() -> None:
    from mlpcli.training.intervals import find_intervals
    from mlpcli.training.row_metrics import measure_rows

    class Own(keras.Model):  # type: ignore[misc]
        def compute_metrics(self, *arguments: Any, **named: Any) -> Any:
            return super().compute_metrics(*arguments, **named)

    x = keras.Input((2,))
    model = Own(x, keras.layers.Dense(1)(x))
    model.compile(loss="mse")
    split = Split(np.ones((5, 2), np.float32), np.ones(5, np.float32), np.arange(5))
    found = find_intervals(model, measure_rows(model, split, batch_size=5), {"loss": 1.0}, seed=1)
    assert found.left_out == {"loss": "the model's own class computes it, and may compute anything"}


@pytest.mark.parametrize("labels", [False, True])
def test_scores_of_classes_are_drawn_with_all_steps_of_a_row(labels: bool) -> None:
    from mlpcli.inference.class_intervals import class_intervals

    random = np.random.default_rng(4)
    truth = random.integers(0, 2, (50, 3, 4)) if labels else random.integers(0, 3, (50, 3))
    predicted = np.where(random.random(truth.shape) < 0.7, truth, 1)
    found = class_intervals(truth, predicted, 4, seed=6, labels=labels)
    of_first = []
    for counts in np.concatenate(list(draw_counts(50, 1000, seed=6))).astype(int):
        rows = np.repeat(np.arange(50), counts)
        real, given = (
            (each[rows][..., 0] == 1 if labels else each[rows] == 0).reshape(-1)
            for each in (truth, predicted)
        )
        of_first.append(2 * (real & given).sum() / (real.sum() + given.sum()))
    outside = share_outside(50 if labels else int((truth == 0).sum()))  # steps of the class, if fewer
    assert found[0]["f1"] == pytest.approx(np.quantile(of_first, [outside, 1 - outside]))
    assert found[0].keys() == {"precision", "recall", "f1"}
    if not labels:
        assert found[3] == {}  # no row is of this class, none is predicted as it
    assert class_intervals(truth[:1], predicted[:1], 4, seed=6, labels=labels) == [{}] * 4


# ---------------------------------------------------------------- shown and kept

FOUND = Intervals(
    40,
    {"loss": (0.5, 0.75), "accuracy": (1.0, 1.0)},
    {"method": "m", "level": 0.95},
    {"odd": "why", "even": "why"},
    {"accuracy": "all right"},
)


def test_intervals_in_words() -> None:
    assert interval_text(FOUND, "loss") == "0.5000 to 0.7500"
    assert interval_text(FOUND, "odd") == ""
    assert interval_notes(FOUND) == ["accuracy: all right", "odd, even: no interval: why"]


def test_intervals_of_splits_are_two_keys_beside_the_metrics() -> None:
    assert intervals_json({}) == {}
    assert intervals_json({"test": FOUND}) == {
        "confidence_intervals": {"test": {"loss": [0.5, 0.75], "accuracy": [1.0, 1.0]}},
        "confidence_interval_method": {
            "method": "m",
            "level": 0.95,
            "rows": {"test": 40},
            "left_out": {"test": {"odd": "why", "even": "why"}},
            "notes": {"test": {"accuracy": "all right"}},
        },
    }


@pytest.mark.slow
def test_a_run_keeps_the_intervals_that_evaluate_shows(
    tiny_run: Path, mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = find_run("tiny", tiny_run)
    written = json.loads((run.folder / "metrics.json").read_text())
    assert [*written] == [
        "train",
        "validation",
        "test",
        "confidence_intervals",
        "confidence_interval_method",
        "baseline",
    ]
    assert all(type(value) is float for value in written["test"].values())
    kept = written["confidence_intervals"]
    assert {split: [*each] for split, each in kept.items()} == {
        "validation": ["loss", "accuracy"],
        "test": ["loss", "accuracy"],
    }
    method = written["confidence_interval_method"]
    assert method["seed"] == 7
    assert method["resamples"] == 1000
    read = read_record(run.folder / "metrics.json", MetricsRecord)
    assert read.confidence_intervals == kept
    assert [*read.by_split()] == ["train", "validation", "test", "baseline"]
    shown = json.loads(mlpcli("evaluate", "tiny", "--runs-dir", tiny_run, "--json").out)
    for name, ends in shown["confidence_intervals"].items():
        assert ends == pytest.approx(kept["test"][name], rel=1e-4)
    assert shown["confidence_interval_method"]["rows"] == method["rows"]["test"] == shown["rows"]
    lines = mlpcli("evaluate", "tiny", "--runs-dir", tiny_run).out.splitlines()
    low, high = kept["test"]["accuracy"]
    assert lines[1].split() == ["metric", "value", "95%", "interval"]
    assert any(line.startswith("accuracy") and line.endswith(f"{low:.4f} to {high:.4f}") for line in lines)
    first = shown["classes"]["setosa"]
    assert first["confidence_intervals"]["f1"][0] <= first["f1"] <= first["confidence_intervals"]["f1"][1]
    assert any(line.split()[0] == "setosa" and " to " in line for line in lines if line)
    plain = mlpcli("evaluate", "tiny", "--runs-dir", tiny_run, "--no-intervals").out
    assert "interval" not in plain
    assert " to " not in plain
