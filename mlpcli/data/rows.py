"""New rows for a finished model, read by the contract that its run kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlpcli.data.arrays import KEYS, SPLIT_KEYS, array_part, read_npy, read_npz
from mlpcli.data.dataset import Array, Contract
from mlpcli.data.parts import Part, Target
from mlpcli.data.paths import TABLES, file_problem
from mlpcli.data.sources import Columns, check_columns, fit_shape, table_target
from mlpcli.data.tables import TableFile, numeric_matrix, open_table, plain_column, raise_faults, read_table
from mlpcli.data.targets import Coding, encode
from mlpcli.errors import DataError, Problem


@dataclass(frozen=True)
class Rows:
    """Rows to predict, or to evaluate.

    x: (rows, *shape), in the contract's dtype, or float32 where that is uint8 and the file holds no uint8.
    y: coded as in training, or None.
    others: the file's columns that are not features, each (rows,), the target as it is written among them.
    """

    x: Array
    y: Array | None
    others: dict[str, Array]

    def __len__(self) -> int:
        return len(self.x)


def read_rows(path: Path, contract: Contract, *, target: bool | None, aside: Sequence[str] = ()) -> Rows:
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
    read = _read_table if path.suffix.lower() in TABLES else _read_arrays
    part = read(path, label, contract, target, aside)
    y = None
    if part.target is not None:
        y = encode(part, coding_of(contract))
    return Rows(_in_dtype(fit_shape(part.x, contract.shape, part), contract), y, part.others)


def coding_of(contract: Contract) -> Coding:
    """How the targets of a contract's rows became numbers."""
    count = len(contract.classes) if contract.one_hot and contract.classes else len(contract.target)
    shape = (count,) if contract.one_hot or len(contract.target) > 1 else ()
    return Coding(contract.classes, contract.one_hot, shape)


def _in_dtype(x: Array, contract: Contract) -> Array:
    """uint8 rows as floats for a model of floats; floats stay floats, which no model minds."""
    return x if str(x.dtype) == contract.dtype else x.astype(np.float32)


def _read_table(
    path: Path, label: str, contract: Contract, target: bool | None, aside: Sequence[str]
) -> Part:
    file = open_table(path, label)
    wants_target = _wants_target(file, contract, target)
    features = _features(file, contract, aside)
    check_columns(file, (*features, *(contract.target if wants_target else ())))
    labels = contract.classes is not None and len(contract.target) == 1
    columns = Columns(features, contract.target, labels)
    others = [name for name in file.names if name not in features]
    numeric = contract.target if wants_target and not labels else ()
    table = read_table(file, file.names, text=[name for name in others if name not in numeric])
    x, faults, total = numeric_matrix(table, features)
    y: Target | None = None
    if wants_target:
        y, more, more_total = table_target(table, columns)
        faults, total = [*faults, *more], total + more_total
    raise_faults(file.origin, faults, total)
    kept = {name: plain_column(table.columns[name]) for name in others}
    return Part(x, y, file.origin, f"column {contract.target[0]!r}", kept)


def _wants_target(file: TableFile, contract: Contract, target: bool | None) -> bool:
    return all(name in file.names for name in contract.target) if target is None else target


def _features(file: TableFile, contract: Contract, aside: Sequence[str]) -> tuple[str, ...]:
    """The feature columns: by name for a table's model, by position for a model of arrays."""
    if contract.kind == "table":
        return contract.features
    names = tuple(name for name in file.names if name not in contract.target and name not in aside)
    wanted = math.prod(contract.shape)
    if len(names) != wanted:
        shape = " x ".join(map(str, contract.shape))
        rule = f"must have {wanted} columns of numbers besides the target, one row holds {shape}"
        file.origin.refuse(rule, received=len(names), hint="name other columns with --keep")
    return names


def _read_arrays(
    path: Path, label: str, contract: Contract, target: bool | None, aside: Sequence[str]
) -> Part:
    if path.suffix.lower() == ".npy":
        file = read_npy(path, label)
    else:
        wanted: list[Sequence[str]] = [KEYS, SPLIT_KEYS[2:]]
        file = read_npz(path, label, [*wanted, ("x",)] if target is not True else wanted)
    names = list(file.arrays)
    if target is True and len(names) == 1:
        hint = "give an .npz file with x and y, or a table with the target's column"
        file.origin.refuse("an .npy file holds no target", hint=hint)
    y = names[1] if len(names) == 2 and target is not False else None
    return array_part(file, names[0], y, classes=contract.classes is not None)
