"""Which differences between runs are more than chance: of two models, and of settings with folds or seeds."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.cli import main
from mlpcli.runs.folder import open_run
from mlpcli.runs.main_metric import direction_of, main_metric
from mlpcli.statistics.paired import mcnemar
from mlpcli.statistics.resampled import paired_difference, unpaired_difference
from tests.conftest import Result

pytestmark = pytest.mark.slow

BOTH = """\
name: both
seed: 3
dataset: {path: both.csv, target: {price: price, kind: kind}, features: [rooms, age], test: 0.4}
layers:
  - Dense: {units: 4, activation: relu}
    name: body
  - Dense: {units: 1}
    name: price
    from: body
  - Dense: {units: 2, activation: softmax}
    name: kind
    from: body
loss: {price: mse, kind: sparse_categorical_crossentropy}
metrics: {price: [mae], kind: [accuracy]}
optimizer: {Adam: {learning_rate: 0.05}}
fit: {epochs: 2, batch_size: 16, engine: graph}
"""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs on 100 rows of numbers and classes: one learns, the other hardly does."""
    folder = tmp_path_factory.mktemp("both")
    draw = np.random.default_rng(2).uniform
    rows = [f"{r:.3f},{a:.3f},{5 * r + a:.3f},{'high' if r > 3 else 'low'}" for r, a in draw(0, 6, (100, 2))]
    (folder / "both.csv").write_text("\n".join(["rooms,age,price,kind", *rows]) + "\n")
    (folder / "both.yaml").write_text(BOTH)
    spec, where = str(folder / "both.yaml"), ["--runs-dir", str(folder / "runs")]
    assert main(["train", spec, *where, "--set", "fit.epochs=20"]) == 0
    assert main(["train", spec, *where, "--set", "optimizer.Adam.learning_rate=0.0001"]) == 0
    return sorted((folder / "runs" / "both").iterdir())


def _document(mlpcli: Callable[..., Result], *arguments: object) -> Any:
    result = mlpcli("compare", *arguments, "--json")
    assert result.status == 0, result.err
    return json.loads(result.out)


