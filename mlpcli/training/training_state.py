"""What a run's checkpoint must hold for a training to go on from it: parsed once, where it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, InstanceOf, ValidationError

from mlpcli.data.types import Array
from mlpcli.runs.record_models import Count, Identity, damaged
from mlpcli.training.checkpoint_file import read_checkpoint

Values = Annotated[Array, InstanceOf()]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="allow", populate_by_name=True)


class BestState(_Part):
    """The best epoch so far, with the model's values after it."""

    monitor: str
    value: float | None
    epoch: Count | None
    values: list[Values] | None


class CallbackState(_Part):
    """What one callback knew."""

    class_name: Annotated[str, Field(alias="class")]
    state: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """What `KeepRun` takes from a callback."""
        return {"class": self.class_name, "state": self.state}


class GeneratorStates(_Part):
    """The states of Python's and NumPy's random generators, as their own functions give them."""

    python: tuple[int, tuple[int, ...], float | None]
    numpy: tuple[str, Values, int, int, float]

    def to_json(self) -> dict[str, Any]:
        """What `generator_states` takes from them."""
        return {"python": self.python, "numpy": self.numpy}


def _as_identity(value: dict[str, Any]) -> dict[str, Any]:
    Identity.model_validate(value)
    return value


class TrainingState(_Part):
    """A training at the end of an epoch; `KeepRun.state` writes it.

    Attributes:
        identity: See `identity`; its fields are those of `Identity`.
        model, optimizer: The values of every variable, by path in the variables' order.
    """

    identity: Annotated[dict[str, Any], AfterValidator(_as_identity)]
    epoch: Count
    stopped: bool
    history: list[dict[str, int | float]]
    best: BestState
    model: dict[str, Values]
    optimizer: dict[str, Values]
    callbacks: list[CallbackState]
    generators: GeneratorStates

    def model_post_init(self, context: object) -> None:
        """Refuse what cannot be the end of an epoch.

        Raises:
            ValueError: The history is not one of rows, or a weight is not a finite number.
        """
        if any("epoch" not in row for row in self.history) or len(self.history) > self.epoch:
            raise ValueError(f"the history does not fit {self.epoch} epochs")
        for name, values in self.model.items():
            if values.dtype.kind in "fV" and not np.isfinite(values).all():
                raise ValueError(f"the weight {name} is not a finite number throughout")


def read_state(path: Path) -> TrainingState:
    """Read the checkpoint of a run.

    Raises:
        RunError: As `read_checkpoint`; or what it holds is not the state of a training.
    """
    try:
        return TrainingState.model_validate(read_checkpoint(path))
    except ValidationError as error:
        raise damaged(path, error) from None
