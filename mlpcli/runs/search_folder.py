"""Search folders and their `search.json`.

A search is a run folder with `search.json`, `trials/0001/` and so on, each of them a run folder too, and at
the end `best.yaml` and the promoted run's own files. `search.json` is written atomically after every event,
so it is correct however the search ends; everything else about a search can be recomputed from it.
"""

from __future__ import annotations

import contextlib
import json
import re
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from mlpcli.errors import MlpcliError, Problem, RunError
from mlpcli.files import write_json
from mlpcli.printable import counted
from mlpcli.runs.folder import RECORD, Run, find_run, list_runs, open_run
from mlpcli.runs.folder import SEARCH as SEARCH
from mlpcli.runs.lock import is_locked
from mlpcli.runs.record_models import Count, Measured, PathText, Plain, Record, Seconds, read_record

SEARCHED = "search.yaml"  # the spec with the overrides applied, before hyperparameters are chosen
BEST = "best.yaml"
TRIALS = "trials"
CHIEF = "chief.json"
"""File in the search's folder while a chief runs: its address and the key."""
PROMOTED = "promoted"
VERSION = 1

RUNNING: Literal["running"] = "running"
COMPLETED: Literal["completed"] = "completed"
FAILED: Literal["failed"] = "failed"

Number = Annotated[int, Field(ge=1, lt=10**9)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


@dataclass(frozen=True)
class Objective:
    """What a search optimizes."""

    name: str
    direction: Literal["min", "max"]

    def better(self, score: float, than: float | None) -> bool:
        """Return whether a score is better than another; anything is better than None."""
        return than is None or (score > than if self.direction == "max" else score < than)

    def best_first(self, trials: list[Trial]) -> list[Trial]:
        """Return the completed trials, the best first; of equal ones the earlier."""
        done = [trial for trial in trials if trial.status == COMPLETED and trial.score is not None]
        sign = -1 if self.direction == "max" else 1
        return sorted(done, key=lambda trial: (sign * (trial.score or 0.0), trial.number))


@dataclass
class Trial:
    """One trial: the proposed values, the active ones, and the result.

    proposed: values of hyperparameters by name, as the algorithm chose them; it may include those inside
        options that were not chosen. values: the active ones.
    epochs, initial_epoch, source: for Hyperband, the last epoch, the epoch and the trial to continue from.
    """

    number: Number
    proposed: dict[str, Plain]
    values: dict[str, Plain]
    epochs: Number | None = None
    initial_epoch: Count = 0
    source: Number | None = None
    source_folder: str = ""
    status: Literal["running", "completed", "failed"] = RUNNING
    starts: Annotated[int, Field(ge=0, lt=10**9)] = 1
    folder: str = ""
    score: Finite | None = None
    best_epoch: Count | None = None
    trained: Count = 0  # epochs that were run
    seconds: Seconds = 0.0
    metrics: dict[str, Measured] = field(default_factory=dict)  # logged in the best epoch
    reason: str = ""  # why it failed
    worker: str = ""

    def __post_init__(self) -> None:
        """Set the folder; refuse one that is not the trial's own.

        Raises:
            ValueError: the folder is not named after the trial, or that of its source not after the source.
        """
        self.folder = self.folder or f"{TRIALS}/{self.number:04d}"
        check_trial_folder(self.folder, self.number)
        if self.source is not None:
            check_trial_folder(self.source_folder, self.source)


def check_trial_folder(folder: str, number: int) -> None:
    """Refuse a trial's folder that is not named after its number: `trials/0003`, or `trials/0003-2`.

    Raises:
        ValueError: it has another name, and might lead anywhere.
    """
    if not re.fullmatch(rf"{TRIALS}/{number:04d}(-[1-9][0-9]{{0,8}})?", folder):
        raise ValueError(f"the folder of trial {number} must be {TRIALS}/{number:04d}, not {folder[:60]!r}")


@dataclass
class Promotion:
    """One of the best trials trained again with a seed."""

    trial: Number
    seed: Seed
    score: Finite | None
    best_epoch: Count | None
    folder: str
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse a folder that is neither the trial's nor named after trial and seed.

        Raises:
            ValueError: it is another.
        """
        if self.folder != promotion_folder(self.trial, self.seed):
            check_trial_folder(self.folder, self.trial)


def promotion_folder(trial: int, seed: int) -> str:
    """Return the folder in a search in which a trial is trained again with a seed."""
    return f"{PROMOTED}/{trial:04d}-seed-{seed}"


@dataclass(frozen=True)
class Standing:
    """The scores of one of the best trials over several seeds, with their mean and standard deviation."""

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
    """The complete state of a search; `save` it after every change.

    events: ("start" or "end", number of the trial), in order: the algorithm's state is restored by replaying
        them.
    winner: number of the trial that was promoted.
    engine: what trains the trials where the spec leaves it to us; earlier versions had `compiled` alone.
    ensemble: of how many of the best trials the mean is to be kept; 0 to keep one network.
    members: the trials whose mean was kept.
    """

    folder: Path
    name: str
    algorithm: str
    arguments: dict[str, Any]
    objective: Objective
    seed: int
    space: dict[str, Any]
    spec: str  # path of the spec, to which paths are relative
    data: str = ""  # fingerprint of the data
    trials: list[Trial] = field(default_factory=list)
    events: list[tuple[str, int]] = field(default_factory=list)
    promotions: list[Promotion] = field(default_factory=list)
    winner: int | None = None
    finished: bool = False  # nothing is left to do, unless more trials are requested
    seconds: float = 0.0  # of all sessions
    engine: Literal["auto", "compiled"] = "compiled"
    ensemble: int = 0
    members: list[int] = field(default_factory=list)

    @property
    def label(self) -> str:
        """`name/timestamp`, as every command accepts it."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    def progress(self) -> str:
        """Return the progress in words: "3 trials done, 1 started"."""
        done = len(self.trials) - len(self.unfinished())
        started = f", {len(self.unfinished())} started" if self.unfinished() else ""
        return f"{counted(done, 'trial')} done{started}"

    def trial(self, number: int) -> Trial:
        """Return the trial with a number, counted from 1."""
        return self.trials[number - 1]

    def best_first(self) -> list[Trial]:
        """Return the completed trials, the best first."""
        return self.objective.best_first(self.trials)

    def standings(self) -> list[Standing]:
        """Return the promoted trials, the best mean first; those with a failed training come last."""
        found = []
        for number in dict.fromkeys(promotion.trial for promotion in self.promotions):
            scores = [p.score for p in self.promotions if p.trial == number and p.score is not None]
            if scores:
                found.append(Standing(number, tuple(scores)))
        sign = -1 if self.objective.direction == "max" else 1
        most = max((len(standing.scores) for standing in found), default=0)
        return sorted(found, key=lambda s: (len(s.scores) < most, sign * s.mean, s.trial))

    def unfinished(self) -> list[Trial]:
        """Return the trials that were started but have not ended."""
        return [trial for trial in self.trials if trial.status == RUNNING]

    def save(self) -> None:
        """Write `search.json` atomically."""
        document = {"version": VERSION} | {
            key: value for key, value in asdict(self).items() if key != "folder"
        }
        write_json(self.folder / SEARCH, document)


def load_search(folder: Path) -> Search:
    """Load the search in a folder.

    Raises:
        RunError: there is none, or it cannot be read.
    """
    path = folder / SEARCH
    try:
        version = read_record(path, _Version).version
        if version == VERSION:
            found = read_record(path, SearchRecord)
    except FileNotFoundError:
        rule = f"{folder} is not a search (it has no {SEARCH})"
        raise RunError(Problem(rule, hint="start one with mlpcli tune SPEC")) from None
    if version != VERSION:
        raise RunError(Problem(f"{path} was written by another version of mlpcli", hint="start a new search"))
    if contradiction := next(_contradictions(found), ""):
        hint = "the file was changed or is damaged: restore the original, or start a new search with --fresh"
        raise RunError(Problem(f"{path} is damaged: {contradiction}", hint=hint))
    fields = {name: getattr(found, name) for name in SearchRecord.model_fields}
    fields["space"] = {
        name: each.model_dump(mode="json", exclude_unset=True) for name, each in found.space.items()
    }
    return Search(folder=folder, **fields)


class _Version(Record):
    version: int | str | None = None


class ParameterRecord(Record):
    """A hyperparameter as `search.json` defines it; see `Space.to_json`."""

    kind: Literal["int", "float", "choice", "boolean"]
    default: Plain
    min: int | float = 0
    max: int | float = 0
    step: int | float | None = None
    sampling: str | None = None
    values: list[object] = Field(default_factory=list)
    conditions: list[tuple[str, list[Plain]]] = Field(default_factory=list)


class SearchRecord(Record):
    """`search.json`; the fields are those of `Search`."""

    name: str
    algorithm: Literal["RandomSearch", "GridSearch", "Hyperband", "BayesianOptimization"]
    arguments: dict[str, Annotated[int, Field(ge=1, lt=2**31)] | Annotated[float, Field(ge=0)] | None]
    objective: Objective
    seed: Seed
    space: dict[str, ParameterRecord]
    spec: PathText
    data: str = ""
    trials: list[Trial] = Field(default_factory=list)
    events: list[tuple[Literal["start", "end"], Number]] = Field(default_factory=list)
    promotions: list[Promotion] = Field(default_factory=list)
    winner: Number | None = None
    finished: bool = False
    seconds: Seconds = 0.0
    engine: Literal["auto", "compiled"] = "compiled"
    ensemble: Count = 0
    members: list[Number] = Field(default_factory=list)


def _contradictions(found: SearchRecord) -> Iterator[str]:
    """Yield the contradictions in a search's record."""
    count = len(found.trials)
    started: set[int] = set()
    ended: set[int] = set()
    for place, trial in enumerate(found.trials):
        if trial.number != place + 1:
            yield f"trials[{place}].number must be {place + 1}, received {trial.number}"
        if trial.source is not None and trial.source >= trial.number:
            yield f"trials[{place}].source must be an earlier trial, received {trial.source}"
        if trial.status == COMPLETED and trial.score is None:
            yield f"trials[{place}].score is missing, but the trial is completed"
    for place, (event, number) in enumerate(found.events):
        known = ended if event == "end" else started
        if number > count or number in known or (event == "end" and number not in started):
            yield f"events[{place}] does not fit the trials: {event} of trial {number}"
        known.add(number)
    for place, trial in enumerate(found.trials):
        if trial.status == RUNNING and trial.number in ended:
            yield f"trials[{place}].status is running, but events say that it has ended"
    for place, promotion in enumerate(found.promotions):
        if promotion.trial > count:
            yield f"promotions[{place}].trial: there is no trial {promotion.trial}"
    if any(member > count for member in found.members):
        yield f"members: there are only {count} trials"
    if found.winner is not None and found.winner > count:
        yield f"winner: there is no trial {found.winner}"


def find_search(text: str, runs_dir: Path) -> Run:
    """Find a search by its folder, by `name/timestamp`, or by its name (the newest, finished or not).

    Raises:
        RunError: there is no such search.
    """
    found = find_run(text, runs_dir, unfinished=True)
    if (found.folder / SEARCH).is_file() or not (runs_dir / text).is_dir():
        return found  # or a run that is not a search, which `load_search` reports
    searches = [run.folder for run in list_runs(runs_dir, text).runs if (run.folder / SEARCH).is_file()]
    return open_run(searches[-1]) if searches else found


def unfinished_search(runs_dir: Path, name: str, space: dict[str, object]) -> Search | None:
    """Return the newest search of an experiment, if it has the same space and is not finished."""
    folder = runs_dir / name
    found = sorted(folder.glob(f"*/{SEARCH}")) if folder.is_dir() else []
    found = [path for path in found if (path.parent / RECORD).is_file()]  # killed before it had started
    if not found:
        return None
    search = load_search(found[-1].parent)
    as_stored = json.loads(json.dumps(space))  # lists for tuples
    return None if search.finished or search.space != as_stored or is_locked(search.folder) else search


def searched_threads(folder: Path) -> int | None:
    """Return `fit.threads` of a search's spec; None where it has none, or is damaged, which others report."""
    from mlpcli.spec.yaml_reader import read_text

    with contextlib.suppress(MlpcliError, OSError):
        fit = read_text(folder / SEARCHED).data.get("fit")
        threads = fit.get("threads") if isinstance(fit, dict) else None
        return threads if type(threads) is int and threads > 0 else None
    return None
