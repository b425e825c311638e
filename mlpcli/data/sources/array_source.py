"""Open the arrays of a `dataset` section: .npz and .npy files, their targets and weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlpcli.data.labels import Labels
from mlpcli.data.readers.arrays import (
    KEYS,
    SPLIT_KEYS,
    ArrayFile,
    array_rows,
    as_weights,
    as_whole,
    read_npy,
    read_npz,
)
from mlpcli.data.readers.find_files import find_file, is_handed_in
from mlpcli.data.readers.row_errors import Origin
from mlpcli.data.sources.source_rows import Source, SourceRows, Target
from mlpcli.data.sources.table_source import target_columns
from mlpcli.data.types import Array, PerStep
from mlpcli.errors import ABSENT, Problem, SpecError, listing, nearest
from mlpcli.spec.schema import DatasetSpec

ReadArray = Callable[[Path, str], ArrayFile]
"""`read_npy`, or what leaves the rows in their file."""


def read_npz_source(spec: DatasetSpec, path: Path, *, classes: bool | None, per_step: PerStep) -> Source:
    """Read an .npz file: x and y, or both for training and test.

    Args:
        spec: the `dataset` section.
        path: of the file.
        classes: whether the target is read as labels; None to decide by its type.
        per_step: see `array_rows`.

    Returns:
        The source.

    Raises:
        SpecError: the spec names a target, or weights that are not there.
        DataError: the file cannot be used.
    """
    assert spec.path is not None
    weights = spec.weights
    file = read_npz(path, spec.path, [SPLIT_KEYS, KEYS], also=weights)
    if spec.target is not None and not isinstance(spec.target, dict):
        whose = "arrays (x, y) contain their" if is_handed_in(path) else "an .npz file contains its"
        rule, key = f"{whose} own target, y", ("dataset", "target")
        raise SpecError(Problem(rule, path=key, received=spec.target, hint="remove it"))
    if "x" in file.arrays:
        source_rows = weighted(array_rows(file, "x", "y", classes=classes, per_step=per_step), file, weights)
        return _array_source(source_rows, None, spec)
    main = weighted(array_rows(file, "x_train", "y_train", classes=classes, per_step=per_step), file, weights)
    test = array_rows(file, "x_test", "y_test", classes=classes, per_step=per_step)
    return _array_source(main, replace(test, x=fit_shape(test.x, main.x.shape[1:], test.origin)), spec)


def read_npy_source(
    spec: DatasetSpec,
    path: Path,
    *,
    classes: bool | None,
    folder: Path,
    per_step: PerStep,
    read: ReadArray = read_npy,
) -> Source:
    """Read an .npy file of rows, whose target is an .npy file of its own.

    Args:
        spec: the `dataset` section.
        path: of the file.
        classes: whether the target is read as labels; None to decide by its type.
        folder: relative to which the target's path is read.
        per_step: see `array_rows`.
        read: reads the rows, without the target.

    Returns:
        The source.

    Raises:
        SpecError: the spec names no such target.
        DataError: a file cannot be used.
    """
    assert spec.path is not None
    key = ("dataset", "target")
    if not isinstance(spec.target, str) or not spec.target.endswith(".npy"):
        rule = "must be the .npy file of the target, since path is an .npy file"
        raise SpecError(Problem(rule, path=key, received=ABSENT if spec.target is None else spec.target))
    target = read_npy(find_file(spec.target, folder, key), spec.target, "y")
    rows = array_rows(read(path, spec.path), "x", "y", classes=classes, target=target, per_step=per_step)
    return _array_source(rows, None, spec)


def _array_source(main: SourceRows, test: SourceRows | None, spec: DatasetSpec) -> Source:
    """Return a source of arrays, whose target columns are named `target`, or `target_0`, `target_1`, ...

    Raises:
        SpecError: the weights that the spec names are not there.
    """
    if spec.weights is not None and main.weights is None:
        rule = "must be an array of the .npz file with a weight for each training row"
        raise SpecError(Problem(rule, path=("dataset", "weights"), received=spec.weights))
    assert spec.path is not None
    target = main.target
    names: tuple[str, ...] = ("target",)
    if target is not None and not isinstance(target, Labels) and target.ndim == 2:
        names = tuple(f"target_{place}" for place in range(target.shape[1]))
    return Source(main, test, "array", (), names, spec.path)


def weighted(source_rows: SourceRows, file: ArrayFile, name: str | None) -> SourceRows:
    """Add an array of the file as row weights, if the file has one of this name.

    Args:
        source_rows: the rows.
        file: the arrays of their file.
        name: of the array of weights; None for none.

    Returns:
        The rows, with weights if there are any.

    Raises:
        DataError: the array does not hold one weight of at least 0 a row.
    """
    if name is None or name not in file.arrays:
        return source_rows
    return replace(
        source_rows, weights=as_weights(file.arrays[name], len(source_rows.x), file.origin, f"array {name!r}")
    )


def fit_shape(x: Array, shape: tuple[int, ...], origin: Origin) -> Array:
    """Return rows in a shape; flat rows with the right number of values are reshaped.

    Args:
        x: (rows, ...).
        shape: of one row.
        origin: of the rows.

    Returns:
        (rows, *shape).

    Raises:
        DataError: the rows have another shape.
    """
    if x.shape[1:] == shape:
        return x
    if x.ndim == 2 and x.shape[1] == int(np.prod(shape)):
        return x.reshape(-1, *shape)
    expected, received = (", ".join(("rows", *map(str, sizes))) for sizes in (shape, x.shape[1:]))
    return origin.refuse(f"x must have the shape ({expected}), received ({received})")


def in_dtype(x: Array, dtype: str, origin: Origin) -> Array:
    """Return rows in the dtype of a network's data; uint8 rows as floats for a network of floats.

    Args:
        x: (rows, ...).
        dtype: `float32`, `uint8`, or `int64` for a network that reads ids.
        origin: of the rows.

    Raises:
        DataError: the network reads ids, and a number has a fraction.
    """
    if dtype == "int64":
        return as_whole(x, origin, "array 'x'")
    return x if str(x.dtype) == dtype else x.astype(np.float32)


def with_outputs(spec: DatasetSpec, source: Source, outputs: Iterable[str]) -> Source:
    """Divide the target of a source among several outputs, each with some of its columns.

    Args:
        spec: the `dataset` section.
        source: with one target.
        outputs: the names of the outputs; one empty name leaves the source unchanged.

    Returns:
        The source with a target for each output.

    Raises:
        SpecError: an output's target is no column of the source.
    """
    named = isinstance(spec.target, dict)
    targets = target_columns(spec, outputs) if named else dict.fromkeys(outputs, source.target)
    if list(targets) == [""]:
        return source
    problems = [
        Problem(
            f"must be a target of {spec.name or spec.path}",
            path=("dataset", "target", output),
            received=name,
            hint=nearest(name, source.target) or f"available: {listing(source.target)}",
        )
        for output, names in targets.items()
        for name in names
        if name not in source.target
    ]
    if problems:
        raise SpecError(*problems)
    source = replace(source, targets=targets)
    test = None if source.test is None else cut_targets(source.test, source)
    return replace(source, main=cut_targets(source.main, source), test=test)


def cut_targets(source_rows: SourceRows, source: Source) -> SourceRows:
    """Return rows of arrays with the target columns of each output; unchanged with a single output.

    Raises:
        DataError: the rows have more target columns, or fewer, than the source.
    """
    if not source.targets:
        return source_rows
    if any(names != source.target for names in source.targets.values()):
        _check_target(source_rows, len(source.target))
    output_targets: dict[str, tuple[Target, str]] = {}
    for output, names in source.targets.items():
        target = source_rows.target
        assert target is not None
        if not isinstance(target, Labels) and target.ndim == 2 and names != source.target:
            places = [source.target.index(name) for name in names]
            target = target[:, places[0]].copy() if len(places) == 1 else target[:, places]
        output_targets[output] = (target, source_rows.target_label)
    return replace(source_rows, target=None, output_targets=output_targets)


def _check_target(source_rows: SourceRows, columns: int) -> None:
    """Refuse a target that has not the columns that are divided among outputs."""
    target = source_rows.target
    shape = () if target is None or isinstance(target, Labels) else target.shape[1:]
    if shape != (columns,):
        received = ", ".join(("rows", *map(str, shape)))
        rule = f"{source_rows.target_label} must have the shape (rows, {columns}), received ({received})"
        source_rows.origin.refuse(rule)
