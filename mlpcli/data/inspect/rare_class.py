"""What `init` writes for a target of two classes of which one is rare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlpcli.printable import quoted, shortened
from mlpcli.spec.predictions import threshold_metric

RARE = 5
"""With more rows of the other class for each of its own, it is more probable than not in few rows."""

LEAST_ROWS = 10
"""Of the rare class in the validation rows: a threshold that fewer choose is chance."""

MAX_NAME = 60


def threshold_lines(counts: Mapping[str, int], held_out: float) -> Iterator[str]:
    """Yield from which probability on a class is predicted; nothing where neither of two classes is rare.

    Args:
        counts: the rows of each class, in the order of the classes.
        held_out: the share of all rows that are validation rows.
    """
    if len(counts) != 2:
        return
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if counts[most] <= RARE * counts[least]:
        return
    metric = threshold_metric([*counts].index(least))
    name = shortened(quoted(least), MAX_NAME)
    line = f"predict: {{threshold: {{metric: {metric}}}}}"
    if counts[least] * held_out < LEAST_ROWS:
        yield f"# {name} is rare, and may never be predicted; to predict it from a lower probability on:"
        yield f"# {line}"
        return
    yield f"# {name} is rare: validation rows choose from which probability on it is predicted; from 0.5 on"
    yield "# few rows would be. Probabilities stay as they are; the accuracy may be lower"
    yield line
