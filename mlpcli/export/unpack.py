"""Unpack the zip of a run: nothing is written outside the runs folder, and nothing half.

A zip may come from a stranger. It must hold exactly the files of its manifest, as many bytes of each, with
their sha256; only ordinary files in `runs/name/timestamp/`; and no more than there is room for. All of it is
read and checked in a folder beside the runs, which are then moved into place.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import stat
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from mlpcli.errors import MlpcliError, Problem, RunError
from mlpcli.export.pack_manifest import (
    MANIFEST,
    RUNS,
    VERSION,
    Manifest,
    PackedFile,
    PackedRun,
    manifest_problems,
)
from mlpcli.files import SCRATCH, flush, flush_entry, open_ordinary, remove_below, sha256_of
from mlpcli.machine import format_bytes
from mlpcli.near_paths import near_path
from mlpcli.runs.folder import MODEL, RECORD, open_run
from mlpcli.runs.guard import check_way
from mlpcli.runs.lock import is_locked, locked

MOST_FILES = 200_000
LARGEST_MANIFEST = 64 * 2**20
MOST_REPEATED, MOST_PACKED = 256 * 2**20, 200
"""A zip whose files have more bytes than the first, and more than so many times its own, is refused."""

BLOCK = 2**20
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
SPARE = 64 * 2**20
"""Bytes of the disk that stay free."""

UNPACKING = ".unpacking-"
"""How the folders begin in which zips are unpacked."""

STALE_SECONDS = 60.0

AGAIN = "pack the run again, or copy the file again"


@dataclass(frozen=True)
class UnpackedRun:
    """A run of a zip.

    Attributes:
        label: `name/timestamp`.
        folder: where it is now.
        why: `named`, or how another run refers to it.
        there: it was there already, and was left alone.
    """

    label: str
    folder: Path
    why: str
    there: bool


@contextlib.contextmanager
def open_pack(file: Path) -> Iterator[tuple[zipfile.ZipFile, Manifest]]:
    """Open the zip of a run, and check all that can be checked without unpacking it.

    Raises:
        RunError: it is none, is damaged, or holds what it must not hold.
    """
    with contextlib.ExitStack() as stack:
        try:
            opened: BinaryIO = stack.enter_context(open_ordinary(file))
            packed = stack.enter_context(zipfile.ZipFile(opened))
        except FileNotFoundError:
            raise RunError(
                Problem(f"{file}: there is no such file", hint=near_path(file, (".zip",)))
            ) from None
        except OSError as error:
            raise RunError(Problem(f"{file} cannot be read ({error.strerror or error})")) from None
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            rule = f"{file} is not a zip, or is damaged ({_plain(error)})"
            raise RunError(Problem(rule, hint="unpack takes what `mlpcli pack` has written")) from None
        packed.filename = str(file)  # of a file that is open it has a number
        manifest = _manifest(file, packed)
        _check_entries(file, packed, manifest)
        yield packed, manifest


def _plain(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _manifest(file: Path, packed: zipfile.ZipFile) -> Manifest:
    """Return the manifest of a zip.

    Raises:
        RunError: there is none, or it is damaged or of a later version.
    """
    try:
        entry = packed.getinfo(MANIFEST)
    except KeyError:
        hint = "unpack takes what `mlpcli pack` has written"
        raise RunError(Problem(f"{file} is not a packed run (it has no {MANIFEST})", hint=hint)) from None
    _check_entry(file, entry)
    if entry.file_size > LARGEST_MANIFEST:
        raise RunError(Problem(f"{file}: {MANIFEST} is larger than {format_bytes(LARGEST_MANIFEST)}"))
    content = b"".join(_blocks(file, packed, entry))
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        rule = f"{file}: {MANIFEST} is damaged: {where} {first['msg']}"
        raise RunError(Problem(rule, hint=AGAIN)) from None
    if manifest.version > VERSION:
        rule = f"{file} was packed by a later version of mlpcli, {manifest.mlpcli}"
        raise RunError(Problem(rule, hint="update mlpcli"))
    problems = [Problem(f"{file}: {problem}", hint=AGAIN) for problem in manifest_problems(manifest)]
    if problems:
        raise RunError(*problems)
    return manifest


def _check_entries(file: Path, packed: zipfile.ZipFile, manifest: Manifest) -> None:
    """Check that a zip holds the files of its manifest and nothing else, with their sizes.

    Raises:
        RunError: it does not.
    """
    names, known = [entry.filename for entry in packed.infolist()], {*manifest.files, MANIFEST}
    if len(names) > MOST_FILES:
        raise RunError(Problem(f"{file} has more than {MOST_FILES:,} files"))
    rules = []
    if len({*names}) < len(names):
        rules.append("holds two files of one name")
    rules += [f"holds {name}, which is not in its manifest" for name in names if name not in known]
    rules += [f"lacks {name}" for name in manifest.files.keys() - {*names}]
    for entry in packed.infolist():
        _check_entry(file, entry)
        listed = manifest.files.get(entry.filename)
        if listed is not None and entry.file_size != listed.bytes:
            rules.append(f"holds {entry.file_size:,} bytes of {entry.filename}, not {listed.bytes:,}")
    if rules:
        raise RunError(*(Problem(f"{file} {rule}", hint=AGAIN) for rule in sorted(rules)))
    size = sum(entry.file_size for entry in packed.infolist())
    if is_bomb(size, file.stat().st_size):
        times = f"{format_bytes(size)}, more than {MOST_PACKED} times its own size"
        rule = f"{file} would be unpacked to {times}"
        raise RunError(Problem(rule, hint="no packed run is so: nothing was unpacked"))


def is_bomb(size: int, packed: int) -> bool:
    """Return whether so many bytes in a zip of so many are nothing but repetition, made to fill a disk."""
    return size > MOST_REPEATED and size > MOST_PACKED * packed


def _check_entry(file: Path, entry: zipfile.ZipInfo) -> None:
    """Refuse an entry that is no ordinary, readable file.

    Raises:
        RunError: it is a link, a folder or a device, encrypted, or packed in another way.
    """
    kind = stat.S_IFMT(entry.external_attr >> 16)
    problem = ""
    if kind not in (0, stat.S_IFREG) or entry.is_dir():
        problem = "is a link" if kind == stat.S_IFLNK else "is not an ordinary file"
    elif entry.flag_bits & 0x1:
        problem = "is encrypted"
    elif entry.compress_type not in METHODS:
        problem = "is packed in a way that is not read"
    if problem:
        rule = f"{file}: {entry.filename} {problem}"
        raise RunError(Problem(rule, hint="unpack takes what `mlpcli pack` has written"))


def _blocks(file: Path, packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield the contents of a file in a zip, never more than its size says.

    Raises:
        RunError: it is damaged.
    """
    left = entry.file_size
    try:
        with packed.open(entry) as member:
            while block := member.read(BLOCK):
                left -= len(block)
                if left < 0:
                    raise zipfile.BadZipFile("it is longer than it says")
                yield block
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        rule = f"{file}: {entry.filename} is damaged ({_plain(error)})"
        raise RunError(Problem(rule, hint=AGAIN)) from None


