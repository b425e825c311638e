"""Searches on disk: what `search.json` says, and the one process that may write it.

A search is a run folder with `search.json`, `trials/0001/` and so on, each a run folder too, and in the end
`best.yaml` and the promoted run's own files. `search.json` is written whole after every event, so that what it
says is true however the search ended; everything else about a search can be made again from it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlpcli.errors import Problem, RunError
from mlpcli.files import write_json

SEARCH = "search.json"
SEARCHED = "search.yaml"  # the spec with every override in it, and its hyperparameters still to be chosen
BEST = "best.yaml"
TRIALS = "trials"
PROMOTED = "promoted"
LOCK = "search.lock"
VERSION = 1

RUNNING, COMPLETED, FAILED = "running", "completed", "failed"


@dataclass(frozen=True)
class Objective:
    """What a search makes as good as it can."""

    name: str
    direction: str  # min or max

    def better(self, score: float, than: float | None) -> bool:
        """Whether a score is better than another; anything is better than None."""
        return than is None or (score > than if self.direction == "max" else score < than)

    def best_first(self, trials: list[Trial]) -> list[Trial]:
        """Completed trials, the best first; of equals the earlier one."""
        done = [trial for trial in trials if trial.status == COMPLETED and trial.score is not None]
        sign = -1 if self.direction == "max" else 1
        return sorted(done, key=lambda trial: (sign * (trial.score or 0.0), trial.number))


@dataclass
class Trial:
    """One trial: what was proposed, what of it counts, and what came of it.

    proposed: values of hyperparameters by name, as the algorithm chose them; those of branches not taken may
        be among them. values: those that count.
    epochs, initial_epoch, source: of Hyperband, how far to train, from which epoch, on from which trial.
    """

    number: int
    proposed: dict[str, Any]
    values: dict[str, Any]
    epochs: int | None = None
    initial_epoch: int = 0
    source: int | None = None
    status: str = RUNNING
    starts: int = 1
    folder: str = ""
    score: float | None = None
    best_epoch: int | None = None
    trained: int = 0  # epochs that were run
    seconds: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)  # logged in the best epoch
    reason: str = ""  # why it failed
    worker: str = ""

    def __post_init__(self) -> None:
        self.folder = self.folder or f"{TRIALS}/{self.number:04d}"


@dataclass
class Promotion:
    """One of the best trials trained again with a seed."""

    trial: int
    seed: int
    score: float | None
    best_epoch: int | None
    folder: str
    reason: str = ""


@dataclass
class Search:
    """A search's whole state; `save` after every change.

    events: ("start" or "end", number of the trial), in their order: replaying them makes the algorithm's
        state again.
    winner: number of the trial that was promoted; final: whether the promoted run is complete.
    """

    folder: Path
    name: str
    algorithm: str
    arguments: dict[str, Any]
    objective: Objective
    seed: int
    space: dict[str, Any]
    spec: str  # path of the spec, which relative paths start from
    data: str = ""  # fingerprint of the data
    trials: list[Trial] = field(default_factory=list)
    events: list[tuple[str, int]] = field(default_factory=list)
    promotions: list[Promotion] = field(default_factory=list)
    winner: int | None = None
    final: bool = False
    seconds: float = 0.0  # spent on it, over all sittings

    def trial(self, number: int) -> Trial:
        """The trial of a number, counted from 1."""
        return self.trials[number - 1]

    def best_first(self) -> list[Trial]:
        """Completed trials, the best first."""
        return self.objective.best_first(self.trials)

    def unfinished(self) -> list[Trial]:
        """Trials that were started and have no end."""
        return [trial for trial in self.trials if trial.status == RUNNING]

    def failures_in_a_row(self) -> list[Trial]:
        """The failed trials among those that ended last, without one that went well between them."""
        ended = [self.trial(number) for event, number in self.events if event == "end"]
        row: list[Trial] = []
        for trial in reversed(ended):
            if trial.status != FAILED:
                break
            row.append(trial)
        return row[::-1]

    def save(self) -> None:
        """Write `search.json`, whole or not at all."""
        document = {"version": VERSION} | {
            key: value for key, value in asdict(self).items() if key != "folder"
        }
        write_json(self.folder / SEARCH, document)


def load_search(folder: Path) -> Search:
    """The search in a folder.

    Raises:
        RunError: there is none, or it cannot be read.
    """
    path = folder / SEARCH
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        rule = f"{folder} is not a search (it holds no {SEARCH})"
        raise RunError(Problem(rule, hint="begin one with mlpcli tune SPEC")) from None
    except (OSError, ValueError) as error:
        raise RunError(Problem(f"{path} cannot be read ({error})")) from None
    if not isinstance(document, dict) or document.pop("version", None) != VERSION:
        raise RunError(Problem(f"{path} was written by another version of mlpcli", hint="begin a new search"))
    document["objective"] = Objective(**document["objective"])
    document["trials"] = [Trial(**trial) for trial in document["trials"]]
    document["promotions"] = [Promotion(**promotion) for promotion in document["promotions"]]
    document["events"] = [(event, number) for event, number in document["events"]]
    return Search(folder=folder, **document)


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Be the one process that runs a search; a process that died does not keep others out.

    Raises:
        RunError: another process is running it.
    """
    import fcntl

    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            rule = f"search {folder.parent.name}/{folder.name} is being run by another process"
            hint = "wait for it, or join it as a worker: mlpcli tune SPEC --role worker --address HOST:PORT"
            raise RunError(Problem(rule, hint=hint)) from None
        yield
    finally:
        os.close(handle)
