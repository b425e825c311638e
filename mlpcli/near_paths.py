"""Which path is meant by one that does not exist."""

from __future__ import annotations

import errno
from collections.abc import Collection
from pathlib import Path

from mlpcli.errors import nearest_name

YAML = (".yaml", ".yml")
"""Endings of specs."""

MOST_LOOKED_AT = 5000
"""Entries of a folder."""


def near_path(path: Path, endings: Collection[str] = ()) -> str:
    """Return `did you mean 'x'?` for a path that does not exist, or else where it was looked for.

    A link that leads nowhere is named. The first part of the path that is not there is compared with what is
    in the folder before it; where that is a folder, the rest must be in the folder that is meant.

    Args:
        path: of a file or a folder.
        endings: of the files that can be meant; any, if empty. An empty text among them is for folders.
    """
    folder, missing = _split(path)
    if folder is None or not missing:
        return ""
    name, *rest = missing
    if link := broken_link(folder / name):
        return link
    if rest and (folder / name).is_file():
        return f"{str(folder / name)!r} is a file, not a folder"
    names = _names(folder, () if rest else endings, folders=bool(rest))
    found = _nearest_file(name, names)
    if found:
        meant = folder.joinpath(found, *rest)
        shown = found if not rest else str(meant)
        if not rest or meant.exists():
            return f"did you mean {shown!r}?"
        return f"did you mean the folder {str(folder / found)!r}? it has no {'/'.join(rest)}"
    return f"there is no folder {str(folder / name)!r}" if rest else f"looked in {str(folder.resolve())!r}"


def broken_link(path: Path) -> str:
    """Return a line on a link that leads to no file and no folder; empty for all else.

    Args:
        path: of the link itself.
    """
    try:
        if not path.is_symlink() or path.exists():
            return ""
        target = str(path.readlink())
        path.stat()
    except OSError as error:
        circle = error.errno == errno.ELOOP
        where = "in a circle" if circle else f"nowhere: there is no {target!r}"
        return f"{str(path)!r} is a link that leads {where}"
    except ValueError:  # a NUL in the name
        return ""
    return ""


def _nearest_file(name: str, names: Collection[str]) -> str | None:
    """Return the name that is meant; where the endings are the same, only what is before them is compared."""
    stem, ending = Path(name).stem, Path(name).suffix.lower()
    same = {Path(each).stem: each for each in names if ending and Path(each).suffix.lower() == ending}
    found = nearest_name(stem, same)
    return same[found] if found else nearest_name(name, [each for each in names if each not in same.values()])


def _split(path: Path) -> tuple[Path | None, list[str]]:
    """Return the longest beginning of a path that is a folder, and the parts behind it."""
    missing: list[str] = []
    try:
        while not path.is_dir():
            missing.insert(0, path.name)
            if path == path.parent:
                return None, missing
            path = path.parent
    except (OSError, ValueError):
        return None, missing
    return path, missing


def _names(folder: Path, endings: Collection[str], *, folders: bool) -> list[str]:
    """Return what is in a folder and may be meant, sorted."""
    found = []
    try:
        for count, entry in enumerate(folder.iterdir()):
            if count == MOST_LOOKED_AT:
                break
            fits = entry.is_dir() if folders else _fits(entry, endings)
            if fits and not entry.name.startswith(".") and not broken_link(entry):
                found.append(entry.name)
    except OSError:
        return []
    return sorted(found)


def _fits(entry: Path, endings: Collection[str]) -> bool:
    """Return whether a file, or a folder, is of a kind that can be meant."""
    if not endings:
        return True
    return "" in endings if entry.is_dir() else entry.suffix.lower() in {*endings} - {""}
