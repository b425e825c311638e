"""New rows for a finished model, read by the contract that its run kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.data.dataset import Contract
from mlpcli.data.features.unknown_values import apply_policy, cell_errors
from mlpcli.data.readers.arrays import KEYS, SPLIT_KEYS, array_rows, read_npy, read_npz
from mlpcli.data.readers.files import file_problem, is_table
from mlpcli.data.readers.parse_cells import PLAIN
from mlpcli.data.readers.row_errors import Origin
from mlpcli.data.readers.tables import (
    TableFile,
    numeric_matrix,
    open_table,
    plain_column,
    raise_row_errors,
    read_table,
)
from mlpcli.data.scaling import scale_target
from mlpcli.data.sources.open import (
    Columns,
    check_columns,
    cut_targets,
    fit_shape,
    table_targets,
    table_weights,
    weighted,
)
from mlpcli.data.sources.types import Source, SourceRows
from mlpcli.data.targets import encode
from mlpcli.data.types import Array
from mlpcli.errors import DataError, Problem, listing


@dataclass(frozen=True)
class Rows:
    """Rows to predict, or to evaluate.

    flat: (rows, *shape), in the contract's dtype, or float32 where that is uint8 and the file holds no uint8.
    x: the same as the network takes it, a dict by input where the inputs have names.
    y: coded and scaled as in training, by output where there are several; or None.
    others: the file's columns that are not features, each (rows,), the target as it is written among them.
    weights: (rows,) float32, or None where the file holds none.
    count: of rows.
    """

    flat: Array
    x: Any
    y: Any
    others: dict[str, Array]
    weights: Array | None
    count: int

    def __len__(self) -> int:
        return self.count


def read_rows(
    path: Path, contract: Contract, *, target: bool | None, extra_columns: Sequence[str] = ()
) -> Rows:
    """Read new rows for a finished model, columns by name in any order.

    Args:
        aside: columns that are no features; a table for a model of arrays has no other way to tell.
        target: True when the target must be there, None when it is taken if there, False to ignore it.

    Raises:
        DataError: the file cannot be used, or does not fit the contract; every fault found is told.
    """
    label = str(path)
    if found := file_problem(path):
        raise DataError(Problem(f"{label}: {found[0]}", hint=found[1]))
    read = _read_table if is_table(path) else _read_arrays
    part = read(path, label, contract, target, extra_columns)
    y = None
    if part.target is not None or part.output_targets:
        y = contract.by_output(
            {
                each.name: scale_target(encode(part.for_output(each.name), each), each)
                for each in contract.outputs
            }
        )
    prepared = is_table(path) and contract.preprocessor is not None
    x = part.x if prepared else as_model_rows(part.x, contract, part.origin)
    return Rows(x, contract.take_inputs(x), y, part.others, part.weights, len(x))


def as_model_rows(x: Array, contract: Contract, origin: Origin) -> Array:
    """Rows of numbers in the shape and dtype of the contract; a table's raw numbers are scaled as its own.

    Raises:
        DataError: the rows have another shape, or the model takes columns that arrays cannot hold.
    """
    preprocessor = contract.preprocessor
    if preprocessor is None or x.shape[1:] == contract.shape != (len(contract.features),):
        return _in_dtype(fit_shape(x, contract.shape, origin), contract)
    if preprocessor.texts:
        hint = f"give a table with the columns {listing(contract.features)}"
        origin.refuse("an array holds no columns of text, which this model takes", hint=hint)
    import pyarrow as pa

    x = fit_shape(x, (len(contract.features),), origin)
    columns = {name: pa.array(x[:, place]) for place, name in enumerate(contract.features)}
    return preprocessor.transform(columns).x


def _in_dtype(x: Array, contract: Contract) -> Array:
    """uint8 rows as floats for a model of floats; floats stay floats, which no model minds."""
    return x if str(x.dtype) == contract.dtype else x.astype(np.float32)


def _read_table(
    path: Path, label: str, contract: Contract, target: bool | None, extra_columns: Sequence[str]
) -> SourceRows:
    preprocessor = contract.preprocessor
    file = open_table(path, label, preprocessor.dialect if preprocessor else PLAIN)
    wants_target = _wants_target(file, contract, target)
    features = _features(file, contract, extra_columns)
    targets = {each.name: each.target for each in contract.outputs} if wants_target else {}
    labels = {each.name: len(each.target) == 1 and each.classes is not None for each in contract.outputs}
    weights = contract.weights if contract.weights in file.names and wants_target else None
    columns = Columns(features, targets, labels, weights)
    check_columns(file, columns.all)
    others = [name for name in file.names if name not in features]
    numeric = {*columns.all} - {*columns.text}
    spelled = preprocessor.texts if preprocessor else ()
    table = read_table(file, file.names, text=[*spelled, *(name for name in others if name not in numeric)])
    if preprocessor is None:
        x, row_errors, total = numeric_matrix(table, features)
    else:
        made = preprocessor.transform(table.columns)
        rejected = apply_policy(preprocessor, made.found, None).rejected
        x, total = made.x, len(rejected)
        row_errors = cell_errors(preprocessor, rejected, table.columns, range(table.rows), table.origin)
    output_targets, more, more_total = table_targets(table, columns)
    row_weights, wrong, wrong_total = table_weights(table, weights)
    raise_row_errors(file.origin, [*row_errors, *more, *wrong], total + more_total + wrong_total)
    kept = {name: plain_column(table.columns[name]) for name in others}
    y, what = output_targets.pop("", (None, ""))
    return SourceRows(x, y, file.origin, what, kept, output_targets, row_weights)


def _wants_target(file: TableFile, contract: Contract, target: bool | None) -> bool:
    return all(name in file.names for name in contract.target) if target is None else target


def _features(file: TableFile, contract: Contract, extra_columns: Sequence[str]) -> tuple[str, ...]:
    """The feature columns: by name for a table's model, by position for a model of arrays."""
    if contract.kind == "table":
        return contract.features
    names = tuple(name for name in file.names if name not in contract.target and name not in extra_columns)
    wanted = math.prod(contract.shape)
    if len(names) != wanted:
        shape = " x ".join(map(str, contract.shape))
        rule = f"must have {wanted} columns of numbers besides the target, one row holds {shape}"
        file.origin.refuse(rule, received=len(names), hint="name other columns with --keep")
    return names


