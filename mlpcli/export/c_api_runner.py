"""Load and run a SavedModel with nothing but TensorFlow's C library: no Keras, no mlpcli.

This file is run as a program by a separate interpreter without site packages. It loads the model as
TensorFlow Serving does, with the loader in the library of TensorFlow's wheel, which starts in half a second
where `import tensorflow` takes five. It may therefore import nothing but the standard library.

Standard input holds one JSON document, written by `export/verify.py`:

    {"library": PATH, "saved_model": FOLDER, "outputs": {NAME: TENSOR},
     "inputs": [{"tensor": TENSOR, "texts": [...]} or {"tensor": TENSOR, "numbers": [...], "wide": BOOL}
                or {"tensor": TENSOR, "pixels": BASE64, "shape": [...]}]}

and standard output receives one: {"outputs": {NAME: {"shape": [...], "values": [...]}}}, or {"error": TEXT}.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import sys
from typing import TypedDict

FLOAT, DOUBLE, UINT8, STRING = 1, 2, 4, 7  # of TensorFlow's data types
STRING_BYTES = 24  # sizeof(TF_TString)


class Column(TypedDict, total=False):
    """What goes into one input: `texts`, `numbers` (as float64 if they are wide), or `pixels`."""

    tensor: str
    texts: list[str]
    numbers: list[float]
    wide: bool
    pixels: str
    shape: list[int]


class Job(TypedDict):
    """The document on standard input; `outputs` are tensors by the name under which they are returned."""

    library: str
    saved_model: str
    outputs: dict[str, str]
    inputs: list[Column]


class Values(TypedDict):
    """A tensor's shape, and its values in row-major order."""

    shape: list[int]
    values: list[float] | list[str]


class _Output(ctypes.Structure):
    """TF_Output: an operation of the graph and which of its results."""

    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class _Failure(Exception):
    """TensorFlow reported an error; the message is TensorFlow's."""


