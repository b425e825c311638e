"""Classes of a split that no training row has: no network can learn them."""

from __future__ import annotations

import numpy as np

from mlpcli.data.dataset import Output
from mlpcli.data.random_split import counts_of
from mlpcli.data.sources.source_rows import SourceRows
from mlpcli.data.targets import class_indices, only_in
from mlpcli.data.types import Array
from mlpcli.errors import Problem


def unseen_classes(
    train: Array, source_rows: SourceRows, split: str, y: Array, rows: Array, output: Output, *, divided: bool
) -> list[Problem]:
    """Find classes of a split that no training row has.

    Args:
        train: class indices or one-hot rows of the training rows.
        source_rows: the source of the split's rows.
        split: its name.
        y: class indices or one-hot rows of the split.
        rows: the position of each row of `y` in `source_rows`.
        output: of both.
        divided: the split was taken off the rows that the training rows are of.

    Returns:
        A problem for each such class.
    """
    if output.kind not in ("classes", "one_hot"):
        return []
    assert output.classes is not None
    seen = np.flatnonzero(counts_of(class_indices(train).reshape(-1)))
    known = np.isin(np.arange(len(output.classes)), seen)
    labels = class_indices(y).reshape(len(y), -1)
    unseen = [int(code) for code in np.unique(labels) if not known[code]]
    found: dict[int, Array] = {}
    for code in unseen:
        found[code] = np.zeros(int(rows.max()) + 1, dtype=bool)
        found[code][rows[(labels == code).any(axis=1)]] = True
    return only_in(source_rows, split, found, output.classes, _way_out(split, output) if divided else "")


def _way_out(split: str, output: Output) -> str:
    """Return what makes a class of the rows that were divided one of the training rows too."""
    pooled = "pool rare classes with target_min_count, " if output.kind == "classes" else ""
    other = "write fewer folds or another dataset.split_seed, " if split == "held_out" else ""
    ways = f"{pooled}{other}or divide the rows by other means"
    return ways.removeprefix("or ")
