"""What the doctor knows of a run: its records, its spec, and, once measured, its network and data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlpcli.runs.leaking_columns import ColumnSkill
from mlpcli.runs.network_record import LayerFacts, NetworkFacts
from mlpcli.runs.record_models import Best, MetricsRecord
from mlpcli.spec.schema import ComponentSpec, Spec


@dataclass(frozen=True)
class Case:
    """A run, as far as it is known.

    Attributes:
        status: as `status_of` returns it.
        history: a row for each epoch.
        spec: its own.
        metrics: of its splits.
        best: the best epoch.
        rows: by split.
        error: why it ended, where it did not end well.
        timed_out: its time was up before its epochs were trained.
        shape: of a row, and `pixels`: whether its values are whole numbers from 0 to 255.
        classes: how many classes each output has, by name; none for numbers.
        network: measured on training rows.
        initial: the layers of the same network before its first step.
        columns: the columns that predict the target best, the best first.
        copies: for each split with training rows among its own: how many, of how many, and a line.
        members: it is made up of several trainings.
        by_init: `init` has written the spec.
    """

    status: str
    history: Sequence[dict[str, float]] = ()
    spec: Spec | None = None
    metrics: MetricsRecord = field(default_factory=MetricsRecord)
    best: Best | None = None
    rows: dict[str, int] = field(default_factory=dict)
    error: str = ""
    timed_out: bool = False
    shape: tuple[int, ...] = ()
    pixels: bool = False
    classes: dict[str, int] = field(default_factory=dict)
    network: NetworkFacts | None = None
    initial: tuple[LayerFacts, ...] = ()
    columns: tuple[ColumnSkill, ...] = ()
    copies: tuple[tuple[int, int, str], ...] = ()
    members: bool = False
    by_init: bool = False

    def values(self, name: str) -> list[float]:
        """Return a column of the history; empty where an epoch lacks it."""
        found = [row[name] for row in self.history if name in row]
        return found if len(found) == len(self.history) else []

    @property
    def constant_loss(self) -> float | None:
        """The training loss of the best constant prediction, where it is known."""
        return None if self.network is None else self.network.constant_loss

    @property
    def penalty(self) -> float:
        """The penalties of regularizers in the training loss, at its end."""
        return 0.0 if self.network is None else self.network.penalty

    def callback(self, class_name: str) -> tuple[int, ComponentSpec] | None:
        """Return the first callback of a class, and its position; None for none."""
        found = enumerate(self.spec.callbacks if self.spec is not None else ())
        return next(
            ((at, each) for at, each in found if each.class_name == class_name and not each.off), None
        )

    @property
    def keeps_best(self) -> bool:
        """Whether the epoch that was best by its monitor became the model."""
        stopping, saving = self.callback("EarlyStopping"), self.callback("ModelCheckpoint")
        restores = stopping is not None and stopping[1].arguments.get("restore_best_weights") is True
        saves = saving is not None and saving[1].arguments.get("save_best_only") is True
        return restores or saves

    @property
    def rate(self) -> float | None:
        """The learning rate of the first epoch; before its end the one of the spec, where it is a number."""
        if self.history:
            return self.history[0].get("learning_rate")
        given = self.spec.optimizer.arguments.get("learning_rate") if self.spec is not None else None
        return float(given) if isinstance(given, int | float) else None