def test_two_models_are_tested_on_their_common_rows(
    both: list[Path], mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    document = _document(mlpcli, *both, "-o", tmp_path / "a.png")
    labels = document["runs"]
    models = document["test"]["models"]
    metrics = [json.loads((run / "metrics.json").read_text())["test"] for run in both]
    assert (models["metric"], models["rows"], models["split"]) == ("price_mae", 40, "test")
    assert list(models["values"].values()) == pytest.approx([each["price_mae"] for each in metrics])
    (pair,) = models["differences"]
    assert (pair["first"], pair["second"]) == (labels[0], labels[1])
    assert pair["difference"] == pytest.approx(metrics[0]["price_mae"] - metrics[1]["price_mae"])
    assert pair["interval"][0] < pair["difference"] < pair["interval"][1] < 0
    assert pair["more_than_chance"] is True
    assert "more than chance. This is about these two models" in models["sentence"]
    deciles, classes = models["groups"]
    assert (deciles["output"], deciles["by"], sum(each["rows"] for each in deciles["groups"])) == (
        "price",
        "decile",
        40,
    )
    error = sum(each["rows"] * each["mean absolute error"][labels[0]] for each in deciles["groups"]) / 40
    assert error == pytest.approx(metrics[0]["price_mae"], rel=1e-5)
    assert [each["name"] for each in classes["groups"]] == ["high", "low"]
    found = sum(each["rows"] * each["recall"][labels[1]] for each in classes["groups"]) / 40
    assert found == pytest.approx(metrics[1]["kind_accuracy"])


def test_accuracy_is_tested_by_mcnemars_test_and_shown_in_words(
    both: list[Path], mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    from mlpcli.inference.common_rows import common_rows
    from mlpcli.report.significance import p_text

    table = both[0].parents[2] / "both.csv"
    shared = common_rows([open_run(run) for run in both], None).runs[0].split.rows
    truth = np.array([line.split(",")[3] for line in table.read_text().split()[1:]])[shared]
    right = []
    for run in both:
        assert mlpcli("predict", run, table, "-o", tmp_path / "p.csv", "--force").status == 0
        header, *lines = (tmp_path / "p.csv").read_text().split()
        place = header.split(",").index("predicted_kind")
        right.append(np.array([line.split(",")[place] for line in lines])[shared] == truth)
    only = [int((one & ~other).sum()) for one, other in (right, right[::-1])]
    shown = mlpcli("compare", *both, "--metric", "kind_accuracy", "-o", tmp_path / "a.png").out
    own_lines = [line for line in shown.splitlines() if "both/" not in line and "picture" not in line]
    assert max(map(len, own_lines)) <= 80
    assert "models, on 40 test rows that both predict" in own_lines
    said = " ".join(own_lines)
    assert sum(only) > 0
    assert "A's kind_accuracy is higher by" in said
    assert f"{p_text(mcnemar(*only).mid_p)}, McNemar's mid-p test" in said


def _copy(run: Path, target: Path, name: str = "2026-01-02_00-00-00") -> Path:
    return shutil.copytree(run, target / "both" / name)


def _change(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_other_rows_are_refused_with_the_reason_below_the_table(
    both: list[Path], mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    """Data that has changed, a run without its model, another target; a table without a test is exit 0."""
    other = _copy(both[1], tmp_path)
    pairs: list[tuple[Callable[[], object], str]] = [
        (
            lambda: _change(other / "run.json", lambda run: run["data"].update(fingerprint="0")),
            "both.csv has changed since run both/2026-01-02_00-00-00 was trained",
        ),
        (lambda: (other / "model.keras").unlink(), "run both/2026-01-02_00-00-00 has no model"),
    ]
    for change, reason in pairs:
        change()
        result = mlpcli("compare", both[0], other, "-o", tmp_path / "a.png")
        said = " ".join(result.out.split())
        assert (result.status, "no test of the models:" in said, reason in said) == (0, True, True)
        assert "optimizer.learning_rate" in result.out
    document = _document(mlpcli, both[0], other, "-o", tmp_path / "a.png")
    assert "has no model" in document["test"]["refused"]["models"][0]
    assert "test" not in _document(mlpcli, *both, "--no-test", "-o", tmp_path / "a.png")


def test_what_no_run_has_is_refused_before_anything_is_loaded(
    both: list[Path], mlpcli: Callable[..., Result]
) -> None:
    result = mlpcli("compare", *both, "--metric", "accuracy")
    assert (result.status, result.out) == (2, "")
    told = "--metric: is not a metric that all runs have, received 'accuracy'; did you mean 'kind_accuracy'?"
    assert f"{told} they have loss" in result.err
    result = mlpcli("compare", *both, "--split", "tests")
    assert (result.status, "--split: no run has this split" in result.err) == (2, True)


def _with_other_split(run: Path, target: Path, setting: tuple[str, str]) -> Path:
    """Copy a run as if it had been trained with other splits of the same rows."""
    from mlpcli.model.run_spec import own_spec
    from mlpcli.training.find_data import find_data

    copy = _copy(run, target)
    _replace(copy / "resolved.yaml", *setting)
    _change(copy / "run.json", lambda record: record["data"].update(seed=11))
    found = find_data(own_spec(open_run(copy)))[1].fingerprint
    _change(copy / "run.json", lambda record: record["data"].update(fingerprint=found))
    return copy


def test_of_other_splits_the_rows_count_that_no_model_has_seen(both: list[Path], tmp_path: Path) -> None:
    from mlpcli.inference.common_rows import common_rows

    other = _with_other_split(both[1], tmp_path, ("seed: 3", "seed: 11"))
    found = common_rows([open_run(both[0]), open_run(other)], None)
    one, two = found.runs
    assert (found.refused, 10 <= len(one.split) < 40) == ((), True)
    assert one.split.rows.tolist() == two.split.rows.tolist() == sorted(one.split.rows)
    assert np.array_equal(one.split.y["kind"], two.split.y["kind"])
    table = (both[0].parents[2] / "both.csv").read_text().split()[1:]
    assert one.split.y["price"] == pytest.approx([float(table[row].split(",")[2]) for row in one.split.rows])
    # With a third run, the two with the same rows are tested, and the other is left out.
    found = common_rows([open_run(run) for run in (both[0], other, both[1])], None)
    assert ([each.position for each in found.runs], len(found.runs[0].split)) == ([0, 2], 40)
    assert "has other test rows than most" in found.refused[0]


@pytest.mark.slow
def test_rows_of_a_group_are_drawn_together(both: list[Path], tmp_path: Path) -> None:
    """As many groups as rows give what rows give; few large groups say that little is known."""
    from mlpcli.inference.compare import compare_models

    table = both[0].parents[2] / "both.csv"
    header, *lines = table.read_text().split()
    for name, size in (("each", 1), ("few", 25)):
        rows = [f"{line},g{row // size}" for row, line in enumerate(lines)]
        (tmp_path / f"{name}.csv").write_text("\n".join([f"{header},who", *rows]) + "\n")
    p = {}
    for name, share in (("each", 0.4), ("few", 0.5)):
        copies = []
        for place, run in enumerate(both):
            copy = _copy(run, tmp_path / name, f"2026-01-0{place + 1}_00-00-00")
            _replace(copy / "resolved.yaml", str(table), str(tmp_path / f"{name}.csv"))
            by_who = "test: 0.4", f"test: {{share: {share}, by: who}}"
            copies.append(_with_other_split(copy, tmp_path / name / str(place), by_who))
        test, refused = compare_models([open_run(copy) for copy in copies], metric=None, split=None)
        assert test is not None, refused
        count = 40 if name == "each" else 2
        assert test.pairs[0].test == f"paired bootstrap over {count} groups of who"
        assert test.breakdowns[0].groups[0].p is None
        p[name] = test.pairs[0].p
    assert p["each"] < 0.01 < 0.05 < p["few"]


def test_rows_of_another_file_are_other_rows(both: list[Path], tmp_path: Path) -> None:
    from mlpcli.inference.common_rows import common_rows

    table = both[0].parents[2] / "both.csv"
    (tmp_path / "same.csv").write_text(table.read_text())
    (tmp_path / "other.csv").write_text(table.read_text().replace("low", "high", 1))
    one, two = (
        _with_other_split(both[1], tmp_path / kind, (str(table), str(tmp_path / f"{kind}.csv")))
        for kind in ("same", "other")
    )
    assert len(common_rows([open_run(both[0]), open_run(one)], None).runs) == 2
    (why,) = common_rows([open_run(both[0]), open_run(two)], None).refused
    assert "both.csv and of " in why
    assert why.endswith("other.csv")


SCORES = ((0.81, 0.84, 0.79, 0.88, 0.86), (0.79, 0.80, 0.78, 0.83, 0.84))


HELD_OUT = "row,fold,price,kind,predicted_price,predicted_kind,kind_probability_high,kind_probability_low"
ROWS = range(1, 61)


def _parents(
    run: Path, target: Path, values: Sequence[Sequence[float]], *, folds: int | None = 5, seeds: int = 1
) -> list[Path]:
    """Copies of a run with the records of folds or seeds beside its own."""
    found = []
    for place, scores in enumerate(values):
        copy = _copy(run, target, f"2026-01-0{place + 1}_00-00-00")
        kind = "folds" if folds else "seeds"
        folders = [f"{kind}/{number + 1:02}" for number in range(len(scores))]
        members = {"folds": folds or 1, "seeds": seeds, "folders": folders}
        for folder in folders:
            (copy / folder).mkdir(parents=True)
            data = {"fingerprint": "", "rows": {"train": 30, "validation": 18, "held_out": 12}}
            record = {"status": "completed", "kind": kind[:-1], "data": data}
            (copy / folder / "run.json").write_text(json.dumps(record))
        _change(copy / "run.json", lambda record: record.update(members=members))  # noqa: B023
        kept = {"kind_accuracy": {"mean": 0.8, "values": list(scores)}}
        by_split = {"held_out": kept} if folds else {"test": kept}
        name = "folds" if folds else "seeds"
        _change(copy / "metrics.json", lambda metrics: metrics.update({name: by_split}))  # noqa: B023
        own = folds or 5
        rows = [
            f"{row},{row % own + 1},{row / 2},low,{row / 2 + place},low,0.{place + 4},0.5" for row in ROWS
        ]
        (copy / "out_of_fold.csv").write_text("\n".join([HELD_OUT, *rows]) + "\n")
        found.append(copy)
    return found


def test_settings_are_tested_over_matched_folds(
    both: list[Path], mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    parents = _parents(both[0], tmp_path, SCORES)
    document = _document(mlpcli, *parents, "--metric", "kind_accuracy", "-o", tmp_path / "a.png")
    settings = document["test"]["settings"]
    (pair,) = settings["differences"]
    wanted = paired_difference(*SCORES, test_per_train=0.25)
    assert (pair["p"], pair["difference"]) == (pytest.approx(wanted.p), pytest.approx(wanted.value))
    assert (settings["over"], settings["matched"], pair["more_than_chance"]) == (
        "5 folds",
        True,
        wanted.p < 0.05,
    )
    assert "kind_accuracy is higher by 0.0280 on average (95% interval" in settings["sentence"]
    assert "This is about the settings" in settings["sentence"]
    deciles, classes = settings["groups"]
    assert [each["rows"] for each in deciles["groups"]] == [10] * 6
    assert {each["mean absolute error"][document["runs"][1]] for each in deciles["groups"]} == {1.0}
    assert classes["groups"][1] == {
        "name": "low",
        "rows": 60,
        "recall": dict(zip(document["runs"], (1.0, 0.0), strict=True)),
        "f1": dict(zip(document["runs"], (1.0, 0.0), strict=True)),
    }


def test_folds_that_are_cut_otherwise_are_tested_unpaired_and_other_rows_not_at_all(
    both: list[Path], tmp_path: Path
) -> None:
    from mlpcli.inference.compare_settings import compare_settings

    parents = _parents(both[0], tmp_path, SCORES)
    found = [open_run(each) for each in parents]
    lines = (parents[1] / "out_of_fold.csv").read_text()
    (parents[1] / "out_of_fold.csv").write_text(lines.replace("10,1,5.0,low", "10,2,5.0,low"))
    test, refused = compare_settings(found, metric="kind_accuracy")
    assert test is not None
    assert (test.matched, refused) == (False, ())
    wanted = unpaired_difference(*SCORES, test_per_train=0.25)
    assert test.pairs[0].p == pytest.approx(wanted.p)
    (parents[1] / "out_of_fold.csv").write_text(lines.replace("10,1,5.0,low", "10,1,7.0,low"))
    test, refused = compare_settings(found, metric="kind_accuracy")
    assert (test, "differ; give both the same data and the same dataset.split_seed" in refused[0]) == (
        None,
        True,
    )
    three = _parents(both[0], tmp_path / "three", [(0.8, 0.81, 0.82)], folds=3)
    _, refused = compare_settings([found[0], open_run(three[0])], metric=None)
    assert "have 5 folds and 3 folds; train both with --folds 5" in refused[0]
    (parents[1] / "out_of_fold.csv").write_text("row,fold,price,kind\n1,2\n")
    test, refused = compare_settings(found, metric="kind_accuracy")
    assert (test, "out_of_fold.csv is damaged: " in refused[0]) == (None, True)
    _, refused = compare_settings([found[0], open_run(both[0])], metric=None)
    assert "has no folds or seeds; train it with --folds 5" in refused[0]


def test_seeds_speak_about_these_rows_and_match_where_they_are_the_same(
    both: list[Path], tmp_path: Path
) -> None:
    from mlpcli.inference.compare_settings import compare_settings
    from mlpcli.report.significance import settings_text

    values = [(0.80, 0.82, 0.84), (0.79, 0.80, 0.84)]
    parents = _parents(both[0], tmp_path, values, folds=None, seeds=3)
    test, _ = compare_settings([open_run(each) for each in parents], metric=None)
    assert test is not None
    assert test.pairs[0].p == pytest.approx(paired_difference(*values).p)
    assert (test.over, test.pairs[0].test) == ("3 seeds", "paired t-test")
    assert "on these rows alone" in settings_text(test, "AB")
    _change(parents[1] / "run.json", lambda record: record.update(seed=77))
    test, _ = compare_settings([open_run(each) for each in parents], metric=None)
    assert test is not None
    assert test.pairs[0].p == pytest.approx(unpaired_difference(*values).p)


def test_seeds_of_a_fold_are_one_score(both: list[Path], tmp_path: Path) -> None:
    from mlpcli.inference.compare_settings import compare_settings

    parents = _parents(both[0], tmp_path, [(1.0, 3.0, 2.0, 4.0), (0.0, 0.0, 1.0, 1.0)], folds=2, seeds=2)
    test, _ = compare_settings([open_run(each) for each in parents], metric=None)
    assert test is not None
    assert (test.values, test.over) == (((2.0, 3.0), (0.0, 1.0)), "2 folds of 2 seeds each")
    assert (test.best, math.isnan(test.pairs[0].p), test.pairs[0].is_real) == (0, True, None)


def test_of_several_runs_each_is_tested_against_the_best_corrected_for_all_pairs(
    both: list[Path], tmp_path: Path
) -> None:
    from mlpcli.inference.compare_settings import compare_settings
    from mlpcli.statistics.resampled import holm

    values = [SCORES[1], SCORES[0], (0.5, 0.55, 0.52, 0.6, 0.58)]
    parents = _parents(both[0], tmp_path, values)
    test, _ = compare_settings([open_run(each) for each in parents], metric=None)
    assert test is not None
    p = [paired_difference(values[a], values[b], test_per_train=0.25).p for a, b in ((0, 1), (0, 2), (1, 2))]
    assert test.best == 1
    assert [(pair.first, pair.second) for pair in test.pairs] == [(1, 0), (1, 2)]
    corrected = holm(p)
    assert [pair.corrected for pair in test.pairs] == pytest.approx([corrected[0], corrected[2]])
    assert test.pairs[0].difference == pytest.approx(0.028)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("val_x", None),
        ("loss", False),
        ("kind_loss", False),
        ("mae", False),
        ("root_mean_squared_error", False),
        ("auc", True),
        ("accuracy", True),
        ("false_positives", False),
        ("r2_score", True),
    ],
)
def test_the_direction_of_a_metric_is_known_by_its_name(name: str, wanted: bool | None) -> None:
    assert direction_of([], name) is wanted


def test_the_first_metric_of_the_spec_is_the_one_that_is_tested(both: list[Path], tmp_path: Path) -> None:
    copy = _copy(both[0], tmp_path)
    found = [open_run(both[0]), open_run(copy)]
    names = ["loss", "kind_accuracy", "price_mae"]
    assert main_metric(found, [names, names], None) == "price_mae"  # of the first output
    assert main_metric(found, [names, names[:2]], None) == "kind_accuracy"
    assert main_metric(found, [names[:1], names[:1]], None) == "loss"
    _replace(copy / "resolved.yaml", "- mae", "- {MeanAbsoluteError: {name: mae}}")
    assert main_metric(found, [names, names], None) == "kind_accuracy"  # the other is written otherwise


def test_rows_of_a_file_are_measured_by_both_models_with_the_tests_of_a_split(
    both: list[Path], mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    from mlpcli.inference.common_rows import common_rows

    table = both[0].parents[2] / "both.csv"
    header, *lines = table.read_text().split()
    shared = common_rows([open_run(run) for run in both], None)
    test_rows = tmp_path / "rows.csv"
    kept = [lines[row] for row in sorted(shared.runs[0].split.rows)]
    test_rows.write_text("\n".join([header, *kept]) + "\n")
    of_split, of_file = (
        _document(mlpcli, *both, "--metric", "price_mae", *more)["test"]
        for more in ((), ("--data", test_rows))
    )
    assert "settings" not in of_file
    assert of_file["models"]["data"] == str(test_rows)
    assert of_file["models"]["rows"] == 40
    for name in ("difference", "p"):
        ours, theirs = (each["models"]["differences"][0][name] for each in (of_file, of_split))
        assert ours == pytest.approx(theirs, rel=0.02, abs=2e-3), name
    shown = mlpcli("compare", *both, "--data", table)
    assert f"100 rows of {table}" in " ".join(shown.out.split())
    assert " ".join(shown.err.split()).count("rows that the run was trained on") == 2


def test_data_is_refused_beside_a_split_and_where_it_is_missing(
    both: list[Path], mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    for more, said in (
        (("--data", "x.csv", "--split", "test"), "the rows are of a file or of a split"),
        (("--data", "x.csv", "--no-test"), "its rows are for the test, which --no-test leaves out"),
        (("--data", tmp_path / "x.csv"), "there is no such file"),
    ):
        result = mlpcli("compare", *both, *more)
        assert result.status != 0
        assert said in " ".join(result.err.split())
