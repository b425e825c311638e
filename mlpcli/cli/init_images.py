"""What `mlpcli init` writes for image files: of a folder, or of a table that names them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mlpcli.cli.inspect_images import refuse_for_images
from mlpcli.cli.spec_file import data_path

if TYPE_CHECKING:
    from mlpcli.data.inspect.propose_images import ImageSource
    from mlpcli.data.inspect.survey import Survey
    from mlpcli.data.inspect.survey_images import ImageSurvey
    from mlpcli.data.readers.reading import Reading
    from mlpcli.report.init import Proposal


CHECKED_BELOW = 10
"""With fewer images of a class, the splits are tried before a spec is written."""


class Written(NamedTuple):
    """How a proposed spec is written.

    path: of the spec.
    name: of the experiment.
    effort: how much time the training may take.
    """

    path: Path
    name: str
    effort: str


def propose_folder(data: str, options: Mapping[str, object], reading: Reading, written: Written) -> Proposal:
    """Return the spec for a folder of images, to be written to `path`.

    Args:
        data: the folder.
        options: that are for tables.
        reading: how a table would be read.
        written: how the spec is written.

    Raises:
        DataError: there are no classes, or too few images.
        UsageError: an option is for tables.
    """
    from mlpcli.data.inspect.propose_images import ImageSource
    from mlpcli.data.inspect.propose_spec import scalar
    from mlpcli.data.inspect.survey_images import survey_folder

    refuse_for_images(options, reading)
    survey = survey_folder(Path(data), data)
    folder = written.path.parent
    places = {split: data_path(str(Path(data, name)), folder) for split, name in survey.folders.items()}
    splits = {split: scalar(place) for split, place in places.items() if split != "train"}
    source = ImageSource(scalar(places.get("train", data_path(data, folder))), splits=splits)
    return _proposal(survey, source, written, "class", "the sub-folders are classes")


def propose_table(survey: Survey, column: str, images: ImageSurvey, data: str, written: Written) -> Proposal:
    """Return the spec for a table that names image files, to be written to `path`.

    Args:
        survey: of the table.
        column: that names the files.
        images: the files.
        data: the table.
        written: how the spec is written.

    Raises:
        DataError: there are too few images.
    """
    from mlpcli.data.inspect.propose_images import ImageSource
    from mlpcli.data.inspect.propose_spec import scalar

    assert survey.task is not None
    assert survey.target is not None
    numbers = survey.task.kind == "regression"
    place = data_path(data, written.path.parent)
    source = ImageSource(scalar(place), scalar(column), scalar(survey.target), numbers)
    return _proposal(images, source, written, survey.target, survey.task.reason)


def check_pictures(images: Mapping[str, ImageSurvey]) -> dict[str, ImageSurvey]:
    """Return the columns of a table that name image files, as YAML scalars.

    Args:
        images: what the columns name.

    Raises:
        DataError: none of a column's files is an image.
    """
    from mlpcli.data.inspect.propose_spec import scalar
    from mlpcli.errors import DataError, Problem

    for name, each in images.items():
        if not each.good:
            rule = f"{each.path}: column {name!r} names {len(each.files):,} files, none of which is an image"
            raise DataError(Problem(rule, hint=f"the first one {each.files[0].broken}"))
    return {scalar(name): each for name, each in images.items()}


def _proposal(survey: ImageSurvey, source: ImageSource, written: Written, target: str, why: str) -> Proposal:
    from mlpcli.data.inspect.check_proposal import check_spec
    from mlpcli.data.inspect.effort import check_effort
    from mlpcli.data.inspect.propose_images import propose_images
    from mlpcli.data.inspect.propose_spec import scalar
    from mlpcli.data.inspect.survey_images import image_warnings
    from mlpcli.report.init import Proposal

    text = propose_images(
        survey,
        source,
        name=scalar(written.name),
        command=f"mlpcli train {written.path}",
        effort=check_effort(written.effort),
    )
    counts = [count for count in survey.counts("train" if survey.folders else None).values() if count]
    if not source.numbers and min(counts) < CHECKED_BELOW:
        rule = f"{survey.path}: no spec is written, since training would fail with so few images of a class"
        check_spec(text, written.path, rule, classes=True)
    splits = ", ".join(f"{split}: {place}" for split, place in source.splits.items())
    return Proposal(
        file=str(written.path),
        target=target,
        task="regression" if source.numbers else "classification",
        why=why,
        rows=len(survey.good),
        rows_without_target=0,
        notes=(),
        splits=splits and f"the sub-folders are splits: {splits}",
        warnings=list(image_warnings(survey)),
        spec=text,
        row="image",
    )
