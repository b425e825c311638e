"""A power law through scores against numbers of rows, and what it says of twice as many rows.

The mean score of a model that was trained on n rows is taken to be a + b n^-c: Cortes, Jackel, Solla, Vapnik
and Denker, "Learning Curves: Asymptotic Values and Rate of Convergence" (1993). Hestness et al., "Deep
Learning Scaling is Predictable, Empirically" (2017), found it for networks, with c between 0.07 and 0.35 for
hard tasks; easy ones go up to 1, as least squares does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

EXPONENTS = np.geomspace(0.05, 2.0, 60)
"""The values of c that are tried."""

FEWEST_SIZES = 3
FEWEST_SCORES = 4
"""Fewer say nothing of three unknown numbers."""

ENOUGH_SIZES = 4
LACK_OF_FIT = 4.0
"""Small sizes are left out while there are more sizes, and the mean square of the lack of fit is so many
times that of the scatter."""

SLACK = 0.25
"""How far a limit may be beyond the least or the largest score that there can be, as a share of the distance
that is left: an interval that ends exactly there would be too sure of a limit near it."""

DRAWS, FEWEST_DRAWS = 4000, 200
LEVEL = 0.95

USUAL, AROUND = -0.5, 0.3
"""The variance of the scores is a power of the number of rows: which one before it is measured, and how far
from that it may be (a mean and a standard deviation)."""

LOG_VARIANCE = math.pi**2 / 6
"""The variance of the logarithm of a variance with two degrees of freedom: trigamma(1)."""

EULER = 0.5772156649015329


@dataclass(frozen=True)
class PowerLaw:
    """What scores say of more rows.

    Attributes:
        limit: a, of the curve that is nearest to the values below.
        factor: b.
        exponent: c.
        rows: the largest number of rows that was measured.
        smallest: the smallest one that the curve goes through; below it no power law fits.
        now: the mean score there, the median of the curves that fit.
        doubled: the mean score at twice as many rows, likewise.
        doubled_interval: of it, 95%.
        change: `doubled - now`.
        change_interval: of it, 95%.
    """

    limit: float
    factor: float
    exponent: float
    rows: int
    smallest: int
    now: float
    doubled: float
    doubled_interval: tuple[float, float]
    change: float
    change_interval: tuple[float, float]


def fit_power_law(rows: Numbers, scores: Numbers, *, seed: int = 0) -> PowerLaw | None:
    """Fit a power law by weighted least squares, and carry its uncertainty to twice as many rows.

    For each exponent the rest is a line, whose least squares are exact; exponents are weighed by their
    profile likelihood, and the lines of each are drawn from their posterior with an unknown variance
    (Student's t), as in Gelman et al., "Bayesian Data Analysis", 3rd ed., section 14.2. Scatter that the
    curve does not explain, of the trainings or of its form, widens the intervals. The smallest sizes, where
    a network has not learned much yet, are left out as long as the others fit a power law much better.

    Args:
        rows: (trainings,), the rows that each was trained on.
        scores: (trainings,), finite. Where none is below 0, the limit is not far below it either; where
            all are from 0 to 1, it is not far above 1.
        seed: of the draws.

    Returns:
        The curve; None where there are too few trainings, or sizes, for one.
    """
    sizes = np.unique(rows)
    if len(sizes) < FEWEST_SIZES or len(scores) < FEWEST_SCORES:
        return None
    bounds = _bounds(scores, float(scores[rows == sizes[-1]].mean()))
    weights = 1.0 / relative_variance(rows, scores)
    used = rows >= 0
    while len(np.unique(rows[used])) > ENOUGH_SIZES and _misfits(rows[used], scores[used], weights[used]):
        used = rows > rows[used].min()
    rows, scores, weights = rows[used], scores[used], weights[used]
    shares = rows / sizes[-1]
    lines = [_line(shares**-exponent, scores, weights) for exponent in EXPONENTS]
    degrees = max(1, len(scores) - FEWEST_SIZES - 1)  # three numbers and how the variance grows
    nows, changes = _draw(lines, bounds, degrees, np.random.default_rng(seed))
    now, change = float(np.median(nows)), float(np.median(changes))
    ends = [50 * (1 - LEVEL), 100 - 50 * (1 - LEVEL)]
    powers = [shares**-exponent for exponent in EXPONENTS]
    kept = [_within(line, bounds, x, scores, weights) for line, x in zip(lines, powers, strict=True)]
    apart = [_distance(line, c, now, change) for line, c in zip(kept, EXPONENTS, strict=True)]
    line, exponent = kept[int(np.argmin(apart))], float(EXPONENTS[int(np.argmin(apart))])
    return PowerLaw(
        limit=line.limit,
        factor=line.factor * float(sizes[-1]) ** exponent,
        exponent=exponent,
        rows=int(sizes[-1]),
        smallest=int(rows.min()),
        now=now,
        doubled=now + change,
        doubled_interval=_pair(np.percentile(nows + changes, ends)),
        change=change,
        change_interval=_pair(np.percentile(changes, ends)),
    )


def _bounds(scores: Numbers, last: float) -> tuple[float, float]:
    """Return between what the limit lies: no loss is below 0, no share above 1.

    Args:
        scores: of all trainings.
        last: their mean at the most rows.
    """
    low = -SLACK * last if scores.min() >= 0 else -math.inf
    is_share = scores.min() >= 0 and scores.max() <= 1
    return low, 1 + SLACK * (1 - last) if is_share else math.inf


def _misfits(rows: Numbers, scores: Numbers, weights: Numbers) -> bool:
    """Return whether no power law fits: its residuals are far larger than the scatter within sizes.

    The lack-of-fit test of Draper and Smith, "Applied Regression Analysis", section 2.1, with a bound instead
    of a table of F. Without several trainings of a size there is no such scatter.
    """
    sizes, codes = np.unique(rows, return_inverse=True)
    pure, spare = len(rows) - len(sizes), len(sizes) - FEWEST_SIZES
    if pure < 2 or spare < 1:
        return False
    means = np.bincount(codes, weights * scores) / np.bincount(codes, weights)
    scatter = float((weights * (scores - means[codes]) ** 2).sum())
    shares = rows / rows.max()
    residual = min(_line(shares**-exponent, scores, weights).residual for exponent in EXPONENTS)
    return (residual - scatter) / spare > LACK_OF_FIT * max(scatter, _tiny(scores)) / pure


def _pair(ends: Numbers) -> tuple[float, float]:
    return float(ends[0]), float(ends[1])


def _distance(line: _Line, exponent: float, now: float, change: float) -> float:
    """Return how far a curve is from a score at the rows, and from its change at twice as many."""
    return float((line.limit + line.factor - now) ** 2 + (line.factor * (2.0**-exponent - 1) - change) ** 2)


def _tiny(scores: Numbers) -> float:
    """Return what counts as no residual at all, so that equal scores have a logarithm."""
    return float(1e-12 * max(np.square(scores).sum(), 1e-300))


@dataclass(frozen=True)
class _Line:
    """Least squares of limit + factor * x.

    Attributes:
        limit: at x = 0.
        factor: of x.
        covariance: (2, 2), of both, for a variance of 1.
        residual: the weighted sum of squares that remains.
    """

    limit: float
    factor: float
    covariance: Numbers
    residual: float


def _line(x: Numbers, y: Numbers, weights: Numbers) -> _Line:
    design = np.stack([np.ones_like(x), x], axis=1)
    covariance = np.linalg.inv(design.T @ (design * weights[:, None]))
    limit, factor = covariance @ (design.T @ (weights * y))
    residual = float((weights * (y - limit - factor * x) ** 2).sum())
    return _Line(float(limit), float(factor), np.asarray(covariance, np.float64), max(residual, _tiny(y)))


def _within(line: _Line, bounds: tuple[float, float], x: Numbers, y: Numbers, weights: Numbers) -> _Line:
    """Return the line, or the best one whose limit is at the bound that this one's is beyond."""
    limit = min(max(line.limit, bounds[0]), bounds[1])
    if limit == line.limit:
        return line
    factor = float((weights * x * (y - limit)).sum() / (weights * x * x).sum())
    residual = float((weights * (y - limit - factor * x) ** 2).sum())
    return replace(line, limit=limit, factor=factor, residual=residual)


def _draw(
    lines: list[_Line], bounds: tuple[float, float], degrees: int, random: np.random.Generator
) -> tuple[Numbers, Numbers]:
    """Return draws of the score at the rows, and of its change at twice as many.

    Lines whose limit is beyond its bounds are left out, or moved there where few are within.
    """
    residuals = np.array([line.residual for line in lines])
    likely = np.exp(-0.5 * degrees * (np.log(residuals) - np.log(residuals.min())))
    chosen = random.choice(len(lines), DRAWS, p=likely / likely.sum())
    limits, factors, halves = np.empty(DRAWS), np.empty(DRAWS), 2.0 ** -EXPONENTS[chosen]
    for place in np.unique(chosen):
        at, line = np.flatnonzero(chosen == place), lines[place]
        variance = line.residual / random.chisquare(degrees, len(at))
        normal = random.standard_normal((len(at), 2)) @ np.linalg.cholesky(line.covariance).T
        limits[at], factors[at] = (normal * np.sqrt(variance)[:, None] + [line.limit, line.factor]).T
    within = (limits >= bounds[0]) & (limits <= bounds[1])
    if within.sum() >= FEWEST_DRAWS:
        limits, factors, halves = limits[within], factors[within], halves[within]
    else:
        moved = np.clip(limits, *bounds)
        factors, limits = factors + limits - moved, moved  # the score at the rows stays
    return limits + factors, factors * (halves - 1)


def relative_variance(rows: Numbers, scores: Numbers) -> Numbers:
    """Return the variance of each training's score, as a share of that at the most rows.

    It is a power of the number of rows, fitted to the variances of equal sizes and drawn towards a usual one;
    the logarithm of a variance with few degrees of freedom is too small on average, by digamma(d / 2) -
    log(d / 2). Without equal sizes it is the usual one.

    Args:
        rows: (trainings,), the rows that each was trained on.
        scores: (trainings,).
    """
    found = [(size, scores[rows == size]) for size in np.unique(rows)]
    several = [(size, own.var(ddof=1), len(own) - 1) for size, own in found if len(own) > 1]
    several = [each for each in several if each[1] > 0]
    if len(several) < FEWEST_SIZES:
        return np.asarray((rows / rows.max()) ** USUAL)
    x = np.log([size for size, _, _ in several])
    y = np.array([math.log(variance) - _bias(degrees) for _, variance, degrees in several])
    weights = np.array([degrees / 2 for _, _, degrees in several])
    middle = np.average(x, weights=weights)
    spread = (weights * (x - middle) ** 2).sum() / LOG_VARIANCE
    slope = (weights * (x - middle) * y).sum() / LOG_VARIANCE / spread
    trust = spread / (spread + AROUND**-2)
    return np.asarray((rows / rows.max()) ** min(0.0, trust * slope + (1 - trust) * USUAL))


def _bias(degrees: int) -> float:
    """Return digamma(degrees / 2) - log(degrees / 2); DLMF 5.4.14 and 5.4.15 for whole and half numbers."""
    whole, odd = divmod(degrees, 2)
    if odd:
        digamma = -EULER - 2 * math.log(2) + sum(2 / (2 * k - 1) for k in range(1, whole + 1))
    else:
        digamma = -EULER + sum(1 / k for k in range(1, whole))
    return digamma - math.log(degrees / 2)
