"""Keep the mean of a search's best trials as its run, in place of one network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mlpcli import runs
from mlpcli.files import write_text
from mlpcli.model.plugins import copy_plugins
from mlpcli.model.trained_model import NoMean
from mlpcli.runs.folder import Run
from mlpcli.runs.search_folder import Promotion, Search, Trial
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import LoadedSpec, located
from mlpcli.spec.resolve import resolve_spec
from mlpcli.training.baseline import begin_baseline
from mlpcli.training.ending import check_complete
from mlpcli.training.ensemble_run import EnsembleEnd, finish_ensemble
from mlpcli.training.job import Clock
from mlpcli.training.prepare import build_checked, check_callbacks, complete
from mlpcli.training.run_record import begin_record, now, plugin_files
from mlpcli.tuning.promotion import summary
from mlpcli.tuning.trials import TrialRunner

OF_ONE_NETWORK = (runs.HISTORY, runs.CHECKPOINTS, runs.TENSORBOARD)
"""Files of a winner's own training, which the mean of several has not."""


@dataclass(frozen=True)
class Keeping:
    """What is needed to keep the mean of the best trials.

    Attributes:
        search: the search, whose best trials have been trained again.
        loaded: its spec.
        best: the spec of the winner.
        winner: the best trial.
        runner: has the data.
        watcher: receives the progress.
        command: the command line, for `run.json`.
        begun: when the search was started and resumed, for `run.json`.
    """

    search: Search
    loaded: LoadedSpec
    best: LoadedSpec
    winner: Trial
    runner: TrialRunner
    watcher: Watcher
    command: Sequence[str]
    begun: Mapping[str, object]


def best_trainings(search: Search, count: int) -> list[Promotion]:
    """Return one training of each of the best trials, that of the first seed which did not fail.

    Args:
        search: the search, whose best trials have been trained again.
        count: of how many trials.
    """
    done = [each for each in search.promotions if each.score is not None]
    return [
        next(each for each in done if each.trial == standing.trial) for standing in search.standings()[:count]
    ]


def keep_ensemble(keeping: Keeping) -> tuple[Run, dict[str, dict[str, float]]] | None:
    """Write the files of the mean of the best trials into the search's folder; return its run and metrics.

    Nothing is trained. None where there is only one trial, or the trials have no mean, which is noted.
    """
    search, watcher = keeping.search, keeping.watcher
    chosen = best_trainings(search, search.ensemble)
    if len(chosen) < search.ensemble:
        watcher.note(f"only {len(chosen)} of the {search.ensemble} best trials that were asked for exist")
    if len(chosen) < 2:
        return None
    record = _begin(keeping, chosen)
    end = EnsembleEnd(
        search.folder,
        record,
        watcher,
        Clock(),
        begin_baseline(keeping.runner.dataset(keeping.best), seed=keeping.best.spec.seed),
    )
    try:
        metrics = finish_ensemble(end)
    except NoMean as error:
        watcher.note(f"{error}; the best trial alone is kept")
        return None
    names = [runs.SPEC, runs.RESOLVED, runs.METRICS, runs.MODEL, runs.MODEL_PICTURE, runs.SUMMARY]
    check_complete(search.folder, [*names, f"{runs.SAVED_MODEL}/saved_model.pb", *plugin_files(record)])
    timings = end.clock.seconds | {"total": end.clock.total()}
    record |= {"metrics": metrics, "status": runs.COMPLETED, "ended": now(), "timings": timings}
    runs.write_record(search.folder, record)
    search.members = [each.trial for each in chosen]
    return runs.open_run(search.folder), metrics


def _begin(keeping: Keeping, chosen: Sequence[Promotion]) -> dict[str, object]:
    """Write both specs, the copies of plug-ins and the record of a run of members; return the record."""
    search, folder = keeping.search, keeping.search.folder
    best = replace(keeping.best, raw=keeping.loaded.raw, file=keeping.loaded.file)
    with located(best):
        dataset = keeping.runner.dataset(best)
        completed = complete(best, dataset)
        model = build_checked(completed, dataset)
        check_callbacks(completed)
    for left in OF_ONE_NETWORK:
        runs.remove_inside(folder / left, folder)
    write_text(folder / runs.SPEC, completed.raw)
    write_text(folder / runs.RESOLVED, resolve_spec(completed, dataset.settled, dataset.features))
    record = begin_record(completed, dataset, model, keeping.command)
    record |= {"kind": "search", "hyperparameters": keeping.winner.values, "search": summary(search)}
    record |= keeping.begun
    if completed.catalog.plugins:
        record["plugins"] = copy_plugins(completed.catalog, folder)
    record["members"] = {"folders": [each.folder for each in chosen], "after": "mean"}
    runs.write_record(folder, record)
    return record
