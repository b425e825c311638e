"""The doctor on networks that were made sick in known ways, and on healthy ones.

    python scripts/bench_doctor.py [--only NAME,...] [--folder FOLDER]

Trains each network on small data (scikit-learn's built-in tables, made points and tables), asks the doctor,
and prints what it found. Each patch is applied, trained, and measured before and after on the validation
rows; of a column that leaks on rows in which that column says nothing, as when new rows come in.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from mlpcli.cli import main as mlpcli
from mlpcli.doctor.examine import examine_run
from mlpcli.doctor.find_all import whole_patch
from mlpcli.doctor.patched_spec import patch_spec, write_patched
from mlpcli.errors import TrainingError
from mlpcli.inference.evaluate import EvaluateOptions, evaluate_run
from mlpcli.runs import COMPLETED, new_run, open_run
from mlpcli.runs.folder import Run
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import load_spec
from mlpcli.training.job import TrainOptions
from mlpcli.training.prepare import prepare
from mlpcli.training.session import train_into

CLASSES = "loss: sparse_categorical_crossentropy\nmetrics: [accuracy]\n"
NUMBERS = "loss: mse\nmetrics: [RootMeanSquaredError]\n"
STOP = "callbacks: [EarlyStopping: {patience: 15, restore_best_weights: true}]\n"
OPTIONS = TrainOptions(saved_model=False, figures=False)
QUICK = EvaluateOptions(intervals=False)


@dataclass(frozen=True)
class Patient:
    """A network: its spec, the finding that it should have, and how it is measured.

    measure: a metric of validation rows; `recall`, the mean of the classes; `new`, the accuracy of new rows.
    """

    name: str
    code: str
    text: str
    measure: str = "accuracy"


def _dense(units: str, classes: int, *, activation: str = "relu", more: str = "", first: str = "") -> str:
    hidden = "".join(
        f"  - Dense: {{units: {each}, activation: {activation}{more}}}\n" for each in units.split()
    )
    last = f"{{units: {classes}, activation: softmax}}" if classes else "{units: 1}"
    return f"layers:\n{first}{hidden}  - Dense: {last}\n" + (CLASSES if classes else NUMBERS)


def _spec(data: str, network: str, optimizer: str, epochs: int, more: str = "", batch: int = 32) -> str:
    fit = f"fit: {{epochs: {epochs}, batch_size: {batch}}}\n"
    return f"seed: 3\ndataset: {{{data}}}\n{network}optimizer: {optimizer}\n{fit}{more}"


NORM = "  - Normalization\n"
FLAT = "  - Flatten\n  - Normalization\n"
ADAM = "{Adam: {learning_rate: 0.005}}"
SGD = "{SGD: {learning_rate: 0.01}}"

SICK = [
    Patient(
        "biases far too low",
        "dead-units",
        _spec(
            "name: digits",
            _dense("64", 10, first=FLAT, more=", bias_initializer: {Constant: {value: -50}}"),
            ADAM,
            10,
        ),
    ),
    Patient(
        "rate 5.0 of Adam",
        "learning-rate-too-high",
        _spec("name: breast_cancer", _dense("32 32", 2, first=NORM), "{Adam: {learning_rate: 5.0}}", 15),
    ),
    Patient(
        "rate 0.00002 of SGD",
        "learning-rate-too-low",
        _spec("name: wine", _dense("32", 3, first=NORM), "{SGD: {learning_rate: 0.00002}}", 30),
    ),
    Patient(
        "10 layers of sigmoids",
        "vanishing-gradients",
        _spec("name: digits", _dense("32 " * 10, 10, first=FLAT, activation="sigmoid"), SGD, 15),
    ),
    Patient(
        "initial weights of deviation 3",
        "exploding-gradients",
        _spec(
            "name: digits",
            _dense("64 64 64 64", 10, first=FLAT, more=", kernel_initializer: {RandomNormal: {stddev: 3.0}}"),
            SGD,
            10,
        ),
    ),
    Patient(
        "inputs not scaled",
        "inputs-not-scaled",
        _spec("name: wine", _dense("32 16", 3, activation="tanh"), SGD, 30),
    ),
    Patient(
        "target not scaled",
        "target-not-scaled",
        _spec("name: diabetes", _dense("32", 0, first=NORM), "{Adam: {learning_rate: 0.001}}", 40),
        "root_mean_squared_error",
    ),
    Patient(
        "units that begin alike",
        "identical-units",
        _spec(
            "name: digits",
            _dense("32", 10, first=FLAT, activation="tanh", more=", kernel_initializer: ones").replace(
                "softmax", "softmax, kernel_initializer: ones"
            ),
            ADAM,
            15,
        ),
    ),
    Patient(
        "300 epochs of wide layers",
        "overfitting",
        _spec(
            "name: moons, rows: 200, noise: 0.45, seed: 1",
            _dense("128 128", 2, first=NORM),
            "{Adam: {learning_rate: 0.01}}",
            300,
        ),
        "loss",
    ),
    Patient(
        "5 epochs of SGD",
        "stopped-too-soon",
        _spec("name: digits", _dense("32", 10, first=FLAT), "{SGD: {learning_rate: 0.005}}", 5),
    ),
    Patient(
        "3% of a class",
        "class-never-predicted",
        _spec("path: rare.csv, target: y", _dense("16", 2, first=NORM), ADAM, 20),
        "recall",
    ),
    Patient(
        "a column of the target",
        "leaking-column",
        _spec("path: leak.csv, target: y", _dense("16", 2, first=NORM), ADAM, 20),
        "new",
    ),
    Patient(
        "dropout of 95%",
        "regularization-too-strong",
        _spec(
            "name: digits",
            _dense("64", 10, first=FLAT).replace(
                "  - Dense: {units: 10", "  - Dropout: {rate: 0.97}\n  - Dense: {units: 10"
            ),
            ADAM,
            10,
        ),
    ),
    Patient(
        "one step an epoch",
        "batch-too-large",
        _spec("name: wine", _dense("16", 3, first=NORM), SGD, 20, batch=1000),
    ),
]

HEALTHY = [
    Patient(
        "iris",
        "",
        _spec("name: iris", _dense("16", 3, first=NORM), "{Adam: {learning_rate: 0.02}}", 60, STOP),
    ),
    Patient("wine", "", _spec("name: wine", _dense("16", 3, first=NORM), ADAM, 60, STOP)),
    Patient(
        "breast cancer, dropout",
        "",
        _spec(
            "name: breast_cancer",
            _dense("32", 2, first=NORM).replace(
                "  - Dense: {units: 2", "  - Dropout: {rate: 0.3}\n  - Dense: {units: 2"
            ),
            ADAM,
            60,
            STOP,
        ),
    ),
    Patient("digits", "", _spec("name: digits", _dense("64 32", 10, first=FLAT), ADAM, 30, STOP)),
    Patient(
        "digits, convolutions",
        "",
        _spec(
            "name: digits",
            "layers:\n  - Rescaling: {scale: 0.0625}\n  - Reshape: {target_shape: [8, 8, 1]}\n"
            "  - Conv2D: {filters: 16, kernel_size: 3, activation: relu}\n  - Flatten\n"
            "  - Dense: {units: 10, activation: softmax}\n" + CLASSES,
            ADAM,
            15,
            STOP,
        ),
    ),
    Patient(
        "diabetes",
        "",
        _spec(
            "name: diabetes, target_scaling: standardize",
            _dense("16", 0, first=NORM),
            "{Adam: {learning_rate: 0.003}}",
            80,
            STOP,
        ),
    ),
    Patient(
        "moons",
        "",
        _spec(
            "name: moons, rows: 500, noise: 0.2",
            _dense("32 32", 2),
            "{Adam: {learning_rate: 0.01}}",
            80,
            STOP,
        ),
    ),
    Patient(
        "circles, tanh",
        "",
        _spec(
            "name: circles, rows: 500, noise: 0.08",
            _dense("16 16", 2, activation="tanh"),
            "{Adam: {learning_rate: 0.01}}",
            80,
            STOP,
        ),
    ),
    Patient(
        "spirals",
        "",
        _spec(
            "name: spirals, rows: 600, noise: 0.1",
            _dense("64 64", 2),
            "{Adam: {learning_rate: 0.01}}",
            150,
            STOP,
        ),
    ),
    Patient(
        "xor, tanh",
        "",
        _spec(
            "name: xor, rows: 400, noise: 0.2",
            _dense("8", 2, activation="tanh"),
            "{Adam: {learning_rate: 0.03}}",
            80,
            STOP,
        ),
    ),
    Patient("gaussians", "", _spec("name: gaussians, rows: 400", _dense("16", 2), ADAM, 60, STOP)),
    Patient("as init writes it", "", "init friedman.csv"),
]


def _write_tables(folder: Path) -> None:
    """Write the made tables: a rare class, a column that is the target, and Friedman's function."""
    draw = np.random.default_rng(5)
    y = (draw.random(1500) < 0.03).astype(int)
    rare = draw.normal(size=(1500, 4)) + 0.4 * y[:, None]
    _write(folder / "rare.csv", "a,b,c,d,y", [*rare.T, np.where(y, "yes", "no")])
    x = draw.normal(size=(1500, 4))
    label = (x @ [1.0, -1.0, 0.5, 0.0] + draw.normal(size=1500) > 0).astype(int)
    names = np.where(label, "yes", "no")
    for name, leak in (("leak.csv", label), ("new.csv", draw.integers(0, 2, 1500))):
        _write(folder / name, "a,b,c,d,paid,y", [*x.T, leak + 0.01 * draw.normal(size=1500), names])
    u = draw.random((1200, 6))
    target = 10 * np.sin(np.pi * u[:, 0] * u[:, 1]) + 20 * (u[:, 2] - 0.5) ** 2 + 10 * u[:, 3] + 5 * u[:, 4]
    _write(folder / "friedman.csv", "a,b,c,d,e,f,y", [*u.T, target + draw.normal(size=1200)])


