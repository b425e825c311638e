"""Run an mlpcli command and kill it, or make a write fail, at its N-th write; without N, count its writes.

    python scripts/kill_at_write.py [--at N] [--error ENOSPC [--lasting]] [--list] FOLDER COMMAND...
    python scripts/kill_at_write.py --at 40 runs train spec.yaml --runs-dir runs

A write is anything that changes what is below FOLDER: a file opened for writing, a write, an fsync, a file
moved, cut or deleted, a folder made. It is noticed where Python asks for it; TensorFlow's own writers
(TensorBoard's events, a SavedModel) are noticed at the Python functions that call them. At the N-th the
process is ended by SIGKILL: before it, or, where bytes are written, when half of them are there. With --error
the first from N on that such an error would stop fails instead (a full disk still deletes); with --lasting,
so do all later ones.

The last line on stderr says how many writes there were. `torture.py` and the tests use the functions here.
"""

from __future__ import annotations

import argparse
import builtins
import errno
import io
import mmap
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).parent.parent))

NAMES = ("open", "mkdir", "replace", "rename", "link", "symlink", "unlink", "remove", "rmdir")
REFUSED: dict[str, tuple[str, ...]] = {
    "ENOSPC": ("open", "mkdir", "write"),
    "EDQUOT": ("open", "mkdir", "write"),
    "EACCES": NAMES,
}
"""Kinds of writes that an error goes on refusing. A full disk still moves, cuts, deletes, and overwrites what
is there; a folder that is not writable keeps its names. Errors that are not here refuse everything."""


