"""Searches on disk: what `search.json` says.

A search is a run folder with `search.json`, `trials/0001/` and so on, each a run folder too, and in the end
`best.yaml` and the promoted run's own files. `search.json` is written whole after every event, so that what
it says is true however the search ended; everything else about a search can be made again from it.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlpcli.errors import Problem, RunError
from mlpcli.files import write_json
from mlpcli.runs.folder import RECORD, Run, find_run, is_locked, list_runs
from mlpcli.runs.folder import SEARCH as SEARCH

SEARCHED = "search.yaml"  # the spec with every override in it, and its hyperparameters still to be chosen
BEST = "best.yaml"
TRIALS = "trials"
PROMOTED = "promoted"
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
    source_folder: str = ""
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


@dataclass(frozen=True)
class Standing:
    """How one of the best did over several seeds: the mean and standard deviation of its scores."""

    trial: int
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean score."""
        return statistics.fmean(self.scores)

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the scores, or None with fewer than two."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else None


@dataclass
class Search:
    """A search's whole state; `save` after every change.

    events: ("start" or "end", number of the trial), in their order: replaying them makes the algorithm's
        state again.
    winner: number of the trial that was promoted.
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
    finished: bool = False  # nothing is left to do, unless more trials are asked for
    seconds: float = 0.0  # spent on it, over all sittings

    @property
    def label(self) -> str:
        """`name/timestamp`, as every command takes it."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    def progress(self) -> str:
        """How far it has come: "3 trials are done, 1 was begun"."""
        done = len(self.trials) - len(self.unfinished())
        begun = f", {len(self.unfinished())} begun" if self.unfinished() else ""
        return f"{done} {'trial is' if done == 1 else 'trials are'} done{begun}"

    def trial(self, number: int) -> Trial:
        """The trial of a number, counted from 1."""
        return self.trials[number - 1]

    def best_first(self) -> list[Trial]:
        """Completed trials, the best first."""
        return self.objective.best_first(self.trials)

    def standings(self) -> list[Standing]:
        """The promoted trials, the best mean first; those of which a training failed come last."""
        found = []
        for number in dict.fromkeys(promotion.trial for promotion in self.promotions):
            scores = [p.score for p in self.promotions if p.trial == number and p.score is not None]
            if scores:
                found.append(Standing(number, tuple(scores)))
        sign = -1 if self.objective.direction == "max" else 1
        most = max((len(standing.scores) for standing in found), default=0)
        return sorted(found, key=lambda s: (len(s.scores) < most, sign * s.mean, s.trial))

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


def find_search(text: str, runs_dir: Path) -> Run:
    """The search that `text` names: a folder, `name/timestamp`, or a name (its newest, finished or not).

    Raises:
        RunError: there is none of that name; what was found in its place is told.
    """
    found = find_run(text, runs_dir, unfinished=True)
    if (found.folder / SEARCH).is_file() or not (runs_dir / text).is_dir():
        return found  # or a plain run, which `load_search` will say
    searches = [run for run in list_runs(runs_dir, text) if (run.folder / SEARCH).is_file()]
    return searches[-1] if searches else found


def unfinished_search(runs_dir: Path, name: str, space: dict[str, Any]) -> Search | None:
    """The newest search of an experiment, if it has the same space and was not brought to its end."""
    folder = runs_dir / name
    found = sorted(folder.glob(f"*/{SEARCH}")) if folder.is_dir() else []
    found = [path for path in found if (path.parent / RECORD).is_file()]  # killed before it had begun
    if not found:
        return None
    search = load_search(found[-1].parent)
    whole = json.loads(json.dumps(space))  # lists for tuples, as in the file
    return None if search.finished or search.space != whole or is_locked(search.folder) else search
