"""Image files in a request: `{"b64": "..."}`, as TensorFlow Serving takes bytes in JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

import numpy as np

from mlpcli.data.images.decode_image import BrokenImage, decode, quiet
from mlpcli.data.images.image_reading import ImageReading
from mlpcli.data.readers.row_errors import RowError
from mlpcli.data.types import Array

BASE64 = "b64"
"""The only key of a row that is an image file in base64."""


def decode_given(rows: Sequence[object], reading: ImageReading) -> tuple[list[object], list[RowError]]:
    """Return rows with the pixels of those that are image files, and an error for each that is a broken one.

    Args:
        rows: image files in base64; any others are returned as they are.
        reading: how files become arrays.
    """
    found: list[object] = []
    broken: list[RowError] = []
    with quiet():
        for place, row in enumerate(rows):
            if not isinstance(row, Mapping) or list(row) != [BASE64]:
                found.append(row)
                continue
            pixels = _of_base64(row[BASE64], reading)
            if isinstance(pixels, str):
                broken.append(RowError(place, BASE64, pixels))
            found.append(None if isinstance(pixels, str) else pixels)
    return found, broken


def given_pixels(value: object, reading: ImageReading) -> Array | str:
    """Return the pixels of a cell that is an image, (height, width, channels) uint8; or why it is none.

    Args:
        value: `{"b64": "..."}`, or whole numbers from 0 to 255 as nested lists.
        reading: how files become arrays.
    """
    if isinstance(value, Mapping) and list(value) == [BASE64]:
        with quiet():
            return _of_base64(value[BASE64], reading)
    shape = " x ".join(map(str, reading.shape))
    rule = f'must be an image file, {{"b64": "..."}}, or {shape} whole numbers from 0 to 255 as nested lists'
    if not isinstance(value, list):
        return rule
    try:
        pixels = np.asarray(value)
    except ValueError:
        return rule
    if (
        pixels.shape != reading.shape
        or pixels.dtype.kind not in "iu"
        or pixels.min() < 0
        or pixels.max() > 255
    ):
        return rule
    return pixels.astype(np.uint8)


def _of_base64(value: object, reading: ImageReading) -> Array | str:
    try:
        return decode(base64.b64decode(value, validate=True), reading).pixels  # type: ignore[arg-type]
    except BrokenImage as error:
        return str(error)
    except (binascii.Error, TypeError, ValueError):
        return "must be a text in base64, the bytes of an image file"
