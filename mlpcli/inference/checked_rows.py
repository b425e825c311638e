"""The rows of a run's data as their files hold them now: their names, and their own cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mlpcli import runs
from mlpcli.data.contract_columns import kept_columns
from mlpcli.data.readers.find_files import find_files, is_table
from mlpcli.data.readers.row_errors import Origin
from mlpcli.data.readers.tables import TableFile, open_tables, read_table
from mlpcli.data.row_names import RowName, source_files
from mlpcli.data.sources.table_source import dialect_of
from mlpcli.data.types import Array
from mlpcli.errors import DataError, Problem, SpecError, UsageError
from mlpcli.inference.given_labels import FILE, PLACES, GivenLabels
from mlpcli.inference.out_of_fold_checks import check_sizes
from mlpcli.model.run_spec import own_spec
from mlpcli.runs.folder import Run
from mlpcli.spec.load import LoadedSpec
from mlpcli.training.find_data import find_opened, moved_note

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class CheckedRows:
    """Where the rows of a run's data are.

    Attributes:
        source: the file, the pattern of several, or the built-in dataset.
        files: each with the position of its first row in all of them, by name; empty where the data is gone,
            or is no longer what it was.
        sizes: how many rows each has.
        table: the files, if they are tables that are what they were; None otherwise.
        warnings: such as that the data was moved, has changed or is gone.
    """

    source: str
    files: Mapping[str, tuple[Origin, int]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    table: TableFile | None = None
    warnings: tuple[str, ...] = ()

    def check(self, given: GivenLabels) -> None:
        """Check that the data have the rows; where they are gone or have changed, that is not known.

        Args:
            given: the rows, in the order of their file.

        Raises:
            DataError: they have not.
        """
        if not self.files or given.origin is None:
            return
        if given.files is None:
            if len(self.files) > 1:
                given.origin.refuse_columns([FILE], PLACES)
            names = [next(iter(self.files))] * len(given.rows)
        else:
            names = given.files.tolist()
        check_sizes(given.origin, given.rows, names, self.sizes)

    def name(self, given: GivenLabels, places: Array) -> list[RowName]:
        """Return the names of rows; without lines where the data is gone or has changed.

        Args:
            given: the rows.
            places: (some,) int places in them.
        """
        names = [self.source] * len(places) if given.files is None else given.files[places].tolist()
        rows: list[int] = given.rows[places].tolist()
        wanted: dict[str, set[int]] = {}
        for name, row in zip(names, rows, strict=True):
            wanted.setdefault(name, set()).add(row - 1)
        lines = {name: self._lines(name, of_file) for name, of_file in wanted.items()}
        return [RowName(name, row, lines[name].get(row - 1)) for name, row in zip(names, rows, strict=True)]

    def _lines(self, name: str, rows: set[int]) -> dict[int, int]:
        """Return the line of each row, from 0, of a file; none where the file is not known."""
        only = next(iter(self.files.values())) if len(self.files) == 1 else None
        found = self.files.get(name, only)
        return {} if found is None else found[0].lines(rows)

    def columns(self, keep: Sequence[str] | None) -> tuple[str, ...]:
        """Return the columns of the table to copy.

        Args:
            keep: their names, `a,b` for two; None for all that there are.

        Raises:
            UsageError: there is no such column.
        """
        names = () if self.table is None else self.table.names
        if keep and self.table is None:
            rule = f"--keep: no columns of {self.source} can be copied"
            why = "it is no table" if self.files else "it is gone or has changed"
            raise UsageError(Problem(rule, hint=f"{why}; leave --keep out"))
        return names if keep is None else kept_columns(names, keep, self.source)

    def cells(self, given: GivenLabels, places: Array, columns: Sequence[str]) -> dict[str, pa.Array]:
        """Return the cells of some columns, text as it is written.

        Args:
            given: the rows.
            places: (some,) int places in them.
            columns: their names.
        """
        if self.table is None or not columns:
            return {}
        import pyarrow as pa

        table = read_table(self.table, columns, text=columns)
        starts = {name: start for name, (_, start) in self.files.items()}
        first = 0 if given.files is None else np.array([starts[name] for name in given.files])
        positions = pa.array((given.rows - 1 + first)[places])
        return {name: table.columns[name].arrow.take(positions) for name in columns}


def find_rows(run: Run) -> CheckedRows:
    """Find the rows of a run's data, and whether they are still what they were.

    Raises:
        RunError: the run's record is damaged.
    """
    facts, loaded = runs.data_facts(run), own_spec(run)
    try:
        found = find_opened(loaded)
    except (SpecError, DataError) as error:
        gone = f"the data of run {run.label} cannot be read, so that rows have numbers only: "
        return CheckedRows(facts.source, warnings=(gone + error.problems[0].headline(),))
    if found.dataset.fingerprint != facts.fingerprint:
        changed = f"the data of {facts.source} has changed since run {run.label} was trained"
        return CheckedRows(facts.source, warnings=(f"{changed}: rows and labels are those of then",))
    moved = moved_note(loaded, found.spec)
    known = source_files(found.opened.source.main.origin)
    files = {file.label: (file, start) for file, start in known}
    if len(files) < len(known):
        same = f"files of {facts.source} have the same name: lines and columns of their rows are left out"
        return CheckedRows(facts.source, warnings=(same,))
    main = found.opened.source.main
    ends = [*(start for _, start in known[1:]), len(main.x) + main.left_out]
    sizes = {file.label: end - start for (file, start), end in zip(known, ends, strict=True)}
    return CheckedRows(
        found.dataset.source,
        files,
        sizes,
        _table(found.spec),
        warnings=(moved,) if moved is not None else (),
    )


def _table(loaded: LoadedSpec) -> TableFile | None:
    """Return the table of a spec, opened; None where its data is no table."""
    spec = loaded.spec.dataset
    if spec.path is None:
        return None
    paths = find_files(spec.path, loaded.folder, ("dataset", "path"))
    if not all(map(is_table, paths)):
        return None
    return open_tables(paths, spec.path, dialect_of(spec, loaded.numbers or "float64"))
