"""Data larger than memory: rows in files have the numbers of rows in memory, and are never stale."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.data.dataset import Dataset
from mlpcli.data.load import divide_dataset, open_dataset
from mlpcli.data.stored import stored_array, table_store
from mlpcli.data.stored.load_stored import StoreOptions, load_stored
from mlpcli.data.stored.placed_rows import PlacedRows
from mlpcli.data.stored.sampled_rows import sampled
from mlpcli.data.stored.stored_array import Places, StoredArray
from mlpcli.errors import DataError, SpecError
from mlpcli.runs.folder import Run, find_run
from mlpcli.spec.load import LoadedSpec, load_text
from mlpcli.spec.memory_size import CACHE, bytes_of
from tests.conftest import Result

Command = Callable[..., Result]

RANDOM = np.random.default_rng(5)

GUARD = 40_000
"""Bytes that an array in a file may have in memory in these tests: less than the training rows take."""

SPEC = """\
name: {name}
seed: 3
dataset: {{path: rows.csv, target: label, scaling: standardize}}
layers:
  - Dense: {{units: 8, activation: relu}}
  - Dropout: {{rate: 0.2}}
  - Dense: {{units: 2, activation: softmax}}
loss: sparse_categorical_crossentropy
metrics: [accuracy]
fit: {{epochs: 2, batch_size: 128{memory}}}
callbacks: [TensorBoard: false]
"""


@pytest.fixture(scope="module")
def _guarded() -> Iterator[None]:
    """Refuse to have large arrays in memory, as with a table that does not fit."""
    before = stored_array.BLOCK_BYTES
    stored_array.BLOCK_BYTES = GUARD
    yield
    stored_array.BLOCK_BYTES = before


def _write_rows(path: Path, rows: int) -> None:
    x = np.random.default_rng(2).normal(size=(rows, 4))
    labels = np.where(x.sum(axis=1) > 0, "yes", "no")
    lines = (
        ",".join([*(f"{value:.4f}" for value in row), label]) for row, label in zip(x, labels, strict=True)
    )
    path.write_text("\n".join(["a,b,c,d,label", *lines]) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, _guarded: None) -> dict[str, Run]:
    """The same rows trained in memory, and from files: there stopped after an epoch, and resumed."""
    from mlpcli.runs.watcher import Watcher
    from mlpcli.training.job import TrainOptions
    from mlpcli.training.start import resume, start_run

    folder = tmp_path_factory.mktemp("memory")
    runs_dir = folder / "runs"
    _write_rows(folder / "rows.csv", 9000)
    for name, memory in (("whole", ""), ("files", ", memory: 1KB, max_minutes: 1e-6")):
        loaded = load_text(SPEC.format(name=name, memory=memory), folder / f"{name}.yaml")
        options = TrainOptions(figures=False, probe=False, saved_model=False)
        start_run(replace(loaded, runs_dir=runs_dir), runs_dir=runs_dir, watcher=Watcher(), options=options)
    resume(find_run("files", runs_dir, unfinished=True), watcher=Watcher(), max_minutes=60)
    return {name: find_run(name, runs_dir) for name in ("whole", "files")}


def test_a_training_from_files_has_the_numbers_of_one_in_memory(trained: dict[str, Run]) -> None:
    from mlpcli.training.checkpoint_file import read_checkpoint

    states = [read_checkpoint(run / "checkpoints" / "state.ckpt") for run in trained.values()]
    for part in ("model", "optimizer", "history", "best"):
        np.testing.assert_equal(states[0][part], states[1][part])
    one, other = (json.loads((run / "metrics.json").read_text()) for run in trained.values())
    for split in ("train", "validation", "test", "confidence_intervals"):
        assert one[split] == other[split]
    assert other["baseline"]["sampled_rows"] == 200
    facts = [run.record.data for run in trained.values()]
    assert facts[0] is not None
    assert facts[1] is not None
    assert facts[0].fingerprint == facts[1].fingerprint
    assert facts[0].contract == facts[1].contract


def test_what_reads_such_a_run_reads_its_files(mlpcli: Command, trained: dict[str, Run]) -> None:
    run = trained["files"]
    cache = run.folder.parent.parent / CACHE
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.rows")}
    assert before
    shown = [
        json.loads(mlpcli("evaluate", each.folder, "--split", "validation", "--json").out)
        for each in trained.values()
    ]
    assert shown[0]["metrics"] == shown[1]["metrics"]
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.rows")} == before


def test_clean_deletes_encoded_rows_and_nothing_of_a_run(mlpcli: Command, tmp_path: Path) -> None:
    _load(_spec(tmp_path, "a,label\n" + "1.5,yes\n2.5,no\n" * 20), memory=1000, runs_dir=tmp_path / "runs")
    assert len(list((tmp_path / "runs" / CACHE).glob("*/dataset.json"))) == 1
    seen = mlpcli("clean", "--dry-run", "--runs-dir", tmp_path / "runs")
    assert "would delete kept files" in seen.out
    assert "rows that are read again when needed" in seen.out
    assert "no runs" in mlpcli("runs", "--runs-dir", tmp_path / "runs").out
    done = mlpcli("clean", "--yes", "--runs-dir", tmp_path / "runs")
    assert done.status == 0, done.err
    assert not (tmp_path / "runs" / CACHE).exists()


def _spec(
    folder: Path, content: str, dataset: str = "path: rows.csv, target: label", rest: str = ""
) -> LoadedSpec:
    (folder / "rows.csv").write_text(content, encoding="utf-8")
    return _loaded(folder, dataset, rest)


def _loaded(folder: Path, dataset: str, rest: str = "") -> LoadedSpec:
    rest = rest or "layers: [Dense: {units: 2, activation: softmax}]\nloss: sparse_categorical_crossentropy\n"
    return load_text(f"name: t\ndataset: {{{dataset}}}\n{rest}", folder / "t.yaml")


def _load(
    loaded: LoadedSpec, *, memory: int | None = None, runs_dir: Path = Path(), fingerprint: str | None = None
) -> Dataset:
    """Load the data of a spec in memory, or where there is a bound in files."""
    from mlpcli.training.find_data import _request

    request, seed = _request(loaded)
    section, folder = loaded.spec.dataset, loaded.folder
    if memory is not None:
        options = StoreOptions(runs_dir, memory, fingerprint)
        return load_stored(section, request, seed=seed, folder=folder, options=options)
    opened = open_dataset(section, request, seed=seed, folder=folder)
    return divide_dataset(opened, section, request, seed=seed)


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
    loaded = _spec(tmp_path, _table(), f"path: rows.{ending}, {dataset}", rest)
    if ending == "parquet":
        import pyarrow.csv
        import pyarrow.parquet

        pyarrow.parquet.write_table(
            pyarrow.csv.read_csv(tmp_path / "rows.csv"), tmp_path / "rows.parquet", row_group_size=90
        )
        monkeypatch.setattr("mlpcli.data.readers.parquet.BATCH_ROWS", 64)
    one, other = _load(loaded), _load(loaded, memory=100_000, runs_dir=tmp_path)
    _same(one, other)
    assert isinstance(other.train.rows, StoredArray)
    _same(one, _load(loaded, memory=100_000, runs_dir=tmp_path))  # read back


def test_several_files_are_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column may be whole numbers in one file, fractions in another, and text in a third."""
    for place, cells in enumerate(("1,7,yes", "1.5,8,no", "x,9,yes")):
        lines = "\n".join([cells, cells.replace("yes", "no")] * 20)
        (tmp_path / f"part_{place}.csv").write_text(f"a,b,label\n{lines}\n", encoding="utf-8")
    monkeypatch.setattr(table_store, "MOST_TEXTS", 3)
    loaded = _loaded(tmp_path, "path: 'part_*.csv', target: label")
    one, other = _load(loaded), _load(loaded, memory=1000, runs_dir=tmp_path)
    _same(one, other)
    (tmp_path / "part_1.csv").write_text("a,b,label\n2.5,8,no\n3.5,8,no\n", encoding="utf-8")
    with pytest.raises(DataError, match="column 'a' holds more than 3 distinct texts"):
        _load(loaded, memory=1000, runs_dir=tmp_path)


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
    loaded = _spec(tmp_path, content)
    for memory in (None, 1000):
        with pytest.raises(DataError) as raised:
            _load(loaded, memory=memory, runs_dir=tmp_path)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]
    assert [each.name for each in (tmp_path / CACHE).iterdir() if each.is_dir()] == []


