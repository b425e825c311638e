"""Keras Tuner's algorithms as plain functions of what has happened so far.

Keras Tuner's oracles propose values and learn from scores. Theirs are the algorithms; files, processes,
failures and resuming are ours, because theirs can hang, mix up trials and lose them. An oracle is never
saved: its state is made again by replaying a search's events, and what it proposes next depends on those
events and the seed alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from mlpcli.errors import Problem, RunError
from mlpcli.keras_import import import_keras, quiet_stderr
from mlpcli.keras_internals import hyperband_trials, keep_quiet, parent_condition, seed_proposal
from mlpcli.runs.search_folder import COMPLETED, Objective, Search, Trial
from mlpcli.spec.search_space import BOOLEAN, CHOICE, FLOAT, INT, Parameter, Space, same

SEED_STRIDE = 100_000
"""Keras Tuner draws each value with the next whole number as its seed; trials must not share any."""
NEVER = 10**9


class Answer(Enum):
    """What an oracle says instead of proposing a trial."""

    WAIT = "wait for a running trial to end"
    DONE = "there is nothing left to try"


@dataclass(frozen=True)
class Proposal:
    """Values to try; for Hyperband also how far to train, and on from which trial."""

    values: dict[str, Any]
    epochs: int | None = None
    initial_epoch: int = 0
    source: int | None = None


class Oracle:
    """One of Keras Tuner's algorithms over a space."""

    def __init__(
        self, algorithm: str, arguments: Mapping[str, Any], space: Space, objective: Objective, seed: int
    ) -> None:
        self.algorithm, self.space, self.seed = algorithm, space, seed
        self._ids: dict[int, str] = {}
        with _keras_tuner() as tuner:
            made = getattr(tuner.oracles, f"{algorithm}Oracle")(
                objective=tuner.Objective(objective.name, objective.direction),
                hyperparameters=_hyperparameters(tuner, space),
                tune_new_entries=False,
                seed=seed or 1,  # 0 would mean a random one
                max_consecutive_failed_trials=NEVER,  # its way to stop is an exception under a lock
                **arguments,
            )
        keep_quiet(made)
        self._oracle = made
        self._own_populate = made.populate_space

    def propose(self) -> Proposal | Answer:
        """The next trial to run; `start` it before the next call."""
        number = len(self._ids) + 1
        bayesian = self.algorithm == "BayesianOptimization"
        state = np.random.RandomState((self.seed + number) % 2**32) if bayesian else None
        seed_proposal(self._oracle, self.seed + SEED_STRIDE * number, state)
        with _keras_tuner():
            trial = self._oracle.create_trial(f"trial {number}")
        if trial.status == "STOPPED":
            return Answer.DONE
        if trial.status != "RUNNING":
            return Answer.WAIT
        self._ids[number] = trial.trial_id
        return self._proposal(trial.hyperparameters.values)

    def end(self, number: int, score: float | None) -> None:
        """Tell how a trial went; None when it failed."""
        trial_id = self._ids[number]
        with _keras_tuner() as tuner:
            if score is not None:
                self._oracle.update_trial(trial_id, {self._oracle.objective.name: score})
            trial = self._oracle.trials[trial_id]
            status = "COMPLETED" if score is not None else "FAILED"
            ended = tuner.engine.trial.Trial(trial.hyperparameters, trial_id, status)
            self._oracle.end_trial(ended)

    def replay(self, search: Search) -> None:
        """Bring a new oracle to where a search stands.

        Raises:
            RunError: it does not propose what it proposed then.
        """
        for event, number in search.events:
            trial = search.trial(number)
            if event == "end":
                self.end(number, trial.score if trial.status == COMPLETED else None)
                continue
            if self.algorithm in ("RandomSearch", "BayesianOptimization"):
                self._start_again(trial)
            else:
                self._propose_again(trial)

    def planned(self) -> int | None:
        """How many trials there will be, or None where that cannot be known."""
        oracle = self._oracle
        if self.algorithm != "Hyperband":
            return int(oracle.max_trials) if oracle.max_trials else None
        return hyperband_trials(oracle) * int(oracle.hyperband_iterations)

    def _start_again(self, trial: Trial) -> None:
        """Start a trial with the values it had, without the cost of choosing them."""
        proposed = self.space.defaults | trial.proposed  # parameters may have come since
        values = {parameter.name: _to_tuner(parameter, proposed[parameter.name]) for parameter in self.space}
        self._oracle.populate_space = lambda trial_id: {"status": "RUNNING", "values": values}
        try:
            self.propose()
        finally:
            self._oracle.populate_space = self._own_populate

    def _propose_again(self, trial: Trial) -> None:
        proposal = self.propose()
        recorded = Proposal(trial.proposed, trial.epochs, trial.initial_epoch, trial.source)
        if proposal != recorded:
            rule = f"{self.algorithm} does not propose trial {trial.number} as it was recorded"
            hint = "was Keras Tuner updated, or search.json edited? begin anew with --fresh"
            raise RunError(Problem(rule, hint=hint))

    def _proposal(self, values: Mapping[str, Any]) -> Proposal:
        source = values.get("tuner/trial_id")
        numbers = {trial_id: number for number, trial_id in self._ids.items()}
        return Proposal(
            {p.name: _from_tuner(p, values[p.name]) for p in self.space if p.name in values},
            values.get("tuner/epochs"),
            values.get("tuner/initial_epoch", 0),
            numbers[source] if source is not None else None,
        )


@contextmanager
def _keras_tuner() -> Iterator[Any]:
    """Keras Tuner, imported quietly, with its deprecated calls and its optimizer's remarks held back."""
    import_keras()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with quiet_stderr():
            import keras_tuner
            import keras_tuner.engine.trial
        yield keras_tuner


def _hyperparameters(tuner: Any, space: Space) -> Any:
    """The space as Keras Tuner writes it; options of a choice are their index, as text."""
    kinds = tuner.engine.hyperparameters
    made = tuner.HyperParameters()
    for parameter in space:
        conditions = []
        for condition in parameter.conditions:
            parent = space[condition.parent]
            values = [_to_tuner(parent, value) for value in condition.values]
            conditions.append(parent_condition(parent.name, values))
        made.merge([_hyperparameter(kinds, parameter, conditions)])
    return made


def _hyperparameter(kinds: Any, parameter: Parameter, conditions: list[Any]) -> Any:
    if parameter.kind == BOOLEAN:
        return kinds.Boolean(parameter.name, default=parameter.default, conditions=conditions)
    if parameter.kind == CHOICE:
        indices = [str(index) for index in range(len(parameter.options))]
        default = _index(parameter, parameter.default)
        return kinds.Choice(parameter.name, indices, default=default, conditions=conditions)
    return {INT: kinds.Int, FLOAT: kinds.Float}[parameter.kind](
        parameter.name,
        parameter.minimum,
        parameter.maximum,
        step=parameter.step,
        sampling=parameter.sampling,
        default=parameter.default,
        conditions=conditions,
    )


def _index(parameter: Parameter, label: Any) -> str:
    return str(next(i for i, option in enumerate(parameter.options) if same(option.label, label)))


def _to_tuner(parameter: Parameter, value: Any) -> Any:
    return _index(parameter, value) if parameter.kind == CHOICE else value


def _from_tuner(parameter: Parameter, value: Any) -> Any:
    if parameter.kind == CHOICE:
        return parameter.options[int(value)].label
    if parameter.kind == INT:
        return round(value)
    return bool(value) if parameter.kind == BOOLEAN else float(value)
