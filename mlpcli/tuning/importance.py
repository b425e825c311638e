"""How much each hyperparameter mattered to the scores of a search."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mlpcli.runs.search_folder import Search
from mlpcli.spec.search_space import BOOLEAN, CHOICE, Parameter, Space, same

FEWEST = 5
"""Completed trials below which nothing can be said."""
TREES = 200


def importance(search: Search, space: Space) -> dict[str, float]:
    """Shares of the scores' variation by parameter, adding up to 1, the greatest first; {} with few trials.

    A forest of regression trees is fitted to the trials, and each parameter gets the part of the variance
    that the splits on it take away (scikit-learn's `feature_importances_`; Breiman, 2001).
    """
    trials = search.best_first()
    scores = np.array([trial.score for trial in trials], dtype=np.float64)
    if len(trials) < FEWEST or np.ptp(scores) == 0:
        return {}
    columns, owners = [], []
    for parameter in space:
        values = [trial.values.get(parameter.name, parameter.default) for trial in trials]
        for column in _columns(parameter, values):
            columns.append(column)
            owners.append(parameter.name)
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(n_estimators=TREES, min_samples_leaf=2, random_state=search.seed, n_jobs=1)
    forest.fit(np.stack(columns, axis=1), scores)
    shares = dict.fromkeys(space.names, 0.0)
    for owner, share in zip(owners, forest.feature_importances_, strict=True):
        shares[owner] += float(share)
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def position(parameter: Parameter, value: Any) -> float:
    """Where a value lies on its parameter's axis: a number (its logarithm where so sampled), or an index."""
    if parameter.kind in (CHOICE, BOOLEAN):
        return float(next(i for i, label in enumerate(parameter.labels) if same(label, value)))
    return math.log10(value) if parameter.sampling == "log" else float(value)


def _columns(parameter: Parameter, values: list[Any]) -> list[np.ndarray[Any, Any]]:
    places = np.array([position(parameter, value) for value in values])
    if parameter.kind != CHOICE:
        return [places]
    return [(places == index).astype(np.float64) for index in range(len(parameter.options))]
