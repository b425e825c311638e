"""Targets of numbers that are the same in every row, from which nothing can be learned."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlpcli.checks.output_views import OutputView, Targets
from mlpcli.data.dataset import Dataset, Output
from mlpcli.data.named_arrays import of_name
from mlpcli.data.types import Array
from mlpcli.errors import KeyPath, Problem, listing, show_value
from mlpcli.runs.results import Advice

EXACT = 2**24
"""Up to here float32 holds every whole number."""


def constant_target_problems(view: OutputView) -> Iterator[Problem]:
    """Yield the problem of an output whose target is one number in every row of every split.

    Args:
        view: the output.
    """
    names = constant_targets(view.output, view.targets)
    if names and len(names) == view.targets.width and view.output.kind == "numbers":
        value = _own_value(view)
        rule = f"is the same in every row ({show_value(value)}), so that there is nothing to learn"
        hint = "choose another target, or other rows"
        if abs(value) >= EXACT:
            rule = f"is the same in every row ({show_value(value)}) to the digits that a network knows"
            hint = "if the numbers differ, add target_scaling: standardize, or subtract one from all of them"
        yield Problem(rule, path=_path(view.output), hint=hint)


def advise_on_constant_targets(dataset: Dataset) -> Iterator[Advice]:
    """Yield advice on targets of numbers that are the same in every training row, but not in all rows."""
    for output in dataset.contract.outputs:
        if names := constant_targets(output, Targets([of_name(dataset.train.y, output.name)])):
            yield Advice(
                f"target {listing([repr(name) for name in names])} is the same in every training row",
                "look at how the rows are split, or leave this target out",
                "the network learns to predict that number, whatever the inputs are",
                _path(output),
            )


def constant_targets(output: Output, targets: Targets) -> list[str]:
    """Return the columns of a target of numbers that are the same in all rows; none of fewer than two rows.

    Args:
        output: whose target it is.
        targets: of some splits.
    """
    if output.kind != "numbers" or output.steps or sum(len(each) for each in targets.arrays) < 2:
        return []
    first: Array | None = None
    same = np.array([])
    for block in targets:
        columns = np.asarray(block).reshape(len(block), -1)
        if first is None:
            first, same = columns[0], np.ones(columns.shape[1], bool)
        same = same & (columns == first).all(axis=0)
        if not same.any():
            return []
    names = output.target if len(output.target) == len(same) else tuple(map(str, range(len(same))))
    return [name for name, is_same in zip(names, same.tolist(), strict=True) if is_same]


def _own_value(view: OutputView) -> float | int:
    block = next(iter(view.targets))
    value = float(np.asarray(view.output.restore(block[:1], truth=True)).reshape(-1)[0])
    return int(value) if value.is_integer() else value


def _path(output: Output) -> KeyPath:
    return ("dataset", "target") if not output.name else ("dataset",)
