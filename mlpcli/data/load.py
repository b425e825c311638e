"""Load the dataset of a spec: read, split, encode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlpcli.data.columns import select_inputs
from mlpcli.data.dataset import OTHER, Contract, Dataset, Output, Split
from mlpcli.data.features.preprocessor import Preprocessor, fit_preprocessor
from mlpcli.data.features.unknown_values import apply_policy, cell_errors
from mlpcli.data.features.value_notes import lost_digit_notes
from mlpcli.data.features.verification_sample import Sample, take_sample
from mlpcli.data.fingerprint import fingerprint
from mlpcli.data.lost_digits import lost_digits, some_rows
from mlpcli.data.readers.row_errors import raise_row_errors
from mlpcli.data.rows import Rows, read_rows
from mlpcli.data.scaling import in_precision, scale_outputs, scale_target
from mlpcli.data.sources.array_source import in_dtype
from mlpcli.data.sources.kept_rows import KeptOrigin
from mlpcli.data.sources.open import open_source, read_split
from mlpcli.data.sources.source_rows import Source, SourceRows
from mlpcli.data.sources.synthetic import complete_synthetic
from mlpcli.data.sources.table_source import dialect_of
from mlpcli.data.splits import Amount, SplitAmounts, is_sparse, split_rows, test_amount, validation_amount
from mlpcli.data.step_targets import encode_rows, in_steps, source_by_step
from mlpcli.data.targets import class_indices, code_target, stratified_by
from mlpcli.data.types import Array, NumberType, PerStep, TargetKind
from mlpcli.data.unseen_classes import unseen_classes
from mlpcli.data.weights import ClassWeights, row_weights
from mlpcli.errors import DataError, Problem, SpecError, listing
from mlpcli.spec.features import InputSpec
from mlpcli.spec.schema import DatasetSpec

__all__ = ["Request", "Rows", "fingerprint", "load_dataset", "read_rows"]


@dataclass(frozen=True)
class Request:
    """What a network requires of the data, besides the `dataset` section.

    Attributes:
        target_kinds: what the loss of each output takes, by the output's name; the name of a single output is
            empty. None to decide by the target: text and booleans are classes.
        symmetric: outputs with values from -1 to 1, for which `minmax` scales the target to that range.
        inputs: the spec's named inputs.
        scales_inputs: whether the network scales its inputs, so that a table's numbers need no scaling here.
        class_weight: from the spec's `fit`.
        inferred: outputs without a loss, whose kind is what their activation is mostly used for.
        reads_ids: whether only layers that take whole numbers read the inputs, so that integers stay exact.
        only_named: whether `features`, if it is a mapping, names every column that is used.
        numbers: how numbers are kept until they are scaled.
        per_step: for which axes of x the columns of an array's target are the steps of a sequence.
        earlier_robust: whether `scaling: robust` is that of earlier versions, whose runs need it.
    """

    target_kinds: Mapping[str, TargetKind | None]
    symmetric: frozenset[str] = frozenset()
    inputs: Mapping[str, InputSpec] | None = None
    scales_inputs: bool = True
    class_weight: ClassWeights = None
    inferred: frozenset[str] = frozenset()
    only_named: bool = False
    reads_ids: bool = False
    numbers: NumberType = "float64"
    per_step: PerStep = ()
    earlier_robust: bool = False


def load_dataset(spec: DatasetSpec, request: Request, *, seed: int, folder: Path) -> Dataset:
    """Load and split the dataset of a spec.

    Args:
        spec: the `dataset` section.
        request: what the network requires.
        seed: of the random splits.
        folder: relative to which paths in the spec are read.

    Returns:
        The dataset.

    Raises:
        SpecError: the spec names something that does not exist, or a split is impossible.
        DataError: the data cannot be used; with the errors found, up to a bound.
    """
    spec = complete_synthetic(spec, seed=seed)
    source = open_source(
        spec,
        target_kinds=request.target_kinds,
        folder=folder,
        scales_inputs=request.scales_inputs,
        only_named=request.only_named,
        numbers=request.numbers,
        per_step=request.per_step,
    )
    test_rows = test_amount(spec, own=source.test is not None)
    own_test = source.test is not None and "test" not in spec.model_fields_set
    splitter = _Splitter(source, _code(source, spec, request), seed, folder, spec, request.numbers)
    split_amounts: SplitAmounts = {} if own_test else {"test": test_rows}
    if own_test and source.test is not None:
        splitter.add("test", source.test)
    elif test_rows is not None:
        splitter.split("test", test_rows)
    validation_rows = validation_amount(spec, len(splitter.rows))
    if validation_rows is not None:
        splitter.split("validation", validation_rows)
    return _dataset(source, splitter, spec, request, split_amounts | {"validation": validation_rows})


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
            ),
            source.main.steps,
        )
        for name in source.outputs
    }
    if spec.target_min_count is not None and all(
        each.kind not in ("classes", "groups") for _, each in coded.values()
    ):
        rule, path = "is for a target of classes", ("dataset", "target_min_count")
        raise SpecError(Problem(rule, path=path, received=spec.target_min_count, hint="remove it"))
    return coded


@dataclass(frozen=True)
class _Rows:
    """Rows of one split before they are divided among the inputs and scaled; y by output."""

    x: Array
    y: dict[str, Array]
    rows: Array
    weights: Array | None
    source_rows: SourceRows


class _Splitter:
    """Takes splits off the main rows one after the other, and compares their classes in the end."""

    def __init__(
        self,
        source: Source,
        coded: dict[str, tuple[Array, Output]],
        seed: int,
        folder: Path,
        spec: DatasetSpec,
        numbers: NumberType,
    ) -> None:
        self.source, self.seed, self.folder, self.spec = source, seed, folder, spec
        self.numbers = numbers
        table = source.main.table
        self.dialect = dialect_of(spec, numbers) if table is None else table.dialect
        self.sparse = False  # whether classes were too rare for a stratified split
        self.y = {name: in_precision(y, output, numbers) for name, (y, output) in coded.items()}
        self.outputs = tuple(output for _, output in coded.values())
        self.rows = np.arange(len(source.main.x))  # of the main rows, those that no split has taken
        self.taken: dict[str, _Rows] = {}

    def add(self, split: str, rows: SourceRows) -> None:
        """Add a split that has rows of its own."""
        y = {each.name: encode_rows(rows, each, self.numbers, split=split) for each in self.outputs}
        self.taken[split] = _Rows(rows.x, y, np.arange(len(rows.x)), rows.weights, rows)

    def split(self, split: str, amount: Amount | str) -> None:
        """Add a split of some of the remaining rows, or of a file."""
        if isinstance(amount, str):
            drops = self.spec.drops_missing_targets
            labels = {output.name: output.classes is not None for output in self.outputs}
            rows = read_split(
                amount,
                split,
                self.source,
                labels=labels,
                folder=self.folder,
                weights=self.spec.weights,
                dialect=self.dialect,
                droppable=[each.name for each in self.outputs if drops and each.separator is None],
            )
            self.add(split, rows)
            return
        named = stratified_by(self.outputs)
        labels_of = class_indices(self.y[named.name])[self.rows] if named else None
        names = (named.classes if named else None) or ()
        self.sparse |= is_sparse(amount, labels_of)
        self.rows, taken = split_rows(
            self.rows, amount, split=split, seed=self.seed, labels=labels_of, names=names
        )
        self.taken[split] = self._pick(taken)

    def finish(self) -> dict[str, _Rows]:
        """Return all splits by name, the training rows first.

        Raises:
            DataError: a split holds a class that no training row has.
        """
        train = self._pick(self.rows)
        problems: list[Problem] = []
        for name, taken in self.taken.items():
            for output in self.outputs:
                y, rows = taken.y[output.name], taken.source_rows.for_output(output.name)
                problems += unseen_classes(train.y[output.name], rows, name, y, taken.rows, output)
        if problems:
            raise DataError(*problems)
        return {"train": train} | self.taken

    def _pick(self, rows: Array) -> _Rows:
        """Return some of the main rows; consecutive rows as a view, so that images are in memory once."""
        main = self.source.main
        window: Array | slice = rows
        if rows[-1] - rows[0] + 1 == len(rows) and (len(rows) == 1 or bool((np.diff(rows) == 1).all())):
            window = slice(int(rows[0]), int(rows[-1]) + 1)
        y = {name: values[window] for name, values in self.y.items()}
        weights = None if main.weights is None else main.weights[window]
        return _Rows(main.x[window], y, rows, weights, main)


def _in_one_dtype(rows_of: dict[str, _Rows], request: Request) -> dict[str, _Rows]:
    """Return the splits with integers as floats, other than uint8, or exact where the network reads ids."""
    main = rows_of["train"].x.dtype
    ids = request.reads_ids and main.kind in "iu" and main != np.uint8

    def changed(rows: _Rows) -> _Rows:
        if ids:
            return replace(rows, x=in_dtype(rows.x, "int64", rows.source_rows.origin))
        plain = rows.x.dtype.kind not in "iu" or rows.x.dtype == np.uint8
        return rows if plain else replace(rows, x=rows.x.astype(np.float32))

    return {name: changed(rows) for name, rows in rows_of.items()}


def _dataset(
    source: Source,
    splitter: _Splitter,
    spec: DatasetSpec,
    request: Request,
    split_amounts: SplitAmounts,
) -> Dataset:
    rows_of, preprocessor = _preprocess(source, _in_one_dtype(splitter.finish(), request), request)
    train = rows_of["train"]
    outputs = splitter.outputs
    if spec.target_scaling is not None:
        outputs = scale_outputs(outputs, train.y, spec.target_scaling, request.symmetric)
    contract = Contract(
        kind=source.kind,
        features=source.features,
        shape=train.x.shape[1:],
        dtype=str(train.x.dtype),
        outputs=outputs,
        inputs=select_inputs(request.inputs or {}, source.features, train.x.shape[1:], preprocessor),
        weights=spec.weights,
        preprocessor=preprocessor,
        numbers=request.numbers,
    )
    notes, left_out = _notes(rows_of, outputs, spec, sparse=splitter.sparse)
    scales = request.class_weight
    splits = {name: _split(rows, train, contract, scales) for name, rows in rows_of.items()}
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
        notes=(*source.notes, *notes, *_value_notes(source, train, preprocessor, outputs, request)),
        left_out=left_out,
        sparse=splitter.sparse,
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
    return f"{left_out:,} of {left_out + rows:,} rows of {label} have no target and are left out"


def _notes(
    rows_of: Mapping[str, _Rows], outputs: tuple[Output, ...], spec: DatasetSpec, *, sparse: bool
) -> tuple[tuple[str, ...], int]:
    """Return what was done to rows and classes, a sentence each, and the number of rows without a target."""
    sources = {id(each.source_rows): each.source_rows for each in rows_of.values()}.values()
    notes = [
        left_out_note(each.left_out, len(each.x), each.origin.label) for each in sources if each.left_out
    ]
    for output in outputs:
        if output.pooled:
            few = f"{len(output.pooled):,} classes of fewer than {spec.target_min_count} rows"
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
    source: Source, rows_of: dict[str, _Rows], request: Request
) -> tuple[dict[str, _Rows], Preprocessor | None]:
    """Encode the splits of a table by a preprocessor that is fitted on the training rows only.

    Raises:
        DataError: a cell that cannot be used.
    """
    if source.chosen is None or source.main.table is None:
        return rows_of, None
    table = source.main.table
    rows = rows_of["train"].rows
    preprocessor = fit_preprocessor(
        table.columns, source.chosen.used, rows, table.dialect, earlier_robust=request.earlier_robust
    )
    whole: dict[int, Array] = {}  # by the rows' source, which splits share
    for each in rows_of.values():
        if id(each.source_rows) not in whole and each.source_rows.table is not None:
            raw = each.source_rows.table
            found = preprocessor.transform(raw.columns)
            rejected = apply_policy(preprocessor, found.found, "bucket").rejected
            row_errors = cell_errors(preprocessor, rejected, raw.columns, range(raw.rows), raw.origin)
            raise_row_errors(raw.origin, row_errors, len(rejected))
            whole[id(each.source_rows)] = found.x
    return {
        name: replace(each, x=whole[id(each.source_rows)][each.rows]) for name, each in rows_of.items()
    }, preprocessor


def _value_notes(
    source: Source,
    train: _Rows,
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


def _target_notes(train: _Rows, outputs: Sequence[Output]) -> Iterator[str]:
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


def _split(rows: _Rows, train: _Rows, contract: Contract, class_weight: ClassWeights) -> Split:
    """Return a split as the network takes it."""
    weights = row_weights(rows.y, train.y, rows.weights, contract.outputs, class_weight)
    y = {each.name: scale_target(rows.y[each.name], each) for each in contract.outputs}
    return Split(contract.take_inputs(rows.x), contract.by_output(y), rows.rows, weights)
