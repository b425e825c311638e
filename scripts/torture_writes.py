"""Kill runs at every one of their writes, or let each write fail; resume; compare with an uninterrupted run.

`scripts/torture --writes` runs it and says how. Every command is forked from this process, which has imported
TensorFlow and has used nothing of it.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from mlpcli.runs.folder import find_run
from mlpcli.training.checkpoint_file import read_checkpoint
from scripts.kill_at_write import Ended, Writes, forked
from scripts.same_runs import differences

IRIS = """\
name: it
seed: 7
dataset: {name: iris}
layers:
  - Normalization
  - Dense: {units: 8, activation: relu}
  - Dropout: {rate: 0.2}
  - Dense: {units: 3, activation: softmax}
loss: sparse_categorical_crossentropy
optimizer: {Adam: {learning_rate: 0.02}}
metrics: [accuracy]
fit: {epochs: 2, batch_size: 48, checkpoint: {every: 1}}
"""
CALLBACKS = """\
callbacks:
  - CSVLogger
  - TensorBoard: {write_graph: false}
  - ModelCheckpoint: {filepath: mine.keras, save_best_only: true}
"""
STOPPING = """\
callbacks:
  - EarlyStopping: {patience: 1, min_delta: 10.0, restore_best_weights: true}
  - ModelCheckpoint: {filepath: 'mine-{epoch}.weights.h5', save_weights_only: true}
"""
PLUGIN = """\
plugins: [plugin.py]
callbacks: [Count]
"""
PLUGIN_FILE = """\
import keras


class Count(keras.callbacks.Callback):
    epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs = self.epochs + 1
"""
TABLE = """\
name: it
dataset: {path: rows.csv, target: y, test: 0.2, validation: 0.2}
layers: [{Dense: {units: 4, activation: relu}}, {Dense: {units: 1}}]
loss: mse
fit: {epochs: 2, batch_size: 32, checkpoint: {every: 1}}
"""
OUTPUTS = """\
name: it
dataset:
  path: rows.csv
  features: [a, b]
  test: 0.2
  target: {size: y, kind: c}
layers:
  - {Dense: {units: 4, activation: relu}, name: trunk}
  - {Dense: {units: 1}, name: size, from: trunk}
  - {Dense: {units: 3, activation: softmax}, name: kind, from: trunk}
loss: {size: mse, kind: sparse_categorical_crossentropy}
fit: {epochs: 2, batch_size: 32, checkpoint: {every: 1}}
"""
ROWS = "a,b,c,y\n" + "".join(f"{n % 7},{n % 3 / 2},{'uvw'[n % 3]},{n % 5}\n" for n in range(60))

SPECS = {
    "compiled engine": IRIS + CALLBACKS,
    "Keras's engine": (IRIS + CALLBACKS).replace("fit: {", "fit: {engine: keras, "),
    "early stopping": IRIS.replace("epochs: 2", "epochs: 9") + STOPPING,
    "a plug-in": IRIS + PLUGIN,
    "a table": TABLE,
    "several outputs": OUTPUTS,
}
"""Kinds of runs by what is special about them, each small and quick."""


@dataclass
class Tally:
    """What came of the tries of one kind of run."""

    writes: int = 0
    tried: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def judge(self, at: int, outcome: str, wrong: Sequence[str]) -> None:
        """Count one try; say at once what was wrong with it."""
        self.tried += 1
        self.outcomes["wrong" if wrong else outcome] += 1
        for text in wrong:
            self.wrong.append(f"write {at}: {text}")
            print(f"write {at}: {text}", file=sys.stderr, flush=True)


class Place:
    """A spec on the disk, and the runs that are made of it."""

    def __init__(self, folder: Path, spec: str) -> None:
        self.folder = folder
        self.spec = folder / "spec.yaml"
        self.spec.write_text(spec)
        (folder / "rows.csv").write_text(ROWS)
        (folder / "plugin.py").write_text(PLUGIN_FILE)

    def alone(self) -> tuple[Path, int]:
        """A run that nobody disturbs, and how many writes it makes."""
        runs_dir = self.folder / "alone"
        runs_dir.mkdir()
        ended = self.train(runs_dir)
        if ended.status:
            raise SystemExit(f"the uninterrupted run ended with {ended}")
        return find_run("it", runs_dir).folder, ended.count

    def train(self, runs_dir: Path, *arguments: str, **faults: Any) -> Ended:
        """Train the spec, or what the arguments say instead."""
        given = arguments or (str(self.spec),)
        return forked(["train", *given, "--runs-dir", runs_dir], Writes(runs_dir, **faults))


def kill_everywhere(name: str, numbers: Sequence[int] | None = None) -> Tally:
    """Kill a kind of run at each of its writes, or at some, and resume it."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), SPECS[name])
        alone, tally.writes = place.alone()
        for at in _within(numbers, tally.writes):
            runs_dir = place.folder / f"killed{at}"
            runs_dir.mkdir()
            ended = place.train(runs_dir, at=at)
            if ended.killed:
                tally.judge(at, *_go_on(place, runs_dir, alone))
            else:  # an uninterrupted run may make a write more or less: TensorBoard goes by the clock
                tally.judge(at, "not killed: it had ended", differences(_only(runs_dir), alone))
            shutil.rmtree(runs_dir)
    return tally


