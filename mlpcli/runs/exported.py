"""What `export` has written, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Score:
    """How good predictions are on the test rows, before and after numbers became int8.

    Attributes:
        output: its name; empty for the only one.
        split: whose rows they are.
        metric: `accuracy`, or `RMSE` in the target's own units.
        rows: how many rows.
        before: of `predict`.
        after: of the file.
    """

    output: str
    split: str
    metric: str
    rows: int
    before: float
    after: float


@dataclass(frozen=True)
class Exported:
    """One file that was written.

    Attributes:
        format: its name.
        path: the file, or the folder.
        files: everything that was written, relative to the folder of the path.
        size: of the model, in bytes.
        rows: how many rows were compared with `predict`; 0 for none.
        differences: of each result, as a share of its range.
        seconds: the median duration of a call, by its number of rows.
        description: what the file beside it says.
        example: a program that loads it.
        notes: what a person should know.
        scores: what int8 costs; empty for other files.
    """

    format: str
    path: Path
    files: tuple[str, ...]
    size: int
    rows: int = 0
    differences: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[int, float] = field(default_factory=dict)
    description: Mapping[str, object] = field(default_factory=dict)
    example: str = ""
    notes: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()

    @property
    def difference(self) -> float:
        """The largest difference."""
        return max(self.differences.values(), default=0.0)

    def to_json(self) -> dict[str, object]:
        """Return it for scripts."""
        return {
            "format": self.format,
            "path": str(self.path),
            "files": list(self.files),
            "bytes": self.size,
            "rows": self.rows,
            "difference": float(f"{self.difference:.3g}"),
            "differences": {name: float(f"{value:.3g}") for name, value in self.differences.items()},
            "seconds": {str(rows): value for rows, value in self.seconds.items()},
            "inputs": self.description.get("inputs"),
            "outputs": self.description.get("outputs"),
            "notes": list(self.notes),
            "example": self.example,
            "quantized": [vars(each) for each in self.scores],
        }
