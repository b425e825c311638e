"""`more-data`: scores on fewer rows and more, and what they say of twice as many."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.data.nested_rows import TrainingRows, nested_rows
from mlpcli.report.more_data import MoreDataReport, conclusions
from mlpcli.runs.folder import find_run
from mlpcli.runs.more_data import (
    ENOUGH,
    HELPS,
    UNCLEAR,
    Doubling,
    MoreData,
    MoreDataWatcher,
    RowsWanted,
    Step,
)
from mlpcli.spec.load import load_spec
from mlpcli.statistics.power_law import fit_power_law
from mlpcli.training.find_data import divide_data, find_opened
from mlpcli.training.more_data import measure_more_data
from tests.conftest import TINY, Result


class Notes(MoreDataWatcher):
    """Keeps what the user should know."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


SIZES = np.repeat([4096.0, 2048, 1024, 512, 256, 128, 64], 3)


def scores(limit: float, factor: float, exponent: float, noise: float, seed: int) -> np.ndarray:
    """Return scores that follow a power law, and scatter more on fewer rows."""
    scatter = noise * (SIZES / SIZES.max()) ** -0.3
    drawn = np.random.default_rng(seed).normal(size=len(SIZES)) * scatter
    return np.asarray(limit + factor * SIZES**-exponent + drawn)


@pytest.mark.parametrize("law", [(0.2, 2.0, 0.5, 0.01), (0.3, 0.0, 0.5, 0.02), (0.0, 1.0, 0.2, 0.01)])
def test_the_intervals_hold_what_the_curve_says_of_twice_the_rows(
    law: tuple[float, float, float, float],
) -> None:
    limit, factor, exponent, _ = law
    truth, now = (limit + factor * rows**-exponent for rows in (8192.0, 4096.0))
    held = []
    for seed in range(100):
        found = fit_power_law(SIZES, scores(*law, seed), seed=seed)
        assert found is not None
        low, high = found.doubled_interval
        held.append(low <= truth <= high)
        low, high = found.change_interval
        held.append(low <= truth - now <= high)
        assert low <= found.change <= high
    assert np.mean(held) >= 0.89  # of 95%


def test_small_sizes_that_no_power_law_fits_are_left_out() -> None:
    values = scores(0.1, 30.0, 0.8, 0.005, 1)
    values[SIZES < 200] = 0.5 + 0.01 * (values[SIZES < 200] - 0.5)
    found = fit_power_law(SIZES, values)
    assert found is not None
    assert found.smallest == 256
    assert found.doubled == pytest.approx(0.1 + 30 * 8192**-0.8, abs=0.01)
    assert fit_power_law(SIZES, scores(0.1, 3.0, 0.5, 0.01, 1)).smallest == 64  # type: ignore[union-attr]


def test_two_sizes_or_three_scores_say_nothing() -> None:
    assert fit_power_law(np.array([10.0, 20, 40]), np.array([3.0, 2, 1])) is None
    assert fit_power_law(np.array([10.0, 10, 20, 20]), np.array([3.0, 2, 1, 1])) is None
    same = fit_power_law(np.array([10.0, 20, 40, 80]), np.full(4, 3.0))
    assert same is not None
    assert same.doubled == pytest.approx(3.0)


def found_with(change: float, low: float, high: float, *, metric: str = "loss", falling: int = 0) -> MoreData:
    law = Doubling(0, 1, 1, 100, 10, 0.5, 0.5 + change, (0.5 + low, 0.5 + high), change, (low, high))
    better = metric != "loss"
    return MoreData("n", "s", metric, better, 100, 20, (), law, 9, 9, falling, 1.0)


