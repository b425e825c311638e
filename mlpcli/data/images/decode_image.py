"""Decode an image file into an array of pixels.

Only Pillow's readers of the named formats are used; others of it start programs. An image is turned as its
EXIF data says, brought to the channels that are wanted, cropped or padded, and resized by the bilinear filter
with antialiasing. `export/image_graph.py` computes the same in TensorFlow, to the last bit.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.images.image_reading import ImageReading
from mlpcli.data.types import Array

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
KINDS = "PNG, JPEG, GIF, BMP, WebP"
MOST_PIXELS = 100_000_000
"""Of one file; a file of a few bytes can claim billions."""

LONGEST_SIDE = 65_535
"""Of one file, as in JPEG: one as thin as a hair becomes as wide as is wanted before it gets shorter."""

MOST_BYTES = 512 << 20
"""Of one file."""

NO_MEMORY = "does not fit into memory"
"""Why a file is broken now, and may not be at another time."""

ORIENTATION = 0x0112
"""The EXIF tag of how the camera was held."""


class BrokenImage(Exception):
    """A file cannot be read as an image; the message is the reason."""


@dataclass(frozen=True)
class Decoded:
    """An image.

    Attributes:
        pixels: (height, width, channels), uint8.
        size: height and width in the file, as the image is to be seen.
        mode: of the file, in Pillow's words: `RGB`, `L`, `P`, `CMYK`, `I;16`.
        traits: `transparent`, `frames` (more than one), `deep` (more than 8 bits), `turned` (by EXIF).
    """

    pixels: Array
    size: tuple[int, int]
    mode: str
    traits: frozenset[str]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Pillow's warnings to itself: what matters in them is an error here, or a note."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def image_size(content: bytes) -> tuple[int, int]:
    """Return height and width of an image as it is to be seen, from the first bytes of its file.

    Args:
        content: of the file.

    Raises:
        BrokenImage: it is no image.
    """
    with _opened(content) as image:
        return _size(image)


def decode(content: bytes, reading: ImageReading) -> Decoded:
    """Return the image in a file.

    Args:
        content: of the file.
        reading: how it becomes an array.

    Raises:
        BrokenImage: it is no image, or damaged.
    """
    with _opened(content) as image:
        size, mode = _size(image), image.mode
        traits = frozenset(_traits(image))
        plain = _in_mode(_turned(image), reading.color_mode)
        shaped = _in_shape(plain, reading)
        pixels = np.asarray(shaped, np.uint8).reshape(reading.shape)
    return Decoded(pixels, size, mode, traits)


@contextmanager
def _opened(content: bytes) -> Iterator[Image.Image]:
    """Open an image; whatever its decoder raises becomes a `BrokenImage`."""
    if not content:
        raise BrokenImage("is empty (0 bytes)")
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise BrokenImage(f"has {image.width:,} x {image.height:,} pixels, more than 100 million")
            if max(image.size) > LONGEST_SIDE:
                raise BrokenImage(f"has a side of {max(image.size):,} pixels, more than {LONGEST_SIDE:,}")
            yield image
    except UnidentifiedImageError:
        raise BrokenImage(f"is no image of a kind that is read ({KINDS})") from None
    except BrokenImage:
        raise
    except MemoryError:
        raise BrokenImage(NO_MEMORY) from None
    except Exception as error:  # decoders fail in a dozen ways: OSError, SyntaxError, ValueError, EOFError
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BrokenImage(f"cannot be decoded ({reason[:120]})") from None


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # damaged EXIF data says nothing on how the image is to be seen
        return 1


def _size(image: Image.Image) -> tuple[int, int]:
    upright = (image.height, image.width)
    return upright[::-1] if _orientation(image) in (5, 6, 7, 8) else upright


def _traits(image: Image.Image) -> Iterator[str]:
    if _is_transparent(image):
        yield "transparent"
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        yield "frames"
    if image.mode.startswith("I"):
        yield "deep"
    if _orientation(image) in range(2, 9):
        yield "turned"


def _is_transparent(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def _turned(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    return ImageOps.exif_transpose(image) if _orientation(image) in range(2, 9) else image


def _in_mode(image: Image.Image, color_mode: str) -> Image.Image:
    """Return an image in the channels that are wanted; what is transparent becomes white without alpha."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits: the upper 8
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    if color_mode == "rgba":
        return image.convert("RGBA")
    if _is_transparent(image):
        image = _on_white(np.asarray(image.convert("RGBA"), np.uint32))
    if color_mode == "rgb":
        return image.convert("RGB")
    return image if image.mode == "L" else image.convert("RGB").convert("L")


def _on_white(pixels: Array) -> Image.Image:
    """Return an image of (height, width, 4) on white."""
    from PIL import Image

    alpha = pixels[..., 3:]
    mixed = (pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return Image.fromarray(mixed.astype(np.uint8))


def _in_shape(image: Image.Image, reading: ImageReading) -> Image.Image:
    from PIL import Image

    height, width = reading.size
    if reading.fit != "squeeze":
        box = fitting_box(image.height, image.width, reading)
        image = image.crop(box)  # beyond its edges it is 0
    if image.size == (width, height):
        return image
    # Of both directions at once, versions of Pillow begin with one or the other, which rounds otherwise.
    premultiplied = image.convert("RGBa") if image.mode == "RGBA" else image
    bilinear = Image.Resampling.BILINEAR
    resized = premultiplied.resize((width, image.height), bilinear).resize((width, height), bilinear)
    return resized.convert("RGBA") if image.mode == "RGBA" else resized


def fitting_box(height: int, width: int, reading: ImageReading) -> tuple[int, int, int, int]:
    """Return the box (left, top, right, bottom) of an image's own shape that has the wanted proportions.

    The box is Keras's of `keras.utils.image_dataset_from_directory`, around the middle: the largest inside
    the image to crop it, the smallest around it to pad it.

    Args:
        height: of the image.
        width: of the image.
        reading: with the wanted size.
    """
    wanted_height, wanted_width = reading.size
    tall, wide = int(width * wanted_height / wanted_width), int(height * wanted_width / wanted_height)
    if reading.fit == "crop":
        tall, wide = max(min(height, tall), 1), max(min(width, wide), 1)
    else:
        tall, wide = max(height, tall), max(width, wide)
    sign = 1 if reading.fit == "crop" else -1
    top, left = sign * (sign * (height - tall) // 2), sign * (sign * (width - wide) // 2)
    return left, top, left + wide, top + tall