def test_encoded_rows_are_never_stale(tmp_path: Path) -> None:
    content = _table(60)
    loaded = _spec(tmp_path, content)
    first = _load(loaded, memory=1000, runs_dir=tmp_path)
    cache = tmp_path / CACHE

    def folders() -> dict[str, int]:
        return {each.parent.name: each.stat().st_mtime_ns for each in cache.glob("*/dataset.json")}

    (name,) = before = folders()
    (tmp_path / "rows.csv").rename(tmp_path / "moved.csv")  # as many bytes, and an older time, are no matter
    moved = _loaded(tmp_path, "path: moved.csv, target: label")
    assert _load(moved, memory=2000, runs_dir=tmp_path).fingerprint == first.fingerprint
    assert folders() == before
    other = _spec(tmp_path, content.replace("green", "brown"))
    _same(_load(other), _load(other, memory=1000, runs_dir=tmp_path))
    scaled = _spec(tmp_path, content, "path: rows.csv, target: label, scaling: minmax")
    _same(_load(scaled), _load(scaled, memory=1000, runs_dir=tmp_path))
    seeded = replace(loaded, spec=loaded.spec.model_copy(update={"seed": 8}))
    assert _load(seeded, memory=1000, runs_dir=tmp_path).fingerprint != first.fingerprint
    assert len(folders()) == 4

    listed = _spec(
        tmp_path, content, f"path: rows.csv, target: label, features: {list(first.features or ())}"
    )
    found = _load(listed, memory=1000, runs_dir=tmp_path, fingerprint=first.fingerprint)
    assert len(folders()) == 4  # a run's own spec names what its data settled
    assert found.fingerprint == first.fingerprint

    rows = cache / name / "0000.rows"
    raw, before_it = bytearray(rows.read_bytes()), np.asarray(first.train.x)
    raw[5] ^= 1
    rows.write_bytes(raw)
    mended = _load(_spec(tmp_path, content), memory=1000, runs_dir=tmp_path)
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
    import tempfile

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
    loaded = _spec(
        tmp_path, "a,label\n" + "".join(f"{row},{'yes' if row % 2 else 'no'}\n" for row in range(2000))
    )
    found = _load(loaded, memory=1000, runs_dir=tmp_path)
    few = sampled(found, 1000)
    assert {name: len(split) for name, split in few.splits().items()} == dict.fromkeys(few.splits(), 200)
    assert isinstance(few.train.x, np.ndarray)
    whole = sampled(found, 10**6)
    np.testing.assert_equal(whole.train.x, np.asarray(found.train.x))


