"""The kinds of files that rows come in: a table is the same data in each, and errors name its places."""

from __future__ import annotations

import bz2
import contextlib
import datetime
import gzip
import json
import lzma
import sqlite3
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import feather

from mlpcli.data.inspect.survey import read_whole
from mlpcli.data.load import Request, load_dataset
from mlpcli.data.readers import query as query_limits
from mlpcli.data.readers import row_errors, sql
from mlpcli.data.readers.dialect import PLAIN, Dialect
from mlpcli.data.readers.find_files import find_files
from mlpcli.data.readers.reading import Reading
from mlpcli.data.readers.row_errors import Origin
from mlpcli.data.readers.tables import Table
from mlpcli.errors import DataError, MlpcliError, SpecError, UsageError
from mlpcli.spec.locations import absolute
from mlpcli.spec.schema import DatasetSpec
from tests.conftest import Result

Row = dict[str, object]

NAMES = ("size", "count", "day", "city", "price")
CITIES = ("Bern", None, "Rom", "Oslo, N")


def make_rows(count: int = 40) -> list[Row]:
    return [
        {
            "size": None if place % 11 == 5 else place / 4 - 3,
            "count": place,
            "day": datetime.date(2024, 1 + place % 12, 1 + place % 28),
            "city": CITIES[place % 4],
            "price": 2.5 * place + 0.25 * (place % 3),
        }
        for place in range(count)
    ]


def as_text(rows: Sequence[Row], delimiter: str = ",") -> str:
    def cell(value: object) -> str:
        text = "" if value is None else str(value)
        return f'"{text}"' if delimiter in text or "," in text else text

    lines = [delimiter.join(rows[0]), *(delimiter.join(map(cell, row.values())) for row in rows)]
    return "\n".join(lines) + "\n"


def write_text(path: Path, rows: Sequence[Row]) -> None:
    path.write_text(as_text(rows), encoding="utf-8")


def write_pipes(path: Path, rows: Sequence[Row]) -> None:
    first, *others = as_text(rows, "|").splitlines()
    path.write_text("\n".join(["# a | b", first, "#", *others]), encoding="utf-8")


def write_blanks(path: Path, rows: Sequence[Row]) -> None:
    cells = [["-" if value is None else f'"{value}"' for value in row.values()] for row in rows]
    lines = ["  ".join(f"{cell:>9}" for cell in line) for line in (list(rows[0]), *cells)]
    path.write_text("\n".join(lines), encoding="utf-8")


def write_packed(path: Path, rows: Sequence[Row]) -> None:
    content = as_text(rows).encode()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("rows.csv", content)
        return
    packed: dict[str, Callable[[bytes], bytes]] = {
        ".bz2": bz2.compress,
        ".xz": lzma.compress,
        ".zst": lambda text: bytes(pa.compress(text, codec="zstd", asbytes=True)),
    }
    path.write_bytes(packed[path.suffix](content))


def write_json(path: Path, rows: Sequence[Row]) -> None:
    lines = [
        json.dumps({key: value for key, value in row.items() if value is not None}, default=str)
        for row in rows
    ]
    path.write_text("\n\n".join(lines), encoding="utf-8")


def as_arrow(rows: Sequence[Row]) -> pa.Table:
    return pa.table({name: [row[name] for row in rows] for name in rows[0]})


def write_feather(path: Path, rows: Sequence[Row]) -> None:
    feather.write_feather(as_arrow(rows), str(path))


def write_stream(path: Path, rows: Sequence[Row]) -> None:
    table = as_arrow(rows)
    with pa.ipc.new_stream(str(path), table.schema) as stream:
        stream.write_table(table, max_chunksize=7)


def write_sheet(path: Path, rows: Sequence[Row]) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Orders"
    sheet.append(["Orders of the year"])
    sheet.append([])
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append(list(row.values()))
    book.create_sheet("Notes")
    book.save(path)


def write_sqlite(path: Path, rows: Sequence[Row]) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE orders (size REAL, count INT, day TEXT, city TEXT, price REAL)")
    cells = [[str(value) if key == "day" else value for key, value in row.items()] for row in rows]
    connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", cells)
    connection.commit()
    connection.close()


def write_duckdb(path: Path, rows: Sequence[Row]) -> None:
    import duckdb

    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE orders (size DOUBLE, count INT, day DATE, city VARCHAR, price DECIMAL(9, 3))"
        )
        connection.executemany(
            "INSERT INTO orders VALUES (?, ?, ?, ?, ?)", [list(row.values()) for row in rows]
        )


