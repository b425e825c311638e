"""Kill a search at its writes, resume it, and compare it with the uninterrupted search.

`python scripts/torture_tune.py --writes` runs it. What a kill leaves is seen in copies of the runs folder,
made before each write at which it differs from the last copy; every command is forked from this process,
which has imported TensorFlow and has used nothing of it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from mlpcli.runs.search_folder import SEARCH, load_search
from scripts.kill_at_write import Writes, forked
from scripts.torture_tune import largest_gap, outcome
from scripts.torture_writes import Moments, Tally, warm

SMALL = """\
name: it
seed: 7
dataset: {name: iris}
layers:
  - Normalization
  - Dense: {units: {hp: int, min: 4, max: 16, step: 4, name: units}, activation: relu}
  - Dense: {units: 3, activation: softmax}
loss: sparse_categorical_crossentropy
optimizer: {Adam: {learning_rate: {hp: float, min: 1e-3, max: 1e-1, sampling: log, name: rate}}}
metrics: [accuracy]
fit: {epochs: 2, batch_size: 48, checkpoint: {every: 1}}
"""
SEARCHES = {
    "random": SMALL + "tuner: {objective: val_accuracy, max_trials: 2, promote: 1, seeds: 2}\n",
    "Hyperband": SMALL + "tuner: {algorithm: Hyperband, objective: val_accuracy, max_epochs: 2, factor: 2}\n",
}
CLOSE = 1e-6
"""Largest allowed difference between scores of the same trial."""


def kill_search_everywhere(name: str, stride: int = 1) -> Tally:
    """Resume a kind of search from the state before each of its writes, or before some of them."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        spec, runs_dir = Path(folder) / "it.yaml", Path(folder) / "alone"
        spec.write_text(SEARCHES[name])
        runs_dir.mkdir()
        moments = Moments(runs_dir, Path(folder) / "copies")
        ended = forked(["tune", spec, "--runs-dir", runs_dir], Writes(runs_dir, before=moments.take))
        if ended.status:
            raise SystemExit(f"the uninterrupted search ended with {ended}")
        tally.writes = ended.count
        alone = next(runs_dir.glob("it/*"))
        copies = sorted((int(path.name), path) for path in (Path(folder) / "copies").iterdir())
        for at, copy in copies[::stride]:
            resumed = forked(["tune", "--resume", "it", "--runs-dir", copy], Writes(copy))
            tally.judge(at, *judge(copy, alone, resumed.status, resumed.text))
            shutil.rmtree(copy)
    return tally


def judge(runs_dir: Path, alone: Path, status: int, text: str) -> tuple[str, list[str]]:
    """Return how a resumed search ended, and what is wrong with it."""
    folder = next(runs_dir.glob("it/*"), None)
    if folder is None or status == 2:
        begun = folder is not None and (folder / SEARCH).exists() and (folder / "run.json").exists()
        wrong = [f"status {status}: {text[-600:]}"] if status != 2 or begun or "Traceback" in text else []
        return "before there was a search", wrong
    if status:
        return "", [f"status {status}: {text[-600:]}"]
    return "resumed" if "nothing to do" not in text else "had ended", search_differences(folder, alone)


def search_differences(folder: Path, alone: Path) -> list[str]:
    """Return what differs between a search and the uninterrupted one."""
    found = [f"{path.relative_to(folder)} is left" for path in folder.rglob("*.part")]
    one, other = outcome(load_search(folder)), outcome(load_search(alone))
    found += [f"another {key}" for key, wanted in other.items() if largest_gap(wanted, one[key]) > CLOSE]
    missing = _files(alone) - _files(folder)
    return found + [f"no {name}" for name in sorted(missing) if "tensorboard" not in name]


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def main(stride: int) -> None:
    """Try every kind of search; exit with 1 if something was wrong."""
    warm()
    print("| search | writes | moments tried | outcomes |\n|---|---|---|---|")
    wrong = False
    for name in SEARCHES:
        tally = kill_search_everywhere(name, stride)
        outcomes = ", ".join(f"{kind} {count}" for kind, count in sorted(tally.outcomes.items()))
        print(f"| {name} | {tally.writes} | {tally.tried} | {outcomes} |", flush=True)
        wrong |= bool(tally.wrong)
    raise SystemExit(int(wrong))
