"""Survey image files before there is a spec: their classes, sizes and colors, the broken ones, the copies."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mlpcli.data.images.decode_image import BrokenImage, decode
from mlpcli.data.images.find_images import list_images
from mlpcli.data.images.image_files import ImageFile
from mlpcli.data.images.image_reading import ImageReading
from mlpcli.data.images.load_images import TRAITS, in_parallel, read_content
from mlpcli.data.images.new_images import shown_name
from mlpcli.data.inspect.survey import are_imbalanced
from mlpcli.data.readers.broken_rules import RowErrors
from mlpcli.data.readers.row_errors import Origin, RowError
from mlpcli.errors import DataError, Problem, listing
from mlpcli.printable import counted

GLANCE = ImageReading((8, 8), "rgb")
"""How images are decoded only to see whether they can be."""

GRAY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "F")
"""Of Pillow's modes those without colors."""

EXAMPLES, MOST_BROKEN = 3, 5
MOST_COPIES = 50
FEW_IMAGES = 20
"""Of a class: with fewer, what is measured is mostly chance."""

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Glance:
    """What is known of one file.

    Attributes:
        name: of the file, relative to the folder.
        digest: of its content.
        size: height and width; None where it is no image.
        mode: in Pillow's words.
        traits: see `Decoded`.
        broken: why it is no image; empty where it is one.
    """

    name: str
    digest: bytes
    size: tuple[int, int] | None = None
    mode: str = ""
    traits: frozenset[str] = frozenset()
    broken: str = ""


@dataclass(frozen=True)
class ImageSurvey:
    """Surveyed image files.

    Attributes:
        path: of the folder, or the table.
        files: every file.
        classes: the class of each file; empty where it has none.
        parts: the split of each file, by the folders' names; empty where there are none.
        folders: the folder of each split, where the sub-folders are splits.
        notes: what was left out.
        origin: of the table whose cells name the files, a row each; None for a folder.
        column: of these cells.
    """

    path: str
    files: tuple[Glance, ...]
    classes: tuple[str, ...]
    parts: tuple[str, ...]
    folders: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    origin: Origin | None = None
    column: str = ""

    @property
    def good(self) -> list[int]:
        """The places of the files that are images."""
        return [place for place, each in enumerate(self.files) if not each.broken]

    @property
    def sizes(self) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        """Height and width of each image, (images, 2)."""
        found = [each.size for each in self.files if each.size is not None]
        return np.array(found, np.int64).reshape(-1, 2)

    @property
    def modes(self) -> dict[str, int]:
        """The number of images by their mode, the most frequent first."""
        counts = Counter(each.mode for each in self.files if not each.broken)
        return dict(counts.most_common())

    @property
    def is_gray(self) -> bool:
        """Whether no image has colors."""
        return bool(self.good) and all(mode in GRAY_MODES for mode in self.modes)

    def counts(self, part: str | None = None) -> dict[str, int]:
        """Return the images of each class, in one split or in all."""
        names = sorted({*self.classes} - {""})
        found = Counter(self.classes[place] for place in self.good if part in (None, self.parts[place]))
        return {name: found[name] for name in names}

    @property
    def splits(self) -> list[str]:
        """The splits that there are, in their order; none where the sub-folders are classes."""
        return [each for each in SPLITS if each in self.folders]


def survey_folder(folder: Path, label: str) -> ImageSurvey:
    """Look at every image of a folder, whose sub-folders are classes, or splits with classes in them.

    Args:
        folder: the folder.
        label: its name.

    Raises:
        DataError: it holds no images.
    """
    found = list_images(folder)
    if not found.names:
        raise DataError(
            Problem(f"{label}: holds no image files", hint="png, jpg, gif, bmp and webp are read")
        )
    folders = found.splits()
    names = {name: split for split, name in folders.items()}
    classes, parts = [], []
    for name in found.names:
        steps = name.split("/")[:-1]
        part = names.get(steps[0], "") if steps and folders else ""
        inner = steps[1:] if part else steps
        parts.append(part)
        classes.append(shown_name(inner[0]) if inner else "")
    shown = [shown_name(name) for name in found.names]
    files = glance(found.files, shown)
    return ImageSurvey(label, files, tuple(classes), tuple(parts), folders, tuple(found.notes(label)))


