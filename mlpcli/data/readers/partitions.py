"""Columns from the names of folders, `year=2024/month=03/part-0.parquet`, as Hive, Spark and PyArrow write.

The values are those of `pyarrow.dataset` with Hive partitioning, which would not do as a reader: it names
neither file nor row of a value that cannot be used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from mlpcli.errors import DataError, Problem, listing

if TYPE_CHECKING:
    import pyarrow as pa

MISSING = "__HIVE_DEFAULT_PARTITION__"
"""The value of a key in the folder of the rows where it is missing."""

_WHOLE = re.compile(r"-?\d+", re.ASCII)
_MOST = 2**63


class DataFiles(list[Path]):
    """The files that a spec or a command names.

    Attributes:
        base: the folder below which a folder `key=value` is a column; None for a file that is named itself.
    """

    def __init__(self, paths: Iterable[Path], base: Path | None = None) -> None:
        super().__init__(paths)
        self.base = base


@dataclass(frozen=True)
class FolderKey:
    """A key of a file's folders: a column with one value in all rows of the file.

    Attributes:
        name: of the column.
        text: the value as the folder has it, without URL encoding; None where it is missing.
        whole: whether the values of all files are whole numbers, so that the column is of these.
        folder: the name of the folder.
        inside: whether the file has a column of this name itself.
    """

    name: str
    text: str | None
    folder: str
    whole: bool = False
    inside: bool = False

    @property
    def value(self) -> int | str | None:
        """The value of all rows."""
        return int(self.text) if self.whole and self.text is not None else self.text

    def column(self, rows: int) -> pa.Array:
        """Return the column, of so many rows."""
        import pyarrow as pa

        kind = pa.int64() if self.whole else pa.string()
        return pa.nulls(rows, kind) if self.text is None else pa.repeat(pa.scalar(self.value, kind), rows)

    def equals(self, value: object) -> bool:
        """Return whether a cell of the file's own column is this value."""
        if value in (None, "") or self.text in (None, ""):
            return value in (None, "") and self.text in (None, "")
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        text, own = str(value).strip(), str(self.text).strip()
        if isinstance(value, bool):
            text, own = text.lower(), own.lower()
        return text == own or (_is_whole(text) and _is_whole(own) and int(text) == int(own))

    def among(self, known: Collection[str]) -> FolderKey:
        """Return the key with its value as a model has learned it: `03` where that is a category, not 3."""
        if not known:
            return self
        if self.whole and self.text in known and str(self.value) not in known:
            return replace(self, whole=False)
        if not self.whole and self.text is not None and self.text not in known and _is_whole(self.text):
            return replace(self, whole=str(int(self.text)) in known)
        return self


def key_of(folder: str) -> tuple[str, str] | None:
    """Return key and value of a folder's name, as they are written; None for any other folder."""
    key, sign, value = folder.partition("=")
    return (key, value) if sign and key else None


def label_of(path: Path, base: Path | None) -> str:
    """Return how messages call one of several files: with its folders, from the first key on."""
    parts = _below(path, base)
    first = next((place for place, part in enumerate(parts[:-1]) if key_of(part)), None)
    return path.name if first is None else "/".join(parts[first:])


def labels_of(paths: Sequence[Path]) -> list[str]:
    """Return how messages call each of several files; with all folders where files have the same name."""
    base = paths.base if isinstance(paths, DataFiles) else None
    labels = [label_of(path, base) for path in paths]
    if len({*labels}) == len(labels):
        return labels
    return ["/".join(_below(path, base)) for path in paths]


def folder_keys(
    paths: Sequence[Path], wanted: Mapping[str, Collection[str]] | None = None, *, above: bool = False
) -> list[tuple[FolderKey, ...]]:
    """Return the keys of files, for each in the order of its folders.

    Args:
        paths: of the files; keys are below the `base` of `DataFiles`.
        wanted: columns that may be keys of folders further up too, right above the base; and the values that
            a model knows of each, which decide whether `03` is a number.
        above: take all keys right above the base.

    Returns:
        The keys of each file; none where the names of no folders are columns.

    Raises:
        DataError: files have different keys, a key twice, or one that is not UTF-8.
    """
    base = paths.base if isinstance(paths, DataFiles) else None
    found = [_keys_below(path, base) for path in paths]
    _check_same(paths, found, base)
    wanted = wanted or {}
    if wanted or above:
        found = [
            {name: key for name, key in _keys_above(path, base).items() if above or name in wanted} | keys
            for path, keys in zip(paths, found, strict=True)
        ]
    whole = {name: True for keys in found for name in keys}
    for keys in found:
        for name, key in keys.items():
            whole[name] &= key.text is None or _is_whole(key.text)
    return [
        tuple(replace(key, whole=whole[name]).among(wanted.get(name, ())) for name, key in keys.items())
        for keys in found
    ]


