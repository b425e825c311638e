"""What the rest of mlpcli calls: a dataset by its spec, and new rows for a finished model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.data.columns import select_inputs
from mlpcli.data.dataset import Contract, Dataset, Output, Split
from mlpcli.data.features.preprocessor import Preprocessor, fit_preprocessor
from mlpcli.data.features.unknown_values import apply_policy, raise_cell_errors
from mlpcli.data.features.verification_sample import take_sample
from mlpcli.data.rows import Rows, read_rows
from mlpcli.data.scaling import learn_scaling, scale_target
from mlpcli.data.sources.open import open_source, read_split
from mlpcli.data.sources.synthetic import complete_synthetic
from mlpcli.data.sources.table_source import dialect_of
from mlpcli.data.sources.types import Source, SourceRows
from mlpcli.data.splits import Amount, split_rows, test_amount, validation_amount
from mlpcli.data.targets import class_indices, code_target, encode, unseen_classes
from mlpcli.data.types import Array, TargetKind
from mlpcli.data.weights import ClassWeights, row_weights
from mlpcli.errors import DataError, Problem
from mlpcli.spec.schema import DatasetSpec, InputSpec

__all__ = ["Request", "Rows", "fingerprint", "load_dataset", "read_rows"]


@dataclass(frozen=True)
class Request:
    """What the network wants of the data, beside what the `dataset` section says.

    wanted: what the loss of each output takes, by the output's name; the name is empty where there is only
        one. None decides from the target: text and booleans are classes.
    symmetric: outputs that range from -1 to 1, to which a target scaled by `minmax` is fitted.
    inputs: the spec's named inputs.
    scales_inputs: whether the network does, so that a table's numbers are passed as they are.
    class_weight: of the spec's `fit`.
    guessed: outputs without a loss, whose `wanted` is what their activation is mostly used for.
    only_named: `features`, where it is a mapping, names every column that is used.
    """

    target_kinds: Mapping[str, TargetKind | None]
    symmetric: frozenset[str] = frozenset()
    inputs: Mapping[str, InputSpec] | None = None
    scales_inputs: bool = True
    class_weight: ClassWeights = None
    inferred: frozenset[str] = frozenset()
    only_named: bool = False


def load_dataset(spec: DatasetSpec, request: Request, *, seed: int, folder: Path) -> Dataset:
    """Load and split the data that a spec points at.

    Args:
        seed: of the random splits.
        folder: what relative paths in the spec are relative to.

    Raises:
        SpecError: the spec names what is not there, or a split that cannot be made.
        DataError: the data cannot be used; every fault found is told, up to a bound.
    """
    spec = complete_synthetic(spec, seed=seed)
    source = open_source(
        spec,
        target_kinds=request.target_kinds,
        folder=folder,
        scales_inputs=request.scales_inputs,
        only_named=request.only_named,
    )
    test_rows = test_amount(spec, own=source.test is not None)
    own_test = source.test is not None and "test" not in spec.model_fields_set
    splitter = _Splitter(source, _code(source, spec, request), seed, folder, spec)
    split_amounts: dict[str, Any] = {} if own_test else {"test": test_rows}
    if own_test and source.test is not None:
        splitter.add("test", source.test)
    elif test_rows is not None:
        splitter.split("test", test_rows)
    validation_rows = validation_amount(spec, len(splitter.rows))
    if validation_rows is not None:
        splitter.split("validation", validation_rows)
    return _dataset(source, splitter, spec, request, split_amounts | {"validation": validation_rows})


def _code(source: Source, spec: DatasetSpec, request: Request) -> dict[str, tuple[Array, Output]]:
    """Each output's y over the main rows, and the output it sets, by name."""
    return {
        name: code_target(
            source.for_output(name),
            target_kind=request.target_kinds.get(name),
            name=name,
            separator=spec.label_separator,
            inferred=name in request.inferred,
        )
        for name in source.outputs
    }


@dataclass(frozen=True)
class _Rows:
    """Rows of one split before they are cut to inputs and scaled: y by output."""

    x: Array
    y: dict[str, Array]
    rows: Array
    weights: Array | None
    part: SourceRows


