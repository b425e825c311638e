"""The spec as strict, frozen models of the YAML file.

Keras's names and arguments are checked in `spec/components.py`; these models hold our own keys. A field's
description completes the sentence "must be ...", and is shown as the rule when a value does not fit.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from mlpcli.spec.features import (
    CLIP_RULE,
    KIND_RULE,
    TARGET_SCALING_RULE,
    THOUSANDS_PATTERN,
    THOUSANDS_RULE,
    Clip,
    FeatureSpec,
    InputSpec,
    Scaling,
    TargetScalingSpec,
)
from mlpcli.spec.features import SCALING_RULE as FEATURE_SCALING_RULE
from mlpcli.spec.file_words import COMMENT_PATTERN, COMMENT_RULE, DELIMITER_PATTERN, DELIMITER_RULE
from mlpcli.spec.fit_section import FOLD_RULE, MOST_FOLDS, SEED_RULE, FitSpec, FoldSpec, Minutes
from mlpcli.spec.image_keys import BrokenFiles, ColorModeKey, Crop, ImageSize, Pad
from mlpcli.spec.layer_graph import MOST_COPIES, ONLY_OUTPUT, OWN_LAYER_KEYS, Graph, output_keys, read_graph
from mlpcli.spec.optimizer_keys import DECAY_FACTORS, OWN_OPTIMIZER_KEYS, RATE_FACTORS
from mlpcli.spec.predictions import PredictSpec
from mlpcli.spec.section import STRICT
from mlpcli.spec.split_forms import SPLIT_RULE, SplitSpec
from mlpcli.spec.values import Value

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


def check_charset(name: str) -> str:
    """Return a name if it is that of a character set of text; raise a ValueError otherwise."""
    try:
        found = codecs.lookup(name)
        text = codecs.getincrementaldecoder(name)().decode(b"", final=True)
    except (LookupError, ValueError, TypeError) as error:
        raise ValueError(name) from error
    if not isinstance(text, str) or found.name in NO_CHARSETS:
        raise ValueError(name)
    return name


NO_CHARSETS = ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "utf-7")
"""Codecs of Python that are no character sets of files."""


class Section(BaseModel):
    """Base of the models of a spec's sections."""

    model_config = STRICT


ColumnNames = str | Annotated[list[str], Field(min_length=1)]


