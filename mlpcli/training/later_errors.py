"""Compare the errors of a network on rows that are later than its training rows with those on the latter."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from mlpcli.data.dataset import Contract, Dataset, Output, Split
from mlpcli.data.named_arrays import of_name
from mlpcli.data.types import Array, Arrays
from mlpcli.runs.network_record import LaterFacts, TargetFacts
from mlpcli.spec.split_forms import SplitBy

Later = Callable[[], tuple[str, Arrays, Arrays] | None]
"""Returns the name of a split, its targets, and the predictions; None where there is no such split."""


def later_split(dataset: Dataset) -> tuple[str, Split] | None:
    """Return the rows that were split off by time, and their name: test rows first; None without any."""
    for name in ("test", "validation"):
        amount, split = dataset.split_amounts.get(name), dataset.splits().get(name)
        if isinstance(amount, SplitBy) and amount.last is not None and amount.by and split is not None:
            return (name, split) if len(split) else None
    return None


def target_facts(contract: Contract, rows: Split, outputs: Arrays, later: Later) -> Iterator[TargetFacts]:
    """Yield the facts of each output of numbers.

    Args:
        contract: of the data.
        rows: some training rows.
        outputs: what the network predicts for them.
        later: returns the targets and predictions of later rows, if rows were split off by time.
    """
    for each in contract.outputs:
        if each.kind == "numbers":
            y = np.asarray(of_name(rows.y, each.name), np.float64)
            flat = y.reshape(len(y), -1)
            yield TargetFacts(
                output=each.name,
                mean=float(np.abs(flat.mean(axis=0)).max()),
                deviation=float(flat.std(axis=0).max()),
                later=_later_facts(each, (rows.y, outputs), later),
            )


def _later_facts(output: Output, trained: tuple[Arrays, Arrays], later: Later) -> LaterFacts | None:
    """Return on which side of the target the predictions of an output are; None where it has no one value.

    Args:
        output: of numbers.
        trained: the targets of some training rows, and what the network predicts.
        later: returns the same of rows that are later, with the name of their split.
    """
    before = _errors(output, *trained)
    if before is None or (found := later()) is None:
        return None
    split, y, outputs = found
    after = _errors(output, y, outputs)
    if after is None:
        return None
    return LaterFacts(
        split=split,
        rows=len(after),
        above=float((after > 0).mean()),
        error=float(np.abs(after).mean()),
        trained_above=float((before > 0).mean()),
        trained_error=float(np.abs(before).mean()),
    )


def _errors(output: Output, y: Arrays, outputs: Arrays) -> Array | None:
    """Return predicted minus true, (rows,), as the loss takes them; None for quantiles, steps and several."""
    truth, values = (np.asarray(of_name(each, output.name), np.float64) for each in (y, outputs))
    if output.levels or not len(truth) or truth.size != len(truth) or values.shape[:1] != truth.shape[:1]:
        return None
    if values.size != truth.size or not np.isfinite(values).all():
        return None
    return np.asarray(values.reshape(-1) - truth.reshape(-1))
