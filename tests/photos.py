"""Folders of photos: images of noise around a color, and files of images."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

COLORS = {"cats": (200, 60, 60), "dogs": (60, 200, 60), "hens": (60, 60, 200)}
ENDINGS = ("png", "jpg", "bmp", "webp", "gif")


def write_photos(folder: Path, each: int = 10, seed: int = 0) -> None:
    """Write images of noise around a color for each class, of several sizes and formats."""
    generator = np.random.default_rng(seed)
    for name, color in COLORS.items():
        (folder / name).mkdir(parents=True)
        for place in range(each):
            size = generator.integers(9, 20, 2)
            pixels = generator.normal(0, 30, (*size, 3)) + np.array(color)
            image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            image.save(folder / name / f"{place:02}.{ENDINGS[place % len(ENDINGS)]}")


def file_of(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