def test_a_table_that_may_not_fit_is_noted_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpcli.data.stored import needed_memory

    loaded = _spec(tmp_path, "a,label\n" + "1.5,yes\n2.5,no\n" * 100)
    assert needed_memory.memory_advice(loaded.spec.dataset, tmp_path) is None
    size = (tmp_path / "rows.csv").stat().st_size
    monkeypatch.setattr(needed_memory, "memory_bytes", lambda: 6 * size)
    note = needed_memory.memory_advice(loaded.spec.dataset, tmp_path)
    assert note is not None
    assert "fit: {memory: 2GB} keeps them in files" in note
    import pyarrow.csv
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.csv.read_csv(tmp_path / "rows.csv"), tmp_path / "rows.parquet")
    columns = _loaded(tmp_path, "path: rows.parquet, target: label").spec.dataset
    assert needed_memory.needed_memory(columns, tmp_path) == 200 * 2 * needed_memory.OF_CELL
    odd = os.fsdecode(b"caf\xe9.parquet")  # a name that is no UTF-8
    (tmp_path / "rows.parquet").rename(tmp_path / odd)
    named = columns.model_copy(update={"path": odd})
    assert needed_memory.needed_memory(named, tmp_path) == 200 * 2 * needed_memory.OF_CELL
    gone = _loaded(tmp_path, "path: gone.csv, target: label").spec.dataset
    assert needed_memory.memory_advice(gone, tmp_path) is None