class _Library:
    """TensorFlow's C library, https://github.com/tensorflow/tensorflow/blob/master/tensorflow/c/c_api.h."""

    POINTERS = (
        "TF_NewStatus",
        "TF_NewGraph",
        "TF_NewSessionOptions",
        "TF_LoadSessionFromSavedModel",
        "TF_GraphOperationByName",
        "TF_AllocateTensor",
        "TF_TensorData",
        "TF_StringGetDataPointer",
    )

    def __init__(self, path: str) -> None:
        self.c = ctypes.CDLL(path)
        for name in self.POINTERS:
            getattr(self.c, name).restype = ctypes.c_void_p
        self.c.TF_Message.restype = ctypes.c_char_p
        self.c.TF_Dim.restype = ctypes.c_int64
        self.c.TF_StringGetSize.restype = ctypes.c_size_t
        self.status = ctypes.c_void_p(self.c.TF_NewStatus())
        self.graph = ctypes.c_void_p(self.c.TF_NewGraph())

    def check(self) -> None:
        """Raise the error that the last call reported, if any."""
        if self.c.TF_GetCode(self.status):
            raise _Failure(self.c.TF_Message(self.status).decode("utf-8", "replace"))

    def load(self, folder: str) -> ctypes.c_void_p:
        """Return a session of the model that is tagged for serving."""
        tags = (ctypes.c_char_p * 1)(b"serve")
        options = ctypes.c_void_p(self.c.TF_NewSessionOptions())
        session = self.c.TF_LoadSessionFromSavedModel(
            options, None, os.fsencode(folder), tags, 1, self.graph, None, self.status
        )
        self.check()
        return ctypes.c_void_p(session)

    def find(self, tensor: str) -> _Output:
        """Return the tensor of a name such as `serving_default_city:0`."""
        name, _, index = tensor.rpartition(":")
        operation = self.c.TF_GraphOperationByName(self.graph, name.encode())
        if operation is None:
            raise _Failure(f"its graph has no tensor {tensor}")
        return _Output(operation, int(index))

    def run(
        self, session: ctypes.c_void_p, inputs: list[Column], outputs: list[str]
    ) -> list[ctypes.c_void_p]:
        """Return the tensors named by `outputs`, computed from the inputs."""
        taken = (_Output * len(inputs))(*(self.find(each["tensor"]) for each in inputs))
        fed = (ctypes.c_void_p * len(inputs))(*(self.tensor(each) for each in inputs))
        wanted = (_Output * len(outputs))(*map(self.find, outputs))
        found = (ctypes.c_void_p * len(outputs))()
        arguments = (taken, fed, len(inputs), wanted, found, len(outputs))
        self.c.TF_SessionRun(session, None, *arguments, None, 0, None, self.status)
        self.check()
        return [ctypes.c_void_p(each) for each in found]

    def tensor(self, column: Column) -> int | None:
        """Create a tensor of texts, numbers or pixels; returns its address."""
        if "pixels" in column:
            return self.images(base64.b64decode(column["pixels"]), column["shape"])
        texts = [text.encode() for text in column.get("texts", ())]
        numbers = column.get("numbers", ())
        rows = len(texts) or len(numbers)
        wide = column.get("wide", False)
        kind, size = (STRING, STRING_BYTES) if texts else (DOUBLE, 8) if wide else (FLOAT, 4)
        shape = (ctypes.c_int64 * 1)(rows)
        allocated = self.c.TF_AllocateTensor(kind, shape, 1, ctypes.c_size_t(rows * size))
        start = self.c.TF_TensorData(ctypes.c_void_p(allocated))
        if not texts:
            number = ctypes.c_double if wide else ctypes.c_float
            ctypes.memmove(start, (number * rows)(*numbers), rows * size)
        for place, text in enumerate(texts):
            cell = ctypes.c_void_p(start + place * size)
            self.c.TF_StringInit(cell)
            self.c.TF_StringCopy(cell, text, ctypes.c_size_t(len(text)))
        return int(allocated)

    def images(self, content: bytes, sides: list[int]) -> int:
        """Create a tensor of bytes; returns its address."""
        shape = (ctypes.c_int64 * len(sides))(*sides)
        size = ctypes.c_size_t(len(content))
        allocated = self.c.TF_AllocateTensor(UINT8, shape, len(sides), size)
        ctypes.memmove(self.c.TF_TensorData(ctypes.c_void_p(allocated)), content, len(content))
        return int(allocated)

    def read(self, tensor: ctypes.c_void_p) -> Values:
        """Return a tensor's shape and its values."""
        shape = [self.c.TF_Dim(tensor, axis) for axis in range(self.c.TF_NumDims(tensor))]
        count = 1
        for size in shape:
            count *= size
        start = self.c.TF_TensorData(tensor)
        kind = self.c.TF_TensorType(tensor)
        if kind == STRING:
            cells = (ctypes.c_void_p(start + place * STRING_BYTES) for place in range(count))
            return {"shape": shape, "values": [self.text(cell) for cell in cells]}
        if kind not in (FLOAT, DOUBLE):
            raise _Failure(f"it gives values of type {kind}, neither float32, float64 nor text")
        number = ctypes.c_float if kind == FLOAT else ctypes.c_double
        return {"shape": shape, "values": list((number * count).from_address(start))}

    def text(self, cell: ctypes.c_void_p) -> str:
        """Return a text inside a tensor."""
        start = self.c.TF_StringGetDataPointer(cell)
        return ctypes.string_at(start, self.c.TF_StringGetSize(cell)).decode("utf-8", "replace")


def answer(job: Job) -> dict[str, dict[str, Values]] | dict[str, str]:
    """Return what a SavedModel computes for the rows of a job, or the error."""
    library = _Library(job["library"])
    try:
        session = library.load(job["saved_model"])
        tensors = library.run(session, job["inputs"], list(job["outputs"].values()))
        return {"outputs": {k: library.read(v) for k, v in zip(job["outputs"], tensors, strict=True)}}
    except _Failure as failure:
        return {"error": str(failure)}


if __name__ == "__main__":
    os.nice(10)  # let the training process have the processor
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
