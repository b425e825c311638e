"""Student's t distribution and the regularized incomplete beta function, in plain Python.

SciPy has both; importing it takes longer than all that is computed with them.
"""

from __future__ import annotations

import math
from functools import lru_cache

MOST_TERMS = 20_000
TINY = 1e-300


def incomplete_beta(a: float, b: float, x: float, rest: float | None = None) -> float:
    """Return the regularized incomplete beta function I_x(a, b).

    The continued fraction of DLMF 8.17.22, evaluated by the modified method of Lentz (Press et al., Numerical
    Recipes, 3rd ed., sections 5.2 and 6.4), on the side of the mean on which it converges quickly.

    Args:
        a: positive.
        b: positive.
        x: from 0 to 1.
        rest: 1 - x, where the caller knows it with more digits than the subtraction has.
    """
    rest = 1.0 - x if rest is None else rest
    if x <= 0.0 or rest <= 0.0:
        return 0.0 if x <= 0.0 else 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _lower_part(b, a, rest, x)
    return _lower_part(a, b, x, rest)


def _lower_part(a: float, b: float, x: float, rest: float) -> float:
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    front = math.exp(a * math.log(x) + b * math.log(rest) - log_beta) / a
    return front / _continued_fraction(a, b, x)


def _continued_fraction(a: float, b: float, x: float) -> float:
    """Return 1 + d_1/(1 + d_2/(1 + ...)) of DLMF 8.17.22."""
    value, upper, lower = 1.0, 1.0, 0.0
    for number in range(1, MOST_TERMS):
        m = number // 2
        if number % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1.0 / _not_zero(1.0 + term * lower)
        upper = _not_zero(1.0 + term / upper)
        value *= lower * upper
        if abs(lower * upper - 1.0) < 1e-16:
            break
    return value


def _not_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY


def two_sided_p(t: float, degrees: float) -> float:
    """Return the probability that Student's t is at least as far from 0 as `t`, on either side.

    I_x(degrees / 2, 1 / 2) with x = degrees / (degrees + t^2): Abramowitz and Stegun, 26.5.27.

    Args:
        t: the statistic.
        degrees: of freedom, positive; they need not be whole.
    """
    square = t * t
    if math.isinf(square):
        return 0.0
    whole = degrees + square
    return incomplete_beta(degrees / 2.0, 0.5, degrees / whole, square / whole)


@lru_cache(maxsize=1024)
def t_quantile(probability: float, degrees: float) -> float:
    """Return the value below which Student's t is with some probability.

    It is remembered: the interval of every metric of the same rows asks for the same one, which takes 1 ms.

    Args:
        probability: between 0 and 1, both excluded.
        degrees: of freedom, positive; they need not be whole.
    """
    if not 0.0 < probability < 1.0 or not degrees > 0.0:
        raise ValueError(f"needs 0 < probability < 1 and degrees > 0, received {probability}, {degrees}")
    if probability == 0.5:
        return 0.0
    both = 2.0 * min(probability, 1.0 - probability)
    low, high = 0.0, 1.0
    while two_sided_p(high, degrees) > both:
        low, high = high, 2.0 * high
    while True:
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        if two_sided_p(middle, degrees) > both:
            low = middle
        else:
            high = middle
    return high if probability > 0.5 else -high


def binomial_half(count: int, trials: int) -> tuple[float, float]:
    """Return P(X <= count) and P(X = count) of a binomial X with probability 1/2.

    P(X <= k) = I_{1/2}(n - k, k + 1): DLMF 8.17.5.

    Args:
        count: from 0 to `trials`.
        trials: how often a coin is tossed.
    """
    log_choices = math.lgamma(trials + 1) - math.lgamma(count + 1) - math.lgamma(trials - count + 1)
    point = math.exp(log_choices - trials * math.log(2.0))
    below = 1.0 if count >= trials else incomplete_beta(trials - count, count + 1, 0.5)
    return below, point