QUERY: dict[str, object] = {"query": "SELECT * FROM orders;"}
KINDS: list[tuple[str, Callable[[Path, Sequence[Row]], None], dict[str, object]]] = [
    ("rows.csv", write_text, {}),
    ("rows.txt", write_pipes, {"comment": "#"}),
    ("rows.data", write_blanks, {"delimiter": " "}),
    ("rows.csv.zip", write_packed, {}),
    ("rows.csv.bz2", write_packed, {}),
    ("rows.csv.xz", write_packed, {}),
    ("rows.csv.zst", write_packed, {}),
    ("rows.jsonl", write_json, {}),
    ("rows.feather", write_feather, {}),
    ("rows.arrow", write_stream, {}),
    ("rows.xlsx", write_sheet, {"sheet": "Orders"}),
    ("rows.sqlite", write_sqlite, QUERY),
    ("sqlite:///rows.db", write_sqlite, QUERY),
    ("rows.duckdb", write_duckdb, QUERY),
]


@pytest.mark.parametrize(("name", "write", "words"), KINDS, ids=[name for name, *_ in KINDS])
def test_the_same_table_is_the_same_data_in_every_format(
    tmp_path: Path, name: str, write: Callable[[Path, Sequence[Row]], None], words: dict[str, object]
) -> None:
    rows = make_rows()
    write(tmp_path / name.removeprefix("sqlite:///"), rows)
    write_text(tmp_path / "plain.csv", rows)

    def load(path: str, **more: object) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], ...]:
        spec = DatasetSpec.model_validate({"path": path, "target": "price", **more})
        request = Request({"": "numbers"}, scales_inputs=False)
        dataset = load_dataset(spec, request, seed=1, folder=tmp_path)
        return tuple(array for split in dataset.splits().values() for array in (split.x, split.y, split.rows))

    for ours, plain in zip(load(name, **words), load("plain.csv"), strict=True):
        assert ours.dtype == plain.dtype
        np.testing.assert_array_equal(ours, plain)


CELLS = st.one_of(
    st.none(),
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.sampled_from(["a", "b c", "ü"]),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
def test_any_small_table_is_the_same_as_json_and_in_a_database(
    tmp_path: Path, rows: list[tuple[object, object]]
) -> None:
    path = tmp_path / "any.jsonl"
    path.write_text("\n".join(json.dumps({"x": x, "y": y}) for x, y in rows), encoding="utf-8")
    database = tmp_path / "any.db"
    database.unlink(missing_ok=True)
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE t (x, y)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
    connection.commit()
    connection.close()
    tables = [read_whole(str(path), PLAIN), read_whole(str(database), Dialect(query="SELECT * FROM t"))]
    for name in ("x", "y"):
        one, two = (table.columns[name] for table in tables)
        assert one.arrow.type == two.arrow.type
        np.testing.assert_array_equal(one.numbers.values, two.numbers.values)
        assert [one.texts.values[code] for code in one.texts.codes] == [
            two.texts.values[code] for code in two.texts.codes
        ]


def refusal(path: Path | str, **words: object) -> str:
    with pytest.raises(MlpcliError) as caught:
        read_whole(str(path), Dialect(**words))  # type: ignore[arg-type]
    folder = f"{path.parent}/" if isinstance(path, Path) else ""
    return str(caught.value).replace(folder, "") if folder else str(caught.value)


JSON_LINES = [
    ('{"a": 1}\n[1, 2]\n', "line 2: must be a JSON object, one a line, received '[1, 2]'"),
    ('[{"a": 1},\n{"a": 2}]\n', "line 1, character 11: is no JSON"),
    ('{"a": 1}\n\n{"a": 1\n', "line 3, character 8: is no JSON"),
    ('{"a": 1, "a": 2}\n', "line 1: key 'a' occurs more than once; rename all but one"),
    ('{"a.b": 1, "a": {"b": 2}}\n', "line 1: key 'a.b' occurs more than once"),
    ('{"a": ' + '{"b": ' * 50 + "1" + "}" * 51, "line 1: is nested too deeply"),
    ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "line 1: is nested too deeply"),
    ('{"a": ' + "9" * 5000 + "}", "line 1: holds a number with too many digits"),
    ('{"a": "\udcff"}', "line 1: must be UTF-8 text, it holds byte 0xff"),
    ('{"a": "x"}\n{"a": "\\ud800"}', "line 2, key 'a': must be text, it holds half of a surrogate pair"),
    ('{"\\ud83d": "x"}', "line 1, key '\\ud83d': must be text, it holds half of a surrogate pair"),
    ("\n\n", "holds no rows"),
    ("", "is empty (0 bytes)"),
]


