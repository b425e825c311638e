"""Time the chapter's random search: `mlpcli tune` beside the same search by hand with stock `model.fit`.

    KERAS_HOME=... python scripts/bench_tune.py [--trials 5] [--epochs 10] [--workers 1]
    python scripts/bench_tune.py --only mlpcli --results tune.json     # one side after the other, another day
    python scripts/bench_tune.py --only by-hand --results tune.json

Both run in fresh processes, one after the other, and are timed from start to end, imports and data included.
`mlpcli tune` searches configs/chapter/fashion_random_search.yaml (0 to 8 hidden layers, 16 to 256 units,
learning rate 1e-4 to 1e-2, SGD or Adam), without training the best again, which a script by hand would not
do either. The script by hand then builds the very models of those trials with Keras and calls `fit`; it is
spared the choosing. KERAS_HOME holds Fashion MNIST. Run it on a quiet machine.
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


def search_by_hand(trials: list[dict[str, Any]], epochs: int) -> list[float]:
    """Train each trial's model with stock `fit`; returns the best validation accuracy of each."""
    import keras

    (x, y), _ = keras.datasets.fashion_mnist.load_data()
    x_train, y_train, x_valid, y_valid = x[:-5000] / 255.0, y[:-5000], x[-5000:] / 255.0, y[-5000:]
    scores = []
    for values in trials:
        keras.utils.set_random_seed(42)
        model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten()])
        for _ in range(values["n_hidden"]):
            model.add(keras.layers.Dense(values["n_neurons"], activation="relu"))
        model.add(keras.layers.Dense(10, activation="softmax"))
        optimizer = getattr(keras.optimizers, values["optimizer"])(values["learning_rate"])
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(x_train, y_train, epochs=epochs, validation_data=(x_valid, y_valid), verbose=0)
        scores.append(max(history.history["val_accuracy"]))
    return scores


def timed(command: list[str]) -> tuple[float, str]:
    """Run a command; returns its seconds and what it wrote on stdout."""
    began = time.monotonic()
    env = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=env)
    return time.monotonic() - began, done.stdout


def time_ours(chosen: argparse.Namespace) -> dict[str, Any]:
    """Run the search with `mlpcli tune`; its trials, how many epochs they had, and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mlpcli", "tune", str(SPEC), "--runs-dir", folder, "--json"]
        command += ["--trials", str(chosen.trials), "--workers", str(chosen.workers)]
        command += ["--set", f"fit.epochs={chosen.epochs}", "--set", "tuner.promote=0"]
        seconds, text = timed(command)
    return {"epochs": chosen.epochs, "trials": json.loads(text)["trials"], "ours": seconds}


def time_theirs(results: dict[str, Any]) -> dict[str, Any]:
    """Train the models of those trials by hand; the results with scores and seconds."""
    values = json.dumps([{"n_neurons": 0, **trial["values"]} for trial in results["trials"]])
    command = [sys.executable, __file__, "--epochs", str(results["epochs"]), "--values", values]
    seconds, text = timed(command)
    return results | {"scores": json.loads(text.splitlines()[-1]), "theirs": seconds}


def show(results: dict[str, Any]) -> None:
    """Print both sides as a Markdown table."""
    print("| trial | mlpcli | by hand |\n|---|---|---|")
    scores = results.get("scores", ["" for _ in results["trials"]])
    for trial, score in zip(results["trials"], scores, strict=True):
        shown = ", ".join(
            f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in trial["values"].items()
        )
        print(f"| {shown} | {trial['score']:.4f} | {score:{'.4f' if score else ''}} |")
    best = max(trial["score"] for trial in results["trials"])
    print(f"| best validation accuracy | {best:.4f} | {max(scores):{'.4f' if scores[0] else ''}} |")
    if "theirs" in results:
        print(f"| seconds, start to end | {results['ours']:.1f} | {results['theirs']:.1f} |")
        print(f"mlpcli takes {results['ours'] / results['theirs']:.2f} of the time", flush=True)
    else:
        print(f"| seconds, start to end | {results['ours']:.1f} | |", flush=True)


def main() -> None:
    """Time both and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1, help="of mlpcli; the script by hand has one")
    parser.add_argument("--only", choices=["mlpcli", "by-hand"], help="time one side, with --results")
    parser.add_argument("--results", type=Path, help="a JSON file that carries the trials between the sides")
    parser.add_argument("--values", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.values:
        print(json.dumps(search_by_hand(json.loads(chosen.values), chosen.epochs)))
        return
    if chosen.only and not chosen.results:
        parser.error("--only needs --results FILE")
    results = json.loads(chosen.results.read_text()) if chosen.only == "by-hand" else time_ours(chosen)
    if chosen.only != "mlpcli":
        results = time_theirs(results)
    if chosen.results:
        chosen.results.write_text(json.dumps(results))
    show(results)


if __name__ == "__main__":
    main()