def check_members(packed: zipfile.ZipFile, manifest: Manifest) -> None:
    """Read every file of a zip and compare its sha256.

    Raises:
        RunError: one is damaged.
    """
    for name, listed in manifest.files.items():
        _copy(packed, name, listed, None)


def _copy(packed: zipfile.ZipFile, name: str, listed: PackedFile, target: Path | None) -> None:
    """Write a file of a zip to a new file, or only read it.

    Raises:
        RunError: it is damaged.
    """
    file, digest = Path(packed.filename or "the zip"), hashlib.sha256()
    with target.open("xb") if target is not None else contextlib.nullcontext() as written:
        for block in _blocks(file, packed, packed.getinfo(name)):
            digest.update(block)
            if written is not None:
                written.write(block)
    if digest.hexdigest() != listed.sha256:
        raise RunError(Problem(f"{file}: {name} is damaged (its sha256 is another)", hint=AGAIN))


def unpack_run(
    file: Path, runs_dir: Path, *, force: bool = False
) -> tuple[Manifest, tuple[UnpackedRun, ...]]:
    """Unpack the runs of a zip into a runs folder: all of them, or none.

    Args:
        file: the zip.
        runs_dir: the folder of the runs.
        force: replace runs that are there.

    Returns:
        What the zip says, and the runs, the one that was packed first.

    Raises:
        RunError: the zip is not whole or not safe, or a run is there already.
        OSError: it cannot be written.
    """
    with open_pack(file) as (packed, manifest):
        kept = {each.run for each in manifest.runs if _is_there(each, manifest, runs_dir, force)}
        wanted = [each.run for each in manifest.runs if each.run not in kept]
        _check_room(file, manifest, wanted, runs_dir)
        runs_dir.mkdir(parents=True, exist_ok=True)
        _sweep(runs_dir)
        scratch = Path(tempfile.mkdtemp(prefix=UNPACKING, suffix=SCRATCH, dir=runs_dir))
        try:
            with locked(scratch):
                _extract(packed, manifest, wanted, scratch / RUNS)
                _move(wanted, scratch / RUNS, runs_dir)
        finally:
            remove_below(scratch, runs_dir)
    found = (UnpackedRun(each.run, runs_dir / each.run, each.why, each.run in kept) for each in manifest.runs)
    return manifest, tuple(found)


