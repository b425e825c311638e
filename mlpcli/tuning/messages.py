"""The messages between a search's chief and its workers, field by field, with the limits of each.

A peer that knows the key may still be broken or of another version, so every message is validated by these
models, and none contains a path: both sides compute the folder of a trial from its number.
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
    """A message has an unknown, missing or wrong field; the text names it."""


class Message(BaseModel):
    """Base of the messages: strict types, no unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, ser_json_inf_nan="constants")

    def encoded(self) -> bytes:
        """Return the message as JSON."""
        return self.model_dump_json().encode()


class Contact(BaseModel):
    """`chief.json`: where the chief of a search listens, and the key that signs its messages."""

    model_config = ConfigDict(strict=True, frozen=True)

    protocol: Literal[2]
    address: Annotated[str, Field(max_length=300)]
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Claim(Message):
    """Request of a trial."""

    worker: WorkerName


class Heartbeat(Claim):
    """Report that a trial is still running; with the newest epoch after the first."""

    trial: Count
    epoch: Count | None = None
    epochs: Count | None = None
    logs: Figures = Field(default_factory=dict)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if (self.epoch is None) != (self.epochs is None):
            raise ValueError("epoch and epochs must be given together")
        return self


class TrialResult(Message):
    """The result of a trial, as it is sent."""

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
        """Return the result as the search keeps it."""
        return Result(**self.model_dump() | {"reason": printable(self.reason)})


class Done(Claim):
    """Report that a trial has ended."""

    trial: Count
    result: TrialResult


class Assignment(Message):
    """A trial for a worker.

    Attributes:
        number: the trial, from 1.
        starts: how many workers have started it.
        copy_number: the folder of the trial, from 1; each worker that starts it has another.
        proposed: every hyperparameter's value.
        values: those of them that are active.
        epochs: how far to train; None for the spec's epochs.
        initial_epoch: how many of them another trial has trained already.
        source: that trial; None for none.
        source_copy: the folder of that trial.
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
            raise ValueError("a trial continues an earlier one")
        return self

    @classmethod
    def of(cls, trial: Trial) -> Assignment:
        """Build the message of a trial."""
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
        """Return the trial, with its folders computed on this side."""
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
    """Answer to a claim: the search is over."""

    stop: Literal[True] = True


class Wait(Message):
    """Answer to a claim: ask again after so many seconds."""

    wait: Annotated[FiniteFloat, Field(ge=0, le=MOST_WAIT_SECONDS)]


class Work(Message):
    """Answer to a claim: run this trial."""

    trial: Assignment


class HeartbeatAnswer(Message):
    """Answer to a heartbeat: whether this worker still has the trial."""

    go_on: bool


class ResultAnswer(Message):
    """Answer to a result: whether it is accepted; it is not if another worker has the trial by now."""

    taken: bool


class Refusal(Message):
    """Answer to any invalid request, with the reason."""

    refused: Annotated[str, Field(max_length=MOST_REASON)]


REQUESTS: dict[str, type[Claim]] = {"claim": Claim, "beat": Heartbeat, "done": Done}

_ANSWERS: dict[str, TypeAdapter[Message]] = {
    "claim": TypeAdapter(Stop | Wait | Work | Refusal),
    "beat": TypeAdapter(HeartbeatAnswer | Refusal),
    "done": TypeAdapter(ResultAnswer | Refusal),
}

Read = TypeVar("Read", bound=BaseModel)


def read_request(verb: str, body: bytes) -> Claim:
    """Parse a request.

    Raises:
        BadMessage: The verb is unknown, or the body is not its request.
    """
    if (model := REQUESTS.get(verb)) is None:
        raise BadMessage(f"there is no request {printable(verb[:40])!r}")
    return read(model, body)


def read_answer(verb: str, body: bytes) -> Message:
    """Parse the answer to a request with this verb.

    Raises:
        BadMessage: The body is not such an answer.
    """
    try:
        return _ANSWERS[verb].validate_json(body)
    except ValidationError as error:
        raise _bad(error) from None


def read(model: type[Read], body: bytes) -> Read:
    """Parse JSON into a model.

    Raises:
        BadMessage: The JSON does not fit the model.
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
    """Build the message of a result, its reason cut to the limit of a message."""
    return TrialResult(**asdict(result) | {"reason": result.reason[:MOST_REASON]})


def trial_folder(number: int, copy: int) -> str:
    """Return a trial's folder in the search's; each worker that starts the trial has another copy."""
    return f"{TRIALS}/{number:04d}" + (f"-{copy}" if copy > 1 else "")


def copy_number(folder: str, number: int) -> int:
    """Return which of a trial's folders this is, from 1.

    Raises:
        BadMessage: It is none of them.
    """
    found = re.fullmatch(r"-([1-9]\d{0,8})", folder.removeprefix(trial_folder(number, 1)))
    copy = int(found[1]) if found else 1
    if folder != trial_folder(number, copy):
        raise BadMessage(f"{printable(folder[:60])!r} is not a folder of trial {number}")
    return copy
