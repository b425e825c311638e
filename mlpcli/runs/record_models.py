"""Models of the JSON records of a run folder, which are validated when they are read.

A record may come from somebody else or from a faulty disk. A record that does not fit its model is a damaged
run, and the error names the file and the field. Unknown keys are kept: a later version may have written them.
"""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mlpcli.errors import ABSENT, KeyPath, Problem, RunError, show_path
from mlpcli.files import read_ordinary
from mlpcli.runs.disk_record import RowsOnDisk
from mlpcli.runs.leaking_columns import ColumnSkill
from mlpcli.runs.network_record import NetworkFacts

MAX_BYTES = 64 * 2**20
"""The maximum size of a record; ours have kilobytes, or megabytes where a column has many categories."""

TRAIN_AGAIN = "restore the original, or train again"

Count = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = Annotated[float, Field(ge=0, lt=1e12)]
PathText = Annotated[str, Field(pattern=r"^[^\x00]*$")]
MemberFolder = Annotated[str, Field(pattern=r"^(folds|seeds|trials|promoted)/[0-9]+(-[a-z0-9-]+)?$")]
"""A run inside another's folder."""
Plain = bool | int | float | str | None
"""The value of a hyperparameter."""


def _number_or_nan(value: object) -> object:
    return math.nan if value is None else value


Measured = Annotated[float, BeforeValidator(_number_or_nan)]
"""A metric; JSON has no NaN, so that one is null there."""
Metrics = dict[str, dict[str, Measured]]
"""Metrics by split and name."""


class Record(BaseModel):
    """Base of every model here: values are not converted, unknown keys are kept."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="allow", protected_namespaces=(), defer_build=True
    )


class DataFacts(Record):
    """The data of a run; the contract is parsed separately, by `data/`.

    Attributes:
        targets: a digest of the scaled targets of each split; none in runs made before there was this entry.
        unscaled_targets: the same of the targets as they were read; none in runs made before.
        on_disk: where its rows were; None where they were in memory.
    """

    fingerprint: str
    targets: dict[str, str] = Field(default_factory=dict)
    unscaled_targets: dict[str, str] = Field(default_factory=dict)
    source: str = ""
    seed: Count | None = None
    rows: dict[str, Count] = Field(default_factory=dict)
    contract: dict[str, Any] = Field(default_factory=dict)
    on_disk: RowsOnDisk | None = None


class ModelFacts(Record):
    """The size of a run's model."""

    parameters: Count | None = None
    layers: Count | None = None


class Best(Record):
    """The best epoch of a run."""

    monitor: str
    value: float | None = None
    epoch: Count | None = None
    direction: Literal["min", "max"] | None = None


class Score(Record):
    """A trial's score on its search's objective."""

    name: str
    score: float | None = None
    epoch: Count | None = None


class BestTrial(Record):
    """The best trial of a search."""

    trial: Count
    score: float | None = None


class SearchSummary(Record):
    """The summary of a search in `run.json`."""

    objective: str
    direction: str = ""
    algorithm: str = ""
    trials: Count = 0
    best: BestTrial | None = None
    winner: Count | None = None
    seconds: Seconds | None = None


class PluginFile(Record):
    """A run's copy of a plug-in; `source` is the path of the original."""

    file: Annotated[str, Field(pattern=r"^plugins/[^/\\]+\.py$")]
    sha256: str
    source: PathText = ""


class Origin(Record):
    """The run that another continued, or trained again."""

    run: str
    folder: str = ""
    epoch: Count | None = None


class Start(Record):
    """The run whose layers another started with, and the sha256 of its model."""

    run: str = ""
    folder: str = ""
    sha256: str | None = None


class Host(Record):
    """The machine on which a run was trained."""

    name: str | None = None
    system: str | None = None
    machine: str | None = None
    cores: Count | None = None
    threads: Count | None = None


EngineName = Literal["compiled", "graph", "keras"]
"""What runs the epochs: one XLA program, one graph of TensorFlow's kernels, or Keras's `model.fit`."""


class Engine(Record):
    """The engine that trained a run, and why that one."""

    name: EngineName
    reason: str = ""
    rows_per_second: Count | None = None