class DatasetSpec(Section):
    """The source of the rows and their splits.

    A split that is left out and one that is null differ: see `model_fields_set`.
    """

    name: Annotated[str | None, Field(description="the name of a built-in dataset")] = None
    path: Annotated[
        str | None,
        Field(description="the path of a data file, or of a folder of images or of folders key=value"),
    ] = None
    target: Annotated[
        ColumnNames | Annotated[dict[str, ColumnNames], Field(min_length=1)] | None,
        Field(description="the name of a column, a list of names, or a mapping of outputs to such"),
    ] = None
    label_separator: Annotated[
        str | None,
        Field(min_length=1, description="a string that separates the labels of one cell, such as ';'"),
    ] = None
    target_scaling: Annotated[
        TargetScalingSpec | None,
        Field(description=TARGET_SCALING_RULE),
    ] = None
    missing_target: Annotated[
        str | None,
        Field(pattern="^(drop|error)$", description="'drop' (leave out rows without a target) or 'error'"),
    ] = None
    target_min_count: Annotated[
        int | None,
        Field(ge=2, description="a number of rows from 2 up; classes with fewer become one, 'other'"),
    ] = None
    positive_class: Annotated[
        str | int | bool | None,
        Field(description="one of two classes, which thresholds, curves and explanations are about"),
    ] = None
    weights: Annotated[str | None, Field(description="the name of the column of row weights")] = None
    features: Annotated[
        Annotated[list[str], Field(min_length=1)]
        | Annotated[dict[str, FeatureSpec], Field(min_length=1)]
        | None,
        Field(description=f"a list of column names, or a mapping of columns to {KIND_RULE}"),
    ] = None
    scaling: Annotated[Scaling | None, Field(description=f"{FEATURE_SCALING_RULE}, for all numbers")] = None
    clip: Annotated[Clip | None, Field(description=f"{CLIP_RULE}, for all numbers and dates")] = None
    missing: Annotated[
        list[str | int | float] | None,
        Field(description="a list of strings and numbers that mark a missing cell"),
    ] = None
    decimal: Annotated[
        str | None, Field(pattern="^[.,]$", description="'.' or ',', the decimal separator")
    ] = None
    thousands: Annotated[str | None, Field(pattern=THOUSANDS_PATTERN, description=THOUSANDS_RULE)] = None
    charset: Annotated[
        str | None,
        AfterValidator(check_charset),
        Field(description="a character set, such as utf-8, latin-1, windows-1252 or utf-16"),
    ] = None
    header: Annotated[
        bool | None, Field(description="true or false: whether the first row names the columns")
    ] = None
    delimiter: Annotated[str | None, Field(pattern=DELIMITER_PATTERN, description=DELIMITER_RULE)] = None
    comment: Annotated[str | None, Field(pattern=COMMENT_PATTERN, description=COMMENT_RULE)] = None
    sheet: Annotated[str | None, Field(min_length=1, description="the name of a sheet of an Excel file")] = (
        None
    )
    query: Annotated[
        str | None,
        Field(min_length=1, description="a SELECT statement, for the rows of a database"),
    ] = None
    image_size: ImageSize = None
    color_mode: ColorModeKey = None
    crop_to_aspect_ratio: Crop = None
    pad_to_aspect_ratio: Pad = None
    broken_files: BrokenFiles = None
    not_missing: Annotated[
        list[str] | dict[str, list[str]] | None,
        Field(
            description="a list of strings that are values of texts, such as [NA, None], or a mapping of "
            "columns to such lists"
        ),
    ] = None
    test: Annotated[SplitSpec | None, Field(description=SPLIT_RULE)] = None
    validation: Annotated[SplitSpec | None, Field(description=SPLIT_RULE)] = None
    split: Annotated[
        str | None, Field(description="the name of a column with the values train, validation and test")
    ] = None
    fold: Annotated[FoldSpec | None, Field(description=FOLD_RULE)] = None
    split_seed: Annotated[int | None, Field(ge=0, lt=2**32, description=SEED_RULE)] = None
    rows: Annotated[int | None, Field(ge=10, le=10_000_000, description="a number of rows from 10 up")] = None
    noise: Annotated[
        float | None,
        Field(ge=0, le=10, description="a number from 0 to 10, the standard deviation of the noise"),
    ] = None
    seed: Annotated[int | None, Field(ge=0, lt=2**32, description=SEED_RULE)] = None

    @property
    def drops_missing_targets(self) -> bool:
        """Whether the rows of a table without a target are left out."""
        return self.missing_target == "drop"


class ByOutput(dict[str, Value]):
    """A mapping of outputs to components, which may look like a component with its arguments."""


class ComponentSpec(Section):
    """A Keras object by class name, with its arguments: `Adam`, or `{Adam: {learning_rate: 0.01}}`."""

    own_keys: ClassVar[tuple[str, ...]] = OWN_LAYER_KEYS

    class_name: str
    arguments: dict[str, Any] = {}  # checked against Keras's signatures, see spec/components.py
    off: bool = False  # `TensorBoard: false`: a default callback is left out

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: object) -> object:
        if isinstance(value, str):
            return {"class_name": value}
        if isinstance(value, dict) and not isinstance(value, ByOutput) and "class_name" not in value:
            own = {key: item for key, item in value.items() if key in cls.own_keys}
            classes = {key: item for key, item in value.items() if key not in cls.own_keys}
            if len(classes) == 1:
                ((name, arguments),) = classes.items()
                off = {"off": True} if arguments is False else {}
                return {"class_name": name, "arguments": arguments or {}, **own, **off}
        return value


