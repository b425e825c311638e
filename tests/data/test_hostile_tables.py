# ruff: noqa: E501 (a message stands on one line, as it is shown)
"""Tables from somebody who means no good: every Parquet type, lines without end, columns without number."""

from __future__ import annotations

import contextlib
import decimal
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlpcli.data.load import load_dataset
from mlpcli.data.readers import delimited, row_errors
from mlpcli.errors import DataError, MlpcliError, SpecError
from mlpcli.spec.schema import DatasetSpec
from tests.conftest import Result, wanting

Run = Callable[..., Result]

ROWS = 40
MOMENTS = [1_700_000_000_000_000_001 + day * 86_400 * 10**9 for day in range(ROWS)]


def integers(values: Any, kind: pa.DataType) -> pa.Array:
    """Whole numbers as another type of the same width."""
    return pa.array(values, pa.int64()).cast(kind)


def raw_text(kind: pa.DataType, row: int) -> pa.Array:
    """Text with bytes that are not UTF-8 in one row."""
    cells = [b"ok"] * ROWS
    cells[row] = b"\xff\xfe"
    wide = kind == pa.large_string()
    stored = pa.array(cells, pa.large_binary() if wide else pa.binary())
    return pa.Array.from_buffers(kind, ROWS, stored.buffers())


