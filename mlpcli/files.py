"""Whole files or none: every file of a run is written through this module.

A file is written under a temporary name beside its target, flushed to the disk, and moved over the
target in one step; then the folder's own entry is flushed. A reader sees the old file or the new.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlpcli.printable import json_text

SCRATCH = ".part"
"""Ending of the folders in which files are written before they are moved into place."""


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it becomes `target`, on failure it is removed.

    The caller may write a file or make a folder at the yielded path (nothing stands there yet); its
    suffix is the target's, for writers that look at it. An existing target folder is replaced as well.
    """
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
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


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
            shutil.rmtree(scratch, ignore_errors=True)


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


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