def _is_whole(text: str) -> bool:
    return _WHOLE.fullmatch(text) is not None and len(text) < 20 and -_MOST <= int(text) < _MOST


def _below(path: Path, base: Path | None) -> tuple[str, ...]:
    """Return the parts of a path below a folder; of a file that is named itself its name alone."""
    if base is None:
        return (path.name,)
    return Path(os.path.relpath(path, base)).parts


def _keys_below(path: Path, base: Path | None) -> dict[str, FolderKey]:
    """Return the keys of a file by name.

    Raises:
        DataError: a key is there twice, or is not UTF-8.
    """
    found: dict[str, FolderKey] = {}
    for part in _below(path, base)[:-1]:
        if (written := key_of(part)) is None:
            continue
        label = label_of(path, base)
        try:
            name, text = (unquote(each, errors="strict") for each in written)
        except UnicodeDecodeError:
            rule = f"{label}: the name of folder {part!r} is not UTF-8 once its %XX are decoded"
            raise DataError(Problem(rule, hint="rename the folder")) from None
        if name in found:
            rule = f"{label}: key {name!r} occurs more than once among its folders"
            raise DataError(Problem(rule, hint="rename all but one"))
        found[name] = FolderKey(name, None if text == MISSING else text, part)
    return found


def _keys_above(path: Path, base: Path | None) -> dict[str, FolderKey]:
    """Return the keys of the folders right above a base, or above a file that is named itself."""
    top = (path.parent if base is None else base).absolute()
    while key_of(top.name):
        top = top.parent
    return _keys_below(path.absolute(), top)


def _check_same(paths: Sequence[Path], found: Sequence[Mapping[str, FolderKey]], base: Path | None) -> None:
    """Raise a DataError if files have different keys."""
    first = max(range(len(found)), key=lambda place: len(found[place]), default=0)
    for path, keys in zip(paths, found, strict=True):
        if {*keys} != {*found[first]}:
            said = f"has the keys {listing(list(keys))}" if keys else "is in no folder key=value"
            others = f"{label_of(paths[first], base)} has {listing(list(found[first]))}"
            rule = f"{label_of(path, base)}: {said}, {others}: all files need the same keys"
            hint = "move it, or name only the others by a pattern such as 'sales/year=*/*.csv'"
            raise DataError(Problem(rule, hint=hint))


def partitioned_files(folder: Path) -> list[Path] | None:
    """Return the files in and below a folder that has folders `key=value`, or is one; None for any other.

    Raises:
        OSError: a folder cannot be read.
    """
    with os.scandir(folder) as entries:
        keyed = any(key_of(each.name) and not is_hidden(each.name) and each.is_dir() for each in entries)
    return files_below(folder) if keyed or key_of(folder.absolute().name) else None


def files_below(folder: Path) -> list[Path]:
    """Return the files in a folder and below, sorted, without the hidden ones.

    Each folder is read once, under its own name rather than that of a link to it; what links alone lead to is
    read under the first of them.

    Raises:
        OSError: a folder cannot be read.
    """
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    starts = [folder]
    for start in starts:  # which grows by the links that are met
        for place, folders, names in os.walk(start, onerror=_raise):
            status = Path(place).stat()
            if (status.st_dev, status.st_ino) in seen:
                folders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            folders[:] = sorted(name for name in folders if not is_hidden(name))
            starts += [Path(place) / name for name in folders if (Path(place) / name).is_symlink()]
            found += [Path(place) / name for name in names if not is_hidden(name)]
    return sorted(found)


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is no data: `.name` and `_SUCCESS`, but not a folder `_key=value`."""
    return name.startswith(".") or (name.startswith("_") and key_of(name) is None)


def _raise(error: OSError) -> None:
    raise error
