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
from mlpcli.errors import DataError, SpecError
from mlpcli.spec.load import load_spec
from mlpcli.spec.repeats import repeats_of, spec_of_repeat
from mlpcli.spec.schema import DatasetSpec
from mlpcli.training.find_data import divide_data, find_data
from mlpcli.training.repeated.member_builder import find_whole, rows_of_repeats
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


@pytest.mark.parametrize("fit", ["folds: 3", "seeds: 2", "folds: 2, seeds: 2, after_folds: retrain"])
@pytest.mark.parametrize(
    "splits",
    [
        "test: 0.2, validation: {last: 0.2, by: day}",
        "test: {share: 0.2, by: customer}, validation: {last: 0.2, by: day}",
        "test: {last: 0.2, by: day}, validation: {share: 0.2, by: customer}",
        "test: {last: 0.2}, validation: {share: 0.2, by: customer}",
        "test: null, validation: {last: 0.2, by: day}",
        "validation: {share: 0.2, by: customer}",
    ],
)
def test_each_training_divides_the_rows_as_its_own_spec_says(
    table: Path, tmp_path: Path, splits: str, fit: str
) -> None:
    path = tmp_path / "spec.yaml"
    text = (
        f"dataset: {{path: '{table.as_posix()}', target: price, {splits}}}\nlayers: [Dense: {{units: 1}}]\n"
    )
    path.write_text(f"{text}fit: {{{fit}}}\n")
    loaded = load_spec(path)
    found = find_whole(loaded)
    assert found.spec == loaded
    assert found.dataset.validation is None
    rows = rows_of_repeats(loaded, found.opened)
    for repeat, counted in list(zip(repeats_of(loaded.spec), rows, strict=True))[:2]:
        member = spec_of_repeat(loaded, repeat)
        ours, alone = divide_data(found.opened, member), find_data(member)[1]
        assert ours.fingerprint == alone.fingerprint
        assert ours.contract.features == alone.contract.features == found.dataset.contract.features
        assert counted == {name: len(split) for name, split in alone.splits().items()}


def test_a_class_that_one_fold_alone_has_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "rare.csv"
    lines = [f"{row % 7},g{row % 9},{'w' if row % 9 == 0 else 'uv'[row % 2]}" for row in range(63)]
    path.write_text("x,group,kind\n" + "\n".join(lines) + "\n")
    by = {"share": 0.2, "by": "group"}
    messages = []
    for number in range(1, 4):
        fold = {"number": number, "of": 3}
        given = {"path": str(path), "target": "kind", "fold": fold, "test": None, "validation": by}
        try:
            load_dataset(DatasetSpec.model_validate(given), wanting(True), seed=1, folder=Path())
        except DataError as error:
            messages.append(str(error))
    (message,) = messages
    assert message.endswith(
        "class 'w' is only in the held_out split, no training row has it; pool rare classes with "
        "target_min_count, write fewer folds or another dataset.split_seed, or divide the rows by other means"
    )
