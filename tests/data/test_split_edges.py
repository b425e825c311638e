"""Places in the splits that `scripts/mutation.py` could change without a test that failed."""

from __future__ import annotations

import numpy as np
import pytest

from mlpcli.data.folds import grouped_folds, time_folds
from mlpcli.data.group_split import MOST_TRIED, take_groups
from mlpcli.data.random_split import can_stratify


@pytest.mark.parametrize(
    ("labels", "taken", "expected"),
    [
        ([0, 0, 1, 1], 2, True),
        ([0, 0, 1, 1], 1, False),  # no room for a row of each class
        ([0, 0, 1, 1], 3, False),
        ([0, 0, 0, 1], 2, False),  # a class of one row cannot be on both sides
    ],
)
def test_a_split_is_stratified_where_each_class_fits_on_both_sides(
    labels: list[int], taken: int, expected: bool
) -> None:
    assert can_stratify(np.array(labels), taken) is expected


def test_of_many_groups_the_share_is_right_in_all_and_of_each_class() -> None:
    groups = np.repeat(np.arange(3 * MOST_TRIED), 2)
    labels = (groups % 5 == 0).astype(np.int64)
    taken = take_groups(groups, len(groups) // 4, seed=1, labels=labels)
    assert taken is not None
    assert taken.mean() == pytest.approx(0.25, abs=1e-3)
    assert taken[labels == 1].mean() == pytest.approx(0.25, abs=1e-3)
    assert not np.intersect1d(groups[taken], groups[~taken]).size


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
