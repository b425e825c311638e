"""The explanations of a prediction, chunk by chunk, and what they state about themselves in the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.stream import Chunk
from mlpcli.data.types import Array, Arrays
from mlpcli.inference.attribution_columns import attribution_columns, left_empty
from mlpcli.inference.attributions import Explainer
from mlpcli.model.trained_model import TrainedModel
from mlpcli.runs.explanation import ExplainedRows, ExplainOptions

if TYPE_CHECKING:
    import pyarrow as pa


class ChunkExplainer:
    """Explains the predictions of one chunk after another."""

    def __init__(self, trained: TrainedModel, options: ExplainOptions) -> None:
        """Read the rows to compare with; see `Explainer`."""
        self.explainer = Explainer(trained, options)
        self.rows = 0
        self.residual = self.error = self.strongest = 0.0
        self.names: tuple[str, ...] = ()
        self.lines: tuple[str, ...] = ()

    @property
    def rows_at_once(self) -> int:
        """How many rows are worth a call of `columns`."""
        return self.explainer.rows_at_once

    def columns(self, chunk: Chunk, outputs: Arrays, names: tuple[str, ...]) -> dict[str, pa.Array]:
        """Return the columns that explain the predictions of a chunk.

        Args:
            chunk: the rows.
            outputs: what `predict_outputs` returns for them.
            names: the columns that are written already.
        """
        some, predicted = chunk, outputs
        if chunk.empty is not None and chunk.empty.any():
            known = np.flatnonzero(~chunk.empty)
            some, predicted = chunk.take(known), take_outputs(outputs, known)
        found = self.explainer.explain(some.x, predicted)
        written = attribution_columns(self.explainer, found, some.cells, names)
        if len(some):
            self.residual = max(self.residual, written.residual)
            self.error = max(self.error, written.error)
            total = self.strongest * self.rows + written.spread * len(some)
            self.rows += len(some)
            self.strongest = total / self.rows
        self.names, self.lines = tuple(written.columns), written.lines
        return left_empty(written.columns, chunk.empty)

    def facts(self) -> ExplainedRows:
        """Return how all rows so far were explained, and how exact that is."""
        coalitions = self.explainer.coalitions
        return ExplainedRows(
            method="exact" if coalitions.exact else "sampled",
            background=coalitions.background,
            groups=coalitions.players,
            residual=self.residual,
            error=self.error,
            strongest=self.strongest,
            columns=self.names,
        )


class Forecast:
    """Says once how long explanations take, as soon as some rows have shown it.

    The first part is left out, unless it takes long by itself: with it the network is compiled.
    """

    LONG_SECONDS = 5.0

    def __init__(self, say: Callable[[float, int | None], None], unit: int) -> None:
        """Take what is needed to say it.

        Args:
            say: called with the seconds for a row, and how many rows follow; None where that is not known.
            unit: every chunk but the last has a multiple of so many rows.
        """
        self.say, self.unit = say, unit
        self.parts = 0
        self.said = False

    def add(self, rows: int, seconds: float, done: int, of: int) -> None:
        """Take the duration of a part.

        Args:
            rows: of the part.
            seconds: that it took.
            done: how many rows of its chunk are explained.
            of: the rows of the chunk.
        """
        self.parts += 1
        if self.said or not rows or (self.parts == 1 and seconds < self.LONG_SECONDS):
            return
        self.said = True
        self.say(seconds / rows, of - done if of % self.unit else None)


def take_outputs(outputs: Arrays, rows: Array | slice) -> Arrays:
    """Return the outputs of some rows."""
    if isinstance(outputs, dict):
        return {name: each[rows] for name, each in outputs.items()}
    return outputs[rows]
