"""The rows that several runs have in common in one of their splits, as the model of each takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlpcli import runs
from mlpcli.data.dataset import Contract, Dataset, Output, Split
from mlpcli.data.readers.find_files import find_files
from mlpcli.data.split_columns import split_column_of
from mlpcli.data.targets import class_indices
from mlpcli.data.types import Array, Arrays
from mlpcli.errors import MlpcliError, listing
from mlpcli.files import sha256_of
from mlpcli.inference.evaluate import values_of
from mlpcli.inference.own_data import own_data
from mlpcli.keras_import import keras
from mlpcli.model.trained_model import TrainedModel, load_trained
from mlpcli.printable import counted
from mlpcli.runs.folder import Run
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.schema import DatasetSpec

FEWEST_ROWS = 10
"""The fewest rows that a test is made with."""

TRIAL = "trial"
SAME_SPLITS = "train the runs with the same seed, or the same dataset.split_seed"


class RowGroups(NamedTuple):
    """Groups of rows that are not independent of each other: those of a customer.

    Attributes:
        column: that holds the groups.
        codes: (rows,) int64, the group of each row.
    """

    column: str
    codes: Array


@dataclass(frozen=True)
class OwnRows:
    """The rows of a split of a run.

    Attributes:
        position: of the run among those that are compared.
        trained: its model.
        split: its rows, as its model takes them.
        fingerprint: of the data.
        files: of which the rows of the split were read; none for built-in data.
        source: the name of the data.
        left_out: how many rows of the files have no target and were left out.
        groups: the groups by which the run's rows were divided; None where single rows were.
    """

    position: int
    trained: TrainedModel
    split: Split
    fingerprint: str
    files: tuple[Path, ...]
    source: str
    left_out: int
    groups: RowGroups | None = None

    @property
    def run(self) -> Run:
        """The run."""
        return self.trained.run

    @property
    def contract(self) -> Contract:
        """What its rows look like."""
        return self.trained.contract


@dataclass(frozen=True)
class CommonRows:
    """The rows that some runs have in common.

    Attributes:
        split: of which split they are; or of which file.
        runs: of each run the same rows, in the same order.
        refused: why other runs are not among them, a sentence each.
    """

    split: str
    runs: tuple[OwnRows, ...]
    refused: tuple[str, ...]

    @property
    def groups(self) -> RowGroups | None:
        """The groups of the rows, where the rows of some run were divided by groups."""
        return next((each.groups for each in self.runs if each.groups is not None), None)


def common_rows(found: Sequence[Run], split: str | None) -> CommonRows:
    """Load models and data of some runs, and find the rows of a split that all have.

    Args:
        found: the runs.
        split: which; None for `test`, or `validation` where a run has no test rows or is a search's trial:
            the test rows are not for choosing among trials.

    Returns:
        The rows; fewer than two runs where nothing can be compared.
    """
    loaded, refused = _load_all(found)
    wanted = split or _split_of_all(loaded)
    rows: list[OwnRows] = []
    for data in loaded:
        own = data.dataset.splits().get(wanted)
        if own is None:
            rest = ": its members have seen all others" if data.trained.members else ""
            refused.append(f"run {data.trained.run.label} has no {wanted} rows{rest}")
            continue
        each = _own_rows(data, own, wanted)
        why = why_other_rows(rows[0], each) if rows else ""
        if why:
            refused.append(why)
        else:
            rows.append(each)
    return in_common(wanted, rows, refused)


class _Loaded(NamedTuple):
    """A model, and the data that it was trained on; `spec` has the files where they were found."""

    position: int
    trained: TrainedModel
    spec: LoadedSpec
    dataset: Dataset


def _load_all(found: Sequence[Run]) -> tuple[list[_Loaded], list[str]]:
    """Return each run whose data is the one that it was trained on, and why not the others."""
    loaded: list[_Loaded] = []
    refused: list[str] = []
    known: dict[str, tuple[LoadedSpec, Dataset]] = {}  # by fingerprint: equal ones are read once
    for position, run in enumerate(found):
        try:
            trained = load_trained(run)
            wanted = runs.data_facts(run).fingerprint
            if wanted not in known or trained.members:  # these read it each in its own way
                own = own_data(trained)
                if own.changed:
                    what = f"the data of {own.dataset.source} has changed since run {run.label} was trained"
                    refused.append(f"{what}: which rows it has not seen is no longer known")
                    continue
                wanted = own.dataset.fingerprint
                known[wanted] = own.spec, own.dataset
            loaded.append(_Loaded(position, trained, *known[wanted]))
        except MlpcliError as error:
            refused += [problem.headline() for problem in error.problems[:1]]
    return loaded, refused


def _split_of_all(loaded: Sequence[_Loaded]) -> str:
    has_test = all(each.dataset.test is not None for each in loaded)
    return (
        "test" if has_test and all(each.trained.run.record.kind != TRIAL for each in loaded) else "validation"
    )


def _own_rows(data: _Loaded, split: Split, name: str) -> OwnRows:
    section, dataset = data.spec.spec.dataset, data.dataset
    own_file = getattr(section, name, None)
    key, text = (name, own_file) if isinstance(own_file, str) else ("path", section.path)
    files = () if text is None else tuple(find_files(text, data.spec.folder, ("dataset", key)))
    return OwnRows(
        data.position,
        data.trained,
        split,
        dataset.fingerprint,
        files,
        dataset.source,
        dataset.left_out,
        None if isinstance(own_file, str) else _groups(section, dataset, split),
    )


def _groups(section: DatasetSpec, dataset: Dataset, split: Split) -> RowGroups | None:
    column = split_column_of(section, dataset.split_columns)
    if column is None or column.sort != "group":
        return None
    return RowGroups(column.name, column.values[split.rows])


def why_other_rows(first: OwnRows, other: OwnRows) -> str:
    """Return why the rows of two runs are not rows of the same data; an empty text where they are."""
    pair = f"the rows of runs {first.run.label} and {other.run.label} differ"
    if why := _why_other_targets(first.contract, other.contract):
        return f"{pair}: {why}"
    if first.fingerprint == other.fingerprint:
        return ""
    if not _same_files(first, other):
        return f"{pair}: they are of {first.source} and of {other.source}"
    if first.left_out != other.left_out:
        return f"{pair}: {first.left_out:,} and {other.left_out:,} rows without a target are left out"
    one, two = _positions(first, other)
    if not len(one):
        return f"{pair}: they have none in common; {SAME_SPLITS}"
    if not _same_arrays(first, other, one, two):
        return f"{pair}: the same places in {first.source} have other values"
    for mine, others in output_pairs(first.contract, other.contract):
        unequal = ~_equal_rows(truth_of(first, mine)[one], truth_of(other, others)[two])
        if unequal.any():
            row = int(first.split.rows[one[int(unequal.argmax())]]) + 1
            return f"{pair}: {int(unequal.sum()):,} have another target, first row {row:,} of {first.source}"
    return ""


def _why_other_targets(first: Contract, other: Contract) -> str:
    names = [sorted(output.name for output in each.outputs) for each in (first, other)]
    if len(first.outputs) != len(other.outputs) or (len(first.outputs) > 1 and names[0] != names[1]):
        return f"they have {len(first.outputs)} and {counted(len(other.outputs), 'output')}, or others"
    for mine, others in output_pairs(first, other):
        if mine.target != others.target:
            return f"their targets are {listing(mine.target, 5)} and {listing(others.target, 5)}"
        if _is_of_classes(mine) != _is_of_classes(others) or (mine.kind == "labels") != (
            others.kind == "labels"
        ):
            return f"the target is of {mine.kind} in one and of {others.kind} in the other"
    return ""


def output_pairs(first: Contract, other: Contract) -> list[tuple[Output, Output]]:
    """Return the outputs of two runs in pairs: by name, or the only ones."""
    if len(first.outputs) == 1:
        return [(first.output, other.output)]
    by_name = {output.name: output for output in other.outputs}
    return [(output, by_name[output.name]) for output in first.outputs]


def _is_of_classes(output: Output) -> bool:
    return output.kind in ("classes", "one_hot", "groups")


def truth_of(rows: OwnRows, output: Output) -> Array:
    """Return the target of an output as it can be compared with another run's, (rows, ...).

    The names of the classes where it is of classes; numbers in the target's own units; else as it is.
    """
    y = values_of(rows.split.y, output)
    if _is_of_classes(output):
        return np.asarray(output.classes or (), dtype=object)[class_indices(y)]
    return output.restore(y, truth=True) if output.kind == "numbers" else y


def _equal_rows(first: Array, other: Array) -> Array:
    """Return for each row whether its targets are equal, numbers within what scaling costs, (rows,) bool."""
    if first.shape != other.shape and first.size == other.size:
        other = other.reshape(first.shape)
    if first.shape != other.shape:
        return np.zeros(len(first), bool)
    numbers = first.dtype.kind == "f"
    equal = np.isclose(first, other, rtol=1e-4, atol=1e-6, equal_nan=True) if numbers else first == other
    return np.asarray(equal.all(axis=tuple(range(1, equal.ndim))))


def _same_files(first: OwnRows, other: OwnRows) -> bool:
    """Return whether the rows are of the same files, by their path or their contents, or of the same name."""
    if len(first.files) != len(other.files) or (not first.files and first.source != other.source):
        return False
    return all(
        one.resolve() == two.resolve()
        or (one.stat().st_size == two.stat().st_size and sha256_of(one) == sha256_of(two))
        for one, two in zip(first.files, other.files, strict=True)
    )


def _same_arrays(first: OwnRows, other: OwnRows, one: Array, two: Array) -> bool:
    """Return whether rows of arrays are equal, which no preprocessor has changed; True for any others.

    Synthetic data of one name differs by its settings.
    """
    plain = all(each.contract.preprocessor is None for each in (first, other))
    x, others = first.split.x, other.split.x
    if not plain or isinstance(x, dict) or isinstance(others, dict) or x.shape[1:] != others.shape[1:]:
        return True
    return bool(np.array_equal(x[one], others[two], equal_nan=x.dtype.kind == "f"))


def _positions(first: OwnRows, other: OwnRows) -> tuple[Array, Array]:
    """Return the places in two splits of the rows that both have, in the order of the source."""
    _, one, two = np.intersect1d(first.split.rows, other.split.rows, assume_unique=True, return_indices=True)
    return one, two


def in_common(split: str, rows: list[OwnRows], refused: list[str]) -> CommonRows:
    """Return of each run the rows that all have; of none where they are too few.

    Args:
        split: of which split, or file, they are.
        rows: of each run.
        refused: why other runs are not among them.
    """
    if len(rows) < 2:
        return CommonRows(split, tuple(rows), tuple(refused))
    rows, left_out = _most_alike(rows, split)
    refused = [*refused, *left_out]
    shared = rows[0].split.rows
    for each in rows[1:]:
        shared = np.intersect1d(shared, each.split.rows, assume_unique=True)
    if len(shared) < FEWEST_ROWS:
        few = f"the runs have {len(shared):,} {split} rows in common, a test needs {FEWEST_ROWS}"
        return CommonRows(split, (), (*refused, f"{few}; {SAME_SPLITS}"))
    return CommonRows(split, tuple(_only(each, shared) for each in rows), tuple(refused))


def _most_alike(rows: list[OwnRows], split: str) -> tuple[list[OwnRows], list[str]]:
    """Return the most runs that have exactly the same rows, and why the others are left out.

    Where no two have the same, all stay: then the rows count that all have in common.
    """
    alike: dict[bytes, list[OwnRows]] = {}
    for each in rows:
        alike.setdefault(np.sort(each.split.rows).tobytes(), []).append(each)
    most = max(alike.values(), key=len)
    if len(most) == 1 or len(most) == len(rows):
        return rows, []
    others = [each.run.label for each in rows if all(each is not one for one in most)]
    return most, [f"run {label} has other {split} rows than most; {SAME_SPLITS}" for label in others]


def _only(each: OwnRows, shared: Array) -> OwnRows:
    if len(each.split.rows) == len(shared) and np.array_equal(each.split.rows, shared):
        return each
    order = np.argsort(each.split.rows, kind="stable")
    taken = order[np.searchsorted(each.split.rows, shared, sorter=order)]

    def take(arrays: Arrays) -> Arrays:
        picked: Arrays = keras.tree.map_structure(lambda array: array[taken], arrays)
        return picked

    weights = None if each.split.weights is None else take(each.split.weights)
    groups = each.groups and RowGroups(each.groups.column, each.groups.codes[taken])
    split = Split(take(each.split.x), take(each.split.y), each.split.rows[taken], weights)
    return replace(each, split=split, groups=groups)
