"""How well each raw column of the training rows alone predicts each target."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlpcli.data.dataset import Dataset, Output
from mlpcli.data.named_arrays import rows_of
from mlpcli.data.raw_columns import places_beside_images, values_at
from mlpcli.data.targets import class_indices
from mlpcli.runs.leaking_columns import ColumnSkill
from mlpcli.statistics.column_skill import column_skill
from mlpcli.statistics.stands_out import FEWEST_COLUMNS

MOST_COLUMNS, MOST_ROWS = 2000, 2000
"""The most columns that are tried alone, and the most rows of each."""


def column_skills(dataset: Dataset, seed: int, *, most: int = MOST_COLUMNS) -> Iterator[ColumnSkill]:
    """Yield how well each raw column alone predicts each target, the best first by output.

    Args:
        dataset: with its training rows in memory.
        seed: of the rows that are tried.
        most: the most columns; of more, nothing is said.
    """
    places = places_beside_images(dataset.contract)
    if not FEWEST_COLUMNS <= len(places) <= most or not len(dataset.train):
        return
    rows = np.random.default_rng(seed).permutation(len(dataset.train))[:MOST_ROWS]
    x = dataset.train.x
    few = rows_of(x, rows)
    for output in dataset.contract.outputs:
        y = dataset.train.y[output.name] if output.name else dataset.train.y
        target = _flat_target(output, y[rows])
        if target is None:
            continue
        classes = output.kind != "numbers"
        skills = [
            ColumnSkill(
                column=name,
                skill=max(
                    0.0,
                    column_skill(values_at(few, dataset.contract, own), target, classes=classes, seed=seed),
                ),
                output=output.name,
            )
            for name, own in places.items()
        ]
        yield from sorted(skills, key=lambda each: -each.skill)


def _flat_target(output: Output, y: np.ndarray) -> np.ndarray | None:
    """Return a target as (rows,); None for one that is more than a number or a class."""
    if output.steps or output.kind not in ("numbers", "classes", "one_hot"):
        return None
    if output.kind == "numbers":
        return y.reshape(len(y), -1)[:, 0] if y.size == len(y) else None
    return class_indices(y)
