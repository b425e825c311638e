"""Verify an exported SavedModel against its network, on real rows, in a clean process."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

import numpy as np

from mlpcli.data.dataset import Contract, Output
from mlpcli.data.features.verification_sample import Sample
from mlpcli.data.levels import median_of
from mlpcli.data.types import Array, Arrays
from mlpcli.errors import Problem, TrainingError
from mlpcli.export import c_api_runner
from mlpcli.export.signature_names import signature_names
from mlpcli.model.build import output_loss
from mlpcli.model.default_losses import gives_scores
from mlpcli.model.prediction_bounds import SetForm, bounds_of_values, sets_of_classes
from mlpcli.model.probability_form import of_every_class
from mlpcli.printable import counted
from mlpcli.spec.schema import ComponentSpec, Spec

SECONDS = 600.0
"""The longest wait for an answer, in seconds."""

TOLERANCE = 1e-3
MIXED_TOLERANCE = 5e-2
"""Accepted differences, as a share of the range of the values: float32 sums are computed in another order
there, and half precision has three digits."""


class SavedModelError(TrainingError):
    """The exported SavedModel does not compute what the network computes, or cannot be loaded."""


@dataclass(frozen=True)
class Verdict:
    """The result of a successful verification.

    Attributes:
        rows: how many rows were compared.
        difference: the largest difference, as a share of the range of an output's values.
        seconds: how long it took.
    """

    rows: int
    difference: float
    seconds: float

    def to_json(self) -> dict[str, object]:
        """Return the verdict as `run.json` records it."""
        return {
            "verified": "in a clean process",
            "rows": self.rows,
            "difference": float(f"{self.difference:.2g}"),
            "seconds": round(self.seconds, 3),
        }


@dataclass
class Verification:
    """A clean process that is running a SavedModel; see `verifying`."""

    process: subprocess.Popen[bytes]
    answers: IO[bytes]
    messages: IO[bytes]
    sample: Sample
    began: float

    def finish(self, spec: Spec, contract: Contract, outputs: Arrays) -> Verdict:
        """Wait for the SavedModel's outputs and compare them with the network's.

        Args:
            spec: the run's spec.
            contract: the run's contract.
            outputs: of the network for the sample's x, as `final_outputs` returns them.

        Raises:
            SavedModelError: they differ, or the SavedModel could not be loaded.
        """
        served = self._answer()
        half = spec.fit.precision != "float32"
        largest = 0.0
        for each in contract.outputs:
            values = np.asarray(outputs[each.name] if each.name else outputs)
            values = values if values.dtype == np.float64 else values.astype(np.float32)
            stem = f"{each.name}_" if each.name else ""
            name, wanted = expected(each, values, spec)
            found = served.get(stem + name, np.empty(0, np.float32))
            limit = MIXED_TOLERANCE if half else TOLERANCE
            largest = max(largest, compare(stem + name, wanted, found, limit, self.sample))
            if each.levels:
                median = served.get(f"{stem}value", np.empty(0, np.float32))
                compare(f"{stem}value", median_of(wanted, each.levels), median, limit, self.sample)
            if f"{stem}label" in served:
                compare_labels(each, wanted, served[f"{stem}label"], limit, self.sample)
            if each.intervals is not None:
                loss = output_loss(spec, each.name)
                largest = max(largest, self._bounds(each, values, loss, served, limit))
        return Verdict(len(self.sample), largest, time.monotonic() - self.began)

    def _bounds(
        self, output: Output, values: Array, loss: ComponentSpec, served: dict[str, Array], limit: float
    ) -> float:
        """Compare bounds of intervals, or sets that are not close to a tie; return the largest difference."""
        stem = f"{output.name}_" if output.name else ""
        if output.kind != "numbers":
            compare_sets(output, values, loss, served.get(f"{stem}set", np.empty(0, str)), limit, self.sample)
            return 0.0
        largest = 0.0
        for name, wanted in zip(("low", "high"), bounds_of_values(output, values), strict=True):
            found = served.get(stem + name, np.empty(0, np.float32))
            flat = wanted.reshape(len(wanted), -1)
            largest = max(largest, compare(stem + name, flat, found, limit, self.sample))
        return largest

    def _answer(self) -> dict[str, Array]:
        try:
            status = self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            refuse(f"it did not answer within {SECONDS:g} seconds")
        if status != 0:
            self.messages.seek(0)
            text = self.messages.read().decode("utf-8", "replace").strip()
            lines = text.splitlines() or [f"status {status}"]
            refuse(f"the process ended with {lines[-1]}")
        self.answers.seek(0)
        document = json.load(self.answers)
        if "error" in document:
            hint = PYTHON_HINT if "PyFunc" in document["error"] else HINT
            refuse(f"it cannot run: {document['error'].splitlines()[0]}", hint)
        return {
            name: np.array(each["values"]).reshape(each["shape"])
            for name, each in document["outputs"].items()
        }


@contextlib.contextmanager
def verifying(saved_model: Path, contract: Contract, sample: Sample) -> Iterator[Verification]:
    """Start a clean process that loads a SavedModel and runs a sample's raw rows through it.

    The process runs in the background while the context is open, and is killed at its end.

    Args:
        saved_model: the exported folder.
        contract: the run's contract, with a preprocessor.
        sample: raw rows of the data.
    """
    began = time.monotonic()
    with (
        tempfile.TemporaryFile() as job,
        tempfile.TemporaryFile() as answers,
        tempfile.TemporaryFile() as messages,
    ):
        job.write(json.dumps(describe_job(saved_model, contract, sample)).encode())
        job.seek(0)
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", c_api_runner.__file__],
            stdin=job,
            stdout=answers,
            stderr=messages,
            env=environment,
        )
        try:
            yield Verification(process, answers, messages, sample, began)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def describe_job(saved_model: Path, contract: Contract, sample: Sample) -> c_api_runner.Job:
    """Return the document that `c_api_runner` reads."""
    from tensorflow.core.protobuf import saved_model_pb2

    assert contract.preprocessor is not None
    document = saved_model_pb2.SavedModel.FromString((saved_model / "saved_model.pb").read_bytes())
    signature = document.meta_graphs[0].signature_def["serving_default"]
    inputs: list[c_api_runner.Column] = []
    for column, name in signature_names(contract.preprocessor.served).items():
        cells = sample.columns[column]
        tensor = signature.inputs[name].name
        if isinstance(cells, list):
            inputs.append({"tensor": tensor, "texts": cells})
        elif cells.dtype == np.uint8:
            content = base64.b64encode(cells.tobytes()).decode()
            inputs.append({"tensor": tensor, "pixels": content, "shape": list(cells.shape)})
        else:
            numbers = [float(cell) for cell in cells]
            inputs.append({"tensor": tensor, "numbers": numbers, "wide": contract.numbers == "float64"})
    return {
        "library": str(find_library()),
        "saved_model": str(saved_model.resolve()),
        "inputs": inputs,
        "outputs": {name: tensor.name for name, tensor in signature.outputs.items()},
    }


def find_library() -> Path:
    """Return the path of TensorFlow's C library in its package."""
    import tensorflow as tf

    folder = Path(tf.__file__).parent
    return next(folder.glob("libtensorflow_cc*"))


