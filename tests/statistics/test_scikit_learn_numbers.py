"""What takes the place of scikit-learn gives its numbers, and a training or evaluation need not import it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import datasets
from sklearn.metrics import precision_recall_fscore_support
from sklearn.model_selection import train_test_split

from mlpcli.data.random_split import random_split
from mlpcli.data.sources import scikit_files
from mlpcli.data.sources.scikit_files import bundled
from mlpcli.data.sources.synthetic import complete_synthetic, synthetic_source
from mlpcli.inference.evaluate import class_scores
from mlpcli.spec.schema import DatasetSpec

NUMBERS = np.random.default_rng(5)


@pytest.mark.parametrize("classes", [0, 1, 2, 7])
@pytest.mark.parametrize("seed", range(12))
def test_rows_are_split_as_scikit_learn_splits_them(classes: int, seed: int) -> None:
    rows = NUMBERS.permutation(NUMBERS.integers(60, 300))
    labels = np.concatenate([np.arange(classes).repeat(2), NUMBERS.integers(0, classes or 1, len(rows))])
    strata = labels[: len(rows)] * 3 if classes else None  # class indices with gaps
    taken = int(NUMBERS.integers(7, len(rows) - 7))
    wanted = train_test_split(rows, test_size=taken, random_state=seed, stratify=strata)
    found = random_split(rows, taken, seed=seed, labels=strata)
    for want, have in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(have, want)


@pytest.mark.parametrize("name", ["digits", "iris", "wine", "breast_cancer", "diabetes"])
def test_a_bundled_data_set_is_the_one_scikit_learn_loads(name: str) -> None:
    wanted: Any = getattr(datasets, f"load_{name}")()
    found = bundled(name)
    np.testing.assert_array_equal(found.values, wanted.images if name == "digits" else wanted.data)
    np.testing.assert_array_equal(found.target, wanted.target)
    assert found.features == (() if name == "digits" else tuple(wanted.feature_names))
    assert found.classes == (None if name == "diabetes" else tuple(map(str, wanted.target_names)))


@pytest.mark.parametrize("name", ["digits", "wine"])
def test_a_bundled_data_set_whose_file_is_not_as_expected_is_read_by_scikit_learn(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = bundled(name)
    (tmp_path / "wine_data.csv").write_text("178,14,a,b,c\n1,2,0\n", encoding="utf-8")
    monkeypatch.setattr(scikit_files, "_folder", lambda: tmp_path)
    found = bundled(name)
    np.testing.assert_array_equal(found.values, wanted.values)
    assert (found.features, found.classes) == (wanted.features, wanted.classes)


CLOUDS: dict[str, Callable[[int], Any]] = {
    "circles": lambda rows: datasets.make_circles(n_samples=rows, noise=0.2, factor=0.5, random_state=9),
    "moons": lambda rows: datasets.make_moons(n_samples=rows, noise=0.2, random_state=9),
    "gaussians": lambda rows: datasets.make_blobs(
        n_samples=rows, centers=[(-1.0, -1.0), (1.0, 1.0)], cluster_std=0.5, random_state=9
    ),
}


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("rows", [100, 101])
def test_synthetic_points_are_those_of_scikit_learn(name: str, rows: int) -> None:
    x, y = CLOUDS[name](rows)
    found = synthetic_source(complete_synthetic(DatasetSpec(name=name, rows=rows, noise=0.2), seed=9)).main
    np.testing.assert_array_equal(found.x, x.astype(np.float32))
    np.testing.assert_array_equal(found.target, y)


@pytest.mark.parametrize("shape", [(80,), (80, 4)])
def test_scores_of_classes_are_those_of_scikit_learn(shape: tuple[int, ...]) -> None:
    truth, predicted = (NUMBERS.integers(0, 2 if len(shape) == 2 else 4, shape) for _ in range(2))
    truth[truth == 1] = 0  # a class without rows, or labels that no row has
    wanted = precision_recall_fscore_support(truth, predicted, labels=list(range(4)), zero_division=0.0)
    found = class_scores(truth, predicted, ("a", "b", "c", "d"))
    rows = [(each.precision, each.recall, each.f1, each.rows) for each in found]
    assert rows == [tuple(column) for column in zip(*(values.tolist() for values in wanted), strict=True)]


LOAD = """
import json, sys
from pathlib import Path
from mlpcli.spec.load import load_spec
from mlpcli.training.find_data import load_data
for name in ("digits", "iris", "moons"):
    load_data(load_spec(Path(name + ".yaml")))
print(json.dumps("sklearn" in sys.modules))
"""

SPEC = """
dataset: {{name: {name}}}
layers: [Flatten, {{Dense: {{units: 10, activation: softmax}}}}]
loss: sparse_categorical_crossentropy
"""


@pytest.mark.slow
def test_reading_and_splitting_data_does_not_import_scikit_learn(tmp_path: Path) -> None:
    for name in ("digits", "iris", "moons"):
        (tmp_path / f"{name}.yaml").write_text(SPEC.format(name=name), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", LOAD], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) is False
