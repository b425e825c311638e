"""The network that `mlpcli init` proposes for a table, and how it is trained.

What each part is worth was measured on real tables: see docs/network.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from mlpcli.data.features.text_columns import holds_sentences
from mlpcli.data.inspect.effort import Effort
from mlpcli.data.inspect.propose_images import image_training
from mlpcli.data.inspect.propose_pictures import Pictures, picture_inputs, picture_layers
from mlpcli.data.inspect.propose_text import text_inputs, text_layers
from mlpcli.data.inspect.rare_class import second_class, threshold_lines
from mlpcli.data.inspect.survey import Survey, are_imbalanced
from mlpcli.printable import quoted, shortened
from mlpcli.spec.features import FeatureSpec


@dataclass(frozen=True)
class Training:
    """How large the network is, and how long it is trained.

    Attributes:
        members: of the ensemble that shares its weights.
        units: of each of the two hidden layers.
        bins: of the training rows' values of each number, at most.
        width: of the embedding of each number.
        dropout: whether it has any; compiling it takes half a second.
        epochs: at most.
        visits: of a training row, in all epochs together, so that many rows have fewer epochs.
        patience: epochs without a better validation loss before the training stops.
    """

    members: int
    units: int
    dropout: bool
    bins: int
    width: int
    epochs: int
    visits: int
    patience: int


EFFORTS: dict[Effort, Training] = {
    "fast": Training(
        members=4, units=64, dropout=False, bins=32, width=8, epochs=40, visits=400_000, patience=8
    ),
    "good": Training(
        members=8, units=128, dropout=True, bins=48, width=16, epochs=120, visits=800_000, patience=16
    ),
    "best": Training(
        members=32, units=256, dropout=True, bins=48, width=16, epochs=300, visits=2_000_000, patience=32
    ),
}

OPTIMIZER = {
    "learning_rate": "0.004",
    "weight_decay": "3e-4",
    "global_clipnorm": "1.0",
    "use_ema": "true             # the model has the averages of the weights of the last 50 steps or so",
    "ema_momentum": "0.98",
}

MIN_EPOCHS = 30
"""However many rows there are."""

BATCHES = ((150, 16), (700, 32), (1400, 64), (2800, 128), (50_000, 256))
MAX_BATCH = 512
"""Rows of a step: small for few rows, so that an epoch has enough steps."""

NUMBERS = ("numeric", "date")
"""The kinds of columns whose values are embedded."""

UNEVEN = 5
"""With more rows of the largest class for each of the smallest, accuracy says too little."""

MAX_NAME = 40
"""Letters of a class in a comment."""

FEW_ROWS = 500
"""With fewer rows, a tenth of them says too little about when to stop."""

MANY_NUMBERS, TOO_MANY_NUMBERS = 100, 1000
"""With more numbers, their embeddings are narrower; with too many there are none."""


def validation_share(survey: Survey) -> float:
    """Return the share of the rows, without those of `test`, that decides when to stop."""
    return 0.2 if _rows(survey) < FEW_ROWS else 0.1


@dataclass(frozen=True)
class Apart:
    """The columns that have layers of their own before they join the others: texts, and images.

    Attributes:
        texts: the columns of texts, as YAML.
        pictures: the columns of images.
        effort: how large their layers are.
    """

    texts: Sequence[str] = ()
    pictures: Pictures = field(default_factory=dict)
    effort: Effort = "good"

    @property
    def inputs(self) -> dict[str, str]:
        """The input of each by name: its column as YAML."""
        words = text_inputs(self.texts) if self.texts else {}
        return words | (picture_inputs(self.pictures) if self.pictures else {})

    def layers(self, *, alone: bool, members: int = 0) -> Iterator[str]:
        """Yield the layers that make a vector of each.

        Args:
            alone: whether one text is all that is in a row, so that the input needs no name.
            members: of the ensemble that reads the vectors; 0 for none.
        """
        if self.texts:
            yield from text_layers([*text_inputs(self.texts)], alone=alone, members=members)
        if self.pictures:
            yield from picture_layers(self.pictures, self.effort, members)


def propose_network(survey: Survey, usable: Collection[FeatureSpec], apart: Apart) -> Iterator[str]:
    """Yield the lines of a spec from `inputs` on: the layers, loss and metrics, and how to train.

    Args:
        survey: of the table, with a target.
        usable: the columns that are used, without those of images.
        apart: the columns with layers of their own.
    """
    training = EFFORTS[apart.effort]
    if len(apart.texts) == len(usable):
        yield from _apart_alone(apart)
        yield from _output(survey, members=False)
    else:
        yield from _first_layers(usable, training, apart, sentences=_few_sentences(survey))
        yield from _hidden_layers(training, apart, others_only=not _embedded(usable))
        yield from _output(survey)
    if apart.pictures:
        uneven = bool(survey.class_counts) and are_imbalanced(survey.class_counts)
        yield from image_training(
            [*apart.pictures.values()], _training_rows(survey), apart.effort, uneven=uneven
        )
    else:
        yield from _fit(survey, training)


def _apart_alone(apart: Apart) -> Iterator[str]:
    """Yield the layers of a table of nothing else: the hidden layers of `_hidden_layers` would be worse."""
    inputs = apart.inputs
    named = len(inputs) > 1 or bool(apart.pictures)
    if named:
        yield "inputs:"
        yield from (f"  {name}: {columns}" for name, columns in inputs.items())
    yield "layers:"
    yield from apart.layers(alone=not named)
    if len(inputs) > 1:
        yield f"  - {{Concatenate: {{}}, from: [{', '.join(f'of_{name}' for name in inputs)}]}}"


def _hidden_layers(training: Training, apart: Apart, *, others_only: bool) -> Iterator[str]:
    """Yield the members and their hidden layers; words and images join them behind these."""
    inputs = apart.inputs
    members = f"Members: {{count: {training.members}}}"
    members = f"{{{members}, from: others}}" if inputs and others_only else members
    yield f"  - {members}       # networks in one, which share the next layers"
    for comment, name in (("   # the same units for all members", ""), ("", ", name: of_columns")):
        placed = name if inputs else ""
        dense = f"Dense: {{units: {training.units}, activation: relu}}"
        if training.dropout:
            drop = f"Dropout: {{rate: 0.1, noise_shape: [null, 1, {training.units}]}}"
            yield f"  - {dense}"
            yield (f"  - {{{drop}{placed}}}" if placed else f"  - {drop}") + comment
        else:
            yield f"  - {{{dense}{placed}}}" if placed else f"  - {dense}"
    if inputs:
        yield from apart.layers(alone=False, members=training.members)
        yield f"  - {{Concatenate: {{}}, from: [of_columns, {', '.join(f'of_{name}' for name in inputs)}]}}"


def _few_sentences(survey: Survey) -> bool:
    """Return whether sentences are taken for categories, of which a note says how their words are used."""
    used = survey.features.used
    return any(
        spec.kind == "categorical" and holds_sentences(survey.profiles[name]) for name, spec in used.items()
    )


def _first_layers(
    usable: Collection[FeatureSpec], training: Training, apart: Apart, *, sentences: bool
) -> Iterator[str]:
    """Yield the inputs, and the layers that make of all but words and images one vector for a row.

    Args:
        usable: the columns that are used.
        training: says how large the layers are.
        apart: the columns with layers of their own.
        sentences: whether a column of categories may become one of texts.
    """
    numbers, embedded, inputs = (
        [spec for spec in usable if spec.kind in NUMBERS],
        _embedded(usable),
        apart.inputs,
    )
    rest = len(usable) - len(apart.texts) - (len(numbers) if embedded else 0)
    others = rest > 0 or any(spec.missing == "indicator" for spec in numbers)
    if not (embedded and others) and not inputs:
        yield "layers:"
        yield from _embedding(numbers, training, "") if embedded else ()
        return
    yield "inputs:"
    yield from ([f"  numbers: {{kinds: [{', '.join(NUMBERS)}]}}"] if embedded else [])
    if others:
        kinds = "categorical, boolean" if embedded else "numeric, date, categorical, boolean"
        kinds += ", text" if sentences and not apart.texts else ""
        yield f"  others: {{kinds: [{kinds}, missing]}}   # missing: 1 where a cell is empty"
    yield from (f"  {name}: {columns}" for name, columns in inputs.items())
    yield "layers:"
    yield from _embedding(numbers, training, ", name: embedded, from: numbers") if embedded else ()
    if embedded and others:
        yield "  - {Concatenate: {}, from: [embedded, others]}"


def _embedded(usable: Collection[FeatureSpec]) -> bool:
    """Return whether there are numbers to embed, and not too many."""
    return 0 < sum(spec.kind in NUMBERS for spec in usable) <= TOO_MANY_NUMBERS


def _embedding(numbers: Collection[FeatureSpec], training: Training, placed: str) -> Iterator[str]:
    """Yield the layer that embeds numbers.

    Args:
        numbers: the columns.
        training: says how large it is.
        placed: its name and its input, where it has any.
    """
    few = len(numbers) <= MANY_NUMBERS
    bins, width = (training.bins, training.width) if few else (training.bins // 3, training.width // 4)
    layer = f"PiecewiseLinearEmbedding: {{bins: {bins}, width: {width}}}"
    yield f"  # each number as {width} values, which bend at {bins} quantiles of the rows"
    yield f"  - {{{layer}{placed}}}" if placed else f"  - {layer}"


def _output(survey: Survey, *, members: bool = True) -> Iterator[str]:
    """Yield the last layers, the loss and the metrics, by the target."""
    counts = survey.class_counts
    layer = "MemberDense" if members else "Dense"
    own = "MemberDense: each member has weights of its own here; " if members else ""
    if len(counts) == 2:
        second = shortened(quoted(second_class(counts)), MAX_NAME)
        yield f"  # {own}the output is the probability of {second}"
        yield f"  - {layer}: {{units: 1, activation: sigmoid}}"
        loss, metrics = "binary_crossentropy", "accuracy, AUC"
    elif counts:
        yield f"  # {own}one probability per class"
        yield f"  - {layer}: {{units: {len(counts)}, activation: softmax}}"
        uneven = max(counts.values()) > UNEVEN * min(counts.values())
        metrics = "accuracy, F1Score: {average: macro}" if uneven else "accuracy"
        loss = "sparse_categorical_crossentropy"
    else:
        yield f"  # {own}a number, so no activation"
        yield f"  - {layer}: {{units: 1}}"
        loss, metrics = "mse", "RootMeanSquaredError, MeanAbsoluteError"
    if members:
        yield "  - MemberMean                  # the prediction is the mean of the members'"
    yield f"loss: {loss}"
    yield f"metrics: [{metrics}]"


def _fit(survey: Survey, training: Training) -> Iterator[str]:
    """Yield the optimizer, the number of epochs and when to stop, by the number of rows."""
    rows = _training_rows(survey)
    batch = next((batch for limit, batch in BATCHES if rows < limit), MAX_BATCH)
    epochs = max(MIN_EPOCHS, min(training.epochs, round(training.visits / max(rows, 1))))
    yield "optimizer:"
    yield "  AdamW:"
    for key, value in OPTIMIZER.items():
        yield f"    {key}: {value}"
    yield f"fit: {{epochs: {epochs}, batch_size: {batch}}}   # epochs: at most; EarlyStopping ends them"
    if survey.class_counts and are_imbalanced(survey.class_counts):
        yield "# to weight rare classes as much as frequent ones: fit: {class_weight: balanced}"
    yield "callbacks:"
    yield "  - SwapEMAWeights: {swap_on_epoch: true}   # validates, stops by and keeps the averages"
    patience = min(training.patience, epochs // 2)
    yield f"  - EarlyStopping: {{patience: {patience}, min_delta: 1e-4, restore_best_weights: true}}"
    yield from threshold_lines(survey.class_counts, 0.8 * validation_share(survey))


def _rows(survey: Survey) -> int:
    return survey.table.rows - survey.rows_without_target


def _training_rows(survey: Survey) -> int:
    return round(_rows(survey) * 0.8 * (1 - validation_share(survey)))