def _read_arrays(
    path: Path, label: str, contract: Contract, target: bool | None, extra_columns: Sequence[str]
) -> SourceRows:
    if path.suffix.lower() == ".npy":
        file = read_npy(path, label)
    else:
        wanted: list[Sequence[str]] = [KEYS, SPLIT_KEYS[2:]]
        wanted = [*wanted, ("x",)] if target is not True else wanted
        file = read_npz(path, label, wanted, also=contract.weights)
    names = list(file.arrays)
    if target is True and len(names) == 1:
        hint = "give an .npz file with x and y, or a table with the target's column"
        file.origin.refuse("an .npy file holds no target", hint=hint)
    y = names[1] if len(names) > 1 and target is not False else None
    part = array_rows(file, names[0], y, classes=any(each.classes is not None for each in contract.outputs))
    if y is None or not contract.output.name:
        return weighted(part, file, contract.weights)
    source = Source(part, None, "array", (), _array_targets(contract), label)
    targets = {each.name: each.target for each in contract.outputs}
    return weighted(cut_targets(part, replace(source, targets=targets)), file, contract.weights)


def _array_targets(contract: Contract) -> tuple[str, ...]:
    """The names of an array's targets in their order: `target`, or `target_0`, `target_1`, ..."""
    names = sorted(contract.target, key=lambda name: int(name.rpartition("_")[2] or 0) if "_" in name else 0)
    count = int(names[-1].rpartition("_")[2]) + 1 if "_" in names[-1] else 0
    return tuple(f"target_{place}" for place in range(count)) or ("target",)
