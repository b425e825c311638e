"""Compare a file of new rows with the training rows of a run, column by column; no TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlpcli import runs
from mlpcli.data.column_values import ColumnValues, of_numbers, of_texts
from mlpcli.data.contract_columns import contract_columns
from mlpcli.data.dataset import Contract, Output
from mlpcli.data.features.encoders import BOOLEAN_SPELLINGS, BooleanEncoder
from mlpcli.data.named_arrays import of_name
from mlpcli.data.new_notation import in_notation
from mlpcli.data.readers.dialect import PLAIN
from mlpcli.data.readers.find_files import is_table, named_files
from mlpcli.data.readers.reading import AS_RECORDED, Reading
from mlpcli.data.readers.row_errors import NoRowsError
from mlpcli.data.readers.tables import open_tables, without_ragged
from mlpcli.data.rows import read_rows
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array
from mlpcli.errors import DataError, Problem, SpecError
from mlpcli.inference.column_drift import compare_columns, corrected, ordered
from mlpcli.inference.contract_drift import compare_with_contract
from mlpcli.inference.image_drift import brightness_of_images
from mlpcli.inference.row_columns import (
    ArrayColumns,
    RowColumns,
    TableColumns,
    array_columns,
    columns_of_split,
    names_of_array,
)
from mlpcli.inference.tell_apart import tell_apart
from mlpcli.inference.text_drift import compare_texts, text_encoders, with_measures
from mlpcli.model.run_contract import run_contract
from mlpcli.model.run_spec import own_spec
from mlpcli.printable import counted, verb
from mlpcli.runs.drift_results import ColumnDrift, Drift, Role, Size
from mlpcli.runs.folder import Run
from mlpcli.training.find_data import find_opened, moved_note


@dataclass(frozen=True)
class InspectedRows:
    """Rows, and their columns.

    Attributes:
        columns: of the rows.
        count: how many there are.
        targets: of arrays, their targets by name.
        warnings: on the rows.
    """

    columns: RowColumns
    count: int
    targets: Mapping[str, ColumnValues]
    warnings: tuple[str, ...] = ()


def inspect_drift(data: str, run: Run, reading: Reading = AS_RECORDED) -> Drift:
    """Compare new rows with the training rows of a run.

    Args:
        data: a file, or a pattern for several.
        run: the run.
        reading: how the file is read, where that differs from the run's own.

    Raises:
        DataError: the file cannot be used.
        RunError: the run's record is damaged.
    """
    contract = run_contract(run)
    new = new_rows(data, contract, reading)
    known = _training_rows(run, contract)
    if isinstance(known, str):
        rows = runs.data_facts(run).rows.get("train", 0)
        found = compare_with_contract(contract, own_spec(run).spec, _read(new, contract, None), rows)
        gone = _lacking(contract.features, new, contract)
        warning = f"{known}; compared with what the run folder holds: ranges, categories, scaling"
        warnings = (*new.warnings, warning)
        return Drift(data, new.count, rows, tuple(ordered([*gone, *found])), None, warnings)
    mine = _read(known, contract, None)
    theirs = _read(new, contract, mine)
    encoders = text_encoders(contract)
    compared = [
        compare_texts(mine[name], theirs[name], encoders[name])
        if name in encoders
        else compare_columns(mine[name], theirs[name], _role(name, contract))
        for name in theirs
    ]
    drifts = [*corrected(compared), *_lacking(mine, new, contract)]
    used = [name for name in theirs if _role(name, contract) == "used"]
    separation = tell_apart(
        with_measures({name: mine[name] for name in used}, encoders),
        with_measures({name: theirs[name] for name in used}, encoders),
        (known.count, new.count),
        runs.data_facts(run).seed or 0,
    )
    added = tuple(name for name in new.columns.names if name not in mine and name not in theirs)
    warnings = (*new.warnings, *known.warnings)
    return Drift(data, new.count, known.count, tuple(ordered(drifts)), separation, warnings, added)


def _lacking(wanted: Iterable[str], new: InspectedRows, contract: Contract) -> list[ColumnDrift]:
    """Return the columns that new rows do not have; a target need not be there."""
    there = {*new.columns.names, *new.targets}
    found = []
    for name in wanted:
        role = _role(name, contract)
        if name not in there and role != "target":
            size: Size = "large" if role == "used" else "small"
            found.append(
                ColumnDrift(name, role, "", size, findings=("the column is missing",), strength=math.inf)
            )
    return found


def _role(name: str, contract: Contract) -> Role:
    if name in contract.target:
        return "target"
    if contract.preprocessor is None and not contract.features:
        return "used"  # every column of an array
    return "used" if name in contract.features else "unused"


def _read(
    rows: InspectedRows, contract: Contract, known: Mapping[str, ColumnValues] | None
) -> dict[str, ColumnValues]:
    """Return the columns of rows, those of the same kind as known ones where there are such."""
    names = [name for name in rows.columns.names if known is None or name in known]
    kinds = {} if known is None else {name: each.kind for name, each in known.items()}
    images = brightness_of_images(rows.columns, contract)
    found = rows.columns.read([name for name in names if name not in images], kinds)
    found = {name: images[name] if name in images else found[name] for name in names}
    found |= {name: each for name, each in rows.targets.items() if known is None or name in known}
    preprocessor = contract.preprocessor
    if preprocessor is None:
        return found
    booleans = {e.name for e in preprocessor.encoders if isinstance(e, BooleanEncoder)}
    return {name: _plain_booleans(each) if name in booleans else each for name, each in found.items()}


def _plain_booleans(values: ColumnValues) -> ColumnValues:
    """Return booleans as `true` and `false`, however they are spelled; other cells as they are."""
    if values.kind != "categories":
        return values
    texts = [
        text if text is None or text not in BOOLEAN_SPELLINGS else str(BOOLEAN_SPELLINGS[text]).lower()
        for text in values.texts
    ]
    places = {text: place for place, text in reversed(list(enumerate(texts)))}
    moved = np.array([places[text] for text in texts] or [0])
    return replace(values, texts=tuple(texts), codes=moved[values.codes])


def new_rows(data: str, contract: Contract, reading: Reading) -> InspectedRows:
    """Return new rows of a file.

    Raises:
        DataError: the file cannot be used.
    """
    paths, contract = named_files(data), in_notation(contract, reading)
    reading.check(paths)
    if all(map(is_table, paths)):
        dialect = PLAIN if contract.preprocessor is None else contract.preprocessor.dialect
        file = open_tables(paths, data, reading.on(dialect), wanted=contract_columns(contract))
        columns = TableColumns(file, contract)
        named = {*contract.features}
        if contract.kind == "table" or (named and named <= {*columns.names}):
            columns, warnings = _readable(columns, contract)
            count = columns.count()
            if not count:
                raise DataError(Problem(f"{data}: has no rows"))
            return InspectedRows(columns, count, {}, warnings)
    if len(paths) > 1:
        rule = "several files must all be tables, with the names of the columns that the model takes"
        raise DataError(Problem(f"{data}: {rule}"))
    rows = read_rows(Path(paths[0]), contract, target=None, reading=reading)
    if not len(rows):
        raise DataError(Problem(f"{data}: has no rows"))
    raw = rows.flat if rows.raw is None else rows.raw  # of a table, whose columns go by position
    names = names_of_array(contract)
    if raw is not None and names and raw[:1].size == len(names):
        found: RowColumns = ArrayColumns(data, raw.reshape(len(raw), -1), names)
    else:
        found = _of_images(data, rows.flat)
    y = rows.y
    return InspectedRows(found, len(rows), {} if y is None else _targets(contract, y))


def _readable(columns: TableColumns, contract: Contract) -> tuple[TableColumns, tuple[str, ...]]:
    """Return columns without the rows that have too many or too few cells, and how many these are.

    Raises:
        DataError: no row can be read, or not for this reason.
    """
    try:
        columns.count()
    except NoRowsError:
        raise
    except DataError:
        file, errors = without_ragged(columns.file)
        if not errors:
            raise
        good = TableColumns(file, contract)
        try:
            rows = good.count()
        except DataError:
            rows = 0
        if not rows:
            raise
        first = errors[0]
        said = (
            f"{counted(len(errors), 'row')} of {columns.label} {verb(len(errors), 'are')} left out: a row "
            f"{first.rule}, and the first of them, row {first.row + 1:,}, has {first.received}; "
            "predict --rejects FILE writes them"
        )
        return good, (said,)
    return columns, ()


def _of_images(label: str, x: object) -> RowColumns:
    """Return what stands for the columns of images: how bright each is, and how much its values differ."""
    if not isinstance(x, np.ndarray) or x.ndim < 2:
        return ArrayColumns(label, np.empty((0, 0)), ())
    flat = x.reshape(len(x), -1).astype(np.float64)
    matrix = np.stack([flat.mean(axis=1), flat.std(axis=1)], axis=1)
    return ArrayColumns(label, matrix, ("mean of the values", "spread of the values"))


def _targets(contract: Contract, y: object) -> dict[str, ColumnValues]:
    """Return the targets of arrays by name, where each row has one value of it."""
    found: dict[str, ColumnValues] = {}
    for output in contract.outputs:
        values = of_name(y, output.name)
        if isinstance(values, np.ndarray) and not output.steps:
            found |= _target(output, values)
    return found


def _target(output: Output, y: Array) -> dict[str, ColumnValues]:
    if output.kind == "numbers":
        own = np.asarray(output.restore(y, truth=True), np.float64).reshape(len(y), -1)
        return {name: of_numbers(name, own[:, place]) for place, name in enumerate(output.target)}
    if output.kind in ("classes", "one_hot", "groups"):
        (name, *_) = output.target
        return {name: of_texts(name, output.classes or (), class_indices(y))}
    return {}


def _training_rows(run: Run, contract: Contract) -> InspectedRows | str:
    """Return the training rows of a run; or why they are not known."""
    loaded = own_spec(run)
    try:
        found = find_opened(loaded)
    except (SpecError, DataError) as error:
        return f"the training rows of run {run.label} cannot be read ({error.problems[0].headline()})"
    facts = runs.data_facts(run)
    if facts.fingerprint != found.dataset.fingerprint:
        return f"the data of {facts.source} has changed since run {run.label} was trained"
    dataset = found.dataset
    train = dataset.train
    columns = columns_of_split(found.spec, dataset, dataset.contract, "train", train)
    moved = moved_note(loaded, found.spec)
    warnings = (moved,) if moved is not None else ()
    if isinstance(columns, TableColumns):
        return InspectedRows(TableColumns(columns.file, contract, columns.rows), len(train), {}, warnings)
    if not columns.names:
        x = array_columns(dataset.source, train.x, contract)
        columns = x if x.names else _of_images(dataset.source, train.x)
    return InspectedRows(columns, len(train), _targets(contract, train.y), warnings)
