"""A loaded dataset: its splits in memory, and the contract that a run keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mlpcli.data.fitted_outputs import Fitted, Intervals
from mlpcli.data.images.image_reading import ImageReading
from mlpcli.data.quantiles import Quantiles, from_log
from mlpcli.data.stored.stored_array import StoredArray
from mlpcli.data.types import Array, Arrays, NumberType
from mlpcli.spec.values import ValueMap

if TYPE_CHECKING:
    from mlpcli.data.features.preprocessor import Preprocessor
    from mlpcli.data.features.verification_sample import Sample
    from mlpcli.data.readers.row_errors import Origin
    from mlpcli.data.split_columns import SplitColumns
    from mlpcli.data.splits import SplitAmounts

OTHER = "other"
"""The class of all labels that are pooled."""


@dataclass(frozen=True)
class Split:
    """Rows that are used together: for training, validation or testing.

    Attributes:
        x: (rows, *shape), float32; uint8 if the source holds uint8 (images stay small in memory), int64 if
            the network reads ids; with named inputs a dict of such arrays, by input.
        y: (rows,) int64 class indices, or (rows,) or (rows, targets) float32 values, or (rows, classes)
            one-hot or label rows; (rows, *steps, values) of any of these where each step has a target; with
            several outputs a dict of such arrays, by output.
        rows: (rows,) int64, each row's position in the source, from 0.
        weights: (rows,) float32, the weight of each row in the loss, or (rows, *steps), of each step; a dict
            by output if they differ; None if all rows count equally.
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

    Attributes:
        name: of the input.
        columns: positions of its values in a flat row, in its order, of an image as a range; None for the
            whole row.
        shape: of one row of the input.
    """

    name: str
    columns: tuple[int, ...] | range | None
    shape: tuple[int, ...]

    def take(self, x: Any) -> Any:
        """Return this input's part of rows: (rows, *shape of the source) to (rows, *shape)."""
        if self.columns is None:
            return x
        if isinstance(self.columns, range):  # an image beside columns of a table
            values = x[:, self.columns.start : self.columns.stop]
            return np.ascontiguousarray(values).reshape(-1, *self.shape)
        if isinstance(x, StoredArray):
            return x.select(self.columns)
        return np.ascontiguousarray(x[:, list(self.columns)])


