"""Data larger than memory: how a training keeps its rows in files, tells of them and deletes them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpcli.data.stored import stored_array
from mlpcli.errors import SpecError
from mlpcli.runs.folder import Run, find_run
from mlpcli.spec.load import load_text
from mlpcli.spec.memory_size import CACHE, bytes_of
from tests.bare_runs import BARE
from tests.conftest import Result
from tests.data.stored_rows import load_rows, loaded_spec, write_rows, written_spec

Command = Callable[..., Result]

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


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, _guarded: None) -> dict[str, Run]:
    """The same rows trained in memory, and from files: there stopped after an epoch, and resumed."""
    from mlpcli.runs.watcher import Watcher
    from mlpcli.training.resume import resume_run
    from mlpcli.training.start import start_run

    folder, options = tmp_path_factory.mktemp("memory"), replace(BARE, baseline=True, intervals=True)
    runs_dir = folder / "runs"
    write_rows(folder / "rows.csv", 9000)
    for name, memory in (("whole", ""), ("files", ", memory: 1KB, max_minutes: 1e-6")):
        loaded = load_text(SPEC.format(name=name, memory=memory), folder / f"{name}.yaml")
        start_run(replace(loaded, runs_dir=runs_dir), runs_dir=runs_dir, watcher=Watcher(), options=options)
    stopped = find_run("files", runs_dir, unfinished=True)
    resume_run(stopped, watcher=Watcher(), max_minutes=60, options=options)
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
    load_rows(
        written_spec(tmp_path, "a,label\n" + "1.5,yes\n2.5,no\n" * 20),
        memory=1000,
        runs_dir=tmp_path / "runs",
    )
    assert len(list((tmp_path / "runs" / CACHE).glob("*/dataset.json"))) == 1
    seen = mlpcli("clean", "--dry-run", "--runs-dir", tmp_path / "runs")
    assert "would delete kept files" in seen.out
    assert "rows that are read again when needed" in seen.out
    assert "no runs" in mlpcli("runs", "--runs-dir", tmp_path / "runs").out
    done = mlpcli("clean", "--yes", "--runs-dir", tmp_path / "runs")
    assert done.status == 0, done.err
    assert not (tmp_path / "runs" / CACHE).exists()


def test_a_table_that_may_not_fit_is_noted_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpcli.data.stored import needed_memory

    loaded = written_spec(tmp_path, "a,label\n" + "1.5,yes\n2.5,no\n" * 100)
    assert needed_memory.memory_advice(loaded.spec.dataset, tmp_path) is None
    size = (tmp_path / "rows.csv").stat().st_size
    monkeypatch.setattr(needed_memory, "memory_bytes", lambda: 6 * size)
    note = needed_memory.memory_advice(loaded.spec.dataset, tmp_path)
    assert note is not None
    assert "fit: {memory: 2GB} keeps them in files" in note
    import pyarrow.csv
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.csv.read_csv(tmp_path / "rows.csv"), tmp_path / "rows.parquet")
    columns = loaded_spec(tmp_path, "path: rows.parquet, target: label").spec.dataset
    assert needed_memory.needed_memory(columns, tmp_path) == 200 * 2 * needed_memory.OF_CELL
    odd = os.fsdecode(b"caf\xe9.parquet")  # a name that is no UTF-8
    (tmp_path / "rows.parquet").rename(tmp_path / odd)
    named = columns.model_copy(update={"path": odd})
    assert needed_memory.needed_memory(named, tmp_path) == 200 * 2 * needed_memory.OF_CELL
    gone = loaded_spec(tmp_path, "path: gone.csv, target: label").spec.dataset
    assert needed_memory.memory_advice(gone, tmp_path) is None


def test_more_data_refuses_rows_in_files_before_any_training(mlpcli: Command, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", 200)
    (tmp_path / "spec.yaml").write_text(SPEC.format(name="files", memory=", memory: 1KB"), encoding="utf-8")
    done = mlpcli("more-data", tmp_path / "spec.yaml", "--runs-dir", tmp_path / "runs")
    assert done.status == 2
    assert "spec.yaml:10:43 fit.memory: does not go with this command" in done.err


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
        written_spec(tmp_path, "a,label\n1,yes\n", rest=f"layers: [Dense: {{units: 1}}]\nloss: mse\n{fit}\n")
    assert BAD[fit] in str(raised.value)
    assert raised.value.problems[0].place is not None


def test_folds_of_a_search_are_refused_by_check_with_all_else_that_does_not_go_with_them(
    tmp_path: Path,
) -> None:
    rest = "layers: [Dense: {units: 1}]\nloss: mse\nfit: {memory: 2GB}\n"
    rest += "tuner: {max_trials: 2, folds: 3, ensemble: 2, refit: full}\n"
    with pytest.raises(SpecError) as raised:
        written_spec(tmp_path, "a,label\n1,2\n", rest=rest)
    found = [(each.path, each.rule) for each in raised.value.problems]
    assert (("tuner", "folds"), "needs all rows in memory, which fit.memory keeps in files") in found
    rule = "keeps one network of each trial, tuner.folds trains several for each; "
    rule += "keeps the trials as they were trained, refit: full trains a new network"
    assert (("tuner", "ensemble"), rule) in found


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
        loaded_spec(tmp_path, dataset, f"{rest}fit: {{memory: {written}}}\n")
    hint = raised.value.problems[0].advice()
    assert hint.startswith(HINTS[written])
    assert bytes_of(hint.split()[1].strip(",")) >= 1000, "the hint is an amount itself"


def test_rows_on_disk_are_named_with_their_chunks_and_the_least_memory(tmp_path: Path) -> None:
    from mlpcli.training.rows_on_disk import rows_on_disk

    fit = "layers: [Dense: {{units: 2, activation: softmax}}]\nloss: sparse_categorical_crossentropy\n{}"
    content = "a,label\n" + "1.5,yes\n2.5,no\n" * 500
    lines = {}
    for memory in ("1KB", "4KB", "1MB"):
        loaded = written_spec(
            tmp_path, content, rest=fit.format(f"fit: {{batch_size: 100, memory: {memory}}}\n")
        )
        found = rows_on_disk(loaded.spec, load_rows(loaded, memory=1000, runs_dir=tmp_path))
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
    assert (
        rows_on_disk(written_spec(tmp_path, content).spec, load_rows(written_spec(tmp_path, content))) is None
    )


def test_rows_in_use_are_not_cleaned(mlpcli: Command, tmp_path: Path) -> None:
    runs_dir = tmp_path / "runs"
    loaded = written_spec(tmp_path, "a,label\n" + "1.5,yes\n2.5,no\n" * 20)
    dataset = load_rows(loaded, memory=1000, runs_dir=runs_dir)
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
    np.testing.assert_equal(np.asarray(load_rows(loaded, memory=1000, runs_dir=runs_dir).train.x), part)