REFUSED: dict[str, tuple[pa.Array, str]] = {
    "zone": (integers(MOMENTS, pa.timestamp("ns", tz="Nowhere/Nothing")), "zone.parquet row 1, column 'x': is of time zone 'Nowhere/Nothing', which is unknown"),
    "text": (raw_text(pa.string(), 17), "text.parquet row 18, column 'x': must be UTF-8 text"),
    "wide_text": (raw_text(pa.large_string(), 39), "wide_text.parquet row 40, column 'x': must be UTF-8 text"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_parquet_value_that_breaks_its_type_is_refused_with_file_row_and_column(
    mlpcli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    column, message = REFUSED[name]
    pq.write_table(pa.table({"x": column, "y": [0, 1] * (ROWS // 2)}), f"{name}.parquet")
    for arguments in (("inspect", f"{name}.parquet"), ("init", f"{name}.parquet", "--target", "y")):
        result = mlpcli(*arguments)
        assert (result.status, result.err.strip()) == (2, message)
    for target, classes in (("x", True), ("x", False), ("y", True)):
        with pytest.raises(MlpcliError) as caught:
            load_dataset(
                DatasetSpec(path=f"{name}.parquet", target=target), wanting(classes), seed=0, folder=Path()
            )
        assert str(caught.value) == message


COLUMNS: dict[str, pa.Array] = {
    "moments": integers(MOMENTS, pa.timestamp("ns")),
    "moments_of_a_zone": integers(MOMENTS, pa.timestamp("ns", tz="Europe/Berlin")),
    "far_moments": integers([2**62 + row for row in range(ROWS)], pa.timestamp("us")),
    "far_dates": pa.array([2**31 - 1 - row for row in range(ROWS)], pa.int32()).cast(pa.date32()),
    "dates64": integers([86_400_000 * row for row in range(ROWS)], pa.date64()),
    "durations": integers(MOMENTS, pa.duration("ns")),
    "times32": pa.array(range(ROWS), pa.int32()).cast(pa.time32("s")),
    "times64": integers(range(1, ROWS + 1), pa.time64("ns")),
    "no_times": integers(range(ROWS), pa.int64()).view(pa.time64("ns")),
    "decimals": pa.array([decimal.Decimal(10) ** 30 + row for row in range(ROWS)], pa.decimal128(38, 2)),
    "wide_decimals": pa.array([decimal.Decimal(10) ** 60 + row for row in range(ROWS)], pa.decimal256(70, 2)),
    "lists": pa.array([[row] for row in range(ROWS)]),
    "empty_lists": pa.array([[]] * ROWS),
    "lists_of_moments": pa.array([[MOMENTS[0]]] * ROWS, pa.list_(pa.timestamp("ns"))),
    "records": pa.array([{"a": row} for row in range(ROWS)]),
    "maps": pa.array([[("k", row)] for row in range(ROWS)], pa.map_(pa.string(), pa.int64())),
    "coded_text": pa.array([f"t{row % 3}" for row in range(ROWS)]).dictionary_encode(),
    "coded_numbers": pa.array([row % 3 for row in range(ROWS)]).dictionary_encode(),
    "coded_moments": integers(MOMENTS, pa.timestamp("ns")).dictionary_encode(),
    "large_text": pa.array([f"t{row % 3}" for row in range(ROWS)], pa.large_string()),
    "bytes": pa.array([b"\xff%d" % row for row in range(ROWS)]),
    "fixed_bytes": pa.array([b"%04d" % row for row in range(ROWS)], pa.binary(4)),
    "nothing": pa.nulls(ROWS),
    "no_text": pa.nulls(ROWS, pa.large_string()),
    "half": pa.array(np.arange(ROWS, dtype=np.float16)),
    "unsigned": pa.array([2**64 - 1 - row for row in range(ROWS)], pa.uint64()),
    "not_a_number": pa.array([float("nan")] * ROWS),
    "infinite": pa.array([float("inf")] * ROWS),
    "uuids": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"%016d" % row for row in range(ROWS)], pa.binary(16))),
    "documents": pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a": 1}'] * ROWS)),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_every_parquet_type_is_taken_left_out_or_refused(
    mlpcli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    table = pa.table({"x": COLUMNS[name], "n": range(ROWS), "y": [0, 1] * (ROWS // 2)})
    pq.write_table(table, "t.parquet")
    assert mlpcli("inspect", "t.parquet", "--target", "y", "--test", "t.parquet").status == 0
    assert mlpcli("inspect", "t.parquet", "--target", "x", "--json").status == 0
    assert mlpcli("init", "t.parquet", "--target", "y").status == 0
    for target, classes in (("x", True), ("x", False), ("y", True), ("y", False)):
        with contextlib.suppress(DataError, SpecError):
            load_dataset(
                DatasetSpec(path="t.parquet", target=target), wanting(classes), seed=0, folder=Path()
            )


def test_labels_are_not_lists_records_or_bytes(tmp_path: Path) -> None:
    for name, kind in (("lists", "list<element: int64>"), ("bytes", "binary")):
        pq.write_table(pa.table({"x": COLUMNS[name], "n": range(ROWS)}), tmp_path / "t.parquet")
        with pytest.raises(MlpcliError) as caught:
            load_dataset(DatasetSpec(path="t.parquet", target="x"), wanting(True), seed=0, folder=tmp_path)
        assert str(caught.value) == f"t.parquet: column 'x' must hold labels, it is of type {kind}"


def test_a_parquet_file_that_was_cut_is_refused(mlpcli: Run, tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": range(ROWS), "y": range(ROWS)}), tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    for cut in (0, 4, 5, 50, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        (tmp_path / "t.parquet").write_bytes(whole[:cut])
        result = mlpcli("inspect", tmp_path / "t.parquet")
        assert result.status == 2
        assert "is empty" in result.err or "cannot be read as Parquet" in result.err


ODD_TABLES: dict[str, pa.Table] = {
    "no columns": pa.table({}),
    "no rows": pa.table({"x": pa.array([], pa.int64()), "y": pa.array([], pa.int64())}),
    "one name twice": pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"]),
    "no name": pa.table({"": [1, 2], "y": [1, 2]}),
}


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("no columns", 2, "holds no columns"),
        ("no rows", 2, "has a header but no rows"),
        ("one name twice", 2, "column name 'x' occurs more than once"),
        ("no name", 0, ""),
    ],
)
def test_odd_parquet_tables(mlpcli: Run, tmp_path: Path, name: str, status: int, message: str) -> None:
    pq.write_table(ODD_TABLES[name], tmp_path / "t.parquet")
    result = mlpcli("inspect", tmp_path / "t.parquet")
    assert result.status == status
    assert message in result.err


CSV_FILES: list[tuple[str, bytes, int, str]] = [
    ("columns.csv", b",".join(b"c%d" % place for place in range(50_001)) + b"\n" + b"1," * 50_000 + b"1\n", 2, "columns.csv: has 50,001 columns, a table may have at most 50,000; save wide rows of numbers as .npy or .npz"),
    ("same.csv", b"a," * 40_000 + b"a\n1\n", 2, "same.csv: column name 'a' occurs more than once (columns 1, 2, 3"),
    ("blank.csv", b"\n" * 10_001 + b"a,b\n1,2\n", 2, "blank.csv: holds no header in its first 10,000 lines"),
    ("line.csv", b"a,b\n1," + b"x" * 5000 + b"\n", 2, "line.csv: has a line, or a quote that is never closed, of more than 0 MiB"),
    ("cell.csv", b'a,b\n1,"' + b"x\n" * 2500 + b'"\n', 2, "cell.csv: has a line, or a quote that is never closed, of more than 0 MiB"),
    ("header.csv", b'a,"' + b"x\n" * 2500, 2, "header.csv: has a line, or a quote that is never closed, of more than 0 MiB"),
    ("nul.csv", b"a,b\n1,\0\n", 2, "nul.csv: must be text, line 2 holds a NUL byte; save it as UTF-8 text"),
    ("mixed.csv", b"\xef\xbb\xbfa,b\r\n1,2\r3,4\n5,6\r\n", 0, ""),
    ("bom.csv", b"\xef\xbb\xbf", 2, "bom.csv: holds no header and no rows"),
    ("quote.csv", b'"', 2, "quote.csv"),
    ("quotes.csv", b'a,b\n"1"2"3,4\n5,6\n', 0, ""),
    ("cut.csv.gz", gzip.compress(b"a,b\n1,2\n" * 50)[:-9], 2, "cut.csv.gz: cannot be decompressed as gzip; the file is damaged or incomplete"),
    ("junk.csv.gz", b"junk", 2, "junk.csv.gz: cannot be decompressed as gzip; the file is damaged or incomplete"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "status", "message"), CSV_FILES, ids=[name for name, *_ in CSV_FILES]
)
def test_hostile_csv(
    mlpcli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, status: int, message: str
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    if name in ("line.csv", "cell.csv", "header.csv"):
        monkeypatch.setattr(delimited, "MAX_LINE_BYTES", 4096)
        monkeypatch.setattr(delimited, "_PIECE", 1000)
        monkeypatch.setattr(delimited, "LONG_LINE", delimited.LONG_LINE.replace("32", "0"))
    Path(name).write_bytes(content)
    result = mlpcli("inspect", name)
    assert result.status == status, result.err
    assert message in result.err
    assert len(result.err) < 10_000


def test_a_small_file_that_unpacks_to_nothing_but_repetition_is_refused(
    mlpcli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(row_errors, "MAX_REPEATED_BYTES", 1 << 20)
    with gzip.open("bomb.csv.gz", "wb") as file:
        file.write(b"a,b\n" + b"1,2\n" * 1_000_000)
    message = "bomb.csv.gz: decompresses to more than 1 MiB and 200 times its own size; if the data are correct, save them uncompressed, as np.savez does"
    result = mlpcli("inspect", "bomb.csv.gz")
    assert (result.status, result.err.strip()) == (2, message)


def test_a_text_that_is_stored_once_and_stands_in_every_row_is_measured_before_it_is_unpacked(
    mlpcli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = 30_000
    coded = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array(["long" * 25_000]))
    pq.write_table(pa.table({"x": coded, "y": range(rows)}), "t.parquet")  # 3 GB of text in 150 KB
    monkeypatch.setattr(row_errors, "memory_bytes", lambda: 2**30)
    result = mlpcli("inspect", "t.parquet")
    message = "t.parquet: decompresses to 3.0 GB, more than this machine's memory of 1.1 GB"
    assert (result.status, result.err.strip()) == (2, message)
