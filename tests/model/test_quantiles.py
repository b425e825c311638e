"""Outputs of quantiles: the pinball loss, quantiles that never cross, the median as the predicted value."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from mlpcli.cli import main
from mlpcli.data.levels import by_target, level_name, median_of, median_place, rising, side_by_side
from mlpcli.runs.folder import Run, find_run
from tests.bare_runs import BARE, train_bare
from tests.conftest import Result

pytestmark = pytest.mark.slow

ROWS = 90
LEVELS = (0.05, 0.5, 0.95)

TABLE = """\
name: prices
dataset:
  path: rows.csv
  target: price
  target_scaling: {method: log, clip: true}
  test: 0.3
layers:
  - Members: {count: 3}
  - Dense: {units: 8, activation: relu}
  - MemberDense: {units: 3}
  - MemberMean
loss: {Quantile: {quantiles: [0.05, 0.5, 0.95]}}
metrics: [mae, RootMeanSquaredError, R2Score]
optimizer: {Adam: {learning_rate: 0.02}}
fit: {epochs: 3, batch_size: 16}
"""


def test_levels_are_named_by_their_decimals_and_the_nearest_to_the_median_stands_for_it() -> None:
    assert [level_name(each) for each in (0.05, 0.5, 0.975, 0.1, 0.025, 0.00001)] == [
        *("q05", "q50", "q975", "q10", "q025", "q00001")
    ]
    assert median_place(LEVELS) == 1
    assert median_place([0.4, 0.6]) == median_place([0.9]) == 0
    assert median_place([0.1, 0.2, 0.45, 0.6]) == 2


def test_values_of_several_targets_keep_their_place() -> None:
    values = np.arange(24.0).reshape(2, 2, 6)  # two rows of two steps, two targets, three levels
    apart = by_target(np, values, 3)
    assert list(apart.shape) == [2, 2, 3, 2]
    np.testing.assert_array_equal(apart[0, 0], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(side_by_side(np, apart), values)
    np.testing.assert_array_equal(median_of(values, LEVELS)[0, 0], [1, 4])
    np.testing.assert_array_equal(rising(np, values[..., ::-1], 3)[0, 0], [3, 4, 5, 0, 1, 2])


def test_the_loss_is_the_pinball_loss_and_is_never_larger_in_order() -> None:
    from mlpcli.keras_import import keras
    from mlpcli.model.custom_objects import Quantile
    from mlpcli.model.quantile_outputs import RisingQuantiles

    numbers = np.random.default_rng(0)
    y, found = numbers.normal(size=(40, 2)), numbers.normal(size=(40, 6))
    each = np.zeros((40, 2, 3))
    for target in range(2):
        for place, level in enumerate(LEVELS):
            over = y[:, target] - found[:, 3 * target + place]
            each[:, target, place] = np.where(over >= 0, level * over, (level - 1) * over)
    loss = Quantile(LEVELS, reduction="none")
    assert np.asarray(loss(y, found)) == pytest.approx(each.mean(axis=(1, 2)), rel=1e-5)
    weights = numbers.uniform(size=40)
    own = float(Quantile(LEVELS)(y, found, weights))
    assert own == pytest.approx((each.mean(axis=(1, 2)) * weights).mean(), rel=1e-5)
    one = Quantile([0.5])(y[:, 0], found[:, :1])  # rows of one number
    assert float(one) == pytest.approx(np.abs(y[:, 0] - found[:, 0]).mean() / 2, rel=1e-5)

    ordered = np.asarray(RisingQuantiles(3)(found.astype("float32")))
    assert (np.diff(ordered.reshape(40, 2, 3)) >= 0).all()
    np.testing.assert_array_equal(np.sort(ordered), np.sort(found.astype("float32")))
    assert (np.asarray(loss(y, ordered)) <= np.asarray(loss(y, found)) + 1e-6).all()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert again.quantiles == list(LEVELS)


@dataclass(frozen=True)
class Trained:
    """A trained run, its table, and what `predict` wrote for it."""

    runs_dir: Path
    run: Run
    rows: list[dict[str, str]]
    predicted: list[dict[str, str]]

    def numbers(self, column: str) -> np.ndarray:
        """Return a column of the predictions."""
        return np.array([float(row[column]) for row in self.predicted])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("prices")
    numbers = np.random.default_rng(3)
    size = numbers.uniform(1, 9, ROWS)
    price = np.exp(size / 3 + numbers.normal(0, 0.3, ROWS))
    kind = np.array(["flat", "house", ""])[numbers.integers(0, 3, ROWS)]
    lines = [f"{s:.3f},{k},{p:.4f}" for s, k, p in zip(size, kind, price, strict=True)]
    (folder / "rows.csv").write_text("\n".join(["size,kind,price", *lines]) + "\n", encoding="utf-8")
    (folder / "spec.yaml").write_text(TABLE, encoding="utf-8")
    runs_dir = folder / "runs"
    train_bare(folder / "spec.yaml", runs_dir, options=replace(BARE, saved_model=True, baseline=True))
    out, runs = folder / "out.csv", ["--runs-dir", str(runs_dir)]
    assert main(["predict", "prices", str(folder / "rows.csv"), "-o", str(out), *runs]) == 0
    read = [list(csv.DictReader(file.read_text().splitlines())) for file in (folder / "rows.csv", out)]
    return Trained(runs_dir, find_run("prices", runs_dir), *read)


def test_a_run_predicts_quantiles_in_order_and_the_median(trained: Trained) -> None:
    columns = ["predicted_price", "price_q05", "price_q50", "price_q95"]
    assert list(trained.predicted[0]) == columns
    low, middle, high = (trained.numbers(name) for name in columns[1:])
    assert (low <= middle).all()
    assert (middle <= high).all()
    assert (low < high).any()
    np.testing.assert_array_equal(middle, trained.numbers("predicted_price"))
    assert json.loads((trained.run / "run.json").read_text())["saved_model"]["verified"]


def test_evaluate_measures_the_median_and_the_rows_below_each_quantile(
    trained: Trained, mlpcli: Callable[..., Result]
) -> None:
    data = trained.runs_dir.parent / "rows.csv"
    told = mlpcli("evaluate", "prices", "--data", data, "--json", "--runs-dir", trained.runs_dir)
    document = json.loads(told.out)
    truth = np.array([float(row["price"]) for row in trained.rows])
    median = trained.numbers("predicted_price")
    assert document["metrics"]["mae"] == pytest.approx(np.abs(truth - median).mean(), rel=1e-4)
    rmse = np.sqrt(((truth - median) ** 2).mean())
    assert document["metrics"]["root_mean_squared_error"] == pytest.approx(rmse, rel=1e-4)
    r2 = 1 - ((truth - median) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
    assert document["metrics"]["r2_score"] == pytest.approx(r2, rel=1e-3)
    scores = document["quantiles"]["price"]
    low, high = trained.numbers("price_q05"), trained.numbers("price_q95")
    assert scores["rows_below"]["0.05"] == pytest.approx((truth <= low).mean())
    assert scores["rows_below"]["0.95"] == pytest.approx((truth <= high).mean())
    assert scores["within"] == pytest.approx(((low <= truth) & (truth <= high)).mean())
    assert scores["expected_within"] == 0.9
    options = ("--no-figures", "--runs-dir", trained.runs_dir)
    shown = mlpcli("evaluate", "prices", "--data", data, *options).out
    assert "price: quantile" in shown
    assert f"{scores['within']:.1%} of the rows, 90.0% expected" in shown
    worst = list(csv.DictReader(next(trained.run.folder.rglob("worst_rows.csv")).read_text().splitlines()))
    errors = np.sort(np.abs([float(row["error"]) for row in worst]))
    np.testing.assert_allclose(errors, np.sort(np.abs(truth - median)), rtol=1e-4, atol=1e-5)
    baseline = json.loads((trained.run / "metrics.json").read_text())["baseline"]
    test = json.loads((trained.run / "metrics.json").read_text())["test"]
    assert baseline["network"] == pytest.approx(test["root_mean_squared_error"], rel=1e-4)


def test_model_keras_and_the_saved_model_have_the_same_quantiles(trained: Trained) -> None:
    import keras
    import tensorflow as tf

    import mlpcli.model.custom_objects  # noqa: F401

    columns = {
        "size": np.array([float(row["size"]) for row in trained.rows]),
        "kind": np.array([row["kind"] for row in trained.rows], dtype=object),
    }
    tensors = {name: tf.constant(values) for name, values in columns.items()}
    written = np.stack([trained.numbers(f"price_{level_name(each)}") for each in LEVELS], axis=1)
    archive = tf.saved_model.load(str(trained.run / "saved_model"))
    served = archive.serve(tensors)
    found = served["quantiles"].numpy()
    assert (np.diff(found) >= 0).all()
    np.testing.assert_allclose(found, written, rtol=1e-4)
    np.testing.assert_array_equal(served["value"].numpy()[:, 0], found[:, 1])
    whole = keras.saving.load_model(trained.run / "model.keras", compile=False)
    loaded = np.asarray(whole(tensors))
    assert (np.diff(loaded) >= 0).all()
    np.testing.assert_allclose(loaded, written, rtol=1e-4)


SEVERAL = """\
name: several
dataset: {path: rows.npz, target: {near: [target_0, target_1], far: target_2}, test: null}
layers:
  - {Dense: {units: 6, activation: relu}, name: hidden}
  - {Dense: {units: 4}, name: near, from: hidden}
  - {Dense: {units: 1}, name: far, from: hidden}
