"""Time training epochs: mlpcli's compiled loop, Keras, scikit-learn, PyTorch, JAX and NumPy.

    KERAS_HOME=... MLPCLI_TEST_DATA=... python scripts/bench_train.py [--quick]
    python scripts/bench_train.py --layers [--only NAME ...]     see bench_layers.py

Every contender runs in turn, each in a fresh process, on the same rows and the same network. A
figure is the median of five epochs after the first, in seconds. `numpy` multiplies the matrices
of a training step and does nothing else: the floor. KERAS_HOME holds Fashion MNIST,
MLPCLI_TEST_DATA the file california_housing.csv; a task whose data is missing is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

EPOCHS = 6  # the first one warms up


@dataclass(frozen=True)
class Task:
    """One network on one table. `widths` are the hidden layers; `classes` is 0 for regression."""

    name: str
    data: str
    widths: tuple[int, ...]
    classes: int
    optimizer: str
    batch: int = 32
    rows: int = 0  # 0 for all of them; more than there are repeats them
    epochs: int = EPOCHS

    @property
    def rate(self) -> float:
        """Learning rate: Keras's default for the optimizer."""
        return 0.01 if self.optimizer == "sgd" else 0.001


FASHION = Task("fashion 300-100 sgd", "fashion", (300, 100), 10, "sgd")
HOUSING = Task("housing 50-50-50 adam", "housing", (50, 50, 50), 0, "adam")


def load_rows(task: Task, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return x: (rows, features) float32 and y: (rows,) int64 or float32."""
    x, y = np.load(folder / f"{task.data}_x.npy"), np.load(folder / f"{task.data}_y.npy")
    if task.rows:
        rows = np.arange(task.rows) % len(x)
        x, y = x[rows], y[rows]
    return x, y


# Contenders: each yields the seconds of one epoch after another.


def keras_model(task: Task, features: int, **compile_args: Any) -> Any:
    """Return the task's network as a compiled Keras model."""
    import keras

    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(width, activation="relu") for width in task.widths]
    head = keras.layers.Dense(task.classes or 1, activation="softmax" if task.classes else None)
    model = keras.Sequential([keras.Input((features,)), *hidden, head])
    optimizer = (
        keras.optimizers.SGD(task.rate) if task.optimizer == "sgd" else keras.optimizers.Adam(task.rate)
    )
    loss, metric = ("sparse_categorical_crossentropy", "accuracy") if task.classes else ("mse", "mae")
    model.compile(optimizer, loss, metrics=[metric], **compile_args)
    return model


def epoch_clock() -> Any:
    """Return a Keras callback that notes the seconds of every epoch."""
    import keras

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds.append(time.perf_counter() - self.began)

    return Clock()


def run_mlpcli(task: Task, x: np.ndarray, y: np.ndarray) -> Iterator[float]:
    """Train in the compiled loop."""
    from mlpcli.training import compiled

    clock = epoch_clock()
    how = compiled.FitSettings(
        epochs=task.epochs, batch_size=task.batch, shuffle=True, seed=0, callbacks=[clock]
    )
    compiled.fit(keras_model(task, x.shape[1]), compiled.Arrays(x, y), how)
    yield from clock.seconds


def run_keras(task: Task, x: np.ndarray, y: np.ndarray) -> Iterator[float]:
    """Train with `model.fit` on arrays."""
    clock = epoch_clock()
    model = keras_model(task, x.shape[1])
    model.fit(x, y, epochs=task.epochs, batch_size=task.batch, verbose=0, callbacks=[clock])
    yield from clock.seconds


def run_keras_64_steps(task: Task, x: np.ndarray, y: np.ndarray) -> Iterator[float]:
    """Train with `model.fit` on tf.data, 64 steps a call."""
    import tensorflow as tf

    clock = epoch_clock()
    model = keras_model(task, x.shape[1], steps_per_execution=64)
    rows = tf.data.Dataset.from_tensor_slices((x, y)).cache().shuffle(len(x))
    rows = rows.batch(task.batch).prefetch(tf.data.AUTOTUNE)
    model.fit(rows, epochs=task.epochs, verbose=0, callbacks=[clock])
    yield from clock.seconds


