"""Cells of one column that break the same rule are one problem, wherever the rows come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlpcli.data.dataset import Contract, Output
from mlpcli.data.load import Request, load_dataset
from mlpcli.data.readers.broken_rules import MAX_DESCRIBED, RowErrors
from mlpcli.data.readers.row_errors import ManyOrigin, Origin, RowError
from mlpcli.data.stream import ReadOptions, open_rows
from mlpcli.errors import DataError
from mlpcli.serving import forms
from mlpcli.spec.schema import DatasetSpec


def _refused(folder: Path, name: str, **keys: object) -> list[str]:
    spec = DatasetSpec.model_validate({"path": name, "target": "y", **keys})
    with pytest.raises(DataError) as error:
        load_dataset(spec, Request({"": "numbers"}), seed=1, folder=folder)
    return [problem.headline() for problem in error.value.problems]


def _told(row_errors: list[RowError], total: int | None = None) -> list[str]:
    return [each.headline() for each in RowErrors(row_errors, total).problems(Origin("t.csv"))]


def test_each_column_and_rule_has_one_line_with_rows_values_and_count(tmp_path: Path) -> None:
    lines = ["a,b,y"]
    for row in range(1, 41):
        a = {5: "x", 8: "y", 9: "x", 13: "z", 30: "w"}.get(row, "1")
        b = {7: "n/a?", 20: "inf"}.get(row, "2")
        lines.append(f"{a},{b},{'' if row % 10 == 0 else row}")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    keys = {"features": {"a": "numeric", "b": "numeric"}}
    assert _refused(tmp_path, "t.csv", **keys) == [
        "t.csv rows 5 (line 6), 8 (line 9), 9 (line 10) and 2 more, column 'a': must be a number, received 'x', 'y', 'z', ...",
        "t.csv row 7 (line 8), column 'b': must be a number, received 'n/a?'",
        "t.csv rows 10 (line 11), 20 (line 21), 30 (line 31) and 1 more, column 'y': must be a number, the cell is empty; fill it, or remove the row, or set dataset: {missing_target: drop}",
        "t.csv row 20 (line 21), column 'b': must be a finite number, received 'inf'",
    ]  # fmt: skip


def test_all_wrong_cells_are_counted_and_a_count_that_is_not_known_is_said_to_be_one(tmp_path: Path) -> None:
    rows = "".join(f"{'x' if row % 9 == 1 else row},{row}\n" for row in range(1000))
    (tmp_path / "t.csv").write_text(f"a,y\n{rows}")
    (line,) = _refused(tmp_path, "t.csv", features={"a": "numeric"})
    assert line.startswith("t.csv rows 2 (line 3), 11 (line 12), 20 (line 21) and 108 more, column 'a'")
    several = [RowError(row, "column 'a'", f"rule {row % 2}") for row in range(MAX_DESCRIBED)]
    first, second = _told(several, 5000)
    assert first == "t.csv rows 1, 3, 5 and at least 47 more, column 'a': rule 0"
    assert second == "t.csv rows 2, 4, 6 and at least 47 more, column 'a': rule 1"


def test_what_to_do_is_that_of_the_first_value_where_it_names_the_value() -> None:
    same = [RowError(row, "column 'a'", "must be 1", row, "write 1") for row in range(2)]
    assert _told(same) == ["t.csv rows 1 and 2, column 'a': must be 1, received 0, 1; write 1"]
    own = [RowError(row, "column 'a'", "must be 1", row, f"--b reads it as {row}") for row in range(2)]
    assert _told(own) == [
        "t.csv rows 1 and 2, column 'a': must be 1, received 0, 1; for 0: --b reads it as 0"
    ]
    other = [RowError(row, "column 'a'", "must be 1", row, f"--{way}") for row, way in enumerate("xyx")]
    assert _told(other) == [
        "t.csv rows 1 and 3, column 'a': must be 1, received 0, 2; --x",
        "t.csv row 2, column 'a': must be 1, received 1; --y",
    ]


def test_rows_of_several_files_are_named_with_their_file() -> None:
    many = ManyOrigin("*.csv", [(Origin("a.csv"), 3), (Origin("b.csv"), 5)])
    errors = RowErrors([RowError(row, "column 'a'", "must be 1") for row in (0, 1, 4, 5, 6)])
    (problem,) = errors.problems(many)
    assert problem.headline() == "a.csv rows 1 and 2, b.csv row 2 and 2 more, column 'a': must be 1"


def test_cells_of_a_sheet_are_named_as_excel_does(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [("a", "y"), *((("x" if row in (3, 4, 6, 7) else row), row) for row in range(20))]:
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    (line,) = _refused(tmp_path, "t.xlsx", features={"a": "numeric"})
    assert line.startswith("t.xlsx cells A5, A6, A8 and 1 more (sheet 'Sheet', column 'a'): must be a number")


def test_positions_in_an_array_are_one_problem(tmp_path: Path) -> None:
    x = np.zeros((30, 4, 4), np.float32)
    x[2, 1, 1] = x[5, 0, 3] = x[5, 2, 2] = x[7, 3, 3] = x[9, 0, 0] = np.nan
    np.savez(tmp_path / "t.npz", x=x, y=np.arange(30.0))
    spec = DatasetSpec.model_validate({"path": "t.npz"})
    with pytest.raises(DataError) as error:
        load_dataset(spec, Request({"": "numbers"}), seed=1, folder=tmp_path)
    (problem,) = error.value.problems
    assert problem.headline() == (
        "t.npz rows 3, 6, 8 and 1 more, array 'x' at [1, 1], [0, 3], [2, 2], ...: must be a finite number, "
        "received nan"
    )


def _predicted(path: Path) -> tuple[int, list[str]]:
    """Return how many rows of a file are read for predictions, and what is said of the others."""
    contract = Contract("table", ("a", "b"), (2,), "float32", (Output(("y",), "numbers"),))
    found: list[int] = []
    with open_rows(path, ReadOptions(contract)) as chunks, pytest.raises(DataError) as error:
        found.extend(len(chunk) for chunk in chunks)
    return sum(found), [problem.headline().partition(f"{path} ")[2] for problem in error.value.problems]


def test_the_errors_of_all_parts_of_a_file_are_told_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpcli.data.readers.delimited_stream.BLOCK_BYTES", 400)
    lines = [f"{'x' if row % 300 == 150 else row},{'y' if row == 700 else 1}" for row in range(1000)]
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "\n".join(lines) + "\n")
    monkeypatch.setattr("mlpcli.data.refused_rows.MOST_PARTS", 1000)
    read, told = _predicted(path)
    assert 0 < read <= 150
    assert told == [
        "rows 151 (line 152), 451 (line 452) and 751 (line 752), column 'a': must be a number, received 'x'",
        "row 701 (line 702), column 'b': must be a number, received 'y'; --rejects FILE writes such rows there and goes on",
    ]  # fmt: skip
    monkeypatch.setattr("mlpcli.data.refused_rows.MOST_PARTS", 2)
    _, (line,) = _predicted(path)
    assert line.startswith("rows 151 (line 152) and perhaps more, column 'a': must be a number")


def test_an_answer_to_a_request_says_each_problem_once() -> None:
    errors = [
        *(RowError(row, "column 'size'", "must be a number", f"v{row}") for row in range(5)),
        RowError(1, "column 'town'", "is missing"),
    ]
    told = forms.wrong_rows(errors, forms.Request([{}] * 9, "rows"))
    assert told["error"] == (
        "rows 0, 1, 2 and 2 more of the list, column 'size': must be a number, received 'v0', 'v1', 'v2', ...; "
        "row 1 of the list, column 'town': is missing (5 of 9 rows are wrong)"
    )
    assert isinstance(told["rows"], list)
    assert len(told["rows"]) == 6
