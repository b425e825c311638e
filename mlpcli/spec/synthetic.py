"""The datasets that are made, not read: their names, and which keys of `dataset` are theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlpcli.errors import Problem

CLOUDS = ("xor", "circles", "moons", "gaussians", "spirals")
"""Points in the plane, two classes each; they take `rows`, `noise` and `seed`."""

LOGIC = ("logic_and", "logic_or", "logic_not", "logic_xor")
"""Truth tables; they are whole as they are, and not split unless the spec says so."""

KEYS = ("rows", "noise", "seed")
DEFAULT_ROWS, DEFAULT_NOISE = 500, 0.1


def synthetic_problems(dataset: dict[str, Any]) -> Iterator[Problem]:
    """Keys of made datasets that stand where nothing is made."""
    name = dataset.get("name")
    if name in CLOUDS:
        return
    what = f"{name} is a truth table" if name in LOGIC else "is not for data that is read"
    for key in KEYS:
        if key in dataset:
            hint = f"{key} is for {', '.join(CLOUDS)}"
            yield Problem(what, path=("dataset", key), received=key, hint=hint)
