"""Rows that are kept in files are those in memory to the last bit, whatever they are, and are never stale."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.data.dataset import Dataset
from mlpcli.data.stored import stored_array, table_store
from mlpcli.data.stored.placed_rows import PlacedRows
from mlpcli.data.stored.sampled_rows import sampled
from mlpcli.data.stored.stored_array import Places, StoredArray
from mlpcli.errors import DataError, SpecError
from mlpcli.spec.memory_size import CACHE
from tests.data.stored_rows import load_rows, loaded_spec, written_spec

RANDOM = np.random.default_rng(5)


def _same(one: Dataset, other: Dataset) -> None:
    """Check that a dataset in files is that in memory, to the last bit."""
    assert one.contract == other.contract
    assert one.fingerprint == other.fingerprint
    assert one.notes == other.notes
    assert (one.features, one.excluded, one.split_amounts) == (
        other.features,
        other.excluded,
        other.split_amounts,
    )
    assert (one.settled, one.left_out, one.sparse, one.seed) == (
        other.settled,
        other.left_out,
        other.sparse,
        other.seed,
    )
    assert list(one.splits()) == list(other.splits())
    for name, split in one.splits().items():
        np.testing.assert_equal(np.asarray(other.splits()[name].rows), split.rows)
    if one.sample is not None and other.sample is not None:
        np.testing.assert_equal(one.sample.columns, other.sample.columns)
        np.testing.assert_equal(one.sample.x, other.sample.x)


def _table(rows: int = 400) -> str:
    """Return a table with most that a column may hold; values change their form further down."""
    lines = ["n,gaps,word,many,flag,code,grows,when,money,w,group,label,y,z,empty"]
    for row in range(rows):
        cells = [
            f"{RANDOM.normal():.6f}",
            "" if RANDOM.random() < 0.1 else str(RANDOM.integers(0, 99)),
            RANDOM.choice(["red", "green", "", "NA"]),
            f"word{RANDOM.integers(0, 60)}",
            RANDOM.choice(["true", "false"]),
            f"{RANDOM.integers(0, 30):02d}",
            str(row if row < rows // 2 else row + 0.5),
            f"2021-{RANDOM.integers(1, 13):02d}-{RANDOM.integers(1, 29):02d}",
            f'"{RANDOM.integers(1, 9)},{RANDOM.integers(100, 999)}"',
            f"{RANDOM.random():.3f}",
            f"g{RANDOM.integers(0, 40)}",
            RANDOM.choice(["yes", "no", "no"]),
            f"{RANDOM.normal() * 10:.3f}",
            f"{RANDOM.normal():.3f}",
            "",
        ]
        lines.append(",".join(map(str, cells)))
    return "\n".join(lines) + "\n"


NUMBERS = "layers: [Dense: {units: 1}]\nloss: mse\n"
TWO = """\
inputs: {left: {columns: [n, gaps]}, right: {kinds: [categorical, date]}}
layers:
  - {Dense: {units: 4}, name: one, from: left}
  - {Dense: {units: 4}, name: two, from: right}
  - {Dense: {units: 1}, name: y, from: [one]}
  - {Dense: {units: 2, activation: softmax}, name: label, from: [two]}
