"""What the rest of mlpcli calls: a dataset by its spec, and new rows for a finished model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.data.dataset import Array, Contract, Dataset, Split
from mlpcli.data.made import fill_in
from mlpcli.data.parts import Part, Source
from mlpcli.data.rows import Rows, read_rows
from mlpcli.data.sources import open_source, read_split
from mlpcli.data.splits import Amount, split_rows, test_amount, validation_amount
from mlpcli.data.targets import Coding, class_indices, code_target, encode, unseen_classes
from mlpcli.errors import DataError, Problem
from mlpcli.spec.schema import DatasetSpec

__all__ = ["Rows", "fingerprint", "load_dataset", "read_rows"]


def load_dataset(spec: DatasetSpec, *, seed: int, classes: bool | None, folder: Path) -> Dataset:
    """Load and split the data that a spec points at.

    Args:
        seed: of the random splits.
        classes: True when the loss is for classes, so that labels become indices; False for numbers;
            None to decide from the target: text and booleans are classes.
        folder: what relative paths in the spec are relative to.

    Raises:
        SpecError: the spec names what is not there, or a split that cannot be made.
        DataError: the data cannot be used; every fault found is told, up to a bound.
    """
    spec = fill_in(spec, seed=seed)
    source = open_source(spec, classes=classes, folder=folder)
    test_rows = test_amount(spec, own=source.test is not None)
    own_test = source.test is not None and "test" not in spec.model_fields_set
    y, coding = code_target(source, classes=classes)
    splitter = _Splitter(source, y, coding, seed, folder)
    division: dict[str, Any] = {} if own_test else {"test": test_rows}
    if own_test and source.test is not None:
        splitter.add("test", source.test)
    elif test_rows is not None:
        splitter.split("test", test_rows)
    validation_rows = validation_amount(spec, len(splitter.rows))
    if validation_rows is not None:
        splitter.split("validation", validation_rows)
    return _dataset(source, coding, splitter.finish(), division | {"validation": validation_rows})


class _Splitter:
    """Takes splits off the main rows one after the other, and in the end holds their classes together."""

    def __init__(self, source: Source, y: Array, coding: Coding, seed: int, folder: Path) -> None:
        self.source, self.y, self.coding, self.seed, self.folder = source, y, coding, seed, folder
        self.rows = np.arange(len(y))  # of the main part, those that no split has taken
        self.made: dict[str, tuple[Split, Part]] = {}

    def add(self, split: str, part: Part) -> None:
        """A split whose rows are a part of their own."""
        y = encode(part, self.coding, split=split)
        self.made[split] = (Split(part.x, y, np.arange(len(y))), part)

    def split(self, split: str, amount: Amount | str) -> None:
        """A split of some of the remaining rows, or of a file."""
        named = self.coding.classes is not None
        if isinstance(amount, str):
            self.add(split, read_split(amount, split, self.source, labels=named, folder=self.folder))
            return
        labels = class_indices(self.y)[self.rows] if named else None
        names = self.coding.classes or ()
        self.rows, taken = split_rows(
            self.rows, amount, split=split, seed=self.seed, labels=labels, names=names
        )
        self.made[split] = (self._pick(taken), self.source.main)

    def finish(self) -> dict[str, Split]:
        """All splits by name, the training rows among them."""
        train = self._pick(self.rows)
        problems: list[Problem] = []
        for name, (split, part) in self.made.items():
            problems += unseen_classes(train.y, part, name, split.y, split.rows, self.coding)
        if problems:
            raise DataError(*problems)
        return {"train": train} | {name: split for name, (split, _) in self.made.items()}

    def _pick(self, rows: Array) -> Split:
        """Rows of the main part; neighbours in their order are a view, which keeps images in memory once."""
        if rows[-1] - rows[0] + 1 == len(rows) and (len(rows) == 1 or bool((np.diff(rows) == 1).all())):
            window = slice(int(rows[0]), int(rows[-1]) + 1)
            return Split(self.source.main.x[window], self.y[window], rows)
        return Split(self.source.main.x[rows], self.y[rows], rows)


def _dataset(source: Source, coding: Coding, splits: dict[str, Split], division: dict[str, Any]) -> Dataset:
    x = splits["train"].x
    one_array = source.kind == "array" and coding.one_hot  # one target, for all that y has many columns
    contract = Contract(
        kind=source.kind,
        features=source.features,
        shape=x.shape[1:],
        dtype=str(x.dtype),
        target=("target",) if one_array else source.target,
        classes=coding.classes,
        one_hot=coding.one_hot,
    )
    test, validation = splits.get("test"), splits.get("validation")
    return Dataset(
        splits["train"], validation, test, contract, fingerprint(contract, splits), source.label, division
    )


def fingerprint(contract: Contract, splits: dict[str, Split]) -> str:
    """A sha256 over the contract and every split's x and y, as hexadecimal digits."""
    digest = hashlib.sha256(json.dumps(contract.to_json(), sort_keys=True).encode())
    for name, split in sorted(splits.items()):
        for array in (split.x, split.y):
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
