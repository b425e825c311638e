"""`serve`: the answers of `predict` over HTTP, one for each request, and a clear refusal of wrong ones."""

from __future__ import annotations

import contextlib
import csv
import http.client
import json
import math
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.data.readers.row_errors import RowError
from mlpcli.serving import forms
from tests.conftest import Result

SPEC = """
name: houses
dataset: {path: houses.csv, target: {price: price, kind: kind}, validation: 20}
layers:
  - {Dense: {units: 4, activation: relu}, name: shared}
  - {Dense: {units: 1}, name: price, from: shared}
  - {Dense: {units: 3, activation: softmax}, name: kind, from: shared}
loss: {price: mse, kind: sparse_categorical_crossentropy}
fit: {epochs: 2}
"""


def _table() -> str:
    lines = ["size,town,built,garden,price,kind"]
    for row in range(60):
        size = "" if row % 17 == 5 else f"{30 + row * 1.5:.3f}"
        town = ("Ulm", "Bonn", "Köln")[row % 3]
        built, garden = f"{1950 + row}-0{1 + row % 9}-11", ("yes", "no")[row % 2]
        lines.append(f"{size},{town},{built},{garden},{row * 7},{'abc'[row % 3]}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        port: on which it listens.
        runs_dir: of its run.
        folder: with the table.
    """

    port: int
    runs_dir: Path
    folder: Path

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Return the status of a request and its JSON document."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            connection.request(method, path, data)
            response = connection.getresponse()
            return response.status, json.loads(response.read())


@contextlib.contextmanager
def _serve(run_dir: Path, **limits: float) -> Iterator[int]:
    """Serve a run in a thread; yield the port."""
    from mlpcli import runs
    from mlpcli.serving import server
    from mlpcli.serving.served_model import load_served

    options = server.ServeOptions("127.0.0.1", 0, int(limits.get("body_bytes", 10**6)), 50_000)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    started = threading.Event()
    with server.serving(load_served(runs.open_run(run_dir), None), "houses/1", options) as app:
        web = server.web_server(app, started.set)
        thread = threading.Thread(target=web.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        assert started.wait(30)
        yield listening.getsockname()[1]
        web.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    from mlpcli.cli import main

    folder = tmp_path_factory.mktemp("serve")
    (folder / "houses.csv").write_text(_table(), encoding="utf-8")
    (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
    assert main(["train", str(folder / "spec.yaml"), "--runs-dir", str(folder / "runs")]) == 0
    (run_dir,) = (folder / "runs" / "houses").iterdir()
    with _serve(run_dir) as port:
        yield Server(port, folder / "runs", folder)


ROW = {"size": 50.5, "town": "Ulm", "built": "1960-03-11", "garden": "yes"}


def _rows() -> list[dict[str, object]]:
    """The table's rows as JSON: numbers as numbers, gaps as null, and some booleans."""
    names, *lines = [line.split(",") for line in _table().splitlines()]
    rows: list[dict[str, object]] = [dict(zip(names, line, strict=True)) for line in lines]
    for place, row in enumerate(rows):
        row["size"] = float(str(row["size"])) if row["size"] else None
        row["garden"] = row["garden"] == "yes" if place % 4 == 0 else row["garden"]
    return rows


def test_many_clients_get_the_predictions_of_predict(server: Server, mlpcli: Callable[..., Result]) -> None:
    done = mlpcli("predict", "houses", server.folder / "houses.csv", "--runs-dir", server.runs_dir, "--json")
    wanted = json.loads(done.out)["predictions"]
    rows = _rows()
    spans = [(start, start + 1 + start % 7) for start in range(50)] * 2
    with ThreadPoolExecutor(50) as pool:
        answers = list(
            pool.map(lambda span: server.ask("POST", "/predict", {"rows": rows[slice(*span)]}), spans)
        )
    for (start, stop), (status, document) in zip(spans, answers, strict=True):
        assert status == 200
        for found, row in zip(document["predictions"], wanted[start:stop], strict=True):
            assert found.keys() == row.keys()
            for name, value in row.items():
                assert found[name] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-6))