def _is_there(run: PackedRun, manifest: Manifest, runs_dir: Path, force: bool) -> bool:
    """Return whether a run that another refers to is there already, so that it stays as it is.

    Raises:
        RunError: there is another run in its place, or the packed one itself, and it must not be replaced;
            or it is in use.
    """
    folder = runs_dir / run.run
    check_way(folder, runs_dir)
    if not folder.exists():
        return False
    if run.why != "named" and _is_same(folder, manifest.files_of(run.run)):
        return True
    if is_locked(folder):
        raise RunError(Problem(f"{folder} is in use by another process", hint="wait until it ends"))
    if not force:
        hint = "add --force to replace it, or name another folder with --runs-dir"
        raise RunError(Problem(f"{folder} exists already", hint=hint))
    return False


def _is_same(folder: Path, listed: dict[str, PackedFile]) -> bool:
    """Return whether a folder holds a run with the same record and the same model."""
    for name in (RECORD, MODEL):
        path = folder / name
        if (name in listed) != path.is_file() or (name in listed and sha256_of(path) != listed[name].sha256):
            return False
    return True


def _check_room(file: Path, manifest: Manifest, wanted: Sequence[str], runs_dir: Path) -> None:
    """Refuse a zip for which the disk has no room.

    Raises:
        RunError: it has none.
    """
    size = sum(each.bytes for label in wanted for each in manifest.files_of(label).values())
    place = next(each for each in (runs_dir.absolute(), *runs_dir.absolute().parents) if each.is_dir())
    free = shutil.disk_usage(place).free
    if size + SPARE > free:
        rule = f"{file} needs {format_bytes(size)}, and {place} has {format_bytes(free)} free"
        raise RunError(Problem(rule, hint="free some space, or name another folder with --runs-dir"))


def _sweep(runs_dir: Path) -> None:
    """Delete what killed processes have left while they unpacked."""
    for scratch in runs_dir.glob(f"{UNPACKING}*{SCRATCH}"):
        with contextlib.suppress(OSError):
            old = time.time() - scratch.lstat().st_mtime > STALE_SECONDS
            if old and scratch.is_dir() and not is_locked(scratch):
                remove_below(scratch, runs_dir)


def _extract(packed: zipfile.ZipFile, manifest: Manifest, wanted: Sequence[str], scratch: Path) -> None:
    """Write the files of runs into a folder, and check that each is a run.

    Raises:
        RunError: a file is damaged, or the record of a run.
    """
    for label in wanted:
        for name, listed in manifest.files_of(label).items():
            target = scratch / label / name
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(packed, f"{RUNS}/{label}/{name}", listed, target)
        try:
            open_run(scratch / label)
        except MlpcliError as error:
            texts = (each.rule.replace(f"{scratch}/", "") for each in error.problems)
            raise RunError(*(Problem(text, hint=AGAIN) for text in texts)) from None
    flush(scratch)


def _move(wanted: Sequence[str], scratch: Path, runs_dir: Path) -> None:
    """Move runs into a runs folder, the one that was packed last; undo all if one cannot be moved."""
    undo = contextlib.ExitStack()
    with undo:
        for number, label in enumerate(reversed(wanted)):
            target, aside = runs_dir / label, scratch.parent / f"old-{number}"
            made = not target.parent.exists()
            target.parent.mkdir(exist_ok=True)
            if made:
                undo.callback(_remove_empty, target.parent)
            if target.exists():
                target.replace(aside)
                undo.callback(aside.replace, target)
            (scratch / label).replace(target)
            undo.callback(target.replace, scratch / label)
            flush_entry(target.parent)
        undo.pop_all()
    flush_entry(runs_dir)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
