"""Which values of a spec name files, and what such a file is called from another folder.

What the data are is what counts, not where they lie: specs are compared without these values.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

FILE_KEYS = ("path", "test", "validation", "target")
"""Keys of a dataset whose value may be a file: a target only beside arrays, see `names_file`."""

VARIABLE = re.compile(r"\$\{([^}]*)\}")
WILDCARDS = frozenset("*?[")


def names_file(key: str, dataset: Mapping[str, Any]) -> bool:
    """Whether the text at a key of a dataset is a file; a target is one only where the data is an .npy file.

    A column of a table may well be called `label.npy`.
    """
    if key != "target":
        return key in FILE_KEYS
    arrays = any(text.lower().endswith(".npy") for text in _texts(dataset.get("path")))
    named = any(text.endswith(".npy") for text in _texts(dataset.get("target")))
    return named and (arrays or dataset.get("path") is None)


def files_of(dataset: Mapping[str, Any]) -> Iterator[str]:
    """Every file that a dataset names, those that a search chooses from among them."""
    for key in FILE_KEYS:
        if names_file(key, dataset):
            yield from _texts(dataset.get(key))


def with_files(
    dataset: Mapping[str, Any], change: Callable[[str], str], *, choices: bool = False
) -> dict[str, Any]:
    """A dataset with each of its files named otherwise.

    choices: also those that a search chooses from.
    """
    changed = dict(dataset)
    for key in FILE_KEYS:
        if key in dataset and names_file(key, dataset):
            changed[key] = _changed(dataset[key], change, choices=choices)
    return changed


def absolute(path: str, folder: Path) -> str:
    """A file of a spec as it is found from anywhere; `folder` is what relative paths start from.

    The file keeps its own name, since that says of which kind it is: a link is not followed to the file that
    it stands for. `${NAME}` stays as written.
    """
    home = at_home(path)
    if VARIABLE.search(path):
        is_found = Path(at_home(VARIABLE.sub(_value_of, home))).is_absolute()
        return home if is_found else f"{_literal(folder, path)}/{home}"
    full = folder / home
    if WILDCARDS & set(home) and not full.exists():
        return home if Path(home).is_absolute() else f"{_literal(folder.resolve(), path)}/{home}"
    return str(full.parent.resolve() / full.name)


def at_home(path: str) -> str:
    """A path with `~` taken for the user's folder; as it is where nobody has such a folder."""
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError:
        return path


def _literal(folder: Path, path: str) -> str:
    """A folder to be put before a path, whose wildcards are none of the folder's."""
    return glob.escape(str(folder)) if WILDCARDS & set(path) else str(folder)


def _value_of(name: re.Match[str]) -> str:
    return os.environ.get(name[1], "/")


def _texts(value: Any) -> list[str]:
    """A text, or the texts among the values of a choice."""
    if isinstance(value, Mapping) and isinstance(value.get("values"), list):
        return [item for item in value["values"] if isinstance(item, str)]
    return [value] if isinstance(value, str) else []


def _changed(value: Any, change: Callable[[str], str], *, choices: bool) -> Any:
    if isinstance(value, str):
        return change(value)
    if choices and _texts(value) and isinstance(value, Mapping):
        made = {"values": [change(item) if isinstance(item, str) else item for item in value["values"]]}
        default = value.get("default")
        return {**value, **made, **({"default": change(default)} if isinstance(default, str) else {})}
    return value
