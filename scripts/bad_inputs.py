"""Run the program with bad inputs, and print its messages as a page of the docs.

python scripts/bad_inputs.py > docs/bad_inputs.md
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

GOOD = """\
name: small
dataset: {path: rows.csv, target: y}
layers: [{Dense: {units: 4, activation: relu}}, {Dense: {units: 1}}]
loss: mse
fit: {epochs: 2, batch_size: 8}
"""
IRIS = """\
dataset: {name: iris}
layers: [{Dense: {units: 3, activation: softmax}}]
loss: sparse_categorical_crossentropy
"""
ROWS = "a,b,y\n" + "".join(f"{n % 7},{n % 3 / 2},{n % 5}\n" for n in range(30))
CHECK = ("check", "spec.yaml", "--no-advice")


@dataclass(frozen=True)
class Case:
    """A bad input: its description, the files to write over the good ones, and the command to run."""

    title: str
    spec: str = GOOD
    rows: str | bytes = ROWS
    command: tuple[str, ...] = CHECK
    before: Callable[[], object] = lambda: None


def _swap(old: str, new: str, text: str = GOOD) -> str:
    assert old in text, old
    return text.replace(old, new)


def _bomb() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{key}: &{key} [{', '.join(['*' + last] * 10)}]" for last, key in ("ab", "bc", "cd", "de")]
    return "\n".join(lines) + "\n"


SPECS = [
    Case("an empty file", ""),
    Case(
        "not text",
        command=("check", "spec.yaml"),
        before=lambda: Path("spec.yaml").write_bytes(b"\x89PNG\r\n\xff"),
    ),
    Case("a tab as indentation", "dataset:\n\tname: iris\n"),
    Case("a bracket that is not closed", _swap("target: y}", "target: y")),
    Case("a duplicate key", GOOD + "loss: mae\n"),
    Case("`no` as a string", _swap("name: small", "name: no")),
    Case("5,000 nested brackets", "a: " + "[" * 5000),
    Case("aliases that expand too far", _bomb()),
    Case("a tag that would run code", "seed: !!python/object/apply:os.system [ls]\n" + GOOD),
    Case("a misspelt key", _swap("fit:", "fti:")),
    Case("a misspelt layer", _swap("{Dense: {units: 1}}", "{Dnse: {units: 1}}")),
    Case("a misspelt argument", _swap("{units: 1}", "{unit: 1}")),
    Case("`units: true`", _swap("units: 4", "units: true")),
    Case("a dropout rate of 1", _swap("{Dense: {units: 1}}", "{Dropout: {rate: 1.0}}, {Dense: {units: 1}}")),
    Case("a negative learning rate", GOOD + "optimizer: {SGD: {learning_rate: -0.1}}\n"),
    Case("a batch size of 0", _swap("batch_size: 8", "batch_size: 0")),
    Case("code in a layer", _swap("{Dense: {units: 1}}", "{Lambda: {function: 'lambda x: x'}}")),
    Case("a name that leaves the runs folder", _swap("name: small", "name: ../../elsewhere")),
    Case("a log outside the run", GOOD + "callbacks: [{CSVLogger: {filename: ../../log.csv}}]\n"),
    Case("a plug-in outside the spec's folder", GOOD + "plugins: [../layers.py]\n"),
    Case("an override of a path that does not exist", command=(*CHECK, "--set", "layers[7].Dense.units=3")),
]
LAYER = "{Dense: {units: 4, activation: relu}}"
NEWCOMERS = [
    Case("a quotient", _swap(LAYER, "{Rescaling: {scale: 1/255}}")),
    Case("`lr`", GOOD + "optimizer: {Adam: {lr: 0.01}}\n"),
    Case("Keras's old `decay`", GOOD + "optimizer: {SGD: {learning_rate: 0.1, decay: 0.001}}\n"),
    Case("epochs at the top", _swap("fit: {epochs: 2, batch_size: 8}", "epochs: 2")),
    Case("`validation_split`", _swap("fit: {", "fit: {validation_split: 0.2, ")),
    Case("`verbose`", _swap("fit: {", "fit: {verbose: 1, ")),
    Case("a percentage", _swap("target: y}", "target: y, test: 20%}")),
    Case("a list of widths", _swap("units: 4", "units: [16, 32]")),
    Case("a call", _swap(f"[{LAYER}, {{Dense: {{units: 1}}}}]", "\n  - Dense(16, relu)\n  - Dense(1)")),
    Case("a call among brackets", _swap(LAYER, "Dense(16, relu)")),
    Case("a number as arguments", _swap(LAYER, "Dense: 16")),
    Case("an argument beside the class",
         _swap(f"[{LAYER}, {{Dense: {{units: 1}}}}]", "\n  - Dense:\n    units: 1")),
    Case("a class under `type`", _swap(LAYER, "{type: Dense, units: 4}")),
    Case("an activation's call", _swap("activation: relu", "activation: ReLU()")),
    Case("an optimizer's call", GOOD + "optimizer: adam(0.01)\n"),
    Case("a metric without a list", GOOD + "metrics: mae\n"),
    Case("`crossentropy`", _swap("loss: mse", "loss: crossentropy")),
    Case("layers as a mapping", _swap(f"[{LAYER}, {{Dense: {{units: 1}}}}]", "{Dense: {units: 1}}")),
    Case("a missing dash",
         _swap(f"[{LAYER}, {{Dense: {{units: 1}}}}]", "\n  - Flatten\n  Dense: {units: 1}")),
    Case("a path of Windows in double quotes", _swap("rows.csv", '"C:\\data\\rows.csv"')),
    Case("a star without quotes", _swap("rows.csv", "*.csv")),
    Case("another word for a kind", _swap("target: y}", "target: y, features: {a: number, b: number}}")),
]  # fmt: skip
MODELS = [
    Case("more classes than units", _swap("units: 3", "units: 2", IRIS)),
    Case("softmax on one unit", _swap("units: 3", "units: 1", IRIS)),
    Case("a loss for one-hot labels on indices", _swap("sparse_cat", "cat", IRIS)),
    Case("a loss for probabilities on other numbers", _swap(", activation: softmax", "", IRIS)),
    Case("an image without Flatten", _swap("iris", "digits", IRIS).replace("units: 3", "units: 10")),
    Case("an image without channels",
         _swap("layers: [", "layers: [{Conv2D: {filters: 2, kernel_size: 3}}, Flatten, ", IRIS)
         .replace("iris", "digits").replace("units: 3", "units: 10")),
    Case("a recurrent layer on rows", _swap("layers: [", "layers: [{LSTM: {units: 4}}, ", IRIS)),
    Case("a loss for classes, a target of numbers", GOOD.replace("mse", "sparse_categorical_crossentropy"),
         rows="a,b,y\n" + "".join(f"{n % 7},{n % 3},{n}\n" for n in range(30))),
    Case("a monitor that is not logged", GOOD + "callbacks: [{EarlyStopping: {monitor: val_acc}}]\n"),
    Case("early stopping without validation data", GOOD.replace("target: y}", "target: y, validation: null}")
         + "callbacks: [{EarlyStopping: {monitor: val_loss}}]\n"),
    Case("a learning rate that is far too high", IRIS.replace("sparse_categorical_crossentropy", "mse")
         .replace("softmax", "linear").replace("units: 3", "units: 1").replace("iris", "diabetes")
         + "name: wild\noptimizer: {SGD: {learning_rate: 1.0e+20}}\n", command=("train", "spec.yaml")),
]  # fmt: skip
TABLES = [
    Case("no such file", _swap("rows.csv", "row.csv")),
    Case("an empty table", rows=""),
    Case("a header without rows", rows="a,b,y\n"),
    Case("a target column that does not exist", _swap("target: y", "target: z")),
    Case("a kind that no cell has", _swap("target: y}", "target: y, features: {a: numeric, b: numeric}}"),
         rows=ROWS.replace("a,b,y\n", "a,b,y\n").replace(",0.5,", ",low,").replace(",1.0,", ",high,")
         .replace(",0.0,", ",none,")),
    Case("rows with too few and too many cells", rows=ROWS + "1,2\n1,2,3,4\n"),
    Case("infinity", rows=ROWS + "1,inf,0\n"),
    Case("a number that float32 cannot hold", rows=ROWS + "1,1e39,0\n"),
    Case("a target that is missing", rows=ROWS + "1,2,\n"),
    Case("an unknown character set", rows=("имя" + ROWS[1:]).encode("windows-1251")),
    Case("no line of names", rows=ROWS.partition("\n")[2]),
    Case("a quote that is never closed", rows=ROWS + '1,"2,0\n' + ROWS),
    Case("two columns with the same name", rows="a,a,y\n1,2,3\n"),
    Case("a pickle", _swap("rows.csv", "rows.pkl"), before=lambda: _write("rows.pkl", b"\x80\x04N.")),
    Case("Python objects in an npz file", _swap("path: rows.csv, target: y", "path: rows.npz"),
         before=lambda: np.savez("rows.npz", x=np.array([[{}]], dtype=object), y=np.ones(1))),
]  # fmt: skip
RUNS = [
    Case("a run that does not exist", command=("evaluate", "smal")),
    Case("a column missing in new rows", rows="a,c\n1,2\n", command=("predict", "small", "rows.csv")),
    Case("a file to evaluate without its target", rows="a,b\n1,2\n",
         command=("evaluate", "small", "--data", "rows.csv")),
    Case("an output that exists already", rows="a,b\n1,2\n",
         command=("predict", "small", "rows.csv", "-o", "rows.csv")),
    Case("weights with a flipped bit", command=("evaluate", "small"), before=lambda: _flip("model.keras")),
    Case("a truncated checkpoint", command=("train", "--continue", "small"),
         before=lambda: _cut("checkpoints/state.ckpt")),
    Case("resuming with another spec", command=("train", "--resume", "small", "--set", "fit.epochs=9"),
         before=lambda: _record(status="interrupted")),
    Case("somebody else's run with a plug-in", command=("evaluate", "theirs"), before=lambda: _plugin()),
]  # fmt: skip
GROUPS = {
    "Specs": SPECS,
    "What newcomers write": NEWCOMERS,
    "Networks": MODELS,
    "Tables and arrays": TABLES,
    "Runs": RUNS,
}


def _write(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)


def _run() -> Path:
    from mlpcli.runs.folder import find_run

    return find_run("small", Path("runs"), unfinished=True).folder


def _flip(name: str) -> None:
    path = _run() / name
    raw = path.read_bytes()
    path.write_bytes(raw[:500] + bytes([raw[500] ^ 1]) + raw[501:])


def _cut(name: str) -> None:
    path = _run() / name
    path.write_bytes(path.read_bytes()[:-1])


def _record(**changes: object) -> None:
    path = _run() / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _plugin() -> None:
    """Create a run that somebody else trained with a plug-in."""
    from mlpcli.files import sha256_of

    theirs = Path("runs/theirs/2026-01-01_00-00-00")
    shutil.copytree(_run(), theirs)
    (theirs / "plugins").mkdir()
    (theirs / "plugins" / "layers.py").write_text("import keras\n")
    entry = {
        "file": "plugins/layers.py",
        "source": "layers.py",
        "sha256": sha256_of(theirs / "plugins/layers.py"),
    }
    record = json.loads((theirs / "run.json").read_text()) | {"plugins": [entry], "status": "completed"}
    (theirs / "run.json").write_text(json.dumps(record))
    with (theirs / "resolved.yaml").open("a") as file:
        file.write("plugins: [plugins/layers.py]\n")


def run_case(case: Case) -> tuple[int, list[str]]:
    """Return the exit status and the lines on stderr of a case, without source lines and carets."""
    from mlpcli.cli import main

    Path("spec.yaml").write_text(case.spec)
    Path("rows.csv").write_bytes(case.rows if isinstance(case.rows, bytes) else case.rows.encode())
    case.before()
    err = io.StringIO()
    nowhere = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(err):
        status = main(list(case.command))
    lines = [line for line in err.getvalue().splitlines() if " | " not in line[:9] and line.strip(" ^")]
    shutil.rmtree("runs/theirs", ignore_errors=True)
    places = {_run().name: "<date>_<time>", str(Path.cwd()): "<folder>"}
    for place, name in places.items():
        lines = [line.replace(place, name) for line in lines]
    return status, lines


@contextlib.contextmanager
def workplace() -> Iterator[None]:
    """Create a folder with a finished run named small, and work in it."""
    from mlpcli.cli import main

    here, state = Path.cwd(), os.environ.get("XDG_STATE_HOME")
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        os.environ["XDG_STATE_HOME"] = f"{name}/state"
        try:
            Path("spec.yaml").write_text(GOOD)
            Path("rows.csv").write_text(ROWS)
            with contextlib.redirect_stdout(io.StringIO()):
                assert main(["train", "spec.yaml", "--no-advice"]) == 0
            shutil.copytree("runs", "kept")
            yield
        finally:
            os.chdir(here)
            os.environ.pop("XDG_STATE_HOME")
            if state is not None:
                os.environ["XDG_STATE_HOME"] = state


def page() -> str:
    """Return the page of the docs."""
    count = sum(map(len, GROUPS.values()))
    text = (
        f"# {count} bad inputs and their messages\n\n"
        "`scripts/bad_inputs.py` runs the program with each of these inputs and writes this page; a test\n"
        "compares the page with the program's messages. Only the first line of a message is shown. The exit\n"
        "status is 2 unless another is given.\n"
    )
    with workplace():
        for group, cases in GROUPS.items():
            text += f"\n## {group}\n\n| input | command | message |\n|---|---|---|\n"
            for case in cases:
                shutil.rmtree("runs")
                shutil.copytree("kept", "runs")
                status, lines = run_case(case)
                message = lines[0].replace("|", "\\|") if lines else "nothing"
                exits = "" if status == 2 else f" (exit status {status})"
                shown = " ".join(word if " " not in word else f"'{word}'" for word in case.command)
                text += (
                    f"| {case.title} | `{shown.replace(' --no-advice', '')}` | {_code(message)}{exits} |\n"
                )
    return text


def _code(text: str) -> str:
    return f"``{text}``" if "`" in text else f"`{text}`"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    print(page(), end="")
    sys.stdout.flush()
    os._exit(0)