def _write(path: Path, header: str, columns: list[np.ndarray]) -> None:
    lines = [",".join(str(each) for each in row) for row in zip(*columns, strict=True)]
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def _train(spec: Path) -> Run:
    """Train a spec without the files that nothing here needs; return its run, also where it diverged."""
    prepared = prepare(load_spec(spec))
    with (
        new_run(spec.parent / "runs", spec.stem.replace(".", "_")) as folder,
        contextlib.suppress(TrainingError),
    ):
        train_into(prepared.job(folder, Watcher(), (), OPTIONS))
    return open_run(folder)


def _measure(run: Run, patient: Patient, folder: Path) -> float:
    """Return the measure of a patient; NaN where its training did not end."""
    if run.status != COMPLETED:
        return float("nan")
    if patient.measure == "new":
        return evaluate_run(run, data=folder / "new.csv", options=QUICK).metrics["accuracy"]
    found = evaluate_run(run, split="validation", options=QUICK)
    if patient.measure == "recall":
        return float(np.mean([each.recall for each in found.scores[0].classes]))
    return found.metrics[patient.measure]


def _examine(patient: Patient, folder: Path, number: int) -> Iterator[str]:
    """Yield the cells of a patient's row."""
    spec = folder / f"p{number}.yaml"
    if patient.text.startswith("init "):
        with contextlib.redirect_stdout(io.StringIO()):
            mlpcli(
                [
                    "init",
                    str(folder / patient.text.split()[1]),
                    "--target",
                    "y",
                    "--effort",
                    "fast",
                    "-o",
                    str(spec),
                ]
            )
    else:
        spec.write_text(patient.text, encoding="utf-8")
    run = _train(spec)
    found = examine_run(run).findings
    codes = [each.code for each in found]
    yield patient.name
    if patient.code:
        yield f"`{patient.code}`: {'found' if patient.code in codes else 'missed'}"
    yield ", ".join(f"`{each}`" for each in codes if each != patient.code) or "none"
    if not patient.code:
        return
    patched = patch_spec(run, whole_patch(found))
    if patched is None:
        yield from ("", "", "no patch")
        return
    before, after = _measure(run, patient, folder), _measure(_train(write_patched(patched)), patient, folder)
    less = patient.measure in ("loss", "root_mean_squared_error")
    helped = np.isfinite(after) and (not np.isfinite(before) or (after < before if less else after > before))
    yield from (patient.measure, f"{before:.3f} to {after:.3f}", "yes" if helped else "no")


def main() -> None:
    """Train and examine all, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="", help="names of networks, separated by commas")
    parser.add_argument(
        "--folder", type=Path, help="where specs and runs are kept; default: a temporary folder"
    )
    given = parser.parse_args()
    wanted = [each for each in given.only.split(",") if each]
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        _write_tables(folder)
        heads = (
            ("made sick by", "finding", "further findings", "measure", "before and after", "patch helped"),
            ("healthy", "false alarms"),
        )
        for head, patients, start in zip(heads, (SICK, HEALTHY), (0, 50), strict=True):
            print("| " + " | ".join(head) + " |\n|" + "---|" * len(head), flush=True)
            for number, patient in enumerate(patients, start):
                if not wanted or patient.name in wanted:
                    print("| " + " | ".join(_examine(patient, folder, number)) + " |", flush=True)
            print()


if __name__ == "__main__":
    main()
