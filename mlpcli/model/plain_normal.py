"""The normal distribution by arithmetic, roots and logarithms alone, for files of other formats.

ONNX and LiteRT have no inverse of the error function, and no error function of float64. What is computed here
is as exact in float32 as that can be: a share of the rows is counted from the nearer end.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from contextvars import ContextVar

import numpy as np

from mlpcli.data.quantiles import LEAST_SHARE, Quantiles
from mlpcli.keras_import import keras

ops = keras.ops

_wanted: ContextVar[bool] = ContextVar("plain_normal", default=False)


def by_arithmetic_alone() -> bool:
    """Return whether a function for another format is being made."""
    return _wanted.get()


@contextlib.contextmanager
def by_arithmetic() -> Iterator[None]:
    """Make a function for another format inside: `normal_values` uses what is defined here."""
    token = _wanted.set(True)
    try:
        yield
    finally:
        _wanted.reset(token)


CENTRE = (
    (
        2509.0809287301227,
        33430.57558358813,
        67265.7709270087,
        45921.95393154987,
        13731.69376550946,
        1971.5909503065513,
        133.14166789178438,
        3.3871328727963665,
    ),
    (
        5226.495278852854,
        28729.085735721943,
        39307.89580009271,
        21213.794301586597,
        5394.196021424751,
        687.1870074920579,
        42.31333070160091,
        1.0,
    ),
)
TAIL = (
    (
        0.0007745450142783414,
        0.022723844989269184,
        0.2417807251774506,
        1.2704582524523684,
        3.6478483247632045,
        5.769497221460691,
        4.630337846156546,
        1.4234371107496835,
    ),
    (
        1.0507500716444169e-09,
        0.0005475938084995345,
        0.015198666563616457,
        0.14810397642748008,
        0.6897673349851,
        1.6763848301838038,
        2.053191626637759,
        1.0,
    ),
)
"""Numerators and denominators, highest power first, of algorithm AS 241 (PPND16): M. J. Wichura, The
Percentage Points of the Normal Distribution, Applied Statistics 37 (1988). For shares above 1e-11."""

BELOW_ONE = (
    (9.604973739870516, 90.02601972038427, 2232.005345946843, 7003.325141128051, 55592.30130103949),
    (1.0, 33.56171416475031, 521.3579497801527, 4594.323829709801, 22629.000061389095, 49267.39426086359),
)
BEYOND = (
    (
        2.461969814735305e-10,
        0.5641895648310689,
        7.463210564422699,
        48.63719709856814,
        196.5208329560771,
        526.4451949954773,
        934.5285271719576,
        1027.5518868951572,
        557.5353353693994,
    ),
    (
        1.0,
        13.228195115474499,
        86.70721408859897,
        354.9377788878199,
        975.7085017432055,
        1823.9091668790973,
        2246.3376081871097,
        1656.6630919416134,
        557.5353408177277,
    ),
)
"""Those of erf(x) / x in x^2 below 1, and of erfc(x) exp(x^2) from 1 to 8, of S. L. Moshier's Cephes library
(https://netlib.org/cephes), which SciPy uses."""

Ratio = tuple[tuple[float, ...], tuple[float, ...]]


def _ratio(powers: Ratio, x: keras.KerasTensor) -> keras.KerasTensor:
    """Return one polynomial divided by another."""
    found = []
    for coefficients in powers:
        total = ops.zeros_like(x) + coefficients[0]
        for each in coefficients[1:]:
            total = total * x + each
        found.append(total)
    return found[0] / found[1]


def normal_of_tail(tail: keras.KerasTensor) -> keras.KerasTensor:
    """Return how far from 0 the normal value is beyond which a share of all is; shares from 1e-7 to 0.5."""
    centre = 0.5 - tail
    near = centre * _ratio(CENTRE, 0.180625 - centre * centre)
    far = _ratio(TAIL, ops.sqrt(-ops.log(tail)) - 1.6)
    return ops.where(centre <= 0.425, near, far)


def tail_of_normal(distance: keras.KerasTensor) -> keras.KerasTensor:
    """Return the share of all that is beyond a normal value, given how far from 0 that is, 0 or more."""
    x = distance / math.sqrt(2)
    inner = ops.minimum(x, 1.0)
    near = 1 - inner * _ratio(BELOW_ONE, inner * inner)
    outer = ops.minimum(ops.maximum(x, 1.0), 8.0)
    far = ops.exp(-outer * outer) * _ratio(BEYOND, outer)
    return ops.where(x < 1, near, far) / 2


def to_normal(
    values: keras.KerasTensor,
    columns: Sequence[Quantiles],
    table: keras.KerasTensor,
    place: keras.KerasTensor,
) -> keras.KerasTensor:
    """Return what `normal_values.to_normal` returns.

    Args:
        values: (rows, columns).
        columns: the quantiles of each column, equally many and with the same margin.
        table: those of all, one column after the other.
        place: (rows, columns) int32, the position in its column of the last that is not above each number.
    """
    count, margin = len(columns[0].values), columns[0].margin
    last = count - 1
    starts = count * np.arange(len(columns), dtype=np.int32)
    firsts = np.concatenate([each.firsts for each in columns]).astype(np.int32)
    lower = ops.take(table, place + starts)
    upper = ops.take(table, ops.minimum(place + 1, last) + starts)
    kind = values.dtype
    gap = ops.where(upper > lower, upper - lower, ops.ones_like(upper))
    first = ops.cast(ops.take(firsts, place + starts), kind)
    within = ops.where(ops.equal(values, lower), (first - ops.cast(place, kind)) / 2, (values - lower) / gap)
    below = ops.cast(place, kind) + within
    above = ops.cast(last - place, kind) - within  # counted from the other end, without a rounded sum
    is_low = below <= above
    tail = ops.clip(ops.where(is_low, below, above), 0.0, last / 2) / last
    tail = ops.maximum(margin + (1 - 2 * margin) * tail, LEAST_SHARE)
    distance = normal_of_tail(tail)
    return ops.where(is_low, -distance, distance)


def from_normal(values: keras.KerasTensor, columns: Sequence[Quantiles]) -> keras.KerasTensor:
    """Return what `normal_values.from_normal` returns.

    Args:
        values: (rows, ..., columns); (rows,) for a single column.
        columns: the quantiles of each column, equally many and with the same margin.
    """
    count, margin = len(columns[0].values), columns[0].margin
    last = count - 1
    starts = count * np.arange(len(columns), dtype=np.int32)
    table = np.concatenate([each.table for each in columns])
    is_low = values <= 0
    tail = (tail_of_normal(ops.abs(values)) - margin) / (1 - 2 * margin)
    rank = ops.clip(tail, 0.0, 1.0) * last  # from the nearer end
    steps = ops.minimum(ops.floor(rank), last - 1)
    place = ops.cast(steps, "int32")
    near = ops.where(is_low, place, last - place) + starts
    next_one = ops.where(is_low, place + 1, last - place - 1) + starts
    low, high = ops.take(table, near), ops.take(table, next_one)
    return low + (rank - steps) * (high - low)
