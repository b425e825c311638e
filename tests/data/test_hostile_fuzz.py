"""Random bytes, and valid files with some bytes changed, through every reader: never a traceback."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import feather

from mlpcli.data.inspect.find_warnings import find_warnings
from mlpcli.data.inspect.survey import survey_table
from mlpcli.data.load import load_dataset
from mlpcli.errors import DataError, SpecError, UsageError
from mlpcli.spec.load import load_spec
from mlpcli.spec.schema import DatasetSpec
from tests.conftest import TINY, wanting

EXAMPLES = int(os.environ.get("MLPCLI_FUZZ", "40"))
fuzz = settings(
    max_examples=EXAMPLES,
    derandomize="MLPCLI_FUZZ" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

CSV = b"a,b,y\n" + b"".join(b"%d,x%d,%d\n" % (row, row % 3, row % 2) for row in range(40))


def _parquet() -> bytes:
    columns = {
        "a": [*range(40)],
        "b": [f"x{row % 3}" for row in range(40)],
        "y": [row % 2 for row in range(40)],
    }
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def _arrow(write: Callable[[pa.Table, io.BytesIO], object]) -> bytes:
    table = pa.table(
        {
            "a": [*range(40)],
            "b": pa.array([f"x{row % 3}" for row in range(40)]).dictionary_encode(),
            "day": pa.array([row * 86_400 for row in range(40)], pa.timestamp("s", "UTC")),
            "y": [row % 2 for row in range(40)],
        }
    )
    file = io.BytesIO()
    write(table, file)
    return file.getvalue()


def _stream(table: pa.Table, file: io.BytesIO) -> None:
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


def _sheet() -> bytes:
    book = openpyxl.Workbook()
    for row in CSV.decode().splitlines():
        book.worksheets[0].append([int(cell) if cell.isdigit() else cell for cell in row.split(",")])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.arange(80.0).reshape(40, 2))
    return file.getvalue()


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", CSV)
    return file.getvalue()


def _npz(packing: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        archive.writestr("x.npy", _npy())
        archive.writestr("y.npy", _npy())
    return file.getvalue()


VALID: dict[str, bytes] = {
    "t.csv": CSV,
    "t.tsv": CSV.replace(b",", b"\t"),
    "t.csv.gz": gzip.compress(CSV, mtime=0),
    "t.csv.zip": _zip(),
    "t.jsonl": b"".join(b'{"a": %d, "o": {"b": "x"}, "y": %d}\n' % (row, row % 2) for row in range(40)),
    "t.parquet": _parquet(),
    "t.feather": _arrow(feather.write_feather),
    "t.arrow": _arrow(_stream),
    "t.xlsx": _sheet(),
    "t.npy": _npy(),
    "t.npz": _npz(zipfile.ZIP_STORED),
    "u.npz": _npz(zipfile.ZIP_DEFLATED),
    "s.yaml": TINY.encode(),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A current folder of its own."""
    monkeypatch.chdir(tmp_path)


def read(name: str) -> None:
    """Read a file as the commands do; what is wrong with it is said in an error of ours."""
    steps: list[Callable[[], object]] = []
    if name.endswith(".yaml"):
        steps = [lambda: load_spec(Path(name))]
    elif name.endswith((".npy", ".npz")):
        target = name if name.endswith(".npy") else None
        spec = DatasetSpec(path=name, target=target, test=None, validation=None)
        steps = [lambda: load_dataset(spec, wanting(False), seed=0, folder=Path())]
    else:
        spec = DatasetSpec(path=name, target="y", test=None, validation=None)
        steps = [
            lambda: find_warnings(survey_table(name), name),
            lambda: load_dataset(spec, wanting(None), seed=0, folder=Path()),
        ]
    for step in steps:
        with contextlib.suppress(DataError, SpecError, UsageError):
            step()


@fuzz
@given(name=st.sampled_from(sorted(VALID)), content=st.binary(max_size=400))
@example(name="t.csv", content=b'"')
@example(name="t.csv", content=b"a,y\r1,2\r\n\r3,4")
@example(name="s.yaml", content=b"!!binary {")
def test_random_bytes(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    read(name)


@settings(fuzz, max_examples=4 * EXAMPLES)
@given(name=st.sampled_from(sorted(VALID)), data=st.data())
def test_changed_bytes_of_a_valid_file(name: str, data: st.DataObject) -> None:
    content = bytearray(VALID[name])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["change", "cut", "insert", "repeat"]))
        if kind == "change":
            content[place] = data.draw(st.integers(0, 255))
        elif kind == "cut" and len(content) > 1:
            del content[place : place + data.draw(st.integers(1, 20))]
        elif kind == "insert":
            content[place:place] = data.draw(st.binary(max_size=8))
        else:
            content[place:place] = content[place : place + 20]
        content = content or bytearray(b"\0")
    Path(name).write_bytes(bytes(content))
    read(name)
