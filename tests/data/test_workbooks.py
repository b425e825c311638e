"""Excel files: which cells are the table, what is told of the others, what would fill the memory."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import feather

from mlpcli.data.inspect.survey import read_whole
from mlpcli.data.readers import row_errors
from mlpcli.data.readers.dialect import PLAIN
from mlpcli.data.readers.reading import Reading
from tests.data.row_files import refusal


def save(path: Path, fill: Callable[[openpyxl.Workbook], None]) -> Path:
    book = openpyxl.Workbook()
    fill(book)
    book.save(path)
    return path


def notes_of(path: Path, sheet: str | None = None) -> str:
    return "\n".join(read_whole(str(path), reading=Reading(sheet)).notes).replace(f"{path.parent}/", "")


def test_what_a_sheet_does_not_show_is_told(tmp_path: Path) -> None:
    def fill(book: openpyxl.Workbook) -> None:
        sheet = book.worksheets[0]
        for row in (
            ["a", "b", "c"],
            [1, "=A2+1", "x"],
            [2, "#DIV/0!", None],
            [3, 7, True],
            [None] * 3,
            [4, 8, 2.5],
        ):
            sheet.append(row)
        sheet.merge_cells("C2:C3")
        book.create_sheet("Other")

    path = save(tmp_path / "odd.xlsx", fill)
    notes = notes_of(path)
    assert "odd.xlsx: sheet 'Sheet' is read; it also has Other" in notes
    assert "formulas without a stored value are missing cells (B2); save it in Excel" in notes
    assert "cells with errors are missing cells (B3)" in notes
    assert "merged cells hold a value in their first cell only (C2:C3)" in notes
    assert "it also has" not in notes_of(path, sheet="Sheet")
    table = read_whole(str(path), PLAIN)
    assert table.columns["b"].arrow.to_pylist() == [None, None, 7, 8]
    assert table.columns["c"].arrow.to_pylist() == ["x", None, "true", "2.5"]
    assert table.origin.lines([2, 3]) == {2: 4, 3: 6}
    assert refusal(path, sheet="sheet") == "odd.xlsx: has no sheet 'sheet'; did you mean 'Sheet'?"
    assert refusal(path, sheet="Other") == "odd.xlsx (sheet 'Other'): holds no header and no rows"


def test_a_sheet_without_a_header_is_seen_and_may_begin_anywhere(tmp_path: Path) -> None:
    def fill(book: openpyxl.Workbook) -> None:
        for place in range(20):
            for column, value in ((3, place / 7 + 0.1), (4, place * 3 + 0.5)):
                book.worksheets[0].cell(5 + place, column, value)

    path = save(tmp_path / "bare.xlsx", fill)
    table = read_whole(str(path))
    assert list(table.columns) == ["column_1", "column_2", "column_3", "column_4"]
    assert (table.rows, table.origin.lines([0])) == (20, {0: 5})


def test_workbooks_that_would_fill_the_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_errors, "MAX_REPEATED_BYTES", 4 << 20)

    def far(book: openpyxl.Workbook) -> None:
        book.worksheets[0]["A1"] = "a"
        book.worksheets[0]["XFD1048576"] = 1

    assert "reaches to row 1,048,576 and column 16,384 with 2 cells" in refusal(
        save(tmp_path / "far.xlsx", far)
    )
    good = save(tmp_path / "good.xlsx", lambda book: book.worksheets[0].append(["a", "b"]))
    bomb = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            new.writestr(member, old.read(member))
        with new.open("xl/sharedStrings.xml" + "2", "w", force_zip64=True) as file:
            for _ in range(8):
                file.write(bytes(1 << 20))
    content = bytearray(bomb.read_bytes())
    claimed = (8 << 20).to_bytes(4, "little")
    place = content.rfind(claimed)  # the directory claims the size; this one lies
    assert place > 0
    content[place : place + 4] = (1000).to_bytes(4, "little")
    for name, data in (("bomb.xlsx", bomb.read_bytes()), ("lying.xlsx", bytes(content))):
        (tmp_path / name).write_bytes(data)
        assert "decompresses to more than 4 MiB and 200 times its own size" in refusal(tmp_path / name)


def test_one_text_in_many_cells_counts_for_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_errors, "memory_bytes", lambda: 4_000_000)
    coded = pa.array(["x" * 30_000], pa.string()).take(pa.array([0] * 300)).dictionary_encode()
    write_feather_table = pa.table({"a": coded, "b": list(range(300))})
    feather.write_feather(write_feather_table, str(tmp_path / "texts.feather"))
    assert "more than this machine's memory" in refusal(tmp_path / "texts.feather")

    def fill(book: openpyxl.Workbook) -> None:
        for _ in range(200):
            book.worksheets[0].append(["x" * 30_000, 1])

    assert "more than this machine's memory" in refusal(save(tmp_path / "texts.xlsx", fill))
    nothing = pa.table({"a": pa.nulls(100_000_000)})
    feather.write_feather(nothing, str(tmp_path / "nulls.feather"), chunksize=100_000_000)
    assert "claims 100,000,000 rows, far more than its size" in refusal(tmp_path / "nulls.feather")
