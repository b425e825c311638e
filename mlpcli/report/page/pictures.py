"""The figures of a run, for its page."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlpcli import runs
from mlpcli.files import read_ordinary
from mlpcli.runs.folder import Run

MOST_PICTURES = 2 * 2**20
"""Bytes of all pictures of a page, so that it stays below 3 MB."""

WIDE, LARGE = 1.8, 640
"""Pictures wider than so many times their height, or than so many pixels, have several panels."""

TITLES = {
    "learning_curves": "Learning curves",
    "model": "The network",
    "decision_boundary": "Decision boundary",
    "confusion_matrix": "Confusion matrix",
    "class_curves": "ROC, precision and recall, gain, lift",
    "residuals": "Predicted against true, and residuals",
    "residuals_by_column": "Residuals by column",
    "worst_images": "The worst mistakes",
    "groups": "A metric by group of rows",
    "drift": "Columns that have changed",
    "reliability": "Reliability of the probabilities",
    "scores": "Scores of the trials",
    "parameters": "Hyperparameters of the trials",
    "dependence": "How the prediction follows a column",
    "saliency": "What each pixel adds to the prediction",
    "parallel": "The trials",
}
VECTOR_SIZE = re.compile(rb'<svg [^>]*width="(\d+(?:\.\d+)?)pt" height="(\d+(?:\.\d+)?)pt"')
"""The size of an SVG that is one of ours."""

CURVES = "learning_curves"
"""Left out: the page draws these itself, so that they answer to the pointer."""


@dataclass(frozen=True)
class Picture:
    """A figure of the run.

    Attributes:
        title: what it shows.
        file: its path in the run folder: an SVG, which suits a light page and a dark one, or a PNG.
        data: the file as a `data:` address; empty where the page has no room for it.
        width: in pixels of the page.
        height: likewise.
    """

    title: str
    file: str
    data: str
    width: int
    height: int

    @property
    def is_vector(self) -> bool:
        """Whether it suits a light page and a dark one."""
        return self.file.endswith(".svg")

    @property
    def is_wide(self) -> bool:
        """Whether it needs a line of its own, and on a phone a way to scroll."""
        return self.width > WIDE * self.height or (self.is_vector and self.width > LARGE)

    @property
    def alternative(self) -> str:
        """The text for who does not see it."""
        return f"{self.title}, figure {self.file}"


def read_pictures(run: Run) -> Iterator[Picture]:
    """Yield the figures of the run, those beside each other first; the last ones without their content."""
    room = MOST_PICTURES
    folder = run / runs.PLOTS
    files = [*sorted(folder.glob("*.png")), *sorted(folder.glob("*/*.png"))]
    for file in files:
        stem, _, part = file.stem.partition("-")
        if stem == CURVES or file.is_symlink():
            continue
        found = _read_vector(file.with_suffix(".svg")) or _read_pixels(file)
        if found is None:
            continue
        title = TITLES.get(stem, stem.replace("_", " ").capitalize())
        if stem == "importance":
            title = "Importance of the columns" if file.parent != folder else "Importance of hyperparameters"
        if file.parent not in (folder, folder / "explain"):
            title += f" on {file.parent.name.removeprefix('data-').removeprefix('drift-')}"
        data = ""
        if len(found.content) * 4 // 3 <= room:
            room -= len(found.content) * 4 // 3
            data = f"data:{found.kind};base64," + base64.b64encode(found.content).decode("ascii")
        name = str(found.file.relative_to(run.folder))
        yield Picture(f"{title}: {part}" if part else title, name, data, found.width, found.height)


@dataclass(frozen=True)
class _Content:
    """A file of a figure, with its size on a page."""

    file: Path
    kind: str
    content: bytes
    width: int
    height: int


def _read_vector(file: Path) -> _Content | None:
    """Return a figure as SVG; None where there is none: runs made before had PNG only."""
    if file.is_symlink():
        return None
    try:
        content = read_ordinary(file, MOST_PICTURES)
    except OSError:
        return None
    size = VECTOR_SIZE.search(content[:2000])
    if size is None:
        return None
    width, height = (round(float(each) * 4 / 3) for each in size.groups())  # of points
    return _Content(file, "image/svg+xml", content, width, height)


def _read_pixels(file: Path) -> _Content | None:
    """Return a figure as PNG; None where it cannot be read."""
    try:
        content = read_ordinary(file, MOST_PICTURES)
    except OSError:
        return None
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    return _Content(file, "image/png", content, width, height)
