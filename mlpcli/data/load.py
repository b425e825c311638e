"""Load the dataset of a spec: read, split, encode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlpcli.data.columns import select_inputs
from mlpcli.data.dataset import OTHER, Contract, Dataset, Output, Split
from mlpcli.data.features.preprocessor import Preprocessor, fit_preprocessor
from mlpcli.data.features.value_notes import lost_digit_notes
from mlpcli.data.features.verification_sample import Sample, take_sample
from mlpcli.data.fingerprint import fingerprint, unscaled_digests
from mlpcli.data.leakage import SplitRows, group_notes
from mlpcli.data.lost_digits import lost_digits, some_rows
from mlpcli.data.nested_rows import TrainingRows
from mlpcli.data.request import Request
from mlpcli.data.row_keeper import IN_MEMORY, RowKeeper
from mlpcli.data.rows import Rows, read_rows
from mlpcli.data.scaling import scale_outputs, scale_target
from mlpcli.data.sources.array_source import in_dtype
from mlpcli.data.sources.kept_rows import KeptOrigin
from mlpcli.data.sources.open import open_source
from mlpcli.data.sources.source_rows import Source
from mlpcli.data.sources.synthetic import complete_synthetic
from mlpcli.data.splits import InColumn, SplitAmounts, test_amount, validation_amount
from mlpcli.data.splitter import OpenedData, RowsOfSplit, Splitter
from mlpcli.data.step_targets import in_steps, source_by_step
from mlpcli.data.target_keys import check_target_keys
from mlpcli.data.targets import class_indices, code_target, stratified_by
from mlpcli.data.types import Array
from mlpcli.data.weights import ClassWeights, row_weights
from mlpcli.errors import listing
from mlpcli.printable import counted
from mlpcli.spec.schema import DatasetSpec

__all__ = ["Request", "Rows", "fingerprint", "load_dataset", "read_rows"]


def load_dataset(spec: DatasetSpec, request: Request, *, seed: int, folder: Path) -> Dataset:
    """Return the dataset of a spec, loaded and split.

    Args:
        spec: the `dataset` section.
        request: what the network requires.
        seed: of the random splits.
        folder: relative to which paths in the spec are read.

    Raises:
        SpecError: the spec names something that does not exist, or a split is impossible.
        DataError: the data cannot be used; with the errors found, up to a bound.
    """
    return divide_dataset(open_dataset(spec, request, seed=seed, folder=folder), spec, request, seed=seed)


def open_dataset(
    spec: DatasetSpec, request: Request, *, seed: int, folder: Path, keeper: RowKeeper = IN_MEMORY
) -> OpenedData:
    """Read the rows of a spec's dataset; see `load_dataset`."""
    spec = complete_synthetic(spec, seed=seed)
    source = open_source(spec, request, folder, read=keeper.read, read_array=keeper.read_array)
    coded = {name: (keeper.slim(y), output) for name, (y, output) in _code(source, spec, request).items()}
    positions = keeper.slim(np.empty(0, np.int64)).dtype
    return OpenedData(source, coded, folder, read=keeper.read, rows_dtype=positions)


def divide_dataset(
    opened: OpenedData,
    spec: DatasetSpec,
    request: Request,
    *,
    seed: int,
    some: TrainingRows | None = None,
    keeper: RowKeeper = IN_MEMORY,
) -> Dataset:
    """Split and encode the rows of a spec's dataset; see `load_dataset`.

    Args:
        opened: the rows, which other specs may divide otherwise.
        spec: the `dataset` section.
        request: what the network requires.
        seed: of the random splits.
        some: of the training rows, which are all there is; None for all of them.
        keeper: keeps the rows.
    """
    splitter, split_amounts = _divide(opened, spec, request, seed)
    outputs = _scaled(splitter, spec, request) if some is not None else None
    if some is not None:
        splitter.keep(some)
    return _dataset(opened.source, splitter, spec, request, split_amounts, outputs, keeper)


def _scaled(splitter: Splitter, spec: DatasetSpec, request: Request) -> tuple[Output, ...]:
    """Return the outputs, their targets scaled by the training rows that are left now."""
    if spec.target_scaling is None:
        return splitter.outputs
    train = {name: y[splitter.rows] for name, y in splitter.y.items()}
    return scale_outputs(splitter.outputs, train, spec.target_scaling, request.symmetric)


def rows_by_split(opened: OpenedData, spec: DatasetSpec, request: Request, *, seed: int) -> dict[str, int]:
    """Return the number of rows of each split, which is divided and checked but not encoded.

    Raises:
        SpecError: a split is impossible.
        DataError: a split holds a class that no training row has.
    """
    splitter, _ = _divide(opened, spec, request, seed)
    return {name: len(rows.rows) for name, rows in splitter.finish().items()}


