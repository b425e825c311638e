"""A preprocessor as a Keras model, and joined to the network that it feeds: from raw columns to outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mlpcli.data.dataset import Contract, Input
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.keras_import import keras
from mlpcli.model.preprocessing import build_matrix, raw_inputs

ops = keras.ops


def build_preprocessing(preprocessor: Preprocessor, inputs: Sequence[Input]) -> keras.Model:
    """Build the Keras model of a preprocessor: raw columns in their order to the inputs of the core.

    Args:
        preprocessor: learned from the training rows.
        inputs: of the core, by name; none when the core has one input, which takes the whole matrix.
    """
    raw = raw_inputs(preprocessor, [f"column_{place}" for place in range(len(preprocessor.encoders))])
    columns = dict(zip(preprocessor.names, raw, strict=True))
    matrix = build_matrix(preprocessor, columns)
    outputs = core_inputs(preprocessor, inputs, matrix, columns)
    served = preprocessor.served.values()
    free = next(name for name in ("preprocessing", "preprocessing_", "preprocessing__") if name not in served)
    return keras.Model(raw, outputs, name=free)


def core_inputs(
    preprocessor: Preprocessor,
    inputs: Sequence[Input],
    matrix: keras.KerasTensor | None,
    columns: Mapping[str, keras.KerasTensor],
) -> keras.KerasTensor | dict[str, keras.KerasTensor]:
    """Return what the core takes: the matrix, or by input columns of it, and images as they are.

    Args:
        preprocessor: of the columns.
        inputs: of the core, by name.
        matrix: of the columns that are no images; None where all are.
        columns: the raw columns by name, or those of images.
    """
    if not inputs:
        assert matrix is not None
        return matrix
    found = {}
    for each in inputs:
        if isinstance(each.columns, range):
            image = preprocessor.image_at(each.columns.start)
            found[each.name] = ops.cast(columns[image.name], "float32")
        elif each.columns is None:
            found[each.name] = matrix
        else:
            places = preprocessor.places_beside_images(each.columns)
            found[each.name] = ops.take(matrix, np.array(places), axis=1)
    return found


def join(preprocessor: Preprocessor, core: keras.Model, inputs: Sequence[Input]) -> keras.Model:
    """Return a model from raw columns, a dict by their served names, to the core's outputs."""
    served = list(preprocessor.served.values())
    raw = raw_inputs(preprocessor, served)
    if core.name in served:  # names of layers are unique, and the column's is the one that people use
        core.name = f"{core.name}_core"
    fed = build_preprocessing(preprocessor, inputs)(raw)
    return keras.Model(dict(zip(served, raw, strict=True)), core(fed))


def with_raw_columns(core: keras.Model, contract: Contract) -> keras.Model:
    """Return a network as a model of a table's raw columns; unchanged where the data was not a table's."""
    if contract.preprocessor is None:
        return core
    return join(contract.preprocessor, core, contract.inputs)
