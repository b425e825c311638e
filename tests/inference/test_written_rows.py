"""Rows as the writers of predictions put them into files, whatever columns are passed through."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from mlpcli.data.writers import text_writer

COLUMNS: dict[str, tuple[pa.Array, list[str], list[object]]] = {
    "bytes": (pa.array([b"a", b"\xff", None]), ["a", r"\xff", ""], ["b'a'", r"b'\xff'", None]),
    "lists": (pa.array([[1, 2], None, []]), ['"[1, 2]"', "", "[]"], [[1, 2], None, []]),
    "numbers": (pa.array([1.5, float("nan"), float("inf")]), ["1.5", "nan", "inf"], [1.5, None, None]),
    "codes": (pa.array(["x", None, "x"]).dictionary_encode(), ["x", "", "x"], ["x", None, "x"]),
    "spans": (
        pa.array([timedelta(seconds=1)] * 3, pa.duration("s")),
        ["1", "1", "1"],
        ["0:00:01"] * 3,
    ),
    "months": (
        pa.array([(1, 2, 3)] * 3, pa.month_day_nano_interval()),
        ['"MonthDayNano(months=1, days=2, nanoseconds=3)"'] * 3,
        [[1, 2, 3]] * 3,
    ),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_any_type_is_passed_through_as_text_and_as_json(name: str) -> None:
    column, texts, values = COLUMNS[name]
    outputs = np.zeros((3, 1), np.float32)
    file = io.BytesIO()
    text_writer(file, "csv").write({"n": pa.array([1, 2, 3]), "c": column}, outputs)
    lines = [f"{number},{text}" for number, text in enumerate(texts, 1)]
    assert file.getvalue().decode().splitlines() == ["n,c", *lines]
    file = io.BytesIO()
    text_writer(file, "jsonl").write({"c": column}, outputs)
    assert b"NaN" not in file.getvalue()
    assert [json.loads(line)["c"] for line in file.getvalue().splitlines()] == values