class _Splitter:
    """Takes splits off the main rows one after the other, and in the end holds their classes together."""

    def __init__(
        self,
        source: Source,
        coded: dict[str, tuple[Array, Output]],
        seed: int,
        folder: Path,
        spec: DatasetSpec,
    ) -> None:
        self.source, self.seed, self.folder, self.weights = source, seed, folder, spec.weights
        self.dialect = dialect_of(spec)
        self.y = {name: y for name, (y, _) in coded.items()}
        self.outputs = tuple(output for _, output in coded.values())
        self.rows = np.arange(len(source.main.x))  # of the main part, those that no split has taken
        self.made: dict[str, _Rows] = {}

    def add(self, split: str, part: SourceRows) -> None:
        """A split whose rows are a part of their own."""
        y = {
            output.name: encode(part.for_output(output.name), output, split=split) for output in self.outputs
        }
        self.made[split] = _Rows(part.x, y, np.arange(len(part.x)), part.weights, part)

    def split(self, split: str, amount: Amount | str) -> None:
        """A split of some of the remaining rows, or of a file."""
        if isinstance(amount, str):
            labels = {output.name: output.classes is not None for output in self.outputs}
            part = read_split(
                amount,
                split,
                self.source,
                labels=labels,
                folder=self.folder,
                weights=self.weights,
                dialect=self.dialect,
            )
            self.add(split, part)
            return
        named = next((each for each in self.outputs if each.kind in ("classes", "one_hot")), None)
        labels_of = class_indices(self.y[named.name])[self.rows] if named else None
        names = (named.classes if named else None) or ()
        self.rows, taken = split_rows(
            self.rows, amount, split=split, seed=self.seed, labels=labels_of, names=names
        )
        self.made[split] = self._pick(taken)

    def finish(self) -> dict[str, _Rows]:
        """All splits by name, the training rows first."""
        train = self._pick(self.rows)
        problems: list[Problem] = []
        for name, made in self.made.items():
            for output in self.outputs:
                y, part = made.y[output.name], made.part.for_output(output.name)
                problems += unseen_classes(train.y[output.name], part, name, y, made.rows, output)
        if problems:
            raise DataError(*problems)
        return {"train": train} | self.made

    def _pick(self, rows: Array) -> _Rows:
        """Rows of the main part; neighbours in their order are a view, which keeps images in memory once."""
        main = self.source.main
        window: Any = rows
        if rows[-1] - rows[0] + 1 == len(rows) and (len(rows) == 1 or bool((np.diff(rows) == 1).all())):
            window = slice(int(rows[0]), int(rows[-1]) + 1)
        y = {name: values[window] for name, values in self.y.items()}
        weights = None if main.weights is None else main.weights[window]
        return _Rows(main.x[window], y, rows, weights, main)


def _dataset(
    source: Source, splitter: _Splitter, spec: DatasetSpec, request: Request, split_amounts: dict[str, Any]
) -> Dataset:
    made, preprocessor = _preprocess(source, splitter.finish())
    train = made["train"]
    table = source.main.table
    sample = None
    if preprocessor is not None and table is not None:
        sample = take_sample(preprocessor, table.columns, table.rows, source.label)
    outputs = splitter.outputs
    if spec.target_scaling is not None:
        outputs = tuple(
            learn_scaling(each, train.y[each.name], spec.target_scaling, each.name in request.symmetric)
            for each in outputs
        )
    contract = Contract(
        kind=source.kind,
        features=source.features,
        shape=train.x.shape[1:],
        dtype=str(train.x.dtype),
        outputs=outputs,
        inputs=select_inputs(request.inputs or {}, source.features, train.x.shape[1:], preprocessor),
        weights=spec.weights,
        preprocessor=preprocessor,
    )
    scales = request.class_weight
    splits = {name: _split(rows, train, contract, scales) for name, rows in made.items()}
    test, validation = splits.get("test"), splits.get("validation")
    return Dataset(
        splits["train"],
        validation,
        test,
        contract,
        fingerprint(contract, splits),
        source.label,
        split_amounts,
        features=source.chosen.resolved() if source.chosen else None,
        excluded=source.chosen.excluded if source.chosen else {},
        sample=sample,
        seed=splitter.seed,
    )


def _preprocess(source: Source, made: dict[str, _Rows]) -> tuple[dict[str, _Rows], Preprocessor | None]:
    """Splits of a table with their x, by a preprocessor that has seen the training rows alone.

    Raises:
        DataError: a cell that cannot be used.
    """
    if source.chosen is None or source.main.table is None:
        return made, None
    table = source.main.table
    rows = made["train"].rows
    preprocessor = fit_preprocessor(table.columns, source.chosen.used, rows, table.dialect)
    whole: dict[int, Array] = {}  # by part, since splits share one
    for each in made.values():
        if id(each.part) not in whole and each.part.table is not None:
            raw = each.part.table
            found = preprocessor.transform(raw.columns)
            rejected = apply_policy(preprocessor, found.found, "bucket").rejected
            raise_cell_errors(preprocessor, rejected, raw.columns, range(raw.rows), raw.origin)
            whole[id(each.part)] = found.x
    return {
        name: replace(each, x=whole[id(each.part)][each.rows]) for name, each in made.items()
    }, preprocessor


def _split(rows: _Rows, train: _Rows, contract: Contract, class_weight: ClassWeights) -> Split:
    """A split as the network takes it."""
    weights = row_weights(rows.y, train.y, rows.weights, contract.outputs, class_weight)
    y = {each.name: scale_target(rows.y[each.name], each) for each in contract.outputs}
    return Split(contract.take_inputs(rows.x), contract.by_output(y), rows.rows, weights)


def fingerprint(contract: Contract, splits: Mapping[str, Split]) -> str:
    """A sha256 over the contract and every split's x, y and weights, as hexadecimal digits."""
    digest = hashlib.sha256(json.dumps(contract.to_json(), sort_keys=True).encode())
    for name, split in sorted(splits.items()):
        for part in (split.x, split.y, split.weights):
            for key, array in part.items() if isinstance(part, dict) else [("", part)]:
                if array is not None:
                    digest.update(f"{name} {key} {array.dtype.str} {array.shape}".encode())
                    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
