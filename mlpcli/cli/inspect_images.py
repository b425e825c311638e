"""Folders of images in `inspect` and `init`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpcli.data.inspect.survey_images import ImageSurvey
    from mlpcli.data.readers.reading import Reading
    from mlpcli.report.inspect_images import SurveyedImages


def inspect_images(folder: Path, label: str, *, json: bool) -> None:
    """Show the classes, sizes and colors of a folder of images, and warnings.

    Args:
        folder: the folder.
        label: as it was named.
        json: as one JSON document.

    Raises:
        DataError: it holds no images.
    """
    from mlpcli.data.inspect.survey_images import survey_folder
    from mlpcli.report.console import show_json
    from mlpcli.report.inspect_images import images_json, show_images

    shown = _surveyed(survey_folder(folder, label))
    if json:
        show_json(images_json(shown))
    else:
        show_images(shown)


def refuse_for_images(options: Mapping[str, object], reading: Reading) -> None:
    """Refuse options that are for tables.

    Raises:
        UsageError: there is one.
    """
    from mlpcli.errors import Problem, UsageError

    words = {f"--{name}": value for name, value in vars(reading).items()}
    given = [name for name, value in (*options.items(), *words.items()) if value is not None]
    if given:
        hint = "leave it out: the classes are the sub-folders"
        raise UsageError(*(Problem(f"{name}: is for tables, this is a folder", hint=hint) for name in given))


def _surveyed(survey: ImageSurvey) -> SurveyedImages:
    """Return what is shown of a survey."""
    import numpy as np

    from mlpcli.data.inspect.survey_images import image_warnings
    from mlpcli.report.inspect_images import SurveyedImages

    parts = survey.splits or [""]
    counts = {part: survey.counts(part if survey.splits else None) for part in parts}
    found = survey.sizes
    sizes = None
    if len(found):
        low, middle, high = (
            [int(side) for side in each]
            for each in (found.min(axis=0), np.median(found, axis=0), found.max(axis=0))
        )
        sizes = ((low[0], low[1]), (middle[0], middle[1]), (high[0], high[1]))
    return SurveyedImages(
        survey.path, len(survey.good), counts, sizes, survey.modes, list(image_warnings(survey))
    )
