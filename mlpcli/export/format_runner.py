"""Load an exported file with its own runtime, compute some rows, and time calls; a program of its own.

Another interpreter runs this file, with neither mlpcli nor the process that exported in reach. It may import
nothing but the standard library, NumPy and the runtime.

The arguments are the format, the file, a .npz file with the rows of each input, and the path of the .npz file
to write: the results, by name, and under `seconds/1` and `seconds/1000` the median duration of a call with
one row and with a thousand.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable

import numpy as np

Feed = dict[str, "np.ndarray"]
Call = Callable[[Feed], Feed]

BATCH = 1000
CALLS, SECONDS = 30, 1.0
"""A call is timed at most so often, and for about so long."""


def open_onnx(path: str) -> Call:
    """Return a call of ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    taken = {each.name for each in session.get_inputs()}
    names = [each.name for each in session.get_outputs()]

    def call(feed: Feed) -> Feed:
        given = {
            name: values.astype(object) if values.dtype.kind == "U" else values
            for name, values in feed.items()
            if name in taken
        }
        return dict(zip(names, session.run(names, given), strict=True))

    return call


def open_litert(path: str) -> Call:
    """Return a call of LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=path).get_signature_runner("serving_default")
    taken = set(runner.get_input_details())

    def call(feed: Feed) -> Feed:
        found: Feed = runner(**{name: values for name, values in feed.items() if name in taken})
        return found

    return call


def open_openvino(path: str) -> Call:
    """Return a call of OpenVINO on a CPU, in float32."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # as in openvino_file.py: no usage data
    import openvino

    model = openvino.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    taken = {name for each in model.inputs for name in each.names}

    def call(feed: Feed) -> Feed:
        found = model({name: values for name, values in feed.items() if name in taken})
        return {each.any_name: np.array(found[each]) for each in model.outputs}

    return call


def open_saved_model(path: str) -> Call:
    """Return a call of the SavedModel's function `serving_default`."""
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    serve = loaded.signatures["serving_default"]

    def call(feed: Feed) -> Feed:
        return {name: values.numpy() for name, values in serve(**_tensors(feed)).items()}

    call.loaded = loaded  # type: ignore[attr-defined]  # its variables live as long as it does
    return call


def open_keras(path: str) -> Call:
    """Return a call of the model that Keras loads."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    model = keras.saving.load_model(path)

    def call(feed: Feed) -> Feed:
        tensors = _tensors(feed)
        found = model(tensors if isinstance(model.input, dict) else next(iter(tensors.values())))
        found = found if isinstance(found, dict) else {"": found}
        return {name: keras.ops.convert_to_numpy(values) for name, values in found.items()}

    return call


def _tensors(feed: Feed) -> dict[str, object]:
    import tensorflow as tf

    return {name: tf.constant(values) for name, values in feed.items()}


OPENERS = {
    "onnx": open_onnx,
    "litert": open_litert,
    "openvino": open_openvino,
    "saved_model": open_saved_model,
    "keras": open_keras,
}


def rows_of(feed: Feed, places: Iterable[int]) -> Feed:
    """Return some of the rows."""
    chosen = np.fromiter(places, np.int64)
    return {name: values[chosen] for name, values in feed.items()}


def median_seconds(call: Call, feed: Feed) -> float:
    """Return the median duration of a call, after one that is not counted."""
    call(feed)
    found: list[float] = []
    began = time.perf_counter()
    while len(found) < 3 or (len(found) < CALLS and time.perf_counter() - began < SECONDS):
        start = time.perf_counter()
        call(feed)
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def main(form: str, path: str, given: str, found: str, timed: str) -> None:
    """Compute the rows of a file and write the results."""
    with np.load(given, allow_pickle=False) as file:
        feed = {name: file[f"{place}"] for place, name in enumerate(json.loads(str(file["names"])))}
    call = OPENERS[form](path)
    results = {f"result/{name}": _plain(values) for name, values in call(feed).items()}
    if timed == "timed":
        count = len(next(iter(feed.values())))
        for rows in (1, BATCH):
            some = rows_of(feed, (place % count for place in range(rows)))
            results[f"seconds/{rows}"] = np.array(median_seconds(call, some))
    with open(found, "wb") as file:  # noqa: PTH123 (no pathlib: this program starts as quickly as it can)
        np.savez(file, allow_pickle=False, **results)


def _plain(values: np.ndarray) -> np.ndarray:
    """Return an array that is written without pickle."""
    if values.dtype.kind != "O":
        return values
    return np.array(
        [each.decode() if isinstance(each, bytes) else str(each) for each in values.ravel()]
    ).reshape(values.shape)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main(*sys.argv[1:])
