"""Rows of a source, before labels are encoded and rows are split."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from mlpcli.data.images.image_reading import ImageSettings
from mlpcli.data.labels import Labels
from mlpcli.data.readers.row_errors import Origin
from mlpcli.data.types import Array

if TYPE_CHECKING:
    from mlpcli.data.features.feature_kinds import Features
    from mlpcli.data.readers.tables import Table
    from mlpcli.data.sources.image_columns import ImageColumns
    from mlpcli.data.split_columns import SplitColumns


Target = Labels | Array
"""Labels, or float64 numbers of shape (rows,) or (rows, targets)."""


@dataclass(frozen=True)
class SourceRows:
    """Rows of one file or one pair of arrays.

    Attributes:
        x: (rows, *shape), float32 or uint8; without columns if `table` is still to be encoded.
        target: of a single output; None if there is no target, or there are several outputs.
        origin: names rows in messages.
        target_label: the target's name in messages: `column 'species'`, `array 'y'`.
        others: columns that are not features, each (rows,).
        output_targets: target and label by output, if there are several outputs.
        weights: (rows,) float32.
        table: the raw features, if they are still to be encoded.
        left_out: how many more rows the source has, without a target.
        notes: what to know of the values, such as digits that are lost.
        steps: the axes between a row and its values in the target, whose first axis is then rows * steps.
    """

    x: Array
    target: Target | None
    origin: Origin
    target_label: str
    others: dict[str, Array] = field(default_factory=dict)
    output_targets: dict[str, tuple[Target, str]] = field(default_factory=dict)
    weights: Array | None = None
    table: Table | None = None
    left_out: int = 0
    notes: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()

    def for_output(self, output: str) -> SourceRows:
        """Return the same rows with the target of one of several outputs."""
        if not output:
            return self
        target, label = self.output_targets[output]
        return replace(self, target=target, target_label=label)


@dataclass(frozen=True)
class Source:
    """Everything that a `dataset` section names except its split files.

    Attributes:
        main: the rows.
        test: the source's own test split, or None.
        kind: whether columns have names.
        features: names of the columns; empty for arrays.
        target: names of the target columns.
        label: the source's name in messages.
        classes: names of the classes of a built-in dataset, whose target is class indices; None otherwise.
        targets: the target columns of each output by its name, if there are several outputs.
        chosen: how the columns of a table are used, if they are still to be encoded.
        notes: what a person should know of how the rows are read.
        split_columns: the columns by which the main rows are divided, by name and sort.
        images: how image files are read; None for rows that are none.
        image_columns: the columns of a table that name image files, beside others.
    """

    main: SourceRows
    test: SourceRows | None
    kind: Literal["table", "array"]
    features: tuple[str, ...]
    target: tuple[str, ...]
    label: str
    classes: tuple[str, ...] | None = None
    targets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    chosen: Features | None = None
    notes: tuple[str, ...] = ()
    split_columns: SplitColumns = field(default_factory=dict)
    images: ImageSettings | None = None
    image_columns: ImageColumns | None = None

    @property
    def named_splits(self) -> tuple[str, ...]:
        """The splits that rows of the column `dataset.split` name; none without such a column."""
        named = [each for each in self.split_columns.values() if each.sort == "split"]
        return tuple(text for each in named for place, text in enumerate(each.texts) if place in each.values)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs; one empty name for a single output."""
        return tuple(self.targets) or ("",)

    def for_output(self, output: str) -> Source:
        """Return the same source with the target of one of several outputs."""
        if not output:
            return self
        return replace(self, main=self.main.for_output(output), target=self.targets[output])
