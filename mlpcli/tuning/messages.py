"""What a search's chief and its workers say to each other, field by field, and how much of it is believed.

Who knows the key may still be broken, or of another version: whatever comes is held against these models, and
no message holds a path. The folder of a trial is computed from its number on either side.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError, model_validator

from mlpcli.printable import printable
from mlpcli.runs.search_folder import COMPLETED, TRIALS, Trial
from mlpcli.tuning.trials import Result

MOST_WAIT_SECONDS = 5.0
MOST_NAMES = 1_000
MOST_REASON = 2_000

Count = Annotated[int, Field(ge=1, le=10**9)]
Whole = Annotated[int, Field(ge=0, le=10**9)]
Seconds = Annotated[FiniteFloat, Field(ge=0, le=10**9)]
Name = Annotated[str, Field(min_length=1, max_length=300)]
WorkerName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,300}$")]
Scalar = bool | int | float | Annotated[str, Field(max_length=10_000)] | None
Values = Annotated[dict[Name, Scalar], Field(max_length=MOST_NAMES)]
Figures = Annotated[dict[Name, float], Field(max_length=MOST_NAMES)]


class BadMessage(ValueError):
    """A message has a field too many, too few, or of another kind; says which."""


class Message(BaseModel):
    """One message: strict, and with no field that is not known."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, ser_json_inf_nan="constants")

    def encoded(self) -> bytes:
        """The message as JSON."""
        return self.model_dump_json().encode()


class Contact(BaseModel):
    """`chief.json`: where the chief of a search listens, and the key that its messages are signed with."""

    model_config = ConfigDict(strict=True, frozen=True)

    protocol: Literal[2]
    address: Annotated[str, Field(max_length=300)]
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Claim(Message):
    """A worker asks for a trial."""

    worker: WorkerName


class Beat(Claim):
    """A worker still runs a trial; with the newest epoch's figures, once there are any."""

    trial: Count
    epoch: Count | None = None
    epochs: Count | None = None
    logs: Figures = Field(default_factory=dict)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if (self.epoch is None) != (self.epochs is None):
            raise ValueError("epoch and epochs go together")
        return self


class TrialResult(Message):
    """What came of a trial."""

    status: Literal["completed", "failed"]
    score: FiniteFloat | None = None
    best_epoch: Count | None = None
    trained: Whole = 0
    seconds: Seconds = 0.0
    metrics: Figures = Field(default_factory=dict)
    reason: Annotated[str, Field(max_length=MOST_REASON)] = ""

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if (self.status == COMPLETED) != (self.score is not None):
            raise ValueError("a completed trial has a score, a failed one has none")
        return self

    def result(self) -> Result:
        """The result as the search keeps it."""
        return Result(**self.model_dump() | {"reason": printable(self.reason)})


class Done(Claim):
    """A worker has come to the end of a trial."""

    trial: Count
    result: TrialResult


class Assignment(Message):
    """A trial for a worker.

    copy_number: which of the trial's folders is meant; there is one for each worker that has begun it.
    """

    number: Count
    starts: Count
    copy_number: Count
    proposed: Values
    values: Values
    epochs: Count | None
    initial_epoch: Whole
    source: Count | None
    source_copy: Count

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.copy_number > self.starts:
            raise ValueError("a trial has no more folders than starts")
        if self.source is not None and self.source >= self.number:
            raise ValueError("a trial goes on from an earlier one")
        return self

    @classmethod
    def of(cls, trial: Trial) -> Assignment:
        """The message about a trial of the search."""
        return cls(
            number=trial.number,
            starts=trial.starts,
            copy_number=copy_number(trial.folder, trial.number),
            proposed=trial.proposed,
            values=trial.values,
            epochs=trial.epochs,
            initial_epoch=trial.initial_epoch,
            source=trial.source,
            source_copy=copy_number(trial.source_folder, trial.source) if trial.source is not None else 1,
        )

    def trial(self, worker: str) -> Trial:
        """The trial, with its folders computed here."""
        return Trial(
            self.number,
            dict(self.proposed),
            dict(self.values),
            self.epochs,
            self.initial_epoch,
            self.source,
            "" if self.source is None else trial_folder(self.source, self.source_copy),
            starts=self.starts,
            folder=trial_folder(self.number, self.copy_number),
            worker=worker,
        )


class Stop(Message):
    """To a claim: the search is over."""

    stop: Literal[True] = True


class Wait(Message):
    """To a claim: ask again after so many seconds."""

    wait: Annotated[FiniteFloat, Field(ge=0, le=MOST_WAIT_SECONDS)]


class Work(Message):
    """To a claim: run this."""

    trial: Assignment


class GoOn(Message):
    """To a beat: whether the trial is still this worker's."""

    go_on: bool


class Taken(Message):
    """To a result: whether it counts; not where another worker has the trial by now."""

    taken: bool


class Refusal(Message):
    """To anything: it could not be understood."""

    refused: Annotated[str, Field(max_length=MOST_REASON)]


REQUESTS: dict[str, type[Claim]] = {"claim": Claim, "beat": Beat, "done": Done}

_ANSWERS: dict[str, TypeAdapter[Message]] = {
    "claim": TypeAdapter(Stop | Wait | Work | Refusal),
    "beat": TypeAdapter(GoOn | Refusal),
    "done": TypeAdapter(Taken | Refusal),
}

Read = TypeVar("Read", bound=BaseModel)


def read_request(verb: str, body: bytes) -> Claim:
    """The request that a body holds.

    Raises:
        BadMessage: it holds none of that verb.
    """
    if (model := REQUESTS.get(verb)) is None:
        raise BadMessage(f"there is no request {printable(verb[:40])!r}")
    return read(model, body)


def read_answer(verb: str, body: bytes) -> Message:
    """The answer to a request.

    Raises:
        BadMessage: it is none.
    """
    try:
        return _ANSWERS[verb].validate_json(body)
    except ValidationError as error:
        raise _bad(error) from None


def read(model: type[Read], body: bytes) -> Read:
    """A model from JSON.

    Raises:
        BadMessage: it does not fit.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _bad(error) from None


def _bad(error: ValidationError) -> BadMessage:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(step) for step in first["loc"])
    return BadMessage(printable(f"{where}: {first['msg']}" if where else first["msg"])[:MOST_REASON])


def result_message(result: Result) -> TrialResult:
    """The message about a result, cut to what a message may hold."""
    return TrialResult(**asdict(result) | {"reason": result.reason[:MOST_REASON]})


def trial_folder(number: int, copy: int) -> str:
    """Where a trial is run, under the search's folder: one place for each worker that has begun it."""
    return f"{TRIALS}/{number:04d}" + (f"-{copy}" if copy > 1 else "")


def copy_number(folder: str, number: int) -> int:
    """Which of a trial's folders this is, counted from 1.

    Raises:
        BadMessage: it is none of them.
    """
    found = re.fullmatch(r"-([1-9]\d{0,8})", folder.removeprefix(trial_folder(number, 1)))
    copy = int(found[1]) if found else 1
    if folder != trial_folder(number, copy):
        raise BadMessage(f"{printable(folder[:60])!r} is not a folder of trial {number}")
    return copy
