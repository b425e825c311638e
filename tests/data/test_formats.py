"""The kinds of files that rows come in: a table is the same data in each, and errors name its places."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlpcli.data.inspect.survey import read_whole
from mlpcli.data.load import Request, load_dataset
from mlpcli.data.readers.dialect import PLAIN, Dialect
from mlpcli.data.readers.reading import Reading
from mlpcli.data.readers.tables import Table
from mlpcli.errors import DataError, SpecError, UsageError
from mlpcli.spec.schema import DatasetSpec
from tests.data.row_files import (
    KINDS,
    Row,
    as_text,
    make_rows,
    refusal,
    write_feather,
    write_json,
    write_packed,
    write_sheet,
    write_sqlite,
    write_stream,
    write_text,
)


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
