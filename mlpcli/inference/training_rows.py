"""Rows of a file that a run was trained on: their scores say little about new rows."""

from __future__ import annotations

from pathlib import Path

from mlpcli import runs
from mlpcli.data.dataset import Dataset, Split
from mlpcli.data.leakage import shared_rows
from mlpcli.data.readers.find_files import find_files, named_files
from mlpcli.errors import DataError, SpecError
from mlpcli.files import sha256_of
from mlpcli.inference.own_data import OwnData, data_warnings, own_data
from mlpcli.model.trained_model import TrainedModel
from mlpcli.printable import verb
from mlpcli.training.find_data import find_data


def training_rows_note(trained: TrainedModel, split: Split, path: Path) -> str | None:
    """Return a line on rows of a file that are training rows; None where there are none, or nobody knows.

    Args:
        trained: the run's model.
        split: the rows of the file, as the model takes them.
        path: the file.
    """
    if not len(split) or trained.spec.dataset.path is None:
        return None  # a built-in dataset would have to be downloaded
    try:
        own = own_data(trained)
        is_own = _is_own_file(own, path)
        if own.changed:
            return _of_changed_data(trained, own, split, path, is_own=is_own)
    except (SpecError, DataError):
        return None  # the training data is gone
    known = len(own.dataset.train) if is_own else _shared(own.dataset, split)
    return _line(known, split, path, is_own=is_own) if known else None


def _line(known: int, split: Split, path: Path, *, is_own: bool) -> str:
    what = verb(known, "are") if is_own else f"{verb(known, 'have')} the features of"
    of = "the only row" if len(split) == 1 else f"{known:,} of the {len(split):,} rows"
    whose = "its" if known == 1 else "their"
    return f"{of} of {path} {what} rows that the run was trained on: {whose} scores say little about new rows"


def _of_changed_data(
    trained: TrainedModel, own: OwnData, split: Split, path: Path, *, is_own: bool
) -> str | None:
    """Return a line where a run's data has changed, as far as what it is now still says.

    Rows have the same places as long as there are as many of them: they are divided by their number.
    """
    changed = data_warnings(trained, own)[-1]
    if not is_own:
        dataset = own.dataset if trained.members else find_data(own.spec, trained.contract)[1]
        known = _shared(dataset, split)
        return f"{changed}; {_line(known, split, path, is_own=False)}" if known else changed
    recorded = runs.data_facts(trained.run).rows
    now = {name: len(each) for name, each in own.dataset.splits().items()}
    if any(now[name] != count for name, count in recorded.items() if name in now):
        unknown = "which of its rows the run was trained on is no longer known"
        return f"{changed}: {unknown}, and the scores of those say little about new rows"
    return f"{changed}: about {_line(len(own.dataset.train), split, path, is_own=True)}"


def _shared(dataset: Dataset, split: Split) -> int:
    """Return how many rows have the features of a training row."""
    shared = shared_rows(dataset, split)
    return 0 if shared is None else len(shared.rows)


def _is_own_file(own: OwnData, path: Path) -> bool:
    """Return whether files are those of a run's training rows, by their paths or by their contents."""
    section = own.spec.spec.dataset
    if section.path is None:
        return False
    files = find_files(section.path, own.spec.folder, ("dataset", "path"))
    others = named_files(str(path))
    if not all(each.is_file() for each in (*files, *others)):
        return False
    if [each.resolve() for each in files] == [each.resolve() for each in others]:
        return True
    if len(files) > 1 or len(others) > 1:
        return False
    (file,), (other,) = files, others
    return file.stat().st_size == other.stat().st_size and sha256_of(file) == sha256_of(other)
