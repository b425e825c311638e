"""What a source gives before its labels are coded and its rows are split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from mlpcli.data.dataset import Array
from mlpcli.data.faults import Origin


@dataclass(frozen=True)
class Labels:
    """A target of labels, as they were written.

    values: the different labels, in no order; codes: (rows,) int64, the position of each row's label.
    """

    values: list[Any]
    codes: Array

    def __len__(self) -> int:
        return len(self.codes)


Target = Labels | Array
"""Labels, or float32 numbers of shape (rows,) or (rows, targets)."""


@dataclass(frozen=True)
class Part:
    """Rows of one file or one array pair. x: (rows, *shape), float32 or uint8."""

    x: Array
    target: Target | None
    origin: Origin
    what: str  # how a message names the target: "column 'species'", "array 'y'"
    others: dict[str, Array] = field(default_factory=dict)  # columns that are not features


@dataclass(frozen=True)
class Source:
    """Everything that a `dataset` section points at, but for its split files.

    classes: the names of built-in classes, whose target is then class indices already; None otherwise.
    test: the source's own test split.
    """

    main: Part
    test: Part | None
    kind: Literal["table", "array"]
    features: tuple[str, ...]
    target: tuple[str, ...]
    label: str
    classes: tuple[str, ...] | None = None
