"""The keys of a `dataset` section, or of a column of kind `image`, that say how image files are read.

They are named as in `keras.utils.image_dataset_from_directory`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from mlpcli.errors import KeyPath, Problem
from mlpcli.spec.values import ValueMap

MOST_PIXELS = 4096
"""The largest side of an image as the network takes it."""

IMAGE_SIZE_RULE = f"[height, width] in pixels, each from 1 to {MOST_PIXELS}, such as [64, 64]"
COLOR_MODE_RULE = "rgb, rgba or grayscale"
CROP_RULE = "true or false: whether images are cropped to the shape of image_size, not squeezed"
PAD_RULE = "true or false: whether images are padded to the shape of image_size, not squeezed"
BROKEN_RULE = "'drop' (leave out files that cannot be read as images) or 'error'"
DIRECTORY_RULE = "the folder of the files that the column names, relative to the table's"

IMAGE_KEYS = ("image_size", "color_mode", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "broken_files")
"""The keys that a dataset and a column of images have in common."""

ImageSize = Annotated[
    Annotated[list[Annotated[int, Field(ge=1, le=MOST_PIXELS)]], Field(min_length=2, max_length=2)] | None,
    Field(description=IMAGE_SIZE_RULE),
]
ColorMode = Literal["rgb", "rgba", "grayscale"]
ColorModeKey = Annotated[ColorMode | None, Field(description=COLOR_MODE_RULE)]
Crop = Annotated[bool | None, Field(description=CROP_RULE)]
Pad = Annotated[bool | None, Field(description=PAD_RULE)]
BrokenFiles = Annotated[Literal["drop", "error"] | None, Field(description=BROKEN_RULE)]
Directory = Annotated[str | None, Field(min_length=1, description=DIRECTORY_RULE)]


def image_problems(dataset: ValueMap) -> Iterator[Problem]:
    """Yield keys of images that exclude each other, or that no image of the dataset can use.

    Args:
        dataset: the plain values of the section; keys and values that do not fit alone are not reported.
    """
    places: list[tuple[KeyPath, ValueMap]] = [(("dataset",), dataset)]
    columns = dataset.get("features")
    for name, each in columns.items() if isinstance(columns, dict) else ():
        if isinstance(each, dict) and each.get("kind") == "image":
            places.append((("dataset", "features", name), each))
    for path, section in places:
        if section.get("crop_to_aspect_ratio") is True and section.get("pad_to_aspect_ratio") is True:
            rule = "cannot be combined with crop_to_aspect_ratio"
            yield Problem(rule, path=(*path, "pad_to_aspect_ratio"), received=True, hint="keep one")
    if dataset.get("name") is None:
        return
    for key in IMAGE_KEYS:
        if dataset.get(key) is not None:
            rule = "is for image files, a built-in dataset is used unchanged"
            yield Problem(rule, path=("dataset", key), received=dataset[key], hint="remove it")