class LayerSpec(ComponentSpec):
    """One layer of the graph; `from` names what it reads, by default the layer above."""

    name: Annotated[str | None, Field(description="a string")] = None
    sources: Annotated[
        str | Annotated[list[str], Field(min_length=1)] | None,
        Field(alias="from", description="the name of a layer or input, or a list of them"),
    ] = None
    repeat: Annotated[
        int, Field(ge=0, le=MOST_COPIES, description=f"a number of copies, 0 to {MOST_COPIES}")
    ] = 1


Factors = Annotated[
    dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]],
    BeforeValidator(lambda value: {} if value is None else value),  # null removes inherited ones
]
FACTORS_RULE = "a mapping of patterns of variables, such as '*/bias', to numbers of at least 0"


class OptimizerSpec(ComponentSpec):
    """The optimizer, with factors on the learning rate and the weight decay of single variables."""

    own_keys: ClassVar[tuple[str, ...]] = OWN_OPTIMIZER_KEYS

    learning_rate_factors: Annotated[Factors, Field(description=FACTORS_RULE)] = {}
    weight_decay_factors: Annotated[Factors, Field(description=FACTORS_RULE)] = {}

    @property
    def factors(self) -> dict[str, Factors]:
        """The factors that are given, by their key."""
        found = {RATE_FACTORS: self.learning_rate_factors, DECAY_FACTORS: self.weight_decay_factors}
        return {key: each for key, each in found.items() if each}


class ObjectiveSpec(Section):
    """The objective of a search: a logged metric and its direction."""

    name: Annotated[str, Field(description="the name of a metric, such as val_accuracy")]
    direction: Annotated[Literal["min", "max"], Field(description="min or max")]


WHOLE_ABOVE_0 = "a whole number above 0"


class TunerSpec(Section):
    """The search: a Keras Tuner class with its arguments, and the promotion of the best trials.

    Arguments that are None are not given: the class has defaults.
    """

    algorithm: Annotated[
        str, Field(description="RandomSearch, GridSearch, Hyperband or BayesianOptimization")
    ] = "RandomSearch"
    objective: Annotated[
        ObjectiveSpec | str | None,
        Field(description="the name of a metric, or {name: val_accuracy, direction: max}"),
    ] = None
    max_trials: Annotated[int | None, Field(gt=0, description=WHOLE_ABOVE_0)] = None
    seed: Annotated[int | None, Field(ge=0, lt=2**32, description=SEED_RULE)] = None
    max_retries_per_trial: Annotated[int, Field(ge=0, description="a whole number of at least 0")] = 0
    max_consecutive_failed_trials: Annotated[int, Field(gt=0, description=WHOLE_ABOVE_0)] = 3
    num_initial_points: Annotated[int | None, Field(gt=0, description=WHOLE_ABOVE_0)] = None
    alpha: Annotated[float | None, Field(gt=0, allow_inf_nan=False, description="a number above 0")] = None
    beta: Annotated[float | None, Field(ge=0, allow_inf_nan=False, description="a number of at least 0")] = (
        None
    )
    max_epochs: Annotated[int | None, Field(gt=0, description=WHOLE_ABOVE_0)] = None
    factor: Annotated[int | None, Field(gt=1, description="a whole number above 1")] = None
    hyperband_iterations: Annotated[int | None, Field(gt=0, description=WHOLE_ABOVE_0)] = None
    max_minutes: Minutes = None
    promote: Annotated[int, Field(ge=0, description="how many of the best are trained again, 0 for none")] = 2
    seeds: Annotated[int, Field(gt=0, description="with how many seeds, a whole number above 0")] = 2
    folds: Annotated[
        int | None, Field(ge=2, le=MOST_FOLDS, description=f"a number of folds, 2 to {MOST_FOLDS}")
    ] = None
    ensemble: Annotated[
        int | None, Field(gt=1, description="of how many of the best trials the mean is kept, above 1")
    ] = None
    refit: Annotated[
        str, Field(pattern="^(train|full)$", description="train, or full (training and validation rows)")
    ] = "train"