def expected(output: Output, values: Array, spec: Spec) -> tuple[str, Array]:
    """Return the name under which a SavedModel serves an output's numbers, and the numbers, (rows, ...)."""
    if output.kind == "groups":
        return "embedding", values
    if output.classes is None:
        return "quantiles" if output.levels else "value", values.reshape(len(values), -1)
    if output.kind == "labels" or values.shape[-1] > 1:
        return "probabilities", values
    if gives_scores(output_loss(spec, output.name)):
        return "score", values
    return "probabilities", np.concatenate([1 - values, values], axis=1)


def compare(name: str, wanted: Array, found: Array, limit: float, sample: Sample) -> float:
    """Return the largest difference of two answers, as a share of the range of each column.

    Args:
        name: of the output.
        wanted: (rows, ...), from the network.
        found: (rows, ...), from the SavedModel.
        limit: the largest share that is accepted.
        sample: the rows, for the message.

    Raises:
        SavedModelError: they differ by more than `limit`, or have different shapes.
    """
    if wanted.shape != found.shape:
        refuse(f"{name} has the shape {found.shape}, the network gives {wanted.shape}")
    wide = wanted.astype(np.float64)
    known = np.where(np.isfinite(wide), wide, 0.0)
    span = np.ones(wide.shape[1:]) if name.endswith("probabilities") else np.ptp(known, axis=0)
    rounding = 1e-14 if wanted.dtype == np.float64 else 1e-5
    noise = rounding * np.abs(known).max(axis=0)  # of values far from zero that hardly differ
    apart = np.where(np.isnan(wide) & np.isnan(found), 0.0, np.abs(wide - found))
    wrong = ~(apart <= limit * span + noise)
    if wrong.any():
        place = tuple(int(index) for index in np.argwhere(wrong)[0])
        rows = int(wrong.reshape(len(wrong), -1).any(axis=1).sum())
        where = f"{sample.label} row {int(sample.positions[place[0]]) + 1}"
        difference = f"for {where} its {name} is {found[place]:.6g}, the network gives {wanted[place]:.6g}"
        refuse(f"{difference}; {rows} of {counted(len(sample), 'row')} differ")
    shares = apart / np.where(span > 0, span, np.inf)
    return float(shares.max(initial=0.0))