loss: {y: mse, label: sparse_categorical_crossentropy}
fit: {class_weight: {label: balanced}}
"""

SECTIONS = {
    "classes": ("target: label", ""),
    "quantiles": ("target: label, scaling: quantile, clip: smooth", ""),
    "robust": ("target: label, scaling: robust, test: {last: 50}", ""),
    "numbers": (
        "target: y, target_scaling: standardize, scaling: log, weights: w, validation: null",
        NUMBERS,
    ),
    "curved": ("target: [y, z], target_scaling: quantile", "layers: [Dense: {units: 2}]\nloss: mse\n"),
    "dropped": (
        "target: word, missing_target: drop",
        "layers: [Dense: {units: 2, activation: softmax}]\nloss: sparse_categorical_crossentropy\n",
    ),
    "groups": ("target: label, test: {share: 0.2, by: group}", ""),
    "times": ("target: label, test: {last: 0.2, by: when}, validation: {last: 0.2, by: when}", ""),
    "even": ("target: y, test: {share: 0.2, stratify: quantile}", NUMBERS),
    "chosen": ("target: label, features: [n, many], validation: 30", ""),
    "stated": (
        "target: label, features: {many: {kind: categorical, min_count: 5}, n: {missing: median}}",
        "",
    ),
    "outputs": ("target: {y: y, label: label}", TWO),
}


@pytest.mark.parametrize(
    ("section", "ending"),
    [*((name, "csv") for name in SECTIONS), *((name, "parquet") for name in ("classes", "dropped", "times"))],
)
def test_rows_in_files_are_those_in_memory(
    section: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpcli.data.readers import delimited_stream

    monkeypatch.setattr(delimited_stream, "BLOCK_BYTES", 4000)
    monkeypatch.setattr("mlpcli.data.stored.kept_splits.LEAST_MEMORY", 1)
    dataset, rest = SECTIONS[section]
    loaded = written_spec(tmp_path, _table(), f"path: rows.{ending}, {dataset}", rest)
    if ending == "parquet":
        import pyarrow.csv
        import pyarrow.parquet

        pyarrow.parquet.write_table(
            pyarrow.csv.read_csv(tmp_path / "rows.csv"), tmp_path / "rows.parquet", row_group_size=90
        )
        monkeypatch.setattr("mlpcli.data.readers.parquet.BATCH_ROWS", 64)
    one, other = load_rows(loaded), load_rows(loaded, memory=100_000, runs_dir=tmp_path)
    _same(one, other)
    assert isinstance(other.train.rows, StoredArray)
    _same(one, load_rows(loaded, memory=100_000, runs_dir=tmp_path))  # read back


def test_several_files_are_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column may be whole numbers in one file, fractions in another, and text in a third."""
    for place, cells in enumerate(("1,7,yes", "1.5,8,no", "x,9,yes")):
        lines = "\n".join([cells, cells.replace("yes", "no")] * 20)
        (tmp_path / f"part_{place}.csv").write_text(f"a,b,label\n{lines}\n", encoding="utf-8")
    monkeypatch.setattr(table_store, "MOST_TEXTS", 3)
    loaded = loaded_spec(tmp_path, "path: 'part_*.csv', target: label")
    one, other = load_rows(loaded), load_rows(loaded, memory=1000, runs_dir=tmp_path)
    _same(one, other)
    (tmp_path / "part_1.csv").write_text("a,b,label\n2.5,8,no\n3.5,8,no\n", encoding="utf-8")
    with pytest.raises(DataError, match="column 'a' holds more than 3 distinct texts"):
        load_rows(loaded, memory=1000, runs_dir=tmp_path)


def test_whole_numbers_that_float64_rounds_stay_exact_below_fractions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpcli.data.readers import delimited_stream
    from mlpcli.data.readers.tables import open_table, read_table

    path, large = tmp_path / "rows.csv", [str(2**53 + 1 + 2 * place) for place in range(10)]
    path.write_text("id,y\n" + "1.5,0\n" * 20 + "".join(f"{each},1\n" for each in large))
    monkeypatch.setattr(delimited_stream, "BLOCK_BYTES", 60)  # ten rows, so that no block holds both
    file = open_table(path, "rows.csv")
    stored = table_store.TableStore(tmp_path).read(file, ["id"]).columns["id"]
    assert stored.texts.values == read_table(file, ["id"]).columns["id"].texts.values == ["1.5", *large]


WRONG = {
    "a cell": "a,label\n" + "1.5,yes\n2.5,no\n" * 30 + "many,no\n",
    "a row": "a,label\n" + "1.5,yes\n2.5,no\n" * 30 + "1.5,no,3\n",
    "a label": "a,label\n" + "1.5,yes\n2.5,no\n" * 30 + "1.5,\n",
    "a quote": 'a,label\n"1.5",yes\n' + "2.5,no\n1.5,yes\n" * 30 + '1.5,"no\n',
    "no rows": "a,label\n",
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_rows_that_cannot_be_used_are_named_as_in_memory(content: str, tmp_path: Path) -> None:
    messages = []
    loaded = written_spec(tmp_path, content)
    for memory in (None, 1000):
        with pytest.raises(DataError) as raised:
            load_rows(loaded, memory=memory, runs_dir=tmp_path)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]
    assert [each.name for each in (tmp_path / CACHE).iterdir() if each.is_dir()] == []