@pytest.mark.parametrize(("text", "message"), JSON_LINES)
def test_bad_json_lines_name_their_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert message in refusal(path)


def test_nested_objects_are_columns_and_lists_are_no_features(tmp_path: Path) -> None:
    path = tmp_path / "deep.jsonl"
    lines = [
        {"id": 2**70 + k, "box": {"w": k, "in": {"h": k / 2}}, "tags": ["a"], "on": k > 1} for k in range(3)
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + '\n{"box": null, "more": 1e400}', encoding="utf-8")
    table = read_whole(str(path), PLAIN)
    assert list(table.columns) == ["id", "box.w", "box.in.h", "tags", "on", "box", "more"]
    assert table.columns["id"].texts.values[0] == str(2**70)
    assert table.columns["box.in.h"].arrow.to_pylist() == [0, 0.5, 1, None]
    assert table.columns["on"].arrow.to_pylist() == [False, False, True, None]
    assert pa.types.is_nested(table.columns["tags"].arrow.type)
    assert table.columns["more"].numbers.unreadable.tolist() == [3]
    path.write_text('{"whole": "\\ud83d\\ude00", "list": ["\\ud800"]}', encoding="utf-8")
    assert read_whole(str(path), PLAIN).columns["whole"].texts.values == ["\U0001f600"]


def test_a_bad_cell_is_named_as_its_format_names_it(tmp_path: Path) -> None:
    rows = make_rows(30)
    rows[4] = rows[4] | {"count": "many"}
    places = {
        "rows.xlsx": "rows.xlsx cell B8 (sheet 'Orders', column 'count')",
        "rows.jsonl": "rows.jsonl row 5 (line 9), column 'count'",
        "rows.sqlite": "rows.sqlite, row 5 of the query, column 'count'",
    }
    for name, write, words in KINDS:
        if name not in places:
            continue
        write(tmp_path / name, rows)
        keys = {"path": name, "target": "price", "features": {"count": "numeric"}, **words}
        request = Request({"": "numbers"}, scales_inputs=False)
        with pytest.raises(DataError) as caught:
            load_dataset(DatasetSpec.model_validate(keys), request, seed=1, folder=tmp_path)
        assert str(caught.value) == f"{places[name]}: must be a number, received 'many'"


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


