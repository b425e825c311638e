"""Open datasets by name: scikit-learn's small ones, Keras's images, California housing."""

from __future__ import annotations

import contextlib
import gzip
import math
import os
import socket
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from mlpcli.data.readers.arrays import SPLIT_KEYS, ArrayFile, array_rows, read_npz
from mlpcli.data.readers.broken_rules import raise_row_errors
from mlpcli.data.readers.row_errors import Origin
from mlpcli.data.readers.table_values import numeric_matrix
from mlpcli.data.readers.tables import TableFile, open_table, read_table
from mlpcli.data.sources.scikit_files import bundled
from mlpcli.data.sources.source_rows import Source, SourceRows
from mlpcli.data.types import Array
from mlpcli.errors import DataError, Problem, SpecError, nearest
from mlpcli.spec.dataset_names import name_problem

TEST_DATA = "MLPCLI_TEST_DATA"
"""Environment variable: a folder with copies of the datasets that would be downloaded."""

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
HOUSING_TARGET = "MedHouseVal"
DOWNLOAD_SECONDS = 30.0
"""How long a download may stall; Keras itself would wait forever."""


def open_builtin(name: str) -> Source:
    """Open a built-in dataset by its name.

    Raises:
        SpecError: there is no such dataset.
        DataError: it is not on this machine and cannot be downloaded, or its copy is damaged.
    """
    if (problem := name_problem(name)) is not None:
        raise SpecError(problem)
    return BUILTIN[name](name)


def _table_source(name: str) -> Source:
    found = bundled(name)
    target = found.target if found.classes is not None else found.target.astype(np.float64)
    source_rows = SourceRows(np.asarray(found.values, np.float32), target, Origin(name), "column 'target'")
    label = f"{name} (built in)"
    return Source(source_rows, None, "table", found.features, ("target",), label, found.classes)


def _digits(name: str) -> Source:
    found = bundled(name)
    source_rows = SourceRows(np.asarray(found.values, np.float32), found.target, Origin(name), "the target")
    return Source(source_rows, None, "array", (), ("target",), f"{name} (built in)", found.classes)


def _fashion_mnist(name: str) -> Source:
    folder = _keras_home() / "datasets" / "fashion-mnist"
    files = {folder / file: shape for file, shape in _IDX_FILES.items()}
    # a broken file is reported before any download
    cached = [_read_idx(file, shape) for file, shape in files.items() if file.exists()]
    if len(cached) == len(files):
        y_train, x_train, y_test, x_test = cached
    else:
        hint = f"put {', '.join(_IDX_FILES)} into {folder}"
        (x_train, y_train), (x_test, y_test) = _download(
            name, f"{hint}, or set KERAS_HOME to a folder that holds datasets/fashion-mnist"
        )
    return _image_source(name, (x_train, y_train), (x_test, y_test), FASHION_CLASSES)


def _mnist(name: str) -> Source:
    cached = _keras_home() / "datasets" / "mnist.npz"
    path = _test_data("mnist.npz") or (cached if cached.exists() else None)
    if path is None:
        (x_train, y_train), (x_test, y_test) = _download(
            name,
            f"put mnist.npz into {cached.parent}, or set KERAS_HOME to a folder that holds datasets, "
            f"or set {TEST_DATA} to a folder with mnist.npz",
        )
    else:
        arrays = read_npz(path, str(path), [SPLIT_KEYS]).arrays
        x_train, y_train, x_test, y_test = (arrays[key] for key in SPLIT_KEYS)
    return _image_source(name, (x_train, y_train), (x_test, y_test), tuple("0123456789"))


def _image_source(
    name: str, train: tuple[Array, Array], test: tuple[Array, Array], classes: tuple[str, ...]
) -> Source:
    def checked_rows(x: Array, y: Array) -> SourceRows:
        checked = array_rows(ArrayFile(Origin(name), {"x": x, "y": y}), "x", "y", classes=True)
        if len(y) == 0 or y.ndim != 1 or not 0 <= y.min() <= y.max() < len(classes):
            Origin(name).refuse(f"labels must be from 0 to {len(classes) - 1}")
        return SourceRows(checked.x, y, Origin(name), "the target")

    return Source(
        checked_rows(*train), checked_rows(*test), "array", (), ("target",), f"{name} (built in)", classes
    )


