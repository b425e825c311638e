"""Which numbers of a prediction are explained: each target, or the probability of a class of each output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpcli.data.dataset import Output
from mlpcli.data.levels import median_of
from mlpcli.data.types import Array, Arrays
from mlpcli.errors import Problem, UsageError
from mlpcli.inference.evaluate import values_of
from mlpcli.inference.named_in_options import check_class
from mlpcli.model.build import output_loss
from mlpcli.model.default_losses import gives_scores
from mlpcli.model.outputs import predicted_classes
from mlpcli.model.prediction_bounds import class_name_of
from mlpcli.model.prediction_columns import flat_values, without_idle_digits
from mlpcli.model.trained_model import TrainedModel
from mlpcli.spec.schema import ComponentSpec


@dataclass(frozen=True)
class Explained:
    """One number of each row that is explained.

    Attributes:
        name: of the target or the output, with the place of a step.
        units: names of the numbers among which it is chosen for each row: of classes; a single one, which is
            empty, where there is nothing to choose.
        chosen: the position of the unit that is explained in every row; None for the most probable one, or
            the predicted class.
    """

    name: str
    units: tuple[str, ...] = ("",)
    chosen: int | None = 0


@dataclass(frozen=True)
class Part:
    """An output, or a step of one, and its values in a prediction.

    Attributes:
        output: of the contract.
        suffix: what is added to names: the place of the step.
        step: its place, one number for each axis of steps.
        loss: of the output.
        width: how many units it has.
    """

    output: Output
    suffix: str
    step: tuple[int, ...]
    loss: ComponentSpec
    width: int

    def values(self, outputs: Arrays) -> Array:
        """Return the values of this part, (rows, units)."""
        found = without_idle_digits(values_of(outputs, self.output), self.output)
        where: Any = (slice(None), *self.step)
        return flat_values(found[where])

    @property
    def has_levels(self) -> bool:
        """Whether its units are quantiles of each target."""
        levels = self.output.levels
        return bool(levels) and len(self.output.number_names) * len(levels) == self.width

    @property
    def is_single(self) -> bool:
        """Whether two classes have one unit, for the second."""
        return self.output.kind in ("classes", "one_hot") and self.width == 1

    @property
    def is_score(self) -> bool:
        """Whether this unit is a score, such as that of a hinge loss, and no probability."""
        return self.is_single and gives_scores(self.loss)

    @property
    def number_names(self) -> tuple[str, ...]:
        """What its numbers are called, for an output of numbers; as `prediction_columns` names them."""
        names, levels = self.output.number_names, max(1, len(self.output.levels))
        if self.width != len(names) * levels:
            return tuple(f"output_{place}" for place in range(self.width))
        return names


def parts_of(trained: TrainedModel) -> Iterator[Part]:
    """Yield the outputs of numbers, classes and labels, step by step."""
    for output in trained.contract.outputs:
        if output.kind in ("groups", "sequences"):
            continue
        loss = output_loss(trained.spec, output.name)
        (width,) = values_of(trained.model.output, output).shape[1 + len(output.steps) :] or (1,)
        for step in np.ndindex(*output.steps):
            yield Part(output, "".join(f"_{place}" for place in step), step, loss, width)


def explained_values(trained: TrainedModel, class_name: str | None) -> tuple[Explained, ...]:
    """Return what is explained of a run's predictions.

    Args:
        trained: the run's model.
        class_name: the class or label whose probability is explained; None for the predicted class, or the
            most probable label.

    Raises:
        UsageError: the run predicts no numbers and no classes, or there is no such class.
    """
    parts = list(parts_of(trained))
    label = trained.run.label
    if not parts:
        rule = f"run {label} predicts embeddings or sequences of labels"
        raise UsageError(Problem(rule, hint="--explain is for numbers, classes and labels"))
    if class_name is not None:
        check_class(trained.contract, class_name, label)
        _check_score(parts, class_name, label)
    return tuple(each for part in parts for each in _of_part(part, class_name))


def _check_score(parts: Sequence[Part], class_name: str, label: str) -> None:
    """Refuse the first of two classes where a network gives one score, which is that of the second.

    Raises:
        UsageError: every output with this class is of that kind.
    """
    owners = [part for part in parts if class_name in (part.output.classes or ())]
    (*_, other) = owners[0].output.classes or ("",)
    if class_name != other and all(part.is_score for part in owners):
        rule = f"--class {class_name}: run {label} gives one score, that of the class {other}"
        raise UsageError(
            Problem(rule, hint=f"leave --class out: what lowers it is evidence for {class_name}")
        )


def explained_part(trained: TrainedModel, class_name: str | None) -> tuple[Part, Explained]:
    """Return the one part, and number of it, that is explained of images.

    Of several outputs, steps and targets it is the first, or the first that has the wanted class.

    Raises:
        UsageError: as `explained_values`.
    """
    explained_values(trained, class_name)
    found = ((part, next(_of_part(part, class_name))) for part in parts_of(trained))
    return next((part, each) for part, each in found if class_name is None or class_name in each.units)


def _of_part(part: Part, class_name: str | None) -> Iterator[Explained]:
    output = part.output
    if not output.is_scored:
        yield from (Explained(f"{name}{part.suffix}") for name in part.number_names)
        return
    classes = output.classes or ()
    name = f"{class_name_of(output)}{part.suffix}"
    if part.is_score:  # of the second class, whichever is wanted
        yield Explained(name, classes[-1:], 0)
    else:
        yield Explained(name, classes, classes.index(class_name) if class_name in classes else None)


def units_of(trained: TrainedModel, outputs: Arrays) -> Array:
    """Return all numbers that could be explained, (rows, units): those of each `Explained` in its order.

    Args:
        trained: the model.
        outputs: what `predict_outputs` returns.
    """
    return np.concatenate([units_of_part(part, part.values(outputs)) for part in parts_of(trained)], axis=1)


def units_of_part(part: Part, values: Array) -> Array:
    """Return the numbers of a part that could be explained, (rows, units), from its values."""
    output = part.output
    if part.has_levels:
        values = median_of(values, output.levels)
    if part.is_single and not part.is_score:
        values = np.concatenate([1.0 - values, values], axis=1)
    return np.asarray(values, np.float64)


def chosen_units(trained: TrainedModel, outputs: Arrays, explained: Sequence[Explained]) -> Array:
    """Return which units are explained in each row, (rows, explained) int64 columns of `units_of`.

    Args:
        trained: the model.
        outputs: what `predict_outputs` returns for the rows.
        explained: what `explained_values` returned.
    """
    found: list[Array] = []
    first, waiting = 0, list(explained)
    for part in parts_of(trained):
        values = part.values(outputs)
        for each in waiting[: 1 if part.output.is_scored else len(part.number_names)]:
            waiting.pop(0)
            found.append(first + chosen_of_part(part, each, values))
            first += len(each.units)
    return np.stack(found, axis=1)


def chosen_of_part(part: Part, explained: Explained, values: Array) -> Array:
    """Return which unit of a part is explained in each row, (rows,) int64, from the part's values."""
    if explained.chosen is not None:
        return np.full(len(values), explained.chosen, np.int64)
    if part.output.kind == "labels":
        return np.asarray(np.argmax(values, axis=1), np.int64)
    return np.asarray(predicted_classes(values, part.loss, part.output), np.int64)
