"""Whole files or none: every file of a run is written through this module.

A file is written under a temporary name beside its target, flushed to the disk, and moved over the
target in one step; then the folder's own entry is flushed. A reader sees the old file or the new.

And only ordinary files are read: whatever a user or a stranger names is opened by `open_ordinary`, so that a
pipe is not waited for, and a device is not read until the memory ends. Whatever is deleted is deleted by
`remove_below`.
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
from typing import Any, BinaryIO

from mlpcli.printable import json_text

SCRATCH = ".part"
"""Ending of the folders in which files are written before they are moved into place."""


class UnsafePathError(OSError):
    """A path leads, or might lead, out of the folder that it must lie in."""


def open_ordinary(path: Path) -> BinaryIO:
    """Open an ordinary file to read its bytes; a pipe, a device or a socket is refused without waiting.

    Raises:
        OSError: there is no such file, it may not be read, or it is not an ordinary one: see `strerror`.
    """
    _refuse_special(path, path.stat().st_mode)  # before it is opened: some devices act on that alone
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    handle = os.open(path, flags)
    try:
        _refuse_special(path, os.fstat(handle).st_mode)  # it may have been replaced in between
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_ordinary(path: Path, most: int) -> bytes:
    """Return the bytes of an ordinary file that holds at most `most` of them, and read no more than that.

    Raises:
        OSError: as `open_ordinary`; or the file is larger.
    """
    with open_ordinary(path) as file:
        content = file.read(most + 1)
    if content is None:  # of some files of the system, what is not there yet
        raise OSError(errno.EAGAIN, "has nothing to read now", str(path))
    if len(content) > most:
        raise OSError(errno.EFBIG, f"is larger than {most:,} bytes", str(path))
    return content


def read_ordinary_text(path: Path, most: int) -> str:
    """Return the text of a UTF-8 file of at most `most` bytes, line ends as `\\n`, no byte-order mark.

    Raises:
        OSError: as `read_ordinary`. UnicodeDecodeError: the file is not UTF-8.
    """
    return io.TextIOWrapper(io.BytesIO(read_ordinary(path, most)), encoding="utf-8-sig").read()


def special_kind(mode: int) -> str:
    """What a file is by its mode, `a pipe` for example; empty where it is ordinary or a folder."""
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
    """Why a file cannot be written at a path, as far as what is there now tells; an empty text when it can.

    A file is written under another name and moved into place, which would put it in the place of a pipe or a
    device (`/dev/null` itself, for the superuser).
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
    """A folder that this process works in was moved, deleted or replaced meanwhile, or a part of it was."""

    def __init__(self, rule: str) -> None:
        super().__init__(errno.ESTALE, rule)


@dataclass(eq=False)
class HeldFolder:
    """A folder that this process alone writes in, known by its number in the file system, not by its path.

    lock: the file in it by which it is held, open. written: names in it that must stay what they were.
    """

    folder: Path
    lock: int
    written: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()
        self._number = _number(self.folder.stat())

    def check(self, target: Path) -> None:
        """Make sure that writing `target`, which lies in the folder, would write there.

        Raises:
            Displaced: the folder is another one by now, or a link leads out of it on the way to `target`.
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
        """Make sure that everything that was written in the folder is still there.

        Raises:
            Displaced: something is gone, or has become a link; or the folder itself has.
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
"""The folders that this process holds, the outer before the inner."""


@contextlib.contextmanager
def holding(folder: Path, lock: int = -1) -> Iterator[HeldFolder]:
    """Let every file that `replacing` writes in a folder be written in that folder or nowhere.

    lock: an open file in the folder; -1 for none.
    """
    held = HeldFolder(folder, lock)
    _held.append(held)
    try:
        yield held
    finally:
        _held.remove(held)


def held_at(path: Path) -> list[HeldFolder]:
    """The held folders in which a path lies, the outermost first."""
    whole = path.absolute()
    return [held for held in _held if held.folder in whole.parents]


