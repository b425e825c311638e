"""`evaluate --by`: metrics by group of rows, checked against scikit-learn's on the rows of each group."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpcli.data.column_values import date_text, of_numbers, of_texts
from mlpcli.data.value_groups import MISSING, MOST_GROUPS, group_rows
from mlpcli.keras_import import keras
from mlpcli.plots.group_intervals import GroupPoint, draw_group_intervals
from tests.conftest import Result

SPEC = """\
name: by
seed: 1
dataset: {path: t.csv, target: {first: y, second: price}, features: [age, town], test: 0.4,
          missing_target: drop}
layers:
  - {Dense: {units: 4, activation: relu}, name: hidden}
  - {Dense: {units: 1, activation: sigmoid}, name: first, from: hidden}
  - {Dense: {units: 1}, name: second, from: hidden}
loss: {first: binary_crossentropy, second: mse}
metrics: {first: [accuracy, AUC], second: [MeanAbsoluteError, R2Score]}
fit: {epochs: 2%s}
"""


def _write(folder: Path, more: str = "") -> Path:
    random = np.random.default_rng(3)
    lines = ["id,age,town,joined,price,y"]
    for row in range(150):
        age, town = random.integers(18, 80), random.choice(["Ulm", "Bonn", "Kiel"], p=[0.5, 0.3, 0.2])
        noise = random.normal() * (40 if town == "Kiel" else 1)
        day = np.datetime64("2023-01-01") + row
        price = "" if row == 0 else f"{age / 10 + noise:.3f}"
        label = "yes" if town == "Kiel" or random.random() < 0.3 else "no"
        lines.append(f"{row},{'' if row % 9 == 0 else age},{town},{day},{price},{label}")
    (folder / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    spec = folder / "by.yaml"
    spec.write_text(SPEC % more, encoding="utf-8")
    return spec


@pytest.fixture(scope="module")
def folds_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs folder of a run with folds and two outputs, beside its table `t.csv`."""
    from mlpcli.cli import main

    folder = tmp_path_factory.mktemp("by")
    runs_dir = folder / "runs"
    assert main(["train", str(_write(folder, ", folds: 2")), "--runs-dir", str(runs_dir)]) == 0
    return runs_dir


