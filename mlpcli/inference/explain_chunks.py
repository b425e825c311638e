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

    def columns(
        self, chunk: Chunk, outputs: Arrays, names: tuple[str, ...], progress: Callable[[int], None]
    ) -> dict[str, pa.Array]:
        """Return the columns that explain the predictions of a chunk.

        Args:
            chunk: the rows.
            outputs: what `predict_outputs` returns for them.
            names: the columns that are written already.
            progress: called with the number of rows that are explained so far.
        """
        some, predicted = chunk, outputs
        if chunk.empty is not None and chunk.empty.any():
            known = np.flatnonzero(~chunk.empty)
            some, predicted = chunk.take(known), take_outputs(outputs, known)
        found = self.explainer.explain(some.x, predicted, progress)
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


def take_outputs(outputs: Arrays, rows: Array) -> Arrays:
    """Return the outputs of some rows."""
    if isinstance(outputs, dict):
        return {name: each[rows] for name, each in outputs.items()}
    return outputs[rows]
