"""Rows of a run's own data as an exported file takes them, and what `predict` computes for them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mlpcli.data.dataset import Contract
from mlpcli.data.features.verification_sample import SAMPLE_ROWS, Sample, served_values
from mlpcli.data.named_arrays import rows_of
from mlpcli.data.sources.image_columns import images_of_model, paths_of, taken
from mlpcli.data.types import Array, Arrays
from mlpcli.export.describe_file import RAW
from mlpcli.export.saved_model import named_outputs
from mlpcli.inference.evaluate import predict_outputs
from mlpcli.inference.own_data import OwnData
from mlpcli.inference.row_columns import TableColumns, columns_of_split
from mlpcli.keras_import import keras
from mlpcli.model.trained_model import TrainedModel


def sample_rows(trained: TrainedModel, own: OwnData) -> Sample:
    """Return rows from all over a run's data: of a table as its file holds them.

    Args:
        trained: the run's model.
        own: its data.
    """
    if own.dataset.sample is not None:
        return own.dataset.sample
    splits = own.dataset.splits()
    return split_rows(trained, own, "test" if "test" in splits else "train", SAMPLE_ROWS)


def split_rows(trained: TrainedModel, own: OwnData, name: str, most: int) -> Sample:
    """Return rows of a split, evenly spaced.

    Args:
        trained: the run's model.
        own: its data.
        name: of the split.
        most: the most rows.
    """
    split, contract = own.dataset.splits()[name], trained.contract
    places = spaced(len(split), most)
    positions = split.rows[places]
    chosen = rows_of(split.x, places)
    preprocessor = contract.preprocessor
    if preprocessor is None:
        return Sample({}, whole_rows(chosen, contract), positions, own.dataset.source)
    columns = columns_of_split(own.spec, own.dataset, contract, name, split)
    assert isinstance(columns, TableColumns)
    assert columns.rows is not None
    table = taken(columns.table(preprocessor.names), columns.rows[places])
    found = images_of_model(preprocessor).decode(table, paths_of(columns.file))[0].columns
    raw = {each.name: served_values(each, found[each.name]) for each in preprocessor.encoders}
    return Sample(raw, preprocessor.transform(found).x, positions, own.dataset.source)


def spaced(rows: int, most: int) -> Array:
    """Return at most `most` positions, evenly spaced over some rows."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(np.int64))


def whole_rows(x: Arrays, contract: Contract) -> Array:
    """Return rows, (rows, *shape), of what each input takes of them; what none takes is 0.

    Args:
        x: rows as the network takes them.
        contract: what the rows look like.
    """
    if not isinstance(x, dict):
        return x
    whole = next((x[each.name] for each in contract.inputs if each.columns is None), None)
    if whole is not None:
        return whole
    first = next(iter(x.values()))
    found = np.zeros((len(first), *contract.shape), first.dtype)
    for each in contract.inputs:
        found[:, list(each.columns or ())] = x[each.name]
    return found


def predicted_results(trained: TrainedModel, sample: Sample, *, texts: bool) -> dict[str, Array]:
    """Return what `predict` computes for some rows, under the names of an exported file's results.

    Args:
        trained: the run's model.
        sample: the rows.
        texts: whether classes are named.
    """
    contract = trained.contract
    outputs = predict_outputs(trained, contract.take_inputs(sample.x))
    table = contract.preprocessor is not None
    named = named_outputs(trained.spec, contract, outputs, table=table, texts=texts)
    return {name: _plain(values) for name, values in named.items()}


def raw_results(trained: TrainedModel, sample: Sample) -> dict[str, Array]:
    """Return what the SavedModel of arrays returns for some rows: its outputs, without further results.

    Args:
        trained: the run's model.
        sample: the rows.
    """
    outputs = predict_outputs(trained, trained.contract.take_inputs(sample.x))
    return outputs if isinstance(outputs, dict) else {RAW: outputs}


def with_labels(trained: TrainedModel, results: Mapping[str, Array]) -> dict[str, Array]:
    """Return results with the names of classes in place of their indices.

    Args:
        trained: the run's model.
        results: as `predicted_results` returns them without texts.
    """
    found = dict(results)
    for output in trained.contract.outputs:
        stem = f"{output.name}_" if output.name else ""
        if f"{stem}index" in found and output.classes is not None:
            found[f"{stem}label"] = np.array(output.classes)[found.pop(f"{stem}index")]
    return found


def _plain(values: object) -> Array:
    array = np.asarray(keras.ops.convert_to_numpy(values))
    if array.dtype.kind == "O":
        return np.array([each.decode("utf-8") for each in array.ravel()]).reshape(array.shape)
    return array