def _within(numbers: Sequence[int] | None, writes: int) -> Sequence[int]:
    return [at for at in numbers or range(1, writes + 1) if at <= writes]


class Moments:
    """Copies of a runs folder as a kill before each write would leave it, where it differs from the last.

    What a process has handed to the system is all that a SIGKILL leaves, and it is what a copy sees. What
    lies in a scratch folder is copied, but does not count as a change: it is deleted unread on resuming.
    """

    def __init__(self, runs_dir: Path, copies: Path) -> None:
        self.runs_dir, self.copies = runs_dir, copies
        self.found: dict[int, Path] = {}  # by the number of the write
        self._last: object = None

    def take(self, number: int, kind: str, path: str) -> None:
        """Copy the folder unless it is as it was; for `Writes(before=...)`."""
        state = sorted(self._contents())
        if state == self._last:
            return
        self._last = state
        self.found[number] = self.copies / str(number)
        shutil.copytree(self.runs_dir, self.found[number])

    def _contents(self) -> Iterator[tuple[str, str]]:
        for path in self.runs_dir.rglob("*"):
            name = str(path.relative_to(self.runs_dir))
            if ".part" not in name:
                yield name, hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"


def copy_everywhere(name: str) -> Tally:
    """Resume a kind of run from what a kill before each of its writes would leave."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), SPECS[name])
        runs_dir, copies = place.folder / "alone", place.folder / "copies"
        runs_dir.mkdir()
        moments = Moments(runs_dir, copies)
        ended = place.train(runs_dir, before=moments.take)
        if ended.status:
            raise SystemExit(f"the uninterrupted run ended with {ended}")
        tally.writes, alone = ended.count, find_run("it", runs_dir).folder
        for at, copy in sorted((int(path.name), path) for path in copies.iterdir()):
            tally.judge(at, *_go_on(place, copy, alone))
            shutil.rmtree(copy)
    return tally


def kill_twice(name: str, first: int, numbers: Sequence[int] | None = None) -> Tally:
    """Kill a kind of run at one write, its resumption at each of its own writes, and resume it again."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), SPECS[name])
        alone, _ = place.alone()
        for at in numbers or itertools.count(1):
            runs_dir = place.folder / f"killed{at}"
            runs_dir.mkdir()
            place.train(runs_dir, at=first)
            ended = place.train(runs_dir, "--resume", "it", at=at)
            if not ended.killed:
                tally.writes = ended.count
                break
            tally.judge(at, *_go_on(place, runs_dir, alone))
            shutil.rmtree(runs_dir)
    return tally


def _go_on(place: Place, runs_dir: Path, alone: Path) -> tuple[str, list[str]]:
    """Resume the one run in a folder; returns what was done, and what was wrong."""
    folders = list((runs_dir / "it").iterdir()) if (runs_dir / "it").is_dir() else []
    begun = bool(folders) and (folders[0] / "run.json").exists()
    ended = place.train(runs_dir, "--resume", "it")
    if not begun:
        wrong = [f"no run, resumed: {ended}"] if ended.status != 2 or "Traceback" in ended.text else []
        return "before there was a run", wrong
    if ended.status:
        return "", [f"resumed: {ended}"]
    outcome = "resumed"
    if "nothing to do" in ended.text:
        outcome = "had ended"
    return outcome, differences(folders[0], alone)


