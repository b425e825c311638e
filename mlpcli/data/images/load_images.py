"""Read image files into one array of pixels: in parallel, and once, since what was decoded is kept."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from mlpcli.data.images import kept_pixels
from mlpcli.data.images.decode_image import (
    MOST_BYTES,
    NO_MEMORY,
    BrokenImage,
    Decoded,
    decode,
    image_size,
    quiet,
)
from mlpcli.data.images.image_files import ImageFile, RefusedFile
from mlpcli.data.images.image_reading import ImageReading
from mlpcli.data.readers.row_errors import Origin, RowError, check_memory
from mlpcli.data.types import Array
from mlpcli.files import read_ordinary
from mlpcli.machine import usable_cores
from mlpcli.printable import counted

T = TypeVar("T")
F = TypeVar("F")

AHEAD = 64
"""Files that wait for their turn, so that not all of them are in memory at once."""

TRAITS = {
    "frames": "have more than one frame: the first is read",
    "deep": "have 16 bits a value: the upper 8 are read",
    "transparent": "are transparent in places: on white there",
}
"""What a note says of images with a trait."""


@dataclass(frozen=True)
class ImageRows:
    """Images in memory.

    Attributes:
        pixels: (images, height, width, channels), uint8; an image that is broken is 0.
        broken: an error for each file that is no image, its row the place among the files.
        traits: how many images have each trait: see `Decoded`.
    """

    pixels: Array
    broken: tuple[RowError, ...] = ()
    traits: Counter[str] = field(default_factory=Counter)

    @property
    def good(self) -> Array:
        """The places of the files that are images, (images,) int64."""
        bad = [each.row for each in self.broken]
        return np.setdiff1d(np.arange(len(self.pixels)), bad)

    def notes(self, label: str, reading: ImageReading) -> Iterator[str]:
        """Yield a line for each trait that some images have.

        Args:
            label: of the files.
            reading: how they were read.
        """
        for trait, text in TRAITS.items():
            if self.traits[trait] and not (trait == "transparent" and reading.color_mode == "rgba"):
                yield f"{label}: {self.traits[trait]:,} of {counted(len(self.pixels), 'image')} {text}"


def load_images(
    files: Sequence[ImageFile], reading: ImageReading, origin: Origin, kept: Path | None = None
) -> ImageRows:
    """Read image files into one array.

    Args:
        files: their paths.
        reading: how they become arrays.
        origin: of all of them, for messages.
        kept: the folder for decoded images; None to decode them now.

    Raises:
        DataError: they do not fit into memory.
    """
    size = len(files) * int(np.prod(reading.shape))
    check_memory(size, origin)
    if kept is None:
        return _decoded(files, reading)
    name = kept_pixels.name_of(in_parallel(files, _digest), reading)
    if (found := kept_pixels.find(kept, name, (len(files), *reading.shape))) is not None:
        pixels, facts = found
        broken = tuple(RowError(row, "", rule) for row, rule in facts.broken)
        return ImageRows(pixels, broken, Counter(facts.traits))
    rows = _decoded(files, reading)
    if any(each.rule == NO_MEMORY for each in rows.broken):
        return rows  # with more memory, they are images
    kept_pixels.keep(
        kept,
        name,
        rows.pixels,
        kept_pixels.Facts([(each.row, each.rule) for each in rows.broken], dict(rows.traits)),
    )
    return rows


def _decoded(files: Sequence[ImageFile], reading: ImageReading) -> ImageRows:
    pixels = np.zeros((len(files), *reading.shape), np.uint8)
    broken: list[RowError] = []
    traits: Counter[str] = Counter()
    for row, found in enumerate(in_parallel(files, lambda file: try_decode(file, reading))):
        if isinstance(found, str):
            broken.append(RowError(row, "", found))
        else:
            pixels[row] = found.pixels
            traits.update(found.traits)
    return ImageRows(pixels, tuple(broken), traits)


def try_decode(file: ImageFile, reading: ImageReading) -> Decoded | str:
    """Return the image in a file, or why there is none."""
    content = read_content(file)
    if isinstance(content, str):
        return content
    try:
        return decode(content, reading)
    except BrokenImage as error:
        return str(error)


def sizes_of(files: Sequence[ImageFile]) -> list[tuple[int, int] | None]:
    """Return height and width of each image as it is to be seen; None where it cannot be read."""

    def size(file: ImageFile) -> tuple[int, int] | None:
        content = read_content(file)
        try:
            return None if isinstance(content, str) else image_size(content)
        except BrokenImage:
            return None

    return list(in_parallel(files, size))


def read_content(file: ImageFile) -> bytes | str:
    """Return the bytes of a file, or why they cannot be read."""
    if isinstance(file, RefusedFile):
        return file.rule
    try:
        return read_ordinary(file, MOST_BYTES)
    except FileNotFoundError:
        return _why_absent(file)
    except (OSError, ValueError) as error:
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"


def _why_absent(file: Path) -> str:
    """Return why a file is not there: it, or a folder above it, may be a link that leads nowhere."""
    for place in (file, *file.parents):
        if place.is_symlink() and not place.exists():
            what = "is" if place == file else f"is in {str(place)!r}, which is"
            return f"{what} a link to {str(place.readlink())!r}, which does not exist"
    return "there is no such file"


def _digest(file: ImageFile) -> bytes:
    """Return the sha256 of a file's bytes; of the reason where it cannot be read."""
    content = read_content(file)
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).digest()


def in_parallel(files: Iterable[F], work: Callable[[F], T]) -> Iterator[T]:
    """Yield what a function gives for each file, in order; it runs in as many threads as there are cores.

    Args:
        files: their paths.
        work: spends its time where Python's lock is released, as decoders and hashes do.
    """
    cores = usable_cores()
    with quiet(), ThreadPoolExecutor(cores, thread_name_prefix="images") as pool:
        waiting = []
        for file in files:
            waiting.append(pool.submit(work, file))
            if len(waiting) >= AHEAD:
                yield waiting.pop(0).result()
        for each in waiting:
            yield each.result()
