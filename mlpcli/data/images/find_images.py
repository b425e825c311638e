"""Find the image files of a folder, and the class of each: the sub-folder that it is in."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlpcli.errors import DataError, Problem, listing
from mlpcli.spec.split_forms import NAMES_OF_SPLITS, TRAIN

ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp")


@dataclass(frozen=True)
class ImageFolder:
    """The image files of a folder.

    Attributes:
        path: of the folder.
        names: of the files, relative to it, with slashes, in order.
        hidden: how many hidden files and folders were left out.
        others: how many files of other kinds, by their extension.
        empty: the sub-folders without an image.
    """

    path: Path
    names: tuple[str, ...]
    hidden: int
    others: Counter[str]
    empty: tuple[str, ...]

    @property
    def files(self) -> list[Path]:
        """The paths of the files."""
        return [self.path / name for name in self.names]

    @property
    def classes(self) -> list[str]:
        """The class of each file, its first sub-folder; empty for a file in the folder itself."""
        return [name.partition("/")[0] if "/" in name else "" for name in self.names]

    @property
    def counts(self) -> dict[str, int]:
        """The files of each class, in order, the empty ones too; without those in the folder itself."""
        found = Counter(self.classes)
        names = sorted({*found, *self.empty} - {""})
        return {name: found[name] for name in names}

    def without_loose(self) -> ImageFolder:
        """Return the folder without the files that are in no sub-folder."""
        return ImageFolder(
            self.path,
            tuple(name for name in self.names if "/" in name),
            self.hidden,
            self.others,
            self.empty,
        )

    def splits(self) -> dict[str, str]:
        """Return sub-folders that are splits by their names: `train`, and `validation` or `test`.

        Returns:
            The sub-folder of each split; empty unless all sub-folders are splits and one is for training.
        """
        words = {word: split for split, words in NAMES_OF_SPLITS.items() for word in words}
        tops = self.counts
        named = {words[each.lower()]: each for each in tops if each.lower() in words}
        return named if TRAIN in named and len(named) == len(tops) else {}

    def notes(self, label: str) -> Iterator[str]:
        """Yield a line for what was left out.

        Args:
            label: of the folder.
        """
        if self.others:
            shown = listing([f"{ending} ({count:,})" for ending, count in self.others.most_common()], 5)
            total = sum(self.others.values())
            yield f"{label}: other files are left out, {total:,} by extension: {shown}"
        if self.hidden:
            yield f"{label}: hidden files and folders are left out: {self.hidden:,}"
        if self.empty:
            yield f"{label}: sub-folders without an image are no classes: {listing(self.empty, 5)}"


def is_image_name(name: str) -> bool:
    """Return whether a file's extension is that of an image."""
    return Path(name).suffix.lower() in ENDINGS


def holds_images(folder: Path) -> bool:
    """Return whether there is any image file in a folder or below it."""
    return any(True for _, names in _walk(folder) for name in names if _kept(name) == "image")


def list_images(folder: Path) -> ImageFolder:
    """Return the image files in a folder and in all folders below it.

    Hidden files and folders are left out; links to folders are followed, each folder once.

    Args:
        folder: the folder.
    """
    found: list[str] = []
    hidden, others = 0, Counter[str]()
    tops: dict[str, int] = {}
    for inner, names in _walk(folder):
        stem = "" if inner == "" else f"{inner}/"
        top = inner.partition("/")[0]
        if top:
            tops.setdefault(top, 0)
        for name in names:
            kind = _kept(name)
            if kind == "image":
                found.append(stem + name)
                if top:
                    tops[top] += 1
            elif kind == "hidden":
                hidden += 1
            else:
                others[Path(name).suffix.lower() or "none"] += 1
    empty = tuple(sorted(name for name, count in tops.items() if not count))
    return ImageFolder(folder, tuple(sorted(found)), hidden + _hidden_folders(folder), others, empty)


def _kept(name: str) -> str:
    if name.startswith(".") or name in ("Thumbs.db", "desktop.ini"):
        return "hidden"
    return "image" if is_image_name(name) else "other"


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder that is not hidden, relative with slashes, and the names of its files.

    Raises:
        DataError: a folder cannot be read; without its images, a class would be missing.
    """
    seen: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        status = Path(place).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        inner = os.path.relpath(place, folder).replace(os.sep, "/")
        yield ("" if inner == "." else inner), names


def _refuse(error: OSError) -> None:
    hint = "allow it to be read, or name a folder without it"
    raise DataError(Problem(f"{error.filename}: cannot be read ({error.strerror})", hint=hint)) from None


def _hidden_folders(folder: Path) -> int:
    """Return how many hidden folders are directly in a folder."""
    with os.scandir(folder) as entries:
        hidden = (each.name.startswith(".") or each.name == "__MACOSX" for each in entries if each.is_dir())
        return sum(hidden)