def test_encoded_rows_are_never_stale(tmp_path: Path) -> None:
    content = _table(60)
    loaded = written_spec(tmp_path, content)
    first = load_rows(loaded, memory=1000, runs_dir=tmp_path)
    cache = tmp_path / CACHE

    def folders() -> dict[str, int]:
        return {each.parent.name: each.stat().st_mtime_ns for each in cache.glob("*/dataset.json")}

    (name,) = before = folders()
    (tmp_path / "rows.csv").rename(tmp_path / "moved.csv")  # as many bytes, and an older time, are no matter
    moved = loaded_spec(tmp_path, "path: moved.csv, target: label")
    assert load_rows(moved, memory=2000, runs_dir=tmp_path).fingerprint == first.fingerprint
    assert folders() == before
    other = written_spec(tmp_path, content.replace("green", "brown"))
    _same(load_rows(other), load_rows(other, memory=1000, runs_dir=tmp_path))
    scaled = written_spec(tmp_path, content, "path: rows.csv, target: label, scaling: minmax")
    _same(load_rows(scaled), load_rows(scaled, memory=1000, runs_dir=tmp_path))
    seeded = replace(loaded, spec=loaded.spec.model_copy(update={"seed": 8}))
    assert load_rows(seeded, memory=1000, runs_dir=tmp_path).fingerprint != first.fingerprint
    assert len(folders()) == 4

    listed = written_spec(
        tmp_path, content, f"path: rows.csv, target: label, features: {list(first.features or ())}"
    )
    found = load_rows(listed, memory=1000, runs_dir=tmp_path, fingerprint=first.fingerprint)
    assert len(folders()) == 4  # a run's own spec names what its data settled
    assert found.fingerprint == first.fingerprint

    rows = cache / name / "0000.rows"
    raw, before_it = bytearray(rows.read_bytes()), np.asarray(first.train.x)
    raw[5] ^= 1
    rows.write_bytes(raw)
    mended = load_rows(written_spec(tmp_path, content), memory=1000, runs_dir=tmp_path)
    (note,) = (note for note in mended.notes if "damaged" in note)
    assert "0000.rows is not as it was written" in note
    np.testing.assert_equal(np.asarray(mended.train.x), before_it)


