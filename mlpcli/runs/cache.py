"""What is kept beside the runs, to be computed once, such as decoded images."""

from __future__ import annotations

from pathlib import Path

from mlpcli.files import remove_below

CACHE = ".cache"
"""The folder in a runs folder."""


def cache_size(runs_dir: Path) -> int:
    """Return the bytes of what is kept beside the runs."""
    folder = runs_dir / CACHE
    if folder.is_symlink() or not folder.is_dir():
        return 0
    return sum(each.lstat().st_size for each in folder.rglob("*") if not each.is_dir())


def remove_cache(runs_dir: Path) -> None:
    """Delete what is kept beside the runs. A training that reads it goes on.

    Raises:
        OSError: it cannot be deleted, or is a link.
    """
    remove_below(runs_dir / CACHE, runs_dir)
