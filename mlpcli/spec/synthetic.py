"""The synthetic datasets: their names and their keys of `dataset`."""

from __future__ import annotations

from collections.abc import Iterator

from mlpcli.errors import Problem
from mlpcli.spec.values import ValueMap

CLOUDS = ("xor", "circles", "moons", "gaussians", "spirals")
"""Points in the plane, two classes each. They take `rows`, `noise` and `seed`."""

LOGIC = ("logic_and", "logic_or", "logic_not", "logic_xor")
"""Truth tables. They are not split unless the spec says so."""

KEYS = ("rows", "noise", "seed")
DEFAULT_ROWS, DEFAULT_NOISE = 500, 0.1


def synthetic_problems(dataset: ValueMap) -> Iterator[Problem]:
    """Yield a problem for each key of synthetic datasets next to another dataset."""
    name = dataset.get("name")
    if name in CLOUDS:
        return
    what = f"{name} is a truth table" if name in LOGIC else "is not for data that is read"
    for key in KEYS:
        if key in dataset:
            hint = f"{key} is for {', '.join(CLOUDS)}"
            yield Problem(what, path=("dataset", key), received=key, hint=hint)