def glance(files: Sequence[ImageFile], names: Sequence[str]) -> tuple[Glance, ...]:
    """Look at image files: decode each, to see whether it can be.

    Args:
        files: their paths.
        names: how they are called.
    """
    looks = in_parallel(files, _look)
    return tuple(Glance(name, *each) for name, each in zip(names, looks, strict=True))


def _look(file: ImageFile) -> tuple[bytes, tuple[int, int] | None, str, frozenset[str], str]:
    content = read_content(file)
    if isinstance(content, str):
        return b"", None, "", frozenset(), content
    digest = hashlib.sha256(content).digest()
    try:
        decoded = decode(content, GLANCE)
    except BrokenImage as error:
        return digest, None, "", frozenset(), str(error)
    return digest, decoded.size, decoded.mode, decoded.traits, ""


def image_warnings(survey: ImageSurvey) -> Iterator[str]:
    """Yield what would trip a model up: a line each.

    Args:
        survey: of the files.
    """
    yield from survey.notes
    broken = [place for place, each in enumerate(survey.files) if each.broken]
    if broken:
        shown = _broken_files(survey, broken)
        yield f"{counted(len(broken), 'file')} cannot be read as images: {shown}"
    loose = [place for place in survey.good if not survey.classes[place]]
    if loose and any(survey.classes):
        yield f"{counted(len(loose), 'image')} in no sub-folder, and so without a class"
    yield from _copy_warnings(survey)
    yield from _class_warnings(survey)
    traits = Counter(trait for each in survey.files for trait in each.traits)
    for trait, text in TRAITS.items():
        if traits[trait]:
            yield f"{traits[trait]:,} images {text}"


def _broken_files(survey: ImageSurvey, broken: Sequence[int]) -> str:
    """Return how the first broken files are called, and why they are broken: a table's by row and cell."""
    files = survey.files
    if survey.origin is None:
        stem = survey.path.rstrip("/")
        return listing([f"{stem}/{files[row].name} ({files[row].broken})" for row in broken], MOST_BROKEN)
    where = f"column {survey.column!r}"
    errors = RowErrors(RowError(row, where, files[row].broken, files[row].name) for row in broken)
    return "; ".join(each.headline() for each in errors.problems(survey.origin))


def _copy_warnings(survey: ImageSurvey) -> Iterator[str]:
    """Yield lines on files with the same content: in other classes, in other splits, or in the same."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for place in survey.good:
        groups[survey.files[place].digest].append(place)
    copies = [places for places in groups.values() if len(places) > 1]
    across = [places for places in copies if len({survey.classes[place] for place in places}) > 1]
    shared = [places for places in copies if len({survey.parts[place] for place in places}) > 1]
    same = [places for places in copies if places not in across and places not in shared]
    if across:
        yield f"{counted(len(across), 'image')} in more than one class: {_pairs(survey, across)}"
    if shared:
        rule = f"{counted(len(shared), 'image')} in more than one split: scores look better than they are"
        yield f"{rule}: {_pairs(survey, shared)}"
    if same:
        extra = [place for places in same for place in places[1:]]
        where = "; a random split may put copies on both sides" if not survey.folders else ""
        yield f"{counted(len(extra), 'copy', 'copies')} of other files: {_pairs(survey, same)}{where}"


def _pairs(survey: ImageSurvey, groups: Sequence[Sequence[int]]) -> str:
    shown = [f"{survey.files[a].name} = {survey.files[b].name}" for a, b, *_ in groups]
    return listing(shown, EXAMPLES)


def _class_warnings(survey: ImageSurvey) -> Iterator[str]:
    counts = survey.counts("train" if survey.folders else None)
    if len(counts) < 2:
        return
    if min(counts.values()) and are_imbalanced(counts):
        rare = min(counts, key=counts.__getitem__)
        often = max(counts, key=counts.__getitem__)
        yield f"the classes are imbalanced: {often!r} has {counts[often]:,} images, {rare!r} {counts[rare]:,}"
    few = [f"{name} ({count})" for name, count in counts.items() if count < FEW_IMAGES]
    if few:
        shown = listing(few, 5)
        yield f"classes of fewer than {FEW_IMAGES} images, of which little can be learned: {shown}"
    for split in survey.splits[1:]:
        here = survey.counts(split)
        unknown = [name for name in here if here[name] and not counts.get(name)]
        if unknown:
            folders = survey.folders
            yield f"{folders[split]} has classes that {folders['train']} lacks: {listing(unknown, 5)}"
