"""From a `dataset` section to rows: built-in datasets, tables and arrays, and their split files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlpcli.data.arrays import KEYS, SPLIT_KEYS, array_part, read_npy, read_npz
from mlpcli.data.builtin import open_builtin
from mlpcli.data.dataset import Array
from mlpcli.data.faults import Fault
from mlpcli.data.made import MADE, make_source
from mlpcli.data.parts import Labels, Part, Source, Target
from mlpcli.data.paths import TABLES, find_file
from mlpcli.data.tables import (
    Table,
    TableFile,
    labels,
    numeric_matrix,
    open_table,
    raise_faults,
    read_table,
)
from mlpcli.errors import ABSENT, KeyPath, Problem, SpecError, listing, nearest
from mlpcli.spec.schema import DatasetSpec


@dataclass(frozen=True)
class Columns:
    """The columns of a table that are used. labels: the target is read as labels, not as numbers."""

    features: tuple[str, ...]
    target: tuple[str, ...]
    labels: bool


def open_source(spec: DatasetSpec, *, classes: bool | None, folder: Path) -> Source:
    """Read everything that a `dataset` section points at, but for its split files.

    Raises:
        SpecError: a name, a file or a column is not there.
        DataError: what is there cannot be used.
    """
    if spec.name is not None:
        return _named(spec, make_source(spec) if spec.name in MADE else open_builtin(spec.name))
    assert spec.path is not None
    path = find_file(spec.path, folder, ("dataset", "path"))
    if path.suffix.lower() in TABLES:
        return _table(spec, path, classes=classes)
    if spec.features is not None:
        raise SpecError(Problem("is for tables, arrays have no column names", path=("dataset", "features")))
    return (_npz if path.suffix.lower() == ".npz" else _npy)(spec, path, classes=classes, folder=folder)


def read_split(text: str, split: str, source: Source, *, labels: bool, folder: Path) -> Part:
    """A file that the spec gives for a split, with the columns or the shape of the source.

    Raises:
        SpecError: the file is not there.
        DataError: it does not have the source's columns or shape, or cannot be used.
    """
    path = find_file(text, folder, ("dataset", split))
    if path.suffix.lower() not in TABLES:
        if path.suffix.lower() == ".npy":
            hint = "give an .npz file with x and y"
            raise SpecError(
                Problem("an .npy file holds no target", path=("dataset", split), received=text, hint=hint)
            )
        part = array_part(read_npz(path, text, [KEYS]), "x", "y", classes=labels)
        return replace(part, x=fit_shape(part.x, source.main.x.shape[1:], part))
    if source.kind == "array":
        hint = "give an .npz file with x and y"
        raise SpecError(
            Problem("must be arrays, as the dataset is", path=("dataset", split), received=text, hint=hint)
        )
    file = open_table(path, text)
    check_columns(file, (*source.features, *source.target))
    return table_part(file, Columns(source.features, source.target, labels and len(source.target) == 1))


def fit_shape(x: Array, shape: tuple[int, ...], part: Part) -> Array:
    """Rows of a wanted shape; flat rows with the right number of values are folded into it.

    Raises:
        DataError: the rows have another shape.
    """
    if x.shape[1:] == shape:
        return x
    if x.ndim == 2 and x.shape[1] == int(np.prod(shape)):
        return x.reshape(-1, *shape)
    expected, received = (", ".join(("rows", *map(str, sizes))) for sizes in (shape, x.shape[1:]))
    return part.origin.refuse(f"x must have the shape ({expected}), received ({received})")


def _named(spec: DatasetSpec, source: Source) -> Source:
    """A built-in dataset with the features that the spec picks."""
    problems = []
    if spec.target is not None and spec.target not in (source.target[0], list(source.target)):
        hint = f"remove it, the target of {spec.name} is {source.target[0]!r}"
        problems.append(
            Problem(
                "a built-in dataset has its own target",
                path=("dataset", "target"),
                received=spec.target,
                hint=hint,
            )
        )
    if spec.features is not None and source.kind == "array":
        problems.append(Problem("is for tables, images have no columns", path=("dataset", "features")))
    elif spec.features is not None:
        problems += _feature_problems(spec.features, source.features, source.target)
    if problems:
        raise SpecError(*problems)
    if spec.features is None:
        return source
    places = [source.features.index(name) for name in spec.features]
    main = replace(source.main, x=np.ascontiguousarray(source.main.x[:, places]))
    return replace(source, main=main, features=tuple(spec.features))


def _table(spec: DatasetSpec, path: Path, *, classes: bool | None) -> Source:
    assert spec.path is not None
    file = open_table(path, spec.path)
    target = (spec.target,) if isinstance(spec.target, str) else tuple(spec.target or ())
    problems = [*_target_problems(spec, target, file), *_feature_problems(spec.features, file.names, target)]
    if problems:
        raise SpecError(*problems)
    features = tuple(spec.features or (name for name in file.names if name not in target))
    columns = Columns(features, target, labels=len(target) == 1 and classes is not False)
    if not features or (spec.features is None and file.unnamed):
        raise SpecError(_no_features(file, features))
    return Source(table_part(file, columns), None, "table", features, target, spec.path)


def _no_features(file: TableFile, features: tuple[str, ...]) -> Problem:
    path = ("dataset", "features")
    if not features:
        return Problem("there is no column left besides the target", path=path)
    hint = "name it in the file, or list the columns to use; pandas writes such a column unless index=False"
    return Problem(
        f"is required when a column has no name, as {listing(file.unnamed)} of {file.origin.label}",
        path=path,
        hint=hint,
    )


def _target_problems(spec: DatasetSpec, target: tuple[str, ...], file: TableFile) -> Iterator[Problem]:
    path: KeyPath = ("dataset", "target")
    if spec.target is None:
        yield Problem("is required for a table", path=path, hint=f"the columns are {listing(file.names)}")
    many = isinstance(spec.target, list)
    for place, name in enumerate(target):
        where = (*path, place) if many else path
        if name not in file.names:
            hint = nearest(name, file.names) or f"the columns are {listing(file.names)}"
            yield Problem(f"must be a column of {file.origin.label}", path=where, received=name, hint=hint)
        elif name in target[:place]:
            yield Problem("is listed twice", path=where, received=name)


def _feature_problems(
    features: Sequence[str] | None, names: Sequence[str], target: tuple[str, ...]
) -> Iterator[Problem]:
    for place, name in enumerate(features or ()):
        path = ("dataset", "features", place)
        if name in target:
            yield Problem("is the target and cannot be a feature too", path=path, received=name)
        elif name not in names:
            hint = nearest(name, names) or f"the columns are {listing(names)}"
            yield Problem("must be a column of the table", path=path, received=name, hint=hint)
        elif name in (features or ())[:place]:
            yield Problem("is listed twice", path=path, received=name)


def check_columns(file: TableFile, wanted: Sequence[str]) -> None:
    """Hold a table against the columns that it must have.

    Raises:
        DataError: with every column that is missing.
    """
    missing = [name for name in wanted if name not in file.names]
    if missing:
        file.origin.refuse_columns(missing, file.names)


def table_part(file: TableFile, columns: Columns) -> Part:
    """The features and the target of a table; every bad cell of both is told at once.

    Raises:
        DataError: cells that are not numbers, or other faults of the file.
    """
    table = read_table(
        file, [*columns.features, *columns.target], text=columns.target if columns.labels else ()
    )
    x, faults, total = numeric_matrix(table, columns.features, skip="; leave it out with dataset.features")
    target, more, more_total = table_target(table, columns)
    raise_faults(file.origin, [*faults, *more], total + more_total)
    return Part(x, target, file.origin, f"column {columns.target[0]!r}")


def table_target(table: Table, columns: Columns) -> tuple[Target, list[Fault], int]:
    """The target of a table with its faults: labels, (rows,) numbers, or (rows, targets) numbers."""
    if columns.labels:
        return labels(table.columns[columns.target[0]]), [], 0
    skip = "; for classes use a loss such as sparse_categorical_crossentropy"
    values, faults, total = numeric_matrix(table, columns.target, skip=skip)
    return (values[:, 0].copy() if len(columns.target) == 1 else values), faults, total


def _npz(spec: DatasetSpec, path: Path, *, classes: bool | None, folder: Path) -> Source:
    del folder
    assert spec.path is not None
    if spec.target is not None:
        hint = "remove it"
        raise SpecError(
            Problem(
                "an .npz file brings its own target, y",
                path=("dataset", "target"),
                received=spec.target,
                hint=hint,
            )
        )
    file = read_npz(path, spec.path, [SPLIT_KEYS, KEYS])
    if "x" in file.arrays:
        return _array_source(array_part(file, "x", "y", classes=classes), None, spec.path)
    main = array_part(file, "x_train", "y_train", classes=classes)
    test = array_part(file, "x_test", "y_test", classes=classes)
    return _array_source(main, replace(test, x=fit_shape(test.x, main.x.shape[1:], test)), spec.path)


def _npy(spec: DatasetSpec, path: Path, *, classes: bool | None, folder: Path) -> Source:
    assert spec.path is not None
    key = ("dataset", "target")
    if not isinstance(spec.target, str) or not spec.target.endswith(".npy"):
        rule = "must be the .npy file of the target, since path is an .npy file"
        raise SpecError(Problem(rule, path=key, received=ABSENT if spec.target is None else spec.target))
    target = read_npy(find_file(spec.target, folder, key), spec.target, "y")
    return _array_source(
        array_part(read_npy(path, spec.path), "x", "y", classes=classes, target=target), None, spec.path
    )


def _array_source(main: Part, test: Part | None, label: str) -> Source:
    """Arrays name no columns: one target is `target`, several are `target_0`, `target_1`, ..."""
    target = main.target
    names: tuple[str, ...] = ("target",)
    if target is not None and not isinstance(target, Labels) and target.ndim == 2:
        names = tuple(f"target_{place}" for place in range(target.shape[1]))
    return Source(main, test, "array", (), names, label)
