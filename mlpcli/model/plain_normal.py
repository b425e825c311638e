"""The normal distribution by arithmetic, a square root and a logarithm or exponential alone, for exported files.

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
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457)
    + (13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867)
    + (5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
)
TAIL = (
    (7.7454501427834140764e-4, 2.27238449892691845833e-2, 2.4178072517745061177e-1, 1.27045825245236838258)
    + (3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 1.51986665636164571966e-2, 1.4810397642748007459e-1)
    + (6.8976733498510000455e-1, 1.6763848301838038494, 2.05319162663775882187, 1.0),
)
"""Numerators and denominators, highest power first, of algorithm AS 241 (PPND16): M. J. Wichura, The
Percentage Points of the Normal Distribution, Applied Statistics 37 (1988). The tail is for shares above 1e-11."""

BELOW_ONE = (
    (9.60497373987051638749, 90.0260197203842689217, 2232.00534594684319226, 7003.32514112805075473)
    + (55592.3013010394962768,),
    (1.0, 33.5617141647503099647, 521.357949780152679795, 4594.32382970980127987)
    + (22629.0000613890934246, 49267.3942608635921086),
)
BEYOND = (
    (2.46196981473530512524e-10, 0.564189564831068821977, 7.46321056442269912687, 48.6371970985681366614)
    + (196.520832956077098242, 526.445194995477358631, 934.528527171957607540, 1027.55188689515710272)
    + (557.535335369399327526,),
    (1.0, 13.2281951154744992508, 86.7072140885989742329, 354.937778887819891062, 975.708501743205489753)
    + (1823.90916687909736289, 2246.33760818710981792, 1656.66309194161350182, 557.535340817727675546),
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
