"""The data of a spec; of a run's own spec also where it lies by now, when folders were moved or copied.

A run's spec holds the whole paths of its files. When a file is not there, or holds other rows than those
that the run was trained on, it is looked for near the run's folder: `/old/study/data/rows.csv` as
`data/rows.csv` in the folder, or in one above it. What is found counts when its fingerprint is the run's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlpcli.data.dataset import Dataset
from mlpcli.data.load import load_dataset
from mlpcli.data.moves import Move, moves_to
from mlpcli.errors import DataError, SpecError
from mlpcli.spec.load import LoadedSpec, with_data
from mlpcli.spec.locations import VARIABLE, absolute, files_of, with_files

MOST_PLACES = 8
"""So many places are looked at, at most: each means that a file is read."""


def load_data(loaded: LoadedSpec) -> Dataset:
    """The data of a spec, split and labelled as its loss needs it; see `find_data`.

    Raises:
        SpecError, DataError: see `load_dataset`.
    """
    return find_data(loaded)[1]


def find_data(loaded: LoadedSpec) -> tuple[LoadedSpec, Dataset]:
    """The data of a spec, and the spec with its files where they were found.

    Raises:
        SpecError, DataError: see `load_dataset`; of the place that the spec names, when none will do.
    """
    kept = loaded.kept
    if kept is None:
        return loaded, _load(loaded)
    first: SpecError | DataError | None = None
    usable: LoadedSpec | None = None
    for candidate in (loaded, *_moved(loaded, kept.folder)):
        try:
            dataset = _load(candidate)
        except (SpecError, DataError) as error:
            first = first or error
            continue
        if kept.fingerprint in (None, dataset.fingerprint):
            return candidate, dataset
        usable = usable or candidate
    if usable is None:
        assert first is not None
        raise first
    return usable, _load(usable)


def moved_note(before: LoadedSpec, after: LoadedSpec) -> str | None:
    """A line on files that were not where the spec says; None where all were."""
    old, new = (each.spec.dataset.model_dump() for each in (before, after))
    pairs = zip(files_of(old), files_of(new), strict=True)
    there = [found for written, found in pairs if written != found]
    return f"the data was moved: it is read from {', '.join(there)}" if there else None


def _load(loaded: LoadedSpec) -> Dataset:
    from mlpcli.model.default_losses import data_request

    spec, kept = loaded.spec, loaded.kept
    request = data_request(spec, loaded.catalog)
    seed = spec.seed
    if kept is not None:
        request = replace(request, only_named=kept.columns)
        seed = spec.seed if kept.seed is None else kept.seed
    return load_dataset(spec.dataset, request, seed=seed, folder=loaded.folder)


def _moved(loaded: LoadedSpec, near: Path) -> Iterator[LoadedSpec]:
    """The spec with its files where they may have been moved to."""
    section = loaded.source.data["dataset"]
    named = [absolute(file, loaded.folder) for file in files_of(section)]
    paths = [path for path in named if not VARIABLE.search(path)]
    count = 0
    for move in moves_to([*paths, str(loaded.file)], near.resolve()):
        found = _after(loaded, move)
        if found is not None and count < MOST_PLACES:
            count += 1
            yield found


def _after(loaded: LoadedSpec, move: Move) -> LoadedSpec | None:
    """The spec after a move, or None where the move leaves its files where they were."""
    data: dict[str, Any] = loaded.source.data
    section = with_files(data["dataset"], lambda path: move.apply(absolute(path, loaded.folder)))
    file = Path(move.apply(str(loaded.file.absolute())))
    if section == data["dataset"] and file == loaded.file:
        return None
    try:
        return with_data(loaded, data | {"dataset": section}, file=file)
    except SpecError:
        return None
