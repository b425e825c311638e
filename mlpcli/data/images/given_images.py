"""Image files in a request: `{"b64": "..."}`, as TensorFlow Serving takes bytes in JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

from mlpcli.data.images.decode_image import BrokenImage, decode, quiet
from mlpcli.data.images.image_reading import ImageReading
from mlpcli.data.readers.row_errors import RowError

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
            try:
                content = base64.b64decode(row[BASE64], validate=True)
                found.append(decode(content, reading).pixels)
            except (binascii.Error, TypeError, ValueError):
                found.append(None)
                broken.append(RowError(place, BASE64, "must be a text in base64, the bytes of an image file"))
            except BrokenImage as error:
                found.append(None)
                broken.append(RowError(place, BASE64, str(error)))
    return found, broken
