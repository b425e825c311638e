"""What is kept beside the runs, to be computed once: decoded images, and the encoded rows of `fit.memory`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from mlpcli.files import remove_below
from mlpcli.spec.memory_size import CACHE as CACHE
from mlpcli.spec.memory_size import ROWS, lock_of


def cache_size(runs_dir: Path) -> int:
    """Return the bytes of what is kept beside the runs and no process writes or uses."""
    return sum(_size(each) for each in _kept(runs_dir) if not _is_used(each))


def used_size(runs_dir: Path) -> int:
    """Return the bytes of what a process writes or uses, as a training does with its encoded rows."""
    locks = (each for each in _kept(runs_dir) if each.suffix != LOCK)
    return sum(_size(each) for each in locks if _is_used(each))


def remove_cache(runs_dir: Path) -> None:
    """Delete what is kept beside the runs, and what killed processes left; not what a process uses.

    Raises:
        OSError: it cannot be deleted, or is a link.
    """
    for each in _kept(runs_dir):
        with _locked(each) as free:  # so that nobody begins to use it meanwhile
            if free and not _is_open(each):
                remove_below(each, runs_dir)
    with contextlib.suppress(OSError):  # another process uses something in it
        (runs_dir / CACHE).rmdir()


LOCK = ".lock"


def _kept(runs_dir: Path) -> Iterator[Path]:
    """Yield the files and folders that are kept, the locks last."""
    folder = runs_dir / CACHE
    if not folder.is_symlink() and folder.is_dir():
        yield from sorted(folder.iterdir(), key=lambda each: (each.suffix == LOCK, each.name))


def _size(kept: Path) -> int:
    found = 0
    for each in (kept, *kept.rglob("*")):
        with contextlib.suppress(FileNotFoundError):  # it is being written
            found += each.lstat().st_size if each.is_symlink() or not each.is_dir() else 0
    return found


def _is_used(kept: Path) -> bool:
    """Return whether a process writes encoded rows, or uses them."""
    with _locked(kept) as free:
        return not free or _is_open(kept)


def _is_open(kept: Path) -> bool:
    """Return whether a process has opened encoded rows: it holds a shared lock of each file of them."""
    files = sorted(kept.glob(f"*{ROWS}")) if kept.is_dir() and not kept.is_symlink() else []
    return any(not _can_lock(file) for file in files)


def _can_lock(file: Path) -> bool:
    try:
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return True
    try:
        return _lock(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _locked(kept: Path) -> Iterator[bool]:
    """Hold the lock of encoded rows; yield whether no other process does."""
    try:
        handle = os.open(lock_of(kept), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        yield True
        return
    try:
        yield _lock(handle)
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    """Lock a file for this process alone; return whether that was possible, or there are no locks."""
    if os.name != "posix":
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