def test_the_sentence_is_as_certain_as_the_scores_are() -> None:
    helps = found_with(-0.1, -0.15, -0.05)
    assert helps.verdict == HELPS
    assert conclusions(helps) == [
        (
            "more rows would help: doubling them to 200 would lower val_loss from 0.5000 to about 0.4000 "
            "(0.3500 to 0.4500, 95%)"
        )
    ]
    more = found_with(0.1, 0.05, 0.15, metric="accuracy")
    assert more.verdict == HELPS
    assert "would raise val_accuracy" in conclusions(more)[0]
    assert found_with(0.1, 0.05, 0.15).verdict == ENOUGH  # a loss that rises
    enough = found_with(-0.001, -0.004, 0.003)
    assert enough.verdict == ENOUGH
    assert conclusions(enough)[0].startswith(
        "no more gain is expected: with twice the rows val_loss would go"
    )
    unclear = found_with(-0.05, -0.2, 0.1, falling=6)
    assert unclear.verdict == UNCLEAR
    first, second = conclusions(unclear)
    assert "is not clear: with twice as many val_loss would be 0.3000 to 0.6000" in first
    assert second.startswith("in 6 of 9 trainings the last epoch was the best")
    assert "too few trainings" in conclusions(replace(unclear, doubling=None))[0]


def test_fewer_rows_are_among_more_and_hold_every_class() -> None:
    labels = np.array([0] * 60 + [1] * 30 + [2] * 10)
    rows = {size: nested_rows(size, seed=4, labels=labels, rows=100) for size in (3, 10, 50, 100)}
    assert {*rows[3]} < {*rows[10]} < {*rows[50]} < {*rows[100]}
    assert np.bincount(labels[rows[3]]).tolist() == [1, 1, 1]
    assert np.bincount(labels[rows[50]]).tolist() == pytest.approx([30, 15, 5], abs=1)
    assert (np.diff(rows[50]) > 0).all()
    assert not np.array_equal(rows[50], nested_rows(50, seed=5, labels=labels, rows=100))
    plain = [{*nested_rows(size, seed=1, rows=100)} for size in (20, 40)]
    assert plain[0] < plain[1]
    groups = np.repeat(np.arange(25), 4)
    some = nested_rows(40, seed=2, labels=labels, groups=groups, rows=100)
    assert len(some) == 40
    assert np.bincount(groups[some])[np.unique(groups[some])].tolist() == [4] * 10
    assert set(labels[some]) == {0, 1, 2}
    assert {*some} < {*nested_rows(60, seed=2, labels=labels, groups=groups, rows=100)}


def test_whole_groups_and_further_targets_hold_every_class_in_the_smallest_sample() -> None:
    labels = np.arange(120) // 40
    groups = np.arange(120) // 10  # each of one class
    for seed in range(10):
        few = nested_rows(16, seed=seed, labels=labels, groups=groups, rows=120)
        assert np.bincount(labels[few]).tolist() == [10, 10, 10]  # 16 are not enough for three groups
        assert {*few} <= {*nested_rows(40, seed=seed, labels=labels, groups=groups, rows=120)}
        other = np.where(np.arange(120) % 40 == 7, 1, 0)  # a class of three rows
        third = np.where(np.arange(120) == 119, 5, 2)  # and one of a single row
        some = nested_rows(6, seed=seed, labels=labels, also=[other, third], rows=120)
        assert [set(each[some].tolist()) for each in (labels, other, third)] == [{0, 1, 2}, {0, 1}, {2, 5}]
        assert {*some} < {*nested_rows(12, seed=seed, labels=labels, also=[other, third], rows=120)}
        alone = nested_rows(2, seed=seed, also=[third], rows=120)
        assert set(third[alone].tolist()) == {2, 5}
        in_groups = nested_rows(16, seed=seed, also=[third], groups=groups, rows=120)
        assert 119 in in_groups


