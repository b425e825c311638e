"""A short program that loads an exported file with its own runtime and computes a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mlpcli.data.types import Array
from mlpcli.export.export_formats import sidecar_of

FEW = 16
"""Numbers of a row that are written out."""


def example_code(
    name: str, target: Path, inputs: Sequence[Mapping[str, object]], rows: Mapping[str, Array]
) -> str:
    """Return a program for the first of some rows.

    Args:
        name: of the format.
        target: the file or folder.
        inputs: as `describe_inputs` returns them.
        rows: by input, as they go in.
    """
    wrap = "tf.constant({})" if name in ("saved_model", "keras") else "{}"
    cells = {key: wrap.format(_cell(name, key, values[:1], inputs)) for key, values in rows.items()}
    lines = (
        ["import json", "from pathlib import Path", "import numpy as np"]
        if any("codes[" in text for text in cells.values())
        else []
    )
    lines = lines or (["import numpy as np"] if any("np." in text for text in cells.values()) else [])
    before, after = _calls(name, target)
    lines += before
    if "import json" in lines:
        lines.append(f'inputs = json.loads(Path({_text(str(sidecar_of(target)))}).read_text())["inputs"]')
        lines.append('codes = {each["name"]: each["codes"] for each in inputs if "codes" in each}')
    lines += ["row = {", *(f"    {_text(key)}: {text}," for key, text in cells.items()), "}", *after]
    return "\n".join(lines) + "\n"


def _calls(name: str, target: Path) -> tuple[list[str], list[str]]:
    """Return the lines that load the file, and those that call it."""
    path = _text(str(target))
    if name == "onnx":
        return (
            ["import onnxruntime", "", f"session = onnxruntime.InferenceSession({path})"],
            [
                "names = [output.name for output in session.get_outputs()]",
                "print(dict(zip(names, session.run(names, row))))",
            ],
        )
    if name == "litert":
        return (
            [
                "from ai_edge_litert.interpreter import Interpreter",
                "",
                f"model = Interpreter({path}).get_signature_runner()",
            ],
            ["print(model(**row))"],
        )
    if name == "openvino":
        return (
            [
                "import openvino",
                "",
                f'model = openvino.compile_model({path}, "CPU", {{"INFERENCE_PRECISION_HINT": "f32"}})',
            ],
            ["found = model(row)", "print({each.any_name: found[each] for each in model.outputs})"],
        )
    if name == "saved_model":
        return (
            ["import tensorflow as tf", "", f"model = tf.saved_model.load({path})"],
            ['print(model.signatures["serving_default"](**row))'],
        )
    return (
        ["import keras", "import tensorflow as tf", "", f"model = keras.saving.load_model({path})"],
        ["print(model(row if isinstance(model.input, dict) else row['rows']))"],
    )


def _cell(name: str, key: str, values: Array, inputs: Sequence[Mapping[str, object]]) -> str:
    """Return the code of a row's value of one input."""
    entry = next(each for each in inputs if each["name"] == key)
    codes = entry.get("codes")
    if isinstance(codes, dict):
        text = next((text for text, code in codes.items() if code == values[0]), None)
        wanted = "0" if text is None else f"codes[{_text(key)}][{_text(text)}]"
        return f"np.array([{wanted}], np.int32)"
    if values.dtype.kind == "U":
        listed = f"[{_text(str(values[0]))}]"
        return f"np.array({listed}, dtype=object)" if name == "onnx" else listed
    if values.size > FEW:
        return f"np.zeros({values.shape}, np.{values.dtype})"
    numbers = np.array2string(values, separator=", ", threshold=FEW, floatmode="unique").replace("\n", "")
    return f"np.array({numbers.replace('nan', 'np.nan')}, np.{values.dtype})"


def _text(value: str) -> str:
    """Return a text as Python code, in double quotes where that needs no escapes."""
    return f'"{value}"' if value.isprintable() and not {'"', "\\"} & set(value) else repr(value)
