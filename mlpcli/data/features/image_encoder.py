"""A column of image files beside other columns: its cells are pixels by the time they are encoded.

Files become pixels where a table is read (`sources/image_columns.py`): only there is it known in which folder
they are. From then on it is a PyArrow column of bytes, of which each cell is an image. So it is sampled, cut
and dropped with the other columns of its rows, a byte for each value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from mlpcli.data.features.encoded import Encoded
from mlpcli.data.images.image_reading import CHANNELS, Fit, ImageReading
from mlpcli.data.readers.parse_cells import ParsedColumn
from mlpcli.data.types import Array, ArrowColumn
from mlpcli.spec.image_keys import MOST_PIXELS, ColorMode

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ImageEncoder:
    """The values of an image one after the other, 0 to 255: rows, then columns, then channels.

    Attributes:
        name: of the raw column, whose cells name files.
        size: height and width.
        color_mode: the channels.
        fit: how an image of another shape comes to this one.
        directory: where the files are, relative to the table's folder.
    """

    name: str
    size: tuple[int, int]
    color_mode: ColorMode = "rgb"
    fit: Fit = "squeeze"
    directory: str = ""
    kind: Literal["image"] = "image"
    text: ClassVar[bool] = False
    indicator: ClassVar[bool] = False
    required: ClassVar[bool] = True

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return (*self.size, CHANNELS[self.color_mode])

    @property
    def width(self) -> int:
        """The number of columns of the matrix."""
        return math.prod(self.shape)

    @property
    def reading(self) -> ImageReading:
        """How the files become pixels."""
        return ImageReading(self.size, self.color_mode, self.fit, self.name, self.directory)

    def encode(self, column: ParsedColumn, out: Array | None = None) -> Encoded:
        """Encode the cells of some rows.

        Args:
            column: of pixels.
            out: (rows, width) float32, where the numbers are to be written; None for a new array.
        """
        values = np.empty((len(column), self.width), np.float32) if out is None else out
        values[:] = pixel_rows(column.arrow, self.width)
        return Encoded(values)


def image_encoder(reading: ImageReading) -> ImageEncoder:
    """Return the encoder of a column whose files are read in some way."""
    return ImageEncoder(reading.column, reading.size, reading.color_mode, reading.fit, reading.directory)


def pixel_column(pixels: Array) -> pa.Array:
    """Return images, (rows, height, width, channels) uint8, as a column of bytes."""
    import pyarrow as pa

    rows, width = len(pixels), math.prod(pixels.shape[1:])
    content = pa.py_buffer(np.ascontiguousarray(pixels, np.uint8))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), rows, [None, content])


def pixel_rows(column: ArrowColumn, width: int) -> Array:
    """Return the images of a column of bytes as flat rows, (rows, width) uint8."""
    import pyarrow as pa

    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [
        np.frombuffer(each.buffers()[1], np.uint8, len(each) * width, each.offset * width).reshape(-1, width)
        for each in chunks
        if len(each)
    ]
    if not parts:
        return np.empty((0, width), np.uint8)
    found: Array = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return found


def image_contradictions(encoder: ImageEncoder, where: str) -> Iterator[str]:
    """Yield what is wrong with an encoder that was read from a file.

    Args:
        encoder: of any values of the right types.
        where: it is from.
    """
    if not all(1 <= side <= MOST_PIXELS for side in encoder.size):
        yield f"{where} has images of an impossible size"