def test_more_data_refuses_rows_in_files_before_any_training(mlpcli: Command, tmp_path: Path) -> None:
    _write_rows(tmp_path / "rows.csv", 200)
    (tmp_path / "spec.yaml").write_text(SPEC.format(name="files", memory=", memory: 1KB"), encoding="utf-8")
    done = mlpcli("more-data", tmp_path / "spec.yaml", "--runs-dir", tmp_path / "runs")
    assert done.status == 2
    assert "spec.yaml:10:43 fit.memory: does not go with this command" in done.err


def test_what_a_database_has_not_yet_written_into_its_file_counts(tmp_path: Path) -> None:
    import contextlib
    import sqlite3

    loaded = _loaded(tmp_path, "path: rows.db, query: SELECT * FROM rows, target: label, scaling: none")
    with contextlib.closing(sqlite3.connect(tmp_path / "rows.db", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE rows(a REAL, label TEXT)")
        database.executemany("INSERT INTO rows VALUES(?, ?)", [(row, "ab"[row % 2]) for row in range(60)])
        before = np.asarray(_load(loaded, memory=1000, runs_dir=tmp_path).train.x)
        database.execute("UPDATE rows SET a = a + 100")
        after = np.asarray(_load(loaded, memory=1000, runs_dir=tmp_path).train.x)
    np.testing.assert_equal(after, before + 100)


def test_amounts_of_memory() -> None:
    assert [bytes_of(text) for text in (1234, "200MB", "1.5 GB", "64KiB", "1TB", "2000")] == [
        1234,
        200_000_000,
        1_500_000_000,
        65_536,
        10**12,
        2000,
    ]


BAD = {
    "fit: {memory: plenty}": "fit.memory: must be an amount of memory",
    "fit: {memory: 10}": "fit.memory: must be an amount of memory",
    "fit: {memory: 10B}": "fit.memory: must be an amount of memory",
    "fit: {memory: 2GB, folds: 3}": "fit.folds: needs all rows in memory",
    "fit: {memory: 2GB, seeds: 3}": "fit.seeds: needs all rows in memory",
}


@pytest.mark.parametrize("fit", BAD)
def test_what_memory_does_not_go_with(fit: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        _spec(tmp_path, "a,label\n1,yes\n", rest=f"layers: [Dense: {{units: 1}}]\nloss: mse\n{fit}\n")
    assert BAD[fit] in str(raised.value)
    assert raised.value.problems[0].place is not None


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
    loaded = _loaded(tmp_path, f"path: x.npy, target: y.npy{more}", rest)
    one, other = _load(loaded), _load(loaded, memory=20_000, runs_dir=tmp_path)
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
                _load(loaded, memory=memory, runs_dir=tmp_path)
            messages.append(str(raised.value))
        assert messages[0].splitlines()[0] == messages[1].splitlines()[0]


def test_images_are_not_kept_in_files_a_second_time(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "photos" / name / "one.png")
    with pytest.raises(SpecError, match="is for tables and for "):
        _load(_loaded(tmp_path, "path: photos"), memory=1000, runs_dir=tmp_path)


HINTS = {
    "50kb": "write 50KB",
    "2gb": "write 2GB",
    "2 gigabytes": "write 2GB",
    "'1,5 GB'": "write 1.5GB",
    "200mib": "write 200MiB",
    "500 mb.": "write 500MB",
    "64": "write 64MB, if that is meant",
    "lots": "write 2GB",
    "50%": "write 2GB",
    "true": "write 2GB",
}


@pytest.mark.parametrize("written", HINTS)
def test_an_amount_that_is_written_wrongly_is_shown_as_it_should_be(written: str, tmp_path: Path) -> None:
    dataset = "path: rows.csv, target: label"
    rest = "layers: [Dense: {units: 2, activation: softmax}]\nloss: mse\n"
    with pytest.raises(SpecError, match=r"fit\.memory: must be an amount of memory") as raised:
        _loaded(tmp_path, dataset, f"{rest}fit: {{memory: {written}}}\n")
    hint = raised.value.problems[0].advice()
    assert hint.startswith(HINTS[written])
    assert bytes_of(hint.split()[1].strip(",")) >= 1000, "the hint is an amount itself"


def test_rows_on_disk_are_named_with_their_chunks_and_the_least_memory(tmp_path: Path) -> None:
    from mlpcli.training.rows_on_disk import rows_on_disk

    fit = "layers: [Dense: {{units: 2, activation: softmax}}]\nloss: sparse_categorical_crossentropy\n{}"
    content = "a,label\n" + "1.5,yes\n2.5,no\n" * 500
    lines = {}
    for memory in ("1KB", "4KB", "1MB"):
        loaded = _spec(tmp_path, content, rest=fit.format(f"fit: {{batch_size: 100, memory: {memory}}}\n"))
        found = rows_on_disk(loaded.spec, _load(loaded, memory=1000, runs_dir=tmp_path))
        assert found is not None
        assert found.folder.parent == tmp_path / CACHE
        assert found.size == sum(each.stat().st_size for each in found.folder.iterdir())
        lines[memory] = (found.chunks, list(found.notes()))
    assert lines["1MB"][0] == 1
    assert "fit into them and stay there" in lines["1MB"][1][0]
    assert lines["4KB"][0] == 6
    assert len(lines["4KB"][1]) == 1
    assert "rows on disk:" in lines["4KB"][1][0]
    assert "in 6 chunks of up to" in lines["4KB"][1][0]
    assert "set memory: 4KB or more" in lines["1KB"][1][1]
    assert rows_on_disk(_spec(tmp_path, content).spec, _load(_spec(tmp_path, content))) is None


def test_rows_in_use_are_not_cleaned(mlpcli: Command, tmp_path: Path) -> None:
    runs_dir = tmp_path / "runs"
    loaded = _spec(tmp_path, "a,label\n" + "1.5,yes\n2.5,no\n" * 20)
    dataset = _load(loaded, memory=1000, runs_dir=runs_dir)
    (left := runs_dir / CACHE / ".killed.raw").mkdir()
    (left / "0000.cells").write_bytes(b"1" * 5000)
    done = mlpcli("clean", "--yes", "--runs-dir", runs_dir)
    assert done.status == 0
    assert "deleted kept files, 5.0 KB" in done.out
    assert "stay: a training, or another command, uses these rows now" in " ".join(done.err.split())
    assert not left.exists()
    part = np.asarray(dataset.train.x)
    del dataset
    assert mlpcli("clean", "--yes", "--runs-dir", runs_dir).status == 0
    assert not (runs_dir / CACHE).exists()
    np.testing.assert_equal(np.asarray(_load(loaded, memory=1000, runs_dir=runs_dir).train.x), part)


def test_what_a_killed_process_left_of_a_folder_goes_when_it_is_written(tmp_path: Path) -> None:
    loaded = _spec(tmp_path, "a,label\n" + "1.5,yes\n2.5,no\n" * 20)
    _load(loaded, memory=1000, runs_dir=tmp_path)
    (own,) = (each for each in (tmp_path / CACHE).iterdir() if each.is_dir())
    (own / "dataset.json").unlink()  # it is not trusted
    (tmp_path / CACHE / f".{own.name}.abc.raw").mkdir()
    other = tmp_path / CACHE / f".{'0' * 16}-{'1' * 16}.abc.raw"
    other.mkdir()
    notes = _load(loaded, memory=1000, runs_dir=tmp_path).notes
    assert any("were damaged" in note for note in notes)
    assert {each for each in (tmp_path / CACHE).iterdir() if each.is_dir()} == {own, other}