class MembersRecord(Record):
    """The trainings whose models a run's model is the mean of, or that judge the one of all rows.

    folders: of their runs, relative to this one's.
    after: `mean` where the run's model is the mean of theirs, `retrain` where it was trained by itself.
    sha256: of each member's model, by its folder.
    fingerprint: of the run's data as its members read it; None where that is not known yet.
    """

    folders: Annotated[list[MemberFolder], Field(min_length=1)]
    after: Literal["mean", "retrain"] = "mean"
    folds: Count = 1
    seeds: Count = 1
    sha256: dict[str, str] = Field(default_factory=dict)
    fingerprint: str | None = None


class Resumption(Record):
    """One resumption of a run."""

    at: str = ""
    after_epoch: Count = 0
    was: str = ""
    command: list[str] = Field(default_factory=list)


class TimeUsed(Record):
    """The limit of a run's time in minutes, and the seconds that all of its commands have taken so far."""

    max_minutes: float
    used_seconds: Seconds = 0.0


class Replicas(Record):
    """The workers that train a run together.

    source: `--replicas`, `TF_CONFIG` or `SLURM`.
    """

    count: Annotated[int, Field(gt=0, le=100_000)]
    source: str = ""


class RunRecord(Record):
    """`run.json`.

    columns: those that alone predict the target best, three of each output.
    ended_by: `time` where a run is complete that ended although epochs are left.
    """

    status: Literal["running", "completed", "interrupted", "diverged", "failed"]
    kind: Literal["run", "search", "trial", "promoted", "fold", "seed", "retrained"] = "run"
    name: str = ""
    seed: Count | None = None
    started: str | None = None
    ended: str | None = None
    spec: PathText | None = None
    command: list[str] = Field(default_factory=list)
    hyperparameters: dict[str, Plain] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    commit: str | None = None
    host: Host = Field(default_factory=Host)
    data: DataFacts | None = None
    model: ModelFacts = Field(default_factory=ModelFacts)
    engine: Engine | None = None
    epochs: Count | None = None
    best: Best | None = None
    objective: Score | None = None
    search: SearchSummary | None = None
    timings: dict[str, Seconds] = Field(default_factory=dict)
    metrics: Metrics = Field(default_factory=dict)
    sha256: dict[str, str] = Field(default_factory=dict)
    plugins: list[PluginFile] = Field(default_factory=list)
    parent: Origin | None = None
    reproduces: Origin | None = None
    start_from: Start | None = None
    resumed: list[Resumption] = Field(default_factory=list)
    ended_by: Literal["time"] | None = None
    time: TimeUsed | None = None
    trial: Count | None = None
    fold: Count | None = None
    members: MembersRecord | None = None
    network: NetworkFacts | None = None
    columns: list[ColumnSkill] = Field(default_factory=list)
    replicas: Replicas | None = None
    error: str | None = None

    @property
    def can_go_on(self) -> bool:
        """Whether a run that is complete has epochs left, since its time was up."""
        return self.status == "completed" and self.ended_by is not None

    @property
    def is_mean(self) -> bool:
        """Whether the run's model is the mean of those of its members."""
        return self.members is not None and self.members.after == "mean"

    def to_json(self) -> dict[str, Any]:
        """Return the record as it was read: plain values, with unknown keys, without defaults."""
        return self.model_dump(exclude_unset=True)


class ListedRecord(RunRecord):
    """`run.json` without `data` and `network`, most of it, which a list of runs does not need."""

    model_config = ConfigDict(extra="ignore")

    data: Annotated[DataFacts | None, Field(validation_alias="data, not read")] = None
    network: Annotated[NetworkFacts | None, Field(validation_alias="network, not read")] = None


class SpreadRecord(Record):
    """A metric over several trainings: values, mean, standard deviation, and an interval of the mean."""

    mean: Measured
    standard_deviation: Measured = math.nan
    interval: tuple[Measured, Measured] = (math.nan, math.nan)
    values: list[Measured] = Field(default_factory=list)