@dataclass(frozen=True)
class Output:
    """The target of one output of the network.

    Attributes:
        target: names of the target columns; ("target",) if the source names none.
        kind: numbers; classes (one index per row); one_hot (one column per class); labels (0 or 1 per label);
            groups (one index per row, outputs are embeddings); sequences (labels in their order, then 0s).
        classes: the name of each class index or label; None for numbers.
        name: of the output; empty for a single output, which needs no name.
        separator: the text between the labels of one cell; None if a cell holds one.
        scale: output * scale + offset is in the target's own units; None if the output is already.
        offset: see `scale`.
        pooled: the labels that are too rare to be a class, and are all `other`.
        log: subtracted from a target, of which the logarithm is then scaled; None for no logarithm.
        quantiles: by which a target becomes a normal distribution, which is then scaled.
        limits: the range of the training rows, in which predictions are kept; None where they are not.
        steps: the axes between the row and its values, where each step of a sequence has a target of its own.
        levels: of the quantiles that are predicted of each target (`levels.py`); empty for a value of each.
        fitted: what was fitted after the training; None for nothing.
    """

    target: tuple[str, ...]
    kind: Literal["numbers", "classes", "one_hot", "labels", "groups", "sequences"] = "numbers"
    classes: tuple[str, ...] | None = None
    name: str = ""
    separator: str | None = None
    scale: tuple[float, ...] | None = None
    offset: tuple[float, ...] | None = None
    pooled: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()
    log: tuple[float, ...] | None = None
    quantiles: tuple[Quantiles, ...] | None = None
    limits: tuple[tuple[float, float], ...] | None = None
    levels: tuple[float, ...] = ()
    fitted: Fitted | None = None

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The probability from which on the second class is predicted, or each label; empty for the usual."""
        return self.fitted.thresholds if self.fitted is not None else ()

    @property
    def intervals(self) -> Intervals | None:
        """The bounds of intervals or sets; None for none."""
        return self.fitted.intervals if self.fitted is not None else None

    @property
    def width(self) -> tuple[int, ...]:
        """The shape of one row's target, or of the target of each of its steps."""
        if self.kind in ("one_hot", "labels"):
            return (len(self.classes or ()),)
        several = self.kind in ("numbers", "sequences") and len(self.target) > 1
        return (len(self.target),) if several else ()

    def of_step(self, step: tuple[int, ...]) -> Output:
        """Return the output of one step, as if it were that of a row."""
        fitted = self.fitted
        if fitted is not None and fitted.intervals is not None:
            fitted = replace(fitted, intervals=fitted.intervals.of_step(self.steps, step))
        return replace(self, steps=(), fitted=fitted)

    @property
    def number_names(self) -> tuple[str, ...]:
        """What the columns of predicted numbers are named after, for each target."""
        if not self.name:
            return self.target
        several = tuple(f"{self.name}_{name}" for name in self.target)
        return several if len(several) > 1 else (self.name,)

    @property
    def is_scored(self) -> bool:
        """Whether the outputs are classes or labels, which can be right or wrong."""
        return self.kind in ("classes", "one_hot", "labels")

    @property
    def is_curved(self) -> bool:
        """Whether a scaled target's own units are more than output * scale + offset."""
        return any(part is not None for part in (self.log, self.quantiles, self.limits))

    def restore(self, values: Array, *, truth: bool = False) -> Array:
        """Return outputs, (rows, ...), in the target's own units: float64 where the target was scaled.

        Args:
            values: the outputs.
            truth: whether they are scaled targets, which may be outside the range of the training rows.
        """
        if self.scale is None:
            return values
        own = np.asarray(values, np.float64) * np.asarray(self.scale) + np.asarray(self.offset)
        if self.log is not None:
            own = from_log(np, own) + np.asarray(self.log)
        if self.quantiles is not None:
            columns = own.reshape(-1, len(self.quantiles)).T
            found = [
                each.from_normal_and_beyond(column) if truth else each.from_normal(column)
                for each, column in zip(self.quantiles, columns, strict=True)
            ]
            own = np.stack(found, axis=-1).reshape(own.shape)
        if self.limits is not None and not truth:
            own = np.clip(own, *np.array(self.limits).T)
        return np.asarray(own)

    def unit_sizes(self, values: Array, target: int) -> Array:
        """Return how much of a scaled target's own units one unit of the network is, near some values.

        Args:
            values: (rows,), in the target's own units.
            target: the position of the target.
        """
        scale = self.scale or (1.0,)
        sizes = np.full(len(values), abs(scale[target % len(scale)]))
        if self.log is not None:  # the units of a logarithm grow with the value
            sizes *= 1 + np.abs(values - self.log[target])
        if self.quantiles is not None:
            sizes *= self.quantiles[target].width
        return sizes


