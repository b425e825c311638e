"""The two forms of a request and its answer: a simple one, and that of TensorFlow Serving.

TensorFlow Serving's form: https://www.tensorflow.org/tfx/serving/api_rest
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mlpcli.data.readers.broken_rules import RowErrors
from mlpcli.data.readers.row_errors import Origin, RowError, rows_of
from mlpcli.errors import Problem
from mlpcli.printable import counted
from mlpcli.serving.batches import Answer

Form = Literal["rows", "instances", "inputs"]
"""The key under which rows are given: the simple form; TensorFlow Serving's, by row and by column."""

MOST_SHOWN = 20
"""Errors of a request that are listed."""

ON_UNKNOWN = "--on-unknown bucket lets it through"
"""What a message suggests, and a request cannot do."""


class BadRequest(Exception):
    """A request that cannot be read; `args` holds the reason."""


@dataclass(frozen=True)
class Request:
    """The rows of a request.

    Attributes:
        rows: mappings or nested lists.
        form: how they were given, and are answered.
    """

    rows: Sequence[object]
    form: Form


def parse_rows(body: bytes) -> Request:
    """Read a request of the simple form: `{"rows": [...]}`, or the list alone.

    Raises:
        BadRequest: it is none.
    """
    document = _document(body)
    if isinstance(document, list):
        return Request(document, "rows")
    if isinstance(document, dict) and set(document) == {"rows"} and isinstance(document["rows"], list):
        return Request(document["rows"], "rows")
    raise BadRequest('the body must be {"rows": [...]} with a list of rows, or the list alone')


def parse_instances(body: bytes, columns: Sequence[str]) -> Request:
    """Read a request of TensorFlow Serving's form: `{"instances": [...]}`, or `{"inputs": {...}}` by column.

    Args:
        body: of the request.
        columns: of the model; empty for a model of arrays.

    Raises:
        BadRequest: it is none.
    """
    document = _document(body)
    if not isinstance(document, dict):
        raise BadRequest('the body must be {"instances": [...]} or {"inputs": ...}')
    unknown = set(document) - {"instances", "inputs", "signature_name"}
    if unknown:
        raise BadRequest(f"unknown key {min(unknown)!r}; known are instances, inputs and signature_name")
    if document.get("signature_name", "serving_default") not in ("serving_default", "serve"):
        raise BadRequest("signature_name: the only signature is serving_default")
    if ("instances" in document) == ("inputs" in document):
        raise BadRequest("give either instances, row by row, or inputs, column by column")
    if "instances" in document:
        rows = document["instances"]
        if not isinstance(rows, list):
            raise BadRequest("instances must be a list of rows")
        if len(columns) == 1:  # as TensorFlow Serving does, a single input goes without its name
            rows = [row if isinstance(row, dict) else {columns[0]: row} for row in rows]
        return Request(rows, "instances")
    return Request(_by_row(document["inputs"], columns), "inputs")


def _by_row(inputs: object, columns: Sequence[str]) -> list[object]:
    """Return the rows of a request that gives them by column."""
    if not columns:
        named = isinstance(inputs, dict) and list(inputs) == ["rows"]
        rows = inputs["rows"] if isinstance(inputs, dict) and named else inputs
        if not isinstance(rows, list):
            raise BadRequest("inputs must be a list of rows")
        return rows
    if len(columns) == 1 and isinstance(inputs, list):
        inputs = {columns[0]: inputs}
    if not isinstance(inputs, dict) or not all(isinstance(values, list) for values in inputs.values()):
        raise BadRequest("inputs must be an object with a list of values for each column")
    lengths = {len(values) for values in inputs.values()}
    if len(lengths) > 1:
        raise BadRequest("inputs: all columns must have the same number of values")
    return [dict(zip(inputs, row, strict=True)) for row in zip(*inputs.values(), strict=True)]


def _document(body: bytes) -> object:
    """Return the JSON document of a body. NaN, which TensorFlow Serving takes, is an empty cell."""
    try:
        return json.loads(body)
    except RecursionError:
        raise BadRequest("the JSON is nested too deeply") from None
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError):
            reason = str(error)
        elif isinstance(error, UnicodeDecodeError):
            reason = "it is not UTF-8 text"
        else:  # Python reads no whole number of more than 4300 digits
            reason = "it holds a number with too many digits"
        raise BadRequest(f"the body must be JSON: {reason}") from None


def answer_document(answer: Answer, form: Form, model: str) -> dict[str, object]:
    """Return the JSON document that answers a request.

    Args:
        answer: what became of its rows.
        form: of the request.
        model: `name/timestamp` of the run.
    """
    if form == "rows":
        return {"model": model, "predictions": _rows(answer.columns)}
    if form == "instances":
        if len(answer.tensors) == 1:
            return {"predictions": next(iter(answer.tensors.values()))}
        return {"predictions": _rows(answer.tensors)}
    if len(answer.tensors) == 1:
        return {"outputs": next(iter(answer.tensors.values()))}
    return {"outputs": answer.tensors}


def _rows(columns: Mapping[str, Sequence[object]]) -> list[dict[str, object]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


class _GivenRows(Origin):
    """The rows of a request, which count from 0 as those of the answer do."""

    def where(self, rows: Sequence[int], location: str, lines: Mapping[int, int], more: str = "") -> str:
        """Return how a message names rows, or a cell of each."""
        del lines
        return f"{rows_of(list(map(str, rows)), more)} of the list" + (f", {location}" if location else "")


def _row_message(error: RowError) -> dict[str, object]:
    text = Problem(error.rule, received=error.received, hint=error.hint).headline()
    return {"row": error.row, **({"column": error.column} if error.column else {}), "error": text}


def wrong_rows(errors: Sequence[RowError], request: Request) -> dict[str, object]:
    """Return the JSON document for a request with rows that cannot be used.

    Args:
        errors: of the rows.
        request: the request.
    """
    errors = [replace(each, hint=each.hint.replace(ON_UNKNOWN, "")) for each in errors]
    problems = RowErrors(errors).problems(_GivenRows("the request"))
    text = "; ".join(each.headline() for each in problems)
    count = len({error.row for error in errors})
    if count > 1:
        text += f" ({count} of {counted(len(request.rows), 'row')} are wrong)"
    if request.form != "rows":
        return {"error": text}
    return {"error": text, "rows": [_row_message(each) for each in errors[:MOST_SHOWN]]}
