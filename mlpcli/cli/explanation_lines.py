"""Explanations as they are computed, a line for each row, on stdout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlpcli.data.writers import PredictionWriter
from mlpcli.report.predict import show_explained

if TYPE_CHECKING:
    import pyarrow as pa

    from mlpcli.data.types import Array


class ExplanationLines(PredictionWriter):
    """Shows the texts of explanations with the numbers of their rows, which count from 1."""

    def __init__(self) -> None:
        self.rows = 0

    def write(self, columns: Mapping[str, pa.Array], outputs: Array) -> None:
        """Show some rows: a line for each explained number."""
        texts = [columns[name].to_pylist() for name in self.lines]
        for lines in zip(*texts, strict=True):
            self.rows += 1
            show_explained(self.rows, lines)

    def close(self) -> None:
        """Do nothing: every line is shown at once."""
