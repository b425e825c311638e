"""Load a dataset into files, once: a second time its folder is found by the content of the data."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

import mlpcli
from mlpcli.data.dataset import Contract, Dataset
from mlpcli.data.images.image_reading import images_beside_columns
from mlpcli.data.load import Request, divide_dataset, open_dataset
from mlpcli.data.readers.find_files import find_files, is_server_path
from mlpcli.data.readers.partitions import folder_keys
from mlpcli.data.stored.cached_dataset import Broken, read_dataset, read_document, write_dataset
from mlpcli.data.stored.kept_splits import StoredRows
from mlpcli.data.stored.release import release_memory
from mlpcli.errors import KeyPath, Problem, SpecError
from mlpcli.files import remove_below, replacing, sha256_of
from mlpcli.spec.memory_size import CACHE, lock_of
from mlpcli.spec.schema import DatasetSpec

VERSION = 2
"""Of how rows are read and encoded: after a change no earlier folder is used."""


@dataclasses.dataclass(frozen=True)
class StoreOptions:
    """How encoded rows are kept in files.

    Attributes:
        runs_dir: the folder beside whose runs they are.
        memory: the bytes that rows may take in memory.
        fingerprint: of the data that is wanted; None where that is not known.
    """

    runs_dir: Path
    memory: int
    fingerprint: str | None = None


def load_stored(
    spec: DatasetSpec, request: Request, *, seed: int, folder: Path, options: StoreOptions
) -> Dataset:
    """Load the dataset of a spec; see `load_dataset`. Its rows stay in files.

    Args:
        spec: the `dataset` section.
        request: what the network requires.
        seed: of the random splits.
        folder: relative to which paths in the spec are read.
        options: how they are kept.

    Raises:
        SpecError: see `load_dataset`.
        DataError: see `load_dataset`.
    """
    if images_beside_columns(spec, request.inputs):
        rule = "is not for images beside columns, whose pixels are encoded in memory"
        hint = "remove it; image_size and the number of rows say how much memory there must be"
        raise SpecError(Problem(rule, path=("fit", "memory"), hint=hint))
    cache = options.runs_dir / CACHE
    names = {"data": _content(spec, folder), "section": _section(spec, request, seed)}
    own = cache / f"{names['data'][:16]}-{names['section'][:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(lock_of(own)):
        notes = []
        for place in (own, *_of_fingerprint(cache, names["data"], options.fingerprint, own)):
            try:
                if os.path.lexists(place):
                    return _opened(place, names, spec, options)
            except Broken as error:
                notes.append(f"the encoded rows in {place} were damaged ({error}), and are written again")
        _remove_leftovers(own)
        _write(own, names, spec, request, seed, folder, options)
        release_memory()
        made = _opened(own, names, spec, options)
    return replace(made, notes=(*made.notes, *notes))


def _content(spec: DatasetSpec, folder: Path) -> str:
    """Return a sha256 over the content of all files that a section names."""
    digest = hashlib.sha256()
    named: list[tuple[str, object]] = [("path", spec.path), ("target", spec.target)]
    named += [("test", spec.test), ("validation", spec.validation)]
    for key, text in named:
        if not isinstance(text, str) or (key == "target" and not text.lower().endswith(".npy")):
            continue
        path: KeyPath = ("dataset", key)
        files = find_files(text, folder, path)
        for file, keys in zip(files, folder_keys(files, above=key != "path"), strict=True):
            if file.is_dir():
                rule = "is for tables and for .npy files; decoded images are in a file anyway"
                raise SpecError(Problem(rule, path=("fit", "memory"), hint="remove it"))
            if is_server_path(file):
                rule = "is for files, whose content names the copy of their rows"
                hint = "export the rows to Parquet files first"
                raise SpecError(Problem(rule, path=("fit", "memory"), hint=hint))
            for part in (file, *_written_ahead(file)):
                ending = "".join(part.suffixes)
                digest.update(f"{key} {ending} {part.stat().st_size} {sha256_of(part)}\n".encode())
            if keys:
                digest.update(f"{[(each.name, each.text, each.whole) for each in keys]}\n".encode())
    return digest.hexdigest()


def _written_ahead(file: Path) -> Iterator[Path]:
    """Yield the logs beside a database that hold what is not yet in its file: SQLite's and DuckDB's."""
    for name in (f"{file.name}-wal", f"{file.name}.wal"):
        if (log := file.with_name(name)).is_file() and log.stat().st_size:
            yield log


def _section(spec: DatasetSpec, request: Request, seed: int) -> str:
    """Return a sha256 over all that decides how these files become encoded rows."""
    section = spec.model_dump(exclude={"path"})
    for key in ("test", "validation"):
        section[key] = "a file" if isinstance(section[key], str) else section[key]
    fields = (field.name for field in dataclasses.fields(request) if field.name != "kept")
    wanted = {name: _plain(getattr(request, name)) for name in fields}
    document = [
        VERSION,
        mlpcli.__version__,
        np.__version__,
        seed,
        sorted(spec.model_fields_set),
        section,
        wanted,
    ]
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()


def _plain(value: object) -> object:
    """Return a value of a request as one of JSON, in an order of its own."""
    if isinstance(value, Contract):
        return value.to_json()
    if isinstance(value, Mapping):
        return [[key, _plain(each)] for key, each in value.items()]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return list(value) if isinstance(value, tuple | range) else value


def _of_fingerprint(cache: Path, data: str, fingerprint: str | None, own: Path) -> Iterator[Path]:
    """Yield folders of the same data whose rows are encoded as those of a run."""
    for place in sorted(cache.glob(f"{data[:16]}-*")) if fingerprint is not None else ():
        if place != own:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                document = json.loads((place / "dataset.json").read_text(encoding="utf-8"))
                if document["fingerprint"] == fingerprint:
                    yield place


def _opened(place: Path, names: Mapping[str, str], spec: DatasetSpec, options: StoreOptions) -> Dataset:
    """Return the dataset of a folder.

    Raises:
        Broken: the folder does not hold it.
    """
    document = read_document(place)
    if document.get("data") != names["data"]:
        raise Broken("it is of other data")
    assert spec.path is not None
    return read_dataset(place, document, label=spec.path, memory=options.memory)


def _write(
    place: Path,
    names: Mapping[str, str],
    spec: DatasetSpec,
    request: Request,
    seed: int,
    folder: Path,
    options: StoreOptions,
) -> None:
    """Read, divide and encode the rows into a folder, which appears whole or not at all."""
    raw = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".raw", dir=place.parent))
    try:
        with replacing(place) as scratch:
            scratch.mkdir()
            keeper = StoredRows(scratch, raw, options.memory)
            opened = open_dataset(spec, request, seed=seed, folder=folder, keeper=keeper)
            dataset = divide_dataset(opened, spec, request, seed=seed, keeper=keeper)
            write_dataset(scratch, replace(dataset, held_out=None), names)
    finally:
        shutil.rmtree(raw, ignore_errors=True)


def _remove_leftovers(place: Path) -> None:
    """Delete what processes that were killed had written of a folder; nobody else writes it now."""
    for each in place.parent.glob(f".{place.name}.*"):
        if each != lock_of(place):
            remove_below(each, place.parent)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time look for a folder and write it; another waits, and then finds it."""
    if os.name != "posix":
        yield
        return
    import fcntl

    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not _is_at(handle, path):  # `clean` has deleted it meanwhile
                continue
            yield
            return
        finally:
            os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    """Return whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