@pytest.mark.parametrize(
    "name", ["junk.xlsx", "junk.feather", "junk.arrow", "junk.db", "junk.csv.zst", "junk.csv.zip"]
)
def test_damaged_files_are_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04 this is nothing of the kind" * 20)
    assert refusal(path).startswith(f"{name}: ")
    path.write_bytes(b"")
    assert "is empty (0 bytes)" in refusal(path)
    write = {".xlsx": write_sheet, ".feather": write_feather, ".arrow": write_stream, ".db": write_sqlite}
    path.unlink()
    write.get(path.suffix, write_packed)(path, make_rows())
    whole = path.read_bytes()
    for part in (whole[: len(whole) // 2], whole[10:]):
        path.write_bytes(part)
        assert refusal(path, query="SELECT * FROM orders").startswith(f"{name}: ")
    if write.get(path.suffix) in (write_feather, write_stream):
        path.write_bytes(whole.replace(b"price", b"pri\xffe"))  # a name that is no text
        assert refusal(path).startswith(f"{name}: cannot be read as Feather or Arrow ('utf-8' codec")
    if write.get(path.suffix) is write_sqlite:
        path.write_bytes(whole.replace(b"CREATE TABLE orders", b"CREATE TABLE \xaa\xffders"))
        assert refusal(path, query="SELECT * FROM orders").startswith(f"{name}: cannot be read as a SQLite")


QUERIES = [
    ("SELECT 1 AS a; SELECT 2", "query: must be a single statement"),
    ("ATTACH 'other.db' AS other", "query: must only read"),
    ("PRAGMA table_info(orders)", "query: must only read"),
    ("INSERT INTO orders VALUES (1, 2, NULL, 'x', 3)", "query: must only read"),
    ("DROP TABLE orders", "query: must only read"),
    ("CREATE TABLE z (a INT)", "query: must only read"),
    ("EXPLAIN SELECT * FROM orders", "query: must only read"),
    ("/**/" * 60 + "EXPLAIN SELECT * FROM orders", "query: must only read"),
    ("/* SELECT */ UPDATE orders SET size = 0", "query: must only read"),
    ("SELECT load_extension('x')", "query"),
    ("SELECT * FROM oders", "query, column 15: "),
    ("SELECT count,\n  prise FROM orders", "query, line 2, column 3: "),
    ("SELECT count AS a, size AS a FROM orders", "the query gives the column name 'a' more than once"),
    ("SELECT * FROM orders WHERE count < 0", "the query gives no rows"),
    ("", "is a database, of which a query selects the rows; its tables are orders"),
]
ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT {} FROM c"


@pytest.mark.parametrize("name", ["shop.sqlite", "shop.duckdb"])
def test_a_query_only_reads_and_ends(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / name
    (write_sqlite if name.endswith("sqlite") else write_duckdb)(path, make_rows())
    before = path.read_bytes()
    for query, message in QUERIES:
        assert message in refusal(path, query=query), query
    assert "did you mean 'orders'?" in refusal(path, query="SELECT * FROM oders")
    monkeypatch.setattr(query_limits, "SECONDS", 0.3)
    assert "takes more than 0.3 seconds" in refusal(path, query=ENDLESS.format("sum(n) AS s"))
    if name.endswith("sqlite"):  # DuckDB computes all rows before the first
        monkeypatch.setattr(sql, "MAX_ROWS", 1000)
        assert "the query gives more than 1,000 rows" in refusal(path, query=ENDLESS.format("n"))
        assert "too big" in refusal(path, query="SELECT zeroblob(1000000000) AS z")
    else:
        secret = tmp_path / "secret.csv"
        secret.write_text("a,b\n1,2\n", encoding="utf-8")
        assert "must only read" in refusal(path, query=f"SELECT * FROM read_csv('{secret}')")
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
        {name, *(["secret.csv"] if "duck" in name else [])}
    )


SERVERS = [
    ("postgresql://me:secret@localhost/db", "must not hold a password"),
    ("postgresql://me@localhost/db?password=secret", "must not hold a password"),
    ("postgres://me:${NOT_SET_AT_ALL}@localhost/db", "environment variable NOT_SET_AT_ALL is not set"),
    ("mysql://me:secret@localhost/db", "must be a file, or sqlite:///FILE"),
    ("https://me:secret@example.com/rows.csv", "must be a file, or sqlite:///FILE"),
    ("sqlite://rows.db", "must be a file, or sqlite:///FILE"),
]


@pytest.mark.parametrize(("address", "message"), SERVERS)
def test_an_address_shows_no_password(
    mlpcli: Callable[..., Result], tmp_path: Path, address: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        find_files(address, tmp_path, ("dataset", "path"))
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "secret" not in refusal(address)
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        f'dataset: {{target: y, path: "{address}"}}\nlayers: [Flatten]\nloss: mse\n', encoding="utf-8"
    )
    checked = mlpcli("check", spec)
    assert (checked.status, "secret" in checked.err + checked.out) == (2, False)


def test_a_server_is_this_machine_or_the_one_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlpcli.data.readers.postgres_query import connection_arguments

    monkeypatch.setenv("SHOP_PASSWORD", "s3cret")
    monkeypatch.delenv("PGHOST", raising=False)
    address = "postgresql://me:${SHOP_PASSWORD}@localhost:5433/shop?sslmode=require"
    (path,) = find_files(address, Path(), ("dataset", "path"))
    assert connection_arguments(str(path), Origin("x")) == {
        "host": "localhost",
        "port": "5433",
        "user": "me",
        "password": "s3cret",
        "dbname": "shop",
        "sslmode": "require",
    }
    for other, message in [
        ("postgresql://me@example.com/shop", "neither this machine nor the one of PGHOST"),
        ("postgresql://localhost/shop?sslkey=/etc/shadow", "parameter 'sslkey' must be one of"),
        ("postgresql://localhost:x/shop", "the port must be a number"),
    ]:
        with pytest.raises(DataError, match=message):
            connection_arguments(other, Origin("x"))
    monkeypatch.setenv("PGHOST", "example.com")
    found = connection_arguments("postgresql://me@example.com/shop", Origin("x"))
    assert found == {"host": "example.com", "user": "me", "dbname": "shop"}
    assert absolute(address, Path("/specs")) == address
    assert absolute("sqlite:///shop.db", Path("/specs")) == "sqlite:////specs/shop.db"


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [
        ("python_calamine", "rows.xlsx", "excel"),
        ("duckdb", "rows.duckdb", "duckdb"),
        ("psycopg", "", "postgres"),
    ],
)
def test_an_extra_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str, extra: str
) -> None:
    path: Path | str = "postgresql://me@localhost/shop"
    if name:
        path = tmp_path / name
        (write_sheet if extra == "excel" else write_duckdb)(path, make_rows(5))
    monkeypatch.setitem(__import__("sys").modules, module, None)
    assert f'which is not installed; run: pip install "mlpcli[{extra}]"' in refusal(
        path, query="SELECT 1 AS a"
    )


