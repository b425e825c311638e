"""The classes, sizes and colors of image files, and warnings about them, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlpcli.printable import counted
from mlpcli.report.console import show_line, show_sentence
from mlpcli.report.screen import console, table

MOST_CLASSES = 60
"""Classes that get a line each; of more, the others are counted together."""


@dataclass(frozen=True)
class SurveyedImages:
    """What is shown of image files.

    path: the folder, or the table.
    images: how many there are, without the broken ones.
    counts: the images of each class, by split; the name of the only split is empty.
    sizes: smallest, median and largest height and width; None without any image.
    modes: the images by their colors, in Pillow's words.
    warnings: what would trip a model up.
    """

    path: str
    images: int
    counts: Mapping[str, Mapping[str, int]]
    sizes: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None
    modes: Mapping[str, int]
    warnings: Sequence[str]


def show_images(found: SurveyedImages) -> None:
    """Show a line for each class, the sizes and the colors, then the warnings."""
    names = list(next(iter(found.counts.values()), {}))
    classes = counted(len(names), "class", "classes") if names else "no classes"
    show_line(f"{found.path}: {counted(found.images, 'image')}, {classes}")
    if names:
        splits = list(found.counts)
        header = ["class", *(split or "images" for split in splits), *(["share"] if len(splits) == 1 else [])]
        rows = [_row(name, found.counts) for name in names[:MOST_CLASSES]]
        console().print(table(header, rows, names=(0,)))
        if len(names) > MOST_CLASSES:
            show_line(f"and {len(names) - MOST_CLASSES:,} more classes; --json has all of them")
    if found.sizes is not None:
        low, middle, high = (f"{height} x {width}" for height, width in found.sizes)
        text = low if low == high else f"{low} to {high}, median {middle}"
        show_line(f"size    {text} (height x width)")
    if found.modes:
        show_line("colors  " + ", ".join(f"{mode} {count:,}" for mode, count in found.modes.items()))
    for warning in found.warnings:
        show_sentence(warning, style="yellow")


def _row(name: str, counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    cells = [name, *(f"{each.get(name, 0):,}" for each in counts.values())]
    if len(counts) == 1:
        (only,) = counts.values()
        cells.append(f"{only[name] / max(1, sum(only.values())):.1%}")
    return cells


def images_json(found: SurveyedImages) -> dict[str, object]:
    """Return what is known of image files for scripts."""
    document: dict[str, object] = {"data": found.path, "images": found.images}
    counts = {split: dict(each) for split, each in found.counts.items()}
    if list(counts) == [""]:
        document["classes"] = counts[""]
    elif counts:
        document["splits"] = counts
    if found.sizes is not None:
        document["sizes"] = dict(zip(("smallest", "median", "largest"), map(list, found.sizes), strict=True))
    return document | {"modes": dict(found.modes), "warnings": list(found.warnings)}
