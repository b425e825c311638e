"""What a served model takes and returns: JSON Schemas of a row, and the OpenAPI document."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlpcli.data.dataset import Contract
from mlpcli.data.features.encoders import CategoryEncoder, DateEncoder, Encoder, NumericEncoder
from mlpcli.data.features.image_encoder import ImageEncoder
from mlpcli.data.features.text_encoder import TextEncoder
from mlpcli.data.images.given_images import BASE64

if TYPE_CHECKING:
    import pyarrow as pa

Json = dict[str, object]

MOST_CATEGORIES = 100
"""Categories that are listed."""


def row_schema(contract: Contract) -> Json:
    """Return the JSON Schema of a row of the simple form.

    Args:
        contract: of the model.
    """
    if contract.image is not None:
        return _image_schema(contract.shape)
    if contract.preprocessor is None and contract.kind != "table":
        return _array_schema(contract.shape)
    if contract.preprocessor is None:
        columns: dict[str, Json] = {name: {"type": "number"} for name in contract.features}
    else:
        columns = {each.name: _column_schema(each) for each in contract.preprocessor.encoders}
    return {
        "type": "object",
        "description": "a row: a value for each column; others are ignored",
        "properties": columns,
        "required": list(columns),
    }


def _image_schema(shape: tuple[int, ...]) -> Json:
    """Return the JSON Schema of an image: its pixels, or a file."""
    file: Json = {"type": "string", "contentEncoding": "base64", "description": "an image file"}
    of_file: Json = {"type": "object", "properties": {BASE64: file}, "required": [BASE64]}
    return {"oneOf": [_array_schema(shape), of_file]}


def _array_schema(shape: tuple[int, ...]) -> Json:
    """Return the JSON Schema of nested lists of numbers."""
    schema: Json = {"type": "number"}
    for length in reversed(shape):
        schema = {"type": "array", "items": schema, "minItems": length, "maxItems": length}
    return schema | {"description": f"a row: numbers of shape {' x '.join(map(str, shape)) or '1'}"}


def _column_schema(encoder: Encoder) -> Json:
    """Return the JSON Schema of a column's values; texts are read as the cells of a file are."""
    if isinstance(encoder, ImageEncoder):
        pixels = _image_schema(encoder.shape)
        return pixels | {"x-kind": "image"}
    null = [] if encoder.required else ["null"]
    if isinstance(encoder, NumericEncoder):
        schema: Json = {"type": ["number", "string", *null]}
        seen = {"lowest": encoder.lowest, "highest": encoder.highest}
        if all(math.isfinite(value) for value in seen.values()):
            schema["x-training-range"] = list(seen.values())
        return schema | {"x-kind": "numeric"}
    if isinstance(encoder, DateEncoder):
        return {"type": ["string", *null], "x-kind": "date", "x-format": encoder.format}
    if isinstance(encoder, CategoryEncoder):
        schema = {"type": ["string", "number", "boolean", *null], "x-kind": "categorical"}
        values = list(encoder.values[:MOST_CATEGORIES])
        schema |= {"x-categories": values, "x-unseen": encoder.unseen}
        return schema | ({} if len(values) == len(encoder.values) else {"x-more": len(encoder.values)})
    if isinstance(encoder, TextEncoder):
        return {"type": ["string", *null], "x-kind": "text", "x-unseen": encoder.unseen}
    return {"type": ["boolean", "string", "number", *null], "x-kind": "boolean"}


def prediction_schema(types: Mapping[str, pa.DataType]) -> Json:
    """Return the JSON Schema of a prediction of the simple form.

    Args:
        types: of the columns that `predict` writes.
    """
    return {
        "type": "object",
        "properties": {name: _type_schema(kind) for name, kind in types.items()},
        "required": list(types),
    }


def _type_schema(kind: pa.DataType) -> Json:
    import pyarrow as pa

    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return {"type": ["number", "null"]}
    if pa.types.is_boolean(kind):
        return {"type": ["boolean", "null"]}
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return {"type": ["array", "null"]}
    return {"type": ["string", "null"]}


def openapi(version: str, row: Json, prediction: Json, model: str) -> Json:
    """Return the OpenAPI 3.1 document of the server.

    Args:
        version: of mlpcli.
        row: the schema of a row.
        prediction: the schema of a prediction.
        model: the name of the model in TensorFlow Serving's addresses.
    """
    errors = {
        "400": "the body is no request",
        "408": "the body did not come in time",
        "413": "the body is too large",
        "422": "a row cannot be used: which, and why",
        "503": "too many rows are waiting; try again",
    }
    refused: dict[str, Json] = {
        code: {"description": text, "content": _json(ERROR)} for code, text in errors.items()
    }
    rows: Json = {"type": "array", "items": {"$ref": "#/components/schemas/Row"}}
    predictions: Json = {"type": "array", "items": {"$ref": "#/components/schemas/Prediction"}}
    simple: Json = {"type": "object", "properties": {"rows": rows}, "required": ["rows"]}
    answered: Json = {
        "type": "object",
        "properties": {"model": {"type": "string"}, "predictions": predictions},
    }
    serving: Json = {
        "type": "object",
        "properties": {"instances": rows, "inputs": {}, "signature_name": {"const": "serving_default"}},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": f"{model}, served by mlpcli", "version": version},
        "paths": {
            "/predict": {"post": _operation("Predict rows", simple, answered, refused)},
            f"/v1/models/{model}:predict": {
                "post": _operation("Predict rows, in TensorFlow Serving's form", serving, {}, refused)
            },
            f"/v1/models/{model}": {"get": _reading("The state of the model, in TensorFlow Serving's form")},
            "/schema": {"get": _reading("The columns that a row needs, and those of a prediction")},
            "/health": {"get": _reading("Whether the server answers")},
        },
        "components": {"schemas": {"Row": row, "Prediction": prediction, "Error": ERROR}},
    }


ERROR: Json = {
    "type": "object",
    "properties": {
        "error": {"type": "string"},
        "rows": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "row": {"type": "integer", "description": "counted from 0"},
                    "column": {"type": "string"},
                    "error": {"type": "string"},
                },
            },
        },
    },
    "required": ["error"],
}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _operation(summary: str, body: Json, answer: Json, refused: Mapping[str, Json]) -> Json:
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": _json(body)},
        "responses": {"200": {"description": "the predictions", "content": _json(answer)}, **refused},
    }


def _reading(summary: str) -> Json:
    return {"summary": summary, "responses": {"200": {"description": "as JSON", "content": _json({})}}}
