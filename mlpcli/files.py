"""Atomic writes and bounded reads: every file of a run is written through this module.

A file is written under a temporary name beside its target, flushed to the disk, and moved over the target in
one step; then the folder's own entry is flushed. A reader sees the old file or the new one.

Only ordinary files are read. Every path from outside is opened by `open_ordinary`, which neither waits for a
pipe nor reads a device until memory is full. Every deletion goes through `remove_below`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mlpcli.printable import json_text

SCRATCH = ".part"
"""Suffix of the temporary folders in which files are written before they are moved into place."""

MOST_SCRATCH_BYTES = 200
"""Of the target's name in that of its temporary folder: a name has at most 255 bytes."""


class UnsafePathError(OSError):
    """A path leads, or might lead, out of the folder that it must be in."""


def open_ordinary(path: Path) -> BinaryIO:
    """Open an ordinary file for reading in binary mode. Refuse a pipe, device or socket without waiting.

    Raises:
        OSError: the file is missing, not readable, or not an ordinary file: see `strerror`.
    """
    _refuse_special(path, path.stat().st_mode)  # before opening: some devices act when opened
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    handle = os.open(path, flags)
    try:
        _refuse_special(path, os.fstat(handle).st_mode)  # it may have been replaced since
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_ordinary(path: Path, most: int) -> bytes:
    """Return the bytes of an ordinary file of at most `most` bytes; never read more than that.

    Raises:
        OSError: as for `open_ordinary`, or the file is larger.
    """
    with open_ordinary(path) as file:
        content = file.read(most + 1)
    if content is None:  # some system files have no data yet
        raise OSError(errno.EAGAIN, "has nothing to read now", str(path))
    if len(content) > most:
        raise OSError(errno.EFBIG, f"is larger than {most:,} bytes", str(path))
    return content


def read_ordinary_text(path: Path, most: int) -> str:
    r"""Return the text of a UTF-8 file of at most `most` bytes, line ends as `\n`, no byte-order mark.

    Raises:
        OSError: as for `read_ordinary`.
        UnicodeDecodeError: the file is not UTF-8.
    """
    return io.TextIOWrapper(io.BytesIO(read_ordinary(path, most)), encoding="utf-8-sig").read()


