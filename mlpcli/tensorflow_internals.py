"""Every non-public name of TensorFlow and LiteRT that exports need; see `keras_internals`."""

from __future__ import annotations

from typing import Any


def freeze_variables(function: object) -> Any:
    """Return a concrete function of TensorFlow with constants in place of its variables."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(function)


def with_litert_metadata(content: bytes, name: str, text: str, description: str) -> bytes:
    """Return a LiteRT file with a text in its metadata, and a description.

    Args:
        content: the file.
        name: of the text.
        text: to keep.
        description: of the model.
    """
    from ai_edge_litert.schema_py_generated import BufferT, MetadataT
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    buffer, entry = BufferT(), MetadataT()
    buffer.data = list(text.encode())
    entry.name, entry.buffer = name, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or ()), entry]
    model.description = description
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))
