"""What the names of `--by` mean: a column of the data, the target, or the prediction; no TensorFlow."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from mlpcli.data.dataset import Contract, Output
from mlpcli.errors import CLOSE_COLUMNS, Problem, UsageError, listing, nearest, nearest_column

TARGET, PREDICTION = "target", "prediction"
"""Words for the only target and what is predicted of it, where no column has this name."""


@dataclass(frozen=True)
class Wanted:
    """A column by which rows are grouped.

    Attributes:
        column: its name, as it was given.
        output: the output whose target it is, or that predicts it; None for a column of the data.
        place: of the target among those of the output.
        is_predicted: whether the prediction is meant.
    """

    column: str
    output: Output | None = None
    place: int = 0
    is_predicted: bool = False


def wanted_groups(
    contract: Contract, columns: Sequence[str], given: Sequence[str], *, rows: str = "the rows"
) -> list[Wanted]:
    """Return what is meant by the names of `--by`.

    Args:
        contract: of the model.
        columns: names of the columns of the rows.
        given: names of columns, of targets, or of what is predicted of one: `predicted_<target>`; a text may
            hold several with commas between them.
        rows: what the rows are called, in the plural.

    Raises:
        UsageError: there is no such column, or a row has several values of it.
    """
    made = _of_outputs(contract, columns)
    found: list[Wanted] = []
    problems: list[Problem] = []
    for name in dict.fromkeys(_names(given, {*columns, *made})):
        numbered = f"column {name}"
        if name in made:
            found.append(made[name])
            if made[name].output is not None and _has_several(made[name].output):
                rule = f"--by {name}: each row has several values of it"
                problems.append(Problem(rule, hint="name a column with one value a row"))
        elif name in columns or numbered in columns:
            found.append(Wanted(name if name in columns else numbered))
        else:
            others = [each for each in made if each not in columns]
            rule = f"--by {name}: {rows} have no such column"
            hint = nearest(name, [*columns, *others], cutoff=CLOSE_COLUMNS) or nearest_column(name, columns)
            hint += f"; besides columns: {listing(others)}" if others else ""
            problems.append(Problem(rule, hint=hint))
    if problems:
        raise UsageError(*problems)
    return found


def _names(given: Sequence[str], known: Collection[str]) -> Iterator[str]:
    """Yield the names, of which one text may hold several."""
    for text in given:
        if text in known or "," not in text:
            yield text
        else:
            yield from (each.strip() for each in text.split(",") if each.strip())


def _has_several(output: Output | None) -> bool:
    return output is not None and (bool(output.steps) or output.kind == "sequences")


def _of_outputs(contract: Contract, known: Sequence[str]) -> dict[str, Wanted]:
    """Return the targets and predictions by name.

    Args:
        contract: of the model.
        known: the columns of the data. A target of numbers that is one of them is read from there, where it
            has all of its digits; so is one of several columns of an output.
    """
    found: dict[str, Wanted] = {}
    for output in contract.outputs:
        own_columns = output.kind == "numbers" or len(output.target) > 1
        for place, target in enumerate(output.target):
            exact = own_columns and not output.steps and target in known
            found.setdefault(target, Wanted(target, None if exact else output, place))
        for place, guess in enumerate(_predicted_names(output)):
            found.setdefault(guess, Wanted(guess, output, place, is_predicted=True))
    if len(contract.target) == 1:
        (target,) = contract.target
        for word, meant in ((TARGET, target), (PREDICTION, f"predicted_{target}")):
            if word not in known and meant in found:
                found.setdefault(word, found[meant])
    return found


def _predicted_names(output: Output) -> tuple[str, ...]:
    """Return the columns that `predict` writes of what is predicted, which have one value a row."""
    if output.kind == "groups":
        return ()
    if output.kind == "numbers":
        return tuple(f"predicted_{name}" for name in output.number_names)
    if output.kind == "labels" and len(output.target) > 1:
        stem = f"{output.name}_" if output.name else ""
        return tuple(f"{stem}predicted_{name}" for name in output.classes or ())
    return (f"predicted_{output.name or output.target[0]}",)
