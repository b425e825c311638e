"""What a source gives before its labels are coded and its rows are split."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from mlpcli.data.labels import Labels
from mlpcli.data.readers.row_errors import Origin
from mlpcli.data.types import Array

if TYPE_CHECKING:
    from mlpcli.data.features.feature_kinds import Features
    from mlpcli.data.readers.tables import Table


Target = Labels | Array
"""Labels, or float32 numbers of shape (rows,) or (rows, targets)."""


@dataclass(frozen=True)
class SourceRows:
    """Rows of one file or one array pair. x: (rows, *shape), float32 or uint8."""

    x: Array
    target: Target | None  # of the only output; None where there is none, or where there are several
    origin: Origin
    target_label: str  # how a message names the target: "column 'species'", "array 'y'"
    others: dict[str, Array] = field(default_factory=dict)  # columns that are not features
    output_targets: dict[str, tuple[Target, str]] = field(default_factory=dict)  # target and what, by output
    weights: Array | None = None  # (rows,) float32
    table: Table | None = None  # the raw features, where x is still to be made of them

    def for_output(self, output: str) -> SourceRows:
        """The same rows with the target of one of several outputs."""
        if not output:
            return self
        target, label = self.output_targets[output]
        return replace(self, target=target, target_label=label)


@dataclass(frozen=True)
class Source:
    """Everything that a `dataset` section points at, but for its split files.

    targets: the target columns of each output, by its name; the name is empty where there is only one.
    classes: the names of built-in classes, whose target is then class indices already; None otherwise.
    test: the source's own test split.
    """

    main: SourceRows
    test: SourceRows | None
    kind: Literal["table", "array"]
    features: tuple[str, ...]
    target: tuple[str, ...]
    label: str
    classes: tuple[str, ...] | None = None
    targets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    chosen: Features | None = None  # the columns of a table, whose values are still raw

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs; one empty name where there is only one output."""
        return tuple(self.targets) or ("",)

    def for_output(self, output: str) -> Source:
        """The same source with the target of one of several outputs."""
        if not output:
            return self
        return replace(self, main=self.main.for_output(output), target=self.targets[output])