class Writes:
    """Counts the writes below a folder, and ends the process, or raises an error, at one of them.

    at: the number of that write, from 1; 0 for none. error: the name of an errno; None for SIGKILL.
    lasting: the writes after it fail as well. log: a file outside the folder that gets a line for each write.
    before: called with each write's number, kind and path before it is made.
    """

    def __init__(
        self,
        within: Path,
        at: int = 0,
        *,
        error: str | None = None,
        lasting: bool = False,
        log: Path | None = None,
        before: Callable[[int, str, str], object] = lambda number, kind, path: None,
    ) -> None:
        self.within, self.at, self.error, self.lasting = str(within.resolve()), at, error, lasting
        self._shared = mmap.mmap(-1, 8)  # still there when the process that counted has been killed
        self._log = None if log is None else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._before, self._failed = before, False
        self._undo: list[Callable[[], None]] = []

    @property
    def count(self) -> int:
        """How many writes there have been, in this process or in one that was forked from it."""
        return int.from_bytes(self._shared[:8], "little")

    def happens(self, kind: str, path: str, tear: Callable[[], object] = lambda: None) -> None:
        """Record a write that is about to be made; `tear` makes half of it."""
        number = self.count + 1
        self._shared[:8] = number.to_bytes(8, "little")
        if self._log is not None:
            _write(self._log, f"{number} {kind} {path.removeprefix(self.within)}\n".encode())
        self._before(number, kind, path)
        if self.error is None and number == self.at:
            tear()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.error is not None and self._fails(kind, number):
            code = getattr(errno, self.error)
            raise OSError(code, os.strerror(code), path)

    def _fails(self, kind: str, number: int) -> bool:
        """Whether a write fails: the first from `at` on that the error would stop; later ones if it lasts."""
        if not self.at or number < self.at or (self._failed and not self.lasting):
            return False
        self._failed = self._failed or kind in REFUSED.get(str(self.error), (kind,))
        return kind in REFUSED.get(str(self.error), (kind,))

    def is_inside(self, path: object, dir_fd: int | None = None) -> str | None:
        """Return the absolute path of something below the folder; None if it is elsewhere."""
        if isinstance(path, int):
            return self._inside(_path_of(path))
        text = os.fsdecode(path)  # type: ignore[arg-type]
        whole = Path(_path_of(dir_fd) if dir_fd is not None else "").absolute() / text
        return self._inside(str(whole))

    def _inside(self, whole: str) -> str | None:
        if not whole:
            return None
        path = Path(whole)
        real = str(path.parent.resolve() / path.name)
        return whole if real == self.within or real.startswith(self.within + os.sep) else None

    def __enter__(self) -> Writes:
        for name in ("mkdir", "rmdir", "unlink", "remove", "truncate"):
            self._patch(os, name, self._of_path(name, getattr(os, name)))
        for name in ("rename", "replace", "link", "symlink"):
            self._patch(os, name, self._of_two(name, getattr(os, name)))
        for name in ("fsync", "fdatasync", "ftruncate", "posix_fallocate"):
            if hasattr(os, name):
                self._patch(os, name, self._of_handle(name, getattr(os, name)))
        self._patch(os, "write", self._write)
        self._patch(os, "open", self._os_open)
        opened = self._opened(io.open)
        for module in (builtins, io):
            self._patch(module, "open", opened)
        self._patch_tensorflow()
        return self

    def __exit__(self, *error: object) -> None:
        while self._undo:
            self._undo.pop()()

    def _patch(self, holder: Any, name: str, function: Any) -> None:
        stock = getattr(holder, name)
        self._undo.append(lambda: setattr(holder, name, stock))
        setattr(holder, name, function)

    def _of_path(self, kind: str, stock: Any) -> Any:
        def call(path: Any, *arguments: Any, **keywords: Any) -> Any:
            if inside := self.is_inside(path, keywords.get("dir_fd")):
                self.happens(kind, inside)
            return stock(path, *arguments, **keywords)

        return call

    def _of_two(self, kind: str, stock: Any) -> Any:
        def call(one: Any, other: Any, **keywords: Any) -> Any:
            if inside := self.is_inside(other, keywords.get("dst_dir_fd")):
                self.happens(kind, inside)
            return stock(one, other, **keywords)

        return call

    def _of_handle(self, kind: str, stock: Any) -> Any:
        def call(handle: Any, *arguments: Any) -> Any:
            number = handle if isinstance(handle, int) else handle.fileno()
            if inside := self.is_inside(number):
                self.happens("fsync" if "sync" in kind else "write" if "alloc" in kind else kind, inside)
            return stock(handle, *arguments)

        return call

    def _write(self, handle: int, data: Any) -> int:
        if inside := self.is_inside(handle):
            half = memoryview(data).cast("B")[: len(data) // 2]
            end = os.lseek(handle, 0, os.SEEK_CUR) + len(data)
            kind = "rewrite" if end <= os.fstat(handle).st_size else "write"
            self.happens(kind, inside, lambda: _write(handle, half))
        return _write(handle, data)

    def _os_open(self, path: Any, flags: int, *arguments: Any, **keywords: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and (
            inside := self.is_inside(path, keywords.get("dir_fd"))
        ):
            self.happens("open" if flags & (os.O_CREAT | os.O_TRUNC) else "reopen", inside)
        return _open(path, flags, *arguments, **keywords)

    def _opened(self, stock: Any) -> Any:
        """`open` whose files below the folder count each write that reaches the system, and can tear it."""

        def call(file: Any, mode: str = "r", buffering: int = -1, *arguments: Any, **keywords: Any) -> Any:
            writes = any(letter in mode for letter in "wax+")
            inside = self.is_inside(file) if writes and keywords.get("opener") is None else None
            if inside is None:
                return stock(file, mode, buffering, *arguments, **keywords)
            self.happens("open", inside)
            raw = _CountedFile(file, mode.replace("b", "").replace("t", ""), keywords.get("closefd", True))
            raw.writes, raw.inside = self, inside
            if "b" in mode and buffering == 0:
                return raw
            binary = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            if "b" in mode:
                return binary
            names = ("encoding", "errors", "newline")
            given = dict(zip(names, arguments, strict=False)) | {
                k: v for k, v in keywords.items() if k in names
            }
            given.setdefault("encoding", "utf-8")
            text = io.TextIOWrapper(binary, **given, line_buffering=buffering == 1)
            text.mode = mode  # type: ignore[misc]
            return text

        return call

    def _patch_tensorflow(self) -> None:
        """Count what TensorFlow's C++ writes, at the Python functions that ask for it."""
        if "tensorflow" not in sys.modules:
            return
        from tensorflow.python.lib.io import _pywrap_file_io
        from tensorflow.python.ops import summary_ops_v2

        for name, kind in (
            ("CreateDir", "mkdir"),
            ("RecursivelyCreateDir", "mkdir"),
            ("DeleteFile", "unlink"),
        ):
            self._patch(_pywrap_file_io, name, self._of_path(kind, getattr(_pywrap_file_io, name)))
        self._patch(_pywrap_file_io, "WritableFile", self._of_path("open", _pywrap_file_io.WritableFile))
        self._patch(_pywrap_file_io, "RenameFile", self._of_renamed(_pywrap_file_io.RenameFile))
        writers = summary_ops_v2
        self._patch(writers, "create_file_writer_v2", self._of_path("open", writers.create_file_writer_v2))
        self._patch(sys.modules["tensorflow"].summary, "create_file_writer", writers.create_file_writer_v2)
        self._patch(
            writers._ResourceSummaryWriter, "flush", self._flushed(writers._ResourceSummaryWriter.flush)
        )

    def _of_renamed(self, stock: Any) -> Any:
        def call(one: Any, other: Any, *arguments: Any) -> Any:
            if inside := self.is_inside(other):
                self.happens("replace", inside)
            return stock(one, other, *arguments)

        return call

    def _flushed(self, stock: Any) -> Any:
        def call(writer: Any) -> Any:
            self.happens("write", self.within + "/tensorboard")
            return stock(writer)

        return call


class _CountedFile(io.FileIO):
    """A file of which every write is counted."""

    writes: Writes
    inside: str

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self.writes.happens(
            "write", self.inside, lambda: super(_CountedFile, self).write(view[: len(view) // 2])
        )
        return super().write(data)


_write, _open = os.write, os.open


def _path_of(handle: int) -> str:
    """Return the path of an open file; an empty text where the system does not report it."""
    try:
        return str(Path(f"/proc/self/fd/{handle}").readlink())
    except OSError:
        return ""


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit status (-9 when it was killed), what it printed, and its number of writes."""

    status: int
    text: str
    count: int

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.status == -signal.SIGKILL


def forked(
    arguments: Sequence[object], writes: Writes, *, setup: Callable[[], object] = lambda: None
) -> Ended:
    """Run an mlpcli command in a forked process in which the writes are counted.

    Import TensorFlow before, and use nothing of it: the children then begin in a tenth of a second.
    """
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            _be(arguments, writes, output.fileno(), setup)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        output.seek(0)
        return Ended(status, output.read().decode("utf-8", "replace"), writes.count)


def _be(arguments: Sequence[object], writes: Writes, output: int, setup: Callable[[], object]) -> NoReturn:
    """Be the forked process: run the command, and leave without what Python does at exit."""
    status = 99
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(n, "w"), line_buffering=True) for n in (1, 2))
        from mlpcli.cli import main

        setup()
        with writes:
            status = main([str(argument) for argument in arguments])
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(status)


def _main() -> NoReturn:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--at", type=int, default=0, metavar="N")
    parser.add_argument("--error", metavar="NAME", help="of an errno: ENOSPC, EIO, EACCES")
    parser.add_argument("--lasting", action="store_true")
    parser.add_argument("--list", action="store_true", help="show every write on stderr")
    parser.add_argument("folder", type=Path)
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    wanted = parser.parse_args()
    from mlpcli.keras_import import import_keras

    import_keras()
    log = Path("/dev/stderr") if wanted.list else None
    writes = Writes(wanted.folder, wanted.at, error=wanted.error, lasting=wanted.lasting, log=log)
    ended = forked(wanted.arguments, writes)
    sys.stdout.write(ended.text)
    print(f"{'killed at' if ended.killed else 'writes:'} {ended.count}", file=sys.stderr, flush=True)
    os._exit(ended.status if ended.status >= 0 else 128 - ended.status)


if __name__ == "__main__":
    _main()
