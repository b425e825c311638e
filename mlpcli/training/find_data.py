"""The data of a spec; for a run's own spec also where it is now, after folders were moved or copied.

A run's spec holds the absolute paths of its files. When a file is missing, or holds other rows than those
that the run was trained on, it is searched near the run's folder: `/old/study/data/rows.csv` as
`data/rows.csv` in the folder, or in one above it. A file is used when its fingerprint is the run's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mlpcli import runs
from mlpcli.data.dataset import Contract, Dataset
from mlpcli.data.images.kept_pixels import is_on as keeps_pixels
from mlpcli.data.load import Request, divide_dataset, open_dataset, rows_by_split
from mlpcli.data.moves import Move, gone, moves_to
from mlpcli.data.nested_rows import TrainingRows
from mlpcli.data.splits import without_validation
from mlpcli.data.splitter import OpenedData
from mlpcli.data.stored.load_stored import StoreOptions, load_stored
from mlpcli.data.types import EarlierRule
from mlpcli.errors import DataError, Problem, SpecError
from mlpcli.spec.load import LoadedSpec, with_data
from mlpcli.spec.locations import VARIABLE, absolute, files_of, with_files
from mlpcli.spec.repeats import is_repeated
from mlpcli.spec.values import ValueMap
from mlpcli.training.side_process import end_side_process

Earlier = frozenset[EarlierRule]

MOST_PLACES = 8
"""The most places that are searched: each costs the reading of a file."""


def load_data(loaded: LoadedSpec) -> Dataset:
    """Return the data of a spec, split and labelled as its loss needs it; see `find_data`.

    Raises:
        SpecError: See `load_dataset`.
        DataError: See `load_dataset`.
    """
    return find_data(loaded)[1]


def find_data(loaded: LoadedSpec, contract: Contract | None = None) -> tuple[LoadedSpec, Dataset]:
    """Return the spec with its files where they were found, and its data; see `find_opened`."""
    found = find_opened(loaded, contract)
    return found.spec, found.dataset


class FoundData(NamedTuple):
    """A spec with its files where they were found, its data, and the rows that these were divided from."""

    spec: LoadedSpec
    dataset: Dataset
    in_memory: OpenedData | None

    @property
    def opened(self) -> OpenedData:
        """The rows that the data was divided from.

        Raises:
            SpecError: they are in files, and what needs them cannot be done with these.
        """
        if self.in_memory is None:
            hint = "leave it out, or try it on a sample of the rows"
            raise SpecError(Problem("does not go with this command", path=("fit", "memory"), hint=hint))
        return self.in_memory


def find_opened(loaded: LoadedSpec, contract: Contract | None = None, *, together: bool = False) -> FoundData:
    """Find the data of a spec; of a run with folds or seeds, that of all of its trainings together.

    Args:
        loaded: The spec.
        contract: By which the rows are encoded and scaled; None to learn one from the training rows.
        together: Also of a spec with folds or seeds that is no run's.

    Raises:
        SpecError: See `load_dataset`; about the path in the spec, when no other place has the data.
        DataError: Likewise.
    """
    kept = loaded.kept
    if kept is None:
        return _load(loaded, contract=contract, together=together)
    first: SpecError | DataError | None = None
    usable: LoadedSpec | None = None
    for place in (loaded, *_moved(loaded, kept.folder)):
        for candidate, earlier in _readings(place):
            try:
                found = _load(candidate, earlier=earlier, contract=contract)
            except (SpecError, DataError) as error:
                first = first or error
                break
            if kept.fingerprint in (None, found.dataset.fingerprint):
                return found
            usable = usable or candidate
    if usable is None:
        assert first is not None
        if not loaded.source.flags:  # the run's own path, not one that was given with the command
            first.problems = tuple(map(gone, first.problems))
        raise first
    if kept.strict:
        rule = "is not the data that the run was trained on: its fingerprint is another"
        raise SpecError(Problem(rule, path=("dataset", "path"), hint="hand in the same rows, in their order"))
    return _load(usable, contract=contract)


def _readings(loaded: LoadedSpec) -> Iterator[tuple[LoadedSpec, Earlier]]:
    """Yield the ways in which this and earlier versions read the data of a spec, the latest first.

    A run does not record all of them: the right one is recognized by the run's fingerprint. Each is a spec,
    and what is encoded as in earlier versions.
    """
    yield loaded, frozenset()
    features = loaded.spec.dataset.features
    columns = features.values() if isinstance(features, dict) else ()
    dates: Earlier = frozenset(["dates"] if any(each.kind == "date" for each in columns) else [])
    if dates:
        yield loaded, dates
    if any(each.scaling == "robust" for each in columns):
        yield loaded, dates | {"robust"}
    if not loaded.numbers:  # a search does not record how it keeps numbers; one of version 0.1 in float32
        yield replace(loaded, numbers="float32"), dates


def moved_note(before: LoadedSpec, after: LoadedSpec) -> str | None:
    """Return a line on files that were not where the spec says; None where all were.

    Args:
        before: The spec as it was written.
        after: The spec with its files where they were found.
    """
    old, new = (each.spec.dataset.model_dump() for each in (before, after))
    pairs = zip(files_of(old), files_of(new), strict=True)
    there = [found for written, found in pairs if written != found]
    return f"the data was moved: it is read from {', '.join(there)}" if there else None


def _load(
    loaded: LoadedSpec,
    *,
    earlier: Earlier = frozenset(),
    contract: Contract | None = None,
    together: bool = False,
) -> FoundData:
    request, seed = _request(loaded, earlier=earlier)
    request = replace(request, contract=contract)
    spec = loaded.spec
    if spec.fit.memory_bytes is not None:
        end_side_process()  # it would take a third of what the rows and TensorFlow take
        kept = loaded.kept
        options = StoreOptions(
            loaded.runs_dir,
            spec.fit.memory_bytes,
            kept.fingerprint if kept is not None and contract is None else None,
        )
        dataset = load_stored(spec.dataset, request, seed=seed, folder=loaded.folder, options=options)
        return FoundData(loaded, dataset, None)
    whole = is_repeated(spec) and (together if loaded.kept is None else loaded.kept.whole)
    section = without_validation(spec.dataset) if whole else spec.dataset
    # With the columns that divide the validation rows, which each training of several takes for itself.
    opened = open_dataset(spec.dataset, request, seed=seed, folder=loaded.folder)
    return FoundData(loaded, divide_dataset(opened, section, request, seed=seed), opened)


def divide_data(opened: OpenedData, loaded: LoadedSpec, *, some: TrainingRows | None = None) -> Dataset:
    """Return the data of a spec that differs from another, whose rows were read, in its splits only.

    Args:
        opened: the rows.
        loaded: the spec.
        some: of the training rows; None for all of them.

    Raises:
        SpecError: See `load_dataset`.
        DataError: See `load_dataset`.
    """
    request, seed = _request(loaded)
    return divide_dataset(opened, loaded.spec.dataset, request, seed=seed, some=some)


def divide_by(opened: OpenedData, loaded: LoadedSpec, contract: Contract) -> Dataset:
    """Return the data of a spec, whose rows were read, as a model that is trained already reads it.

    Args:
        opened: the rows.
        loaded: the spec; of one with folds or seeds, the data is that of the run they make up.
        contract: by which the rows are encoded and scaled.
    """
    request, seed = _request(loaded)
    spec = loaded.spec
    section = without_validation(spec.dataset) if is_repeated(spec) else spec.dataset
    return divide_dataset(opened, section, replace(request, contract=contract), seed=seed)


def count_rows(opened: OpenedData, loaded: LoadedSpec) -> dict[str, int]:
    """Return the rows of each split of such a spec; see `rows_by_split`."""
    request, seed = _request(loaded)
    return rows_by_split(opened, loaded.spec.dataset, request, seed=seed)


def _request(loaded: LoadedSpec, *, earlier: Earlier = frozenset()) -> tuple[Request, int]:
    """Return what the network of a spec requires of the data, and the seed of its splits."""
    from mlpcli.model.default_losses import data_request

    spec, kept = loaded.spec, loaded.kept
    request = replace(
        data_request(spec, loaded.catalog),
        numbers=loaded.numbers or "float64",
        earlier=earlier,
        kept=loaded.runs_dir / runs.CACHE if keeps_pixels() else None,
    )
    seed = spec.seed
    if kept is not None:
        request = replace(request, only_named=kept.columns)
        if kept.steps is False:  # also where an earlier version took the steps for targets of the row
            request = replace(request, per_step=())
        seed = spec.seed if kept.seed is None else kept.seed
    return request, seed


def _moved(loaded: LoadedSpec, near: Path) -> Iterator[LoadedSpec]:
    """Yield the spec with its files in the places that they may have been moved to."""
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
    """Return the spec after a move; None where the move does not change its files."""
    given: ValueMap = loaded.source.data["dataset"]
    section = with_files(given, lambda path: move.apply(absolute(path, loaded.folder)))
    file = Path(move.apply(str(loaded.file.absolute())))
    if section == given and file == loaded.file:
        return None
    try:
        return with_data(loaded, loaded.source.data | {"dataset": section}, file=file)
    except SpecError:
        return None
