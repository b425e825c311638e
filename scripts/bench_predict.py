"""Time predictions from CSV to CSV: `mlpcli predict` compared with pandas.read_csv and model.predict.

    python scripts/bench_predict.py [--pandas PYTHON] [--folder DIR] [--only PART]

Three parts: `numbers`, 1 million rows of eight numbers; `many`, the same rows ten times over; `mixed`,
1 million rows of six numbers, two columns of categories and gaps. The network, 50-50-50-1, is trained
for an epoch first. Every contender runs in turn, each in a fresh process, from the file on the disk to a
file of predictions, which must agree.

`seconds` is the whole process, `start` of it passes before the first row is read (imports, loading the
model), and rows a second are those of the rest. `ratio` compares that rest with mlpcli's, `whole` the whole
processes. `cpu` is the seconds of processors, which other work on the machine changes least, and `peak` the
most memory that the process held.

PYTHON is an interpreter with pandas and TensorFlow, by default this one; mlpcli itself needs no pandas. With
DIR the tables and the run are kept there, and found there the next time. `model.predict` with its default
batch of 32 rows on 10 million rows is not run but reckoned as ten times its work on 1 million: add --whole to
run it all the same.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

MILLION = 1_000_000
TRAIN_ROWS = 20_000
ROOT = Path(__file__).resolve().parent.parent

SPEC = """\
name: {name}
dataset: {{path: {name}_train.csv, target: y, target_scaling: standardize}}
layers:
  - {{Dense: {{units: 50, activation: relu}}, repeat: 3}}
  - Dense: {{units: 1}}
loss: mse
fit: {{epochs: 1, batch_size: 256}}
"""

PANDAS = """
import json, sys, time
began = time.perf_counter()
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import pandas as pd
run, data, output, batch = sys.argv[1:]
record = json.load(open(run + "/run.json"))
contract = record["data"]["contract"]
(scale,), (offset,) = contract["outputs"][0]["scale"], contract["outputs"][0]["offset"]
model = keras.models.load_model(run + "/checkpoints/last.keras", compile=False)
started = time.perf_counter() - began
frame = pd.read_csv(data)
parts = []
for column in contract["preprocessor"]["columns"]:
    values = frame[column["name"]]
    if column["kind"] == "numeric":
        parts.append((values.fillna(column["fill"]) - column["offset"]) / column["scale"])
        if column["indicator"]:
            parts.append(values.isna())
    else:
        parts += [values == category for category in column["values"]]
        if column["missing"]:
            parts.append(values.isna())
matrix = np.stack([np.asarray(part, np.float32) for part in parts], axis=1)
predicted = model.predict(matrix, batch_size=int(batch), verbose=0)[:, 0] * scale + offset
pd.DataFrame({"predicted_y": predicted}).to_csv(output, index=False)
print(json.dumps({"start": started}))
"""


@dataclass(frozen=True)
class Part:
    """A table to predict. `times`: how often its million rows are written."""

    name: str
    spec: str
    title: str
    times: int = 1

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return self.times * MILLION


PARTS = (
    Part("numbers", "numbers", "1 million rows of 8 numbers"),
    Part("many", "numbers", "10 million rows of 8 numbers", times=10),
    Part("mixed", "mixed", "1 million rows of 6 numbers and 2 categories, with gaps"),
)


@dataclass(frozen=True)
class Measured:
    """One process: total seconds, seconds before the first row, processor seconds, peak memory in MB."""

    seconds: float
    start: float
    cpu: float
    peak: float
    note: str = ""

    @property
    def work(self) -> float:
        """Seconds from the first row on."""
        return self.seconds - self.start


# Tables.


def write_table(path: Path, rows: int, kind: str, *, seed: int, target: bool, times: int = 1) -> None:
    """Write a table whose target depends on every column."""
    draw = np.random.default_rng(seed)
    numbers = 8 if kind == "numbers" else 6
    x = draw.normal(size=(rows, numbers)) * [10.0 ** (place % 3) for place in range(numbers)]
    y = x.sum(axis=1) + draw.normal(size=rows)
    columns = [np.char.mod("%.5g", x[:, place]) for place in range(numbers)]
    names = [f"x{place}" for place in range(numbers)]
    if kind == "mixed":
        columns[0] = np.where(draw.random(rows) < 0.1, "", columns[0])
        for name, values in (("town", 20), ("sort", 5)):
            codes = draw.integers(values, size=rows)
            y = y + 20 * codes
            names.append(name)
            columns.append(np.char.mod(f"{name} %d", codes))
    if target:
        names.append("y")
        columns.append(np.char.mod("%.5g", y))
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(names) + "\n")
        for _ in range(times):
            for first in range(0, rows, 50_000):
                cells = [column[first : first + 50_000].tolist() for column in columns]
                file.write("\n".join(map(",".join, zip(*cells, strict=True))) + "\n")


def prepare(part: Part, folder: Path) -> tuple[Path, Path]:
    """Create the run and the table of a task, unless they exist."""
    data = folder / f"{part.name}.csv"
    if not data.exists():
        write_table(data, MILLION, part.spec, seed=1, target=False, times=part.times)
    runs = folder / "runs" / part.spec
    if not runs.exists():
        write_table(folder / f"{part.spec}_train.csv", TRAIN_ROWS, part.spec, seed=0, target=True)
        spec = folder / f"{part.spec}.yaml"
        spec.write_text(SPEC.format(name=part.spec), encoding="utf-8")
        measure([sys.executable, "-m", "mlpcli", "train", str(spec), "--runs-dir", str(folder / "runs")])
    return sorted(runs.iterdir())[-1], data


# Contenders.


def measure(command: list[str]) -> tuple[float, float, float, str]:
    """Run a process; return its seconds, processor seconds, peak memory in MB, and output."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=errors, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command[:4])} failed:\n{errors.read().decode()[-2000:]}")
        return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read().decode()