SpreadBySplit = dict[str, dict[str, SpreadRecord]]
"""Metrics over several trainings, by split and name."""
Ends = Annotated[list[float], Field(min_length=2, max_length=2)]
"""The lower and the upper end of an interval."""


class MetricsRecord(Record):
    """`metrics.json`: metrics by split, their intervals, and the scores of the baselines."""

    train: dict[str, Measured] = Field(default_factory=dict)
    validation: dict[str, Measured] = Field(default_factory=dict)
    test: dict[str, Measured] = Field(default_factory=dict)
    held_out: dict[str, Measured] = Field(default_factory=dict)
    confidence_intervals: dict[str, dict[str, Ends]] = Field(default_factory=dict)
    confidence_interval_method: dict[str, Any] = Field(default_factory=dict)
    baseline: dict[str, str | float | dict[str, str | float]] = Field(default_factory=dict)
    folds: SpreadBySplit = Field(default_factory=dict)
    seeds: SpreadBySplit = Field(default_factory=dict)
    out_of_fold: dict[str, Measured] = Field(default_factory=dict)

    def by_split(self) -> Metrics:
        """Return every metric by split and name; those of the baselines come last."""
        named = {name: getattr(self, name) for name in ("train", "validation", "test")}
        named |= {"held_out": self.held_out} if self.held_out else {}
        plain = {name: value for name, value in self.baseline.items() if isinstance(value, float)}
        return named | {"baseline": plain}


class Identity(Record):
    """What must be unchanged for a checkpoint to be resumed."""

    spec: str
    data: str
    rows: dict[str, Count]
    plugins: dict[str, str]
    start_from: str | None = None
    versions: dict[str, str]


_Model = TypeVar("_Model", bound=BaseModel)


def read_record(path: Path, model: type[_Model]) -> _Model:
    """Parse a JSON file of a run folder.

    Args:
        path: the file.
        model: the class that its document must fit.

    Raises:
        FileNotFoundError: there is no such file.
        RunError: it cannot be read, is not JSON, or does not fit; the problem names the field.
    """
    try:
        content = read_ordinary(path, MAX_BYTES)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RunError(Problem(f"{path} cannot be read ({error.strerror})", hint=TRAIN_AGAIN)) from None
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: ValidationError, within: KeyPath = ()) -> RunError:
    """Return the error for a damaged record: the file, the field, the rule, and the value received.

    Args:
        path: the file.
        error: the first of its errors is reported.
        within: the path inside the file of the document that the error is about.
    """
    item = error.errors(include_url=False)[0]
    steps = (*within, *(step if isinstance(step, int) else str(step) for step in item["loc"]))
    rule = item["msg"].replace("Input should be", "must be").replace("Field required", "is missing")
    rule = rule.replace("Value error, ", "")
    received: object = ABSENT if item["type"] in ("missing", "json_invalid", "value_error") else item["input"]
    where = f"{show_path(steps)} " if steps else ""
    return RunError(Problem(f"{path} is damaged: {where}{rule}", received=received, hint=TRAIN_AGAIN))


def read_history(path: Path) -> list[dict[str, float]]:
    """Read a run's `history.csv`: a dict from name to value for each epoch, without the empty cells.

    Raises:
        FileNotFoundError: there is no such file.
        RunError: it is not UTF-8, or not a table of numbers; the problem names the line.
    """
    try:
        content = read_ordinary(path, MAX_BYTES)
        lines = csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
        found = []
        for row in lines:
            if None in row or None in row.values():
                raise ValueError("the number of cells is not that of the first line")
            found.append({name: float(cell) for name, cell in row.items() if cell})
            if "epoch" not in found[-1]:
                raise ValueError("no number in the column epoch")
        return found
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RunError(Problem(f"{path} cannot be read ({error.strerror})", hint=TRAIN_AGAIN)) from None
    except UnicodeDecodeError as error:
        rule = f"{path} is damaged: it is not UTF-8 (byte {error.start + 1:,})"
        raise RunError(Problem(rule, hint=TRAIN_AGAIN)) from None
    except (ValueError, csv.Error) as error:
        rule = f"{path}:{lines.line_num} is damaged: {error}"
        raise RunError(Problem(rule, hint=TRAIN_AGAIN)) from None