def _divide(
    opened: OpenedData, spec: DatasetSpec, request: Request, seed: int
) -> tuple[Splitter, SplitAmounts]:
    """Return what has taken the splits off the rows, and how many each takes."""
    seed = seed if spec.split_seed is None else spec.split_seed
    spec, source = complete_synthetic(spec, seed=seed), opened.source
    test_rows = test_amount(spec, own=source.test is not None, named=source.named_splits)
    own_test = source.test is not None and "test" not in spec.model_fields_set
    splitter = Splitter(opened, seed, spec, request.numbers)
    split_amounts: SplitAmounts = {} if own_test else {"test": test_rows}
    if own_test and source.test is not None:
        splitter.add("test", source.test)
    elif test_rows is not None:
        splitter.split("test", test_rows)
    validation_rows = validation_amount(spec, len(splitter.rows), source.named_splits)
    if isinstance(validation_rows, InColumn):  # which validate every fold
        splitter.split("validation", validation_rows)
    if spec.fold is not None:
        splitter.hold_out(spec.fold)
        if "validation" not in spec.model_fields_set:  # a share that depends on the rows
            validation_rows = validation_amount(spec, len(splitter.rows), source.named_splits)
    if validation_rows is not None and not isinstance(validation_rows, InColumn):
        splitter.split("validation", validation_rows)
    return splitter, split_amounts | {"validation": validation_rows}


def _code(source: Source, spec: DatasetSpec, request: Request) -> dict[str, tuple[Array, Output]]:
    """Return each output's y over the main rows, and the output, by name."""
    coded = {
        name: in_steps(
            *code_target(
                source_by_step(source.for_output(name)),
                target_kind=request.target_kinds.get(name),
                name=name,
                separator=spec.label_separator,
                inferred=name in request.inferred,
                min_count=spec.target_min_count,
                positive=spec.positive_class if len(source.outputs) == 1 else None,
            ),
            source.main.steps,
        )
        for name in source.outputs
    }
    coded |= {
        name: (coded[name][0], replace(coded[name][1], levels=levels))
        for name, levels in request.levels.items()
        if name in coded and coded[name][1].kind == "numbers"
    }
    check_target_keys(spec, (output for _, output in coded.values()))
    return coded


def _in_one_dtype(rows_of: dict[str, RowsOfSplit], request: Request) -> dict[str, RowsOfSplit]:
    """Return the splits with integers as floats, other than uint8, or exact where the network reads ids."""
    main = rows_of["train"].x.dtype
    ids = request.reads_ids and main.kind in "iu" and main != np.uint8

    def changed(rows: RowsOfSplit) -> RowsOfSplit:
        if ids:
            return replace(rows, x=in_dtype(rows.x, "int64", rows.source_rows.origin))
        plain = rows.x.dtype.kind not in "iu" or rows.x.dtype == np.uint8
        return rows if plain else replace(rows, x=rows.x.astype(np.float32))

    return {name: changed(rows) for name, rows in rows_of.items()}


def _dataset(
    source: Source,
    splitter: Splitter,
    spec: DatasetSpec,
    request: Request,
    split_amounts: SplitAmounts,
    scaled: tuple[Output, ...] | None,
    keeper: RowKeeper,
) -> Dataset:
    rows_of, preprocessor = _preprocess(source, _in_one_dtype(splitter.finish(), request), request, keeper)
    train, outputs = rows_of["train"], scaled or _scaled(splitter, spec, request)
    if request.contract is not None:
        outputs = request.contract.outputs
    contract = request.contract or _contract(source, outputs, train, spec, request, preprocessor)
    notes, left_out = _notes(rows_of, outputs, spec, sparse=splitter.sparse)
    tables = {name: SplitRows(each.source_rows.table, each.rows) for name, each in rows_of.items()}
    shared = group_notes(tables, source.split_columns, split_amounts, contract.target)
    made = {name: _split(rows, train, contract, request.class_weight) for name, rows in rows_of.items()}
    splits = {name: keeper.keep(split) for name, split in made.items()}
    return Dataset(
        splits["train"],
        splits.get("validation"),
        splits.get("test"),
        contract,
        fingerprint(contract, splits),
        source.label,
        split_amounts,
        features=source.chosen.resolved() if source.chosen else None,
        excluded=source.chosen.excluded if source.chosen else {},
        sample=_take_sample(source, preprocessor),
        seed=splitter.seed,
        notes=(
            *source.notes,
            *dict.fromkeys(splitter.notes),
            *shared,
            *notes,
            *_value_notes(source, train, preprocessor, outputs, request),
        ),
        left_out=left_out,
        sparse=splitter.sparse,
        held_out=splits.get("held_out"),
        origins={name: rows.source_rows.origin for name, rows in rows_of.items()},
        split_columns=source.split_columns,
        unscaled_targets=unscaled_digests(rows_of, outputs),
    )


