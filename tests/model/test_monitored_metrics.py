"""Metrics in trainings: monitored in the target's own units, by their threshold, and where they are NaN."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlpcli.checks.log_names import directions
from mlpcli.keras_import import import_keras
from mlpcli.runs.folder import open_run
from mlpcli.runs.results import Outcome
from mlpcli.runs.watcher import Watcher
from tests.bare_runs import BARE, KilledInEpoch2
from tests.conftest import Result
from tests.model.every_output import alone, prepared, problems

if TYPE_CHECKING:
    from mlpcli.training.prepare import Prepared

pytestmark = pytest.mark.usefixtures("beside_table")

TWO_OPTIMIZERS = """\
optimizer:
  MultiOptimizer:
    optimizer_map: {OptimizerMap: {default_optimizer: SGD, optimizer_map: {'dense/.*': Adam}}}
"""


def trained(ready: Prepared, runs_dir: Path, watcher: Watcher | None = None) -> Outcome:
    """Train in a new run folder, which has its network and metrics alone."""
    from mlpcli import runs
    from mlpcli.training.session import train_into

    with runs.new_run(runs_dir, ready.completed.spec.name) as folder:
        return train_into(ready.job(folder, watcher or Watcher(), options=BARE))


MONITORED = """\
fit: {{epochs: 4, batch_size: 16, engine: {engine}, checkpoint: {{every: 1}}}}
callbacks:
  - EarlyStopping: {{monitor: {monitor}, patience: 9, restore_best_weights: true}}
  - ReduceLROnPlateau: {{monitor: {monitor}, patience: 1}}
  - ModelCheckpoint: {{monitor: {monitor}, save_best_only: true, filepath: mine.keras}}
"""


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["compiled", "keras"])
def test_metrics_of_a_scaled_target_train_reload_and_are_monitored(
    engine: str, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    """Name, direction and configuration are those of the metric in the target's own units."""
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
    for name in names:
        assert again[name] == pytest.approx(float(history[-1][f"val_{name}"]), rel=1e-4), name
    state = read_state(run / "checkpoints/state.ckpt")
    before = [{re.sub("mae$", "mean_absolute_error", key): row[key] for key in row} for row in state.history]
    resumed = RunCallback(
        tmp_path, monitor="val_mae", more_is_better=False, on_epoch=print, identity=state.identity
    )
    resumed.set_model(ready.model)
    restore_history(resumed, state.model_copy(update={"history": before}))  # as version 0.1 named it
    assert resumed.history == state.history
    told = json.loads(mlpcli("evaluate", run.folder, "--split", "validation", "--json", "--no-figures").out)
    assert told["metrics"] == pytest.approx(measured, rel=1e-4)


CALLBACKS_AT_WORK = """\
fit: {epochs: 2, batch_size: 16, engine: graph}
callbacks:
  - ModelCheckpoint: {filepath: 'kept/{epoch}-{val_precision_0.3:.1f}.keras'}
  - TensorBoard: {write_steps_per_second: true, update_freq: 2, histogram_freq: 1, write_images: true}
  - LearningRateScheduler:
      schedule: {InverseTimeDecay: {initial_learning_rate: 0.1, decay_steps: 1, decay_rate: 1}}
"""


@pytest.mark.slow
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


@pytest.mark.slow
def test_nan_of_a_metric_is_shown_and_never_the_best(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    """And a run that is resumed after it ends as the one left alone."""
    from mlpcli.training.resume import resume_run

    metrics = "[PearsonCorrelation, {F1Score: {threshold: 0.5}}]"
    monitors = MONITORED.format(engine="graph", monitor="val_pearson_correlation")
    ready = prepared(alone("labels", metrics, monitors, name="all"))
    watcher = KilledInEpoch2(tmp_path / "killed" / "all" / "2026-01-01_00-00-00")
    outcome = trained(ready, tmp_path / "runs", watcher)
    folder = outcome.run.folder
    history = (folder / "history.csv").read_text()
    assert [row["val_pearson_correlation"] for row in csv.DictReader(history.splitlines())] == ["nan"] * 4
    assert outcome.best is None
    assert not (folder / "mine.keras").exists()  # no epoch was better than another
    assert json.loads((folder / "metrics.json").read_text())["test"]["pearson_correlation"] is None
    told = mlpcli("evaluate", folder, "--json", "--no-figures")
    assert json.loads(told.out)["metrics"]["pearson_correlation"] is None
    shown = mlpcli("evaluate", folder, "--no-figures").out
    assert re.search(r"pearson_correlation +nan *\n", shown)
    killed = open_run(watcher.copy)
    resume_run(killed, watcher=Watcher(), options=BARE)
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
