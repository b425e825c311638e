"""Rows cut in folds: as scikit-learn cuts them, by whole groups, by time; a fold as a split of a dataset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import KFold, StratifiedKFold, TimeSeriesSplit

from mlpcli.data.folds import Folds, cut_folds, grouped_folds, time_folds
from mlpcli.data.load import load_dataset
from mlpcli.errors import SpecError
from mlpcli.spec.schema import DatasetSpec
from tests.conftest import Result, wanting


def _same(ours: Folds, theirs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for number, (training, held_out) in enumerate(theirs, 1):
        for mine, other in zip(ours.take(number), (training, held_out), strict=True):
            np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("seed", range(4))
def test_folds_are_those_of_scikit_learn(seed: int) -> None:
    rows = np.random.default_rng(seed).integers(60, 100)
    labels = np.random.default_rng(seed).choice([5, 0, 3], rows, p=[0.1, 0.3, 0.6])
    x = np.zeros((rows, 1))
    plain = KFold(5, shuffle=True, random_state=seed).split(x)
    _same(cut_folds(np.arange(rows), 5, seed=seed), list(plain))
    stratified = StratifiedKFold(5, shuffle=True, random_state=seed).split(x, labels)
    _same(cut_folds(np.arange(rows), 5, seed=seed, labels=labels), list(stratified))
    times = np.arange(rows)[::-1]
    of_time = TimeSeriesSplit(4).split(x)
    later = time_folds(times, 4)
    assert later is not None
    _same(Folds(later.numbers[::-1], in_time=True), list(of_time))


def test_a_class_with_one_row_is_never_held_out_and_the_others_are_in_every_training() -> None:
    labels = np.array([0] * 7 + [1] * 2 + [2] + [3] * 6)
    folds = cut_folds(np.arange(16), 5, seed=0, labels=labels)
    assert folds.numbers[9] == 0
    for number in range(1, 6):
        training, held_out = folds.take(number)
        assert 9 in training
        assert set(labels[held_out]) <= set(labels[training])
    assert sorted(np.concatenate([folds.take(number)[1] for number in range(1, 6)])) == [
        *range(9),
        *range(10, 16),
    ]


@pytest.mark.parametrize("labelled", [False, True])
def test_groups_are_whole_and_folds_about_equal(labelled: bool) -> None:
    generator = np.random.default_rng(1)
    groups = generator.choice(40, 400, p=np.arange(1, 41) / 820)
    labels = (groups % 4 == 0).astype(int) if labelled else None
    folds = grouped_folds(groups, 5, seed=3, labels=labels)
    assert folds is not None
    for group in range(40):
        assert len(set(folds.numbers[groups == group])) <= 1
    sizes = np.bincount(folds.numbers)[1:]
    assert sizes.sum() == 400
    assert sizes.max() - sizes.min() < 25
    if labels is not None:
        assert np.ptp([labels[folds.numbers == number].mean() for number in range(1, 6)]) < 0.15
    again = grouped_folds(groups, 5, seed=4, labels=labels)
    assert again is not None
    assert (again.numbers != folds.numbers).any()
    assert grouped_folds(groups, 41, seed=3) is None


def test_folds_of_groups_have_about_as_many_rows_and_of_each_class() -> None:
    draw = np.random.default_rng(2)
    groups = np.repeat(np.arange(60), draw.integers(1, 9, 60))
    labels = draw.integers(0, 3, 60)[groups]
    folds = grouped_folds(groups, 3, seed=4, labels=labels)
    assert folds is not None
    held_out = [folds.numbers == number for number in (1, 2, 3)]
    rows = np.array([each.sum() for each in held_out])
    classes = np.array([np.bincount(labels[each], minlength=3) for each in held_out])
    assert np.ptp(rows) <= 4
    assert (np.ptp(classes, axis=0) <= 8).all()


def test_no_block_of_time_is_held_out_that_has_nothing_before_it() -> None:
    assert time_folds(np.array([1, 1, 1, 1, 2, 3]), 2) is None  # the first time is most of the rows
    folds = time_folds(np.array([1, 1, 2, 2, 3, 3]), 2)
    assert folds is not None
    assert folds.numbers.tolist() == [0, 0, 1, 1, 2, 2]


def test_a_block_of_time_is_later_than_its_training_rows_also_where_times_are_equal() -> None:
    times = np.random.default_rng(0).integers(0, 30, 200)
    folds = time_folds(times, 5)
    assert folds is not None
    for number in range(1, 6):
        training, held_out = folds.take(number)
        assert times[training].max() < times[held_out].min()
    assert time_folds(np.repeat([1, 2, 3], 50), 5) is None
    assert time_folds(np.arange(5), 5) is None


def test_folds_of_a_dataset_divide_the_rows_that_are_no_test_rows() -> None:
    request = wanting(True)
    whole = load_dataset(DatasetSpec(name="iris"), request, seed=5, folder=Path())
    held_out = []
    for number in range(1, 4):
        spec = DatasetSpec.model_validate({"name": "iris", "fold": {"number": number, "of": 3}})
        dataset = load_dataset(spec, request, seed=5, folder=Path())
        splits = dataset.splits()
        assert list(splits) == ["train", "validation", "test", "held_out"]
        rows = np.concatenate([split.rows for split in splits.values()])
        np.testing.assert_array_equal(np.sort(rows), np.arange(150))
        assert whole.test is not None
        np.testing.assert_array_equal(splits["test"].rows, whole.test.rows)
        held_out.append(splits["held_out"].rows)
        same = spec.model_copy(update={"split_seed": 5})
        assert load_dataset(same, request, seed=9, folder=Path()).fingerprint == dataset.fingerprint
    assert len(np.unique(np.concatenate(held_out))) == 120


def test_a_fold_that_cannot_be_says_why(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    spec = tmp_path / "few.yaml"
    spec.write_text("dataset: {name: logic_xor, fold: {number: 6, of: 5}}\nlayers: [Dense: {units: 1}]\n")
    result = mlpcli("check", spec)
    assert result.status == 2
    assert "few.yaml:1:43 dataset.fold.number: must be the number of a fold, from 1 to 5" in result.err
    few = DatasetSpec.model_validate({"name": "logic_xor", "fold": {"number": 2, "of": 5}})
    with pytest.raises(SpecError, match="cuts 4 rows in 5 folds"):
        load_dataset(few, wanting(True), seed=1, folder=Path())


TOGETHER = [
    (
        "few.csv, target: y",
        "fit: {folds: 3}",
        "predict: {intervals: 0.95}",
        ":4:22 predict.intervals: a level",
    ),
    ("few.csv, target: y", "fit: {seeds: 2}", "predict: {threshold: 0.3}", ":4:22 predict.threshold: is for"),
    ("few.npz", "fit: {folds: 2}", "loss: CTC", ":3:14 fit.folds: cannot have a mean of models"),
]


@pytest.mark.parametrize(("path", "fit", "more", "message"), TOGETHER)
def test_check_says_what_train_refuses_of_all_folds_together(
    mlpcli: Callable[..., Result], tmp_path: Path, path: str, fit: str, more: str, message: str
) -> None:
    lines = "".join(f"{row},{row * row % 7}\n" for row in range(12))
    (tmp_path / "few.csv").write_text(f"x,y\n{lines}")
    steps = np.eye(4, dtype=np.float32)[np.arange(72).reshape(12, 6) % 4]
    np.savez(tmp_path / "few.npz", x=steps, y=np.ones((12, 2), int))
    units = 4 if path == "few.npz" else 1
    text = f"dataset: {{path: {path}}}\nlayers: [Dense: {{units: {units}}}]\n{fit}\n{more}\n"
    (tmp_path / "spec.yaml").write_text(text)
    result = mlpcli("check", tmp_path / "spec.yaml")
    assert result.status == 2, result.out
    assert f"spec.yaml{message}" in result.err


def test_the_resolved_spec_of_folds_has_all_that_was_given(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    text = "dataset: {name: iris}\nlayers: [Dense: {units: 3, activation: softmax}]\nfit: {folds: 3}\n"
    (tmp_path / "spec.yaml").write_text(f"{text}predict: {{intervals: 0.8}}\n")
    result = mlpcli("check", tmp_path / "spec.yaml", "--resolved")
    assert result.status == 0, result.err
    assert "intervals: 0.8" in result.out
    assert "folds: 3" in result.out


@pytest.mark.parametrize("option", [("--folds", "0"), ("--seeds", "0")])
def test_an_option_is_named_as_it_was_written(
    mlpcli: Callable[..., Result], tmp_path: Path, option: tuple[str, str]
) -> None:
    (tmp_path / "spec.yaml").write_text("dataset: {name: iris}\nlayers: [Dense: {units: 3}]\n")
    result = mlpcli("train", tmp_path / "spec.yaml", "--runs-dir", tmp_path / "runs", *option)
    assert result.status == 2
    assert f"{' '.join(option)} fit.{option[0][2:]}: must be" in result.err
    assert "--set" not in result.err
