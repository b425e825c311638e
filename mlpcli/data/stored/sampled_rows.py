"""Some rows of splits that are kept in files, in memory: for figures, baselines and what is fitted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mlpcli.data.dataset import Dataset, Split
from mlpcli.data.stored.stored_array import StoredArray
from mlpcli.data.types import Array

MOST_ROWS = 100_000
FEWEST_ROWS = 200
SHARE = 4
"""A sample takes at most this part of the memory for rows."""


def is_stored(split: Split) -> bool:
    """Return whether the rows of a split are in files."""
    return isinstance(split.rows, StoredArray)


def sampled_split(split: Split, memory: int | None) -> Split:
    """Return a split with its rows in memory: all of them, or where they are too many evenly spaced ones.

    Args:
        split: whose rows may be in files; in memory it is returned as it is.
        memory: the bytes that rows may take.
    """
    if not is_stored(split):
        return split
    parts = (split.x, split.y, split.weights, split.rows)
    arrays = [each for part in parts for each in (part.values() if isinstance(part, dict) else [part])]
    row_bytes = sum(each.nbytes for each in arrays if each is not None) / max(1, len(split))
    fitting = int((memory or 0) / SHARE / max(1.0, row_bytes))
    count = min(len(split), MOST_ROWS, max(FEWEST_ROWS, fitting))
    rows = np.unique(np.linspace(0, len(split) - 1, count).astype(np.int64))
    x, y, chosen, weights = (_pick(part, rows) for part in (split.x, split.y, split.rows, split.weights))
    return Split(x, y, chosen, weights)


def _pick(arrays: Any, rows: Array) -> Any:
    if isinstance(arrays, dict):
        return {name: _pick(each, rows) for name, each in arrays.items()}
    return arrays[rows] if isinstance(arrays, StoredArray) else arrays


def sampled(dataset: Dataset, memory: int | None) -> Dataset:
    """Return a dataset with its rows in memory, or some of the rows of each split; see `sampled_split`."""
    if not is_stored(dataset.train):
        return dataset
    found = {name: sampled_split(split, memory) for name, split in dataset.splits().items()}
    return replace(dataset, train=found["train"], validation=found.get("validation"), test=found.get("test"))