def test_words_for_another_kind_of_file_are_refused(tmp_path: Path) -> None:
    write_text(tmp_path / "rows.csv", make_rows())
    keys = {"path": "rows.csv", "target": "price", "sheet": "Orders", "query": "SELECT 1"}
    with pytest.raises(SpecError) as caught:
        load_dataset(DatasetSpec.model_validate(keys), Request({}), seed=1, folder=tmp_path)
    assert str(caught.value) == (
        "dataset.sheet: is for an Excel file, which rows.csv is not, received 'Orders'; remove it\n"
        "dataset.query: is for a database, which rows.csv is not, received 'SELECT 1'; remove it"
    )
    with pytest.raises(UsageError, match="--sheet: is for an Excel file"):
        read_whole(str(tmp_path / "rows.csv"), reading=Reading(sheet="Orders"))
    write_json(tmp_path / "rows.jsonl", make_rows())
    with pytest.raises(UsageError) as refused:
        read_whole(str(tmp_path / "rows.jsonl"), reading=Reading(charset="latin-1", header=False))
    assert [each.rule for each in refused.value.problems] == [
        "--charset: is for a text file such as .csv",
        "--no-header: is for a text file such as .csv, or an Excel file",
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_comment_lines_and_blanks_have_any_line_ends(tmp_path: Path, end: bytes) -> None:
    lines = [b"# c", b"a,b", b"# d", b"1,2", b"3,4", b"#"]
    table = read_text(tmp_path / "rows.csv", end.join(lines), comment="#")
    assert table.columns["b"].arrow.to_pylist() == [2, 4]
    lines = [b" a   b ", b"1 \t 2", b"", b"  3 4 "]
    table = read_text(tmp_path / "rows.txt", end.join(lines), delimiter=" ")
    assert table.columns["b"].arrow.to_pylist() == [2, 4]


def test_reading_a_database_with_a_log_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    write_sqlite(path, make_rows())
    with contextlib.closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode = wal")
    query = Dialect(query="SELECT * FROM orders")
    assert read_whole(str(path), query).rows == 40
    assert [each.name for each in tmp_path.iterdir()] == ["shop.db"]
    with contextlib.closing(sqlite3.connect(path)) as writer:  # what another program has written counts
        writer.execute("DELETE FROM orders WHERE count >= 10")
        writer.commit()
        assert (tmp_path / "shop.db-wal").exists()
        assert read_whole(str(path), query).rows == 10
    assert "must hold no parameters" in refusal(path, query="SELECT * FROM orders WHERE count > :least")


def test_a_zip_file_is_read_by_the_methods_that_python_has(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.zip"
    write_packed(path, make_rows())
    whole = path.read_bytes()
    method = [(b"PK\x03\x04", 8, 9), (b"PK\x01\x02", 10, 9)]  # Deflate64, which Windows takes for large files
    version = [(b"PK\x01\x02", 6, 99)]  # of the format, that is needed to unpack it
    for changes in (method, version):
        content = bytearray(whole)
        for start, place, value in changes:
            content[content.index(start) + place] = value
        path.write_bytes(content)
        assert "is packed by a method that is not read; unpack it first" in refusal(path)


def test_packed_texts_of_several_pieces_are_read_to_their_end(tmp_path: Path) -> None:
    first, *others = as_text(make_rows()).splitlines(keepends=True)
    for ending, pack in (
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".gz", gzip.compress),
        (".zst", lambda text: bytes(pa.compress(text, codec="zstd", asbytes=True))),
    ):
        path = tmp_path / f"rows.csv{ending}"
        path.write_bytes(b"".join(pack(line.encode()) for line in (first, *others)))
        assert read_whole(str(path)).rows == len(others), ending


def read_text(path: Path, content: bytes, **words: object) -> Table:
    path.write_bytes(content)
    return read_whole(str(path), Dialect(**words))  # type: ignore[arg-type]


def test_comment_lines_and_blanks_keep_the_lines_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    content = b'# one\r\na,b\r\n# "two\r\n1,"#no\n# no"\r\n#three,3\r\n2,5" pipe\r\n'
    table = read_text(path, content, comment="#")
    assert table.columns["b"].texts.values == ["#no\n# no", '5" pipe']
    assert table.origin.lines([0, 1]) == {0: 4, 1: 7}
    blank = read_text(tmp_path / "aligned.txt", b" a   b\n 1 \t 2.5\n\n -3  4 \n", delimiter=" ")
    assert blank.columns["a"].arrow.to_pylist() == [1, -3]
    assert blank.columns["b"].arrow.to_pylist() == [2.5, 4]
    tilde = read_text(tmp_path / "tilde.csv", "a~b\n1~x;y\n".encode("utf-16"), delimiter="~")
    assert tilde.columns["b"].texts.values == ["x;y"]


SPEC = """\
name: shop
dataset: {path: "sqlite:///shop.db", query: SELECT * FROM orders, target: price}
layers: [{Dense: {units: 4, activation: relu}}, {Dense: {units: 1}}]
loss: mse
fit: {epochs: 2, batch_size: 16, engine: graph}
"""


def test_what_a_query_or_a_sheet_lacks_has_a_place_in_the_spec(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_sqlite(Path("shop.db"), make_rows(20))
    Path("shop.yaml").write_text(SPEC.replace("orders", "oders"), encoding="utf-8")
    refused = mlpcli("check", "shop.yaml")
    place = "shop.yaml:2:45 dataset.query: sqlite:///shop.db: query, column 15: no such table: oders"
    assert (refused.status, place in refused.err) == (2, True), refused.err
    assert "did you mean 'orders'?" in refused.err
    write_sheet(Path("shop.xlsx"), make_rows(20))
    words = 'path: shop.xlsx, sheet: "No such"'
    text = SPEC.replace('path: "sqlite:///shop.db", query: SELECT * FROM orders', words)
    Path("shop.yaml").write_text(text, encoding="utf-8")
    refused = mlpcli("train", "shop.yaml")
    place = "shop.yaml:2:35 dataset.sheet: shop.xlsx: has no sheet 'No such'"
    assert (refused.status, place in refused.err) == (2, True), refused.err
    refused = mlpcli("inspect", "shop.xlsx", "--sheet", "No such")
    assert refused.err.startswith("shop.xlsx: has no sheet 'No such'"), refused.err


@pytest.mark.slow
def test_a_model_of_a_query_predicts_rows_of_every_format(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = make_rows(60)
    write_sqlite(Path("shop.db"), rows)
    Path("shop.yaml").write_text(SPEC, encoding="utf-8")
    result = mlpcli("train", "shop.yaml")
    assert result.status == 0, result.err
    predictions = {}
    kinds = [
        kind
        for kind in KINDS
        if Path(kind[0]).suffix not in (".bz2", ".xz", ".zst", ".zip", ".arrow", ".data", ".sqlite")
    ]
    for name, write, words in kinds:
        write(Path(name.removeprefix("sqlite:///")), rows)
        options = [part for key, value in words.items() for part in (f"--{key}", value)]
        answer = mlpcli("predict", "shop", name, *options, "--keep", "count", "--force", "-o", "out.csv")
        assert answer.status == 0, (name, answer.err)
        predictions[name] = Path("out.csv").read_text(encoding="utf-8")
    assert {*predictions.values()} == {predictions["rows.csv"]}
    own = mlpcli("predict", "shop", "rows.db", "--keep", "count")  # by the run's own query
    assert own.out == predictions["rows.csv"]
    few = mlpcli("predict", "shop", "rows.db", "--query", "SELECT * FROM orders LIMIT 3")
    assert len(few.out.splitlines()) == 4
    assert mlpcli("evaluate", "shop", "--data", "rows.xlsx", "--no-figures").status == 0
    assert mlpcli("evaluate", "shop", "--data", "sqlite:///rows.db", "--no-figures").status == 0
    code = mlpcli("code", "shop.yaml")
    assert code.status == 2
    assert "rows of a database" in code.err
    inspected = mlpcli("inspect", "rows.jsonl", "--target", "price")
    assert "60 rows, 5 columns" in inspected.out
    assert mlpcli("init", "rows.xlsx", "--sheet", "Orders", "--target", "price").status == 0
    assert "  sheet: Orders\n" in Path("rows.yaml").read_text(encoding="utf-8")
