"""The part of a standalone script that takes the rows of a split off the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlpcli.codegen.source_text import DataCode, cannot_write, text, text_list
from mlpcli.data.dataset import Dataset, Output
from mlpcli.data.group_split import bin_count
from mlpcli.data.readers.parse_cells import python_values
from mlpcli.data.readers.tables import open_tables, read_table
from mlpcli.data.split_columns import divided_by
from mlpcli.data.splits import Amount, InColumn, count_rows, is_last
from mlpcli.data.targets import stratified_by
from mlpcli.data.types import Array
from mlpcli.spec.split_forms import NAMES_OF_SPLITS, SPLITS, SplitBy

MOST_GROUPS = 1000
"""A script does not list more groups than these."""


def split_lines(
    code: DataCode, name: str, amount: Amount, dataset: Dataset, files: Sequence[Path], read: str
) -> list[str]:
    """Return the lines that take the rows of a split off `rows`.

    Args:
        code: the script so far, for its imports.
        name: of the split.
        amount: of the split.
        dataset: the data.
        files: of the table; none for data that is none.
        read: the code that reads the table.

    Raises:
        UsageError: the rows are taken by a column whose cells are not plain enough for a short line.
    """
    if isinstance(amount, InColumn) or divided_by(amount) is not None:
        return _column_lines(name, amount, dataset, files, read)
    count = sum(map(len, _left(dataset, name)))
    taken = count_rows(amount, count)
    if is_last(amount):
        return [f"rows, {name}_rows = rows[: -{taken}], rows[-{taken} :]"]
    code.imports.add("from sklearn.model_selection import train_test_split")
    contract = dataset.contract
    named, lines, stratify = stratified_by(contract.outputs), [], ""
    if isinstance(amount, SplitBy) and amount.stratify is not None:
        numbers = next(each for each in contract.outputs if each.kind == "numbers")
        bins = bin_count(count, taken)
        places = 'np.searchsorted(np.sort(values), values, side="left")'
        lines = [
            f"values = {_of_output('y', numbers)}[rows].reshape(len(rows), -1)[:, 0]",
            f"bins = {places} * {bins} // len(rows)",
        ]
        stratify = ", stratify=bins"
    elif named is not None:
        classes = ".argmax(axis=1)" if named.kind == "one_hot" else ""
        stratify = f", stratify={_of_output('y', named)}[rows]{classes}"
    size = amount.rows if isinstance(amount, SplitBy) else amount
    drawn = f"train_test_split(rows, test_size={size!r}, random_state=SEED{stratify})"
    return [*lines, f"rows, {name}_rows = {drawn}"]


def _of_output(y: str, output: Output) -> str:
    return f"{y}[{text(output.name)}]" if output.name else y


def _column_lines(name: str, amount: Amount, dataset: Dataset, files: Sequence[Path], read: str) -> list[str]:
    """Return the lines that take rows by a column; it is checked here that they take the very rows."""
    column = amount.column if isinstance(amount, InColumn) else (divided_by(amount) or ("",))[0]
    rows = np.concatenate(_left(dataset, name))
    cells = np.array([str(cell).strip() for cell in _cells(files, column)])[rows]
    taken = np.isin(rows, dataset.splits()[name].rows)
    lines = [f"cells = np.array([str(cell).strip() for cell in {read}[{text(column)}]])[rows]"]
    if isinstance(amount, InColumn):
        words = list(NAMES_OF_SPLITS[name])
        test, fits = (
            f"np.isin(np.char.lower(cells), {text_list(words)})",
            np.isin(np.char.lower(cells), words),
        )
    elif isinstance(amount, SplitBy) and amount.last is not None:
        test, fits = _since(cells, taken)
    else:
        groups = sorted({*cells[taken].tolist()})
        if len(groups) > MOST_GROUPS:
            raise cannot_write(f"a split of {len(groups):,} groups", "write its rows to a file of their own")
        lines.append(f"groups = {text_list(groups)}  # drawn by the seed")
        test, fits = "np.isin(cells, groups)", np.isin(cells, groups)
    if not np.array_equal(fits, taken):
        what = f"a split by column {column!r}, whose cells are not written plainly"
        raise cannot_write(what, "write the rows of each split to a file of their own")
    return [*lines, f"taken = {test}", f"rows, {name}_rows = rows[~taken], rows[taken]"]


def _left(dataset: Dataset, name: str) -> list[Array]:
    """Return the main rows before a split is taken: those for training, and of this and later splits."""
    later = [each for each in SPLITS[SPLITS.index(name) :] if each in dataset.splits()]
    main = [each for each in later if not isinstance(dataset.split_amounts.get(each), str)]
    return [dataset.train.rows, *(dataset.splits()[each].rows for each in main)]


def _cells(files: Sequence[Path], column: str) -> Sequence[object]:
    file = open_tables(files, str(files[0]))
    return python_values(read_table(file, [column], text=[column]).columns[column].arrow)


def _since(cells: Array, taken: Array) -> tuple[str, Array]:
    """Return the test of the latest rows, and what it takes: as texts of equal length, or as numbers."""
    if len({len(cell) for cell in cells.tolist()}) == 1:
        start = min(cells[taken].tolist())
        if np.array_equal(cells >= start, taken):
            return f"cells >= {text(start)}", taken
    try:
        numbers = cells.astype(np.float64)
    except ValueError:
        return "", ~taken
    first = float(numbers[taken].min())
    return f'cells.astype("float64") >= {first!r}', numbers >= first
