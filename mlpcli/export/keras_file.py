"""A network as a Keras file that takes raw columns and returns what `predict` computes."""

from __future__ import annotations

from pathlib import Path

from mlpcli.data.dataset import Contract
from mlpcli.export.saved_model import named_outputs
from mlpcli.files import write_with
from mlpcli.keras_import import keras
from mlpcli.keras_internals import all_layers
from mlpcli.model.outputs import final_outputs
from mlpcli.model.raw_column_network import with_raw_columns
from mlpcli.spec.schema import Spec


def complete_network(model: keras.Model, spec: Spec, contract: Contract) -> keras.Model:
    """Return a model from raw columns, or rows, to the results by name; see `named_outputs`.

    Args:
        model: the network, whose targets may be scaled.
        spec: the run's spec.
        contract: what the rows look like.
    """
    outputs = final_outputs(spec, contract, model.output)
    table = contract.preprocessor is not None
    found = named_outputs(spec, contract, outputs, table=table, texts=False)
    return with_raw_columns(keras.Model(model.input, found, name=f"{model.name}_results"), contract)


def foreign_layers(model: keras.Model) -> tuple[str, ...]:
    """Return the classes of a model's layers that are not Keras's own."""
    found = (type(each) for each in all_layers(model))
    return tuple(sorted({each.__name__ for each in found if not each.__module__.startswith("keras.")}))


def save_keras(model: keras.Model, path: Path) -> None:
    """Write a model."""
    write_with(path, model.save)
