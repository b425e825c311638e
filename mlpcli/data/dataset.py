"""What a loaded dataset is: three splits in memory and the contract that a run must remember."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Split:
    """Rows that belong together.

    x: (rows, *shape), float32, or uint8 where the source holds uint8 (images stay small in memory).
    y: (rows,) int64 class indices, or (rows,) / (rows, targets) float32 values, or (rows, classes) one-hot.
    rows: (rows,) int64, each row's position in the source, from 0.
    """

    x: Array
    y: Array
    rows: Array

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Contract:
    """What must be known to read further rows for the same model; kept in `run.json`."""

    kind: Literal["table", "array"]
    features: tuple[str, ...]  # column names in the model's order; empty for arrays
    shape: tuple[int, ...]  # of one row
    dtype: str  # of x: "float32" or "uint8"
    target: tuple[str, ...]  # names of the target columns; ("target",) where the source names none
    classes: tuple[str, ...] | None = None  # label of each class index; None for a target of numbers
    one_hot: bool = False  # y was given as one-hot rows

    def to_json(self) -> dict[str, Any]:
        """The contract as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Contract:
        """The contract that `to_json` wrote."""
        lists = ("features", "shape", "target", "classes")
        values: dict[str, Any] = {
            key: tuple(item) if key in lists and item is not None else item for key, item in document.items()
        }
        return cls(**values)


@dataclass(frozen=True)
class Dataset:
    """A dataset split for training; `fingerprint` is a sha256 over every split's x, y and the contract."""

    train: Split
    validation: Split | None
    test: Split | None
    contract: Contract
    fingerprint: str
    source: str  # "digits (built in)" or the file's path
    division: dict[
        str, Any
    ]  # what the spec, or its defaults, asked for as test and validation; not the own test split

    def splits(self) -> dict[str, Split]:
        """The splits there are, by name, in the order train, validation, test."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}
