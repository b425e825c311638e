"""What is kept beside the runs, to be computed once: decoded images, and the encoded rows of `fit.memory`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from mlpcli.files import remove_below
from mlpcli.spec.memory_size import CACHE as CACHE
from mlpcli.spec.memory_size import lock_of


def cache_size(runs_dir: Path) -> int:
    """Return the bytes of what is kept beside the runs, without what a process is writing."""
    total = 0
    for each in (each for kept in _kept(runs_dir) for each in (kept, *kept.rglob("*"))):
        with contextlib.suppress(FileNotFoundError):  # another process has replaced it
            total += 0 if each.is_dir() else each.lstat().st_size
    return total


def remove_cache(runs_dir: Path) -> None:
    """Delete what is kept beside the runs. A training that reads it goes on.

    Raises:
        OSError: it cannot be deleted, or is a link.
    """
    for each in _kept(runs_dir):
        remove_below(each, runs_dir)
    with contextlib.suppress(OSError):  # another process writes in it
        (runs_dir / CACHE).rmdir()


def _kept(runs_dir: Path) -> Iterator[Path]:
    """Yield the files and folders that are kept, the locks last."""
    folder = runs_dir / CACHE
    if not folder.is_symlink() and folder.is_dir():
        found = sorted(folder.iterdir(), key=lambda each: (each.suffix == ".lock", each.name))
        yield from (each for each in found if not _is_written(each))


def _is_written(kept: Path) -> bool:
    """Return whether a process holds the lock of encoded rows."""
    if os.name != "posix":
        return False
    import fcntl

    try:
        handle = os.open(lock_of(kept), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