LossWeight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
OutputMetrics = Annotated[
    list[ComponentSpec], BeforeValidator(lambda value: value if isinstance(value, list) else [value])
]
"""The metrics of one output; a single one needs no list."""


class StartFromSpec(Section):
    """The layers of a finished run whose weights initialize this network."""

    run: Annotated[str, Field(description="a run: a name, name/timestamp, or a folder")]
    layers: Annotated[
        Annotated[list[str], Field(min_length=1)] | None, Field(description="a list of names of layers")
    ] = None
    freeze: Annotated[bool, Field(description="true or false")] = False


class Spec(Section):
    """One experiment."""

    name: Annotated[
        str,
        Field(
            pattern=NAME_PATTERN,
            description="1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit",
        ),
    ]
    seed: Annotated[int, Field(ge=0, lt=2**32, description=SEED_RULE)] = 42
    dataset: Annotated[DatasetSpec, Field(description="a mapping with a name or a path")]
    inputs: Annotated[
        dict[str, InputSpec],
        Field(description="a mapping of input names to {columns: [...]} or {kinds: [...]}"),
    ] = {}
    layers: Annotated[
        list[LayerSpec], Field(min_length=1, description="a list such as [Flatten, Dense: {units: 10}]")
    ] = []
    model: Annotated[
        ComponentSpec | None,
        Field(description="a keras.Model class of a plug-in, as {Class: {argument: value}}"),
    ] = None
    loss: Annotated[
        ComponentSpec | dict[str, ComponentSpec] | None,
        Field(description="a Keras loss, by name or as {Class: {argument: value}}, or one for each output"),
    ] = None
    loss_weights: Annotated[
        dict[str, LossWeight] | None, Field(description="a mapping of outputs to numbers of at least 0")
    ] = None
    optimizer: Annotated[
        OptimizerSpec, Field(description="a Keras optimizer, by name or as {Class: {argument: value}}")
    ] = OptimizerSpec(class_name="Adam")
    metrics: Annotated[
        list[ComponentSpec] | dict[str, OutputMetrics] | None,
        Field(description="a list of Keras metrics, or one for each output"),
    ] = None
    start_from: Annotated[StartFromSpec | None, Field(description="a mapping of run, layers and freeze")] = (
        None
    )
    fit: Annotated[FitSpec, Field(description="a mapping of epochs, batch_size, ...")] = FitSpec()
    callbacks: Annotated[list[ComponentSpec], Field(description="a list of Keras callbacks")] = []
    predict: Annotated[
        PredictSpec | None, Field(description="a mapping of calibrate, threshold and intervals")
    ] = None
    tuner: Annotated[TunerSpec | None, Field(description="a mapping of algorithm, objective, ...")] = None
    plugins: Annotated[list[str], Field(description="a list of Python files in the spec's folder")] = []

    @cached_property
    def graph(self) -> Graph:
        """The graph of its layers. A model class has no known layers before it is built."""
        layers = [
            {each.class_name: each.arguments, "name": each.name, "from": each.sources, "repeat": each.repeat}
            for each in self.layers
        ]
        data = {
            "dataset": {"target": self.dataset.target},
            "inputs": self.inputs,
            "layers": layers,
            "loss": self.loss if isinstance(self.loss, dict) else None,
            "loss_weights": self.loss_weights,
            "metrics": self.metrics if isinstance(self.metrics, dict) else None,
        }
        if self.model is not None:
            names = tuple(output_keys(data))
            return Graph(tuple(self.inputs), (), names or (ONLY_OUTPUT,), bool(names))
        graph, problems = read_graph(data)
        assert graph is not None, problems
        return graph

    def model_copy(self, *, update: Mapping[str, object] | None = None, deep: bool = False) -> Self:
        """Return a copy with some values replaced, without the cached graph."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("graph", None)
        return copied