def _contract(
    source: Source,
    outputs: tuple[Output, ...],
    train: RowsOfSplit,
    spec: DatasetSpec,
    request: Request,
    preprocessor: Preprocessor | None,
) -> Contract:
    """Return the contract of rows like those for training."""
    return Contract(
        kind=source.kind,
        features=source.features,
        shape=train.x.shape[1:],
        dtype=str(train.x.dtype),
        outputs=outputs,
        inputs=select_inputs(request.inputs or {}, source.features, train.x.shape[1:], preprocessor),
        weights=spec.weights,
        preprocessor=preprocessor,
        numbers=request.numbers,
        image=source.images.reading if source.images is not None else None,
    )


def _take_sample(source: Source, preprocessor: Preprocessor | None) -> Sample | None:
    """Return rows of a table as the file holds them, to verify the exported model with."""
    table = source.main.table
    if preprocessor is None or table is None:
        return None
    sample = take_sample(preprocessor, table.columns, table.rows, source.label)
    if isinstance(table.origin, KeptOrigin):
        return replace(sample, positions=table.origin.kept[sample.positions])
    return sample


def left_out_note(left_out: int, rows: int, label: str) -> str:
    """Return the sentence about rows without a target."""
    return f"{left_out:,} of {counted(left_out + rows, 'row')} of {label} have no target and are left out"


def _notes(
    rows_of: Mapping[str, RowsOfSplit], outputs: tuple[Output, ...], spec: DatasetSpec, *, sparse: bool
) -> tuple[tuple[str, ...], int]:
    """Return what was done to rows and classes, a sentence each, and the number of rows without a target."""
    sources = {id(each.source_rows): each.source_rows for each in rows_of.values()}.values()
    notes = [
        left_out_note(each.left_out, len(each.x), each.origin.label) for each in sources if each.left_out
    ]
    for output in outputs:
        if output.pooled:
            few = f"{len(output.pooled):,} classes of fewer than {spec.target_min_count:,} rows"
            notes.append(f"{few} are the class {OTHER!r}: {listing(output.pooled, 5)}")
    first = stratified_by(outputs)
    if sparse and first is not None:
        present = [set(class_indices(each.y[first.name]).tolist()) for each in rows_of.values()]
        rare = [
            name for place, name in enumerate(first.classes or ()) if not all(place in s for s in present)
        ]
        if rare:
            notes.append(f"classes with too few rows to be in every split: {listing(rare, 5)}")
    return tuple(notes), sum(each.left_out for each in sources)


def _preprocess(
    source: Source, rows_of: dict[str, RowsOfSplit], request: Request, keeper: RowKeeper
) -> tuple[dict[str, RowsOfSplit], Preprocessor | None]:
    """Encode the splits of a table by a preprocessor that is fitted on the training rows only.

    Raises:
        DataError: a cell that cannot be used.
    """
    if source.chosen is None or source.main.table is None:
        return keeper.place(rows_of), None
    table = source.main.table
    rows = rows_of["train"].rows
    preprocessor = request.contract.preprocessor if request.contract is not None else None
    preprocessor = preprocessor or fit_preprocessor(
        table.columns, source.chosen.used, rows, table.dialect, earlier=request.earlier
    )
    return keeper.encode(rows_of, preprocessor), preprocessor


def _value_notes(
    source: Source,
    train: RowsOfSplit,
    preprocessor: Preprocessor | None,
    outputs: Sequence[Output],
    request: Request,
) -> Iterator[str]:
    """Yield what to know of the values: unclear dates, and digits that the network does not see."""
    yield from () if request.reads_ids else source.main.notes
    yield from source.chosen.notes if source.chosen else ()
    table = source.main.table
    if preprocessor is not None and table is not None and request.numbers == "float64":
        targets = (name for each in outputs if each.kind == "numbers" for name in each.target)
        yield from lost_digit_notes(preprocessor, table.columns, train.rows, targets)
    yield from _target_notes(train, outputs)


def _target_notes(train: RowsOfSplit, outputs: Sequence[Output]) -> Iterator[str]:
    """Yield a line for each target of numbers that the float32 of the network cannot tell apart."""
    for output in outputs:
        y = train.y[output.name]
        if output.kind != "numbers" or y.dtype != np.float64:
            continue
        some = y[some_rows(np.arange(len(y)), y[0].size)]
        width = len(output.target)
        columns = (each.reshape(-1, width).T for each in (some, scale_target(some, output)))
        for place, (values, taken) in enumerate(zip(*columns, strict=True)):
            if lost := lost_digits(values, taken):
                name = output.target[place]
                hint = "scale it in float64 before: dataset: {target_scaling: standardize}"
                yield f"target {name!r}: {lost}; {'predict a part of it' if output.scale else hint}"


def _split(rows: RowsOfSplit, train: RowsOfSplit, contract: Contract, class_weight: ClassWeights) -> Split:
    """Return a split as the network takes it."""
    weights = row_weights(rows.y, train.y, rows.weights, contract.outputs, class_weight)
    y = {each.name: scale_target(rows.y[each.name], each) for each in contract.outputs}
    return Split(contract.take_inputs(rows.x), contract.by_output(y), rows.rows, weights)
