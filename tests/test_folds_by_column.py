"""Folds of a table whose rows are divided by groups, by time, or by a column that names their split."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mlpcli.data.dataset import Dataset
from mlpcli.data.group_split import quantile_bins
from mlpcli.data.load import load_dataset
from mlpcli.data.splits import without_validation
from mlpcli.errors import SpecError
from mlpcli.spec.schema import DatasetSpec
from tests.conftest import wanting

ROWS = 120


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = np.random.default_rng(0)
    days = generator.integers(0, 40, ROWS)
    lines = ["x,customer,day,part,price"]
    for place in range(ROWS):
        part = ("train", "train", "validation", "test")[place % 4]
        x, price = generator.normal(2), generator.normal()
        lines.append(f"{x:.3f},c{place % 17},2026-01-{days[place] % 28 + 1:02d},{part},{price:.3f}")
    path = tmp_path_factory.mktemp("table") / "rows.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def _fold(table: Path, number: int, **section: object) -> Dataset:
    given = {"path": str(table), "target": "price", "fold": {"number": number, "of": 4}, **section}
    return load_dataset(DatasetSpec.model_validate(given), wanting(False), seed=1, folder=Path())


def _column(table: Path, name: str, rows: np.ndarray) -> np.ndarray:
    lines = [line.split(",") for line in table.read_text().splitlines()]
    every = np.array([line[lines[0].index(name)] for line in lines[1:]])
    found: np.ndarray = every[rows]
    return found


def test_no_group_is_in_two_splits_of_a_fold(table: Path) -> None:
    by = {"share": 0.2, "by": "customer"}
    folds = [_fold(table, number, validation=by) for number in range(1, 5)]
    for dataset in folds:
        splits = dataset.splits()
        found = [set(_column(table, "customer", split.rows)) for split in splits.values()]
        assert len(set.union(*found)) == sum(map(len, found)) == 17
    tests = [dataset.test for dataset in folds]
    assert all(test is not None and (test.rows == tests[0].rows).all() for test in tests if tests[0])
    spec = DatasetSpec.model_validate({"path": str(table), "target": "price", "validation": by})
    whole = load_dataset(without_validation(spec), wanting(False), seed=1, folder=Path())
    assert whole.test is not None
    assert tests[0] is not None
    np.testing.assert_array_equal(whole.test.rows, tests[0].rows)  # by groups too


def test_a_fold_of_time_is_later_than_all_that_it_trains_on(table: Path) -> None:
    by = {"last": 0.2, "by": "day"}
    for number in range(1, 5):
        splits = _fold(table, number, test=by).splits()
        days = {name: sorted(_column(table, "day", split.rows)) for name, split in splits.items()}
        order = [days[name] for name in ("train", "validation", "held_out", "test")]
        for earlier, later in pairwise(order):
            assert earlier[-1] < later[0]


def test_rows_that_are_named_as_validation_validate_every_fold(table: Path) -> None:
    for number in range(1, 5):
        splits = _fold(table, number, split="part").splits()
        assert {name: len(split) for name, split in splits.items()} == {
            "train": 45,
            "validation": 30,
            "test": 30,
            "held_out": 15,
        }
        for name in ("validation", "test"):
            assert set(_column(table, "part", splits[name].rows)) == {name}


@pytest.mark.parametrize("stratify", [{"stratify": "quantile"}, {}])
def test_folds_of_numbers_are_stratified_on_request(table: Path, stratify: dict[str, str]) -> None:
    test = {"share": 0.2, **stratify}
    found = [_fold(table, number, test=test, validation=None).held_out for number in range(1, 5)]
    folds = [_column(table, "price", each.rows).astype(float) for each in found if each is not None]
    bins = quantile_bins(np.concatenate(folds), 24)
    ends = np.cumsum([len(of_fold) for of_fold in folds])[:-1]
    counts = [np.bincount(of_fold, minlength=10) for of_fold in np.split(bins, ends)]
    assert bool(np.ptp(counts, axis=0).max() <= 1) == bool(stratify)


def test_too_few_groups_or_times_for_the_folds_are_said(table: Path) -> None:
    with pytest.raises(SpecError, match="groups of column 'customer' in 20 folds"):
        _fold(table, 1, test={"share": 0.2, "by": "customer"}, fold={"number": 1, "of": 20})
