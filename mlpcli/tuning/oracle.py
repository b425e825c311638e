"""Keras Tuner's algorithms as plain functions of a search's events so far.

Keras Tuner's oracles propose values and learn from scores. We use its algorithms; files, processes, failures
and resuming are ours, because Keras Tuner's can hang, mix up trials and lose them. An oracle is never saved:
replaying a search's events restores its state, and the next proposal depends only on them and the seed.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from mlpcli.errors import Problem, RunError
from mlpcli.keras_import import import_keras, quiet_stderr
from mlpcli.runs.search_folder import COMPLETED, Objective, Search, Trial
from mlpcli.spec.search_space import BOOLEAN, CHOICE, FLOAT, INT, Parameter, Space, same
from mlpcli.spec.values import Scalar
from mlpcli.tuner_internals import hyperband_trials, keep_quiet, parent_condition, seed_proposal

if TYPE_CHECKING:
    import keras_tuner
    from keras_tuner.engine.hyperparameters import HyperParameter

SEED_STRIDE = 100_000
"""Keras Tuner draws each value with the next integer as its seed; two trials must not share any."""
NEVER = 10**9


class NoTrial(Enum):
    """Why an oracle proposes no trial."""

    WAIT = "it waits for a running trial to end"
    DONE = "nothing is left to try"


@dataclass(frozen=True)
class Proposal:
    """Values to try.

    Attributes:
        values: by parameter.
        epochs: for Hyperband, how far to train.
        initial_epoch: for Hyperband, how many epochs `source` has trained already.
        source: for Hyperband, the trial to continue.
    """

    values: dict[str, Scalar]
    epochs: int | None = None
    initial_epoch: int = 0
    source: int | None = None


class Oracle:
    """One of Keras Tuner's algorithms over a space."""

    def __init__(
        self, algorithm: str, arguments: Mapping[str, object], space: Space, objective: Objective, seed: int
    ) -> None:
        """Build the oracle.

        Args:
            algorithm: the name of a tuner class of Keras Tuner.
            arguments: those of that class.
            space: what is searched.
            objective: the metric to optimize.
            seed: of every proposal.
        """
        self.algorithm, self.space, self.seed = algorithm, space, seed
        self._ids: dict[int, str] = {}
        with _keras_tuner() as tuner:
            oracle = getattr(tuner.oracles, f"{algorithm}Oracle")(
                objective=tuner.Objective(objective.name, objective.direction),
                hyperparameters=_hyperparameters(tuner, space),
                tune_new_entries=False,
                seed=seed or 1,  # 0 would mean a random one
                max_consecutive_failed_trials=NEVER,  # its way to stop is an exception under a lock
                **arguments,
            )
        keep_quiet(oracle)
        self._oracle = oracle
        self._own_populate = oracle.populate_space

    def propose(self) -> Proposal | NoTrial:
        """Return the next trial, which counts as started, or why there is none."""
        number = len(self._ids) + 1
        bayesian = self.algorithm == "BayesianOptimization"
        state = np.random.RandomState((self.seed + number) % 2**32) if bayesian else None
        seed_proposal(self._oracle, self.seed + SEED_STRIDE * number, state)
        with _keras_tuner():
            trial = self._oracle.create_trial(f"trial {number}")
        if trial.status == "STOPPED":
            return NoTrial.DONE
        if trial.status != "RUNNING":
            return NoTrial.WAIT
        self._ids[number] = trial.trial_id
        return self._proposal(trial.hyperparameters.values)

    def end(self, number: int, score: float | None) -> None:
        """Report the score of a trial; None if it failed."""
        trial_id = self._ids[number]
        with _keras_tuner() as tuner:
            if score is not None:
                self._oracle.update_trial(trial_id, {self._oracle.objective.name: score})
            trial = self._oracle.trials[trial_id]
            status = "COMPLETED" if score is not None else "FAILED"
            ended = tuner.engine.trial.Trial(trial.hyperparameters, trial_id, status)
            self._oracle.end_trial(ended)

    def replay(self, search: Search) -> None:
        """Restore the state that belongs to a search.

        Raises:
            RunError: The oracle does not propose the trials of the search.
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
        """Return how many trials there will be, or None if that is not known."""
        oracle = self._oracle
        if self.algorithm != "Hyperband":
            return int(oracle.max_trials) if oracle.max_trials else None
        return hyperband_trials(oracle) * int(oracle.hyperband_iterations)

    def _start_again(self, trial: Trial) -> None:
        """Start a trial with its recorded values, without the cost of choosing them."""
        proposed = self.space.defaults | trial.proposed  # the space may have new parameters
        values = {parameter.name: _to_tuner(parameter, proposed[parameter.name]) for parameter in self.space}
        self._oracle.populate_space = lambda trial_id: {"status": "RUNNING", "values": values}
        try:
            self.propose()
        finally:
            self._oracle.populate_space = self._own_populate

    def _propose_again(self, trial: Trial) -> None:
        """Start a trial and compare the proposal with the recorded one."""
        proposal = self.propose()
        recorded = Proposal(trial.proposed, trial.epochs, trial.initial_epoch, trial.source)
        if proposal != recorded:
            rule = f"{self.algorithm} does not propose trial {trial.number} as it was recorded"
            hint = "was Keras Tuner updated, or search.json edited? start a new search with --fresh"
            raise RunError(Problem(rule, hint=hint))

    def _proposal(self, values: Mapping[str, str | float]) -> Proposal:
        """Return a proposal from Keras Tuner's values, which include Hyperband's arguments."""
        source, epochs = values.get("tuner/trial_id"), values.get("tuner/epochs")
        numbers = {trial_id: number for number, trial_id in self._ids.items()}
        return Proposal(
            {p.name: _from_tuner(p, values[p.name]) for p in self.space if p.name in values},
            None if epochs is None else int(epochs),
            int(values.get("tuner/initial_epoch", 0)),
            None if source is None else numbers[str(source)],
        )


@contextmanager
def _keras_tuner() -> Iterator[ModuleType]:
    """Import Keras Tuner quietly; ignore its deprecated calls and its optimizer's warnings inside."""
    import_keras()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with quiet_stderr():
            import keras_tuner
            import keras_tuner.engine.trial
        yield keras_tuner


def _hyperparameters(tuner: ModuleType, space: Space) -> keras_tuner.HyperParameters:
    """Return the space as Keras Tuner's; each option of a choice is its index, as text."""
    kinds = tuner.engine.hyperparameters
    found = tuner.HyperParameters()
    for parameter in space:
        conditions = []
        for condition in parameter.conditions:
            parent = space[condition.parent]
            values = [_to_tuner(parent, value) for value in condition.values]
            conditions.append(parent_condition(parent.name, values))
        found.merge([_hyperparameter(kinds, parameter, conditions)])
    return found


def _hyperparameter(kinds: ModuleType, parameter: Parameter, conditions: list[object]) -> HyperParameter:
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


def _index(parameter: Parameter, label: Scalar) -> str:
    return str(next(i for i, option in enumerate(parameter.options) if same(option.label, label)))


def _to_tuner(parameter: Parameter, value: Scalar) -> str | float:
    if parameter.kind == CHOICE:
        return _index(parameter, value)
    assert value is not None
    return value


def _from_tuner(parameter: Parameter, value: str | float) -> Scalar:
    if parameter.kind == CHOICE:
        return parameter.options[int(value)].label
    assert not isinstance(value, str)
    if parameter.kind == INT:
        return round(value)
    return bool(value) if parameter.kind == BOOLEAN else float(value)
