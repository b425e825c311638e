"""Pack a run into one zip for another machine: its whole folder, and the runs that it refers to.

The zip holds the sha256 of every file. It is read again before it gets its name.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import mlpcli
from mlpcli import runs
from mlpcli.data.moves import PACKED_DATA
from mlpcli.errors import Problem, RunError, UsageError, suggest
from mlpcli.export.pack_manifest import (
    FORMAT,
    MANIFEST,
    RUNS,
    VERSION,
    Manifest,
    PackedData,
    PackedFile,
    PackedRun,
    Why,
    manifest_problems,
)
from mlpcli.export.packed_data import data_of
from mlpcli.export.unpack import check_members, is_bomb, open_pack
from mlpcli.files import SCRATCH, open_ordinary, replacing, sha256_of
from mlpcli.model.run_spec import runs_dir_of
from mlpcli.printable import json_text
from mlpcli.runs.folder import COMPLETED, MODEL, RECORD, Run, open_run
from mlpcli.runs.guard import WITHIN_SEARCH, check_inside, outermost
from mlpcli.runs.lock import LOCK, is_locked
from mlpcli.runs.search_folder import CHIEF

PARTS = (runs.CHECKPOINTS, runs.TENSORBOARD, runs.SAVED_MODEL, runs.PLOTS)
"""Folders of a run that may be left out: no command but `train --resume` and `tensorboard` needs them."""

NEVER = (LOCK, CHIEF)
"""Files that mean something on this machine alone; the second holds the key of a search."""

BLOCK = 2**20


@dataclass(frozen=True)
class _Found:
    """A run that goes into the zip."""

    run: Run
    why: Why

    @property
    def label(self) -> str:
        return self.run.label


@dataclass
class _Content:
    """All that goes into a zip.

    Attributes:
        runs: the one that is packed first.
        files: by their names in the zip.
        missing: runs that a run refers to, and that are gone.
        data: of the first run.
    """

    runs: list[_Found] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    data: list[PackedData] = field(default_factory=list)


def pack_run(run: Run, target: Path, *, without: Sequence[str] = (), with_data: bool = False) -> Manifest:
    """Write a run, with all that it holds and refers to, into a zip.

    Args:
        run: the run.
        target: the file to write.
        without: which of PARTS to leave out.
        with_data: also the files that it was trained on.

    Raises:
        UsageError: there is no such part, or it is all that an unfinished run can go on with.
        RunError: the run is inside another, in use, or damaged.
        OSError: the file cannot be written.
    """
    _check(run, without)
    content = _collect(run)
    content.data, data = data_of(run, wanted=with_data)
    for found in content.runs:
        for path in _files(found.run.folder, without):
            name = path.relative_to(found.run.folder).as_posix()
            content.files[f"{RUNS}/{found.label}/{name}"] = path
    content.files |= {f"{RUNS}/{run.label}/{name}": path for name, path in data.items()}
    with replacing(target) as path:
        for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
            manifest = _write(path, content, without, method)
            if not is_bomb(manifest.size, path.stat().st_size):  # which nobody could unpack
                break
        if problem := next(manifest_problems(manifest), ""):
            raise RunError(Problem(f"{run.label} cannot be packed: {problem}", hint="rename it"))
        with open_pack(path) as (packed, read):
            check_members(packed, read)
    return manifest


def _check(run: Run, without: Sequence[str]) -> None:
    """Refuse what cannot be packed.

    Raises:
        UsageError: see `pack_run`.
        RunError: see `pack_run`.
    """
    for part in without:
        if part not in PARTS:
            hint = suggest(part, PARTS, f"one of {', '.join(PARTS)}")
            raise UsageError(Problem("--without: no such part of a run", received=part, hint=hint))
    whole = outermost(run.folder)
    if whole != run.folder.absolute():
        rule = f"{run.label} is inside {whole.parent.name}/{whole.name}, which is packed as a whole"
        raise RunError(Problem(rule, hint=f"mlpcli pack {whole.parent.name}/{whole.name}"))
    if run.status != COMPLETED and runs.CHECKPOINTS in without:
        rule = f"--without checkpoints: run {run.label} {run.describe()}, which goes on from these alone"
        raise UsageError(Problem(rule, hint="leave the option out, or finish the run first"))


def _collect(run: Run) -> _Content:
    """Return the runs of a zip: one, and those that it or another of them refers to.

    Raises:
        RunError: one is in use or damaged, or two have the same name.
    """
    content = _Content()
    waiting: list[tuple[Run, Why]] = [(run, "named")]
    labels: dict[str, Path] = {}
    while waiting:
        now, why = waiting.pop(0)
        place = now.folder.resolve()
        if place == labels.get(now.label):
            continue
        if now.label in labels:
            rule = f"two runs are called {now.label}: {labels[now.label]} and {place}"
            raise RunError(Problem(rule, hint="move one of them to another name"))
        labels[now.label] = place
        _check_whole(now)
        content.runs.append(_Found(now, why))
        for reason, label, folder, sha256 in _references(now):
            found = _find(label, folder, sha256, now)
            if found is None:
                content.missing.append(f"{reason} {label}")
            else:
                waiting.append((found, reason))
    content.missing = sorted({*content.missing})
    return content


def _check_whole(run: Run) -> None:
    """Refuse a run that is being written, holds links, or whose files are not those of its record.

    Raises:
        RunError: it is so.
    """
    if is_locked(run.folder):
        raise RunError(Problem(f"{run.label} is in use by another process", hint="wait until it ends"))
    check_inside(run.folder)
    for each in _within(run):
        for name, sha256 in each.record.sha256.items():
            file = each.folder / name
            inside = file.is_file() and file.resolve().is_relative_to(each.folder.resolve())
            if inside and sha256_of(file) != sha256:
                rule = f"{file} is damaged: its sha256 is not the one in {RECORD}"
                raise RunError(Problem(rule, hint="restore the original, or train again"))


def _within(run: Run) -> Iterator[Run]:
    """Yield a run and the runs inside it."""
    yield run
    for path in sorted(run.folder.glob(f"*/*/{RECORD}")):
        if path.parts[-3] in WITHIN_SEARCH:
            yield from _within(open_run(path.parent))


def _references(run: Run) -> Iterator[tuple[Why, str, str, str | None]]:
    """Yield the runs that a run, or one inside it, refers to: why, label, folder, and sha256 of the model."""
    for each in _within(run):
        record = each.record
        if (start := record.start_from) is not None:
            yield "start_from", start.run, start.folder, start.sha256
        if record.parent is not None:
            yield "parent", record.parent.run, record.parent.folder, None
        if record.reproduces is not None:
            yield "reproduces", record.reproduces.run, record.reproduces.folder, None


def _find(label: str, folder: str, sha256: str | None, user: Run) -> Run | None:
    """Return a run that another refers to, as a whole; None where it is gone, or is another one now."""
    for place in (Path(folder), runs_dir_of(user) / label):
        if not folder and place == Path(folder):
            continue
        if (place / RECORD).is_file():
            model = place / MODEL
            if sha256 is None or (model.is_file() and sha256_of(model) == sha256):
                return open_run(outermost(place))
    return None


def _files(folder: Path, without: Sequence[str]) -> Iterator[Path]:
    """Yield the files of a run's folder that are packed, sorted by name.

    Raises:
        RunError: there is something else than files and folders.
    """
    for place, folders, names in os.walk(folder):
        steps = Path(place).relative_to(folder).parts
        while len(steps) >= 2 and steps[0] in WITHIN_SEARCH:
            steps = steps[2:]
        left = {*without, PACKED_DATA} if not steps else {*()}
        folders[:] = sorted(each for each in folders if each not in left and not each.endswith(SCRATCH))
        for name in sorted(names):
            path = Path(place, name)
            if not stat.S_ISREG(path.lstat().st_mode):
                raise RunError(Problem(f"{path} is not an ordinary file", hint="remove it"))
            if steps or name not in NEVER:
                yield path


def _write(path: Path, content: _Content, without: Sequence[str], method: int) -> Manifest:
    """Write a zip, the manifest last."""
    written: dict[str, PackedFile] = {}
    with zipfile.ZipFile(path, "w", method) as packed:
        for name, source in content.files.items():
            written[name] = _add(packed, name, source, method)
        manifest = Manifest(
            format=FORMAT,
            version=VERSION,
            mlpcli=mlpcli.__version__,
            packed=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            runs=[PackedRun(run=each.label, why=each.why) for each in content.runs],
            files=written,
            data=content.data,
            fingerprint=_fingerprint(content.runs[0].run),
            missing=content.missing,
            without=list(without),
        )
        packed.writestr(_entry(MANIFEST, method), json_text(manifest.model_dump(mode="json")) + "\n")
    return manifest


def _add(packed: zipfile.ZipFile, name: str, source: Path, method: int) -> PackedFile:
    """Add a file to a zip, and return the bytes that were written and their sha256."""
    digest, size = hashlib.sha256(), 0
    with open_ordinary(source) as file:
        large = os.fstat(file.fileno()).st_size > zipfile.ZIP64_LIMIT // 2
        with packed.open(_entry(name, method), "w", force_zip64=large) as member:
            while block := file.read(BLOCK):
                digest.update(block)
                member.write(block)
                size += len(block)
    return PackedFile(bytes=size, sha256=digest.hexdigest())


def _entry(name: str, method: int) -> zipfile.ZipInfo:
    """Return the entry of a file: an ordinary one that its owner may write."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = method
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry


def _fingerprint(run: Run) -> str | None:
    """Return the fingerprint of a run's data, as its record or one of the runs inside it has it."""
    found = (each.record.data for each in _within(run))
    return next((data.fingerprint for data in found if data is not None), None)