loss: {near: {Quantile: {quantiles: [0.2, 0.7]}}, far: mse}
metrics: {near: [mae], far: [mae]}
callbacks:
  - EarlyStopping: {monitor: val_near_loss, patience: 5}
fit: {epochs: 1, batch_size: 16, engine: keras}
"""


def test_one_of_several_outputs_may_have_quantiles_of_several_targets(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    numbers = np.random.default_rng(5)
    x = numbers.normal(size=(60, 3)).astype("float32")
    np.savez(tmp_path / "rows.npz", x=x, y=x + numbers.normal(size=(60, 3)))
    (tmp_path / "spec.yaml").write_text(SEVERAL, encoding="utf-8")
    runs = ("--runs-dir", tmp_path / "runs")
    train_bare(tmp_path / "spec.yaml", tmp_path / "runs")
    told = mlpcli("predict", "several", tmp_path / "rows.npz", *runs)
    near = [f"near_target_{place}" for place in range(2)]
    columns = [
        f"{pre}{name}{post}"
        for name in near
        for pre, post in (("predicted_", ""), ("", "_q20"), ("", "_q70"))
    ]
    rows = list(csv.DictReader(told.out.splitlines()))
    assert list(rows[0]) == [*columns, "predicted_far"]
    assert all(float(row[f"{name}_q20"]) <= float(row[f"{name}_q70"]) for row in rows for name in near)
    assert all(row[f"predicted_{name}"] == row[f"{name}_q70"] for row in rows for name in near)
    options = ("--split", "train", "--json", "--no-figures", *runs)
    document = json.loads(mlpcli("evaluate", "several", *options).out)
    assert list(document["quantiles"]) == near
    assert {"near_loss", "far_loss", "near_mae", "far_mae"} <= set(document["metrics"])


HEAD = "dataset: {name: diabetes}\n"
WRONG = {
    "units": (
        HEAD + "layers: [Dense: {units: 2}]\nloss: {Quantile: {quantiles: [0.05, 0.5, 0.95]}}\n",
        (
            "spec.yaml:2:25 layers[0].Dense.units: the output must have 3 units, one for each quantile "
            "(0.05, 0.5, 0.95), received 2"
        ),
    ),
    "not rising": (
        HEAD + "layers: [Dense: {units: 2}]\nloss: {Quantile: {quantiles: [0.5, 0.05]}}\n",
        "loss.Quantile.quantiles: must be a list of rising numbers between 0 and 1, such as",
    ),
    "percent": (
        HEAD + "layers: [Dense: {units: 2}]\nloss: {Quantile: {quantiles: [5, 95]}}\n",
        "loss.Quantile.quantiles: must be a list of rising numbers between 0 and 1, such as",
    ),
    "none": (
        HEAD + "layers: [Dense: {units: 3}]\nloss: Quantile\n",
        "Quantile needs the argument 'quantiles'",
    ),
    "short": (HEAD + "layers: [Dense: {units: 3}]\nloss: quantile\n", "unknown loss, received 'quantile'"),
    "classes": (
        (
            "dataset: {name: iris}\nlayers: [Dense: {units: 2}]\nloss: {Quantile: {quantiles: [0.1, 0.9]}}\n"
            "metrics: [accuracy]\n"
        ),
        "this metric counts classes, the target is numbers",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_quantiles_is_an_error(
    name: str, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    text, told = WRONG[name]
    done = mlpcli("check", spec_file(text))
    assert done.status == 2
    assert told in done.err.replace("\n", " ")