@given(
    st.integers(1, 300),
    st.integers(1, 3),
    st.integers(0, 5000),
    st.lists(st.integers(0, 299), min_size=1, max_size=400),
    st.integers(0, 2**20),
)
def test_placed_rows_are_read_back_in_any_order(
    rows: int, width: int, memory: int, taken: list[int], seed: int
) -> None:
    random = np.random.default_rng(seed)
    values, places = random.normal(size=(rows, width)), random.permutation(rows)
    chosen = np.array(taken) % rows
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        with PlacedRows(path, rows, (width,), values.dtype, memory=memory) as placed:
            for start in range(0, rows, 70):
                placed.put(values[start : start + 70], places[start : start + 70])
        wanted = np.empty_like(values)
        wanted[places] = values
        found = StoredArray(path, values.shape, values.dtype, most_bytes=0)
        np.testing.assert_equal(np.asarray(found), wanted)
        np.testing.assert_equal(found[chosen], wanted[chosen])
        np.testing.assert_equal(found.take(Places(chosen)), wanted[chosen])
        np.testing.assert_equal(found[wanted[:, 0] > 0], wanted[wanted[:, 0] > 0])
        np.testing.assert_equal(found[-1], wanted[-1])
        np.testing.assert_equal(found[1:7:2], wanted[1:7:2])
        np.testing.assert_equal(found.select([width - 1])[chosen], wanted[chosen][:, [width - 1]])
        part = found.section(rows // 3, rows).section(0, rows - rows // 2 - 1)
        np.testing.assert_equal(np.asarray(part), wanted[rows // 3 :][: rows - rows // 2 - 1])
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(DataError, match="cut off"):
            found[:]


def test_a_sample_of_rows_in_files_is_bounded(tmp_path: Path) -> None:
    loaded = written_spec(
        tmp_path, "a,label\n" + "".join(f"{row},{'yes' if row % 2 else 'no'}\n" for row in range(2000))
    )
    found = load_rows(loaded, memory=1000, runs_dir=tmp_path)
    few = sampled(found, 1000)
    assert {name: len(split) for name, split in few.splits().items()} == dict.fromkeys(few.splits(), 200)
    assert isinstance(few.train.x, np.ndarray)
    whole = sampled(found, 10**6)
    np.testing.assert_equal(whole.train.x, np.asarray(found.train.x))


def test_what_a_killed_process_left_of_a_folder_goes_when_it_is_written(tmp_path: Path) -> None:
    loaded = written_spec(tmp_path, "a,label\n" + "1.5,yes\n2.5,no\n" * 20)
    load_rows(loaded, memory=1000, runs_dir=tmp_path)
    (own,) = (each for each in (tmp_path / CACHE).iterdir() if each.is_dir())
    (own / "dataset.json").unlink()  # it is not trusted
    (tmp_path / CACHE / f".{own.name}.abc.raw").mkdir()
    other = tmp_path / CACHE / f".{'0' * 16}-{'1' * 16}.abc.raw"
    other.mkdir()
    notes = load_rows(loaded, memory=1000, runs_dir=tmp_path).notes
    assert any("were damaged" in note for note in notes)
    assert {each for each in (tmp_path / CACHE).iterdir() if each.is_dir()} == {own, other}


def test_what_a_database_has_not_yet_written_into_its_file_counts(tmp_path: Path) -> None:
    loaded = loaded_spec(tmp_path, "path: rows.db, query: SELECT * FROM rows, target: label, scaling: none")
    with contextlib.closing(sqlite3.connect(tmp_path / "rows.db", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE rows(a REAL, label TEXT)")
        database.executemany("INSERT INTO rows VALUES(?, ?)", [(row, "ab"[row % 2]) for row in range(60)])
        before = np.asarray(load_rows(loaded, memory=1000, runs_dir=tmp_path).train.x)
        database.execute("UPDATE rows SET a = a + 100")
        after = np.asarray(load_rows(loaded, memory=1000, runs_dir=tmp_path).train.x)
    np.testing.assert_equal(after, before + 100)


ARRAYS: dict[str, tuple[np.ndarray, np.ndarray, str]] = {
    "numbers": (RANDOM.normal(size=(300, 4)), RANDOM.integers(0, 3, 300), ""),
    "images": (RANDOM.integers(0, 255, (300, 4, 5)).astype(np.uint8), RANDOM.integers(0, 3, 300), ""),
    "whole": (RANDOM.integers(0, 255, (300, 2)), RANDOM.integers(0, 3, 300), ", test: {last: 40}"),
    "ids": (RANDOM.integers(0, 5, (300, 3)), RANDOM.integers(0, 3, 300), ""),
    "flat": (RANDOM.normal(size=(300, 1)).astype(np.float32), RANDOM.normal(size=(300, 2)), ""),
}

IDS = """\
layers: [Embedding: {input_dim: 5, output_dim: 2}, Flatten: {}, Dense: {units: 3, activation: softmax}]
loss: sparse_categorical_crossentropy
"""


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_in_files_are_those_in_memory(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpcli.data.stored.kept_splits.LEAST_MEMORY", 1)
    monkeypatch.setattr(stored_array, "BLOCK_BYTES", 500)
    x, y, more = ARRAYS[name]
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    rest = NUMBERS if y.dtype.kind == "f" else IDS if name == "ids" else ""
    loaded = loaded_spec(tmp_path, f"path: x.npy, target: y.npy{more}", rest)
    one, other = load_rows(loaded), load_rows(loaded, memory=20_000, runs_dir=tmp_path)
    _same(one, other)
    assert isinstance(other.train.x, StoredArray)
    np.testing.assert_equal(other.train.x[5:9], one.train.x[5:9])
    assert (str(one.train.x.dtype) == "int64") == (name == "ids")
    if x.dtype.kind == "f":
        x[7] = np.nan
        np.save(tmp_path / "x.npy", x)
        messages = []
        for memory in (None, 20_000):
            with pytest.raises(DataError) as raised:
                load_rows(loaded, memory=memory, runs_dir=tmp_path)
            messages.append(str(raised.value))
        assert messages[0].splitlines()[0] == messages[1].splitlines()[0]


def test_images_are_not_kept_in_files_a_second_time(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "photos" / name / "one.png")
    with pytest.raises(SpecError, match="is for tables and for "):
        load_rows(loaded_spec(tmp_path, "path: photos"), memory=1000, runs_dir=tmp_path)