def fail_everywhere(
    name: str, error: str, *, lasting: bool = False, numbers: Sequence[int] | None = None
) -> Tally:
    """Let each write of a kind of run fail, or some, and resume it."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), SPECS[name])
        alone, tally.writes = place.alone()
        for at in _within(numbers, tally.writes):
            runs_dir = place.folder / f"failed{at}"
            runs_dir.mkdir()
            ended = place.train(runs_dir, at=at, error=error, lasting=lasting)
            tally.judge(at, *_after_failure(place, runs_dir, alone, ended, lasting))
            shutil.rmtree(runs_dir)
    return tally


def _after_failure(
    place: Place, runs_dir: Path, alone: Path, ended: Ended, lasting: bool
) -> tuple[str, list[str]]:
    """Look at what a failed write led to, and go on."""
    if ended.status == 0:
        return "did no harm", differences(_only(runs_dir), alone)
    wrong = []
    if ended.status not in (1, 2) or "Traceback" in ended.text or "internal error" in ended.text:
        wrong.append(f"status {ended.status}: {ended.text[-600:]}")
    folders = list((runs_dir / "it").iterdir()) if (runs_dir / "it").is_dir() else []
    if not folders or not (folders[0] / "run.json").exists():
        left = [path.name for folder in folders for path in folder.iterdir()]
        if left and not lasting:
            wrong.append(f"left without a run: {left}")
        return "before there was a run", wrong
    status = json.loads((folders[0] / "run.json").read_text())["status"]
    if status != "failed":
        wrong.append(f"run.json says {status}: {ended.text[-300:]}")
    state = folders[0] / "checkpoints" / "state.ckpt"
    saved = read_checkpoint(state)["epoch"] if state.exists() else 0
    named = f"the checkpoint of epoch {saved} is intact" if saved else "no epoch was saved"
    if named not in ended.text:
        wrong.append(f"epoch {saved} is saved: {ended.text[-300:]}")
    outcome, more = _go_on(place, runs_dir, alone)
    return outcome, wrong + more


def _only(runs_dir: Path) -> Path:
    return find_run("it", runs_dir).folder


def warm() -> None:
    """Import everything that a run imports, and use nothing of it."""
    from mlpcli.keras_import import import_keras

    import_keras()
    for name in (
        "h5py",
        "matplotlib.figure",
        "pyarrow.compute",
        "sklearn.linear_model",
        "mlpcli.training.fit",
    ):
        importlib.import_module(name)


ALL = "kills,twice,ENOSPC,ENOSPC+,EIO,EACCES+"


def torture(ways: str, kinds: str, every: int) -> list[bool]:
    """Try kinds of runs in several ways, each at every so many writes; prints a table."""
    warm()
    print("| what | writes | tried | what came of it |\n|---|---|---|---|", flush=True)
    handled = []
    for kind in kinds.split(",") if kinds else SPECS:
        for way in (ALL if ways == "all" else ways).split(","):
            handled.append(show(f"{kind}: {way}", _try(kind, way, every)))
    return handled


def _try(kind: str, way: str, every: int) -> Tally:
    """Try one kind of run in one way."""
    numbers = None if every == 1 else range(1 + every // 2, 1000, every)
    if way == "copies":
        return copy_everywhere(kind)
    if way == "kills":
        return kill_everywhere(kind, numbers)
    if way == "twice":
        return kill_twice(kind, 150, numbers)
    return fail_everywhere(kind, way.removesuffix("+"), lasting=way.endswith("+"), numbers=numbers)


def show(title: str, tally: Tally) -> bool:
    """Print a row of the table; returns whether all ended well."""
    outcomes = ", ".join(f"{name} {count}" for name, count in sorted(tally.outcomes.items()))
    print(f"| {title} | {tally.writes} | {tally.tried} | {outcomes} |", flush=True)
    return not tally.wrong
