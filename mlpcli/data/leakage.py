"""What splits share that they should not: equal rows, and groups in two of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mlpcli.data.dataset import Dataset, Split
from mlpcli.data.equal_rows import (
    SAMPLE,
    equal_rows,
    expected_equal,
    is_more_than_chance,
    row_hashes,
)
from mlpcli.data.features.group_columns import is_called_group, looks_like_group
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.features.profiles import profile_column
from mlpcli.data.features.stacked import StackedPreprocessor
from mlpcli.data.readers.row_errors import Origin, row_name
from mlpcli.data.readers.tables import Table
from mlpcli.data.split_columns import SplitColumns, divided_by
from mlpcli.data.splits import InColumn, SplitAmounts
from mlpcli.data.stored.sampled_rows import is_stored
from mlpcli.data.types import Array
from mlpcli.errors import listing
from mlpcli.printable import counted
from mlpcli.spec.resolve import inline
from mlpcli.spec.split_forms import SPLITS

EXAMPLES = 3


@dataclass(frozen=True)
class EqualRows:
    """Rows of a split whose features are those of a training row: how many, of how many, and a line."""

    split: str
    count: int
    of: int
    note: str


def equal_row_notes(dataset: Dataset) -> Iterator[str]:
    """Yield a line for each split with rows of the training rows; see `find_equal_rows`."""
    for each in find_equal_rows(dataset):
        yield each.note


def find_equal_rows(dataset: Dataset) -> Iterator[EqualRows]:
    """Yield each split that has rows whose features are those of a training row.

    Nothing is said where columns have so few values that chance alone gives half as many: such rows are no
    copies.

    Args:
        dataset: that was loaded, with the origins of its splits.
    """
    for name, split in dataset.splits().items():
        if name == "train" or not len(split):
            continue
        shared = shared_rows(dataset, split)
        if shared is None:
            continue
        rows, same, chance = shared
        origins = [dataset.origins.get(each) or Origin(dataset.source) for each in (name, "train")]
        pairs = [
            f"{row_name(origins[0], int(split.rows[a]), dataset.source)} = "
            f"{row_name(origins[1], int(dataset.train.rows[b]), dataset.source)}"
            for a, b in zip(rows[:EXAMPLES].tolist(), same[:EXAMPLES].tolist(), strict=True)
        ]
        note = (
            f"{name}: {len(rows):,} of {counted(len(split), 'row')} have the features of a training row "
            f"({', '.join(pairs)}); by chance there would be about {chance:.0f}. If they are copies, "
            "remove them from the table, or name a column that they share: {share: 0.2, by: COLUMN}"
        )
        yield EqualRows(name, len(rows), len(split), note)


class SharedRows(NamedTuple):
    """Rows of a split whose features are those of a training row.

    Attributes:
        rows: (some,) their places in the split.
        same: (some,) the place of an equal row among the training rows.
        chance: how many there would be by chance.
    """

    rows: Array
    same: Array
    chance: float


def shared_rows(dataset: Dataset, split: Split) -> SharedRows | None:
    """Return the rows of a split that are training rows too; None where no more are than by chance.

    Args:
        dataset: with the training rows.
        split: rows as the same model takes them.
    """
    if is_stored(dataset.train):  # too many to compare
        return None
    rows, same = equal_rows(_arrays(split), _arrays(dataset.train))
    if not len(rows):
        return None
    chance = expected_equal(_columns(dataset, split), len(dataset.train)) * len(split)
    return SharedRows(rows, same, chance) if is_more_than_chance(len(rows), chance) else None


def _arrays(split: Split) -> list[Array]:
    return list(split.x.values()) if isinstance(split.x, dict) else [split.x]


def _columns(dataset: Dataset, split: Split) -> list[tuple[Array, Array]]:
    """Return the columns of a sample of a split and of the training rows, a number for each value."""
    parts = [_sample(each) for each in (split, dataset.train)]
    found = []
    for place, columns in _places(dataset):
        mine, theirs = (part[place].reshape(len(part[place]), -1)[:, columns] for part in parts)
        found.append((row_hashes([mine]), row_hashes([theirs])))
    return found


def _sample(split: Split) -> list[Array]:
    rows = np.random.RandomState(0).permutation(len(split))[:SAMPLE]
    return [each[rows] for each in _arrays(split)]


def _owners(preprocessor: Preprocessor | None) -> list[str]:
    """Return the column that each value of a row is of: of a mean, each member encodes every column."""
    if preprocessor is None:
        return []
    members = preprocessor.members if isinstance(preprocessor, StackedPreprocessor) else (preprocessor,)
    return [each.name for member in members for each in member.encoders for _ in range(each.width)]


def _places(dataset: Dataset) -> Iterator[tuple[int, list[int]]]:
    """Yield for each column of the data the array that holds it, and the places of its values there."""
    contract = dataset.contract
    owner = _owners(contract.preprocessor)
    seen: set[int | str] = set()
    for place, array in enumerate(_arrays(dataset.train)):
        width = int(np.prod(array.shape[1:], dtype=np.int64))
        named = contract.inputs[place].columns if contract.inputs else None
        columns: dict[int | str, list[int]] = {}
        for inside, position in enumerate(range(width) if named is None else named):
            columns.setdefault(owner[position] if owner else position, []).append(inside)
        for column, insides in columns.items():
            if column not in seen:
                yield place, insides
        seen |= {*columns}


@dataclass(frozen=True)
class SplitRows:
    """The rows of a split, as the columns of its table hold them.

    Attributes:
        table: that holds the rows; None for arrays.
        rows: (rows,), their positions in it.
    """

    table: Table | None
    rows: Array


def group_notes(
    splits: Mapping[str, SplitRows], columns: SplitColumns, amounts: SplitAmounts, target: Sequence[str]
) -> Iterator[str]:
    """Yield a line for each column of groups that has some of them in training and in another split.

    That is no leak where the other split is of later rows.

    Args:
        splits: the rows of each split, `train` among them.
        columns: by which the rows are divided.
        amounts: of the other splits.
        target: the target columns.
    """
    train = splits["train"]
    if train.table is None:
        return
    dividing = {name for name, sort in columns if sort == "group"}
    names = [name for name in train.table.columns if name in dividing or is_called_group(name)]
    for name in names:
        column = train.table.columns[name]
        if name in target or not (name in dividing or looks_like_group(profile_column(name, column))):
            continue
        known = _texts(train, name)
        both = {}
        for split, rows in splits.items():
            divided = divided_by(amounts.get(split))
            later = divided is not None and divided[1] == "time"
            if split in SPLITS and not later and rows.table is not None and name in rows.table.columns:
                there = _texts(rows, name)
                both[split] = (len(there & known), len(there))
        if shared := {split: counts for split, counts in both.items() if counts[0]}:
            counts = listing(f"{n:,} of the {of:,} in {split}" for split, (n, of) in shared.items())
            what = "divides the rows" if name in dividing else "looks like one of groups"
            ways = listing(dict.fromkeys(_way(name, split, amounts.get(split)) for split in shared))
            yield (
                f"column {name!r} {what}, and {counts} are also in train: their scores are those of known "
                f"groups; to keep each in one split, {ways}"
            )


def _way(name: str, split: str, amount: object) -> str:
    """Return how to have the rows of a group in one split."""
    if isinstance(amount, InColumn):
        return f"give its rows the same name in column {amount.column!r}"
    if amount is None or isinstance(amount, str):
        return "move its rows to one file"
    return f"write {split}: {{share: 0.2, by: {inline(name)}}}"


def _texts(rows: SplitRows, name: str) -> set[str]:
    """Return the distinct values of a column in some rows, without missing ones."""
    assert rows.table is not None
    texts = rows.table.columns[name].texts
    found = (texts.values[code] for code in np.unique(texts.codes[rows.rows]).tolist())
    return {text for text in found if text is not None}
