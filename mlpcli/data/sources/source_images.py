"""Read the image files of a source: in which size, and what becomes of files that are no images."""

from __future__ import annotations

from collections.abc import Sequence

from mlpcli.data.images.image_files import ImageFile
from mlpcli.data.images.image_reading import ImageReading, ImageSettings, image_keys, place_of, reading_of
from mlpcli.data.images.load_images import ImageRows, load_images, sizes_of
from mlpcli.data.readers.broken_rules import raise_row_errors
from mlpcli.data.readers.row_errors import Origin
from mlpcli.data.types import Array
from mlpcli.errors import Problem, SpecError, listing
from mlpcli.printable import counted
from mlpcli.spec.schema import DatasetSpec

DROP = "repair or remove them, or write broken_files: drop to leave them out"


def wanted_reading(spec: DatasetSpec, files: Sequence[ImageFile], column: str | None = None) -> ImageReading:
    """Return how the images of a spec are read: in their own size where all have one, and none is given.

    Args:
        spec: the `dataset` section.
        files: all of them.
        column: of the table, that names them; None for the first, or for a folder.

    Raises:
        SpecError: they have several.
    """
    given = image_keys(spec, column).get("image_size")
    if isinstance(given, list):
        return reading_of(spec, (given[0], given[1]), column)
    sizes = sorted({size for size in sizes_of(files) if size is not None})
    if len(sizes) == 1:
        return reading_of(spec, sizes[0], column)
    if not sizes:
        return reading_of(spec, (1, 1), column)  # all are broken, which is the error to show
    low, high = (f"{side[0]} x {side[1]}" for side in (sizes[0], sizes[-1]))
    rule = f"is required: the images have {len(sizes):,} sizes, from {low} to {high} (height x width)"
    raise SpecError(
        Problem(rule, path=place_of(spec, "image_size", column), hint="write image_size: [64, 64]")
    )


def dropped_note(label: str, images: ImageRows, names: Sequence[str]) -> str:
    """Return the line on files that were left out, with their names."""
    shown = listing([f"{names[each.row]} ({each.rule})" for each in images.broken], 3)
    files = counted(len(images.broken), "file that is no image", "files that are no images")
    return f"{label}: {files}, left out: {shown}"


def good_images(
    files: Sequence[ImageFile], origin: Origin, settings: ImageSettings
) -> tuple[ImageRows, Array]:
    """Read image files; return them, and the places of those that are images.

    Raises:
        DataError: others are broken, and are not to be left out; or all are.
    """
    images = load_images(files, settings.reading, origin, settings.kept)
    good = images.good
    if images.broken and (not settings.drop or not len(good)):
        way_out = "" if settings.drop else DROP
        raise_row_errors(origin, images.broken, way_out=way_out)
    return images, good
