"""A SavedModel loaded and run where there is nothing but TensorFlow's C library: no Keras, no mlpcli.

This file is run as a program by an interpreter of its own, without site packages. It loads the model as
TensorFlow Serving does, by the loader in the library that TensorFlow's wheel brings, which starts in half a
second where `import tensorflow` takes five. It must therefore import nothing but the standard library.

Standard input holds one JSON document, as `export/verify.py` writes it:

    {"library": PATH, "saved_model": FOLDER, "outputs": {NAME: TENSOR},
     "inputs": [{"tensor": TENSOR, "texts": [...]} or {"tensor": TENSOR, "numbers": [...]}]}

and standard output gets one: {"outputs": {NAME: {"shape": [...], "values": [...]}}}, or {"error": TEXT}.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from typing import Any

FLOAT, STRING = 1, 7  # of TensorFlow's data types
STRING_BYTES = 24  # sizeof(TF_TString)


class _Output(ctypes.Structure):
    """TF_Output: an operation of the graph and which of its results."""

    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class _Failure(Exception):
    """What TensorFlow says is wrong."""


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
        """Raise what the last call says is wrong."""
        if self.c.TF_GetCode(self.status):
            raise _Failure(self.c.TF_Message(self.status).decode("utf-8", "replace"))

    def load(self, folder: str) -> Any:
        """A session of the model that is tagged to be served."""
        tags = (ctypes.c_char_p * 1)(b"serve")
        options = ctypes.c_void_p(self.c.TF_NewSessionOptions())
        session = self.c.TF_LoadSessionFromSavedModel(
            options, None, os.fsencode(folder), tags, 1, self.graph, None, self.status
        )
        self.check()
        return ctypes.c_void_p(session)

    def place(self, tensor: str) -> _Output:
        """The tensor of a name such as `serving_default_city:0`."""
        name, _, index = tensor.rpartition(":")
        operation = self.c.TF_GraphOperationByName(self.graph, name.encode())
        if operation is None:
            raise _Failure(f"its graph has no tensor {tensor}")
        return _Output(operation, int(index))

    def run(self, session: Any, inputs: list[dict[str, Any]], outputs: list[str]) -> list[Any]:
        """The tensors that `outputs` names, for the inputs."""
        taken = (_Output * len(inputs))(*(self.place(each["tensor"]) for each in inputs))
        fed = (ctypes.c_void_p * len(inputs))(*(self.tensor(each) for each in inputs))
        wanted = (_Output * len(outputs))(*map(self.place, outputs))
        found = (ctypes.c_void_p * len(outputs))()
        arguments = (taken, fed, len(inputs), wanted, found, len(outputs))
        self.c.TF_SessionRun(session, None, *arguments, None, 0, None, self.status)
        self.check()
        return [ctypes.c_void_p(each) for each in found]

    def tensor(self, column: dict[str, Any]) -> int | None:
        """A vector of texts or numbers as a tensor."""
        texts = [text.encode() for text in column.get("texts", ())]
        numbers = column.get("numbers", ())
        rows = len(texts) or len(numbers)
        kind, size = (STRING, STRING_BYTES) if texts else (FLOAT, 4)
        shape = (ctypes.c_int64 * 1)(rows)
        made = self.c.TF_AllocateTensor(kind, shape, 1, ctypes.c_size_t(rows * size))
        start = self.c.TF_TensorData(ctypes.c_void_p(made))
        if not texts:
            ctypes.memmove(start, (ctypes.c_float * rows)(*numbers), rows * size)
        for place, text in enumerate(texts):
            cell = ctypes.c_void_p(start + place * size)
            self.c.TF_StringInit(cell)
            self.c.TF_StringCopy(cell, text, ctypes.c_size_t(len(text)))
        return int(made)

    def read(self, tensor: Any) -> dict[str, Any]:
        """A tensor's shape and its values, one after the other."""
        shape = [self.c.TF_Dim(tensor, axis) for axis in range(self.c.TF_NumDims(tensor))]
        count = 1
        for size in shape:
            count *= size
        start = self.c.TF_TensorData(tensor)
        kind = self.c.TF_TensorType(tensor)
        if kind == STRING:
            cells = (ctypes.c_void_p(start + place * STRING_BYTES) for place in range(count))
            return {"shape": shape, "values": [self.text(cell) for cell in cells]}
        if kind != FLOAT:
            raise _Failure(f"it gives values of type {kind}, neither float32 nor text")
        return {"shape": shape, "values": list((ctypes.c_float * count).from_address(start))}

    def text(self, cell: Any) -> str:
        """A text inside a tensor."""
        start = self.c.TF_StringGetDataPointer(cell)
        return ctypes.string_at(start, self.c.TF_StringGetSize(cell)).decode("utf-8", "replace")


def answer(job: dict[str, Any]) -> dict[str, Any]:
    """What a SavedModel gives for the rows of a job."""
    library = _Library(job["library"])
    try:
        session = library.load(job["saved_model"])
        tensors = library.run(session, job["inputs"], list(job["outputs"].values()))
        return {"outputs": {k: library.read(v) for k, v in zip(job["outputs"], tensors, strict=True)}}
    except _Failure as failure:
        return {"error": str(failure)}


if __name__ == "__main__":
    os.nice(10)  # the training that waits for it has better things to do meanwhile
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
