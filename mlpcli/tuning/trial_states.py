"""The states of a search's trials: this module alone starts trials and records their results."""

from __future__ import annotations

from collections import Counter

from mlpcli.errors import Problem, SpecError, TrainingError
from mlpcli.runs.record_models import Plain
from mlpcli.runs.search_folder import COMPLETED, FAILED, RUNNING, TRIALS, Search, Trial
from mlpcli.spec.load import LoadedSpec, with_values
from mlpcli.training.time_limit import TimeLimit
from mlpcli.tuning.oracle import NoTrial, Oracle
from mlpcli.tuning.trials import Result

MOST_LOSSES = 3
"""How often a trial may lose its worker in one session; then the trial is assumed to be the cause."""
MOST_STARTS = 6
"""How often a trial may be started over all sessions, some of which were killed for other reasons."""


class TooManyFailures(TrainingError):
    """Several trials in a row have failed."""


class TrialStates:
    """Starts trials, records their results, and saves the search after each."""

    limit: TimeLimit | None = None
    """When no further trials are started."""

    def __init__(
        self, search: Search, oracle: Oracle, loaded: LoadedSpec, *, retries: int, most_failures: int
    ) -> None:
        """Start with the trials that a search has so far.

        Args:
            search: the search; its running trials are restarted.
            oracle: proposes trials; in the state that belongs to the search.
            loaded: the search's spec.
            retries: how often a failed trial is started again.
            most_failures: the search ends after so many failed trials in a row.
        """
        self.search, self.oracle, self.loaded = search, oracle, loaded
        self.retries, self.most_failures = retries, most_failures
        self.timed_out = False
        self.results = 0  # in this session
        self.failures: list[Trial] = []  # in a row, in this session
        self.losses: Counter[int] = Counter()  # by trial, in this session
        self.waiting = search.unfinished()  # started by a process that has ended

    def next(self, worker: str = "") -> Trial | NoTrial:
        """Start the next trial.

        Args:
            worker: the worker that runs it.

        Returns:
            The trial, now running, or the reason why there is none.
        """
        if self.is_late() and self._may_have_more():
            self.timed_out = True
            return NoTrial.DONE
        while self.waiting:
            trial = self.waiting.pop(0)
            lost = self.losses[trial.number]
            if lost >= MOST_LOSSES or trial.starts >= MOST_STARTS + self.retries:
                reason = f"started {trial.starts} times, never ended: it may have run out of memory"
                self.finish(trial.number, Result(FAILED, reason=reason))
                continue
            trial.starts += 1
            if trial.worker != worker:  # the worker before may still write
                trial.folder = f"{TRIALS}/{trial.number:04d}-{trial.starts}"
            trial.worker = worker
            self.search.save()
            return trial
        proposal = self.oracle.propose()
        if isinstance(proposal, NoTrial):
            return proposal
        number = len(self.search.trials) + 1
        trial = Trial(
            number,
            proposal.values,
            self._active(proposal.values),
            proposal.epochs,
            proposal.initial_epoch,
            proposal.source,
            self.search.trial(proposal.source).folder if proposal.source else "",
            worker=worker,
        )
        self.search.trials.append(trial)
        self.search.events.append(("start", number))
        self.search.save()
        return trial

    def is_late(self) -> bool:
        """Return whether the time is up, and at least one trial has got a result in this session."""
        return self.limit is not None and self.results > 0 and self.limit.cuts()

    def _may_have_more(self) -> bool:
        """Return whether a trial is to be restarted, or there may be another one to propose."""
        planned = self.oracle.planned()
        return bool(self.waiting) or planned is None or len(self.search.trials) < planned

    def cut(self, trial: Trial) -> None:
        """Take back a trial whose time was up; a search that is resumed starts it again."""
        self.timed_out = True
        trial.starts -= 1
        self.search.save()

    def give_back(self, trial: Trial) -> None:
        """Take back a trial whose worker has ended; it is restarted."""
        self.losses[trial.number] += 1
        self.waiting.append(trial)

    def finish(self, number: int, result: Result) -> None:
        """Record the result of a trial.

        Args:
            number: the trial, from 1.
            result: its result.

        Raises:
            TooManyFailures: Too many trials in a row failed; the search is saved.
        """
        trial = self.search.trial(number)
        if trial.status != RUNNING:
            return  # reported twice
        if result.status == FAILED and trial.starts <= self.retries:
            self.waiting.append(trial)
            return
        trial.status, trial.score, trial.best_epoch = result.status, result.score, result.best_epoch
        trial.trained, trial.seconds = result.trained, result.seconds
        trial.metrics, trial.reason = result.metrics, result.reason
        self.search.events.append(("end", number))
        self.results += result.status == COMPLETED
        self.oracle.end(number, result.score if result.status == COMPLETED else None)
        self.search.save()
        self.failures = [*self.failures, trial] if result.status == FAILED else []
        if len(self.failures) >= self.most_failures:
            raise _too_many(self.failures)

    def _active(self, values: dict[str, Plain]) -> dict[str, Plain]:
        """Return the values of active hyperparameters; all values if they are invalid: the run will fail."""
        try:
            return dict(with_values(self.loaded, values).values)
        except SpecError:
            return dict(values)


def _too_many(failures: list[Trial]) -> TooManyFailures:
    reasons = list(dict.fromkeys(trial.reason for trial in failures))
    rule = f"{len(failures)} trials in a row failed, and the search has stopped"
    hint = "narrow the ranges of the hyperparameters, or fix the errors above"
    problems = [Problem(f"trial {t.number}: {t.reason}") for t in failures if t.reason in reasons]
    return TooManyFailures(*problems, Problem(rule, hint=hint))