def special_kind(mode: int) -> str:
    """Return what a special file is, by its mode: `a pipe`; an empty text for an ordinary file or folder."""
    kinds = (
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    return next((kind for test, kind in kinds if test(mode)), "")


def _refuse_special(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, f"is {special_kind(mode) or 'special'}, not an ordinary file", str(path))


def output_problem(path: Path) -> str:
    """Return why a file cannot be written at a path, judged by what is there now; an empty text if it can.

    A file is written under another name and then moved into place. That would replace a pipe or a device
    (even `/dev/null`, for the superuser).
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return f"cannot be written ({getattr(error, 'strerror', None) or error})"
    if stat.S_ISDIR(mode):
        return "is a folder, not a file"
    kind = special_kind(mode)
    return f"is {kind}, not an ordinary file" if kind else ""


class Displaced(OSError):
    """Something else moved, deleted or replaced a folder that this process uses, or something in it."""

    def __init__(self, rule: str) -> None:
        super().__init__(errno.ESTALE, rule)


@dataclass(eq=False)
class HeldFolder:
    """A folder that only this process writes in, identified by its inode, not by its path.

    Attributes:
        folder: its absolute path.
        lock: file descriptor of the open lock file in it, -1 for none.
        written: names in it that must stay in place.
    """

    folder: Path
    lock: int
    written: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()
        self._number = _number(self.folder.stat())

    def check(self, target: Path) -> None:
        """Check that writing `target`, a path in the folder, would write into this folder.

        Raises:
            Displaced: the folder was replaced, or a link on the way to `target` leads out of it.
        """
        try:
            found = _number(self.folder.stat())
        except OSError:
            raise Displaced(f"{self.folder} was moved or deleted while this process was using it") from None
        if found != self._number:
            raise Displaced(f"{self.folder} was replaced while this process was using it")
        for parent in target.relative_to(self.folder).parents:
            if (self.folder / parent).is_symlink() and parent != Path():
                raise Displaced(
                    f"{self.folder / parent} was replaced by a link while this process was using it"
                )

    def check_all(self) -> None:
        """Check that everything written in the folder is still there.

        Raises:
            Displaced: the folder or something in it is missing or was replaced by a link.
        """
        self.check(self.folder / "any")
        for name in sorted(self.written):
            path = self.folder / name
            if path.is_symlink():
                raise Displaced(f"{path} was replaced by a link while this process was using it")
            if not path.exists():
                raise Displaced(f"{path} was moved or deleted while this process was using it")
        if self.lock >= 0 and not os.fstat(self.lock).st_nlink:
            raise Displaced(f"the lock file of {self.folder} was deleted while this process was using it")


_held: list[HeldFolder] = []
"""The folders that this process holds, outer folders before inner ones."""


@contextlib.contextmanager
def holding(folder: Path, lock: int = -1) -> Iterator[HeldFolder]:
    """Hold a folder: inside, `replacing` writes its files into this very folder or fails.

    Args:
        folder: the folder.
        lock: file descriptor of an open file in the folder, -1 for none.
    """
    held = HeldFolder(folder, lock)
    _held.append(held)
    try:
        yield held
    finally:
        _held.remove(held)


def held_at(path: Path) -> list[HeldFolder]:
    """Return the held folders that contain a path, the outermost first."""
    whole = path.absolute()
    return [held for held in _held if held.folder in whole.parents]


def check_below(path: Path, root: Path) -> None:
    """Check that a path is below `root` and that no link on the way may lead elsewhere.

    `root` itself may be reached through links: the user has named it.

    Args:
        path: the path.
        root: the folder.

    Raises:
        UnsafePathError: the path is `root` itself, is outside, contains `..`, or has a link on the way.
    """
    try:
        steps = path.absolute().relative_to(root.absolute()).parts
    except ValueError:
        steps = ()
    if not steps or ".." in steps:
        raise UnsafePathError(errno.EPERM, f"it is not below {root}", str(path))
    place = root
    for step in steps:
        place = place / step
        if place.is_symlink():
            raise UnsafePathError(errno.EPERM, f"{place} is a link, and may point elsewhere", str(path))


def remove_below(path: Path, root: Path) -> None:
    """Delete a file, or a folder with its contents, if it exists. All deletions go through this function.

    Links inside a folder are deleted, not followed.

    Args:
        path: the file or folder.
        root: a folder that contains it; see `check_below`.

    Raises:
        UnsafePathError: the path leads out of `root`, or is `root`; nothing is deleted.
        OSError: it cannot be deleted.
    """
    check_below(path, root)
    with contextlib.suppress(FileNotFoundError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path next to `target`; on success it becomes `target`, on failure it is removed.

    The caller creates a file or a folder at the yielded path. It has the target's suffix, for writers that
    choose a format by it. An existing target folder is replaced as well.
    """
    if (problem := output_problem(target)) and not target.is_dir():  # a folder is replaced by a folder
        raise OSError(errno.EINVAL, problem, str(target))
    holders = held_at(target)
    for held in holders:
        held.check(target.absolute())
    target.parent.mkdir(parents=True, exist_ok=True)
    beginning = os.fsencode(target.name)[:MOST_SCRATCH_BYTES].decode(errors="ignore")
    scratch = Path(tempfile.mkdtemp(prefix=f".{beginning}.", suffix=SCRATCH, dir=target.parent))
    try:
        written = scratch / target.name
        yield written
        flush(written)
        if written.is_dir() and target.is_dir():
            _replace_folder(written, target, scratch / "old")
        else:
            written.replace(target)
        flush_entry(target.parent)
        for held in holders:
            held.written.add(target.absolute().relative_to(held.folder).parts[0])
    except OSError as error:
        if isinstance(error.filename, str) and error.filename.startswith(str(scratch)):
            error.filename = str(target)  # the temporary name means nothing to the user
        raise
    finally:
        with contextlib.suppress(OSError):
            remove_below(scratch, target.parent)


def _replace_folder(written: Path, target: Path, aside: Path) -> None:
    """Move the old folder aside, then the new one into place; undo the first step if the second fails."""
    target.replace(aside)
    try:
        written.replace(target)
    except BaseException:
        aside.replace(target)
        raise


def sweep(folder: Path) -> None:
    """Remove temporary folders that killed writers left under `folder`. No process may be writing there."""
    for scratch in folder.rglob(f".*{SCRATCH}"):
        if scratch.is_dir() and not scratch.is_symlink():
            with contextlib.suppress(OSError):
                remove_below(scratch, folder)


def write_text(target: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with replacing(target) as path:
        path.write_text(text, encoding="utf-8")


def write_bytes(target: Path, content: bytes) -> None:
    """Write bytes, atomically."""
    with replacing(target) as path:
        path.write_bytes(content)


def write_json(target: Path, document: object) -> None:
    """Write a JSON document (two spaces of indent, keys in their order), atomically."""
    write_text(target, json_text(document) + "\n")


def write_with(target: Path, writer: Callable[[Path], object]) -> None:
    """Let `writer` create the file at a temporary path, then move it into place."""
    with replacing(target) as path:
        writer(path)


def why_not_writable(folder: Path) -> str:
    """Return why files cannot be created in a folder, "/data is a file"; an empty text if they can.

    The folder need not exist: its nearest existing parent is checked. Nothing is created.
    """
    place = folder.absolute()
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return f"{place} is a broken link" if place.is_symlink() else f"{place} is a file"
    if hasattr(os, "statvfs") and os.statvfs(place).f_flag & os.ST_RDONLY:
        return f"{place} is on a read-only file system"
    return "" if os.access(place, os.W_OK | os.X_OK) else f"{place} is not writable"


def overwrite(target: Path, text: str) -> None:
    """Overwrite an existing file in place, padding the text with spaces up to the old length.

    For use when `replacing` fails: it needs no disk space unless the text is longer than the file.

    Raises:
        OSError: the file cannot be written, or the text is longer and the disk full; the file is as before.
    """
    for held in held_at(target):
        held.check(target.absolute())
    flags = os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(target, flags)
    try:
        size, raw = os.fstat(handle).st_size, text.encode("utf-8")
        os.lseek(handle, size, os.SEEK_SET)
        grown = os.write(handle, b" " * max(0, len(raw) - size))
        if grown < len(raw) - size:
            os.ftruncate(handle, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, raw.ljust(size))
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _number(status: os.stat_result) -> tuple[int, int, int]:
    """Return what identifies a folder even after it is renamed: device, inode, type."""
    return status.st_dev, status.st_ino, stat.S_IFMT(status.st_mode)


def flush(path: Path) -> None:
    """Flush a file, or every file under a folder, to the disk."""
    if path.is_dir():
        for child in path.iterdir():
            flush(child)
        flush_entry(path)
        return
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


def flush_entry(folder: Path) -> None:
    """Flush a folder's list of names to the disk, where the system supports it."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
