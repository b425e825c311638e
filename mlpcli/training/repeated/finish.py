"""The end of a run with folds or seeds: its model, metrics, and the predictions of held-out rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlpcli import runs
from mlpcli.data.dataset import Contract, Dataset
from mlpcli.files import write_json, write_text
from mlpcli.model.trained_model import load_trained
from mlpcli.plots.compare_runs import columns_of, draw_histories
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import read_history
from mlpcli.runs.results import Intervals, Outcome, Repeated, intervals_json
from mlpcli.spec.load import located
from mlpcli.spec.repeats import RETRAIN
from mlpcli.training.artifacts import Artifacts
from mlpcli.training.baseline import Baseline, judged_output, notes_on
from mlpcli.training.ending import check_complete
from mlpcli.training.ensemble_run import EnsembleEnd, finish_ensemble
from mlpcli.training.fit_predictions import fit_predictions, held_out_rows, record_fitted
from mlpcli.training.job import TrainingJob
from mlpcli.training.repeated.mean_scale import in_own_scale
from mlpcli.training.repeated.member_results import (
    best_of_members,
    mean_history,
    mean_metrics,
    results_of,
)
from mlpcli.training.repeated.out_of_fold import (
    OutOfFold,
    at_temperature,
    metrics_of_rows,
    read_out_of_fold,
    with_fitted,
    write_out_of_fold,
)
from mlpcli.training.repeated.parent import RETRAINED, Parent
from mlpcli.training.run_callback import history_csv
from mlpcli.training.run_record import ended_by, plugin_files
from mlpcli.training.side_process import begin

if TYPE_CHECKING:
    from mlpcli.keras_import import keras


@dataclass(frozen=True)
class Ending:
    """What the end of a run with folds or seeds is given.

    Attributes:
        parent: The run, whose trainings are finished.
        measured: Waits for the scores of models without a network.
        model: The model of the last training, where one was trained in this process.
    """

    parent: Parent
    measured: Callable[[], Baseline | None]
    model: keras.Model | None


def finish(ending: Ending) -> Outcome:
    """Write the model, the predictions, the metrics and the figures; finally, that the run is complete."""
    parent = ending.parent
    members, clock = parent.members(), parent.prepared.clock
    history = mean_history(members)
    write_text(parent.folder / runs.HISTORY, history_csv(history))
    written, repeated = _measure(ending, members)
    tests, intervals = written.metrics, written.intervals
    metrics = mean_metrics(members, ("train", "validation"))
    metrics |= {"test": tests["test"]} if "test" in tests else {}
    baseline = _baseline(ending.measured, written, parent)
    document: dict[str, object] = {**metrics, **intervals_json(intervals), **repeated.to_json()}
    document |= {"baseline": baseline} if baseline is not None else {}
    document |= written.entries
    write_json(parent.folder / runs.METRICS, document)
    best, best_epoch = best_of_members(members)
    first = members[0].record.best
    monitor = first.monitor if first is not None else "loss"
    direction = first.direction if first is not None else None
    parent.record |= {
        "epochs": len(history),
        "best": {"monitor": monitor, "value": best, "epoch": best_epoch, "direction": direction},
        "metrics": metrics,
        "status": runs.COMPLETED,
    }
    parent.record.pop("error", None)
    parent.record |= _ended_by(parent, members)
    check_complete(parent.folder, _promised(parent))
    parent.save()
    parent.ended = True
    return Outcome(
        runs.open_run(parent.folder),
        metrics,
        len(history),
        clock.total(),
        monitor,
        best,
        best_epoch,
        baseline,
        clock.parts(),
        repeated=repeated,
        intervals=intervals,
        predictions=written.entries,
    )


def _ended_by(parent: Parent, members: list[Run]) -> dict[str, object]:
    """Note the trainings that ended since their time was up; return the entry of `run.json` about that."""
    retrained = parent.folder / RETRAINED
    every = [*members, *([runs.open_run(retrained)] if (retrained / runs.RECORD).is_file() else [])]
    short = [each for each in every if each.record.can_go_on]
    if short:
        epochs = parent.prepared.loaded.spec.fit.epochs
        each = ", ".join(f"{run.folder.name} after {run.record.epochs}" for run in short)
        parent.watcher.note(f"time is up: of {epochs} epochs, trainings ended early: {each}")
    return ended_by(timed_out=bool(short))


def _measure(ending: Ending, members: list[Run]) -> tuple[_Written, Repeated]:
    """Write the run's model and `out_of_fold.csv`; return what it has reached, and its trainings."""
    parent, clock = ending.parent, ending.parent.prepared.clock
    found = _held_out(parent, members)
    clock.lap("out_of_fold")
    written = _write_model(parent, members, found)
    repeated = _repeated(ending, members, found, written.contract)
    clock.lap("out_of_fold")
    return written, repeated


def _held_out(parent: Parent, members: list[Run]) -> OutOfFold | None:
    """Return what the trainings say of the rows that they held out; None without folds."""
    prepared = parent.prepared
    if prepared.loaded.spec.fit.folds is None:
        return None
    parent.watcher.stage("predicting the rows that were held out")
    return read_out_of_fold(list(zip(prepared.repeats, members, strict=True)), prepared.completed.spec)


