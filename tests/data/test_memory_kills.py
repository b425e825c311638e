"""Processes that are killed while they keep rows in files: the next one is right, nothing half is trusted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpcli.spec.load import load_spec
from mlpcli.spec.memory_size import CACHE
from tests.bare_runs import BARE, train_bare
from tests.conftest import Result
from tests.data.stored_rows import load_rows, write_rows

Command = Callable[..., Result]

SPEC = """\
name: {name}
seed: 3
dataset: {{path: rows.csv, target: label, scaling: standardize}}
layers:
  - Dense: {{units: 8, activation: relu}}
  - Dropout: {{rate: 0.2}}
  - Dense: {{units: 2, activation: softmax}}
loss: sparse_categorical_crossentropy
optimizer: Adam
fit: {{epochs: 6, batch_size: 128, memory: {memory}}}
callbacks: [TensorBoard: false]
"""


def _write(folder: Path, rows: int, *, name: str = "files", memory: str = "40KB") -> Path:
    write_rows(folder / "rows.csv", rows)
    spec = folder / f"{name}.yaml"
    spec.write_text(SPEC.format(name=name, memory=memory), encoding="utf-8")
    return spec


KILLED = """\
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from mlpcli.data.readers import delimited_stream
from mlpcli.data.stored import cached_dataset, load_stored, table_store
from mlpcli.spec.load import load_spec
from mlpcli.training.find_data import load_data

delimited_stream.BLOCK_BYTES = 4000
owner, name = {place}
called, times = getattr(owner, name), iter(range({times}))

def dies(*args, **settings):
    if next(times, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return called(*args, **settings)

setattr(owner, name, dies)
load_data(replace(load_spec(Path("files.yaml")), runs_dir=Path("runs")))
"""

PLACES = {
    "a column is written": ("table_store.TableStore, '_add'", 20),
    "the first files are placed": ("load_stored.StoredRows, 'encode'", 0),
    "its record is written": ("load_stored, 'write_dataset'", 0),
    "its record is begun": ("cached_dataset, 'write_json'", 0),
}


@pytest.mark.skipif(os.name != "posix", reason="kills processes")
@pytest.mark.parametrize("place", PLACES)
def test_a_process_killed_while_it_writes_rows_leaves_nothing_that_is_trusted(
    place: str, mlpcli: Command, tmp_path: Path
) -> None:
    spec, runs_dir = _write(tmp_path, 3000), tmp_path / "runs"
    owner, times = PLACES[place]
    program = KILLED.format(place=owner, times=times)
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    left = [each.name for each in (runs_dir / CACHE).iterdir()]
    assert left
    assert all(each.startswith(".") for each in left), "no folder with its final name"
    if place == "a column is written":
        done = mlpcli("clean", "--yes", "--runs-dir", runs_dir)
        assert "deleted kept files" in done.out
        assert not (runs_dir / CACHE).exists()
    loaded = load_spec(spec)
    found = load_rows(loaded, memory=40_000, runs_dir=runs_dir)
    assert found.fingerprint == load_rows(loaded).fingerprint
    folders = [each.name for each in (runs_dir / CACHE).iterdir() if each.is_dir()]
    assert len(folders) == 1, "what the killed process left is gone"


WAITS = """\
import time
from pathlib import Path
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import load_spec
from mlpcli.training.start import start_run

class Waits(Watcher):
    def epoch(self, epoch, epochs, logs, seconds):
        if epoch == 3:
            print("third", flush=True)
            time.sleep(120)

start_run(load_spec(Path("files.yaml")), runs_dir=Path("runs"), watcher=Waits())
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills processes")
def test_a_killed_training_from_files_is_resumed_to_the_same_weights(mlpcli: Command, tmp_path: Path) -> None:
    from mlpcli.runs.folder import find_run
    from mlpcli.runs.watcher import Watcher
    from mlpcli.training.checkpoint_file import read_checkpoint
    from mlpcli.training.resume import resume_run

    _write(tmp_path, 3000)
    runs_dir = tmp_path / "runs"
    command = [sys.executable, "-c", WAITS]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert b"third\n" in process.stdout
        cleaned = mlpcli("clean", "--yes", "--runs-dir", runs_dir)
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert "uses these rows now" in " ".join(cleaned.err.split())
    killed = find_run("files", runs_dir, unfinished=True)
    assert killed.record.status == "running"
    assert resume_run(killed, watcher=Watcher(), options=BARE).epochs == 6
    train_bare(_write(tmp_path, 3000, name="whole"), runs_dir)
    states = [
        read_checkpoint(find_run(name, runs_dir) / "checkpoints" / "state.ckpt")
        for name in ("files", "whole")
    ]
    for part in ("model", "optimizer", "history", "best"):
        np.testing.assert_equal(states[0][part], states[1][part])
