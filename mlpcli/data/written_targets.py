"""The target of some rows as it is written in their source, as columns for a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.dataset import Contract
from mlpcli.data.label_keys import label_number, label_text
from mlpcli.data.labels import Labels
from mlpcli.data.sources.source_rows import Source
from mlpcli.data.types import Array

if TYPE_CHECKING:
    import pyarrow as pa


def written_targets(source: Source, contract: Contract, rows: Array) -> dict[str, pa.Array]:
    """Return the target columns of some of the main rows, each under its own name, once.

    Those of a target for each step are named after the step too: `price_0`, `price_1`.

    Args:
        source: the rows.
        contract: the outputs.
        rows: (some,) int positions.
    """
    import pyarrow as pa

    found: dict[str, pa.Array] = {}
    for output in contract.outputs:
        own = source.for_output(output.name)
        values = _values(own, rows, numbers=output.kind == "numbers")
        steps = list(np.ndindex(*own.main.steps)) if own.main.steps else [()]
        several = values.reshape(len(rows), len(steps), -1)
        for place, step in enumerate(steps):
            for index in range(several.shape[2]):
                name = output.target[index] if index < len(output.target) else f"{output.target[0]}_{index}"
                if several.shape[2] > len(output.target):
                    name = f"{output.target[0]}_{index}"
                found["_".join((name, *map(str, step)))] = pa.array(several[:, place, index].tolist())
    return found


def _values(source: Source, rows: Array, *, numbers: bool) -> Array:
    """Return the values of some rows, (rows, ...): text, names of classes, or numbers.

    Args:
        source: the rows.
        rows: (rows,) int positions.
        numbers: whether the target is one of numbers, which are written as such, however its source does.
    """
    main = source.main
    target = main.target
    assert target is not None
    of_row = int(np.prod(main.steps, dtype=np.int64))
    places = (rows[:, None] * of_row + np.arange(of_row)).reshape(-1)
    if isinstance(target, Labels) and numbers:
        known = [label_number(value) for value in target.values] if target.numbers is None else target.numbers
        return np.asarray(known, np.float64)[target.codes[places]]
    if isinstance(target, Labels):
        texts = [None if value is None else label_text(value) for value in target.values]
        return np.asarray(texts, object)[target.codes[places]]
    if source.classes is not None and not numbers:
        return np.asarray(source.classes, object)[target[places].astype(np.int64)]
    whole = np.issubdtype(target.dtype, np.floating) and bool((target == np.floor(target)).all())
    return target[places].astype(np.int64) if whole else target[places]