def run_mlpcli(run: Path, data: Path, output: Path) -> Measured:
    """`mlpcli predict`."""
    command = [sys.executable, "-m", "mlpcli", "predict", str(run), str(data)]
    seconds, cpu, peak, text = measure([*command, "-o", str(output), "--force", "--json"])
    return Measured(seconds, seconds - json.loads(text)["seconds"], cpu, peak)


def run_pandas(python: str, run: Path, data: Path, output: Path, batch: int) -> Measured:
    """Predict with a script in pandas and Keras."""
    command = [python, "-c", PANDAS, str(run), str(data), str(output), str(batch)]
    seconds, cpu, peak, text = measure(command)
    return Measured(seconds, json.loads(text.splitlines()[-1])["start"], cpu, peak)


LARGE, DEFAULT = 8192, 32


def contend(part: Part, folder: Path, python: str, *, whole: bool) -> Iterator[tuple[str, Measured]]:
    """Yield every contender on one task, with its name."""
    run, data = prepare(part, folder)
    wanted = folder / "mlpcli.csv"
    yield "mlpcli predict", run_mlpcli(run, data, wanted)
    for title, batch in (
        (f"pandas, model.predict(batch_size={LARGE})", LARGE),
        ("pandas, model.predict", DEFAULT),
    ):
        output = folder / "pandas.csv"
        if part.times > 1 and batch == DEFAULT and not whole:
            one_run, one = prepare(PARTS[0], folder)
            once = run_pandas(python, one_run, one, output, batch)
            reckoned = once.start + part.times * once.work
            unknown = float("nan")
            note = "  reckoned from 1 million"
            yield title, replace(once, seconds=reckoned, cpu=unknown, peak=unknown, note=note)
            continue
        yield title, run_pandas(python, run, data, output, batch)
        check_agreement(wanted, output)


def check_agreement(wanted: Path, found: Path) -> None:
    """Compare the first predictions of two files."""
    ours, theirs = (np.loadtxt(path, skiprows=1, max_rows=10_000, ndmin=1) for path in (wanted, found))
    if not np.allclose(ours, theirs, rtol=1e-3, atol=1e-3 * float(np.std(ours))):
        raise SystemExit(f"the predictions differ by up to {np.abs(ours - theirs).max():g}")


def main() -> None:
    """Print a table for each task."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pandas", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--folder", type=Path, metavar="DIR")
    parser.add_argument("--only", choices=[part.name for part in PARTS], action="append", metavar="PART")
    parser.add_argument("--whole", action="store_true", help="10 million rows in batches of 32 too")
    parser.add_argument("--prepare", action="store_true", help="create the tables and the runs, time nothing")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            if args.only and part.name not in args.only:
                continue
            if args.prepare:
                prepare(part, folder)
                continue
            show(part, contend(part, folder, args.pandas, whole=args.whole))


def show(part: Part, contenders: Iterator[tuple[str, Measured]]) -> None:
    """Print one task's table, each line as soon as it is measured."""
    heads = f"{'seconds':>8} {'start':>6} {'cpu':>7} {'rows/s':>11} {'peak MB':>8} {'ratio':>6} {'whole':>6}"
    print(f"\n{part.title}\n  {'':37} {heads}")
    ours: Measured | None = None
    for title, found in contenders:
        ours = ours or found
        peak, cpu = (
            "" if np.isnan(found.peak) else text for text in (f"{found.peak:,.0f}", f"{found.cpu:.1f}")
        )
        times = f"{found.seconds:8.1f} {found.start:6.1f} {cpu:>7}"
        figures = f"{times} {part.rows / found.work:11,.0f} {peak:>8}"
        ratios = f"{found.work / ours.work:6.1f} {found.seconds / ours.seconds:6.1f}"
        print(f"  {title:37} {figures} {ratios}{found.note}", flush=True)


if __name__ == "__main__":
    main()
