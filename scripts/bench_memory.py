"""Train on a table in memory and with `fit: {memory: ...}`: resident memory, seconds an epoch, and the start.

    python scripts/bench_memory.py [--rows 20000000] [--memory 200MB] [--again] [--only-files]

Writes a CSV file of 8 columns of numbers and a target of two classes (about 75 bytes a row; the same each
time), trains the same network on it in two fresh processes (with the memory bound, and in memory; with
--again in a third, to show the start when the encoded rows are there already), and samples resident memory
from /proc ten times a second: the sum over the process and all that it has started, in which pages that two
of them share count twice, and that of the largest of them. The weights of all must be equal to the last bit.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

COLUMNS = tuple("abcdefgh")
CHUNK_ROWS = 500_000
LIMIT = 1.5e9

SPEC = """name: {name}
seed: 7
dataset: {{path: {path}, target: label, scaling: standardize}}
layers:
  - Dense: {{units: 64, activation: relu}}
  - Dense: {{units: 64, activation: relu}}
  - Dense: {{units: 1, activation: sigmoid}}
loss: binary_crossentropy
optimizer: {{Adam: {{learning_rate: 0.001}}}}
metrics: [accuracy]
fit: {{epochs: {epochs}, batch_size: 1024{memory}}}
callbacks: [TensorBoard: false]
"""


def write_rows(path: Path, rows: int) -> None:
    """Write the table, some rows at a time; the same for the same number of rows."""
    import pyarrow as pa
    from pyarrow import csv

    schema = pa.schema([(name, pa.float64()) for name in COLUMNS] + [("label", pa.string())])
    options = csv.WriteOptions(quoting_style="none")
    with csv.CSVWriter(str(path), schema, write_options=options) as writer:
        for start in range(0, rows, CHUNK_ROWS):
            random = np.random.default_rng([7, start])
            x = np.round(random.normal(size=(min(CHUNK_ROWS, rows - start), len(COLUMNS))), 6)
            score = x[:, 0] - x[:, 1] * x[:, 2] + np.sin(2 * x[:, 3]) + random.normal(size=len(x)) / 2
            label = pa.array(np.where(score > 0, "yes", "no"))
            writer.write_table(pa.table([*map(pa.array, x.T), label], schema=schema))


@dataclass
class Measured:
    """What was seen of one training.

    Attributes:
        name: of the run.
        first: seconds from the start of the process to the end of the first epoch.
        epochs: seconds of each further epoch, with its validation.
        whole: seconds of the process.
        peak: the most bytes of resident memory that all processes had together.
        largest: the most bytes that one of them had.
        until_training: the most bytes of all before the first epoch ended.
        folder: of the run.
    """

    name: str
    first: float = 0.0
    epochs: list[float] = field(default_factory=list)
    whole: float = 0.0
    peak: int = 0
    largest: int = 0
    until_training: int = 0
    folder: Path = Path()

    @property
    def epoch(self) -> float:
        """The median seconds of an epoch after the first."""
        return float(np.median(self.epochs))


def resident(process: int) -> int:
    """Return the resident bytes of a process; 0 where it has ended."""
    try:
        text = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else 0


def command_of(process: int) -> bytes:
    """Return the command line of a process; nothing where it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def tree_of(process: int) -> list[int]:
    """Return a process and all that it, and what it has started, has started.

    A child that is not yet another program has the memory of its parent, which counts once.
    """
    found = [process]
    for each in found:
        own = command_of(each)
        for file in Path(f"/proc/{each}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                children = map(int, file.read_text(encoding="ascii").split())
                found += [child for child in children if command_of(child) != own]
    return found


def watch(process: subprocess.Popen[str], found: Measured) -> None:
    """Keep the highest resident memory of a process and of its children until it ends."""
    while process.poll() is None:
        each = [resident(one) for one in tree_of(process.pid)]
        found.peak, found.largest = max(found.peak, sum(each)), max(found.largest, *each)
        if not found.first:
            found.until_training = max(found.until_training, sum(each))
        time.sleep(0.1)


def train(name: str, folder: Path, data: Path, *, epochs: int, memory: str) -> Measured:
    """Train the network in a fresh process, and return what was seen of it."""
    spec = folder / f"{name}.yaml"
    bound = f", memory: {memory}" if memory else ""
    spec.write_text(SPEC.format(name=name, path=data, epochs=epochs, memory=bound), encoding="utf-8")
    command = [sys.executable, "-m", "mlpcli", "train", str(spec), "--runs-dir", str(folder / "runs")]
    found, start = Measured(name), time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        watcher = threading.Thread(target=watch, args=(process, found))
        watcher.start()
        assert process.stdout is not None
        last = start
        for line in process.stdout:
            print(f"    {line}", end="", flush=True)
            if re.match(r"epoch +\d+/", line):
                now = time.monotonic()
                if found.first:
                    found.epochs.append(now - last)
                else:
                    found.first = now - start
                last = now
        watcher.join()
    found.whole = time.monotonic() - start
    if process.returncode:
        sys.exit(f"{name} failed with status {process.returncode}")
    found.folder = max((folder / "runs" / name).iterdir())
    return found


def weights_of(run: Path) -> list[np.ndarray]:
    """Return the weights of a run's model."""
    import keras

    return [np.asarray(each) for each in keras.models.load_model(run / "model.keras").weights]


def show(found: Measured, rows: int) -> None:
    """Print a line on a training."""
    million = found.epoch / rows * 1e6
    print(
        f"{found.name:10} {found.first:8.1f} {found.epoch:8.1f} {million:9.3f} {found.whole:8.1f} "
        f"{found.peak / 1e9:8.2f} {found.largest / 1e9:8.2f} {found.until_training / 1e9:8.2f}"
    )


def main() -> None:
    """Write the table, train on it, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--memory", default="200MB")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--again", action="store_true", help="once more with the encoded rows that are there")
    parser.add_argument("--folder", type=Path, help="where the table and the runs are; a temporary one")
    parser.add_argument("--keep", action="store_true", help="leave the table and the runs there")
    parser.add_argument("--only-files", action="store_true", help="leave the training in memory out")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="bench_memory_"))
    folder.mkdir(parents=True, exist_ok=True)
    data = (folder / f"rows_{options.rows}.csv").resolve()
    if not data.exists():
        start = time.monotonic()
        write_rows(data, options.rows)
        print(f"wrote {data.stat().st_size / 1e9:.2f} GB in {time.monotonic() - start:.0f} s", flush=True)
    runs = [("files", options.memory), *([] if options.only_files else [("in_memory", "")])]
    runs += [("again", options.memory)] if options.again else []
    seen = [train(name, folder, data, epochs=options.epochs, memory=memory) for name, memory in runs]
    print("\nseconds                epoch  a million      all  resident memory in GB")
    print("run        to epoch 1          rows, s            all  largest    start")
    for each in seen:
        show(each, options.rows)
    peak = max(each.peak for each in seen if each.name != "in_memory")
    print(f"resident memory under {LIMIT / 1e9:g} GB throughout: {peak < LIMIT}")
    if not options.only_files:
        compare(seen[0], seen[1])
    if not options.keep and options.folder is None:
        shutil.rmtree(folder)


def compare(files: Measured, in_memory: Measured) -> None:
    """Print how a training from files compares with one in memory."""
    timings = json.loads((files.folder / "run.json").read_text(encoding="utf-8"))["timings"]
    print(f"an epoch: {files.epoch / in_memory.epoch:.2f} times that in memory")
    print(
        f"all of it: {files.whole / in_memory.whole:.2f} times; the rows became files in {timings['data']} s"
    )
    same = all(
        np.array_equal(a, b)
        for a, b in zip(*(weights_of(each.folder) for each in (files, in_memory)), strict=True)
    )
    print(f"weights equal to the last bit: {same}")


if __name__ == "__main__":
    main()
