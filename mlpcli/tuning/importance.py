"""Hyperparameter importance: how much each explains of the scores of a search."""

from __future__ import annotations

import math

import numpy as np

from mlpcli.data.types import Array
from mlpcli.runs.search_folder import Search
from mlpcli.spec.search_space import BOOLEAN, CHOICE, Parameter, Space, same
from mlpcli.spec.values import Scalar

FEWEST = 5
"""The least number of completed trials."""
TREES = 200


def importance(search: Search, space: Space) -> dict[str, float]:
    """Return each parameter's share of the scores' variation, the greatest first; {} with few trials.

    A forest of regression trees is fitted to the trials. A parameter's importance is the part of the variance
    that splits on it remove (scikit-learn's `feature_importances_`; Breiman, 2001).

    Args:
        search: the search.
        space: its parameters.

    Returns:
        Importances by parameter, which add up to 1.
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


def position(parameter: Parameter, value: Scalar) -> float:
    """Return a value's position on its parameter's axis: its number or logarithm, or its index."""
    if parameter.kind in (CHOICE, BOOLEAN):
        return float(next(i for i, label in enumerate(parameter.labels) if same(label, value)))
    assert isinstance(value, int | float)
    return math.log10(value) if parameter.sampling == "log" else float(value)


def _columns(parameter: Parameter, values: list[Scalar]) -> list[Array]:
    """Return a parameter's columns for the forest, (trials,) float64: one, or one for each option."""
    places = np.array([position(parameter, value) for value in values])
    if parameter.kind != CHOICE:
        return [places]
    return [(places == index).astype(np.float64) for index in range(len(parameter.options))]
