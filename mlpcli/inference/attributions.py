"""What each raw column of a row adds to its prediction: Shapley values against rows of the training data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlpcli.data.equal_rows import distinct_rows
from mlpcli.data.raw_columns import column_places, places_beside_images, values_at
from mlpcli.data.stored.sampled_rows import sampled_split
from mlpcli.data.types import Array, Arrays
from mlpcli.inference.column_groups import ColumnGroup, column_groups, positions
from mlpcli.inference.evaluate import predict_outputs
from mlpcli.inference.explained_values import Explained, chosen_units, explained_values, units_of
from mlpcli.inference.named_in_options import no_columns
from mlpcli.inference.own_data import own_data
from mlpcli.model.trained_model import TrainedModel
from mlpcli.runs.explanation import ExplainOptions
from mlpcli.statistics.shapley import Attribution, Coalitions
from mlpcli.training import compiled

CORRELATION_ROWS = 5000
"""Training rows by which columns are found to be correlated."""

AT_ONCE = 131_072
"""Rows of coalitions of one call. Of these only the distinct ones are predicted."""

WORTH_XLA = 50_000
"""Rows of coalitions after which compiling the network by XLA takes less time than it saves."""

VALUES_AT_ONCE = 8_000_000
"""Values of such rows that are held at once: wide rows go in smaller calls."""


@dataclass(frozen=True)
class Attributions:
    """The contributions to the predictions of some rows.

    Attributes:
        values: (rows, explained), the predictions.
        chosen: (rows, explained), which unit is explained; see `chosen_units`.
        base: (rows, explained), the mean prediction of the background rows.
        contributions: (rows, groups, explained).
        errors: (rows, explained), the largest standard error of a row's contributions; 0 where exact.
    """

    values: Array
    chosen: Array
    base: Array
    contributions: Array
    errors: Array


class Explainer:
    """Explains the predictions of a run. It is made once, and reads the run's training rows."""

    def __init__(self, trained: TrainedModel, options: ExplainOptions) -> None:
        """Read the background.

        Raises:
            UsageError: the run has no columns, or no such class, column or group.
            SpecError: the run's data is gone.
            DataError: it cannot be read any more.
        """
        self.trained, self.options = trained, options
        self.explained: tuple[Explained, ...] = explained_values(trained, options.class_name)
        contract = trained.contract
        places = column_places(contract)
        if not places:
            raise no_columns(trained.run.label, contract)
        train = sampled_split(own_data(trained).dataset.train, trained.spec.fit.memory_bytes)
        rows = _flat_rows(trained, train.x)
        random = np.random.default_rng([trained.spec.seed, 3])
        order = random.permutation(len(rows))
        self.background: Array = rows[np.sort(order[: options.background])]
        self.columns = tuple(places)
        self.groups: tuple[ColumnGroup, ...] = column_groups(
            options.groups,
            places,
            rows[order[:CORRELATION_ROWS]],
            places.keys() - places_beside_images(contract).keys(),
        )
        self.owner = positions(self.groups, places, rows.shape[1])
        self.coalitions = Coalitions(len(self.groups), len(self.background), trained.spec.seed)
        self._batches = compiled.FixedBatches(trained.model)
        self._predicted = 0

    @cached_property
    def _background_units(self) -> Array:
        return self._units(self.background)

    def _units(self, flat: Array) -> Array:
        """Return what could be explained of rows, (rows, units); equal rows are predicted once."""
        rows, places = distinct_rows(flat)
        self._predicted += len(rows)
        batches = self._batches if self._predicted > WORTH_XLA else None
        found = predict_outputs(self.trained, self.trained.contract.take_inputs(rows), batches)
        return np.asarray(units_of(self.trained, found)[places])

    @property
    def rows_at_once(self) -> int:
        """How many rows are explained in about a second or a few: all their coalitions in one call."""
        at_once = max(1, min(AT_ONCE, VALUES_AT_ONCE // int(self.background.shape[1])))
        return max(1, at_once // (max(1, self.coalitions.each) * len(self.background)))

    def explain(self, x: Array, outputs: Arrays) -> Attributions:
        """Explain the predictions of some rows.

        Args:
            x: (rows, width), flat.
            outputs: what `predict_outputs` returns for them.
        """
        chosen = chosen_units(self.trained, outputs, self.explained)
        whole = np.take_along_axis(units_of(self.trained, outputs), chosen, axis=1)
        each = max(1, self.coalitions.each)
        at_once = max(1, min(AT_ONCE, VALUES_AT_ONCE // x.shape[1]) // each)
        found = []
        for first in range(0, len(x), at_once):
            some = slice(first, first + at_once)
            found.append(self._explain(x[some], whole[some], chosen[some], max(1, at_once // len(x[some]))))
        shape = (0, len(self.groups), len(self.explained))
        nothing = [Attribution(self.coalitions, np.empty(shape), np.empty(shape), np.empty((0, shape[2])), 1)]
        parts = found or nothing
        return Attributions(
            whole,
            chosen,
            np.concatenate([part.base_values for part in parts]),
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.errors.max(axis=1) for part in parts]),
        )

    def _explain(self, x: Array, whole: Array, chosen: Array, together: int) -> Attribution:
        """Explain rows that are few enough for one call for each `together` background rows."""
        found = Attribution.of(self.coalitions, len(x), len(self.explained))
        count, each = len(self.background), self.coalitions.each
        for first in range(0, count, together):
            places = range(first, min(first + together, count))
            inner = self._inner(x, places, chosen) if each else None
            for number, place in enumerate(places):
                empty = self._background_units[place][chosen]
                values = np.empty((len(x), 0, whole.shape[1])) if inner is None else inner[:, number]
                found.add(place, empty, values, whole)
        return found

    def _inner(self, x: Array, places: range, chosen: Array) -> Array:
        """Return the explained values of coalitions, (rows, background rows, coalitions, explained)."""
        masks = np.stack([self.coalitions.of_row(place) for place in places])  # (background, each, groups)
        own = masks[..., self.owner] & (self.owner >= 0)
        other = self.background[places.start : places.stop, None]
        mixed = np.where(own, x[:, None, None], other)  # (rows, background, each, width)
        units = self._units(mixed.reshape(-1, x.shape[1])).reshape(*mixed.shape[:3], -1)
        return np.take_along_axis(units, chosen[:, None, None], axis=-1)


def _flat_rows(trained: TrainedModel, x: Arrays) -> Array:
    """Return training rows as flat rows, (rows, width), in the type of the run's rows."""
    contract = trained.contract
    rows = values_at(x, contract, range(contract.shape[0])) if isinstance(x, dict) else np.asarray(x)
    return rows.astype(contract.dtype, copy=False)
