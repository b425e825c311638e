"""What `init` writes for a target of two classes of which one is rare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlpcli.printable import quoted, shortened

RARE = 5
"""With more rows of the other class for each of its own, it is more probable than not in few rows."""

LEAST_ROWS = 10
"""Of the rare class in the validation rows: a threshold that fewer choose is chance."""

MAX_NAME = 60


def _rare(counts: Mapping[str, int]) -> str | None:
    """Return the rare one of two classes; None where neither is."""
    if len(counts) != 2:
        return None
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    return least if counts[most] > RARE * counts[least] else None


def positive_lines(counts: Mapping[str, int]) -> Iterator[str]:
    """Yield the key of `dataset` that makes a rare first class the positive one.

    Args:
        counts: the rows of each class, in the order of the classes.
    """
    least = _rare(counts)
    if least is not None and next(iter(counts)) == least:
        yield f"  positive_class: {quoted(least)}  # the rare one, which thresholds and curves are about"


def second_class(counts: Mapping[str, int]) -> str:
    """Return the one of two classes whose probability a network of one output gives, in a proposed spec.

    Args:
        counts: the rows of each class, in the order of the classes.
    """
    first, second = counts
    return first if _rare(counts) == first else second


def threshold_lines(counts: Mapping[str, int], held_out: float) -> Iterator[str]:
    """Yield from which probability on a class is predicted; nothing where neither of two classes is rare.

    Args:
        counts: the rows of each class, in the order of the classes.
        held_out: the share of all rows that are validation rows.
    """
    least = _rare(counts)
    if least is None:
        return
    name = shortened(quoted(least), MAX_NAME)
    line = "predict: {threshold: {metric: f1}}"
    if counts[least] * held_out < LEAST_ROWS:
        yield f"# {name} is rare, and may never be predicted; to predict it from a lower probability on:"
        yield f"# {line}"
        return
    yield f"# {name} is rare: validation rows choose from which probability on it is predicted; from 0.5 on"
    yield "# few rows would be. Probabilities stay as they are; the accuracy may be lower"
    yield line
