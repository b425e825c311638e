"""Open the source of a `dataset` section: a built-in dataset, a table or arrays; and its split files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlpcli.data.images.image_reading import image_column, images_beside_columns
from mlpcli.data.readers.arrays import KEYS, array_rows, read_npy, read_npz
from mlpcli.data.readers.dialect import PLAIN, Dialect
from mlpcli.data.readers.find_files import are_images, find_files, is_handed_in, is_table
from mlpcli.data.readers.tables import ReadTable, check_columns, open_tables, read_table
from mlpcli.data.request import Request
from mlpcli.data.sources.array_source import (
    ReadArray,
    cut_targets,
    fit_shape,
    read_npy_source,
    read_npz_source,
    weighted,
    with_outputs,
)
from mlpcli.data.sources.builtin import open_builtin
from mlpcli.data.sources.column_problems import feature_problems, image_key_problems, misplaced_problems
from mlpcli.data.sources.image_source import open_image_folder, read_folder_split
from mlpcli.data.sources.image_table import open_image_table, read_table_split
from mlpcli.data.sources.source_rows import Source, SourceRows
from mlpcli.data.sources.synthetic import SYNTHETIC, synthetic_source
from mlpcli.data.sources.table_rows import Columns, table_rows
from mlpcli.data.sources.table_source import dialect_of, open_table_source
from mlpcli.data.split_columns import no_column_problems
from mlpcli.data.types import ALWAYS, PerStep, TargetKind
from mlpcli.errors import Problem, SpecError, listing
from mlpcli.spec.schema import DatasetSpec

TABLE_KEYS = (
    "features",
    "scaling",
    "clip",
    "missing",
    "not_missing",
    "decimal",
    "thousands",
    "charset",
    "header",
    "delimiter",
    "comment",
    "sheet",
    "query",
    "missing_target",
)
"""Keys of a dataset that only a table can have."""


def open_source(
    spec: DatasetSpec,
    request: Request,
    folder: Path,
    *,
    read: ReadTable = read_table,
    read_array: ReadArray = read_npy,
) -> Source:
    """Read everything that a `dataset` section names except its split files.

    Args:
        spec: the `dataset` section.
        request: what the network requires.
        folder: relative to which paths are read.
        read: reads the columns of tables.
        read_array: reads the rows of an .npy file.

    Returns:
        The source: its rows, and its own test split if it has one.

    Raises:
        SpecError: a name, a file or a column does not exist.
        DataError: the data cannot be used.
    """
    kinds, kept = request.target_kinds, request.kept
    if spec.name is not None:
        source = synthetic_source(spec) if spec.name in SYNTHETIC else open_builtin(spec.name)
        return _named(spec, source, kinds)
    assert spec.path is not None
    paths = find_files(spec.path, folder, ("dataset", "path"))
    for wrong in (misplaced_problems, image_key_problems):
        if problems := list(wrong(spec, paths)):
            raise SpecError(*problems)
    if all(map(is_table, paths)):
        if image_column(spec) is not None and not images_beside_columns(spec, request.inputs):
            return open_image_table(spec, paths, kinds, dialect_of(spec, request.numbers), kept)
        return open_table_source(spec, paths, request, read=read)
    if len(paths) == 1 and paths[0].is_dir():
        if problems := list(_table_key_problems(spec, "a folder of images")):
            raise SpecError(*problems)
        return open_image_folder(spec, paths[0], kinds, kept)
    _check_arrays(spec, paths)
    return _open_arrays(spec, paths[0], kinds, folder, request.per_step, read_array)


def _check_arrays(spec: DatasetSpec, paths: Sequence[Path]) -> None:
    """Check that files that are no tables are one file of arrays.

    Raises:
        SpecError: they are several, or images.
    """
    if len(paths) > 1:
        rule = "several files must all be tables"
        raise SpecError(Problem(rule, path=("dataset", "path"), received=spec.path))
    if are_images(paths):
        hint = "name the folder with a sub-folder for each class, or a table with a column of file names"
        raise SpecError(Problem("is one image", path=("dataset", "path"), received=spec.path, hint=hint))


def _table_key_problems(spec: DatasetSpec, what: str) -> Iterator[Problem]:
    """Yield problems of keys that are for tables, in the spec of a source without columns."""
    for key in (*TABLE_KEYS, "weights"):
        if getattr(spec, key) is not None:
            yield Problem(f"is for tables, {what} has no columns", path=("dataset", key))
    yield from no_column_problems(spec, what)


def _open_arrays(
    spec: DatasetSpec,
    path: Path,
    target_kinds: Mapping[str, TargetKind | None],
    folder: Path,
    per_step: PerStep,
    read: ReadArray,
) -> Source:
    """Read an .npz or .npy file.

    Raises:
        SpecError: the spec has keys that are for tables.
        DataError: the file cannot be used.
    """
    problems = [
        Problem("is for tables, arrays have no column names", path=("dataset", key))
        for key in TABLE_KEYS
        if getattr(spec, key) is not None
    ]
    problems += no_column_problems(spec, "an array")
    if problems:
        raise SpecError(*problems)
    classes = _any_classes(target_kinds)
    if path.suffix.lower() == ".npz":
        source = read_npz_source(spec, path, classes=classes, per_step=per_step)
    else:
        source = read_npy_source(spec, path, classes=classes, folder=folder, per_step=per_step, read=read)
    return with_outputs(spec, source, target_kinds)


def _any_classes(target_kinds: Mapping[str, TargetKind | None]) -> bool | None:
    """Return whether an array's target, which all outputs share, is read as labels; None if unknown."""
    found = set(target_kinds.values())
    if not found or None in found:
        return None
    return found != {"numbers"}


