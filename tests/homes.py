"""A table of homes whose columns are images, numbers, categories, dates and sentences."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from PIL import Image

ROWS = 40


def write_homes(folder: Path) -> None:
    """Write a table of homes, with a photo and a plan of each."""
    generator = np.random.default_rng(0)
    (folder / "photos").mkdir(parents=True)
    lines = [["photo", "plan", "rooms", "town", "built", "note", "price"]]
    for place in range(ROWS):
        names = []
        for what, size in (("photo", (9, 7)), ("plan", (5, 5))):
            pixels = generator.integers(0, 256, (*size, 3), np.uint8)
            names.append(f"photos/{what}{place:02}.png")
            Image.fromarray(pixels).save(folder / names[-1])
        rooms = int(generator.integers(1, 7))
        note = f"a {'quiet' if rooms > 3 else 'noisy'} house near the old station number {place}"
        row = [*names, str(rooms), "Ulm" if place % 2 else "Bonn", f"20{place + 10}-05-01", note]
        lines.append([*row, str(100 * rooms + place)])
    with (folder / "homes.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))
