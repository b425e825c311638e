"""Image files as new rows for a trained model: of a folder, or a list of files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from mlpcli.data.dataset import Contract
from mlpcli.data.images.find_images import ENDINGS, list_images
from mlpcli.data.images.image_files import ImageFile
from mlpcli.data.images.image_origin import FolderOrigin
from mlpcli.data.images.image_reading import CHANNELS, ImageReading
from mlpcli.data.images.load_images import in_parallel, try_decode
from mlpcli.data.readers.row_errors import Origin, RowError
from mlpcli.data.types import Array
from mlpcli.errors import DataError, Problem

BATCH_BYTES = 32 << 20
"""Of pixels that are in memory at once."""


@dataclass(frozen=True)
class NamedImages:
    """Image files and their names.

    Attributes:
        files: their paths.
        names: as predictions name them: relative to the folder.
        origin: names them in messages.
        notes: what was left out.
    """

    files: tuple[ImageFile, ...]
    names: tuple[str, ...]
    origin: Origin
    notes: tuple[str, ...] = ()


def reading_for(contract: Contract, label: str) -> ImageReading:
    """Return how image files become rows of a model; also of one that was trained on arrays of pixels.

    Args:
        contract: of the model.
        label: of the files, for messages.

    Raises:
        DataError: the model takes no images, or images whose values nobody knows.
    """
    if contract.image is not None:
        return replace(contract.image, column=contract.image.file_column)
    shape = contract.shape
    if contract.dtype == "uint8" and len(shape) in (2, 3) and not contract.inputs:
        channels = shape[2] if len(shape) == 3 else 1
        modes = [mode for mode, count in CHANNELS.items() if count == channels]
        if modes:
            return ImageReading((shape[0], shape[1]), modes[0])
    rows = f"columns such as {contract.features[0]!r}" if contract.features else f"rows of shape {shape}"
    rule = f"{label}: holds image files, the model takes {rows}"
    raise DataError(Problem(rule, hint="give rows of the kind that the run was trained on"))


def no_classes(label: str) -> DataError:
    """Return the error of images without the classes with which predictions are to be compared."""
    hint = f"put the images into a sub-folder for each class; or: mlpcli predict RUN {label}"
    return DataError(Problem(f"{label}: has no classes, with which predictions are compared", hint=hint))


def find_images(paths: Sequence[Path], label: str) -> NamedImages:
    """Return the images of a folder, or of a list of files.

    Args:
        paths: one folder, or image files.
        label: their name: the folder, or a pattern.

    Raises:
        DataError: several folders, or folders and files.
    """
    if not any(path.is_dir() for path in paths):
        names = tuple(str(path) for path in paths)
        return NamedImages(
            tuple(paths), names, FolderOrigin("", names) if len(names) > 1 else Origin(names[0])
        )
    if len(paths) > 1:
        rule = f"{label}: must be one folder, or image files ({', '.join(ENDINGS)})"
        raise DataError(Problem(rule, received=f"{len(paths)} files and folders"))
    found = list_images(paths[0])
    names = tuple(map(shown_name, found.names))
    notes = tuple(found.notes(label))
    return NamedImages(tuple(found.files), names, FolderOrigin(str(paths[0]), names), notes)


def shown_name(name: str) -> str:
    """Return a file's name as text that can be written as UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()


def image_batches(
    files: Sequence[ImageFile], reading: ImageReading, shape: tuple[int, ...]
) -> Iterator[tuple[Array, Array, list[RowError]]]:
    """Yield images, some at a time.

    Args:
        files: their paths.
        reading: how they become arrays.
        shape: of a row: that of the reading, perhaps without the axis of a single channel.

    Yields:
        The pixels, (some, *shape); the places of these files, (some,); and an error for each other file.
    """
    size = max(1, BATCH_BYTES // int(np.prod(reading.shape)))
    decoded = enumerate(in_parallel(files, lambda file: try_decode(file, reading)))
    while some := list(islice(decoded, size)):
        broken = [RowError(place, "", found) for place, found in some if isinstance(found, str)]
        good = [(place, found.pixels) for place, found in some if not isinstance(found, str)]
        pixels = np.array([each for _, each in good], np.uint8).reshape(-1, *shape)
        yield pixels, np.array([place for place, _ in good], np.int64), broken