def test_tensorflow_servings_form_returns_what_the_saved_model_does(server: Server) -> None:
    import tensorflow as tf

    (saved,) = server.runs_dir.glob("houses/*/saved_model")
    columns = {
        "size": [50.5, 60.0],
        "town": ["Ulm", "Rom"],
        "built": ["1960-03-11"] * 2,
        "garden": ["yes", "no"],
    }
    signature = tf.saved_model.load(str(saved)).signatures["serving_default"]
    tensors = {
        name: tf.constant(cells, tf.float64 if name == "size" else tf.string)
        for name, cells in columns.items()
    }
    wanted = {name: tensor.numpy().tolist() for name, tensor in signature(**tensors).items()}
    wanted["kind_label"] = [label.decode() for label in wanted["kind_label"]]
    status, by_column = server.ask("POST", "/v1/models/houses:predict", {"inputs": columns})
    assert (status, by_column["outputs"].keys()) == (200, wanted.keys())
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    status, by_row = server.ask("POST", "/v1/models/houses:predict", {"instances": rows})
    assert status == 200
    for name, values in wanted.items():
        assert [row[name] for row in by_row["predictions"]] == by_column["outputs"][name]
        if name == "kind_label":
            assert by_column["outputs"][name] == values
        else:
            np.testing.assert_allclose(by_column["outputs"][name], values, rtol=1e-6)
    assert server.ask("GET", "/v1/models/houses")[1]["model_version_status"][0]["state"] == "AVAILABLE"


def test_a_gap_is_null_or_nan(server: Server) -> None:
    body = b'[{"size": NaN, "town": null, "built": "1960-03-11", "garden": "yes"}, %s]'
    gaps = json.dumps(ROW | {"size": None, "town": None}).encode()
    status, document = server.ask("POST", "/predict", body % gaps)
    assert status == 200
    assert document["predictions"][0] == document["predictions"][1]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "the body must be JSON: "),
        (b"\xff", 400, "the body must be JSON: it is not UTF-8 text"),
        (b"[" * 100_000, 400, "the JSON is nested too deeply"),
        (b"3", 400, 'the body must be {"rows": [...]}'),
        ({"rows": []}, 400, "there are no rows in the request"),
        ({"rows": [ROW], "more": 1}, 400, 'the body must be {"rows": [...]}'),
        ([3], 422, "row 0 of the list: must be an object of columns and values, received 3; such as"),
        (
            [[1, "Ulm"]],
            422,
            "row 0 of the list: must be an object of columns and values, received [1, ",
        ),
        ([ROW | {"size": "big"}], 422, "row 0 of the list, column 'size': must be a number, received 'big'"),
        ([ROW | {"size": [1]}], 422, "column 'size': must be a number, a text, true, false or null"),
        ([ROW | {"size": 10**400}], 422, "row 0 of the list, column 'size': "),
        (
            [ROW | {"built": "soon"}],
            422,
            "column 'built': must be a date such as 2024-05-31, received 'soon'",
        ),
        (
            [{"size": 1, "Town": "Ulm"}],
            422,
            "row 0 of the list: columns 'town', 'built', 'garden' are missing; 'Town': did you mean 'town'?",
        ),
        (
            [{"sise": 1, "towns": "Ulm", "built": "soon", "garden": "no"}],
            422,
            "'towns': did you mean 'town'?; row 0 of the list, column 'built': must be a date such as",
        ),
        (
            [{"sizes": [], "town": [], "built": "2001-01-11", "garden": "no"}],
            422,
            "is missing; 'sizes': did you mean 'size'?; row 0 of the list, column 'town': must be",
        ),
        (
            [ROW | {"size": "x", "built": "y"}],
            422,
            "column 'size': must be a number, received 'x'; row 0 of the list, column 'built'",
        ),
        (
            [ROW, ROW | {"size": "x"}, {}],
            422,
            "row 1 of the list, column 'size': must be a number, received 'x'; row 2 of the list: ",
        ),
        ([ROW, ROW | {"size": "x"}, {}], 422, "are missing; null stands for an empty cell (2 of 3 rows are"),
        (b" " * 1_000_001, 413, "the body must have at most 1,000,000 bytes"),
        (b"[" + b"0," * 50_000 + b"0]", 413, "at most 50,000 rows, not 50,001"),
        (b"[" + b"9" * 5000 + b"]", 400, "the body must be JSON: it holds a number with too many digits"),
        ([ROW | {"town": "\ud800"}], 422, "column 'town': must be text, it holds half of a surrogate pair"),
        (b'[{"size": %s0%s}]' % (b"[" * 300, b"]" * 300), 422, "column 'size': must be a number, a text"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(
    body: object, status: int, message: str, server: Server
) -> None:
    found, document = server.ask("POST", "/predict", body)
    assert (found, message in document["error"]) == (status, True), document


def test_every_wrong_row_is_listed_with_its_place(server: Server) -> None:
    status, document = server.ask("POST", "/predict", [ROW, ROW | {"size": "x"}, ROW | {"built": "y"}])
    assert status == 422
    assert [(each["row"], each["column"]) for each in document["rows"]] == [(1, "size"), (2, "built")]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "/nothing", None, 404, "there is nothing at /nothing; / lists what there is"),
        ("GET", "/predict", None, 405, "/predict takes POST, not GET"),
        ("POST", "/v1/models/other:predict", {"instances": [ROW]}, 404, "there is no model 'other' here"),
        ("POST", "/v1/models/houses:predict", {"rows": [ROW]}, 400, "unknown key 'rows'; known are"),
        ("POST", "/v1/models/houses:predict", {}, 400, "give either instances, row by row, or inputs"),
        (
            "POST",
            "/v1/models/houses:predict",
            {"inputs": {"size": [1, 2], "town": [3]}},
            400,
            "the same number",
        ),
        (
            "POST",
            "/v1/models/houses:predict",
            {"instances": [{}]},
            422,
            "row 0 of the list: columns 'size', 'town', ",
        ),
    ],
)
def test_a_wrong_address_or_form_is_told(
    method: str, path: str, body: object, status: int, message: str, server: Server
) -> None:
    found, document = server.ask(method, path, body)
    assert (found, message in document["error"]) == (status, True), document


