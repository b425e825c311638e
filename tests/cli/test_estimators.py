"""The estimators with scikit-learn's interface: its own checks, and columns that it does not have."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from mlpcli import MlpClassifier, MlpcliError, MlpRegressor

QUICK: dict[str, object] = {
    "callbacks": [],
    "optimizer": {"Adam": {"learning_rate": 0.02}},
    "fit.engine": "graph",
    "fit.batch_size": 32,
}
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "a row twice is two rows of a batch, or of two splits; "
    "a row of weight 2 is one"
}
ALWAYS = {
    "check_estimator_cloneable",
    "check_no_attributes_set_in_init",
    "check_estimator_repr",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_estimators_unfitted",
    "check_complex_data",
    "check_estimators_empty_data_messages",
    "check_all_zero_sample_weights_error",
    "check_fit1d",
    "check_fit2d_1sample",
    "check_requires_y_none",
    "check_supervised_y_no_nan",
    "check_classifiers_one_label",
    "check_estimators_pickle",
    "check_methods_subset_invariance",
}
"""The checks that are always run: those without a training, and a few with one."""

ALL = os.environ.get("MLPCLI_ESTIMATOR_CHECKS") == "all"


def _quick(kind: type[Any], **parameters: object) -> Any:
    return kind(**{"effort": "fast", "epochs": 8, "random_state": 0, "set": QUICK, **parameters})


SEEN: dict[type[Any], list[str]] = {MlpClassifier: [], MlpRegressor: []}
"""The names of the checks that scikit-learn has for an estimator."""


def _checks() -> Iterator[Any]:
    for kind, seen in SEEN.items():
        for estimator, check in estimator_checks_generator(_quick(kind)):
            name = (check.func if isinstance(check, partial) else check).__name__
            seen.append(name)
            if name in EXPECTED or (not ALL and (name not in ALWAYS or seen.count(name) > 1)):
                continue
            yield pytest.param(estimator, check, id=f"{kind.__name__}-{name}-{seen.count(name)}")


CHECKS = list(_checks())


@pytest.mark.slow
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def test_scikit_learn_still_has_the_checks_that_are_chosen_by_name() -> None:
    names = {name for seen in SEEN.values() for name in seen}
    assert ALWAYS | EXPECTED.keys() <= names


def _columns(rows: int = 60) -> tuple[pa.Table, np.ndarray]:
    size = np.random.default_rng(0).normal(100, 20, rows)
    table = pa.table(
        {
            "size": [None if row == 3 else value for row, value in enumerate(size)],
            "town": [None if row == 5 else ("Ulm", "Bonn")[row % 2] for row in range(rows)],
            "target": [f"2020-01-{1 + row % 28:02}" for row in range(rows)],
        }
    )
    return table, np.where(size > 100, "large", "small")


@pytest.fixture(scope="module")
def fitted() -> MlpClassifier:
    table, y = _columns()
    return _quick(MlpClassifier, epochs=30).fit(table, y)  # type: ignore[no-any-return]


def test_a_table_with_texts_dates_and_missing_cells(fitted: MlpClassifier) -> None:
    table, y = _columns()
    assert fitted.classes_.tolist() == ["large", "small"]
    assert (fitted.n_features_in_, fitted.n_iter_) == (3, 30)
    assert fitted.score(table, y) > 0.8
    found = fitted.predict_proba(table)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-15)
    assert found.shape == (60, 2)
    assert (fitted.classes_[found.argmax(axis=1)] == fitted.predict(table)).all()
    np.testing.assert_array_equal(fitted.predict_proba(table.slice(7, 2)), found[7:9])


def test_a_pickle_predicts_the_same(fitted: MlpClassifier) -> None:
    table, _ = _columns()
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(table), fitted.predict_proba(table))
    assert again.run_.folder != fitted.run_.folder
    assert again.run_.history == fitted.run_.history
    assert not hasattr(clone(again), "run_")


def test_errors_name_the_data_and_are_value_errors(fitted: MlpClassifier) -> None:
    table, y = _columns()
    with pytest.raises(ValueError, match=r"^effort: must be fast, good or best") as caught:
        MlpClassifier(effort="much").fit(table, y)
    assert isinstance(caught.value, MlpcliError)
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(table.select(["size"]))
    with pytest.raises(ValueError, match=r"^epochs=0 fit.epochs: must be a positive number"):
        _quick(MlpClassifier, epochs=0).fit(table, y)
    with pytest.raises(ValueError, match=r"^random_state=-1 seed: must be a whole number"):
        _quick(MlpClassifier, random_state=-1).fit(table, y)
    with pytest.raises(ValueError, match=r"^effort: is for the spec that is proposed.*received 'best'"):
        MlpClassifier(spec={"layers": [SIGMOID]}, effort="best").fit(table, y)


SIGMOID: dict[str, object] = {"Dense": {"units": 1, "activation": "sigmoid"}}
OTHERS: list[tuple[type[Any], dict[str, Any], str]] = [
    (MlpClassifier, {"layers": [SIGMOID], "loss": "mse"}, "loss: must be for classes"),
    (MlpClassifier, {"layers": [{"Dense": {"units": 1}}]}, "loss: must be for classes"),  # mse by default
    (
        MlpClassifier,
        {"layers": [{"Dense": {"units": 4}}, "UnitNormalization"], "loss": "Circle"},
        "loss: must be",
    ),
    (MlpRegressor, {"layers": [SIGMOID], "loss": "binary_crossentropy"}, "loss: must be for numbers"),
    (
        MlpRegressor,
        {"layers": [{"Dense": {"units": 2, "activation": "softmax"}}]},
        "loss: must be for numbers",
    ),
    (
        MlpClassifier,
        {"layers": [SIGMOID], "dataset": {"target_min_count": 5}},
        "dataset.target_min_count: would predict a class that is not in y",
    ),
]


@pytest.mark.parametrize(("kind", "spec", "message"), OTHERS)
def test_a_spec_for_other_targets_is_refused(kind: type[Any], spec: dict[str, Any], message: str) -> None:
    x = np.random.default_rng(0).normal(size=(60, 2))
    estimator = kind(spec={**spec, "fit": {"epochs": 1, "engine": "graph"}})
    with pytest.raises(ValueError, match=message):
        estimator.fit(x, np.arange(60) % 2)
    with pytest.raises(NotFittedError):
        estimator.predict(x)


def test_a_training_that_fails_leaves_no_earlier_network(fitted: MlpClassifier) -> None:
    table, y = _columns()
    again = pickle.loads(pickle.dumps(fitted))
    again.set_params(epochs=0)
    with pytest.raises(ValueError, match="epochs"):
        again.fit(table, y)
    with pytest.raises(NotFittedError):
        again.predict(table)


def test_a_regressor_of_quantiles_predicts_the_median() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    y = 3 * x[:, 0] + rng.normal(size=200)
    spec = {
        "layers": [{"Dense": {"units": 3}}],
        "loss": {"Quantile": {"quantiles": [0.05, 0.5, 0.95]}},
        "optimizer": {"Adam": {"learning_rate": 0.1}},
        "fit": {"epochs": 20, "engine": "graph"},
    }
    found = MlpRegressor(spec=spec, random_state=0).fit(x, y)
    predicted = found.predict(x)
    assert 0.35 < (y <= predicted).mean() < 0.65  # 0.05 of the lowest quantile
    table = found.run_.predict(pa.table({"x0": x[:, 0], "x1": x[:, 1]}))
    np.testing.assert_allclose(predicted, table["predicted_target"].to_numpy(), rtol=1e-5)


def test_a_prediction_that_is_left_empty_is_told_or_nan() -> None:
    table = pa.table({"size": np.arange(40.0), "town": ["Ulm", "Bonn"] * 20})
    new = pa.table({"size": [1.0, 2.0], "town": ["Ulm", "Rome"]})
    spec: dict[str, Any] = {
        "dataset": {"features": {"town": {"kind": "categorical", "unseen": None}}},
        "fit": {"epochs": 1, "engine": "graph"},
    }
    labels = MlpClassifier(spec={**spec, "layers": [SIGMOID]}).fit(table, np.arange(40) % 2)
    with pytest.raises(ValueError, match=r"row 1 has no prediction.*unseen: null"):
        labels.predict(new)
    values = MlpRegressor(spec={**spec, "layers": [{"Dense": {"units": 1}}]}).fit(table, np.arange(40.0))
    assert np.isnan(values.predict(new)).tolist() == [False, True]


@pytest.mark.slow
def test_a_spec_of_ones_own_and_a_search_over_a_pipeline(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    y = 3 * x[:, 0] - x[:, 1]
    spec = {
        "name": "own",
        "dataset": {"validation": 0.2},
        "layers": [{"Dense": {"units": 1}}],
        "loss": "mse",
        "optimizer": {"SGD": {"learning_rate": 0.1}},
        "fit": {"epochs": 20, "batch_size": 8, "engine": "graph"},
    }
    own = MlpRegressor(spec=spec, runs_dir=tmp_path / "runs", random_state=3).fit(x, y, np.ones(60))
    assert own.score(x, y) > 0.99
    assert own.run_.folder.parent == tmp_path / "runs" / "own"
    pipeline = make_pipeline(StandardScaler(), MlpRegressor(spec=spec))
    search = GridSearchCV(pipeline, {"mlpregressor__epochs": [1, 20]}, cv=2, refit=False).fit(x, y)
    assert search.best_params_ == {"mlpregressor__epochs": 20}
    assert search.cv_results_["mean_test_score"][1] > 0.9
