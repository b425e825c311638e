"""The values of runs by name: what a list of runs shows, and sorts and filters by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from mlpcli.errors import RunError, nearest
from mlpcli.runs.folder import RUNNING, Run
from mlpcli.runs.lock import is_locked
from mlpcli.runs.notes import NOTHING, Notes, read_notes
from mlpcli.runs.run_epochs import epochs_of

Value = float | str | tuple[str, ...] | None
"""A value of a run; a tuple of tags; None where it has none."""

SPLITS = {"train": "train_", "validation": "val_", "test": "test_"}
"""What the names of a split's metrics begin with, as in a history."""


@dataclass(frozen=True)
class BestValue:
    """The best value of a run, and the epoch or the trial that reached it."""

    monitor: str
    value: float | None
    where: tuple[str, int | None]

    def to_json(self) -> dict[str, object]:
        """Return it for scripts."""
        name, number = self.where
        return {"monitor": self.monitor, "value": self.value, name: number}


def best_value(run: Run) -> BestValue | None:
    """Return the best value: of a search's best trial, of a trial's objective, or of the monitored metric."""
    record = run.record
    if record.search is not None and (first := record.search.best) is not None:
        return BestValue(record.search.objective, first.score, ("trial", first.trial))
    if (reached := record.objective) is not None:
        return BestValue(reached.name, reached.score, ("epoch", reached.epoch))
    if record.best is not None:
        return BestValue(record.best.monitor, record.best.value, ("epoch", record.best.epoch))
    return None


def status_of(run: Run) -> str:
    """Return a run's status; `killed` for one that says it is running while no process holds its lock."""
    return "killed" if run.status == RUNNING and not is_locked(run.folder) else run.status


OVERRIDES = ("--set", "--folds", "--seeds", "--epochs")


def is_changed(run: Run) -> bool:
    """Return whether the command line changed the spec, so that its text does not say what was trained."""
    return any(word.split("=")[0] in OVERRIDES for word in run.record.command)


def seconds_of(run: Run) -> float | None:
    """Return the seconds that a run took, a search with all its trials."""
    search = run.record.search
    return (search.seconds if search is not None else None) or run.record.timings.get("total")


def _best_number(run: Run) -> Value:
    found = best_value(run)
    return None if found is None else found.value


def _monitor(run: Run) -> Value:
    found = best_value(run)
    return None if found is None else found.monitor


FACTS: dict[str, Callable[[Run], Value]] = {
    "run": lambda run: run.label,
    "name": lambda run: run.record.name or run.label.split("/")[0],
    "kind": lambda run: run.record.kind,
    "status": status_of,
    "started": lambda run: run.record.started,
    "ended": lambda run: run.record.ended,
    "epochs": epochs_of,
    "seconds": seconds_of,
    "monitor": _monitor,
    "best": _best_number,
    "parameters": lambda run: run.record.model.parameters,
    "seed": lambda run: run.record.seed,
    "engine": lambda run: run.record.engine.name if run.record.engine is not None else None,
    "host": lambda run: run.record.host.name,
    "error": lambda run: run.record.error,
}
WRITTEN = ("tags", "note")
"""What people write about a run."""
ALIASES = {"tag": "tags", "notes": "note", "time": "seconds", "label": "run"}
"""Other names of values."""


class RunValues:
    """The values of one run by name; what needs a file is read where it is asked for.

    Attributes:
        run: the run.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.metrics: dict[str, Value] = {
            f"{prefix}{name}": value
            for split, prefix in SPLITS.items()
            for name, value in run.record.metrics.get(split, {}).items()
        }
        self.hyperparameters: dict[str, Value] = {
            name: _plain(value) for name, value in run.record.hyperparameters.items()
        }

    @cached_property
    def notes(self) -> Notes:
        """What is written about the run."""
        try:
            return read_notes(self.run.folder)
        except RunError:  # of the list, this is the least
            return NOTHING

    @cached_property
    def settings(self) -> dict[str, Value]:
        """Every plain value of its resolved spec, by path."""
        from mlpcli.runs.comparison import settings_of  # a list without them is twice as fast

        try:
            return {path: _plain(found.value) for path, found in settings_of(self.run).items()}
        except RunError:
            return {}

    def names(self) -> Iterable[str]:
        """Yield the names of its values, but for those of its spec."""
        yield from FACTS
        yield from WRITTEN
        yield from self.metrics
        yield from self.hyperparameters

    def get(self, name: str) -> Value:
        """Return a value; None where the run has none of that name."""
        name = ALIASES.get(name, name)
        if name == "tags":
            return tuple(self.notes.tags) or None
        if name == "note":
            return self.notes.notes[-1].text if self.notes.notes else None
        if name in FACTS:
            return FACTS[name](self.run)
        for found in (self.metrics, self.hyperparameters):
            if name in found:
                return found[name]
        return self._setting(name) if "." in name or "[" in name or name in ("loss", "seed") else None

    def _setting(self, path: str) -> Value:
        """Return a value of the spec; a class may stand in its path: `optimizer.AdamW.learning_rate`."""
        if path in self.settings:
            return self.settings[path]
        place, steps = "", path.split(".")
        for number, step in enumerate(steps):
            if step[:1].isupper() and self.settings.get(place) == step:
                rest = ".".join(steps[number + 1 :])
                return self.settings.get(f"{place}.{rest}")
            place = f"{place}.{step}" if place else step
        return None


def _plain(value: object) -> Value:
    """Return a value of a spec as a number or a text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return float(value) if isinstance(value, int | float) else str(value)


def is_known(name: str, found: Sequence[RunValues]) -> bool:
    """Return whether one of some runs can have a value of this name."""
    name = ALIASES.get(name, name)
    if name in FACTS or name in WRITTEN:
        return True
    return any(name in each.metrics or name in each.hyperparameters for each in found) or any(
        each.get(name) is not None for each in found
    )


def unknown_hint(name: str, found: Sequence[RunValues]) -> str:
    """Return what to write instead of a name that no run has."""
    known = list(dict.fromkeys(each for values in found for each in values.names())) or [*FACTS, *WRITTEN]
    if ending := [each for each in known if each.endswith(f"_{name}")]:
        return f"write {' or '.join(ending)}"
    if near := nearest(name, known):
        return near
    return f"there are {', '.join(known)}; and paths of the spec, such as fit.epochs"
