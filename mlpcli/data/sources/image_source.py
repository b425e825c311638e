"""Open a folder of images, with a sub-folder for each class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from mlpcli.data.images.find_images import ImageFolder, list_images
from mlpcli.data.images.image_origin import FolderOrigin
from mlpcli.data.images.image_reading import (
    CLASS,
    ImageSettings,
    drops_broken,
)
from mlpcli.data.labels import Labels
from mlpcli.data.sources.array_source import cut_targets, with_outputs
from mlpcli.data.sources.source_images import dropped_note, good_images, wanted_reading
from mlpcli.data.sources.source_rows import Source, SourceRows
from mlpcli.data.types import TargetKind
from mlpcli.errors import Problem, SpecError, listing
from mlpcli.printable import counted
from mlpcli.spec.schema import DatasetSpec


def open_image_folder(
    spec: DatasetSpec, path: Path, target_kinds: Mapping[str, TargetKind | None], kept: Path | None
) -> Source:
    """Read a folder of images, whose sub-folders are the classes.

    Args:
        spec: the `dataset` section.
        path: of the folder.
        target_kinds: what the loss of each output takes, by the output's name.
        kept: the folder for decoded images; None for none.

    Raises:
        SpecError: the spec has keys that are for tables, or no size; or there are no classes.
        DataError: files are broken.
    """
    assert spec.path is not None
    found = list_images(path)
    if problems := [*_target_problems(spec, target_kinds), *_layout_problems(found, spec.path)]:
        raise SpecError(*problems)
    settings = ImageSettings(wanted_reading(spec, found.files), drops_broken(spec), kept)
    main, notes = folder_rows(found, spec.path, settings)
    source = Source(main, None, "array", (), (CLASS,), spec.path, notes=notes, images=settings)
    return with_outputs(spec, source, target_kinds)


def _target_problems(spec: DatasetSpec, target_kinds: Mapping[str, TargetKind | None]) -> Iterator[Problem]:
    if isinstance(spec.target, dict | None) or spec.target == CLASS:
        if "numbers" in target_kinds.values():
            hint = "use a loss for classes, such as sparse_categorical_crossentropy"
            rule = "is for numbers, the sub-folders of a folder of images are classes"
            yield Problem(rule, path=("loss",), hint=hint)
        return
    hint = "remove it: the class of an image is the sub-folder that it is in"
    rule = "is for tables; for other targets give a table with a column of file names"
    yield Problem(rule, path=("dataset", "target"), received=spec.target, hint=hint)


def _layout_problems(found: ImageFolder, label: str) -> Iterator[Problem]:
    """Yield why a folder of images has no classes: its sub-folders are splits, there is one, or none."""
    path = ("dataset", "path")
    if not found.names:
        yield Problem("holds no image files (png, jpg, gif, bmp, webp)", path=path, received=label)
        return
    stem = label.rstrip("/")
    if splits := found.splits():
        keys = {"train": "path"}
        words = [f"{keys.get(split, split)}: {stem}/{name}" for split, name in splits.items()]
        rule = f"its sub-folders are splits, not classes: {', '.join(splits.values())}"
        yield Problem(rule, path=path, received=label, hint=f"write {', '.join(sorted(words))}")
    elif len(counts := found.counts) < 2:
        seen = f"it has one, {listing(counts)}" if counts else "all its images are in the folder itself"
        hint = f"{seen}; or give a table with a column of file names and their targets"
        rule = "must have a sub-folder for each class, two or more"
        yield Problem(rule, path=path, received=label, hint=hint)


def folder_rows(
    found: ImageFolder, label: str, settings: ImageSettings
) -> tuple[SourceRows, tuple[str, ...]]:
    """Read the images of a folder with their classes; return them, and what to know of them.

    Args:
        found: its files.
        label: its name.
        settings: how they are read.

    Raises:
        DataError: files are broken, and are not to be left out.
    """
    notes = list(found.notes(label))
    loose = len(found.names)
    found = found.without_loose()
    if loose := loose - len(found.names):
        notes.append(f"{label}: {counted(loose, 'image')} in no sub-folder, so without a class, left out")
    origin = FolderOrigin(label, found.names)
    images, good = good_images(found.files, origin, settings)
    if len(good) < len(found.names):
        origin = FolderOrigin(label, [found.names[place] for place in good])
        notes.append(dropped_note(label, images, found.names))
    classes = [found.classes[place] for place in good]
    values = sorted({*classes})
    places = {name: place for place, name in enumerate(values)}
    target = Labels(values, np.array([places[each] for each in classes], np.int64))
    notes += images.notes(label, settings.reading)
    pixels = images.pixels if len(good) == len(images.pixels) else images.pixels[good]
    return SourceRows(pixels, target, origin, "the sub-folder"), tuple(notes)


def read_folder_split(path: Path, text: str, split: str, source: Source) -> SourceRows:
    """Read the images of a split: a folder with the same classes as sub-folders.

    Args:
        path: of the folder.
        text: the path in the spec.
        split: the name of the split.
        source: of the other rows.

    Raises:
        SpecError: it is no such folder.
        DataError: files are broken.
    """
    assert source.images is not None
    found = list_images(path).without_loose() if path.is_dir() else None
    if found is None or not found.names:
        rule = "must be a folder with a sub-folder of images for each class, as the dataset is"
        raise SpecError(Problem(rule, path=("dataset", split), received=text))
    return cut_targets(folder_rows(found, text, source.images)[0], source)
