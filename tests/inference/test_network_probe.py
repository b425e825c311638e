"""What is measured of a network before its first step, and how much one column alone says of the target."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpcli.doctor.from_records import diagnose_records
from mlpcli.runs.folder import open_run
from mlpcli.runs.network_record import NetworkFacts
from mlpcli.statistics.column_skill import column_skill
from tests.bare_runs import BARE, train_bare


def test_the_skill_of_a_column() -> None:
    draw = np.random.default_rng(3)
    x, noise = draw.normal(size=2000), draw.normal(size=2000)
    assert column_skill(x, 3 * x + 1, classes=False, seed=1) > 0.98
    assert 0.3 < column_skill(x, x + noise, classes=False, seed=1) < 0.6
    assert column_skill(noise, x, classes=False, seed=1) < 0.05
    target = (x > 0.3).astype(np.int64)
    assert column_skill(x, target, classes=True, seed=1) > 0.95
    assert column_skill(noise, target, classes=True, seed=1) < 0.05
    assert column_skill(np.eye(2)[target], target, classes=True, seed=1) == 1.0
    assert column_skill(x, np.zeros(2000), classes=True, seed=1) == 0.0


def _facts(folder: Path, layers: str, *, data: str = "name: iris", further: str = "") -> NetworkFacts:
    """What is measured of a network before its first step."""
    from mlpcli.spec.load import load_spec
    from mlpcli.training.network_probe import probe_network
    from mlpcli.training.prepare import prepare

    path = folder / "spec.yaml"
    path.write_text(f"dataset: {{{data}}}\nlayers: [{layers}]\n{further}", encoding="utf-8")
    prepared = prepare(load_spec(path))
    found = probe_network(prepared.model, prepared.completed.spec, prepared.dataset)
    assert found is not None
    return found


def test_units_are_dead_saturated_or_identical(tmp_path: Path) -> None:
    facts = _facts(
        tmp_path,
        "Normalization, Dense: {units: 4, activation: tanh, kernel_initializer: ones},"
        " Dense: {units: 5, activation: relu, bias_initializer: {Constant: {value: -90}}},"
        " Dense: {units: 6, activation: sigmoid, bias_initializer: {Constant: {value: 50}}},"
        " Dense: {units: 7, activation: relu, bias_initializer: ones, name: alive},"
        " Dense: {units: 3, activation: softmax}",
    )
    first, dead, full, alive, last = facts.layers
    assert (first.identical, first.dead, first.saturated) == (True, None, 0)
    assert (dead.dead, dead.units, dead.saturated) == (5, 5, None)
    assert (full.saturated, full.dead) == (6, None)
    assert (alive.name, alive.identical) == ("alive", False)
    assert (last.units, last.activation) == (0, "")  # softmax: its values always add up to 1
    assert first.gradient == 0.0  # nothing passes the dead layer
    assert last.gradient is not None
    assert last.gradient > 0
    assert facts.constant_loss == pytest.approx(math.log(3), abs=1e-4)
    assert facts.input_size == pytest.approx(1.0, abs=1e-3)
    assert facts.classes[0].names == ["setosa", "versicolor", "virginica"]
    assert sum(facts.classes[0].truth) == sum(facts.classes[0].predicted) == facts.rows


def test_the_loss_of_a_constant_is_the_variance_of_numbers_without_penalties(tmp_path: Path) -> None:
    from sklearn.datasets import load_diabetes

    layers = "Dense: {units: 3, kernel_regularizer: {L2: {l2: 0.5}}}, Dense: {units: 1}"
    facts = _facts(tmp_path, layers, data="name: diabetes, test: 5, validation: 5", further="loss: mse\n")
    assert facts.constant_loss == pytest.approx(load_diabetes().target.var(), rel=0.02)
    assert facts.penalty > 0
    assert facts.targets[0].deviation == pytest.approx(load_diabetes().target.std(), rel=0.02)
    weighted = _facts(
        tmp_path, "Dense: {units: 3, activation: softmax}", further="fit: {class_weight: balanced}\n"
    )
    assert weighted.constant_loss is None


@pytest.mark.parametrize(("test", "drifts"), [("{last: 0.25, by: day}", True), ("0.25", False)])
def test_a_trend_beyond_the_training_rows_is_found_where_they_were_split_by_time(
    tmp_path: Path, test: str, drifts: bool
) -> None:
    draw = np.random.default_rng(0)
    days = np.datetime64("2023-01-01") + np.arange(400)
    rows = [
        f"{day},{place % 7},{place / 50 + place % 7 + draw.normal() / 4:.3f}"
        for place, day in enumerate(days)
    ]
    (tmp_path / "t.csv").write_text("day,x,y\n" + "\n".join(rows) + "\n")
    features = "{day: {kind: date, parts: [weekday, month]}}"
    (tmp_path / "t.yaml").write_text(
        f"name: t\ndataset: {{path: t.csv, target: y, target_scaling: standardize, features: {features}, "
        f"test: {test}, validation: null}}\n"
        "layers: [{Dense: {units: 8, activation: relu}}, {Dense: {units: 1}}]\n"
        "loss: mse\noptimizer: {Adam: {learning_rate: 0.02}}\nfit: {epochs: 20, engine: graph}\n"
    )
    run = train_bare(tmp_path / "t.yaml", tmp_path / "runs", options=replace(BARE, probe=True))
    run = open_run(run.folder)
    facts = run.record.network
    assert facts is not None
    (target,) = facts.targets
    assert (target.later is not None) == drifts
    assert ("target-drifts" in {each.code for each in diagnose_records(run).findings}) == drifts, target