def test_the_schema_takes_the_rows_that_are_answered(server: Server) -> None:
    import jsonschema

    schema = server.ask("GET", "/schema")[1]
    for row in _rows():
        jsonschema.validate(row, schema["row"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"size": 1}, schema["row"])
    answer = server.ask("POST", "/predict", [ROW])[1]["predictions"][0]
    jsonschema.validate(answer, schema["prediction"])
    assert list(schema["prediction"]["properties"]) == list(answer)
    openapi = server.ask("GET", "/openapi.json")[1]
    assert openapi["components"]["schemas"]["Row"] == schema["row"]
    assert server.ask("GET", "/health")[1] == {"status": "ok", "model": "houses/1"}


def test_rows_of_numbers_may_be_lists_in_the_order_of_the_columns(tiny_run: Path) -> None:
    from mlpcli.data.given_rows import encode_given
    from mlpcli.data.stream import ReadOptions
    from mlpcli.model.run_contract import run_contract
    from mlpcli.runs.folder import find_run

    contract = run_contract(find_run("tiny", tiny_run))
    row = [1.0, 2.0, 3.0, 4.0]
    named = dict(zip(contract.features, [5, 6, 7, 8], strict=True))
    far = [[1.0, 2.0, 3.0, value] for value in (10**400, 1e39, math.inf)]
    given = [row, [1, "x"], named, [[1], [2, 3]], [1.0], row, 3, *far]
    chunk = encode_given(given, ReadOptions(contract))
    assert [each.row for each in chunk.rejected] == [1, 3, 4, 6, 7, 8, 9]
    np.testing.assert_array_equal(chunk.x, [row, [5, 6, 7, 8], row])
    ids = replace(contract, kind="array", features=(), preprocessor=None, dtype="int64")
    chunk = encode_given([row, [1.5, 2, 3, 4], [1, 2, 3, 2**60 + 1], [1, 2, 3, 2**63]], ReadOptions(ids))
    assert [(each.row, "ids" in each.rule) for each in chunk.rejected] == [(1, True), (3, True)]
    assert (chunk.x.dtype.name, chunk.x[1, 3]) == ("int64", 2**60 + 1)


