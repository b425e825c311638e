"""Read new rows for a trained model, by the contract of its run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.data.contract_columns import contract_columns
from mlpcli.data.dataset import Contract
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.features.unknown_values import RowCounts, apply_policy, cell_errors
from mlpcli.data.new_notation import in_notation
from mlpcli.data.readers.arrays import KEYS, SPLIT_KEYS, array_rows, read_npy, read_npz
from mlpcli.data.readers.broken_rules import RowErrors, raise_row_errors
from mlpcli.data.readers.dialect import PLAIN
from mlpcli.data.readers.find_files import are_images, is_table, named_files
from mlpcli.data.readers.partitions import DataFiles
from mlpcli.data.readers.reading import AS_RECORDED, Reading
from mlpcli.data.readers.row_errors import ManyOrigin, Origin
from mlpcli.data.readers.table_values import numeric_matrix, plain_column
from mlpcli.data.readers.tables import Table, TableFile, check_columns, open_tables, read_table
from mlpcli.data.scaling import scale_target
from mlpcli.data.sources.array_source import cut_targets, fit_shape, in_dtype, weighted
from mlpcli.data.sources.image_columns import ImageColumns, images_of_model, paths_of
from mlpcli.data.sources.image_rows import read_images
from mlpcli.data.sources.kept_rows import KeptOrigin
from mlpcli.data.sources.source_rows import Source, SourceRows
from mlpcli.data.sources.table_rows import Columns, table_targets, table_weights
from mlpcli.data.step_targets import encode_rows
from mlpcli.data.types import ALWAYS, Array
from mlpcli.errors import DataError, Problem, listing
from mlpcli.printable import counted


@dataclass(frozen=True)
class Rows:
    """Rows to predict, or to evaluate.

    Attributes:
        flat: (rows, *shape), in the contract's dtype; float32 if that is uint8 and the file holds no uint8.
        x: the same as the network takes it; by input if the inputs have names.
        y: encoded and scaled as in training, by output if there are several; or None.
        others: the file's columns that are not features, each (rows,), with the target as it is written.
        weights: (rows,) float32, or None if the file holds none.
        count: the number of rows.
        left_out: how many more rows the file has, without a target.
        raw: of a file of arrays, (rows, ...), the numbers as it holds them; None of a table.
        kept: the positions in the file of the rows that have a target, (rows,); None where all have.
        origin: of the file's rows, those without a target included; None unless there are several files.
        counts: of a table, the cells that are missing, of an unseen category, or out of range, by column.
    """

    flat: Array
    x: Any
    y: Any
    others: dict[str, Array]
    weights: Array | None
    count: int
    left_out: int = 0
    raw: Array | None = None
    kept: Array | None = None
    origin: ManyOrigin | None = None
    counts: RowCounts = field(default_factory=RowCounts)

    def __len__(self) -> int:
        return self.count


def read_rows(
    path: Path,
    contract: Contract,
    *,
    target: bool | None,
    extra_columns: Sequence[str] = (),
    drop: bool = False,
    reading: Reading = AS_RECORDED,
    drop_broken: bool = False,
) -> Rows:
    """Read new rows for a trained model; columns are found by name, in any order.

    Args:
        path: of the file.
        contract: of the model.
        target: True if the target is required, None to read it if it is there, False to ignore it.
        extra_columns: columns that are no features; with a model of arrays, nothing else shows which are.
        drop: leave out the rows of a table without a target, instead of refusing them.
        reading: how the file is read, where that differs from the run's own.
        drop_broken: leave out image files that cannot be read, instead of refusing them.

    Returns:
        The rows.

    Raises:
        DataError: the file cannot be used, or does not fit the contract; with every error found.
    """
    label, contract = str(path), in_notation(contract, reading)
    files, counts = _files_of(label, contract), RowCounts()
    path = files[0]
    if are_images([path]) or (contract.image is not None and is_table(path)):
        dialect = reading.on(PLAIN)
        source_rows = read_images(path, contract, target, dialect=dialect, drop=drop, drop_broken=drop_broken)
    elif is_table(path):
        images = images_of_model(contract.preprocessor, drop=drop_broken)
        source_rows = _read_table(
            files, label, contract, target, extra_columns, images, counts, drop=drop, reading=reading
        )
    else:
        source_rows = _read_arrays(path, label, contract, target, extra_columns)
    y = None
    if source_rows.target is not None or source_rows.output_targets:
        coded = [(each, encode_rows(source_rows, each, contract.numbers)) for each in contract.outputs]
        y = contract.by_output({each.name: scale_target(own, each) for each, own in coded})
    prepared = is_table(path) and contract.preprocessor is not None
    origin = source_rows.origin
    whole = origin.whole if isinstance(origin, KeptOrigin) else origin
    x = source_rows.x if prepared else as_model_rows(source_rows.x, contract, origin)
    return Rows(
        x,
        contract.take_inputs(x),
        y,
        source_rows.others,
        source_rows.weights,
        len(x),
        source_rows.left_out,
        raw=None if is_table(path) or path.is_dir() else source_rows.x,
        kept=origin.kept if isinstance(origin, KeptOrigin) else None,
        origin=whole if isinstance(whole, ManyOrigin) else None,
        counts=counts,
    )


def _files_of(label: str, contract: Contract) -> DataFiles:
    """Return the files of new rows: one, or several tables.

    Raises:
        DataError: there is none, or several that are no tables.
    """
    files = named_files(label)
    if len(files) > 1 and (contract.image is not None or not all(map(is_table, files))):
        raise DataError(
            Problem(f"{label}: several files must all be tables, of columns that the model takes")
        )
    return files


def as_model_rows(x: Array, contract: Contract, origin: Origin) -> Array:
    """Return rows of numbers in the shape and dtype of the contract, scaled as those of its table.

    Args:
        x: (rows, ...).
        contract: of the model.
        origin: of the rows.

    Returns:
        (rows, *shape).

    Raises:
        DataError: the rows have another shape, or the model takes columns that arrays cannot hold.
    """
    preprocessor = contract.preprocessor
    if preprocessor is None or x.shape[1:] == contract.shape != (len(contract.features),):
        return in_dtype(fit_shape(x, contract.shape, origin), contract.dtype, origin)
    if preprocessor.texts or preprocessor.images:
        hint = f"give a table with the columns {listing(contract.features)}"
        what = "text" if preprocessor.texts else "images"
        origin.refuse(f"an array holds no columns of {what}, which this model takes", hint=hint)
    import pyarrow as pa

    x = fit_shape(x, (len(contract.features),), origin)
    columns = {name: pa.array(x[:, place]) for place, name in enumerate(contract.features)}
    return preprocessor.transform(preprocessor.columns(columns)).x


def _read_table(
    files: Sequence[Path],
    label: str,
    contract: Contract,
    target: bool | None,
    extra_columns: Sequence[str],
    images: ImageColumns,
    counts: RowCounts,
    *,
    drop: bool,
    reading: Reading,
) -> SourceRows:
    preprocessor = contract.preprocessor
    dialect = reading.on(preprocessor.dialect if preprocessor else PLAIN)
    file = open_tables(files, label, dialect, wanted=contract_columns(contract))
    wants_target = _wants_target(file, contract, target)
    features = contract.features
    if contract.kind != "table":
        features = features_by_position(file.names, contract, extra_columns, file.origin)
    targets = {each.name: each.target for each in contract.outputs} if wants_target else {}
    labels = {each.name: len(each.target) == 1 and each.classes is not None for each in contract.outputs}
    weights = contract.weights if contract.weights in file.names and wants_target else None
    droppable = [each.name for each in contract.outputs if drop and each.separator is None]
    columns = Columns(features, targets, labels, weights, droppable)
    check_columns(file.names, columns.all, file.origin)
    check_width(file.own_names, contract, file.origin)
    others = [name for name in file.names if name not in features]
    numeric = {*columns.all} - {*columns.text}
    spelled = (*preprocessor.spelled, *preprocessor.dialect.notations) if preprocessor else ()
    text = [*spelled, *(name for name in others if name not in numeric)]
    table, _ = images.decode(columns.kept(read_table(file, file.names, text=text)), paths_of(file))
    if preprocessor is None:
        x, errors = numeric_matrix(table, features)
    else:
        x, errors = _encoded(preprocessor, table, counts)
    output_targets, of_targets = table_targets(table, columns)
    row_weights, of_weights = table_weights(table, weights)
    raise_row_errors(table.origin, errors.with_more(of_targets, of_weights))
    kept = {name: plain_column(table.columns[name].arrow) for name in others}
    y, target_label = output_targets.pop("", (None, ""))
    return SourceRows(
        x, y, table.origin, target_label, kept, output_targets, row_weights, left_out=table.left_out
    )


def _encoded(preprocessor: Preprocessor, table: Table, counts: RowCounts) -> tuple[Array, RowErrors]:
    """Return the features of a table as the network takes them, and why some cannot be; count their cells."""
    encoded = preprocessor.transform(table.columns)
    counts.add(encoded.found)
    rejected = apply_policy(preprocessor, encoded.found, None).rejected
    return encoded.x, cell_errors(preprocessor, rejected, table.columns, range(table.rows), table.origin)


def _wants_target(file: TableFile, contract: Contract, target: bool | None) -> bool:
    return all(name in file.names for name in contract.target) if target is None else target


def check_width(names: Sequence[str], contract: Contract, origin: Origin) -> None:
    """Check the number of columns of a table for a model of a table without a header.

    Columns are then found by position; only the targets may be left out, where they are the last columns.

    Raises:
        DataError: there are more, or fewer.
    """
    width = contract.preprocessor.dialect.width if contract.preprocessor else 0
    if not width or list(names) != [f"column_{place}" for place in range(1, len(names) + 1)]:
        return  # the file names its columns
    absent = {f"column_{place}" for place in range(len(names) + 1, width + 1)}
    if len(names) > width or not absent <= set(contract.target):
        hint = "the table has no line of names, so that its columns are found by their places"
        origin.refuse(
            f"must have {counted(width, 'column')}, as the model's own table", received=len(names), hint=hint
        )


def features_by_position(
    names: Sequence[str], contract: Contract, extra_columns: Sequence[str], origin: Origin
) -> tuple[str, ...]:
    """Return the features in a table for a model of arrays: all columns but the target and the extra ones.

    Args:
        names: the table's columns.
        contract: of the model.
        extra_columns: columns that are no features.
        origin: of the table.

    Returns:
        The names of the features, in their order.

    Raises:
        DataError: there are more, or fewer, than a row of the model has values.
    """
    features = tuple(name for name in names if name not in contract.target and name not in extra_columns)
    wanted = math.prod(contract.shape)
    if len(features) != wanted:
        shape = " x ".join(map(str, contract.shape))
        rule = f"must have {wanted} columns of numbers besides the target, one row holds {shape}"
        origin.refuse(rule, received=len(features), hint="name other columns with --keep")
    return features


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
    source_rows = array_rows(
        file,
        names[0],
        y,
        classes=any(each.classes is not None for each in contract.outputs),
        wide=contract.preprocessor is not None,
        per_step=ALWAYS if any(each.steps for each in contract.outputs) else (),
    )
    if y is None or not contract.output.name:
        return weighted(source_rows, file, contract.weights)
    source = Source(source_rows, None, "array", (), _array_targets(contract, source_rows), label)
    targets = {each.name: each.target for each in contract.outputs}
    return weighted(cut_targets(source_rows, replace(source, targets=targets)), file, contract.weights)


def _array_targets(contract: Contract, source_rows: SourceRows) -> tuple[str, ...]:
    """Return the names of an array's targets in their order: `target`, or `target_0`, `target_1`, ...

    Those of a table's run, also of a table of images, are its target columns, in the order of the outputs.
    """
    if contract.kind == "table" or contract.image is not None or contract.target == ("target",):
        return contract.target
    if "target" in contract.target:  # one-hot columns of several outputs, whose numbers a run does not keep
        hint = "evaluate the splits of the run, without --data"
        source_rows.origin.refuse("the run does not know which columns of y each output takes", hint=hint)
    needed = 1 + max(int(name.removeprefix("target_")) for name in contract.target)
    target = source_rows.target
    given = target.shape[1] if isinstance(target, np.ndarray) and target.ndim == 2 else 0
    return tuple(f"target_{place}" for place in range(max(needed, given)))
