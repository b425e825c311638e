"""Time the chapter's random search: `mlpcli tune` compared with a script that uses Keras's `model.fit`.

    KERAS_HOME=... python scripts/bench_tune.py [--trials 5] [--epochs 10] [--workers 1]
    python scripts/bench_tune.py --only mlpcli --results tune.json     # one side after the other
    python scripts/bench_tune.py --only by-hand --results tune.json    # killed and called again, it goes on

Both run in fresh processes, one after the other, and are timed from start to end, imports and data included.
`mlpcli tune` searches configs/chapter/fashion_random_search.yaml (0 to 8 hidden layers, 16 to 256 units,
learning rate 1e-4 to 1e-2, SGD or Adam), without training the best again, which the script does not
do either. The script then builds the models of the same trials with Keras and calls `fit`; it does not choose
the hyperparameters. KERAS_HOME holds Fashion MNIST. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SPEC = ROOT / "configs" / "chapter" / "fashion_random_search.yaml"


BEGAN = time.monotonic()


def search_by_hand(results_path: Path) -> None:
    """Train the model of each trial that has no score yet with Keras; record the score and the seconds."""
    results = json.loads(results_path.read_text())
    import keras

    (x, y), _ = keras.datasets.fashion_mnist.load_data()
    x_train, y_train, x_valid, y_valid = x[:-5000] / 255.0, y[:-5000], x[-5000:] / 255.0, y[-5000:]
    by_hand = results.setdefault("by_hand", {"start": time.monotonic() - BEGAN, "trials": []})
    for trial in results["trials"][len(by_hand["trials"]) :]:
        began, values = time.monotonic(), trial["values"]
        keras.utils.set_random_seed(42)
        model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten()])
        for _ in range(values["n_hidden"]):
            model.add(keras.layers.Dense(values["n_neurons"], activation="relu"))
        model.add(keras.layers.Dense(10, activation="softmax"))
        optimizer = getattr(keras.optimizers, values["optimizer"])(values["learning_rate"])
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        validation = (x_valid, y_valid)
        history = model.fit(x_train, y_train, epochs=results["epochs"], validation_data=validation, verbose=0)
        score = max(history.history["val_accuracy"])
        by_hand["trials"].append({"score": score, "seconds": time.monotonic() - began})
        results_path.write_text(json.dumps(results))


def timed(command: list[str]) -> tuple[float, str]:
    """Run a command; return its seconds and its stdout."""
    began = time.monotonic()
    env = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=env)
    return time.monotonic() - began, done.stdout


def time_ours(chosen: argparse.Namespace) -> dict[str, Any]:
    """Run the search with `mlpcli tune`; return its trials, their number of epochs, and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mlpcli", "tune", str(SPEC), "--runs-dir", folder, "--json"]
        command += ["--trials", str(chosen.trials), "--workers", str(chosen.workers)]
        command += ["--set", f"fit.epochs={chosen.epochs}", "--set", "tuner.promote=0"]
        seconds, text = timed(command)
    return {"epochs": chosen.epochs, "trials": json.loads(text)["trials"], "seconds": seconds}


def show(results: dict[str, Any]) -> None:
    """Print both sides as a Markdown table."""
    by_hand = results.get("by_hand", {"start": 0.0, "trials": []})
    theirs = by_hand["trials"] + [{}] * (len(results["trials"]) - len(by_hand["trials"]))
    print("| trial | mlpcli | seconds | script | seconds |\n|---|---|---|---|---|")
    for ours, other in zip(results["trials"], theirs, strict=True):
        shown = ", ".join(
            f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in ours["values"].items()
        )
        print(f"| {shown} | {ours['score']:.4f} | {ours['seconds']:.1f} | {_shown(other)} |")
    best, seconds = max(trial["score"] for trial in results["trials"]), results["seconds"]
    if not all(theirs):
        print(f"| best score, total time | {best:.4f} | {seconds:.1f} | | |", flush=True)
        return
    other_best = max(trial["score"] for trial in theirs)
    other_seconds = by_hand["start"] + sum(trial["seconds"] for trial in theirs)
    print(f"| best score, total time | {best:.4f} | {seconds:.1f} | {other_best:.4f} | {other_seconds:.1f} |")
    print(f"\nmlpcli takes {seconds / other_seconds:.2f} of the time", flush=True)


def _shown(trial: dict[str, float]) -> str:
    return f"{trial['score']:.4f} | {trial['seconds']:.1f}" if trial else "|"


def main() -> None:
    """Time both and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1, help="of mlpcli; the script has one")
    parser.add_argument("--only", choices=["mlpcli", "by-hand"], help="time one side, with --results")
    parser.add_argument("--results", type=Path, help="a JSON file with the trials, shared by both sides")
    parser.add_argument("--by-hand-into", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.by_hand_into:
        search_by_hand(chosen.by_hand_into)
        return
    if chosen.only and not chosen.results:
        parser.error("--only needs --results FILE")
    with tempfile.TemporaryDirectory() as folder:
        path = chosen.results or Path(folder) / "results.json"
        if chosen.only != "by-hand":
            path.write_text(json.dumps(time_ours(chosen)))
        if chosen.only != "mlpcli":
            timed([sys.executable, __file__, "--by-hand-into", str(path)])
        show(json.loads(path.read_text()))


if __name__ == "__main__":
    main()