@pytest.mark.parametrize("name", ["size", "it's", 'a "b"', "'", "a\nb\\c", "column 'x'"])
def test_a_wrong_row_names_its_column_as_it_is(name: str, tmp_path: Path) -> None:
    from mlpcli.inference.predict import rejects_file

    error = RowError(0, f"column {name!r}", "must be a number")
    rows: Any = forms.wrong_rows([error], forms.Request([{}], "rows"))["rows"]
    assert [row["column"] for row in rows] == [name]
    with rejects_file(tmp_path / "rejects.csv", "rows.csv") as reject:  # of `predict --rejects`
        reject([error])
    with (tmp_path / "rejects.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[1][:3] == ["rows.csv", "1", name]


@pytest.mark.slow
def test_half_a_head_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.responses import PlainTextResponse

    from mlpcli.serving import server

    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    started = threading.Event()
    web = server.web_server(PlainTextResponse("fine"), started.set)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=web.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        assert started.wait(30)
        for sent in (b"", b"GET / HTTP/1.1\r\nHost:", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET"):
            with socket.create_connection(listening.getsockname(), timeout=30) as half:
                half.sendall(sent)
                answer = b"".join(iter(lambda half=half: half.recv(1000), b""))  # type: ignore[misc]
            assert answer.endswith(b"fine") is (b"GET" in sent[1:])
        web.should_exit = True
        thread.join()


def test_what_is_missing_is_named_with_its_extra(
    mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.setitem(sys.modules, "mlpcli.serving.server", None)  # which imports TensorFlow
    result = mlpcli("serve", "houses", "--max-body", "big")
    assert result.status == 2
    assert [line.split(";")[0] for line in result.err.splitlines()] == [
        "--max-body: must be a size such as 10MB, received 'big'",
        "serve needs uvicorn, which is not installed",
        f"there is no run 'houses' under {Path('runs').absolute()}",
        "3 problems found",
    ]
    assert '; run: pip install "mlpcli[serve]"\n' in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-body", "much"], "--max-body: must be a size such as 10MB, received 'much'"),
        (["--max-body", "0"], "--max-body: must be a size such as 10MB, received '0'"),
        (["--host", "no such host"], "--host no such host: "),
        (["--host", "a..b"], "--host a..b: is no name of a host"),
    ],
)
def test_wrong_options_are_told_before_the_model_is_loaded(
    arguments: list[str], message: str, server: Server, mlpcli: Callable[..., Result]
) -> None:
    result = mlpcli("serve", "houses", "--runs-dir", server.runs_dir, *arguments)
    assert (result.status, message in result.err) == (2, True), result.err


def test_a_port_in_use_is_told(server: Server, mlpcli: Callable[..., Result]) -> None:
    result = mlpcli("serve", "houses", "--runs-dir", server.runs_dir, "--port", server.port)
    assert result.status == 2
    assert f"--port {server.port} on 127.0.0.1: Address already in use; choose another" in result.err


@pytest.mark.slow
def test_a_signal_lets_requests_that_have_begun_be_answered(server: Server) -> None:
    command = [sys.executable, "-m", "mlpcli", "serve", "houses", "--port", "0", "--json"]
    process = subprocess.Popen(
        [*command, "--runs-dir", str(server.runs_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    text = ""
    while "}" not in text:
        text += process.stdout.readline()
    port = int(json.loads(text)["url"].rsplit(":", 1)[1])
    body = json.dumps([ROW]).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as half:
        half.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:9]
        )
        assert Server(port, server.runs_dir, server.folder).ask("GET", "/health")[0] == 200
        process.send_signal(signal.SIGTERM)
        half.sendall(body[9:])
        assert half.recv(12) == b"HTTP/1.1 200"
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "stopped\n")


def test_the_requests_in_the_docs_are_answered(server: Server) -> None:
    import re

    page = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
    requests = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", page, re.S | re.M)]
    requests += [{"rows": json.loads(body)["rows"]} for body in re.findall(r"-d '(.*)'", page)]
    answered = []
    for request in requests:
        if "predictions" in request:
            continue
        path = "/predict" if "rows" in request else "/v1/models/houses:predict"
        status, document = server.ask("POST", path, request)
        assert status == 200, document
        answered.append(next(iter(request)))
    assert sorted(answered) == ["inputs", "instances", "rows", "rows"]