def run_sklearn(task: Task, x: np.ndarray, y: np.ndarray) -> Iterator[float]:
    """Train scikit-learn's own network."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    settings = {
        "hidden_layer_sizes": task.widths,
        "solver": task.optimizer,
        "learning_rate_init": task.rate,
        "batch_size": task.batch,
        "alpha": 0.0,
    }
    settings |= {"momentum": 0.0, "nesterovs_momentum": False} if task.optimizer == "sgd" else {}
    model = MLPClassifier(**settings) if task.classes else MLPRegressor(**settings)
    more = {"classes": np.arange(task.classes)} if task.classes else {}
    for _ in range(task.epochs):
        began = time.perf_counter()
        model.partial_fit(x, y, **more)
        yield time.perf_counter() - began


def run_numpy(task: Task, x: np.ndarray, y: np.ndarray) -> Iterator[float]:
    """Multiply the matrices of every step: forward, gradients of weights, gradients of activations."""
    random = np.random.default_rng(0)
    sizes = [x.shape[1], *task.widths, task.classes or 1]
    weights = [random.normal(size=pair).astype("float32") for pair in itertools.pairwise(sizes)]
    signals = [random.normal(size=(task.batch, size)).astype("float32") for size in sizes]
    last = len(weights) - 1
    for _ in range(task.epochs):
        began = time.perf_counter()
        for start in range(0, len(x), task.batch):
            value = x[start : start + task.batch]
            count = len(value)
            for layer, weight in enumerate(weights):
                _ = (value if layer == 0 else signals[layer][:count]) @ weight
            for layer in range(last, -1, -1):
                before = value if layer == 0 else signals[layer][:count]
                _ = before.T @ signals[layer + 1][:count]
                if layer:
                    _ = signals[layer + 1][:count] @ weights[layer].T
        yield time.perf_counter() - began


def run_torch(task: Task, x: np.ndarray, y: np.ndarray) -> Iterator[float]:
    """Train with a plain PyTorch loop."""
    import torch

    torch.manual_seed(0)
    sizes = [x.shape[1], *task.widths]
    hidden: list[Any] = []
    for one, other in itertools.pairwise(sizes):
        hidden += [torch.nn.Linear(one, other), torch.nn.ReLU()]
    model = torch.nn.Sequential(*hidden, torch.nn.Linear(sizes[-1], task.classes or 1))
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    optimizer = kinds[task.optimizer](model.parameters(), lr=task.rate)
    loss = torch.nn.CrossEntropyLoss() if task.classes else torch.nn.MSELoss()
    rows, targets = torch.from_numpy(x), torch.from_numpy(y if task.classes else y[:, None])
    for _ in range(task.epochs):
        began = time.perf_counter()
        order = torch.randperm(len(x))
        for start in range(0, len(x), task.batch):
            batch = order[start : start + task.batch]
            optimizer.zero_grad()
            loss(model(rows[batch]), targets[batch]).backward()
            optimizer.step()
        yield time.perf_counter() - began


def run_jax(task: Task, x: np.ndarray, y: np.ndarray) -> Iterator[float]:
    """Train a jitted scan over the batches of an epoch."""
    import jax
    import jax.numpy as jnp

    sizes = [x.shape[1], *task.widths, task.classes or 1]
    random = np.random.default_rng(0)
    pairs = list(itertools.pairwise(sizes))
    weights = [
        (jnp.asarray(random.normal(size=p) * p[0] ** -0.5, jnp.float32), jnp.zeros(p[1])) for p in pairs
    ]
    zeros, more_zeros = (jax.tree.map(jnp.zeros_like, weights) for _ in range(2))  # each may be donated once
    state = (weights, zeros, more_zeros, jnp.zeros(()))
    steps = len(x) // task.batch
    rows, targets = jnp.asarray(x), jnp.asarray(y)

    def loss(weights: Any, value: Any, target: Any) -> Any:
        for weight, bias in weights[:-1]:
            value = jax.nn.relu(value @ weight + bias)
        value = value @ weights[-1][0] + weights[-1][1]
        if task.classes:
            return -jnp.mean(jax.nn.log_softmax(value)[jnp.arange(task.batch), target])
        return jnp.mean((value[:, 0] - target) ** 2)

    def step(state: Any, batch: Any) -> Any:
        weights, first, second, count = state
        slopes = jax.grad(loss)(weights, rows[batch], targets[batch])
        if task.optimizer == "sgd":
            return (jax.tree.map(lambda w, g: w - task.rate * g, weights, slopes), first, second, count), None
        count = count + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, slopes)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, slopes)
        rate = task.rate * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, first, second)
        return (weights, first, second, count), None

    epoch = jax.jit(lambda state, order: jax.lax.scan(step, state, order)[0], donate_argnums=0)
    for _ in range(task.epochs):
        began = time.perf_counter()
        order = random.permutation(len(x))[: steps * task.batch].reshape(steps, task.batch)
        state = jax.block_until_ready(epoch(state, jnp.asarray(order)))
        yield time.perf_counter() - began


CONTENDERS: dict[str, tuple[str, Callable[..., Iterator[float]]]] = {
    "mlpcli": ("keras", run_mlpcli),
    "keras fit": ("keras", run_keras),
    "keras fit, 64 steps": ("keras", run_keras_64_steps),
    "scikit-learn": ("sklearn", run_sklearn),
    "pytorch": ("torch", run_torch),
    "jax": ("jax", run_jax),
    "numpy": ("numpy", run_numpy),
}


def save_data(folder: Path) -> set[str]:
    """Write the tables as .npy files for the contenders; return the names of those available."""
    found = set()
    images = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "datasets/fashion-mnist"
    if images.is_dir():
        import keras

        (x, y), _ = keras.datasets.fashion_mnist.load_data()
        np.save(folder / "fashion_x.npy", x[:55000].reshape(55000, -1).astype("float32") / 255)
        np.save(folder / "fashion_y.npy", y[:55000].astype("int64"))
        found.add("fashion")
    table = Path(os.environ.get("MLPCLI_TEST_DATA", ".")) / "california_housing.csv"
    if table.is_file():
        rows = np.loadtxt(table, delimiter=",", skiprows=1, dtype="float32")[:11610]
        x = rows[:, :8]
        np.save(folder / "housing_x.npy", (x - x.mean(axis=0)) / x.std(axis=0))
        np.save(folder / "housing_y.npy", rows[:, 8].copy())
        found.add("housing")
    return found


def time_contender(name: str, task: Task, folder: Path) -> float:
    """Median seconds of an epoch after the first, in a fresh process."""
    command = [
        sys.executable,
        __file__,
        "--one",
        name,
        "--task",
        json.dumps(asdict(task)),
        "--data",
        str(folder),
    ]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed on {task.name}:\n{done.stderr[-2000:]}")
    seconds: list[float] = json.loads(done.stdout.splitlines()[-1])
    return statistics.median(seconds[1:])


def compare(task: Task, names: list[str], folder: Path) -> None:
    """Print a table of the contenders on one task."""
    seconds = {}
    for name in names:
        seconds[name] = time_contender(name, task, folder)
        print(f"  {name:22} {seconds[name]:9.4f} s", file=sys.stderr, flush=True)
    print(f"\n{task.name}, batch {task.batch}\n  {'':22} {'s/epoch':>9} {'x mlpcli':>9} {'x bound':>9}")
    for name, value in seconds.items():
        print(f"  {name:22} {value:9.4f} {value / seconds['mlpcli']:9.2f} {value / seconds['numpy']:9.2f}")
    sys.stdout.flush()


def growth(title: str, tasks: list[tuple[str, Task]], folder: Path) -> None:
    """Print how the times of mlpcli and of the lower bound grow."""
    print(f"\n{title}\n  {'':10} {'mlpcli':>9} {'x first':>9} {'numpy':>9} {'x bound':>9}")
    first = 0.0
    for label, task in tasks:
        ours, floor = time_contender("mlpcli", task, folder), time_contender("numpy", task, folder)
        first = first or ours
        print(f"  {label:10} {ours:9.4f} {ours / first:9.2f} {floor:9.4f} {ours / floor:9.2f}", flush=True)


def main() -> None:
    """Time one contender if a parent process asks for it; otherwise all of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="three epochs, batch 32, no growth tables")
    parser.add_argument("--only", action="append", metavar="NAME", help="run this contender; repeatable")
    parser.add_argument("--layers", action="store_true", help="a dozen kinds of layers against model.fit")
    parser.add_argument("--epochs", type=int, default=7, help="with --layers: epochs of each, one dropped")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.layers:
        from mlpcli.keras_import import import_keras
        from scripts import bench_layers

        import_keras()
        bench_layers.run(args.only or [], args.epochs)
        return
    if args.one:
        task = Task(**json.loads(args.task))
        task = replace(task, widths=tuple(task.widths))
        print(json.dumps(list(CONTENDERS[args.one][1](task, *load_rows(task, args.data)))))
        return
    names = [name for name, (module, _) in CONTENDERS.items() if importlib.util.find_spec(module)]
    if args.only:
        names = [name for name in names if name in {"mlpcli", "numpy", *args.only}]
    with tempfile.TemporaryDirectory() as folder:
        run_all(names, Path(folder), quick=args.quick)


def run_all(names: list[str], folder: Path, *, quick: bool) -> None:
    """Print every table."""
    found = save_data(folder)
    if not found:
        raise SystemExit("no data: set KERAS_HOME and MLPCLI_TEST_DATA")
    for task in (FASHION, HOUSING):
        for batch in (32,) if quick else (32, 256):
            if task.data in found:
                compare(replace(task, batch=batch, epochs=3 if quick else EPOCHS), names, folder)
    if quick:
        return
    if "housing" in found:
        longer = [(f"{times}x", replace(HOUSING, rows=11610 * times)) for times in (1, 4, 16)]
        growth("rows: housing 50-50-50 adam, batch 32", longer, folder)
    if "fashion" in found:
        widths = [
            (str(w), replace(FASHION, widths=(w, w), rows=8192)) for w in (64, 128, 256, 512, 1024, 2048)
        ]
        growth("width: 8192 rows of fashion, two hidden layers, batch 32", widths, folder)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    main()
