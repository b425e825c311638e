"""The data sets that come with scikit-learn, read from its folder without importing it, which takes a second.

Where a file is not as expected, scikit-learn's own function reads it.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.data.types import Array

TABLES = {
    "iris": ("iris.csv", "sepal length (cm);sepal width (cm);petal length (cm);petal width (cm)"),
    "wine": (
        "wine_data.csv",
        (
            "alcohol;malic_acid;ash;alcalinity_of_ash;magnesium;total_phenols;flavanoids;"
            "nonflavanoid_phenols;proanthocyanins;color_intensity;hue;od280/od315_of_diluted_wines;proline"
        ),
    ),
}
"""The file of a table of classes, and the names of its columns, which the file does not hold."""


@dataclass(frozen=True)
class Bundled:
    """A data set of scikit-learn's.

    Attributes:
        values: (rows, ...) float64: features, or images.
        target: (rows,): class indices, or numbers.
        features: the names of the columns; empty for images.
        classes: the names of the classes; None where the target is a number.
    """

    values: Array
    target: Array
    features: tuple[str, ...]
    classes: tuple[str, ...] | None


def bundled(name: str) -> Bundled:
    """Return a data set that is installed with scikit-learn.

    Args:
        name: as in scikit-learn's `load_NAME`.
    """
    # Another version of scikit-learn may keep it elsewhere, or in another form.
    with contextlib.suppress(OSError, EOFError, ValueError, StopIteration, IndexError):
        if name == "digits":
            return _read_digits(_folder() / "digits.csv.gz")
        if name in TABLES:
            file, features = TABLES[name]
            return _read_table(_folder() / file, tuple(features.split(";")))
    return _loaded(name)


def _folder() -> Path:
    """Return scikit-learn's folder of data.

    Raises:
        OSError: scikit-learn is not installed as files in a folder.
    """
    found = importlib.util.find_spec("sklearn")
    if found is None or found.origin is None:
        raise FileNotFoundError("scikit-learn")
    return Path(found.origin).parent / "datasets" / "data"


def _read_digits(path: Path) -> Bundled:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        values = np.loadtxt(file, delimiter=",")
    images = values[:, :-1].reshape(-1, 8, 8)
    return Bundled(images, values[:, -1].astype(int), (), tuple(str(digit) for digit in range(10)))


def _read_table(path: Path, features: tuple[str, ...]) -> Bundled:
    """Read a table whose first line holds the numbers of rows and of columns, and the classes."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        rows, columns, *classes = next(lines)
        cells = list(lines)
    values = np.array([line[:-1] for line in cells], np.float64)
    target = np.array([int(line[-1]) for line in cells])
    if values.shape != (int(rows), int(columns)) or len(features) != int(columns):
        raise ValueError("not the shape that its first line says")
    return Bundled(values, target, features, tuple(classes))


def _loaded(name: str) -> Bundled:
    """Return a data set by scikit-learn's own function."""
    from sklearn import datasets

    found: Any = getattr(datasets, f"load_{name}")()
    labels = found.get("target_names")
    classes = None if labels is None else tuple(str(label) for label in labels)
    if name == "digits":
        return Bundled(found.images, found.target, (), classes)
    return Bundled(found.data, found.target, tuple(str(each) for each in found.feature_names), classes)
