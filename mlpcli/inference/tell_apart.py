"""Can a small model tell new rows from training rows? The area under its ROC curve, by cross-validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mlpcli.data.column_values import ColumnValues
from mlpcli.data.equal_rows import row_hashes
from mlpcli.data.types import Array
from mlpcli.inference.column_drift import size_of
from mlpcli.runs.drift_results import Separation, Size
from mlpcli.statistics.drift import auc_interval

MOST_ROWS = 5000
"""Of training rows, and of new rows; of more a random sample."""

FEWEST_ROWS = 20
FOLDS = 5
MOST_CODES = 100
"""The most frequent categories have a number each, the others share one."""

AREA_LIMITS = (0.6, 0.7)
"""From here on the areas are moderate, and large: 0.7 is what Hosmer and Lemeshow call acceptable."""


def tell_apart(
    known: Mapping[str, ColumnValues], new: Mapping[str, ColumnValues], rows: tuple[int, int], seed: int
) -> Separation:
    """Train a classifier of new against training rows, and measure it on rows that it has not seen.

    Lopez-Paz and Oquab, Revisiting classifier two-sample tests, 2017; gradient-boosted trees, which take
    missing values and any scale. Dates are left out: rows that come later always have later ones.

    Args:
        known: columns of the training rows.
        new: the same of the new rows.
        rows: how many training rows and new rows there are.
        seed: of samples and folds.
    """
    dates = tuple(name for name, each in known.items() if each.kind == "dates")
    names = [name for name in known if name in new and name not in dates]
    if min(rows) < FEWEST_ROWS or not names:
        why = f"it takes {FEWEST_ROWS} rows of each" if names else "there is no column to distinguish them by"
        return Separation(None, reason=why, left_out=dates)
    random = np.random.default_rng(seed)
    chosen = [np.sort(random.permutation(count)[:MOST_ROWS]) for count in rows]
    matrix = np.concatenate([np.stack(pair, axis=1) for pair in _columns(known, new, names, chosen)])
    truth = np.repeat([0, 1], [len(each) for each in chosen])
    scores = _out_of_fold(matrix, truth, seed)
    area, low, high = auc_interval(scores[truth == 1], scores[truth == 0])
    size: Size = "none" if low <= 0.5 else size_of(area, AREA_LIMITS)
    return Separation(area, (low, high), size, (len(chosen[0]), len(chosen[1])), left_out=dates)


def _columns(
    known: Mapping[str, ColumnValues],
    new: Mapping[str, ColumnValues],
    names: Sequence[str],
    chosen: Sequence[Array],
) -> list[list[Array]]:
    """Return the columns of the chosen training rows, and those of the chosen new rows, as numbers."""
    found: list[list[Array]] = [[], []]
    for name in names:
        pair = known[name], new[name]
        is_text = known[name].kind == "categories"
        both = _codes(*pair) if is_text else (pair[0].numbers, pair[1].numbers)
        for side, values, rows in zip(found, both, chosen, strict=True):
            side.append(np.asarray(values, np.float64)[rows])
    return found


def _codes(known: ColumnValues, new: ColumnValues) -> tuple[Array, Array]:
    """Return categories as numbers, the most frequent of all rows first; NaN for a missing one."""
    counts: dict[str, int] = {}
    for each in (known, new):
        for text, count in zip(each.texts, np.bincount(each.codes, minlength=len(each.texts)), strict=True):
            if text is not None:
                counts[text] = counts.get(text, 0) + int(count)
    order = {text: place for place, text in enumerate(sorted(counts, key=lambda text: -counts[text]))}

    def coded(values: ColumnValues) -> Array:
        table = [np.nan if text is None else min(order[text], MOST_CODES) for text in values.texts]
        return np.array(table or [np.nan], np.float64)[values.codes]

    return coded(known), coded(new)


def _out_of_fold(matrix: Array, truth: Array, seed: int) -> Array:
    """Return for each row how sure a model that has not seen it, or a copy of it, is that it is new."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    scores = np.zeros(len(truth))
    folds = _folds(matrix, truth, seed)
    for fold in range(FOLDS):
        held_out = folds == fold
        model = HistGradientBoostingClassifier(
            max_iter=50, max_leaf_nodes=15, early_stopping=False, random_state=seed % 2**32
        )
        with threadpool_limits(1, "openmp"):  # on a busy machine its threads wait for each other
            model.fit(matrix[~held_out], truth[~held_out])
            scores[held_out] = model.predict_proba(matrix[held_out])[:, 1]
    return scores


def _folds(matrix: Array, truth: Array, seed: int) -> Array:
    """Return the fold of each row, (rows,) int: equal rows are in one where most rows differ."""
    distinct, codes = np.unique(row_hashes([matrix]), return_inverse=True)
    random = np.random.default_rng([seed % 2**63, 1])
    if 2 * len(distinct) >= len(truth):  # copies of training rows would be told by their own class
        return np.asarray(random.permutation(len(distinct)) % FOLDS)[codes.reshape(-1)]
    folds = np.empty(len(truth), np.int64)
    for each in (0, 1):
        rows = np.flatnonzero(truth == each)
        folds[rows] = random.permutation(len(rows)) % FOLDS
    return folds