def compare_labels(output: Output, wanted: Array, labels: Array, limit: float, sample: Sample) -> None:
    """Compare the SavedModel's class names with the network's numbers, where these are not close to a tie.

    Args:
        output: with the names of the classes.
        wanted: (rows, units), from the network.
        labels: (rows,), from the SavedModel.
        limit: numbers closer than this are a tie.
        sample: the rows, for the message.

    Raises:
        SavedModelError: a name is another class's.
    """
    classes = np.array(output.classes)
    if output.thresholds:
        apart = wanted[:, -1] - output.thresholds[0]
        clear, index = np.abs(apart) > limit, (apart >= 0).astype(int)
    elif wanted.shape[1] == 1:
        clear, index = np.abs(wanted[:, 0]) > limit, (wanted[:, 0] > 0).astype(int)
    else:
        ordered = np.sort(wanted, axis=1)
        clear, index = ordered[:, -1] - ordered[:, -2] > 2 * limit, wanted.argmax(axis=1)
    wrong = np.flatnonzero(clear & (labels != classes[index]))
    if len(wrong):
        row = int(wrong[0])
        where = f"{sample.label} row {int(sample.positions[row]) + 1}"
        refuse(f"for {where} its label is {str(labels[row])!r}, the network's {str(classes[index[row]])!r}")


def compare_sets(
    output: Output, values: Array, loss: ComponentSpec, sets: Array, limit: float, sample: Sample
) -> None:
    """Compare the SavedModel's sets of classes with the network's, where no probability is near its bound.

    Args:
        output: with intervals.
        values: (rows, units), from the network.
        loss: of the output.
        sets: (rows,) of texts, from the SavedModel.
        limit: probabilities closer than this to a bound are a tie.
        sample: the rows, for the message.

    Raises:
        SavedModelError: a set has other names.
    """
    assert output.intervals is not None
    likely = of_every_class(values)
    near = np.abs(likely - output.intervals.bounds[0]) <= limit
    ordered = np.sort(likely, axis=1)
    near |= (ordered[:, -1] - ordered[:, -2] <= 2 * limit)[:, None]
    if output.thresholds:
        near |= np.abs(likely[:, -1:] - output.thresholds[0]) <= limit
    form = SetForm.of(output.classes or ())
    wanted = np.array([form.text(each) for each in sets_of_classes(output, values, loss)])
    if wanted.shape != sets.shape:
        refuse(f"set has the shape {sets.shape}, the network's {wanted.shape}")
    wrong = np.flatnonzero(~near.any(axis=1) & (sets != wanted))
    if len(wrong):
        row = int(wrong[0])
        where = f"{sample.label} row {int(sample.positions[row]) + 1}"
        refuse(f"for {where} its set is {str(sets[row])!r}, the network's {str(wanted[row])!r}")


HINT = "do not deploy it; the other files are intact, evaluate and predict work with the run's folder"
PYTHON_HINT = "a layer calls Python or NumPy, which a SavedModel cannot contain: write it with keras.ops"


def refuse(reason: str, hint: str = HINT) -> NoReturn:
    """Raise a SavedModelError."""
    rule = f"the SavedModel, loaded in a clean process, does not match the trained network: {reason}"
    raise SavedModelError(Problem(rule, hint=hint))
