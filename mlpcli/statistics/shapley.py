"""Shapley values of the columns of a row: what each adds to a prediction, compared with background rows.

The game is that of Lundberg and Lee (A unified approach to interpreting model predictions, NeurIPS 2017) with
columns taken as independent: the value of a coalition of columns is the mean prediction over background rows
into which these columns of the explained row are put. The contributions of all columns, and the value of the
empty coalition, add up to the prediction of the row.

Up to `MOST_EXACT` columns every coalition is evaluated (Shapley, A value for n-person games, 1953). Of more,
orders of the columns are drawn at random, and the columns of the row put into a background row one after the
other (Strumbelj and Kononenko, Explaining prediction models and individual predictions with feature
contributions, 2014): what a prediction changes by is the contribution of the column. Each order is also
walked backwards (Mitchell, Cooper, Frank and Holmes, Sampling permutations for Shapley value estimation, JMLR
23, 2022), which is exact where no more than two columns interact. Every background row has as many orders, so
that the sum is exact in every case.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

MOST_EXACT = 8
"""Up to this many columns, or groups of them, all coalitions are evaluated: 256 for each background row."""

ORDERS = 2
"""Of each background row, each walked forwards and backwards: from their difference comes the error."""


@dataclass(frozen=True)
class Coalitions:
    """Which coalitions of columns are evaluated on each background row, and what follows from their values.

    Attributes:
        players: How many columns, or groups of columns, there are.
        background: How many background rows.
        seed: Of the orders.
    """

    players: int
    background: int
    seed: int = 0

    @property
    def exact(self) -> bool:
        """Whether all coalitions are evaluated."""
        return self.players <= MOST_EXACT

    @property
    def each(self) -> int:
        """How many coalitions are evaluated on each background row, beside the empty and the whole one."""
        return 2**self.players - 2 if self.exact else 2 * ORDERS * (self.players - 1)

    def of_row(self, row: int) -> Array:
        """Return the coalitions for one background row, (each, players) bool: neither empty nor whole.

        Args:
            row: the number of the background row.
        """
        if self.exact:
            numbers = np.arange(1, 2**self.players - 1)
            return (numbers[:, None] >> np.arange(self.players) & 1).astype(bool)
        ranks = np.argsort(self._walks(row), axis=1)  # (walks, players): when each column is put in
        return np.concatenate([each < np.arange(1, self.players)[:, None] for each in ranks])

    def contributions(self, row: int, empty: Array, inner: Array, whole: Array) -> Array:
        """Return what each column contributes, compared with one background row.

        Args:
            row: the number of the background row.
            empty: (outputs,), of the background row.
            inner: (rows, each, outputs), of the coalitions of `of_row`.
            whole: (rows, outputs), of the explained rows.

        Returns:
            (estimates, rows, players, outputs): independent estimates, whose mean is the best; one where it
            is exact.
        """
        start = np.broadcast_to(empty, whole.shape)[:, None]
        end = whole[:, None]
        if self.exact:
            values = np.concatenate([start, inner, end], axis=1)
            return np.asarray(np.einsum("rcv,cp->rpv", values, self._weights)[None])
        walks, steps = self._walks(row), self.players - 1
        found = np.zeros((ORDERS, len(whole), self.players, whole.shape[1]))
        for place, order in enumerate(walks):
            between = inner[:, place * steps : (place + 1) * steps]
            change = np.diff(np.concatenate([start, between, end], axis=1), axis=1)
            found[place // 2][:, order] += change / 2
        return found

    def _walks(self, row: int) -> Array:
        """Return the orders of one background row, (2 * ORDERS, players): each forwards, then backwards."""
        random = np.random.default_rng([self.seed % 2**63, row])
        orders = [random.permutation(self.players) for _ in range(ORDERS)]
        return np.stack([each for order in orders for each in (order, order[::-1])])

    @cached_property
    def _weights(self) -> Array:
        """The Shapley values as a product: (coalitions, players), a coalition's bits being its number."""
        count = self.players
        inside = (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(bool)
        size = inside.sum(axis=1)[:, None]
        share = np.array([1 / (count * comb(count - 1, each)) for each in range(count)] + [0.0])
        return np.asarray(np.where(inside, share[size - 1], -share[size]))


@dataclass
class Attribution:
    """The contributions of columns to some rows' predictions, added up over background rows.

    Attributes:
        coalitions: what is evaluated.
        total: (rows, players, outputs), the sum over the background rows so far.
        spread: the same shape, the sum of the squared differences between two estimates.
        base: (rows, outputs), the sum of the background rows' own predictions.
        count: how many background rows.
    """

    coalitions: Coalitions
    total: Array
    spread: Array
    base: Array
    count: int = 0

    @classmethod
    def of(cls, coalitions: Coalitions, rows: int, outputs: int) -> Attribution:
        """Return one without any background row yet."""
        shape = (rows, coalitions.players, outputs)
        return cls(coalitions, np.zeros(shape), np.zeros(shape), np.zeros((rows, outputs)))

    def add(self, row: int, empty: Array, inner: Array, whole: Array) -> None:
        """Add what one background row gives; see `Coalitions.contributions`; `empty` is (rows, outputs)."""
        found = self.coalitions.contributions(row, empty, inner, whole)
        self.total += found.mean(axis=0)
        self.spread += sum((one - other) ** 2 for one, other in pairwise(found))
        self.base += empty
        self.count += 1

    @property
    def values(self) -> Array:
        """The contributions, (rows, players, outputs)."""
        return np.asarray(self.total / self.count)

    @property
    def base_values(self) -> Array:
        """The mean prediction of the background rows, (rows, outputs)."""
        return np.asarray(self.base / self.count)

    @property
    def errors(self) -> Array:
        """The standard errors of the contributions, from the orders alone; 0 where they are exact.

        For each background row two estimates a and b, so the variance of their mean is (a - b)^2 / 4.
        """
        return np.asarray(np.sqrt(self.spread / 4) / self.count)
