"""The data files of a run: which there are, and where they lie in a zip with them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlpcli import runs
from mlpcli.data.images.find_images import list_images
from mlpcli.data.images.image_reading import image_columns_of
from mlpcli.data.moves import PACKED_DATA, moves_to
from mlpcli.data.readers.dialect import Dialect
from mlpcli.data.readers.find_files import find_files, is_handed_in, is_table
from mlpcli.data.readers.tables import open_tables, read_table
from mlpcli.errors import MlpcliError
from mlpcli.export.pack_manifest import PackedData
from mlpcli.printable import without_password
from mlpcli.runs.folder import Run
from mlpcli.runs.search_folder import SEARCHED
from mlpcli.spec.file_words import is_server, split_scheme
from mlpcli.spec.locations import VARIABLE, WILDCARDS, absolute, files_of
from mlpcli.spec.values import ValueMap
from mlpcli.spec.yaml_reader import read_text


def data_section(folder: Path) -> ValueMap:
    """Return `dataset` of a run's own spec; of a search, of the spec that it searched."""
    for name in (runs.RESOLVED, SEARCHED, runs.SPEC):
        if (folder / name).is_file():
            section = read_text(folder / name).data.get("dataset")
            return section if isinstance(section, dict) else {}
    return {}


def data_of(run: Run, *, wanted: bool) -> tuple[list[PackedData], dict[str, Path]]:
    """Return the data of a run, and the files that are to be packed by their names in the run's folder.

    Args:
        run: the run.
        wanted: whether the files are to be packed.
    """
    if (run.folder / PACKED_DATA).is_dir():  # it came in a zip itself
        paths = [PackedData(path=path) for path in _paths(run)]
        return _own(run, paths) if wanted else (_left(paths), {})
    found = [_with_images(run, _find(path, run.folder.resolve())) for path in _paths(run)]
    if not wanted:
        return _left([PackedData(path=each.path, reason=each.reason) for each in found]), {}
    root = _root([_folder(each.path) for each in found if each.files])
    listed: list[PackedData] = []
    packed: dict[str, Path] = {}
    for each in found:
        start = Path(PACKED_DATA) if not each.files else PACKED_DATA / _folder(each.path).relative_to(root)
        named = {(start / file.relative_to(each.base)).as_posix(): file for file in each.files}
        listed.append(PackedData(path=each.path, files=sorted(named), reason=each.reason))
        packed |= named
    return listed, packed


@dataclass(frozen=True)
class _Found:
    """The files of a path of a spec, where they are now.

    Attributes:
        path: as in the spec.
        base: the folder that they lie in, or that a pattern begins with.
        files: the files; none where they cannot be packed.
        reason: why they cannot.
    """

    path: str
    base: Path = Path()
    files: Sequence[Path] = ()
    reason: str = ""


def _with_images(run: Run, found: _Found) -> _Found:
    """Return the files of a table with the image files that it names, as far as they are below its folder."""
    section = data_section(run.folder)
    columns = image_columns_of(section)
    if not columns or not found.files or not all(map(is_table, found.files)):
        return found
    file = open_tables(found.files, found.path, _dialect(section))
    cells = {
        name: each.arrow.to_pylist()
        for name, each in read_table(file, [*columns], text=[*columns]).columns.items()
    }
    named = (
        file.parent / directory / str(cell).strip()
        for name, directory in columns.items()
        for file in found.files
        for cell in cells[name]
        if cell
    )
    inside = {each for each in named if ".." not in each.parts and each.is_file()}
    below = sorted(each for each in inside if each.is_relative_to(found.base))
    return replace(found, files=[*found.files, *below])


def _dialect(section: ValueMap) -> Dialect:
    """Return how the tables of a `dataset` section's plain values are opened."""
    header = section.get("header")
    return Dialect(
        charset=str(section.get("charset") or ""),
        header=header if isinstance(header, bool) else None,
        delimiter=str(section.get("delimiter") or ""),
        comment=str(section.get("comment") or ""),
        sheet=str(section.get("sheet") or ""),
        query=str(section.get("query") or ""),
    )


def _own(run: Run, paths: list[PackedData]) -> tuple[list[PackedData], dict[str, Path]]:
    """Return the data that came with a run in a zip."""
    found = {
        path.relative_to(run.folder).as_posix(): path
        for path in sorted((run.folder / PACKED_DATA).rglob("*"))
        if path.is_file()
    }
    return [PackedData(path=each.path, files=sorted(found)) for each in paths], found


def _left(paths: list[PackedData]) -> list[PackedData]:
    return [each.model_copy(update={"reason": each.reason or "left out"}) for each in paths]


def _paths(run: Run) -> list[str]:
    """Return the files that a run's spec names, without passwords."""
    names = dict.fromkeys(files_of(data_section(run.folder)))
    return [without_password(absolute(name, run.folder.resolve())) for name in names]


def _find(path: str, near: Path) -> _Found:
    """Return the files of a path of a run's spec, also where they were moved with the run."""
    if is_server(path):
        return _Found(path, reason="is a database server")
    if VARIABLE.search(path):
        return _Found(path, reason="has an environment variable in its path")
    if is_handed_in(Path(path)):
        return _Found(path, reason="was handed in by a Python program")
    reasons = []
    for place in (path, *(move.apply(path) for move in moves_to([path], near))):
        try:
            return _Found(path, _folder(place), _files(split_scheme(place)[1]))
        except MlpcliError as error:
            reasons.append(error.problems[0].rule)
    return _Found(path, reason=reasons[0])


def _files(place: str) -> list[Path]:
    """Return the files at a path: one, those that match a pattern, or the images in a folder.

    Raises:
        SpecError: there is none.
    """
    found = find_files(place, Path(), ("dataset", "path"))
    return list_images(found[0]).files if found[0].is_dir() else found


def _root(folders: list[Path]) -> Path:
    """Return the folder that all files lie in, so that one move leads to all of them."""
    return Path(os.path.commonpath(folders)) if folders else Path()


def _folder(text: str) -> Path:
    """Return the folder of a path; of a pattern, the one that all files that match lie in."""
    path = Path(split_scheme(text)[1])
    if path.exists():
        return path.parent
    return next((each for each in path.parents if not WILDCARDS & {*str(each)}), path.parent)
