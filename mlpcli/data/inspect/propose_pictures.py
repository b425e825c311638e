"""What `mlpcli init` proposes for columns of images beside other columns of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlpcli.data.inspect.effort import Effort
from mlpcli.data.inspect.propose_images import image_layers, is_cropped, proposed_size, sizes_found
from mlpcli.data.inspect.survey_images import ImageSurvey

Pictures = Mapping[str, ImageSurvey]
"""The columns that name image files, as YAML scalars, and what is known of the files."""


def picture_keys(survey: ImageSurvey, effort: Effort) -> str:
    """Return the keys of a column of images, as YAML."""
    height, width = proposed_size(survey, effort)
    keys = [f"kind: image, image_size: [{height}, {width}]"]
    keys += [f"color_mode: {'grayscale' if survey.is_gray else 'rgb'}"]
    keys += ["crop_to_aspect_ratio: true"] if is_cropped(survey, effort) else []
    keys += ["broken_files: drop"] if any(each.broken for each in survey.files) else []
    return ", ".join(keys)


def picture_features(pictures: Pictures, effort: Effort) -> Iterator[str]:
    """Yield a line of `features` for each column of images."""
    for column, survey in pictures.items():
        yield f"    # files of {sizes_found(survey)} pixels (height x width)"
        yield f"    {column}: {{{picture_keys(survey, effort)}}}"


def picture_inputs(pictures: Pictures) -> dict[str, str]:
    """Return the inputs of columns of images by name: the columns of each as YAML."""
    if len(pictures) == 1:
        return {"picture": "{kinds: [image]}"}
    return {f"picture_{number}": f"{{columns: [{column}]}}" for number, column in enumerate(pictures, 1)}


def picture_layers(pictures: Pictures, effort: Effort, members: int = 0) -> Iterator[str]:
    """Yield the layers that make a vector of each image, a branch for each column.

    Args:
        pictures: the columns.
        effort: how large they are.
        members: of the ensemble that reads the vectors; 0 for none.
    """
    for name, survey in zip(picture_inputs(pictures), pictures.values(), strict=True):
        yield from image_layers(survey, effort, name, members)
