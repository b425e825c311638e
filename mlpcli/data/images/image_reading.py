"""How image files become arrays of pixels: what a spec says of it, and a run keeps in its contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlpcli.errors import KeyPath
from mlpcli.spec.features import FeatureSpec
from mlpcli.spec.image_keys import IMAGE_KEYS, ColorMode
from mlpcli.spec.schema import DatasetSpec
from mlpcli.spec.values import ValueMap

FILE = "file"
"""The column that names image files, where the spec has no other."""

CLASS = "class"
"""The target of a folder of images: the name of the sub-folder."""

CHANNELS: Mapping[ColorMode, int] = {"grayscale": 1, "rgb": 3, "rgba": 4}

Fit = Literal["squeeze", "crop", "pad"]


@dataclass(frozen=True)
class ImageReading:
    """How image files become arrays of pixels.

    Attributes:
        size: height and width of every array.
        color_mode: the channels: `grayscale` 1, `rgb` 3, `rgba` 4.
        fit: how an image of another shape comes to this one: squeezed, or cropped or padded before.
        column: of a table, that names the files; empty for a folder.
        directory: where these files are, relative to the table's folder.
    """

    size: tuple[int, int]
    color_mode: ColorMode = "rgb"
    fit: Fit = "squeeze"
    column: str = ""
    directory: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every array."""
        return (*self.size, CHANNELS[self.color_mode])

    @property
    def file_column(self) -> str:
        """The column that names the files, of tables and of predictions."""
        return self.column or FILE


@dataclass(frozen=True)
class ImageSettings:
    """What is needed to read more images of a source.

    Attributes:
        reading: how files become arrays.
        drop: leave broken files out, instead of refusing them.
        kept: the folder for decoded images; None for none.
    """

    reading: ImageReading
    drop: bool = False
    kept: Path | None = None


def image_column(spec: DatasetSpec) -> str | None:
    """Return the column of a table that names image files; None where there is none."""
    if not isinstance(spec.features, dict):
        return None
    return next((name for name, each in spec.features.items() if each.kind == "image"), None)


def image_column_of(section: ValueMap) -> tuple[str, str] | None:
    """Return the column of a `dataset` section's plain values that names image files, and its directory."""
    columns = section.get("features")
    for name, each in columns.items() if isinstance(columns, dict) else ():
        if each == "image":
            return str(name), ""
        if isinstance(each, dict) and each.get("kind") == "image":
            return str(name), str(each.get("directory") or "")
    return None


def image_keys(spec: DatasetSpec) -> dict[str, object]:
    """Return what a spec says of images: of the dataset, and instead of that, of the column."""
    column = image_column(spec)
    sections: list[DatasetSpec | FeatureSpec] = [spec]
    if column is not None and isinstance(spec.features, dict):
        sections.append(spec.features[column])
    return {
        key: value
        for section in sections
        for key in IMAGE_KEYS
        if (value := getattr(section, key)) is not None
    }


def place_of(spec: DatasetSpec, key: str) -> KeyPath:
    """Return where a spec says, or would say, something of images."""
    column = image_column(spec)
    if column is None or getattr(spec, key) is not None:
        return ("dataset", key)
    return ("dataset", "features", column, key)


def reading_of(spec: DatasetSpec, size: tuple[int, int]) -> ImageReading:
    """Return how the images of a spec are read.

    Args:
        spec: the `dataset` section.
        size: of the arrays, which the spec may leave out.
    """
    keys, column = image_keys(spec), image_column(spec)
    fit: Fit = "crop" if keys.get("crop_to_aspect_ratio") else "squeeze"
    directory = None
    if column is not None and isinstance(spec.features, dict):
        directory = spec.features[column].directory
    return ImageReading(
        size,
        _color_mode(keys.get("color_mode")),
        "pad" if keys.get("pad_to_aspect_ratio") else fit,
        column or "",
        directory or "",
    )


def _color_mode(value: object) -> ColorMode:
    return value if value == "rgba" or value == "grayscale" else "rgb"


def drops_broken(spec: DatasetSpec) -> bool:
    """Return whether files that cannot be read as images are left out."""
    return image_keys(spec).get("broken_files") == "drop"
