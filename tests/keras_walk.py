"""Make and build every class that a spec may name, and report what each opens, runs, imports or connects to.

Run by test_foreign_code.py as a program of its own, since an audit hook cannot be taken off again:
`python -m tests.keras_walk FOLDER`. FOLDER has a file `bait.txt`, whose path every argument is given once.
Prints a JSON object: `seen`, what happened by class; `not_built`, with what Keras said; `made`, how many.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EVENTS = (
    *("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.remove", "os.rename", "os.mkdir", "os.rmdir"),
    *("os.listdir", "os.scandir", "os.chmod", "os.link", "os.symlink", "os.truncate", "shutil.rmtree"),
    *("shutil.copyfile", "subprocess.Popen", "socket.connect", "socket.bind", "socket.getaddrinfo"),
    *("pickle.find_class", "urllib.Request", "ctypes.dlopen"),
)
CODE_WRITERS = ("collections/__init__.py", "dataclasses.py", "enum.py")
"""Of Python's own modules, those that write the methods of a class as text."""

FOREIGN = ("torch", "jax", "flax", "orbax", "subprocess", "requests", "pickle", "tensorflow_hub")

LAYER = {"Dense": {"units": 3}}
CELL = {"LSTMCell": {"units": 3}}
SAMPLES: dict[str, Any] = {
    **{"units": 3, "filters": 2, "rate": 0.1, "kernel_size": 2, "pool_size": 2, "output_size": 2, "size": 2},
    **{"num_heads": 2, "num_query_heads": 2, "num_key_value_heads": 1, "key_dim": 2, "head_dim": 2},
    **{"input_dim": 9, "output_dim": 3, "num_tokens": 4, "num_bins": 3, "axes": -1, "n": 2, "dims": [2, 1]},
    **{"target_shape": [-1, 1], "height": 4, "width": 4, "scale": 2.0, "factor": 0.2, "stddev": 0.1},
    **{"height_factor": 0.1, "cropping": 1, "layer": LAYER, "cell": CELL, "cells": [CELL], "layers": [LAYER]},
    **{"equation": "ab,bc->ac", "output_shape": 3, "recall": 0.5, "precision": 0.5, "specificity": 0.5},
    **{"sensitivity": 0.5, "num_classes": 3, "target_class_ids": [0], "threshold": 0.5, "name": "x"},
    **{"activation": "relu", "initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.9, "steps": 3},
    **{"first_decay_steps": 3, "boundaries": [2], "values": [0.1, 0.2], "to": 0.1, "inner_optimizer": "sgd"},
    **{"initial": 0.1, "peak": 0.1, "training_steps": 3},
    **{"learning_rate": 0.1, "mean": 0.0, "variance": 1.0, "pattern": [1], "max_value": 1.0, "k": 1},
    **{
        "default_optimizer": {"SGD": {}},
        "optimizer_map": {"OptimizerMap": {"default_optimizer": {"SGD": {}}}},
    },
    **{
        "bin_boundaries": [0.0, 1.0],
        "sequence_stride": 1,
        "num_oov_indices": 1,
        "window_size": 1,
        "count": 2,
    },
}
OF_CLASS: dict[str, dict[str, Any]] = {
    "RNN": {"cell": CELL},
    "Bidirectional": {"layer": {"LSTM": {"units": 3}}},
    "TimeDistributed": {"layer": LAYER},
    "SpectralNormalization": {"layer": LAYER},
    "Hashing": {"num_bins": 3},
    "HashedCrossing": {"num_bins": 3},
    "StringLookup": {"vocabulary": ["a", "b"]},
    "IntegerLookup": {"vocabulary": [1, 2]},
    "TextVectorization": {"vocabulary": ["a", "b"]},
    "Discretization": {"num_bins": 3},
    "CategoryEncoding": {"num_tokens": 4},
    "GroupNormalization": {"groups": 2},
    "MaxNumBoundingBoxes": {"max_number": 2},
    "RandomPosterization": {"factor": 2},
    "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
    "STFTSpectrogram": {"mode": "log", "frame_length": 16, "frame_step": 8, "fft_length": 16},
    "LossScaleOptimizer": {"inner_optimizer": {"SGD": {}}},
    "ModelCheckpoint": {"filepath": "x.keras"},
    "CSVLogger": {"filename": "x.csv"},
    "BackupAndRestore": {"backup_dir": "x"},
    "Permute": {"dims": [2, 1]},
    "LearningRateScheduler": {"schedule": {"ExponentialDecay": {
        "initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.9}}},
}  # fmt: skip


class Watch:
    """Records what happens between two calls of `take`: in Python by its audit hook, below it by inotify."""

    def __init__(self, folder: Path) -> None:
        self.seen: set[str] = set()
        self.on = False
        self.homes = (
            sys.prefix,
            sys.base_prefix,
            str(Path(__file__).parents[1]),
            "/usr/lib",
            "/proc",
            "/sys",
        )
        libc = ctypes.CDLL(None, use_errno=True)
        self.notes = libc.inotify_init1(os.O_NONBLOCK)
        anything = 0x00000FFF
        for path in (folder, folder / "bait.txt"):
            assert libc.inotify_add_watch(self.notes, str(path).encode(), anything) >= 0
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = flags & (os.O_WRONLY | os.O_RDWR) if isinstance(flags, int) else False
            if writes or not str(path).startswith(self.homes):
                self.seen.add(f"open {path} {mode}")
        elif event == "import" and str(arguments[0]).split(".")[0] in FOREIGN:
            self.seen.add(f"import {arguments[0]}")
        elif event == "exec":
            file = getattr(arguments[0], "co_filename", "<text>")
            caller = sys._getframe(1).f_code.co_filename
            made_by_python = file == "<string>" and caller.endswith(CODE_WRITERS)
            if not made_by_python and not file.startswith(("<frozen", *self.homes)):
                self.seen.add(f"exec {file}")
        elif event in EVENTS and not (event in ("os.listdir", "os.scandir") and self._is_home(arguments[0])):
            self.seen.add(f"{event} {arguments}")

    def _is_home(self, path: Any) -> bool:
        return str(path).startswith(self.homes)

    def take(self) -> list[str]:
        """What was seen since the last call."""
        found = sorted(self.seen)
        self.seen.clear()
        try:
            raw = os.read(self.notes, 65536)
        except BlockingIOError:
            return found
        while raw:
            _, mask, _, length = struct.unpack_from("iIII", raw)
            found.append(f"inotify {mask:#x}")
            raw = raw[16 + length :]
        return found


def accepted(namespace: str, class_name: str, arguments: dict[str, Any]) -> bool:
    """Whether a spec may say this, as far as can be told before anything is made."""
    from mlpcli.spec.components import check_components
    from mlpcli.spec.keras_roles import is_cell, is_map

    part: dict[str, Any] = {class_name: arguments}
    if namespace == "layers" and is_cell(class_name):
        part = {"RNN": {"cell": part}}
    if is_map(namespace, class_name):
        part = {"MultiOptimizer": {"optimizer_map": part}}
    top: dict[str, dict[str, Any]] = {
        "layers": {"layers": [part]},
        "losses": {"loss": part},
        "metrics": {"metrics": [part]},
        "optimizers": {"optimizer": part},
        "callbacks": {"callbacks": [part]},
        "optimizers.schedules": {"optimizer": {"SGD": {"learning_rate": part}}},
        "initializers": {"layers": [{"Dense": {"units": 1, "kernel_initializer": part}}]},
        "regularizers": {"layers": [{"Dense": {"units": 1, "kernel_regularizer": part}}]},
        "constraints": {"layers": [{"Dense": {"units": 1, "kernel_constraint": part}}]},
    }
    return not check_components(top[namespace])


def sample(namespace: str, class_name: str) -> dict[str, Any]:
    """Arguments with which Keras makes a class."""
    from mlpcli.spec import keras_signatures

    required = keras_signatures.signature(namespace, class_name).required
    return {name: SAMPLES[name] for name in required if name in SAMPLES} | OF_CLASS.get(class_name, {})


def build(namespace: str, made: Any) -> Iterator[Any]:
    """Ways to build or to call an object, the likeliest first, as functions."""
    import keras
    import numpy as np

    ones = np.ones((3, 4), "float32")
    if namespace == "layers":
        texts = keras.Input((2,), dtype="string")
        yield from (
            (lambda s=s: made(keras.Input(s)))
            for s in ((4,), (6, 4), (8, 8, 3), (4, 8, 8, 3), (2, 8, 8, 8, 3))
        )
        yield from ((lambda s=s: made([keras.Input(s), keras.Input(s)])) for s in ((4,), (4, 3)))
        yield lambda: made(keras.Input((6, 4)), keras.Input((6, 4)))
        yield lambda: made(keras.Input((6, 4)), [keras.ops.zeros((1, 3))] * 2)
        yield lambda: made(keras.Input((4,)), [keras.Input((3,)), keras.Input((3,))])
        yield lambda: made(keras.Input((4,)), [keras.Input((3,))])
        yield lambda: made(keras.Input((8, 8, 3)), [keras.Input((8, 8, 2)), keras.Input((8, 8, 2))])
        yield lambda: made(keras.Input((64, 1)))
        yield lambda: made(keras.ops.zeros((1, 4)), [keras.ops.zeros((1, 3))] * 2)
        yield lambda: made(keras.ops.zeros((1, 4)), [[keras.ops.zeros((1, 3))] * 2])
        yield lambda: made(texts)
        yield lambda: made(keras.Input((1,), dtype="string"))
        yield lambda: made(keras.Input((4,), dtype="int32"))
        yield lambda: made((keras.Input((1,), dtype="string"), keras.Input((1,), dtype="string")))
        yield lambda: made({"images": np.ones((2, 8, 8, 3), "float32"), "labels": np.eye(2, dtype="float32")})
        yield lambda: made(np.ones((2, 8, 8, 3), "float32"))
        yield lambda: made(np.ones((2, 400), "float32"))
    elif namespace in ("losses", "metrics"):
        yield lambda: made(ones, ones)
        yield lambda: made(ones)
        yield lambda: made(np.array([0, 1, 2]), ones[:, :3])
        yield lambda: made(np.array([0, 1, 1]), np.array([0, 1, 1]))
        yield lambda: made(ones[:, 0], ones[:, 0])
        yield lambda: made(np.array([[1, 2]]), np.ones((1, 5, 4), "float32"))
    elif namespace == "optimizers":
        yield lambda: made.build([keras.Variable(ones)])
        yield lambda: made["x"]
    elif namespace == "optimizers.schedules":
        yield lambda: made(1)
    elif namespace == "initializers":
        yield from ((lambda s=s: made(s)) for s in ((4, 4), (2, 3, 3), (3,)))
        yield lambda: made((2, 1, 4), dtype="float32")
    elif namespace == "callbacks":
        yield lambda: made.set_params({"epochs": 1, "verbose": 0})
    else:
        yield lambda: made(keras.Variable(ones))


def walk(folder: Path) -> dict[str, Any]:
    """Every class of every kind; see the module."""
    import mlpcli.runs  # before the watch: pydantic evaluates the annotations of our models
    import mlpcli.spec.schema  # noqa: F401
    from mlpcli.spec import keras_signatures
    from mlpcli.spec.component_rules import forbidden

    result: dict[str, Any] = {"seen": {}, "not_built": {}, "made": 0}
    watch = Watch(folder)
    bait = str(folder / "bait.txt")
    for namespace in keras_signatures.NAMESPACES:
        for name in keras_signatures.class_names(namespace):
            if forbidden(namespace, name):
                continue
            label = f"{namespace}.{name}"
            result["made"] += 1
            watch.take()
            watch.on = True
            if error := _walk_class(namespace, name, bait):
                result["not_built"][label] = error
            watch.on = False
            if found := watch.take():
                result["seen"][label] = found
    return result


def _walk_class(namespace: str, name: str, bait: str) -> str:
    """Make and build a class as it should be, then with a path for each argument; why it cannot be built."""
    from mlpcli.model.components import make_instance
    from mlpcli.spec import keras_signatures

    given = sample(namespace, name)
    way, error = _first_way(namespace, name, given)
    for argument in keras_signatures.signature(namespace, name).names:
        for value in (bait, [bait]):
            tried = given | {argument: value}
            if accepted(namespace, name, tried):
                with contextlib.suppress(Exception):
                    made = make_instance(namespace, name, tried, ())
                    _learn(made)
                    list(build(namespace, made))[way]()
    return error


def _learn(made: Any) -> None:
    """Let a layer learn from rows, where it can."""
    import numpy as np

    for rows in (np.ones((3, 4), "float32"), np.array([["a"], ["b"]]), np.array([[1], [2]])):
        with contextlib.suppress(Exception):
            made.adapt(rows)


def _first_way(namespace: str, name: str, given: dict[str, Any]) -> tuple[int, str]:
    """Which way of building a class goes well, and an empty text; else 0, and what the first one said."""
    from mlpcli.model.components import make_instance

    if not accepted(namespace, name, given):
        return 0, "no spec may say this"
    first = ""
    for way in range(len(list(build(namespace, None)))):
        try:
            made = make_instance(namespace, name, given, ())
            list(build(namespace, made))[way]()
        except Exception as error:
            first = first or f"{type(error).__name__}: {error}"
        else:
            _learn(made)
            return way, ""
    return 0, first


if __name__ == "__main__":
    from mlpcli.keras_import import import_keras

    import_keras()
    import scipy.signal  # noqa: F401 - Keras imports it when a window is asked for

    sys.stdout.write(json.dumps(walk(Path(sys.argv[1]))))
