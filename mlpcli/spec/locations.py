"""The values of a spec that name files, and the paths of these files from another folder.

Specs are compared without these values: the same data may be in another folder.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mlpcli.spec.file_words import is_server, split_scheme
from mlpcli.spec.values import Value, ValueMap

FILE_KEYS = ("path", "test", "validation", "target")
"""Keys of a dataset whose value may be a file; a target only next to arrays, see `names_file`."""

VARIABLE = re.compile(r"\$\{([^}]*)\}")
WILDCARDS = frozenset("*?[")


def names_file(key: str, dataset: ValueMap) -> bool:
    """Return whether the text at a key of a dataset is a file.

    A target is a file only if the data is an .npy file: a column of a table may be called `label.npy`.
    """
    if key != "target":
        return key in FILE_KEYS
    arrays = any(text.lower().endswith(".npy") for text in _texts(dataset.get("path")))
    named = any(text.endswith(".npy") for text in _texts(dataset.get("target")))
    return named and (arrays or dataset.get("path") is None)


def files_of(dataset: ValueMap) -> Iterator[str]:
    """Yield every file that a dataset names, including those that a search chooses from."""
    for key in FILE_KEYS:
        if names_file(key, dataset):
            yield from _texts(dataset.get(key))


def with_files(dataset: ValueMap, change: Callable[[str], str], *, choices: bool = False) -> ValueMap:
    """Return a copy of a dataset section with the path of each file changed.

    Args:
        dataset: the section.
        change: returns the new path of a file.
        choices: change also the files that a search chooses from.
    """
    changed = dict(dataset)
    for key in FILE_KEYS:
        if key in dataset and names_file(key, dataset):
            changed[key] = _changed(dataset[key], change, choices=choices)
    return changed


def absolute(path: str, folder: Path) -> str:
    """Return the absolute path of a file of a spec; `folder` is what relative paths start from.

    The file keeps its own name, which shows its format: the file itself is not resolved if it is a link.
    `${NAME}` stays as written.
    """
    scheme, path = split_scheme(path)
    if scheme or is_server(path):
        return path if not scheme else scheme + absolute(path, folder)
    home = at_home(path)
    if VARIABLE.search(path):
        is_found = Path(at_home(VARIABLE.sub(_value_of, home))).is_absolute()
        return home if is_found else f"{_literal(folder, path)}/{home}"
    full = folder / home
    if WILDCARDS & set(home) and not full.exists():
        return home if Path(home).is_absolute() else f"{_literal(folder.resolve(), path)}/{home}"
    return str(full.parent.resolve() / full.name)


def at_home(path: str) -> str:
    """Expand `~` in a path; return it unchanged if there is no such home folder."""
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError:
        return path


def _literal(folder: Path, path: str) -> str:
    """Return a folder as a prefix of a path, escaped if the path has wildcards."""
    return glob.escape(str(folder)) if WILDCARDS & set(path) else str(folder)


def _value_of(name: re.Match[str]) -> str:
    return os.environ.get(name[1], "/")


def _texts(value: Value) -> list[str]:
    """Return a text, or the texts among the values of a choice."""
    if isinstance(value, dict) and isinstance(values := value.get("values"), list):
        return [item for item in values if isinstance(item, str)]
    return [value] if isinstance(value, str) else []


def _changed(value: Value, change: Callable[[str], str], *, choices: bool) -> Value:
    if isinstance(value, str):
        return change(value)
    if choices and isinstance(value, dict) and isinstance(values := value.get("values"), list):
        changed: ValueMap = {"values": [change(item) if isinstance(item, str) else item for item in values]}
        if isinstance(default := value.get("default"), str):
            changed["default"] = change(default)
        return {**value, **changed} if _texts(value) else value
    return value