_IDX_FILES = {
    "train-labels-idx1-ubyte.gz": (60000,),
    "train-images-idx3-ubyte.gz": (60000, 28, 28),
    "t10k-labels-idx1-ubyte.gz": (10000,),
    "t10k-images-idx3-ubyte.gz": (10000, 28, 28),
}
"""Fashion MNIST's files, in the order in which Keras reads them, and the shape of each."""


def _read_idx(path: Path, shape: tuple[int, ...]) -> Array:
    """Read a gzipped IDX file: 0, 0, 8 for uint8, the number of dimensions, their sizes, the values.

    Keras reads these files too, but does not notice that a download was interrupted.
    """
    start = bytes((0, 0, 8, len(shape))) + np.array(shape, ">u4").tobytes()
    try:
        with gzip.open(path, "rb") as file:
            found = file.read(len(start))
            content = file.read(math.prod(shape) + 1)  # one byte more, so that the checksum is compared
    except (OSError, EOFError, zlib.error) as error:
        _refuse_idx(path, error)
    if found != start or len(content) != math.prod(shape):
        _refuse_idx(path, None)
    return np.frombuffer(content, np.uint8).reshape(shape)


def _refuse_idx(path: Path, error: Exception | None) -> NoReturn:
    rule = f"{path}: cannot be read, the file is damaged or incomplete"
    raise DataError(Problem(rule, hint="delete it; it is downloaded again")) from error


def _download(name: str, hint: str) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return the arrays of `keras.datasets`, downloaded into KERAS_HOME if they are not there.

    Raises:
        DataError: they cannot be downloaded; `hint` says what to do.
    """
    from mlpcli.keras_import import keras

    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_SECONDS)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for results
            train, test = getattr(keras.datasets, name).load_data()
            return train, test
    except Exception as error:  # whatever urllib, the disk or a broken archive raise
        raise DataError(Problem(f"{name}: {_reason(error)}", hint=hint)) from error
    finally:
        socket.setdefaulttimeout(timeout)


def _california_housing(name: str) -> Source:
    path = _test_data("california_housing.csv")
    label = f"{name} (built in)"
    if path is not None:
        file = open_table(path, str(path))
        features = _housing_features(file)
        columns = [*features, HOUSING_TARGET]
        matrix, errors = numeric_matrix(read_table(file, columns), columns)
        raise_row_errors(file.origin, errors)
        x, y = np.ascontiguousarray(matrix[:, :-1], np.float32), matrix[:, -1].copy()
        return Source(SourceRows(x, y, file.origin, ""), None, "table", features, (HOUSING_TARGET,), label)
    from sklearn import datasets

    try:
        bunch: Any = datasets.fetch_california_housing(n_retries=0)
    except Exception as error:  # no network, or a damaged copy in scikit-learn's own cache
        hint = f"set {TEST_DATA} to a folder with california_housing.csv, whose target is {HOUSING_TARGET}"
        raise DataError(Problem(f"{name}: {_reason(error)}", hint=hint)) from error
    x, y = bunch.data.astype(np.float32), bunch.target.astype(np.float64)
    names = tuple(bunch.feature_names)
    return Source(SourceRows(x, y, Origin(name), ""), None, "table", names, (HOUSING_TARGET,), label)


def _housing_features(file: TableFile) -> tuple[str, ...]:
    if HOUSING_TARGET not in file.names:
        file.origin.refuse(f"column {HOUSING_TARGET!r} is missing", hint=nearest(HOUSING_TARGET, file.names))
    return tuple(column for column in file.names if column != HOUSING_TARGET)


def _reason(error: Exception) -> str:
    """Return why a dataset could not be loaded, in a few words."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) or "URL fetch failure" in text:
        return "is not on this machine and could not be downloaded"
    return f"could not be loaded ({type(error).__name__})"


def _test_data(name: str) -> Path | None:
    """Return a file of the folder that MLPCLI_TEST_DATA names, if both exist."""
    folder = os.environ.get(TEST_DATA)
    path = Path(folder) / name if folder else None
    return path if path is not None and path.exists() else None


def _keras_home() -> Path:
    """Return the folder of Keras's downloads, by Keras's own rule."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser()


BUILTIN: dict[str, Callable[[str], Source]] = {
    "digits": _digits,
    "iris": _table_source,
    "wine": _table_source,
    "breast_cancer": _table_source,
    "diabetes": _table_source,
    "fashion_mnist": _fashion_mnist,
    "mnist": _mnist,
    "california_housing": _california_housing,
}
"""The function that opens each built-in dataset, by name."""
