"""The contestants of bench_tables.py, each with its defaults: what is fitted, and what of it is timed.

A contestant is called with a fold, a clock and a number of threads, and returns its predictions of the
test rows: numbers, or probabilities of the classes of the training rows. What it does within `with clock`
is timed: fitting, its encoding of columns included, imports and predicting left out.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.bench_tables_data import Clock, Floats, Fold, Rows

Matrix = Any  # dense or sparse


@dataclass(frozen=True)
class Rival:
    """A contestant that is not ours.

    Attributes:
        fit_predict: See this module.
        package: What it imports.
        install: What `pip install` needs for it.
    """

    fit_predict: Callable[[Fold, Clock, int], Floats]
    package: str
    install: str

    def run(self, fold: Fold, clock: Clock, threads: int) -> Floats:
        """Fit and predict."""
        return self.fit_predict(fold, clock, threads)

    @property
    def missing(self) -> bool:
        """Whether its package is not installed."""
        return importlib.util.find_spec(self.package) is None


def linear(fold: Fold, clock: Clock, threads: int) -> Floats:
    """Ridge or logistic regression on standardised numbers and one-hot categories."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    train, test, y = _columns(fold, fold.train), _columns(fold, fold.test), fold.train_y()
    with clock:
        numbers = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
        numbers = numbers if train[0].shape[1] else FunctionTransformer()
        one_hot = OneHotEncoder(handle_unknown="ignore") if train[1].shape[1] else FunctionTransformer()
        x = _beside(numbers.fit_transform(train[0]), one_hot.fit_transform(train[1]))
        model = RidgeCV(np.logspace(-3, 3, 7)) if fold.regression else LogisticRegression(max_iter=2000)
        model.fit(x, y)
    return _predict(model, fold, _beside(numbers.transform(test[0]), one_hot.transform(test[1])))


def histogram_boosting(fold: Fold, clock: Clock, threads: int) -> Floats:
    """scikit-learn's histogram gradient boosting; its threads are those of OMP_NUM_THREADS."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.preprocessing import OrdinalEncoder

    train, test, y = _columns(fold, fold.train), _columns(fold, fold.test), fold.train_y()
    kinds = [False] * train[0].shape[1] + [True] * train[1].shape[1]
    with clock:
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=254)
        codes = encoder.fit_transform(train[1]) if train[1].shape[1] else train[1].astype(float)
        kind = HistGradientBoostingRegressor if fold.regression else HistGradientBoostingClassifier
        model = kind(categorical_features=kinds, random_state=0)
        model.fit(np.hstack([train[0], codes]), y)
    codes = encoder.transform(test[1]) if test[1].shape[1] else test[1].astype(float)
    return _predict(model, fold, np.hstack([test[0], codes]))


def lightgbm(fold: Fold, clock: Clock, threads: int) -> Floats:
    """LightGBM with its defaults, categories as such."""
    import lightgbm as package

    train, test, y = _frame(fold, fold.train), _frame(fold, fold.test), fold.train_y()
    kind = package.LGBMRegressor if fold.regression else package.LGBMClassifier
    with clock:
        encode = _Categories(train, fold)
        model = kind(n_jobs=threads, random_state=0, verbose=-1)
        model.fit(encode(train), y)
    return _predict(model, fold, encode(test))


def catboost(fold: Fold, clock: Clock, threads: int) -> Floats:
    """CatBoost with its defaults, categories as such."""
    import catboost as package

    train, test, y = _frame(fold, fold.train), _frame(fold, fold.test), fold.train_y()
    kind = package.CatBoostRegressor if fold.regression else package.CatBoostClassifier
    with clock:
        model = kind(
            thread_count=threads,
            cat_features=_category_names(fold),
            random_seed=0,
            allow_writing_files=False,
            verbose=False,
        )
        model.fit(train, y)
    return _predict(model, fold, test)


def realmlp(fold: Fold, clock: Clock, threads: int) -> Floats:
    """RealMLP with its tuned defaults."""
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    return _network(fold, clock, threads, RealMLP_TD_Regressor if fold.regression else RealMLP_TD_Classifier)


def tabm(fold: Fold, clock: Clock, threads: int) -> Floats:
    """TabM with its defaults."""
    from pytabkit import TabM_D_Classifier, TabM_D_Regressor

    return _network(fold, clock, threads, TabM_D_Regressor if fold.regression else TabM_D_Classifier)


def _network(fold: Fold, clock: Clock, threads: int, kind: Any) -> Floats:
    """Fit one of pytabkit's networks, which take no missing numbers: the mean stands in for them."""
    train, test, y = _frame(fold, fold.train), _frame(fold, fold.test), fold.train_y()
    with clock:
        encode = _Categories(train, fold)
        means = train[_number_names(fold)].mean().fillna(0.0)
        model = kind(device="cpu", n_threads=threads, random_state=0)
        model.fit(encode(train).fillna(means), y)
    return _predict(model, fold, encode(test).fillna(means))


RIVALS = {
    "linear": Rival(linear, "sklearn", "scikit-learn"),
    "hist": Rival(histogram_boosting, "sklearn", "scikit-learn"),
    "lightgbm": Rival(lightgbm, "lightgbm", "lightgbm pandas"),
    "catboost": Rival(catboost, "catboost", "catboost"),
    "realmlp": Rival(realmlp, "pytabkit", '"pytabkit[models]"'),
    "tabm": Rival(tabm, "pytabkit", '"pytabkit[models]"'),
}

# What contestants share.


def _columns(fold: Fold, rows: Rows) -> tuple[Floats, npt.NDArray[np.object_]]:
    return fold.numbers(rows), fold.categories(rows)


def _beside(numbers: Floats, one_hot: Matrix) -> Matrix:
    """Return both side by side: sparse where it would be many cells."""
    from scipy import sparse

    if not one_hot.shape[1]:
        return numbers
    if len(numbers) * (numbers.shape[1] + one_hot.shape[1]) <= 20_000_000:
        return np.hstack([numbers, one_hot.toarray()])
    return sparse.hstack([sparse.csr_matrix(numbers), one_hot]).tocsr()


def _number_names(fold: Fold) -> list[str]:
    return [f"n{place}" for place in range(sum(fold.numeric))]


def _category_names(fold: Fold) -> list[str]:
    return [f"c{place}" for place in range(len(fold.numeric) - sum(fold.numeric))]


def _frame(fold: Fold, rows: Rows) -> Any:
    """Return rows as pandas has them: numbers, and categories as text. LightGBM refuses some column names."""
    import pandas as pd

    numbers = pd.DataFrame(fold.numbers(rows), columns=_number_names(fold))
    categories = pd.DataFrame(fold.categories(rows), columns=_category_names(fold), dtype=object)
    return pd.concat([numbers, categories], axis=1)


class _Categories:
    """Turns text columns into pandas's categories: those of the training rows; others are missing."""

    def __init__(self, frame: Any, fold: Fold) -> None:
        import pandas as pd

        self.kinds = {name: pd.CategoricalDtype(sorted(set(frame[name]))) for name in _category_names(fold)}

    def __call__(self, frame: Any) -> Any:
        import pandas as pd

        known = {
            name: frame[name].where(frame[name].isin(kind.categories)) for name, kind in self.kinds.items()
        }
        made = {name: pd.Series(known[name]).astype(kind) for name, kind in self.kinds.items()}
        return frame.assign(**made)


def _predict(model: Any, fold: Fold, x: Matrix) -> Floats:
    if fold.regression:
        return np.asarray(model.predict(x), np.float64).reshape(-1)
    return fold.spread(np.asarray(model.predict_proba(x), np.float64))