def test_rows_without_a_class_are_reported(tmp_path: Path) -> None:
    kinds = ["old" if row < 20 else "ab"[row % 2] for row in range(100)]
    lines = [f"{row % 7},2024-01-{row // 4 + 1:02},{kind}" for row, kind in enumerate(kinds)]
    (tmp_path / "rows.csv").write_text("\n".join(["size,day,kind", *lines]) + "\n", encoding="utf-8")
    (tmp_path / "spec.yaml").write_text(
        "dataset: {path: rows.csv, target: kind, validation: {last: 0.2, by: day}, test: null}\n"
        "layers: [{Dense: {units: 3, activation: softmax}}]\nloss: sparse_categorical_crossentropy\n"
        "fit: {epochs: 1, engine: graph}\n"
    )
    watcher = Notes()
    wanted = RowsWanted([20, 1.0], 1, "val_loss")
    found = measure_more_data(load_spec(tmp_path / "spec.yaml"), wanted, watcher)
    assert found.notes == tuple(watcher.notes)
    (note,) = found.notes
    assert note.startswith("20 rows, seed ")
    assert note.endswith(": no row has the class 'old', so the network never sees it")


@pytest.mark.parametrize("by", ["share: 0.2, by: shop", "last: 0.2, by: day"])
def test_groups_stay_whole_and_of_times_the_latest_stay(by: str, tmp_path: Path) -> None:
    lines = [f"{row % 7},shop {row // 4},2024-01-{row // 4 + 1:02},{row * 1.5}" for row in range(100)]
    (tmp_path / "rows.csv").write_text("\n".join(["size,shop,day,price", *lines]) + "\n", encoding="utf-8")
    splits = f"test: {{{by}}}, validation: {{{by}}}"
    dataset = f"{{path: rows.csv, target: price, target_scaling: standardize, {splits}}}"
    (tmp_path / "spec.yaml").write_text(f"dataset: {dataset}\nlayers: [Dense: {{units: 1}}]\nloss: mse\n")
    found = find_opened(load_spec(tmp_path / "spec.yaml"))
    whole = found.dataset
    some = [divide_data(found.opened, found.spec, some=TrainingRows(size, 3)) for size in (16, 32)]
    for each in some:
        assert each.contract.output == whole.contract.output  # the target has the scale of all rows
        for split in ("validation", "test"):
            np.testing.assert_array_equal(each.splits()[split].rows, whole.splits()[split].rows)
    few, more = (each.train.rows for each in some)
    assert (len(few), len(more)) == (16, 32)
    assert {*few} < {*more} < {*whole.train.rows}
    if "shop" in by:
        assert np.unique(few // 4, return_counts=True)[1].tolist() == [4] * 4
    else:
        assert few.min() > max({*whole.train.rows} - {*few})


@pytest.mark.slow
def test_the_score_on_all_rows_is_that_of_the_run(
    tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpcli.training.compiled.xla_programs import trace_epoch

    traced: list[int] = []

    def counted(*arguments: Any, **settings: Any) -> Any:
        traced.append(1)
        return trace_epoch(*arguments, **settings)

    monkeypatch.setattr("mlpcli.training.compiled.loop.trace_epoch", counted)
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    runs = ("--runs-dir", tmp_path / "runs")
    picture = tmp_path / "rows.png"
    wanted = ("--sizes", "12,0.5,48,1.0", "--repeats", 2, "--json", "-o", picture)
    done = mlpcli("more-data", tmp_path / "tiny.yaml", *wanted, *runs)
    assert done.status == 0, done.err
    document = json.loads(done.out)
    assert json.loads((tmp_path / "rows.json").read_text()) == document
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "runs").exists()
    assert [each["rows"] for each in document["sizes"]] == [12, 48, 96]
    assert [len(each["scores"]) for each in document["sizes"]] == [2, 2, 2]
    assert document["trainings"]["done"] == 6
    assert len(traced) == 1  # one program for all sizes and seeds
    assert document["more_rows_help"] in ("yes", "no", "unclear")
    run = json.loads((find_run("tiny", tiny_run) / "metrics.json").read_text())
    whole = document["sizes"][-1]
    assert whole["scores"][0] == pytest.approx(run["validation"]["loss"], rel=1e-4)
    assert whole["metrics"][0]["accuracy"] == pytest.approx(run["validation"]["accuracy"])
    assert whole["scores"][0] != whole["scores"][1]  # another seed
    assert document["sizes"][0]["mean"] > whole["mean"]
    assert "training 6 of 6  96 rows, seed 8  val_loss" in done.err


TABLE = """\
dataset: {path: rows.csv, target: {price: price, kind: kind}, target_scaling: standardize}
layers:
  - {Dense: {units: 4, activation: relu}, name: hidden}
  - {Dense: {units: 1}, name: price, from: hidden}
  - {Dense: {units: 2, activation: softmax}, name: kind, from: hidden}
loss: {price: mse, kind: sparse_categorical_crossentropy}
metrics: {price: [mae], kind: [accuracy]}
fit: {epochs: 1}
"""


@pytest.mark.slow
def test_what_is_done_is_kept_when_it_is_interrupted(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = np.random.default_rng(1)
    cells = zip(numbers.normal(size=60), numbers.integers(0, 9, 60), numbers.integers(0, 2, 60), strict=True)
    lines = [f"{size:.3f},town {town},{'ab'[kind]},{size * 3 + kind:.3f}" for size, town, kind in cells]
    (tmp_path / "rows.csv").write_text("\n".join(["size,town,kind,price", *lines]) + "\n", encoding="utf-8")
    (tmp_path / "spec.yaml").write_text(TABLE, encoding="utf-8")

    def trained(self: MoreDataReport, step: Step, metrics: Mapping[str, float]) -> None:
        if step.number == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(MoreDataReport, "trained", trained)
    runs = ("--runs-dir", tmp_path / "runs")
    wanted = ("--sizes", "10,20", "--repeats", 2, "--metric", "val_price_mae")
    done = mlpcli("more-data", tmp_path / "spec.yaml", *wanted, *runs)
    assert done.status == 130
    assert "interrupted after 3 of 4 trainings" in done.err
    document = json.loads((tmp_path / "runs" / "spec" / "more_data.json").read_text())
    assert document["interrupted"]
    assert [len(each["scores"]) for each in document["sizes"]] == [2, 1]
    assert {"price_loss", "kind_accuracy"} <= set(document["sizes"][0]["metrics"][0])
    assert sorted(file.name for file in (tmp_path / "runs" / "spec").iterdir()) == [
        "more_data.json",
        "more_data.png",
        "more_data.svg",
    ]
    assert all(
        len(line) <= 80 for line in done.out.splitlines() if not line.startswith(("picture", "numbers"))
    )
    assert "too few trainings for a curve" in done.out


WRONG = {
    "no validation": ("validation: null", (), "dataset.validation: more-data measures every training on"),
    "too many rows": ("validation: 0.2", ("--sizes", "50,5000"), "a size must be at most 96, received 5000"),
    "too few rows": ("validation: 0.2", ("--sizes", "2,50"), "a size must be at least 3, one of each class"),
    "no size": (
        "validation: 0.2",
        ("--sizes", "50,many"),
        "--sizes: each must be a number of rows from 1 on",
    ),
    "a share above 1": ("validation: 0.2", ("--sizes", "1.5"), "or a share such as 0.5, received '1.5'"),
    "a metric": ("validation: 0.2", ("--metric", "val_acc"), "no metric has this name, received 'val_acc'"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_an_error(case: str, mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    dataset, options, told = WRONG[case]
    (tmp_path / "tiny.yaml").write_text(TINY.replace("{name: iris}", f"{{name: iris, {dataset}}}"))
    done = mlpcli("more-data", tmp_path / "tiny.yaml", *options, "--runs-dir", tmp_path / "runs")
    assert done.status == 2
    assert told in done.err
    assert not (tmp_path / "runs").exists()
