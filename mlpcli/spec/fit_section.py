"""The section `fit` of a spec, and how often a spec is trained: folds and seeds."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from mlpcli.spec.memory_size import MemorySize, bytes_of
from mlpcli.spec.section import STRICT

SEED_RULE = "a whole number from 0 to 4294967295"
FOLD_RULE = "a mapping of number and of, such as {number: 2, of: 5}"
MOST_FOLDS = 1000


class FoldSpec(BaseModel):
    """The fold that a training holds out: the rows without those of the test split are cut in `of` folds."""

    model_config = STRICT

    number: Annotated[int, Field(gt=0, description="the number of the fold, from 1 to that of the folds")]
    of: Annotated[int, Field(ge=2, le=MOST_FOLDS, description=f"a number of folds, 2 to {MOST_FOLDS}")]


ClassWeight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Minutes = Annotated[
    float | None, Field(gt=0, allow_inf_nan=False, description="a positive number of minutes")
]


class CheckpointSpec(BaseModel):
    """The save interval of the checkpoint, in epochs or minutes, whichever comes first."""

    model_config = STRICT

    every: Annotated[int | None, Field(gt=0, description="a positive number of epochs")] = None
    minutes: Minutes = None


AUTO = "auto"
"""The engine that is chosen by the layers."""


class FitSpec(BaseModel):
    """The training loop: epochs, batches, engine, precision."""

    model_config = STRICT

    epochs: Annotated[int, Field(gt=0, description="a positive number of epochs")] = 10
    batch_size: Annotated[int, Field(gt=0, description="a positive number of rows")] = 32
    shuffle: Annotated[bool, Field(description="true or false")] = True
    checkpoint: Annotated[
        CheckpointSpec | None, Field(description="a mapping of every (epochs) and minutes")
    ] = None
    class_weight: Annotated[
        str | dict[str, ClassWeight | str | dict[str, ClassWeight]] | None,
        Field(
            description="'balanced', or a mapping of class names to positive numbers; "
            "with several outputs, a mapping of outputs to these"
        ),
    ] = None
    engine: Annotated[
        str,
        Field(
            pattern="^(auto|compiled|graph|keras)$",
            description="'auto', 'compiled' (XLA), 'graph' (no XLA) or 'keras' (stock model.fit)",
        ),
    ] = AUTO
    folds: Annotated[
        int | None, Field(ge=2, le=MOST_FOLDS, description=f"a number of folds, 2 to {MOST_FOLDS}")
    ] = None
    seeds: Annotated[
        int | None, Field(gt=0, le=MOST_FOLDS, description=f"a number of seeds, 1 to {MOST_FOLDS}")
    ] = None
    after_folds: Annotated[
        str | None,
        Field(
            pattern="^(mean|retrain)$",
            description="'mean' (the mean of the folds' models) or 'retrain' (one trained on all their rows)",
        ),
    ] = None
    distribute: Annotated[
        str | None,
        Field(pattern="^mirrored$", description="'mirrored': over all GPUs of this machine, in one process"),
    ] = None
    max_minutes: Minutes = None
    memory: MemorySize = None
    threads: Annotated[int | None, Field(gt=0, le=1024, description="a number of threads, 1 to 1024")] = None
    precision: Annotated[
        str,
        Field(
            pattern="^(float32|mixed_bfloat16|mixed_float16)$",
            description="'float32', 'mixed_bfloat16' or 'mixed_float16'",
        ),
    ] = "float32"

    @property
    def memory_bytes(self) -> int | None:
        """The bytes that rows may take in memory; None where all are in memory."""
        return None if self.memory is None else bytes_of(self.memory)
