"""Properties of small generated tables: what is written is what is read."""

from __future__ import annotations

import contextlib
import csv
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpcli.data.dataset import Contract, Output
from mlpcli.data.load import load_dataset, read_rows
from mlpcli.data.readers.dialect import NUMBER
from mlpcli.errors import MlpcliError
from mlpcli.spec.schema import DatasetSpec
from tests.conftest import wanting

letters = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff")
names = st.lists(
    st.text(letters, min_size=1, max_size=8)
    .map(str.strip)
    .filter(lambda name: name and not NUMBER.fullmatch(name)),
    min_size=2,
    max_size=5,
    unique=True,
)
values = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-(2**24), 2**24)
labels = st.text(letters, min_size=1, max_size=6).map(lambda text: f"c{text}".strip())


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[float]]]:
    header = draw(names)
    row = st.lists(values, min_size=len(header), max_size=len(header))
    return header, draw(st.lists(row, min_size=1, max_size=6))


def write(path: Path, header: list[str], rows: Iterable[Iterable[object]], delimiter: str, end: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end)
        writer.writerow(header)
        writer.writerows(rows)


ends = st.sampled_from(["\n", "\r\n"])


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from([",", ";", "\t"]), ends, st.randoms(use_true_random=False))
def test_a_table_is_read_as_it_was_written(
    table: tuple[list[str], list[list[float]]], delimiter: str, end: str, random: object
) -> None:
    header, rows = table
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        suffix = "tsv" if delimiter == "\t" else "csv"
        write(folder / f"rows.{suffix}", header, rows, delimiter, end)
        spec = DatasetSpec(path=f"rows.{suffix}", target=header[0], test=None, validation=None)
        found = load_dataset(spec, wanting(False), seed=0, folder=folder)
        expected = np.array(rows, dtype=np.float32)
        assert found.contract.features == tuple(header[1:])
        np.testing.assert_array_equal(found.train.x, expected[:, 1:])
        np.testing.assert_array_equal(found.train.y, expected[:, 0])

        order = list(range(len(header)))
        random.shuffle(order)  # type: ignore[attr-defined]
        moved = [[row[place] for place in order] for row in rows]
        write(folder / f"moved.{suffix}", [header[place] for place in order], moved, delimiter, end)
        again = read_rows(folder / f"moved.{suffix}", found.contract, target=True)
        assert again.y is not None
        np.testing.assert_array_equal(again.x, found.train.x)
        np.testing.assert_array_equal(again.y, found.train.y)


@settings(max_examples=60, deadline=None)
@given(st.lists(labels, min_size=2, max_size=8).filter(lambda found: len(set(found)) > 1))
def test_labels_come_back_by_their_indices(given_labels: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "rows.csv"
        write(path, ["a", "y"], [[1, label] for label in given_labels], ",", "\n")
        spec = DatasetSpec(path="rows.csv", target="y", test=None, validation=None)
        found = load_dataset(spec, wanting(True), seed=0, folder=Path(name))
        classes = found.contract.output.classes
        assert classes == tuple(sorted(set(given_labels)))
        assert [classes[index] for index in found.train.y] == given_labels
        again = read_rows(path, found.contract, target=True)
        assert again.y is not None
        np.testing.assert_array_equal(again.y, found.train.y)


CONTRACT = Contract("table", ("a", "b"), (2,), "float32", (Output(("y",)),))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["csv", "tsv", "npy", "npz", "parquet"]),
    st.sampled_from([b"", b"a,b,y\n", b"a\tb\n", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"PAR1"]),
    st.binary(max_size=60) | st.text('abyé",;\t\r\n\\ 019.eE+-', max_size=60).map(str.encode),
)
def test_any_bytes_end_in_rows_or_in_an_error_of_ours(kind: str, start: bytes, rest: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / f"rows.{kind}"
        path.write_bytes(start + rest)
        with contextlib.suppress(MlpcliError):
            assert np.isfinite(read_rows(path, CONTRACT, target=None).x).all()
