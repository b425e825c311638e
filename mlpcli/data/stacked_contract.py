"""The contract of the mean of several models: rows that hold what each of them reads, and its own units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

from mlpcli.data.dataset import Contract, Input, Output
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.features.stacked import StackedPreprocessor, stack_preprocessors
from mlpcli.data.quantiles import Quantiles

ONLY = ""
"""The name of a single input that has none."""


class Span(NamedTuple):
    """The values of an input, from `start` to before `stop`, that one member reads."""

    start: int
    stop: int


@dataclass(frozen=True)
class StackedContract:
    """What the mean of several models needs of its rows.

    Attributes:
        contract: of the mean: each row holds what every member reads.
        spans: by input (empty for a single one without a name), each member's values; None where all members
            read the same.
    """

    contract: Contract
    spans: dict[str, tuple[Span, ...] | None]


def stack_contracts(members: Sequence[Contract]) -> StackedContract:
    """Return the contract of the mean of some models, of the same target.

    Args:
        members: the contract of each, one or more.

    Raises:
        ValueError: they have no common rows or outputs; it names the first member that differs.
    """
    first = members[0]
    for place, each in enumerate(members[1:], 2):
        for what, differs in _differences(first, each):
            if differs:
                raise ValueError(f"member {place} has {what} than the first")
    outputs = tuple(
        _mean_output(of_members) for of_members in zip(*(each.outputs for each in members), strict=True)
    )
    own = [each.preprocessor for each in members if each.preprocessor is not None]
    preprocessor = stack_preprocessors(own) if own else None
    contract = replace(first, outputs=outputs, preprocessor=preprocessor)
    if not isinstance(preprocessor, StackedPreprocessor):
        names = [each.name for each in first.inputs] or [ONLY]
        return StackedContract(contract, dict.fromkeys(names))
    spans: dict[str, tuple[Span, ...] | None] = {}
    if not first.inputs:
        spans[ONLY] = _spans([each.width for each in own])
    inputs = []
    for place, given in enumerate(first.inputs):
        if isinstance(given.columns, range):  # an image, which all read alike
            inputs.append(given)
            spans[given.name] = None
            continue
        found, spans[given.name] = _stack_input([each.inputs[place] for each in members], own, preprocessor)
        inputs.append(found)
    contract = replace(contract, shape=(preprocessor.width,), inputs=tuple(inputs))
    return StackedContract(contract, spans)


def _spans(widths: Sequence[int]) -> tuple[Span, ...]:
    """Return the spans of members that lie one after the other."""
    return tuple(Span(*ends) for ends in pairwise(accumulate(widths, initial=0)))


def _stack_input(
    inputs: Sequence[Input], own: Sequence[Preprocessor], stack: StackedPreprocessor
) -> tuple[Input, tuple[Span, ...]]:
    """Return one input of the mean, and where in it each member's values are.

    Args:
        inputs: of the members.
        own: the preprocessor of each.
        stack: of all; only its first member encodes images.
    """
    places: list[int] = []
    whole = True
    for start, member, each in zip(stack.starts, own, inputs, strict=True):
        columns = range(member.width) if each.columns is None else each.columns
        columns = member.places_beside_images(columns) if start else columns
        whole &= each.columns is None
        places += [start + column for column in columns]
    spans = _spans([each.shape[0] for each in inputs])
    return Input(inputs[0].name, None if whole else tuple(places), (len(places),)), spans


def _differences(first: Contract, other: Contract) -> Iterator[tuple[str, bool]]:
    """Yield in what two members may differ, and whether they do."""
    yield "rows of another kind", (first.kind, first.dtype) != (other.kind, other.dtype)
    yield "numbers of another precision", first.numbers != other.numbers
    yield "other inputs", [each.name for each in first.inputs] != [each.name for each in other.inputs]
    yield "other outputs", [each.name for each in first.outputs] != [each.name for each in other.outputs]
    tables = [each.preprocessor is not None for each in (first, other)]
    arrays = (first.shape, first.inputs) != (other.shape, other.inputs)
    yield "rows of another shape", tables[0] != tables[1] or (not tables[0] and arrays)
    for one, two in zip(first.outputs, other.outputs, strict=True):
        name = f" of {one.name}" if one.name else ""
        yield f"another target{name}", (one.target, one.kind) != (two.target, two.kind)
        yield f"other classes{name}", (one.classes, one.steps) != (two.classes, two.steps)
        yield f"other quantiles{name}", one.levels != two.levels


def _mean_output(outputs: Sequence[Output]) -> Output:
    """Return an output in units of the mean: those of its members, where these scale the target alike.

    Its own limits are none: the mean of values within some limits is within them too.
    """
    first = outputs[0]
    pooled = tuple(sorted({label for each in outputs for label in each.pooled}))
    found = replace(first, pooled=pooled, limits=None)
    if first.scale is None or first.offset is None or len({_method(each) for each in outputs}) > 1:
        return found
    scale = np.mean([each.scale or () for each in outputs], axis=0)
    offset = np.mean([each.offset or () for each in outputs], axis=0)
    found = replace(found, scale=tuple(scale.tolist()), offset=tuple(offset.tolist()))
    if first.log is not None:
        lowest = np.min([each.log or () for each in outputs], axis=0)
        found = replace(found, log=tuple(lowest.tolist()))
    if first.quantiles is not None:
        tables = [each.quantiles for each in outputs if each.quantiles is not None]
        margin = min(one.margin for table in tables for one in table)
        count = min(len(one.values) for table in tables for one in table)
        columns = [np.concatenate([one.table for one in column]) for column in zip(*tables, strict=True)]
        merged = tuple(Quantiles.of(column, count, margin) for column in columns)
        found = replace(found, quantiles=merged)
    return found


def _method(output: Output) -> tuple[bool, ...]:
    """Return how a target is scaled: not at all, on a line, by its logarithm, by its quantiles."""
    return (output.scale is not None, output.log is not None, output.quantiles is not None)
