"""Which trial is next, and what became of those before: the one place where a search's state changes."""

from __future__ import annotations

from collections import Counter

from mlpcli.errors import Problem, SpecError, TrainingError
from mlpcli.runs.record_models import Plain
from mlpcli.runs.search_folder import COMPLETED, FAILED, RUNNING, TRIALS, Search, Trial
from mlpcli.spec.load import LoadedSpec, with_values
from mlpcli.tuning.oracle import Answer, Oracle
from mlpcli.tuning.trials import Result

MOST_LOSSES = 3
"""How often one sitting may lose a trial with its worker: its process is killed because of it."""
MOST_STARTS = 6
"""How often a trial may be begun over all sittings, some of which were killed for other reasons."""


class TooManyFailures(TrainingError):
    """Several trials in a row have failed."""


class Ledger:
    """Hands out trials, takes back results, and saves the search after each."""

    def __init__(
        self, search: Search, oracle: Oracle, loaded: LoadedSpec, *, retries: int, most_failures: int
    ) -> None:
        self.search, self.oracle, self.loaded = search, oracle, loaded
        self.retries, self.most_failures = retries, most_failures
        self.failures: list[Trial] = []  # in a row, in this sitting
        self.losses: Counter[int] = Counter()  # by trial, in this sitting
        self.waiting = search.unfinished()  # begun by a process that is gone

    def next(self, worker: str = "") -> Trial | Answer:
        """The next trial to run, which is now running; or that there is none yet, or none any more."""
        while self.waiting:
            trial = self.waiting.pop(0)
            lost = self.losses[trial.number]
            if lost >= MOST_LOSSES or trial.starts >= MOST_STARTS + self.retries:
                reason = (
                    f"begun {trial.starts} times and never ended: is its process killed, for want of memory?"
                )
                self.finish(trial.number, Result(FAILED, reason=reason))
                continue
            trial.starts += 1
            if trial.worker != worker:  # who had it before may still be writing
                trial.folder = f"{TRIALS}/{trial.number:04d}-{trial.starts}"
            trial.worker = worker
            self.search.save()
            return trial
        proposal = self.oracle.propose()
        if isinstance(proposal, Answer):
            return proposal
        number = len(self.search.trials) + 1
        counted = self._counted(proposal.values)
        trial = Trial(
            number,
            proposal.values,
            counted,
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

    def give_back(self, trial: Trial) -> None:
        """A trial whose worker is gone; another will begin it again."""
        self.losses[trial.number] += 1
        self.waiting.append(trial)

    def finish(self, number: int, result: Result) -> None:
        """Take the result of a trial.

        Raises:
            TooManyFailures: it is the last of too many in a row; the search is saved.
        """
        trial = self.search.trial(number)
        if trial.status != RUNNING:
            return  # told twice
        if result.status == FAILED and trial.starts <= self.retries:
            self.waiting.append(trial)
            return
        trial.status, trial.score, trial.best_epoch = result.status, result.score, result.best_epoch
        trial.trained, trial.seconds = result.trained, result.seconds
        trial.metrics, trial.reason = result.metrics, result.reason
        self.search.events.append(("end", number))
        self.oracle.end(number, result.score if result.status == COMPLETED else None)
        self.search.save()
        self.failures = [*self.failures, trial] if result.status == FAILED else []
        if len(self.failures) >= self.most_failures:
            raise _too_many(self.failures)

    def _counted(self, values: dict[str, Plain]) -> dict[str, Plain]:
        """The values that count; all of them where the spec cannot have them, which its run will say."""
        try:
            return dict(with_values(self.loaded, values).values)
        except SpecError:
            return dict(values)


def _too_many(failures: list[Trial]) -> TooManyFailures:
    reasons = list(dict.fromkeys(trial.reason for trial in failures))
    rule = f"{len(failures)} trials in a row failed, and the search has stopped"
    hint = "narrow the ranges of the hyperparameters, or mend what is told above"
    told = [Problem(f"trial {t.number}: {t.reason}") for t in failures if t.reason in reasons]
    return TooManyFailures(*told, Problem(rule, hint=hint))
