"""Time an epoch of many kinds of networks: mlpcli's own choice of engine against Keras's `model.fit`.

    python scripts/bench_train.py --layers [--only NAME ...] [--epochs 7]

Both train equal networks on the same 3,610 random rows at batch size 32, one epoch of each in turn, in one
process; the first epoch of each is dropped. Prints a Markdown table of medians: milliseconds of an epoch,
and Keras's over mlpcli's, by the clock and by the processor's time, which other programs disturb less.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

ROWS, BATCH, CLASSES = 3610, 32, 10


@dataclass(frozen=True)
class Network:
    """The shape of a row, the hidden layers, and the number of words where the rows are words."""

    shape: tuple[int, ...]
    hidden: Callable[[Any], list[Any]]
    words: int = 0


IMAGE, SERIES, SIGNAL = (28, 28, 1), (28, 28), (128, 4)


def networks() -> dict[str, Network]:
    """Return the networks by name; each function receives `keras.layers`."""
    return {
        "dense 300-100": Network((784,), lambda kl: [relu(kl, 300), relu(kl, 100)]),
        "wide 2048": Network((784,), lambda kl: [relu(kl, 2048)]),
        "tiny 8": Network((8,), lambda kl: [relu(kl, 8)]),
        "layer normalization": Network(
            (64,), lambda kl: [relu(kl, 128), kl.LayerNormalization(), relu(kl, 64), kl.LayerNormalization()]
        ),
        "batch normalization": Network(
            (64,), lambda kl: [relu(kl, 128), kl.BatchNormalization(), relu(kl, 64), kl.BatchNormalization()]
        ),
        "dropout": Network((784,), lambda kl: [kl.Dropout(0.2), relu(kl, 300), kl.Dropout(0.5)]),
        "Gaussian noise": Network((784,), lambda kl: [kl.GaussianNoise(0.1), relu(kl, 300)]),
        "embedding": Network(
            (20,), lambda kl: [kl.Embedding(1000, 32), kl.GlobalAveragePooling1D(), relu(kl, 32)], words=1000
        ),
        "attention": Network((16, 32), lambda kl: [attention(kl), kl.GlobalAveragePooling1D()]),
        "SimpleRNN": Network(SERIES, lambda kl: [kl.SimpleRNN(64)]),
        "GRU": Network(SERIES, lambda kl: [kl.GRU(64)]),
        "LSTM": Network(SERIES, lambda kl: [kl.LSTM(64)]),
        "Conv1D": Network(
            SIGNAL,
            lambda kl: [
                kl.Conv1D(32, 5, activation="relu"),
                kl.MaxPooling1D(),
                kl.Conv1D(64, 5, activation="relu"),
                kl.GlobalAveragePooling1D(),
            ],
        ),
        "Conv2D": Network(
            IMAGE,
            lambda kl: [
                kl.Conv2D(16, 3, activation="relu"),
                kl.MaxPooling2D(),
                kl.Conv2D(32, 3, activation="relu"),
                kl.MaxPooling2D(),
                kl.Flatten(),
            ],
        ),
        "Conv2D, batch normalization": Network(
            IMAGE,
            lambda kl: [
                kl.Conv2D(16, 3),
                kl.BatchNormalization(),
                kl.ReLU(),
                kl.MaxPooling2D(),
                kl.Flatten(),
            ],
        ),
        "separable convolution": Network(
            IMAGE,
            lambda kl: [
                kl.SeparableConv2D(16, 3, activation="relu"),
                kl.MaxPooling2D(),
                kl.SeparableConv2D(32, 3, activation="relu"),
                kl.GlobalAveragePooling2D(),
            ],
        ),
        "random augmentation": Network(
            IMAGE,
            lambda kl: [
                kl.RandomFlip("horizontal"),
                kl.RandomRotation(0.1),
                kl.RandomZoom(0.1),
                kl.Flatten(),
                relu(kl, 64),
            ],
        ),
    }


def relu(layers: Any, units: int) -> Any:
    """Return a dense layer."""
    return layers.Dense(units, activation="relu")


def attention(layers: Any) -> Any:
    """Return a block of self-attention with a residual connection and a normalization."""
    import keras

    given = keras.Input((16, 32))
    return keras.Model(
        given, layers.LayerNormalization()(given + layers.MultiHeadAttention(4, 8)(given, given))
    )


def build(network: Network) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return the compiled model and its random rows."""
    import keras

    keras.utils.set_random_seed(0)
    kind = "int32" if network.words else "float32"
    stack = [*network.hidden(keras.layers), keras.layers.Dense(CLASSES, activation="softmax")]
    model = keras.Sequential([keras.Input(network.shape, dtype=kind), *stack])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    random, size = np.random.default_rng(0), (ROWS, *network.shape)
    x = random.integers(0, network.words, size) if network.words else random.normal(size=size)
    return model, x.astype(kind), random.integers(0, CLASSES, ROWS)


