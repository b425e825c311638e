"""How image files become arrays of pixels: what a spec says of it, and a run keeps in its contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlpcli.errors import KeyPath
from mlpcli.spec.features import FeatureSpec, InputSpec
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


def image_columns(spec: DatasetSpec) -> tuple[str, ...]:
    """Return the columns of a table that name image files."""
    if not isinstance(spec.features, dict):
        return ()
    return tuple(name for name, each in spec.features.items() if each.kind == "image")


def image_column(spec: DatasetSpec) -> str | None:
    """Return the first column of a table that names image files; None where there is none."""
    return next(iter(image_columns(spec)), None)


def images_beside_columns(spec: DatasetSpec, inputs: Mapping[str, InputSpec] | None) -> bool:
    """Return whether the network takes other columns of a table beside one of images, or several of these.

    So it is where the spec says anything of another column, or chooses inputs by columns or kinds. Else the
    images are all that the network takes.

    Args:
        spec: the `dataset` section.
        inputs: the spec's named inputs.
    """
    images = image_columns(spec)
    if not images or not isinstance(spec.features, dict):
        return False
    others = (each.kind for name, each in spec.features.items() if name not in images)
    chosen = any(each.columns is not None or each.kinds is not None for each in (inputs or {}).values())
    return chosen or len(images) > 1 or any(kind != "ignore" for kind in others)


def image_columns_of(section: ValueMap) -> dict[str, str]:
    """Return the directory of each column of a `dataset` section's plain values that names image files."""
    columns = section.get("features")
    found = {}
    for name, each in columns.items() if isinstance(columns, dict) else ():
        if each == "image":
            found[str(name)] = ""
        elif isinstance(each, dict) and each.get("kind") == "image":
            found[str(name)] = str(each.get("directory") or "")
    return found


def image_keys(spec: DatasetSpec, column: str | None = None) -> dict[str, object]:
    """Return what a spec says of images: of the dataset, and instead of that, of a column, the first."""
    column = column or image_column(spec)
    sections: list[DatasetSpec | FeatureSpec] = [spec]
    if column is not None and isinstance(spec.features, dict):
        sections.append(spec.features[column])
    return {
        key: value
        for section in sections
        for key in IMAGE_KEYS
        if (value := getattr(section, key)) is not None
    }


def place_of(spec: DatasetSpec, key: str, column: str | None = None) -> KeyPath:
    """Return where a spec says, or would say, something of the images of a column, the first."""
    column = column or image_column(spec)
    if column is None or getattr(spec, key) is not None:
        return ("dataset", key)
    return ("dataset", "features", column, key)


def reading_of(spec: DatasetSpec, size: tuple[int, int], column: str | None = None) -> ImageReading:
    """Return how the images of a spec are read.

    Args:
        spec: the `dataset` section.
        size: of the arrays, which the spec may leave out.
        column: of the table; None for the first.
    """
    column = column or image_column(spec)
    directory = None
    if column is not None and isinstance(spec.features, dict):
        directory = spec.features[column].directory
    keys = image_keys(spec, column) | {"image_size": list(size), "directory": directory}
    return reading_of_column(column or "", FeatureSpec.model_validate({"kind": "image"} | keys))


def reading_of_column(name: str, column: FeatureSpec) -> ImageReading:
    """Return how the images of a column are read, all of whose keys are given; a folder has no name."""
    assert column.image_size is not None
    height, width = column.image_size
    fit: Fit = "crop" if column.crop_to_aspect_ratio else "squeeze"
    return ImageReading(
        (height, width),
        column.color_mode or "rgb",
        "pad" if column.pad_to_aspect_ratio else fit,
        name,
        column.directory or "",
    )


def drops_broken(spec: DatasetSpec) -> bool:
    """Return whether files that cannot be read as images are left out."""
    columns = image_columns(spec) or (None,)
    return any(image_keys(spec, column).get("broken_files") == "drop" for column in columns)