def check_below(path: Path, root: Path) -> None:
    """Refuse a path that does not lie below `root`, or that a link below `root` may lead elsewhere.

    The folder `root` itself, and what leads to it, may be reached through links: the user has named it.

    Raises:
        UnsafePathError: It is `root` itself, lies outside, has a `..` in it, or a link is on the way.
    """
    try:
        steps = path.absolute().relative_to(root.absolute()).parts
    except ValueError:
        steps = ()
    if not steps or ".." in steps:
        raise UnsafePathError(errno.EPERM, f"it does not lie below {root}", str(path))
    place = root
    for step in steps:
        place = place / step
        if place.is_symlink():
            raise UnsafePathError(errno.EPERM, f"{place} is a link, and might lead elsewhere", str(path))


def remove_below(path: Path, root: Path) -> None:
    """Delete a file, or a folder with all that is in it, if it is there: the one way in which we delete.

    Links inside a folder are deleted themselves; what they lead to is not touched.

    Args:
        path: What to delete.
        root: A folder that it must lie below; see `check_below`.

    Raises:
        UnsafePathError: The path leads out of `root`, or is `root`; nothing is deleted.
        OSError: It cannot be deleted.
    """
    check_below(path, root)
    with contextlib.suppress(FileNotFoundError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it becomes `target`, on failure it is removed.

    The caller may write a file or make a folder at the yielded path (nothing stands there yet); its
    suffix is the target's, for writers that look at it. An existing target folder is replaced as well.
    """
    if (problem := output_problem(target)) and not target.is_dir():  # a folder is replaced by a folder
        raise OSError(errno.EINVAL, problem, str(target))
    holders = held_at(target)
    for held in holders:
        held.check(target.absolute())
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=SCRATCH, dir=target.parent))
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
            error.filename = str(target)  # nobody knows the other name
        raise
    finally:
        with contextlib.suppress(OSError):
            remove_below(scratch, target.parent)


def _replace_folder(written: Path, target: Path, aside: Path) -> None:
    """Two steps, since no system moves a folder over a full one; undone when the second fails."""
    target.replace(aside)
    try:
        written.replace(target)
    except BaseException:
        aside.replace(target)
        raise


def sweep(folder: Path) -> None:
    """Take away what writers that were killed have left under `folder`; nobody may be writing there."""
    for scratch in folder.rglob(f".*{SCRATCH}"):
        if scratch.is_dir() and not scratch.is_symlink():
            with contextlib.suppress(OSError):
                remove_below(scratch, folder)


def write_text(target: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replacing(target) as path:
        path.write_text(text, encoding="utf-8")


def write_json(target: Path, document: Any) -> None:
    """Write a JSON document (two spaces of indent, keys in their order), whole or not at all."""
    write_text(target, json_text(document) + "\n")


def write_with(target: Path, writer: Callable[[Path], object]) -> None:
    """Let `writer` make the file at a temporary path, then move it into place."""
    with replacing(target) as path:
        writer(path)


def why_not_writable(folder: Path) -> str:
    """Why nothing can be made in a folder, which need not be there yet: "/data is a file"; empty if it can.

    Nothing is made: the nearest folder above that is there is looked at.
    """
    place = folder.absolute()
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return f"{place} is a link that leads nowhere" if place.is_symlink() else f"{place} is a file"
    if hasattr(os, "statvfs") and os.statvfs(place).f_flag & os.ST_RDONLY:
        return f"{place} is on a read-only file system"
    return "" if os.access(place, os.W_OK | os.X_OK) else f"{place} is not writable"


def overwrite(target: Path, text: str) -> None:
    """Write a text over the beginning of a file that is there, with spaces up to its end.

    For when `replacing` fails: this takes no room on the disk unless the text is longer than the file.

    Raises:
        OSError: it cannot be written, or the text is longer and the disk is full; then the file is as it was.
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
    """The sha256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _number(status: os.stat_result) -> tuple[int, int, int]:
    """What a folder keeps when it is renamed, and no other has."""
    return status.st_dev, status.st_ino, stat.S_IFMT(status.st_mode)


def flush(path: Path) -> None:
    """Push a file, or every file under a folder, to the disk."""
    if path.is_dir():
        for child in path.iterdir():
            flush(child)
        flush_entry(path)
        return
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


def flush_entry(folder: Path) -> None:
    """Push a folder's list of names to the disk, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
