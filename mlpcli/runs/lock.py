"""The lock of a run or search, which one process holds at a time."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from mlpcli.errors import Problem, RunError, TrainingError
from mlpcli.files import Displaced, held_at, holding

LOCK = "lock"

RESERVE = 2**16
"""Bytes that a lock file reserves while it is held: enough for a `run.json` on a full disk."""


CHECKING_SECONDS, CHANGING_SECONDS = 0.2, 20.0
"""How long a process waits for another that only checks a lock, or changes a small file."""

PAUSE_SECONDS = 0.02


@contextlib.contextmanager
def locked(folder: Path, *, patience: float = CHECKING_SECONDS) -> Iterator[None]:
    """Lock the folder of a run or a search for this process.

    The lock is the system's, on an open file, so it is released when the process ends, even if it is killed.
    On a file system without locks, and on Windows, nothing is locked.

    The lock file reserves some bytes that `make_room` frees, to write `run.json` when the disk is full.

    Args:
        folder: it exists.
        patience: for how many seconds another process that holds the lock is waited for.

    Raises:
        RunError: another process holds the lock, or its file is not an ordinary file.
        TrainingError: it cannot be locked; or the folder, or a file in it, was moved, deleted or replaced
            meanwhile.
    """
    handle = _open_lock(folder)
    try:
        if not _take(handle) and not _take_soon(handle, patience):
            holder = os.read(handle, 100).decode("utf-8", errors="replace").strip() or "another process"
            hint = "wait until it ends, or stop it"
            raise RunError(Problem(f"{folder} is in use by {holder}", hint=hint))
        if _is_own(handle):
            with contextlib.suppress(OSError):  # the lock holds without them
                os.ftruncate(handle, 0)
                os.write(handle, f"process {os.getpid()}\n".encode())
                os.write(handle, b" " * RESERVE)
        with holding(folder, handle):
            yield
        _shrink(handle)
    except Displaced as error:
        hint = "if it was moved, resume it from its new folder, with --resume FOLDER"
        raise TrainingError(Problem(f"{error.strerror}; nothing was written elsewhere", hint=hint)) from error
    finally:
        os.close(handle)


@contextlib.contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Hold the right to change a small file in a folder: no command loses the change of another.

    What is read inside is still so when it is written. The lock is that of the folder itself and is held for
    a moment; it has nothing to do with `locked`, so a run that is being trained can be changed. It is the
    system's, on the open folder: where a file system or Windows has none, nothing is locked.

    Args:
        folder: it exists.

    Raises:
        RunError: another process has not given the lock back in some seconds.
        OSError: the folder cannot be opened.
    """
    if os.name != "posix":  # a folder cannot be opened
        yield
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not _take(handle) and not _take_soon(handle, CHANGING_SECONDS):
            hint = "try again; if it stays so, a process has stopped while it wrote"
            raise RunError(Problem(f"{folder} is being changed by another process", hint=hint))
        yield
    finally:
        os.close(handle)


def _open_lock(folder: Path) -> int:
    """Open a folder's lock file for writing; never wait for a pipe, never follow a link.

    Raises:
        RunError: it is not an ordinary file.
        TrainingError: it cannot be written.
    """
    path = folder / LOCK
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        rule = f"{path} cannot be used as a lock: it is not an ordinary file"
        raise RunError(Problem(rule, hint="remove it; it contains no data of the run"))
    try:
        return os.open(path, flags, 0o644)
    except OSError as error:
        hint = "free some disk space, or make the folder writable"
        raise TrainingError(Problem(f"{path} cannot be written ({error.strerror})", hint=hint)) from None


def _is_own(lock: int) -> bool:
    """Return whether a lock file has only one name; with another, it may be a file of somebody else."""
    return os.fstat(lock).st_nlink <= 1


def make_room(folder: Path) -> None:
    """Free the bytes that the lock of a folder reserves."""
    for held in held_at(folder / LOCK):
        _shrink(held.lock)


def _shrink(lock: int) -> None:
    """Truncate a lock file to the name of its holder."""
    with contextlib.suppress(OSError):
        if _is_own(lock):
            os.ftruncate(lock, min(os.fstat(lock).st_size, 64))


def is_locked(folder: Path) -> bool:
    """Return whether a running process holds the lock of a folder."""
    path = folder / LOCK
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        if not stat.S_ISREG(path.lstat().st_mode):  # a pipe would block; we lock only files
            return False
        handle = os.open(path, flags)
    except OSError:
        return False
    try:
        return not _take(handle)
    finally:
        os.close(handle)


def _take_soon(handle: int, seconds: float = CHECKING_SECONDS) -> bool:
    """Try again for a moment: another process may only have checked whether the folder is locked."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(PAUSE_SECONDS)
        if _take(handle):
            return True
    return False


def _take(handle: int) -> bool:
    """Lock an open file unless another process has; return True where the system has no locks."""
    if os.name != "posix":
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True
