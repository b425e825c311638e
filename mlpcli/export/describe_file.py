"""What an exported file takes and returns, in words for people and values for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlpcli.data.dataset import Contract, Output
from mlpcli.data.features.image_encoder import ImageEncoder
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.data.types import Array
from mlpcli.export.coded_network import CodedNetwork
from mlpcli.export.signature_names import signature_names

Entry = dict[str, object]

MEANINGS = {
    "value": "in the target's own units",
    "quantiles": "in the target's own units, the levels of each target side by side",
    "low": "the lower end of the interval",
    "high": "the upper end of the interval",
    "probabilities": "of each class, in their order",
    "score": "its side of 0 is the class",
    "label": "the class",
    "index": "the position of the class",
    "set": "the names of the classes in the set",
    "in_set": "which classes are in the set",
    "embedding": "the row as a vector",
}


def describe_inputs(name: str, contract: Contract, coded: CodedNetwork | None) -> list[Entry]:
    """Return an entry for each input.

    Args:
        name: of the format.
        contract: what the rows look like.
        coded: what was exported; None where the format takes every raw column.
    """
    preprocessor = contract.preprocessor
    if preprocessor is None:
        dtype = contract.dtype if coded is None else coded.signature[0][1]
        return [{"name": "rows", "dtype": dtype, "shape": ["rows", *contract.shape]}]
    if coded is None:
        return list(_raw(name, preprocessor))
    return [entry for each in coded.given for entry in _coded(name, each.name, coded)]


def _raw(name: str, preprocessor: Preprocessor) -> Iterator[Entry]:
    served = preprocessor.served
    names = signature_names(served) if name == "saved_model" else served
    for encoder in preprocessor.encoders:
        if isinstance(encoder, ImageEncoder):
            meaning = "the pixels of an image, 0 to 255"
            meaning += "; serve_bytes takes files" if name == "saved_model" else ""
            shape = ["rows", *encoder.shape]
            entry: Entry = {"name": names[encoder.name], "column": encoder.name, "dtype": "uint8"}
            yield entry | {"shape": shape, "takes": meaning}
            continue
        dtype = "string" if encoder.text else preprocessor.dialect.numbers
        meaning = 'as it is written; "" is a gap' if encoder.text else "a number; NaN is a gap"
        yield {"name": names[encoder.name], "column": encoder.name, "dtype": dtype, "takes": meaning}


def _coded(form: str, name: str, coded: CodedNetwork) -> Iterator[Entry]:
    given = next(each for each in coded.given if each.name == name)
    shape: Entry = {"shape": ["rows", *given.shape]} if given.shape else {}
    if form == "onnx":
        meaning = 'the text; "" is a gap' if given.form == "code" else given.describe()
        dtype = "string" if given.form == "code" else given.dtype
        found: Entry = {
            "name": given.column or name,
            "column": given.column,
            "dtype": dtype,
            "takes": meaning,
        }
        yield found | shape
        return
    entry: Entry = {"name": name, "column": given.column, "dtype": given.dtype, "takes": given.describe()}
    entry |= shape
    if given.less:
        entry["less"] = given.less
    if given.form == "code":
        entry["codes"] = dict(given.codes)
    yield entry


def describe_outputs(contract: Contract, results: Mapping[str, Array]) -> list[Entry]:
    """Return an entry for each result.

    Args:
        contract: of the outputs.
        results: some rows of them, by name.
    """
    found = []
    for name, values in results.items():
        output = output_of(contract, name)
        bare = bare_name(contract, name)
        dtype = "string" if values.dtype.kind in "UO" else str(values.dtype)
        entry: Entry = {"name": name, "dtype": dtype, "shape": ["rows", *values.shape[1:]]}
        kind = bare or ("value" if output.classes is None else "probabilities")
        meaning = "of each label, in their order" if output.kind == "labels" else MEANINGS[kind]
        entry |= {"target": list(output.target), "is": meaning}
        if output.classes is not None and kind in ("probabilities", "index", "in_set", "label"):
            entry["classes"] = list(output.classes)
        if bare == "quantiles":
            entry["levels"] = list(output.levels)
        found.append(entry)
    return found


RAW = "output_0"
"""The name of what a SavedModel of arrays returns, where it returns a single tensor."""


def output_of(contract: Contract, name: str) -> Output:
    """Return the output that a result belongs to, by the name of the result."""
    found = [each for each in contract.outputs if not each.name or f"{name}_".startswith(f"{each.name}_")]
    return max(found, key=lambda each: len(each.name))


def bare_name(contract: Contract, name: str) -> str:
    """Return the name of a result without that of its output; empty where there is nothing else."""
    output = output_of(contract, name)
    return "" if name in (RAW, output.name) else name.removeprefix(f"{output.name}_") if output.name else name