@dataclass
class Times:
    """Seconds of each epoch, by the clock and of the processor."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def median(self) -> tuple[float, float]:
        """Return the medians after the first epoch."""
        return statistics.median(self.wall[1:]), statistics.median(self.processor[1:])


def clock(times: Times, then: Callable[[int], None] = lambda epoch: None) -> Any:
    """Return a Keras callback that times every epoch, and then calls a function, which is not timed."""
    import keras

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.begin = time.perf_counter(), time.process_time()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            times.wall.append(time.perf_counter() - self.begin[0])
            times.processor.append(time.process_time() - self.begin[1])
            then(epoch)

    return Clock()


def compare(network: Network, epochs: int) -> tuple[str, Times, Times]:
    """Train with mlpcli's engine and Keras's `fit`, epoch by epoch in turn; return the engine and times."""
    from mlpcli.training import compiled
    from mlpcli.training.engine import COMPILED, KERAS, choose_engine

    (ours, x, y), (stock, _, _) = build(network), build(network)
    mine, theirs = Times(), Times()
    watch = clock(theirs)

    def fit_stock(epoch: int) -> None:
        stock.fit(x, y, batch_size=BATCH, initial_epoch=epoch, epochs=epoch + 1, verbose=0, callbacks=[watch])

    data, choice = compiled.Arrays(x, y), choose_engine(ours, "auto")
    while choice.name != KERAS:
        loop = compiled.QUICK_XLA if choice.name == COMPILED else compiled.GRAPH
        both = [clock(mine, fit_stock)]
        try:
            how = compiled.FitSettings(
                epochs=epochs, batch_size=BATCH, shuffle=True, seed=0, loop=loop, callbacks=both
            )
            compiled.fit(ours, data, how)
            return choice.name, mine, theirs
        except compiled.CannotCompile as error:
            choice = choice.instead(str(error))
    raise SystemExit(f"no loop of mlpcli's runs it: {choice.reason}")


def run(only: Sequence[str], epochs: int) -> None:
    """Print the table."""
    import keras

    found = {name: each for name, each in networks().items() if not only or name in only}
    if not found:
        raise SystemExit(f"--only takes {', '.join(networks())}")
    print("| network | engine | ms | `model.fit` ms | times | times, processor |\n|---|---|---|---|---|---|")
    for name, network in found.items():
        keras.backend.clear_session()
        engine, mine, theirs = compare(network, epochs)
        (ours, our_cpu), (stock, stock_cpu) = mine.median(), theirs.median()
        times = f"{stock / ours:.2f} | {stock_cpu / our_cpu:.2f}"
        print(f"| {name} | {engine} | {1000 * ours:.1f} | {1000 * stock:.1f} | {times} |", flush=True)
    print(f"\n{ROWS} rows, batch {BATCH}, medians of {epochs - 1} epochs", file=sys.stderr)