def read_split(
    text: str,
    split: str,
    source: Source,
    *,
    labels: Mapping[str, bool],
    folder: Path,
    weights: str | None = None,
    dialect: Dialect = PLAIN,
    droppable: Collection[str] = (),
    read: ReadTable = read_table,
) -> SourceRows:
    """Read the file of a split, which has the columns or the shape of the source.

    Args:
        text: the path in the spec.
        split: the name of the split.
        source: of the other rows.
        labels: whether an output's target is read as labels, by the output's name.
        folder: relative to which the path is read.
        weights: the column or array of row weights.
        dialect: how the cells of a table are written.
        droppable: the outputs without whose target a row of a table is left out.
        read: reads the columns of tables.

    Returns:
        The rows of the split.

    Raises:
        SpecError: the file does not exist.
        DataError: it does not have the source's columns or shape, or cannot be used.
    """
    paths = find_files(text, folder, ("dataset", split))
    path = paths[0]
    if len(paths) > 1 and not all(map(is_table, paths)):
        rule = "several files must all be tables"
        raise SpecError(Problem(rule, path=("dataset", split), received=text))
    if source.images is not None and not source.images.reading.column:
        return read_folder_split(path, text, split, source)
    if source.images is not None:
        return read_table_split(
            paths,
            text,
            split,
            source,
            labels=labels,
            weights=weights,
            dialect=dialect,
            droppable=droppable,
        )
    if source.kind == "array" or not is_table(path):
        return _read_array_split(path, text, split, source, classes=any(labels.values()), weights=weights)
    targets = source.targets or {"": source.target}
    single = {output: labels[output] and len(targets[output]) == 1 for output in targets}
    columns = Columns(source.features, targets, single, weights, droppable)
    file = open_tables(paths, text, dialect, wanted=dict.fromkeys(columns.all, ()))
    check_columns(file.names, columns.all, file.origin)
    return table_rows(file, columns, source.chosen, read, source.image_columns)


def _read_array_split(
    path: Path, text: str, split: str, source: Source, *, classes: bool, weights: str | None
) -> SourceRows:
    """Read the .npz file of a split; see `read_split`."""
    npy = path.suffix.lower() == ".npy"
    if npy or is_table(path):
        rule = "an .npy file holds no target" if npy else "must be arrays, as the dataset is"
        hint = "hand in arrays (x, y)" if is_handed_in(path) else "give an .npz file with x and y"
        raise SpecError(Problem(rule, path=("dataset", split), received=text, hint=hint))
    if source.main.table is not None:
        rule = "must be a table, as the dataset is"
        hint = f"give one with the columns {listing((*source.features, *source.target), 8)}"
        raise SpecError(Problem(rule, path=("dataset", split), received=text, hint=hint))
    arrays = read_npz(path, text, [KEYS], also=weights)
    per_step = ALWAYS if source.main.steps else ()
    found = weighted(array_rows(arrays, "x", "y", classes=classes, per_step=per_step), arrays, weights)
    x = fit_shape(found.x, source.main.x.shape[1:], found.origin)
    return cut_targets(replace(found, x=x), source)


def _named(spec: DatasetSpec, source: Source, outputs: Iterable[str]) -> Source:
    """Return a built-in dataset with the features and targets that the spec selects."""
    problems = []
    named = None if isinstance(spec.target, dict) else spec.target
    if named not in (None, source.target[0], list(source.target)):
        hint = f"remove it, the target of {spec.name} is {source.target[0]!r}"
        rule = "a built-in dataset has its own target"
        problems.append(Problem(rule, path=("dataset", "target"), received=named, hint=hint))
    if spec.weights is not None:
        rule = "is for a file, a built-in dataset has no column of weights"
        problems.append(Problem(rule, path=("dataset", "weights"), received=spec.weights))
    if spec.features is not None and source.kind == "array":
        problems.append(Problem("is for tables, images have no columns", path=("dataset", "features")))
    elif isinstance(spec.features, dict):
        rule = "must be a list of columns, a built-in dataset is used unchanged"
        problems.append(Problem(rule, path=("dataset", "features")))
    elif spec.features is not None:
        problems += feature_problems(spec.features, source.features, source.target)
    problems += [
        Problem("is for files, a built-in dataset is used unchanged", path=("dataset", key))
        for key in (*TABLE_KEYS[1:], "target_min_count", "positive_class")
        if getattr(spec, key) is not None
    ]
    problems += no_column_problems(spec, "a built-in dataset")
    if problems:
        raise SpecError(*problems)
    source = with_outputs(spec, source, outputs)
    if spec.features is None:
        return source
    places = [source.features.index(name) for name in spec.features]
    main = replace(source.main, x=np.ascontiguousarray(source.main.x[:, places]))
    return replace(source, main=main, features=tuple(spec.features))
