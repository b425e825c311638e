"""Names made of names from outside: of files, and of columns beside others, each name once."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping
from typing import TypeVar

T = TypeVar("T")

LONGEST_PART = 40
"""Characters of a name in the name of a file: of any script, they take less than the 255 bytes of its own."""


def file_part(text: str) -> str:
    """Return a name from outside as a part of a file's name: letters and digits of any script, `.`, `_`, `-`.

    It is empty where there are none.
    """
    return re.sub(r"[^\w.-]+", "_", text).strip("._-")[:LONGEST_PART]


def free_file(stem: str, ending: str, taken: set[str]) -> str:
    """Return a file's name that no other file has, and add it to those that are taken.

    Args:
        stem: of the name; a number follows where it is taken.
        ending: `.png`.
        taken: names in small letters, since some file systems take `A` and `a` for one.
    """
    names = (f"{stem}-{number}{ending}" for number in itertools.count(2))
    name = next(each for each in itertools.chain([f"{stem}{ending}"], names) if each.lower() not in taken)
    taken.add(name.lower())
    return name


def free_name(name: str, taken: Collection[str]) -> str:
    """Return what a column is called beside others: its name, or where that is taken, with a number."""
    names = (f"{name}_{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], names) if each not in taken)


def beside(columns: Mapping[str, T], own: Collection[str]) -> dict[str, T]:
    """Return columns of the data beside columns of ours: one that has a name of these is `<name>_input`.

    Args:
        columns: of the data, by name.
        own: the names of ours.
    """
    taken = {*own, *(name for name in columns if name not in own)}
    found: dict[str, T] = {}
    for name, values in columns.items():
        free = name if name not in own else free_name(f"{name}_input", taken)
        taken.add(free)
        found[free] = values
    return found
