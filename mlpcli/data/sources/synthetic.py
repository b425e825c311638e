"""Synthetic datasets: two classes of points in the plane, as in TensorFlow Playground, and truth tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlpcli.data.readers.row_errors import Origin
from mlpcli.data.sources.source_rows import Source, SourceRows
from mlpcli.data.types import Array
from mlpcli.spec.schema import DatasetSpec
from mlpcli.spec.synthetic import CLOUDS, DEFAULT_NOISE, DEFAULT_ROWS, LOGIC

SYNTHETIC = (*CLOUDS, *LOGIC)

GAP = 0.06
"""Of xor: the least distance of a point from both axes before the noise; 0.3 of 5, as in Playground."""
TURNS = 1.75
"""Of spirals: the turns of each arm, as in Playground."""


def complete_synthetic(spec: DatasetSpec, *, seed: int) -> DatasetSpec:
    """Fill in the defaults of a synthetic dataset; a truth table has no splits by default.

    Args:
        spec: the `dataset` section.
        seed: of the points, if the section has none.

    Returns:
        The completed section; that of another dataset unchanged.
    """
    if spec.name in LOGIC:
        given = spec.model_fields_set
        return spec.model_copy(update={key: None for key in ("test", "validation") if key not in given})
    if spec.name not in CLOUDS:
        return spec
    wanted = {"rows": DEFAULT_ROWS, "noise": DEFAULT_NOISE, "seed": seed}
    return spec.model_copy(update={k: value for k, value in wanted.items() if getattr(spec, k) is None})


def synthetic_source(spec: DatasetSpec) -> Source:
    """Return the rows of a synthetic dataset whose section `complete_synthetic` filled in.

    The features are x1 and x2; x1 alone for `logic_not`.
    """
    assert spec.name is not None
    if spec.name in LOGIC:
        return _truth_table(spec.name)
    assert spec.rows is not None
    assert spec.noise is not None
    assert spec.seed is not None
    make, classes = _CLOUDS[spec.name]
    x, y = make(spec.rows, spec.noise, spec.seed)
    return _source(spec.name, x, y, classes)


def _source(name: str, x: Any, y: Any, classes: tuple[str, ...]) -> Source:
    source_rows = SourceRows(np.asarray(x, np.float32), np.asarray(y, np.int64), Origin(name), "the target")
    features = tuple(f"x{index + 1}" for index in range(source_rows.x.shape[1]))
    return Source(source_rows, None, "table", features, ("target",), f"{name} (synthetic)", classes)


def _truth_table(name: str) -> Source:
    """Return every combination of 0 and 1, once."""
    if name == "logic_not":
        return _source(name, [[0], [1]], [1, 0], ("false", "true"))
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    ones = x.sum(axis=1)
    y = {"logic_and": ones == 2, "logic_or": ones > 0, "logic_xor": ones == 1}[name]
    return _source(name, x, y, ("false", "true"))


def _xor(rows: int, noise: float, seed: int) -> tuple[Array, Array]:
    """Return points of the square from -1 to 1; the class is whether their coordinates differ in sign."""
    numbers = np.random.default_rng(seed)
    x = numbers.uniform(-1.0 + GAP, 1.0 - GAP, size=(rows, 2))
    x += np.where(x > 0, GAP, -GAP)
    y = (x[:, 0] > 0) != (x[:, 1] > 0)
    return x + numbers.normal(scale=noise, size=x.shape), y


def _circles(rows: int, noise: float, seed: int) -> tuple[Array, Array]:
    """Return points of two rings, of radius 1 and 0.5: scikit-learn's `make_circles`."""
    outer, inner = (
        np.linspace(0, 2 * np.pi, count, endpoint=False) for count in (rows // 2, rows - rows // 2)
    )
    return _mix(
        np.concatenate([np.cos(outer), np.cos(inner) * 0.5]),
        np.concatenate([np.sin(outer), np.sin(inner) * 0.5]),
        noise,
        seed,
    )


def _moons(rows: int, noise: float, seed: int) -> tuple[Array, Array]:
    """Return points of two half rings: scikit-learn's `make_moons`."""
    upper, lower = (np.linspace(0, np.pi, count) for count in (rows // 2, rows - rows // 2))
    return _mix(
        np.concatenate([np.cos(upper), 1 - np.cos(lower)]),
        np.concatenate([np.sin(upper), 1 - np.sin(lower) - 0.5]),
        noise,
        seed,
    )


def _mix(across: Array, up: Array, noise: float, seed: int) -> tuple[Array, Array]:
    """Return points, the first half of the first class, in a random order and with noise."""
    numbers = np.random.RandomState(seed)
    order = np.arange(len(across))
    numbers.shuffle(order)
    x = np.stack([across, up], axis=1)[order]
    return x + numbers.normal(scale=noise, size=x.shape), (order >= len(across) // 2).astype(int)


def _gaussians(rows: int, noise: float, seed: int) -> tuple[Array, Array]:
    """Return two clouds around (-1, -1) and (1, 1), of deviation 0.3 plus the noise: `make_blobs`."""
    numbers = np.random.RandomState(seed)
    counts = (rows - rows // 2, rows // 2)
    centers = ((-1.0, -1.0), (1.0, 1.0))
    x = np.concatenate(
        [
            numbers.normal(loc=center, scale=0.3 + noise, size=(count, 2))
            for center, count in zip(centers, counts, strict=True)
        ]
    )
    order = np.arange(rows)
    numbers.shuffle(order)
    return x[order], (order >= counts[0]).astype(int)


def _spirals(rows: int, noise: float, seed: int) -> tuple[Array, Array]:
    """Return points of two arms that wind around each other, from the center to a radius of 1."""
    numbers = np.random.default_rng(seed)
    y = np.arange(rows) % 2
    along = (np.arange(rows) // 2) / max(1, rows // 2)
    angle = along * TURNS * 2 * np.pi + y * np.pi
    x = along[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    return x + numbers.normal(scale=noise / 2, size=x.shape), y


_CLOUDS: dict[str, tuple[Callable[[int, float, int], tuple[Array, Array]], tuple[str, str]]] = {
    "xor": (_xor, ("same signs", "different signs")),
    "circles": (_circles, ("outer", "inner")),
    "moons": (_moons, ("upper", "lower")),
    "gaussians": (_gaussians, ("lower left", "upper right")),
    "spirals": (_spirals, ("first arm", "second arm")),
}
"""The function that creates each cloud from rows, noise and seed, and the classes."""
