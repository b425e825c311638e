"""What a checkpoint must hold for a training to resume from it: parsed once, where it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, InstanceOf, ValidationError

from mlpcli.keras_internals import CALLBACK_STATE
from mlpcli.runs.record_models import Count, Identity, damaged
from mlpcli.training.checkpoint_file import read_checkpoint

Values = Annotated[np.ndarray[Any, np.dtype[Any]], InstanceOf()]
"""An array. From NumPy 2.5 on its alias NDArray is no class, whose instances Pydantic could ask for."""

(IN_MODEL,) = CALLBACK_STATE["SwapEMAWeights"]
"""Whether the averages are the model's weights, and the optimizer holds those that train on."""

MAX_INTEGER = 2**53
"""Integers of a history are epochs and counts; a larger one cannot be a float."""


class _State(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="allow", populate_by_name=True)


class BestState(_State):
    """The best epoch so far, and the values of the model's variables after it."""

    monitor: str
    value: float | None
    epoch: Count | None
    values: list[Values] | None


class CallbackState(_State):
    """The state of one callback."""

    class_name: Annotated[str, Field(alias="class")]
    state: dict[str, object]

    @property
    def averages_in_model(self) -> bool:
        """Whether this is a `SwapEMAWeights` which had put the averages into the model."""
        attributes = self.state.get("attributes")
        if self.class_name != "SwapEMAWeights" or not isinstance(attributes, dict):
            return False
        return attributes.get(IN_MODEL) is True

    def to_json(self) -> dict[str, object]:
        """Return the state as `RunCallback` takes it from a callback."""
        return {"class": self.class_name, "state": self.state}


class GeneratorStates(_State):
    """The states of Python's and NumPy's random generators, as their own functions return them."""

    python: tuple[int, tuple[int, ...], float | None]
    numpy: tuple[str, Values, int, int, float]

    def to_json(self) -> dict[str, object]:
        """Return the states as `generator_states` does."""
        return {"python": self.python, "numpy": self.numpy}


class TrainingState(_State):
    """A training at the end of an epoch, as `RunCallback.state` returns it.

    Attributes:
        identity: What the training must agree with.
        epoch: The epochs that are done.
        stopped: A callback had stopped the training.
        history: A row of numbers per epoch.
        best: The best epoch so far.
        model: The values of every variable of the model, by path in the variables' order.
        optimizer: Those of the optimizer, likewise.
        callbacks: The states of the spec's callbacks, in their order.
        generators: The states of the random generators.
    """

    identity: Identity
    epoch: Count
    stopped: bool
    history: list[dict[str, int | float]]
    best: BestState
    model: dict[str, Values]
    optimizer: dict[str, Values]
    callbacks: list[CallbackState]
    generators: GeneratorStates

    def model_post_init(self, context: object) -> None:
        """Refuse a state that cannot be the end of an epoch.

        Raises:
            ValueError: The history does not fit the epochs, or a weight is not a finite number.
        """
        rows = self.history
        last = rows[-1].get("epoch") if rows else self.epoch
        # Later epochs may have other metrics: of a run that was continued, or resumed with --force.
        known = all(1 <= row.get("epoch", 0) <= self.epoch for row in rows)
        if not known or last != self.epoch or len(rows) > self.epoch:
            raise ValueError(f"the history does not fit {self.epoch} epochs")
        if not all(name.isprintable() for row in rows for name in row):
            raise ValueError("the history has a name that cannot be shown")
        if any(isinstance(value, int) and abs(value) > MAX_INTEGER for row in rows for value in row.values()):
            raise ValueError("the history has a number that is too large")
        for name, values in self.model.items():
            if values.dtype.kind in "fV" and not np.isfinite(values).all():
                raise ValueError(f"the weight {name} has values that are not finite")


def read_state(path: Path) -> TrainingState:
    """Read the checkpoint of a run.

    Raises:
        RunError: As `read_checkpoint`; or it does not hold the state of a training.
    """
    try:
        return TrainingState.model_validate(read_checkpoint(path))
    except ValidationError as error:
        raise damaged(path, error) from None
