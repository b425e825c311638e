"""What a loaded dataset is: three splits in memory and the contract that a run must remember."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mlpcli.data.types import Array, Arrays

if TYPE_CHECKING:
    from mlpcli.data.features.preprocessor import Preprocessor
    from mlpcli.data.features.verification_sample import Sample


@dataclass(frozen=True)
class Split:
    """Rows that belong together.

    x: (rows, *shape), float32, or uint8 where the source holds uint8 (images stay small in memory);
        with named inputs a dict of such, by input.
    y: (rows,) int64 class indices, or (rows,) / (rows, targets) float32 values, or (rows, classes) one-hot
        or label rows; with several outputs a dict of such, by output.
    rows: (rows,) int64, each row's position in the source, from 0.
    weights: (rows,) float32, how much a row counts in the loss; a dict by output where they differ; None
        where all count alike.
    """

    x: Any
    y: Any
    rows: Array
    weights: Any = None

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Input:
    """A named input of the network.

    columns: positions of its values in a flat row, in its order; None for the whole row.
    shape: of one row of it.
    """

    name: str
    columns: tuple[int, ...] | None
    shape: tuple[int, ...]

    def take(self, x: Array) -> Array:
        """This input's part of rows: (rows, *shape of the source) to (rows, *shape)."""
        return x if self.columns is None else np.ascontiguousarray(x[:, list(self.columns)])


@dataclass(frozen=True)
class Output:
    """What one output of the network is held against.

    target: names of the target columns; ("target",) where the source names none.
    kind: numbers; classes (one index a row); one_hot (one column a class); labels (0 or 1 a label).
    classes: the name of each class index or label; None for numbers.
    name: of the output; empty where there is only one, which needs no name.
    separator: what stands between the labels of one cell, where they came so.
    scale, offset: output * scale + offset is a number in the target's own units; None where it is already.
    """

    target: tuple[str, ...]
    kind: Literal["numbers", "classes", "one_hot", "labels"] = "numbers"
    classes: tuple[str, ...] | None = None
    name: str = ""
    separator: str | None = None
    scale: tuple[float, ...] | None = None
    offset: tuple[float, ...] | None = None

    @property
    def width(self) -> tuple[int, ...]:
        """The shape of one row's target."""
        if self.kind in ("one_hot", "labels"):
            return (len(self.classes or ()),)
        return (len(self.target),) if self.kind == "numbers" and len(self.target) > 1 else ()

    def restore(self, values: Array) -> Array:
        """Outputs, (rows, ...), in the target's own units."""
        if self.scale is None:
            return values
        scale, offset = (np.asarray(part, np.float32) for part in (self.scale, self.offset))
        return np.asarray(values * scale + offset, np.float32)


@dataclass(frozen=True)
class Contract:
    """What must be known to read further rows for the same model; kept in `run.json`."""

    kind: Literal["table", "array"]
    features: tuple[str, ...]  # column names in the model's order; empty for arrays
    shape: tuple[int, ...]  # of one row
    dtype: str  # of x: "float32" or "uint8"
    outputs: tuple[Output, ...]
    inputs: tuple[Input, ...] = ()  # empty for one input without a name, which takes the whole row
    weights: str | None = None  # the column of row weights
    preprocessor: Preprocessor | None = None  # makes a row of a table's raw columns

    @property
    def output(self) -> Output:
        """The only output, or the first of several."""
        return self.outputs[0]

    @property
    def target(self) -> tuple[str, ...]:
        """Every target column, each once."""
        return tuple(dict.fromkeys(name for output in self.outputs for name in output.target))

    def take_inputs(self, x: Array) -> Arrays:
        """Rows, (rows, *shape), as the network takes them: as they are, or by input."""
        return {each.name: each.take(x) for each in self.inputs} if self.inputs else x

    def by_output(self, values: Mapping[str, Array]) -> Arrays:
        """Arrays by output as the network takes them: the only one by itself."""
        return dict(values) if self.outputs[0].name else values[""]

    def to_json(self) -> dict[str, Any]:
        """The contract as plain JSON values."""
        bare = asdict(replace(self, preprocessor=None))
        return bare | {"preprocessor": self.preprocessor.to_json() if self.preprocessor else None}


@dataclass(frozen=True)
class Dataset:
    """A dataset split for training; `fingerprint` is a sha256 over every split's x, y and the contract."""

    train: Split
    validation: Split | None
    test: Split | None
    contract: Contract
    fingerprint: str
    source: str  # "digits (built in)" or the file's path
    split_amounts: dict[
        str, Any
    ]  # what the spec, or its defaults, asked for as test and validation; not the own test split
    features: dict[str, Any] | None = None  # of a table, each column's kind and treatment, for resolved.yaml
    excluded: dict[str, str] = field(default_factory=dict)  # columns left out, each with the reason
    sample: Sample | None = None  # rows of a table as they stand in the file
    seed: int | None = None  # of the splits

    def splits(self) -> dict[str, Split]:
        """The splits there are, by name, in the order train, validation, test."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}
