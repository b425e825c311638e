"""A network as a LiteRT file (.tflite), in float32, or with int8 layers by representative rows."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from mlpcli.data.types import Array
from mlpcli.export.converting import convert_quietly
from mlpcli.export.frozen_graph import FrozenGraph, save_graph
from mlpcli.keras_import import tf
from mlpcli.tensorflow_internals import with_litert_metadata

QUANTIZED_ROWS = 500
"""The most representative rows."""


def convert_to_litert(
    frozen: FrozenGraph, facts: Mapping[str, object], representative: Mapping[str, Array] | None = None
) -> bytes:
    """Return a LiteRT file.

    Args:
        frozen: the graph, without float64.
        facts: about the run, kept in the file.
        representative: rows by input, by which activations become int8; None for float32.

    Raises:
        ExportError: the network cannot be converted.
    """

    def convert() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            save_graph(frozen, [*frozen.inputs], Path(folder))
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            if representative is None:
                return bytes(converter.convert())
            return _quantize(converter, representative)

    content = convert_quietly("LiteRT", convert)
    description = f"mlpcli {facts['mlpcli']}, run {facts['run']}"
    return with_litert_metadata(content, "mlpcli", json.dumps(facts, ensure_ascii=False), description)


FLOAT_OPERATIONS = (
    *("ABS", "ADD", "CAST", "CONCATENATION", "COS", "DIV", "EQUAL", "EXP", "FLOOR", "FLOOR_DIV", "FLOOR_MOD"),
    *("GATHER", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "LOG", "LOGICAL_AND", "LOGICAL_NOT"),
    *("LOGICAL_OR", "MAXIMUM", "MEAN", "MINIMUM", "MUL", "NEG", "NOT_EQUAL", "PACK", "RESHAPE", "RSQRT"),
    *("SELECT", "SELECT_V2", "SIGN", "SIN", "SLICE", "SOFTMAX", "LOGISTIC", "SPLIT", "SQRT", "SQUARE"),
    *("SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUB", "SUM", "TRANSPOSE", "EXPAND_DIMS", "SQUEEZE", "TILE"),
)
"""What stays in float32: raw columns share no range that 256 steps could hold, and this takes little time."""


def _quantize(converter: tf.lite.TFLiteConverter, representative: Mapping[str, Array]) -> bytes:
    """Return a file whose matrix products and convolutions are of int8."""

    def rows() -> Iterator[dict[str, Array]]:
        for place in range(len(next(iter(representative.values())))):
            yield {name: values[place : place + 1] for name, values in representative.items()}

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = rows
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=list(FLOAT_OPERATIONS))
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=rows, debug_options=options
    )
    return bytes(debugger.get_nondebug_quantized_model())
