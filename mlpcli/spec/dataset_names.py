"""The datasets that have a name: those that are built in, and the synthetic ones."""

from __future__ import annotations

from mlpcli.errors import Problem, listing, nearest
from mlpcli.spec.synthetic import CLOUDS, LOGIC

BUILTIN_NAMES = (
    "digits",
    "iris",
    "wine",
    "breast_cancer",
    "diabetes",
    "fashion_mnist",
    "mnist",
    "california_housing",
)
NAMES = (*BUILTIN_NAMES, *CLOUDS, *LOGIC)


def name_problem(name: str) -> Problem | None:
    """Return what is wrong with a value of `dataset.name`; None if it is the name of a dataset."""
    if name in NAMES:
        return None
    rule = f"must be one of {listing(NAMES, 20)}"
    return Problem(rule, path=("dataset", "name"), received=name, hint=nearest(name, NAMES))
