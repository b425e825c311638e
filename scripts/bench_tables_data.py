"""Tables for bench_tables.py: a list of them, their rows, and the same split of them for all contestants.

Cells stay text as they stand in the file, so that what is written for `mlpcli` is what was read. Needs
NumPy and scikit-learn, neither pandas nor mlpcli.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

Texts = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

CLASSIFICATION, REGRESSION = "classification", "regression"

MISSING = frozenset(
    ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-nan", "-NaN", "null", "NULL", "None", "?", "-")
)
NO_VALUE = "missing"
"""The category of a cell without a value."""


@dataclass(frozen=True)
class Entry:
    """A line of the list. `task` is empty where the list leaves it open."""

    name: str
    path: Path
    target: str
    task: str = ""
    leave_out: tuple[str, ...] = ()


def read_list(path: Path) -> list[Entry]:
    """Read a list of tables: TSV with name, path, target, and perhaps task and leave_out."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file, delimiter="\t"))
    wanted = {"name", "path", "target"}
    if not lines or not wanted <= lines[0].keys():
        raise SystemExit(
            f"{path}: a list of tables needs a header with the columns {', '.join(sorted(wanted))}"
        )
    return [
        Entry(
            line["name"],
            path.parent / line["path"],
            line["target"],
            (line.get("task") or "").strip(),
            tuple((line.get("leave_out") or "").split()),
        )
        for line in lines
    ]


@dataclass(frozen=True)
class Rows:
    """Rows of a table: the cells of its features, (rows, features), and of its target, (rows,)."""

    cells: Texts
    target: Texts

    def __len__(self) -> int:
        return len(self.target)

    def take(self, places: Sequence[int] | Codes) -> Rows:
        """Return the rows at some places."""
        return Rows(self.cells[places], self.target[places])


@dataclass(frozen=True)
class Fold:
    """A table, split into training and test rows.

    Attributes:
        table: Its name.
        split: The seed of the split.
        task: classification or regression.
        target: The column to predict.
        features: The other columns.
        train: The rows to learn from.
        test: The rows to be predicted.
    """

    table: str
    split: int
    task: str
    target: str
    features: tuple[str, ...]
    train: Rows
    test: Rows

    @property
    def regression(self) -> bool:
        """Whether the target is a number."""
        return self.task == REGRESSION

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Every class, sorted; also those that only test rows have."""
        return tuple(sorted({*self.train.target, *self.test.target}))

    @cached_property
    def learnt(self) -> Codes:
        """The places in `classes` of the classes of training rows."""
        seen = set(self.train.target)
        return np.array([place for place, name in enumerate(self.classes) if name in seen], np.int64)

    @cached_property
    def numeric(self) -> tuple[bool, ...]:
        """Of each feature, whether all its training cells that have a value are numbers."""
        return tuple(all_numbers(self.train.cells[:, place]) for place in range(len(self.features)))

    def numbers(self, rows: Rows) -> Floats:
        """Return the cells of the numeric features, NaN where there is no number."""
        columns = [rows.cells[:, place] for place, numeric in enumerate(self.numeric) if numeric]
        values = [[number(cell) for cell in column] for column in columns]
        return np.array(values, np.float64).reshape(len(columns), len(rows)).T

    def categories(self, rows: Rows) -> Texts:
        """Return the cells of the other features, `missing` where there is no value."""
        places = [place for place, numeric in enumerate(self.numeric) if not numeric]
        cells = rows.cells[:, places].copy()
        cells[np.isin(cells.astype(str), list(MISSING))] = NO_VALUE
        return cells

    def train_y(self) -> Floats | Codes:
        """Return the targets of training rows: numbers, or places in `learnt`."""
        if self.regression:
            return self.train.target.astype(np.float64)
        places = {self.classes[code]: place for place, code in enumerate(self.learnt)}
        return np.array([places[name] for name in self.train.target], np.int64)

    def truth(self) -> Floats | Codes:
        """Return the targets of test rows: numbers, or places in `classes`."""
        if self.regression:
            return self.test.target.astype(np.float64)
        places = {name: place for place, name in enumerate(self.classes)}
        return np.array([places[name] for name in self.test.target], np.int64)

    def spread(self, probabilities: Floats) -> Floats:
        """Return probabilities of all classes from those of the classes of training rows."""
        spread = np.zeros((len(probabilities), len(self.classes)))
        spread[:, self.learnt] = probabilities
        return spread

    def write(self, folder: Path) -> None:
        """Write train.csv, and test.csv without the target."""
        answers = self.train.target[:, None]
        _write(folder / "train.csv", (*self.features, self.target), np.hstack([self.train.cells, answers]))
        _write(folder / "test.csv", self.features, self.test.cells)


def _write(path: Path, header: Sequence[str], cells: Iterable[Iterable[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(cells)


def read_rows(entry: Entry) -> tuple[tuple[str, ...], Rows]:
    """Return the features of a table, and its rows that have a target."""
    with entry.path.open(encoding="utf-8-sig", newline="") as file:
        header, *lines = list(csv.reader(file))
    if entry.target not in header:
        raise SystemExit(f"{entry.path}: no column {entry.target!r}; the columns are {', '.join(header)}")
    uneven = next((place for place, line in enumerate(lines, 2) if line and len(line) != len(header)), None)
    if uneven is not None:
        raise SystemExit(f"{entry.path}: row {uneven} has not the {len(header)} cells of the header")
    cells = np.array([line for line in lines if line], dtype=object)
    cells = cells.reshape(-1, len(header))
    aim = header.index(entry.target)
    cells = cells[~np.isin(cells[:, aim].astype(str), list(MISSING))]
    kept = [place for place, name in enumerate(header) if place != aim and name not in entry.leave_out]
    return tuple(header[place] for place in kept), Rows(cells[:, kept], cells[:, aim])


def make_fold(entry: Entry, split: int) -> Fold:
    """Split a table by scikit-learn: 80% to learn from, 20% to be predicted, every class in both."""
    from sklearn.model_selection import train_test_split

    features, rows = read_rows(entry)
    task = entry.task or guess_task(rows.target)
    _, counts = np.unique(rows.target.astype(str), return_counts=True)
    by_class = rows.target if task == CLASSIFICATION and counts.min() > 1 else None
    train, test = train_test_split(np.arange(len(rows)), test_size=0.2, random_state=split, stratify=by_class)
    return Fold(entry.name, split, task, entry.target, features, rows.take(train), rows.take(test))


def guess_task(target: Texts) -> str:
    """Return the task of a target that the list leaves open: regression for three numbers or more."""
    return REGRESSION if all_numbers(target) and len(set(target)) > 2 else CLASSIFICATION


def number(cell: str) -> float:
    """Return the number in a cell; NaN where there is none."""
    try:
        return float("nan" if "_" in cell else cell)
    except ValueError:
        return float("nan")


def all_numbers(cells: Texts) -> bool:
    """Return whether all cells that have a value are numbers, and there is one."""
    values = [cell for cell in set(cells) if cell not in MISSING]
    return bool(values) and not any(np.isnan(number(cell)) for cell in values)


@dataclass
class Clock:
    """Measures seconds of the wall and of processors. `details` are written beside them."""

    seconds: float = 0.0
    cpu: float = 0.0
    details: dict[str, object] = field(default_factory=dict)

    def __enter__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds += time.perf_counter() - self._began[0]
        self.cpu += time.process_time() - self._began[1]
