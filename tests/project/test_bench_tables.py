"""scripts/bench_tables.py: the same rows for all, errors with intervals, results that are taken up again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mlpcli.training.job import PARTS
from scripts import bench_tables, bench_tables_scores
from scripts.bench_tables_data import Entry, Fold, make_fold, read_list
from scripts.bench_tables_ours import TIMED, Ours, read_predictions
from scripts.bench_tables_report import wilson
from scripts.bench_tables_results import predictions_of, read_results


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """A list of two tables, of three classes and of numbers, with gaps, text and columns to leave out."""
    draw = np.random.default_rng(0)
    lines = ["id,size,town,kind,price"]
    for row in range(90):
        size, town = draw.normal(), draw.choice(["Bonn", 'Ulm, "old"', ""])
        kind = "rare" if row % 30 == 0 else "large" if size > 0 else "small"
        cell = "" if row == 5 else f"{size:.3f}"
        quoted = '"' + town.replace('"', '""') + '"'
        price = "" if row == 7 else f"{size * 3 + len(town):.2f}"
        lines.append(f"{row},{cell},{quoted},{kind},{price}")
    (tmp_path / "data.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    listed = tmp_path / "tables.tsv"
    rows = [
        "name\tpath\ttarget\tleave_out",
        "kinds\tdata.csv\tkind\tid price",
        "prices\tdata.csv\tprice\tid kind",
    ]
    listed.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return listed


def fold_of(tables: Path, name: str, split: int = 0) -> Fold:
    entry = next(each for each in read_list(tables) if each.name == name)
    return make_fold(entry, split)


def test_a_fold_has_the_rows_of_the_file_once_and_writes_them_without_the_answers(tables: Path) -> None:
    fold = fold_of(tables, "prices")
    assert (fold.task, fold.features, fold.numeric) == ("regression", ("size", "town"), (True, False))
    assert (len(fold.train), len(fold.test)) == (71, 18)  # one has no price
    assert np.isnan(np.concatenate([fold.numbers(fold.train), fold.numbers(fold.test)])).sum() == 1
    assert set(fold.categories(fold.train)[:, 0]) == {"Bonn", 'Ulm, "old"', "missing"}
    fold.write(tables.parent)
    read = read_list_of_rows(tables.parent / "train.csv")
    assert read[0] == ["size", "town", "price"]
    assert read[1:] == [
        [*cells, price] for cells, price in zip(fold.train.cells, fold.train.target, strict=True)
    ]
    assert read_list_of_rows(tables.parent / "test.csv")[0] == ["size", "town"]


def read_list_of_rows(path: Path) -> list[list[str]]:
    import csv

    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_every_class_is_in_both_parts_and_other_splits_have_other_rows(tables: Path) -> None:
    first, second = fold_of(tables, "kinds"), fold_of(tables, "kinds", 1)
    assert set(first.train.target) == set(first.test.target) == {"large", "rare", "small"}
    assert first.test.cells.tolist() != second.test.cells.tolist()
    assert first.test.cells.tolist() == fold_of(tables, "kinds").test.cells.tolist()


def test_a_class_that_no_training_row_has_gets_no_probability(tables: Path) -> None:
    text = (tables.parent / "data.csv").read_text(encoding="utf-8").replace(",rare,", ",small,", 2)
    (tables.parent / "data.csv").write_text(text, encoding="utf-8")
    entry = Entry("kinds", tables.parent / "data.csv", "kind", "", ("id", "price"))
    folds = [make_fold(entry, split) for split in range(20)]
    fold = next(each for each in folds if "rare" in each.test.target)
    assert fold.train_y().max() == 1
    assert fold.spread(np.array([[0.25, 0.75]])).tolist() == [[0.25, 0.0, 0.75]]
    truth = fold.truth()
    scores = bench_tables_scores.score(fold.task, truth, fold.spread(np.full((len(truth), 2), 0.5)))
    assert scores["1-auc"] == pytest.approx(0.5)


@pytest.mark.parametrize("classes", [2, 3])
def test_errors_of_classes_are_scikit_learns(classes: int) -> None:
    draw = np.random.default_rng(classes)
    truth = draw.integers(classes, size=60)
    probabilities = np.round(draw.dirichlet(np.ones(classes), size=60), 1) + 0.01  # with ties
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    weights = draw.integers(3, size=(4, 60)).astype(float)
    found = bench_tables_scores.errors("classification", truth, probabilities, weights)
    for row, error in zip(weights, found, strict=True):
        each = [
            roc_auc_score(truth == name, probabilities[:, name], sample_weight=row)
            for name in range(1 if classes == 2 else 0, classes)
        ]
        assert error == pytest.approx(1 - np.mean(each))


def test_errors_of_resampled_rows_are_those_of_the_rows_drawn() -> None:
    draw = np.random.default_rng(0)
    truth = draw.normal(size=40) + 1e6
    predictions = truth + draw.normal(size=40)
    (weights,) = bench_tables_scores._weights("t", 1, 40, 50)
    assert (weights.sum(axis=1) == 40).all()
    found = bench_tables_scores.resampled("t", 1, "regression", truth, predictions, 50)
    for row, error in zip(weights.astype(int), found, strict=True):
        y, p = np.repeat(truth, row), np.repeat(predictions, row)
        assert error == pytest.approx(np.sqrt(np.mean((p - y) ** 2)) / y.std())


def test_the_parts_that_are_timed_are_those_of_a_training() -> None:
    assert TIMED
    assert set(TIMED) < PARTS.keys()


def test_wilsons_interval() -> None:
    assert wilson(0.6, 57) == pytest.approx((0.4707, 0.7165), abs=1e-3)


def test_predictions_are_put_at_the_classes_of_the_file(tables: Path, tmp_path: Path) -> None:
    fold = fold_of(tables, "kinds")
    lines = ["predicted_kind,probability_small,probability_LARGE,probability_rare"]
    path = tmp_path / "predictions.csv"
    path.write_text("\n".join(lines + ["small,0.5,0.3,0.2"] * len(fold.test)) + "\n", encoding="utf-8")
    assert read_predictions(path, fold)[0].tolist() == [0.3, 0.2, 0.5]


@pytest.mark.slow
def test_results_are_kept_taken_up_and_reported(
    tables: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`ours` stands in here with the answers, or their contrary: its commands are tested elsewhere."""

    def answers(ours: Ours, fold: Fold, clock: object, threads: int) -> object:
        truth = fold.truth()
        return truth.astype(float) if fold.regression else 1 - np.eye(3)[truth.astype(int)]

    monkeypatch.setattr(Ours, "run", answers)
    results = tables.parent / "found.jsonl"
    options = [str(tables), "--models", "ours,linear,hist", "--splits", "0", "--results", str(results)]
    assert bench_tables.main([*options, "--untimed"]) == 0
    assert bench_tables.main([*options, "--untimed"]) == 0  # nothing is missing
    assert len(results.read_text(encoding="utf-8").splitlines()) == 6
    with results.open("a", encoding="utf-8") as file:
        file.write('{"table": "kin')  # killed
        file.write("\n")
    assert (
        bench_tables.main([*options, "--tables", "kinds", "--models", "linear"]) == 0
    )  # the seconds count now
    found = read_results(results)
    assert {key for key, result in found.items() if result["timed"]} == {("kinds", 0, "linear")}
    with np.load(predictions_of(results, ("prices", 0, "linear"))) as kept:
        assert kept["predictions"].shape == kept["truth"].shape == (18,)
        assert kept["resampled"].shape == (2000,)
    capsys.readouterr()
    assert bench_tables.main(["--report", "--results", str(results), "--against", "linear"]) == 0
    text = capsys.readouterr().out
    assert all(len(line) <= 80 for line in text.splitlines()), text
    assert "lost beyond the interval: kinds\n" in text
    assert "tables better beyond the interval: 1, worse: 1" in text
    assert "1 of 2" in text
    assert next(line.split()[1] for line in text.splitlines() if line.startswith("prices ")) == "0.0000*"


def test_what_fails_is_said_and_run_again(
    tables: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(ours: Ours, fold: Fold, clock: object, threads: int) -> object:
        raise RuntimeError("mlpcli train ended with 2")

    monkeypatch.setattr(Ours, "run", fails)
    results = tables.parent / "found.jsonl"
    options = [str(tables), "--models", "ours", "--splits", "0", "--results", str(results)]
    assert bench_tables.main(options) == 1
    assert "failed: RuntimeError: mlpcli train ended with 2" in capsys.readouterr().out
    assert read_results(results) == {}
    results.write_text(json.dumps({"table": "kinds", "split": 0, "model": "ours", "timed": True}), "utf-8")
    assert bench_tables.main([*options, "--tables", "kinds"]) == 0


def test_what_is_not_installed_is_left_out_with_the_command_that_installs_it(
    tables: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    results = tables.parent / "found.jsonl"
    assert bench_tables.main([str(tables), "--models", "ours,tabm", "--results", str(results)]) == 0
    ours, tabm = capsys.readouterr().out.splitlines()
    assert ours.startswith("ours: TensorFlow is not installed here")
    assert tabm == 'tabm: pytabkit is not installed here: left out; python -m pip install "pytabkit[models]"'
