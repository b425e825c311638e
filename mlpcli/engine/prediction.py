"""Predictions for new rows, written as CSV, Parquet, JSON lines or npy."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.data.dataset import Array, Output
from mlpcli.data.load import read_rows
from mlpcli.engine.evaluation import load_trained, predict_outputs, predicted_classes, predicted_labels
from mlpcli.engine.models import output_loss
from mlpcli.engine.objectives import gives_scores
from mlpcli.errors import Problem, UsageError, listing, nearest
from mlpcli.files import write_with
from mlpcli.runs import Run
from mlpcli.spec.schema import PartSpec

FORMATS = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".jsonl": "jsonl", ".npy": "npy"}


@dataclass(frozen=True)
class Predictions:
    """Predicted rows as named columns, in the order in which they are written.

    columns: each (rows,): the kept columns, then the label or value, then a probability for each class.
    outputs: (rows, outputs) float32, what the SavedModel gives for the same rows.
    """

    columns: dict[str, Array]
    outputs: Array
    rows: int
    warnings: tuple[str, ...] = ()


def predict_run(run: Run, data: Path, *, keep: Sequence[str] = ()) -> Predictions:
    """Predict every row of a file; `keep` names columns of it to pass through.

    Raises:
        RunError: the run has no model.
        DataError: the file does not fit the run's columns.
        UsageError: a column to keep is not in the file.
    """
    trained = load_trained(run)
    rows = read_rows(data, trained.contract, target=False, aside=keep)
    kept = _kept(rows.others, keep, data)
    found = predict_outputs(trained, rows.x)
    columns: dict[str, Array] = {}
    for each in trained.contract.outputs:
        values = found[each.name] if each.name else found
        columns |= _columns(each, values, output_loss(trained.spec, each.name))
    outputs = (
        np.concatenate([_flat(part) for part in found.values()], axis=1) if isinstance(found, dict) else found
    )
    clash = [name for name in kept if name in columns]
    columns = {(f"{name}_input" if name in clash else name): value for name, value in kept.items()} | columns
    return Predictions(columns, outputs, len(rows), trained.warnings)


def _flat(values: Array) -> Array:
    return values.reshape(len(values), -1)


def _columns(output: Output, values: Array, loss: PartSpec) -> dict[str, Array]:
    """The columns of one output: `predicted_price`, `probability_rose`.

    An output with a name of its own, one of several, has that in its columns' names.
    """
    if output.kind == "labels":
        return _label_columns(output, values)
    return _class_columns(output, values, loss) if output.classes else _value_columns(output, values)


def _class_columns(output: Output, values: Array, loss: PartSpec) -> dict[str, Array]:
    assert output.classes is not None
    names = np.asarray(output.classes, dtype=object)
    label = f"predicted_{output.name or output.target[0]}"
    columns: dict[str, Array] = {label: names[predicted_classes(values, loss)]}
    stem = f"{output.name}_" if output.name else ""
    if gives_scores(loss) and values.shape[1] == 1:
        return columns | {f"{stem}score": values[:, 0]}
    if values.shape[1] == 1:  # one unit gives the second class's probability
        values = np.concatenate([1.0 - values, values], axis=1)
    probability = {f"{stem}probability_{name}": values[:, index] for index, name in enumerate(output.classes)}
    return columns | probability


def _label_columns(output: Output, values: Array) -> dict[str, Array]:
    """A separated target's labels together in one cell; 0 or 1 a label where each had a column."""
    assert output.classes is not None
    stem = f"{output.name}_" if output.name else ""
    chosen = predicted_labels(values)
    probability = {f"{stem}probability_{name}": values[:, index] for index, name in enumerate(output.classes)}
    if output.separator is None:
        found = {f"{stem}predicted_{name}": chosen[:, index] for index, name in enumerate(output.classes)}
        return found | probability
    names = np.asarray(output.classes, dtype=object)
    joined = np.array([output.separator.join(names[row == 1]) for row in chosen], dtype=object)
    return {f"predicted_{output.name or output.target[0]}": joined} | probability


def _value_columns(output: Output, values: Array) -> dict[str, Array]:
    names, values = output.target, _flat(values)
    if output.name:
        names = (output.name,) if len(names) == 1 else tuple(f"{output.name}_{name}" for name in names)
    if values.shape[1] != len(names):
        names = tuple(f"output_{index}" for index in range(values.shape[1]))
    return {f"predicted_{name}": values[:, index] for index, name in enumerate(names)}


def _kept(others: dict[str, Array], keep: Sequence[str], data: Path) -> dict[str, Array]:
    missing = [name for name in keep if name not in others]
    if missing:
        problems = (
            Problem(
                f"--keep: {data.name} has no column {name!r}",
                hint=nearest(name, others) or f"it has {listing(others)}",
            )
            for name in missing
        )
        raise UsageError(*problems)
    return {name: others[name] for name in keep}


def format_of(output: Path) -> str:
    """The format that an output file's ending asks for.

    Raises:
        UsageError: no format has this ending.
    """
    if output.suffix not in FORMATS:
        rule = f"-o {output}: the ending must be one of {', '.join(FORMATS)}"
        raise UsageError(Problem(rule, received=output.suffix))
    return FORMATS[output.suffix]


def check_output(output: Path | None, *, force: bool) -> None:
    """Refuse, before any work, an output of no known format or one that stands there already.

    Raises:
        UsageError: either of these.
    """
    if output is None:
        return
    format_of(output)
    if output.exists() and not force:
        raise UsageError(Problem(f"-o {output}: the file is there already", hint="add --force to replace it"))
    if not output.parent.is_dir():
        raise UsageError(Problem(f"-o {output}: there is no folder {output.parent}"))


def write_predictions(predictions: Predictions, output: Path) -> None:
    """Write the predictions whole or not at all; npy holds the outputs alone, (rows, outputs) float32."""
    kind = format_of(output)
    if kind == "npy":
        write_with(output, lambda path: np.save(path, predictions.outputs, allow_pickle=False))
    elif kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({name: pa.array(_plain(values)) for name, values in predictions.columns.items()})
        write_with(output, lambda path: pq.write_table(table, path))
    else:
        text = predictions_text(predictions, kind)
        write_with(output, lambda path: path.write_text(text, encoding="utf-8", newline=""))


def predictions_text(predictions: Predictions, kind: str) -> str:
    """The predictions as CSV, TSV or JSON lines; numbers in the shortest form that reads back equal."""
    text = io.StringIO()
    names = list(predictions.columns)
    columns = [_plain(values) for values in predictions.columns.values()]
    if kind == "jsonl":
        import json

        for row in zip(*columns, strict=True):
            text.write(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n")
        return text.getvalue()
    import csv

    writer = csv.writer(text, delimiter="\t" if kind == "tsv" else ",", lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue()


def _plain(values: Array) -> list[Any]:
    """Python values; a float32 keeps its own shortest digits rather than those of its float64 twin."""
    values = np.asarray(values)
    if values.dtype == np.float32:
        return [float(text) for text in values.astype(str)]
    plain: list[Any] = values.tolist()
    return plain


def predictions_json(predictions: Predictions, label: str, output: Path | None) -> dict[str, Any]:
    """The predictions for scripts: their columns, or the file that they were written to."""
    document: dict[str, Any] = {"run": label, "rows": predictions.rows, "columns": list(predictions.columns)}
    if output is not None:
        return document | {"output": str(output)}
    rows = zip(*(_plain(values) for values in predictions.columns.values()), strict=True)
    names = list(predictions.columns)
    return document | {"predictions": [dict(zip(names, row, strict=True)) for row in rows]}