def _repeated(ending: Ending, members: list[Run], found: OutOfFold | None, fitted: Contract) -> Repeated:
    """Write `out_of_fold.csv`; return what the trainings have reached.

    Args:
        ending: The run.
        members: Its trainings.
        found: What they say of the rows that they held out.
        fitted: The contract with what was fitted on these rows.
    """
    if found is None:
        return results_of(members, folds=False, out_of_fold={})
    parent, prepared = ending.parent, ending.parent.prepared
    spec = prepared.completed.spec
    found = at_temperature(found, spec, fitted)
    write_out_of_fold(parent.folder / runs.OUT_OF_FOLD, found, spec, fitted, prepared.opened)
    dataset = with_fitted(in_own_scale(parent, members), fitted)
    model = _measuring_model(ending, dataset)
    metrics, notes = metrics_of_rows(model, found, members, spec, dataset)
    for note in notes:
        parent.watcher.note(note)
    return results_of(members, folds=True, out_of_fold=metrics)


def _measuring_model(ending: Ending, dataset: Dataset) -> keras.Model:
    """Return a model that is compiled for the run's data: its metrics know the target's scale and thresholds.

    Args:
        ending: The run.
        dataset: Its data, as the run's own model scales the target and predicts classes.
    """
    from mlpcli.model.build import build_model
    from mlpcli.model.plugins import import_plugins

    completed = ending.parent.prepared.completed
    if ending.model is not None and all(
        each.scale is None and not each.thresholds for each in dataset.contract.outputs
    ):
        return ending.model
    with located(completed):
        return build_model(completed.spec, dataset, import_plugins(completed.catalog))


@dataclass(frozen=True)
class _Written:
    """What the run's model has reached.

    Attributes:
        metrics: Of the model, by split.
        intervals: Of the metrics of the test rows: the others are means over the members.
        entries: What `metrics.json` says of fitted predictions.
        scores: Of the model, by the metrics of a baseline.
        contract: With what was fitted.
    """

    metrics: dict[str, dict[str, float]]
    intervals: dict[str, Intervals]
    entries: dict[str, object]
    scores: dict[str, float]
    contract: Contract


def _write_model(parent: Parent, members: list[Run], found: OutOfFold | None) -> _Written:
    """Write the run's model, its SavedModel and the figures.

    Args:
        parent: The run.
        members: Its trainings.
        found: What the members say of the rows that they held out.
    """
    prepared = parent.prepared
    held_out = None
    if found is not None and prepared.completed.spec.predict is not None:
        held_out = held_out_rows(prepared.dataset, found.rows, found.outputs)
    if parent.after != RETRAIN:
        end = EnsembleEnd(parent.folder, parent.record, parent.watcher, prepared.clock, held_out=held_out)
        metrics = finish_ensemble(end)
        return _Written(metrics, _of_test(end.intervals), end.entries, end.scores, end.fitted[0])
    trained = load_trained(runs.open_run(parent.folder / RETRAINED))
    job = TrainingJob(
        prepared.completed,
        prepared.dataset,
        trained.model,
        parent.folder,
        parent.watcher,
        prepared.clock,
        parent.command,
    )
    fitted = fit_predictions(job, held_out)
    for note in fitted.notes:
        parent.watcher.note(note)
    record_fitted(parent.record, fitted.job.dataset.contract)
    artifacts = Artifacts(fitted.job, parent.record, network=fitted.saved, fitted=fitted)
    histories = [columns_of(read_history(member / runs.HISTORY)) for member in members]
    curves = begin(draw_histories, histories, [f"fold {member.record.fold}" for member in members])
    write_figures = artifacts.begin_figures([], None)
    with artifacts.exported() as check:
        parent.watcher.stage("evaluating every split")
        metrics = artifacts.measure()
        prepared.clock.lap("metrics")
        write_figures()
        if (drawn := curves()) is not None:
            drawn.write(parent.folder / runs.LEARNING_CURVES)
        prepared.clock.lap("figures")
        check()
    scores = artifacts.scores_like_baseline()
    contract = fitted.job.dataset.contract
    return _Written(metrics, _of_test(artifacts.intervals), fitted.entries, scores, contract)


def _of_test(intervals: dict[str, Intervals]) -> dict[str, Intervals]:
    return {name: each for name, each in intervals.items() if name == "test"}


def _baseline(
    measured: Callable[[], Baseline | None], written: _Written, parent: Parent
) -> dict[str, object] | None:
    """Return the scores of models without a network, and those of the run's model."""
    baseline = measured()
    dataset, spec = parent.prepared.dataset, parent.prepared.completed.spec
    output = judged_output(dataset)
    if baseline is None or baseline.split != "test" or output is None:
        return None
    document = baseline.to_json(written.scores, spec, output)
    rows = 0 if dataset.test is None else len(dataset.test)
    for note in notes_on(baseline, document, spec, written.intervals.get("test"), rows):
        parent.watcher.note(note)
    return document


def _promised(parent: Parent) -> list[str]:
    """Return the files that a complete run has, besides its record."""
    names = [runs.SPEC, runs.RESOLVED, runs.HISTORY, runs.METRICS, runs.MODEL, runs.SUMMARY]
    names += [f"{runs.SAVED_MODEL}/saved_model.pb", runs.LEARNING_CURVES, runs.MODEL_PICTURE]
    names += [runs.OUT_OF_FOLD] if parent.prepared.loaded.spec.fit.folds is not None else []
    return names + plugin_files(parent.record)