def _table(runs_dir: Path) -> list[dict[str, str]]:
    with (runs_dir.parent / "t.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_groups_of_held_out_rows_are_those_of_their_predictions(
    folds_run: Path, mlpcli: Callable[..., Result]
) -> None:
    """The scores of a parent's held-out rows, and of each group of them, are those of `out_of_fold.csv`."""
    shown = mlpcli(
        "evaluate", "by", "--runs-dir", folds_run, "--split", "held_out", "--json", "--by", "town,joined",
        "--by", "y", "--by", "predicted_second",
    )  # fmt: skip
    assert shown.status == 0, shown.err
    found = json.loads(shown.out)
    (folder,) = (folds_run / "by").iterdir()
    with (folder / "out_of_fold.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert found["rows"] == len(rows)
    recorded = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["out_of_fold"]
    assert found["metrics"] == pytest.approx(recorded, rel=1e-5)
    columns = {each["column"]: each for each in found["groups"]}
    assert list(columns) == ["town", "joined", "y", "predicted_second"]
    table = _table(folds_run)
    for group in columns["town"]["groups"]:
        own = [row for row in rows if table[int(row["row"]) - 1]["town"] == group["group"]]
        errors = [abs(float(row["price"]) - float(row["predicted_second"])) for row in own]
        right = np.mean([row["y"] == row["predicted_first"] for row in own])
        metrics = group["metrics"]
        assert group["rows"] == len(own)
        assert metrics["second_mean_absolute_error"]["value"] == pytest.approx(np.mean(errors), rel=1e-4)
        assert metrics["first_accuracy"]["value"] == pytest.approx(right)
        low, high = metrics["second_mean_absolute_error"]["confidence_interval"]
        assert low < np.mean(errors) < high
    # Kiel's prices have forty times the noise; its rows are all of one class.
    kiel = next(each for each in columns["town"]["groups"] if each["group"] == "Kiel")
    assert kiel["metrics"]["second_mean_absolute_error"]["apart"]
    assert kiel["metrics"]["first_auc"] == {"value": None, "reason": "no row is negative"}
    values = [each["metrics"]["first_accuracy"]["value"] for each in columns["town"]["groups"]]
    assert columns["town"]["direction"] == "max"
    assert values == sorted(values)
    assert {each["group"] for each in columns["y"]["groups"]} == {"no", "yes"}
    assert len(columns["predicted_second"]["groups"]) > 5
    assert sum(each["rows"] for each in columns["joined"]["groups"]) == len(rows)
    with (folder / "plots" / "held_out" / "groups.csv").open(encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if line["column"] == "town"]
    assert len(lines) == 3 * len(found["metrics"])
    with (folder / "plots" / "held_out" / "worst_rows-second.csv").open(encoding="utf-8") as file:
        worst = list(csv.DictReader(file))
    assert worst  # the first row of the table, which has no price, is counted as messages count it
    for row in worst:
        assert float(row["second"]) == pytest.approx(float(table[int(row["row"]) - 1]["price"]), abs=1e-3)


@pytest.mark.slow
def test_a_metric_that_the_rows_do_not_define_has_no_interval_and_a_note(
    folds_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    rows = [row for row in _table(folds_run) if row["town"] == "Kiel"]  # of one class
    with (tmp_path / "kiel.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    command = ("evaluate", "by", "--data", tmp_path / "kiel.csv", "--no-figures", "--runs-dir", folds_run)
    found = mlpcli(*command, "--json")
    document = json.loads(found.out)
    assert document["confidence_interval_method"]["left_out"] == {"first_auc": "no row is negative"}
    assert {*document["confidence_intervals"]} == {*document["metrics"]} - {"first_auc"}
    assert "first_auc: no row is negative, so that its value says nothing" in " ".join(found.err.split())
    one = tmp_path / "one.csv"
    one.write_text("\n".join((tmp_path / "kiel.csv").read_text(encoding="utf-8").splitlines()[:2]) + "\n")
    shown = mlpcli("evaluate", "by", "--data", one, "--no-figures", "--runs-dir", folds_run)
    assert max(map(len, shown.out.splitlines()[1:])) <= 80  # also the note on all metrics together


@pytest.mark.slow
def test_rows_of_a_file_are_grouped_without_those_that_are_left_out(
    folds_run: Path, mlpcli: Callable[..., Result]
) -> None:
    data = folds_run.parent / "t.csv"
    run = ("evaluate", "by", "--runs-dir", folds_run, "--no-figures", "--data", data)
    shown = mlpcli(*run, "--by", "id", "--by", "age")
    assert shown.status == 0, shown.err
    assert "1 of 150 rows" in shown.err
    assert "rows that the run was trained on" in " ".join(shown.err.split())
    assert "1 to 29" in shown.out  # id 0 is in the row without a price
    assert "(missing)" in shown.out
    assert all(len(line) <= 80 for line in shown.out.splitlines() if str(data) not in line)
    plain = json.loads(mlpcli(*run, "--by", "age", "--no-intervals", "--json").out)
    assert set(plain["groups"][0]["groups"][0]["metrics"]["first_accuracy"]) == {"value"}


@pytest.mark.slow
def test_an_unknown_column_is_refused_with_the_nearest(
    folds_run: Path, mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpcli.inference.evaluate.evaluate_run", None)  # it is refused before anything runs
    shown = mlpcli("evaluate", "by", "--runs-dir", folds_run, "--by", "twon,joined", "--by", "nothing")
    assert shown.status == 2
    assert "--by twon: the rows have no such column; did you mean 'town'?" in shown.err
    assert "--by nothing" in shown.err
    assert "predicted_first" in shown.err
    data = folds_run.parent / "t.csv"
    shown = mlpcli("evaluate", "by", "--runs-dir", folds_run, "--data", data, "--by", "twon")
    assert "did you mean 'town'?" in shown.err


@pytest.mark.slow
def test_held_out_rows_of_data_that_has_changed_are_not_known(
    folds_run: Path, mlpcli: Callable[..., Result]
) -> None:
    data = folds_run.parent / "t.csv"
    text = data.read_text(encoding="utf-8")
    data.write_text("".join(text.splitlines(keepends=True)[:100]), encoding="utf-8")
    try:
        shown = mlpcli("evaluate", "by", "--runs-dir", folds_run, "--split", "held_out")
    finally:
        data.write_text(text, encoding="utf-8")
    assert shown.status == 2
    assert "which of its rows each fold held out is not known" in shown.err


def test_a_column_for_each_label_is_grouped_by_its_own_values() -> None:
    from mlpcli.data.dataset import Contract, Output
    from mlpcli.inference.wanted_groups import wanted_groups

    labels = Output(("rock", "jazz"), "labels", ("rock", "jazz"))
    contract = Contract("table", ("tempo",), (1,), "float32", (labels,))
    found = wanted_groups(contract, ("tempo", "rock", "jazz"), ["rock,jazz,predicted_jazz"])
    assert [(each.column, each.output, each.place, each.is_predicted) for each in found] == [
        ("rock", None, 0, False), ("jazz", None, 1, False), ("predicted_jazz", labels, 1, True),
    ]  # fmt: skip


def test_columns_of_arrays_go_by_number_or_name(tiny_run: Path, mlpcli: Callable[..., Result]) -> None:
    run = ("evaluate", "tiny", "--runs-dir", tiny_run, "--no-figures", "--json", "--by")
    shown = mlpcli(*run, "petal length (cm),target")
    assert shown.status == 0, shown.err
    first, second = json.loads(shown.out)["groups"]
    assert 1 < len(first["groups"]) <= 5
    assert sorted(each["group"] for each in second["groups"]) == ["setosa", "versicolor", "virginica"]
    refused = mlpcli("evaluate", "tiny", "--runs-dir", tiny_run, "--split", "held_out")
    assert refused.status == 2
    assert "rows are held out by folds" in refused.err


def test_numbers_are_cut_at_quantiles_and_few_values_stay() -> None:
    few = group_rows(of_numbers("n", np.array([3.0, 1.0, np.nan, 3.0, 2.5])))
    assert [(each.name, each.rows.tolist()) for each in few] == [
        ("1", [1]), ("2.5", [4]), ("3", [0, 3]), (MISSING, [2]),
    ]  # fmt: skip
    random = np.random.default_rng(0)
    values = np.concatenate([np.zeros(300), random.normal(size=200)])
    groups = group_rows(of_numbers("n", values))
    assert sorted(np.concatenate([each.rows for each in groups]).tolist()) == list(range(500))
    assert all(len(each.rows) >= 40 for each in groups)
    near = group_rows(of_numbers("n", 1_000_000 + np.arange(100) / 1000))
    assert len({each.name for each in near}) == 5
    days = group_rows(of_numbers("d", np.arange(19_000, 19_100.0), "dates"))
    assert days[0].name == "2022-01-08 to 2022-01-27"
    assert date_text(0.5) == "1970-01-01 12:00"


def test_rare_categories_are_one_group() -> None:
    codes = np.concatenate([np.arange(500), [7] * 20])
    groups = group_rows(of_texts("c", [f"v{code}" for code in range(500)], codes))
    assert len(groups) == MOST_GROUPS
    assert groups[-1].name == "(301 other values)"
    assert sum(len(each.rows) for each in groups) == 520


def test_metrics_that_rows_do_not_define_say_why() -> None:
    from mlpcli.training.undefined_metrics import why_undefined

    ones, halves = np.ones((4, 1), np.float32), np.full((4, 1), 0.6, np.float32)
    mixed = np.array([[0], [1], [1], [0]], np.float32)
    assert why_undefined(keras.metrics.AUC(), ones, halves, 1) == ["no row is negative"]
    assert why_undefined(keras.metrics.Recall(), 1 - ones, halves, 1) == ["no row is positive"]
    assert why_undefined(keras.metrics.Precision(thresholds=[0.5, 0.9]), ones, halves, 2) == [
        "", "no row is predicted as positive",
    ]  # fmt: skip
    assert why_undefined(keras.metrics.AUC(), mixed, halves, 1) == [""]
    assert why_undefined(keras.metrics.R2Score(), ones, halves, 1) == ["the target is the same in all rows"]
    assert why_undefined(keras.metrics.BinaryAccuracy(), ones, halves, 1) == [""]
    wide = np.eye(3, dtype=np.float32)[[0, 1, 1]]
    why = why_undefined(keras.metrics.F1Score(average="macro"), wide, wide, 1)
    assert why == ["no row of 1 of its 3 classes, whose scores would count as 0"]


def test_a_figure_of_groups_is_drawn() -> None:
    points = [GroupPoint(f"$x_{place}$", 10, place / 40, (0.0, 1.0), place % 2 == 0) for place in range(40)]
    picture = draw_group_intervals(points, 0.5, metric="accuracy", column="_town", title="run")
    assert picture.png.startswith(b"\x89PNG")
    assert draw_group_intervals(points[:1], 0.5, metric="m", column="c", title="t") != picture


def test_a_training_says_which_metrics_its_splits_do_not_define(
    mlpcli: Callable[..., Result], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from mlpcli.report.train import TrainingReport, show_outcome
    from mlpcli.spec.load import load_spec
    from mlpcli.training.job import TrainOptions
    from mlpcli.training.session import train

    random = np.random.default_rng(0)
    x = random.normal(size=60)
    for name, some in (("train.csv", x), ("test.csv", np.abs(x[:12]) + 1)):
        lines = [f"{value:.3f},{'yes' if value > 0 else 'no'}" for value in some]
        (tmp_path / name).write_text("x,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    spec = tmp_path / "u.yaml"
    spec.write_text(
        "dataset: {path: train.csv, target: label, test: test.csv, validation: 0.2}\n"
        "layers: [Dense: {units: 1, activation: sigmoid}]\nloss: binary_crossentropy\n"
        "metrics: [AUC, accuracy]\nfit: {epochs: 1, engine: graph}\n",
        encoding="utf-8",
    )
    options = TrainOptions(saved_model=False, figures=False, baseline=False)
    with TrainingReport() as report:
        outcome = train(load_spec(spec), runs_dir=tmp_path / "runs", watcher=report, options=options)
    show_outcome(outcome, tmp_path / "runs")
    shown = capfd.readouterr().out
    out = " ".join(shown.split())
    assert "test rows: auc: no row is negative, so that its value says nothing" in out
    assert "auc: undefined: no row is negative" in out
    (line,) = [line for line in shown.splitlines() if line.startswith("test  ")]
    assert "undefined" in line.split()
    command = ("evaluate", "u", "--no-figures", "--runs-dir", tmp_path / "runs")
    lines = mlpcli(*command).out.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith("auc ")] == [["auc", "undefined"]]
