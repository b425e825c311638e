"""What files alone show, before TensorFlow is imported: that they are there, and have the columns."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlpcli.data.columns import no_feature
from mlpcli.data.contract_columns import contract_columns, kept_columns
from mlpcli.data.dataset import Contract
from mlpcli.data.images.find_images import list_images
from mlpcli.data.images.new_images import no_classes, reading_for
from mlpcli.data.new_notation import in_notation
from mlpcli.data.readers.dialect import PLAIN
from mlpcli.data.readers.find_files import are_images, as_path, find_files, is_table, named_files
from mlpcli.data.readers.partitions import DataFiles, folder_keys
from mlpcli.data.readers.reading import AS_RECORDED, Reading
from mlpcli.data.readers.row_errors import NoRowsError
from mlpcli.data.readers.tables import check_columns, check_model_columns, open_table, open_tables
from mlpcli.data.sources.column_problems import (
    feature_problems,
    misplaced_problems,
    target_problems,
    weight_problems,
)
from mlpcli.data.sources.table_source import dialect_of, target_columns
from mlpcli.data.split_columns import split_column_problems
from mlpcli.errors import AllAtOnce, DataError, KeyPath, MlpcliError, NotInFileError, Problem, SpecError
from mlpcli.spec.features import RANGE
from mlpcli.spec.schema import DatasetSpec
from mlpcli.spec.split_forms import SPLITS
from mlpcli.spec.validate import follow_location
from mlpcli.spec.values import Value, ValueMap


def check_new_rows(
    text: str,
    contract: Contract,
    *,
    keep: tuple[str, ...] = (),
    target: bool = False,
    reading: Reading = AS_RECORDED,
) -> None:
    """Check the files of new rows: that they are there, and have the columns of a model.

    Args:
        text: a file, or a pattern for several.
        contract: of the model.
        keep: columns to pass through.
        target: whether the targets are needed too.
        reading: how the files are read, where that differs from the run's own.

    Raises:
        DataError: a file is missing, of an unknown format, or without a column.
        UsageError: a column to keep is not there.
    """
    at_once = AllAtOnce()
    named = at_once.of(named_files, text)
    # Which files an option is for shows in their names, whether they are there or not.
    at_once.of(reading.check, named.value if named else [as_path(text)])
    at_once.of(in_notation, contract, reading)
    if named and are_images(named.value):
        with at_once:
            reading_for(contract, text)
            if target and not any(list_images(path).counts for path in named.value if path.is_dir()):
                raise no_classes(text)
    elif named:
        at_once.of(_check_tables, named.value, contract, keep, target, reading)
    at_once.finish()


def _check_tables(
    paths: DataFiles, contract: Contract, keep: tuple[str, ...], target: bool, reading: Reading
) -> None:
    """Check that those of some files that are tables have the columns of a model; see `check_new_rows`."""
    for path, keys in zip(paths, folder_keys(paths, contract_columns(contract)), strict=True):
        if not is_table(path):
            continue
        dialect = PLAIN if contract.preprocessor is None else contract.preprocessor.dialect
        try:
            file = open_table(path, str(path), reading.on(dialect)).with_keys(keys)
        except NoRowsError:
            if len(paths) == 1:
                raise
            continue
        at_once = AllAtOnce()
        features = contract.features if contract.preprocessor is None else contract.preprocessor.names
        if target and (not features or {*features} & {*file.names}):  # or else it is another table altogether
            at_once.of(check_target, file.names, contract, str(path))
        at_once.of(kept_columns, file.names, keep, file.origin.label)
        if contract.image is not None:
            at_once.of(check_columns, file.names, [contract.image.file_column], file.origin)
        elif contract.preprocessor is not None:
            at_once.of(check_model_columns, file.names, contract.preprocessor.names, file.origin)
        elif contract.kind == "table":
            at_once.of(check_model_columns, file.names, contract.features, file.origin)
        at_once.finish()


def check_target(names: tuple[str, ...], contract: Contract, label: str) -> None:
    """Check that a table has the targets of a model.

    Args:
        names: of the table's columns.
        contract: of the model.
        label: the table's name.

    Raises:
        DataError: it has none of them.
    """
    if contract.target and not set(contract.target) & set(names):
        what = ", ".join(repr(name) for name in contract.target)
        rule = f"{label}: has no target (column {what}), with which predictions are compared"
        raise DataError(Problem(rule, hint=f"for rows without it use: mlpcli predict RUN {label}"))


def dataset_problems(section: object, folder: Path, inputs: object = None) -> Iterator[Problem]:
    """Yield what is wrong with the files of a `dataset` section: missing files, missing columns.

    Args:
        section: the plain values; what is wrong with these is not reported, but the others are looked at.
        folder: from which paths start.
        inputs: the plain values of `inputs`, of which the names of columns are looked at.
    """
    spec, left_out = readable_section(section)
    if spec is None or spec.path is None or spec.name is not None:
        return
    for problem in _problems_of_files(spec, folder, inputs):
        if not any(problem.path[: len(path)] == path for path in left_out):
            yield problem


def readable_section(section: object) -> tuple[DatasetSpec | None, set[KeyPath]]:
    """Return a `dataset` section without what is wrong in it, and the paths in the spec of what was left out.

    The names of columns stay, as far as they can be read: of a wrong feature, and of a wrong split.
    """
    left: Value = copy.deepcopy(section)  # type: ignore[assignment]
    left_out: set[KeyPath] = set()
    while isinstance(left, dict):
        try:
            return DatasetSpec.model_validate(left), left_out
        except ValidationError as error:
            found = {follow_location(item["loc"], left)[0] for item in error.errors(include_url=False)}
        above = {path[:end] for path in found for end in range(len(path))}  # other forms of the same value
        if not found - above - {()}:  # a rule between keys
            break
        before = copy.deepcopy(left)
        for path in found - above:
            left_out |= {("dataset", *path)}
            _leave_out(path, left)
        if left == before:  # nothing that is wrong could be removed
            break
    return None, left_out


def _leave_out(path: KeyPath, section: ValueMap) -> None:
    """Remove a value; of a feature or a split, only what is not the name of a column."""
    above: Any = section
    for step in path[:-1]:
        above = above[step]
    last = path[-1]
    if isinstance(above, list):
        above.clear()
    elif last in above:
        value = above.pop(last)
        if path[:-1] == ("features",) and value != {}:
            above[last] = {}
        elif path[0] in SPLITS and isinstance(value, dict) and isinstance(by := value.get("by"), str):
            readable = {"share": 0.5, "by": by}
            above |= {} if value == readable else {last: readable}


def _problems_of_files(spec: DatasetSpec, folder: Path, inputs: object) -> Iterator[Problem]:
    assert spec.path is not None
    try:
        paths = find_files(spec.path, folder, ("dataset", "path"))
        if not all(map(is_table, paths)):
            return
        yield from misplaced_problems(spec, paths)
        file = open_tables(paths, spec.path, dialect_of(spec))
    except NotInFileError as error:
        yield from error.of_spec
        return
    except MlpcliError as error:
        yield from error.problems
        return
    taken = tuple(name for names in target_columns(spec, ("",)).values() for name in names)
    yield from target_problems(spec, file)
    yield from weight_problems(spec, file, taken)
    yield from feature_problems(spec.features, file.names, taken, spec.weights)
    yield from split_column_problems(spec, file.names, taken, file.origin.label)
    yield from _input_problems(inputs, _possible_features(spec, file.names, taken))
    for split in SPLITS:
        if isinstance(named := getattr(spec, split), str):
            try:
                find_files(named, folder, ("dataset", split))
            except SpecError as error:
                yield from error.problems


def _possible_features(spec: DatasetSpec, names: Sequence[str], target: Sequence[str]) -> list[str]:
    """Return the columns of a table that may be features; which of them are in fact, their cells say.

    Where the list of features is itself wrong, which is reported, each column may be one.
    """
    if isinstance(spec.features, list) and spec.features and {*spec.features} <= {*names}:
        return spec.features
    return [name for name in names if name not in target and name != spec.weights]


def _input_problems(inputs: object, features: Sequence[str]) -> Iterator[Problem]:
    """Yield the columns that an `inputs` section names and that are no features, whatever else is wrong."""
    for name, each in inputs.items() if isinstance(inputs, dict) else ():
        columns = each.get("columns") if isinstance(each, dict) else None
        path: KeyPath = ("inputs", name, "columns")
        if isinstance(columns, str) and not re.fullmatch(RANGE, columns) and columns not in features:
            yield no_feature(columns, features, path)
        for place, column in enumerate(columns if isinstance(columns, list) else ()):
            if isinstance(column, str) and column not in features:
                yield no_feature(column, features, (*path, place))
