"""Rows that a query selects: it only reads, its errors have a place, addresses show no password."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.data.inspect.survey import read_whole
from mlpcli.data.readers import query as query_limits
from mlpcli.data.readers import sql
from mlpcli.data.readers.dialect import Dialect
from mlpcli.data.readers.find_files import find_files
from mlpcli.data.readers.row_errors import Origin
from mlpcli.errors import DataError, SpecError
from mlpcli.spec.load import load_spec
from mlpcli.spec.locations import absolute
from tests.bare_runs import train_bare
from tests.conftest import Result
from tests.data.row_files import KINDS, make_rows, refusal, write_duckdb, write_sheet, write_sqlite

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


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a database and a sheet of the same rows, and under `runs` a run of a query of them."""
    folder, rows = tmp_path_factory.mktemp("shop"), make_rows(60)
    write_sqlite(folder / "shop.db", rows)
    write_sheet(folder / "rows.xlsx", rows)
    (folder / "shop.yaml").write_text(SPEC, encoding="utf-8")
    train_bare(folder / "shop.yaml", folder / "runs")
    return folder


OTHERS = ("rows.csv", "rows.txt", "rows.jsonl", "rows.feather", "rows.xlsx", "rows.duckdb")


@pytest.mark.slow
def test_a_model_of_a_query_predicts_rows_of_every_format(
    mlpcli: Callable[..., Result], shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    predict = ("predict", "shop", "--runs-dir", shop / "runs", "--keep", "count")
    own = mlpcli(*predict, shop / "shop.db")  # by the run's own query
    assert len(own.out.splitlines()) == 61
    for name, write, words in (kind for kind in KINDS if kind[0] in OTHERS):
        write(Path(name), make_rows(60))
        options = [part for key, value in words.items() for part in (f"--{key}", value)]
        assert mlpcli(*predict, name, *options).out == own.out, name
    few = mlpcli(*predict, f"sqlite:///{shop}/shop.db", "--query", "SELECT * FROM orders LIMIT 3")
    assert few.out.splitlines() == own.out.splitlines()[:4]


@pytest.mark.slow
def test_a_model_of_a_query_is_evaluated_on_a_sheet_as_on_its_database(
    mlpcli: Callable[..., Result], shop: Path
) -> None:
    shown = [
        mlpcli("evaluate", "shop", "--data", data, "--no-figures", "--json", "--runs-dir", shop / "runs")
        for data in (shop / "rows.xlsx", f"sqlite:///{shop}/shop.db")
    ]
    sheet, database = (json.loads(each.out) for each in shown)
    assert sheet["rows"] == 60
    assert sheet["metrics"] == database["metrics"]


def test_no_script_is_written_that_would_read_a_database(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    write_sqlite(tmp_path / "shop.db", make_rows(60))
    (tmp_path / "shop.yaml").write_text(SPEC, encoding="utf-8")
    code = mlpcli("code", tmp_path / "shop.yaml")
    assert code.status == 2
    assert "rows of a database" in code.err


def test_init_writes_the_sheet_that_it_was_given_into_the_spec(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    write_sheet(tmp_path / "rows.xlsx", make_rows(60))
    options = ("--sheet", "Orders", "--target", "price", "-o", tmp_path / "rows.yaml")
    assert mlpcli("init", tmp_path / "rows.xlsx", *options).status == 0
    assert load_spec(tmp_path / "rows.yaml").spec.dataset.sheet == "Orders"
