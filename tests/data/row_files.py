"""Rows in files of every format, for the tests that read them."""

from __future__ import annotations

import bz2
import datetime
import json
import lzma
import sqlite3
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import feather

from mlpcli.data.inspect.survey import read_whole
from mlpcli.data.readers.dialect import Dialect
from mlpcli.errors import MlpcliError

Row = dict[str, object]

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


def refusal(path: Path | str, **words: object) -> str:
    with pytest.raises(MlpcliError) as caught:
        read_whole(str(path), Dialect(**words))  # type: ignore[arg-type]
    folder = f"{path.parent}/" if isinstance(path, Path) else ""
    return str(caught.value).replace(folder, "") if folder else str(caught.value)