@dataclass(frozen=True)
class Contract:
    """What is needed to read more rows for the same model; kept in `run.json`.

    Attributes:
        kind: of the source.
        features: column names in the model's order; empty for arrays.
        shape: of one row.
        dtype: of x: `float32`, `uint8`, or `int64` where the network reads ids.
        outputs: the target of each output.
        inputs: the named inputs; empty for a single input without a name, which takes the whole row.
        weights: the column of row weights.
        preprocessor: encodes a table's raw columns; None for arrays and built-in datasets.
        numbers: how numbers are kept until they are scaled, and values in a target's own units.
        image: how image files become rows; None where rows are no image files.
    """

    kind: Literal["table", "array"]
    features: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    outputs: tuple[Output, ...]
    inputs: tuple[Input, ...] = ()
    weights: str | None = None
    preprocessor: Preprocessor | None = None
    numbers: NumberType = "float32"
    image: ImageReading | None = None

    @property
    def output(self) -> Output:
        """The only output, or the first of several."""
        return self.outputs[0]

    @property
    def target(self) -> tuple[str, ...]:
        """Every target column, each once."""
        return tuple(dict.fromkeys(name for output in self.outputs for name in output.target))

    def take_inputs(self, x: Array) -> Arrays:
        """Return rows, (rows, *shape), as the network takes them: unchanged, or by input."""
        return {each.name: each.take(x) for each in self.inputs} if self.inputs else x

    def by_output(self, values: Mapping[str, Array]) -> Arrays:
        """Return arrays by output as the network takes them: a dict, or the array of the single output."""
        return dict(values) if self.outputs[0].name else values[""]

    def to_json(self) -> dict[str, object]:
        """Return the contract as plain JSON values."""
        bare = asdict(replace(self, preprocessor=None))
        for output in bare["outputs"]:
            if not output["pooled"]:  # as contracts were written before there was this field
                del output["pooled"]
            for field_name in ("steps", "log", "quantiles", "limits", "levels", "fitted"):
                if not output[field_name]:
                    del output[field_name]
        for each in bare["inputs"]:
            if isinstance(each["columns"], range):  # which can be of many thousand values
                each["columns"] = f"{each['columns'].start}:{each['columns'].stop}"
        if self.numbers == "float32":  # as version 0.1 wrote it, so that its fingerprints are still the same
            del bare["numbers"]
        if self.image is None:
            del bare["image"]
        return bare | {"preprocessor": self.preprocessor.to_json() if self.preprocessor else None}


@dataclass(frozen=True)
class Dataset:
    """A dataset split for training.

    Attributes:
        train: the training rows.
        validation: the validation rows, or None.
        test: the test rows, or None.
        contract: of the rows.
        fingerprint: a sha256 over x, y and weights of every split, and the contract.
        source: `digits (built in)`, or the path of the file.
        split_amounts: the amounts of `test` and `validation` in the spec or by default; without the
            source's own test split.
        features: how each column of a table is used, for `resolved.yaml`.
        excluded: the columns that are not used, each with the reason.
        sample: rows of a table as the file holds them, to verify the exported model with.
        seed: of the splits.
        notes: what a person should know of how the rows were read, and of what was done to rows and classes.
        left_out: how many more rows the files have, without a target.
        sparse: whether classes were too rare for stratified splits.
        held_out: the rows of the fold that is held out, or None.
        origins: the source of each split's rows, which names them in messages.
        split_columns: the columns by which the main rows are divided, by name and sort.
        unscaled_targets: a digest of the targets of each split as they were read.
    """

    train: Split
    validation: Split | None
    test: Split | None
    contract: Contract
    fingerprint: str
    source: str
    split_amounts: SplitAmounts
    features: ValueMap | None = None
    excluded: dict[str, str] = field(default_factory=dict)
    sample: Sample | None = None
    seed: int | None = None
    notes: tuple[str, ...] = ()
    left_out: int = 0
    sparse: bool = False
    held_out: Split | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict)
    split_columns: SplitColumns = field(default_factory=dict)
    unscaled_targets: Mapping[str, str] = field(default_factory=dict)

    @property
    def settled(self) -> dict[str, object]:
        """Keys of the `dataset` section that the data settled, for `resolved.yaml`, such as its splits."""
        from mlpcli.data.splits import InColumn  # which names a column that the section has anyway

        named = {split: not isinstance(each, InColumn) for split, each in self.split_amounts.items()}
        keys: dict[str, object] = {k: each for k, each in self.split_amounts.items() if named[k]}
        preprocessor = self.contract.preprocessor
        if preprocessor and (preprocessor.dialect.decimal != "." or preprocessor.dialect.notations):
            keys["decimal"] = preprocessor.dialect.decimal
        if (image := self.contract.image) is not None:
            keys |= {"image_size": [*image.size], "color_mode": image.color_mode}
        return keys

    def splits(self) -> dict[str, Split]:
        """Return the splits that exist, by name, in the order train, validation, test, held_out."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        named["held_out"] = self.held_out
        return {name: split for name, split in named.items() if split is not None}
