"""A run's model, ready to answer requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.data.features.unknown_values import Policy, RowCounts
from mlpcli.data.given_rows import encode_given
from mlpcli.data.readers.row_errors import RowError
from mlpcli.data.stream import Chunk, ReadOptions
from mlpcli.data.types import Array
from mlpcli.data.writers import column_values
from mlpcli.export.saved_model import named_outputs
from mlpcli.inference.evaluate import predict_outputs
from mlpcli.inference.predict import id_errors, predict_chunk, zero_row
from mlpcli.keras_import import keras
from mlpcli.model.trained_model import TrainedModel, load_trained
from mlpcli.runs.folder import Run
from mlpcli.serving.batches import Answer

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ServedModel:
    """A model that answers requests with what `predict` writes, and with what the SavedModel returns.

    Attributes:
        trained: the model.
        unknown: what an unseen category or a value out of range does to its row; None for the spec's policy.
        find_errors: finds rows with ids that no layer has; None for a network without ids.
    """

    trained: TrainedModel
    unknown: Policy | None
    find_errors: Callable[[Array], list[RowError]] | None

    def try_out(self) -> dict[str, pa.DataType]:
        """Predict a row of zeros, so that the first request does not wait for what is made once.

        Returns:
            The types of the columns that `predict` writes, by name.
        """
        columns, _ = predict_chunk(self.trained, zero_row(self.trained.contract))
        return {name: column.type for name, column in columns.items()}

    def encode(self, rows: Sequence[object]) -> Chunk:
        """Return rows as the model takes them, and an error for each that cannot be used."""
        options = ReadOptions(
            self.trained.contract, unknown=self.unknown, counts=RowCounts(), find_errors=self.find_errors
        )
        return encode_given(rows, options)

    def predict(self, chunk: Chunk, tensors: bool) -> Answer:
        """Return the answer to some rows.

        Args:
            chunk: the rows.
            tensors: also return what the SavedModel's signature returns.

        Raises:
            RunError: the network gives no number for one of them.
        """
        columns, _ = predict_chunk(self.trained, chunk)
        plain = {name: column_values(column) for name, column in columns.items()}
        return Answer(chunk, plain, self._tensors(chunk) if tensors else {})

    def _tensors(self, chunk: Chunk) -> dict[str, list[object]]:
        """Return what the SavedModel's signature returns, without what the policy `null` leaves empty."""
        contract = self.trained.contract
        outputs = predict_outputs(self.trained, contract.take_inputs(chunk.x))
        table = contract.preprocessor is not None
        named = named_outputs(self.trained.spec, contract, outputs, table=table)
        return {name: _nested(values) for name, values in named.items()}


def _nested(values: object) -> list[object]:
    """Return a tensor as nested lists; a float32 with its own shortest digits."""
    array = np.asarray(keras.ops.convert_to_numpy(values))
    if array.dtype == np.float32:
        texts = array.astype(str).astype(object)
        array = np.vectorize(float, otypes=[object])(texts)
    elif array.dtype.kind == "O":
        array = np.vectorize(lambda text: text.decode("utf-8"), otypes=[object])(array)
    return list(array.tolist())


def load_served(run: Run, unknown: Policy | None) -> ServedModel:
    """Load a run's model.

    Args:
        run: the run.
        unknown: what an unseen category or a value out of range does to its row; None for the spec's policy.

    Raises:
        RunError: the run has no model, or it is not what was saved.
    """
    trained = load_trained(run)
    return ServedModel(trained, unknown, id_errors(trained))
