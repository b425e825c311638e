"""The end of a run whose model is the mean of its members': model, SavedModel, metrics, figures."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mlpcli import runs
from mlpcli.data.dataset import Contract, Dataset, Split
from mlpcli.data.input_contents import input_contents
from mlpcli.data.splitter import OpenedData
from mlpcli.files import write_json, write_text
from mlpcli.keras_import import keras
from mlpcli.model.fit_outputs import KnownRows
from mlpcli.model.run_spec import own_spec
from mlpcli.model.trained_model import TrainedModel, load_mean
from mlpcli.plots.compare_runs import columns_of, draw_histories
from mlpcli.plots.diagram_layout import read_graph, summary_text
from mlpcli.plots.model_diagram import draw_model
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import read_history
from mlpcli.runs.results import Intervals
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import located
from mlpcli.training.artifacts import Artifacts
from mlpcli.training.baseline import Baseline
from mlpcli.training.fit_predictions import (
    FittedPredictions,
    fit_predictions,
    record_fitted,
    rows_of_split,
)
from mlpcli.training.job import Clock, TrainingJob
from mlpcli.training.prepare import complete
from mlpcli.training.run_figures import Write, begin_reliability
from mlpcli.training.side_process import begin
from mlpcli.training.whole_data import find_mean_data

MEMBERS = "members"
"""The entry of `run.json` about the members; see `MembersRecord`."""


@dataclass(frozen=True)
class EnsembleEnd:
    """What the end of a run whose members are trained is given.

    Attributes:
        run_dir: The run folder, whose `run.json` names the members; both specs and their folders are in it.
        record: `run.json`, to which checksums and the verification are added; the caller writes it.
        watcher: Receives the progress.
        clock: Measures the stages.
        measured: Waits for the scores of models without a network, which `metrics.json` is then written with;
            None to leave that file to the caller.
        opened: The rows of the run's data, where they have been read already.
        intervals: Receives the intervals of the metrics, by split.
        held_out: Rows with what the members that have not seen them say of them; None without folds.
        entries: Receives what `metrics.json` says of fitted predictions.
        fitted: Receives the contract with what was fitted.
        scores: Receives the mean's scores by the metrics of a baseline, where these are not measured here.
    """

    run_dir: Path
    record: dict[str, object]
    watcher: Watcher = field(default_factory=Watcher)
    clock: Clock = field(default_factory=Clock)
    measured: Callable[[], Baseline | None] | None = None
    opened: OpenedData | None = None
    intervals: dict[str, Intervals] = field(default_factory=dict)
    held_out: KnownRows | None = None
    entries: dict[str, object] = field(default_factory=dict)
    fitted: list[Contract] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)


def finish_ensemble(end: EnsembleEnd) -> dict[str, dict[str, float]]:
    """Write the model, the SavedModel and the figures of the mean of a run's members, and measure it.

    Every file appears whole; called again, this writes the same again.

    Args:
        end: The run folder, and what is reported.

    Returns:
        The metrics of the mean by split and name; see `find_mean_data`.

    Raises:
        RunError: A member is missing or is not what was trained, or the members have no mean.
        SavedModelError: The SavedModel does not compute what the network computes.
    """
    end.watcher.stage("building the mean of the members")
    run = runs.open_run(end.run_dir)
    trained = load_mean(run, fitted=False)
    end.clock.lap("ensemble")
    loaded = own_spec(run)
    with located(loaded):
        end.watcher.stage("reading the data")
        found, dataset = find_mean_data(trained, loaded, end.opened)
        completed = complete(found, dataset)
    end.clock.lap("data")
    end.record[MEMBERS] = _members_entry(run, trained, dataset.fingerprint)
    job = TrainingJob(completed, dataset, trained.model, end.run_dir, end.watcher, end.clock)
    fitted = _fit_predictions(job, _validation_of(dataset, trained), end)
    model = trained.model
    bare = keras.Model(model.input, model.output, name=model.name)  # its optimizer has trained nothing
    artifacts = Artifacts(fitted.job, end.record, network=fitted.saved or bare, fitted=fitted)
    write_figures = _begin_figures(trained, end.run_dir)
    write_reliability = begin_reliability(
        fitted.curves, dataset.contract, end.run_dir, title=completed.spec.name
    )
    with artifacts.exported() as check:
        end.watcher.stage("evaluating every split")
        metrics = {name: artifacts.evaluate(split) for name, split in dataset.splits().items()}
        artifacts.find_intervals(metrics)
        end.intervals.update(artifacts.intervals)
        end.clock.lap("metrics")
        if end.measured is not None:
            write_json(end.run_dir / runs.METRICS, artifacts.document(metrics))
            artifacts.compare_with_baseline(metrics, end.measured)
            end.clock.lap("baseline")
        else:
            end.scores.update(artifacts.scores_like_baseline())
        write_figures()
        write_reliability()
        end.clock.lap("figures")
        check()
    return metrics


def _fit_predictions(job: TrainingJob, validation: Split | None, end: EnsembleEnd) -> FittedPredictions:
    """Fit what `predict:` asks for, on held-out rows, or on validation rows that no member was trained on."""
    rows = end.held_out
    if rows is None and validation is not None and job.completed.spec.fit.folds is None:
        rows = rows_of_split(job, validation)
    fitted = fit_predictions(job, rows)
    for note in fitted.notes:
        end.watcher.note(note)
    record_fitted(end.record, fitted.job.dataset.contract)
    end.fitted.append(fitted.job.dataset.contract)
    end.entries.update(fitted.entries)
    return fitted


def _validation_of(dataset: Dataset, trained: TrainedModel) -> Split | None:
    """Return the rows that are validation rows of every member: without folds, behind the training rows."""
    if dataset.validation is not None:
        return dataset.validation
    count = runs.data_facts(trained.members[0].run).rows.get("validation", 0)
    if not count:
        return None
    train = dataset.train
    parts = (train.x, train.y) if train.weights is None else (train.x, train.y, train.weights)
    x, y, *weights = keras.tree.map_structure(lambda array: array[-count:], parts)
    return Split(x, y, train.rows[-count:], *weights)


def _members_entry(run: Run, trained: TrainedModel, fingerprint: str) -> dict[str, object]:
    """Return the entry of `run.json`: the members, and the checksums of their models and of their rows."""
    members = run.record.members
    assert members is not None
    digests = {
        folder: member.run.record.sha256[runs.MODEL]
        for folder, member in zip(members.folders, trained.members, strict=True)
    }
    return members.model_dump(exclude_unset=True) | {"sha256": digests, "fingerprint": fingerprint}


def _begin_figures(trained: TrainedModel, run_dir: Path) -> Write:
    """Begin to draw the members' learning curves and the first one's network; return what writes them."""
    folders = [str(each.run.folder.relative_to(run_dir)) for each in trained.members]
    histories = []
    for each in trained.members:
        with contextlib.suppress(FileNotFoundError):
            histories.append(columns_of(read_history(each.run / runs.HISTORY)))
    known = histories if len(histories) == len(folders) else [{}]
    curves = begin(draw_histories, known, folders)
    title = f"{trained.spec.name}: one of {len(folders)} networks"
    first = trained.members[0]
    drawn = begin(draw_model, read_graph(first.model, input_contents(first.contract)), title=title)

    def write() -> None:
        write_text(run_dir / runs.SUMMARY, members_summary(trained))
        drawn().write(run_dir / runs.MODEL_PICTURE)
        if (found := curves()) is not None:
            found.write(run_dir / runs.LEARNING_CURVES)

    return write


def members_summary(trained: TrainedModel) -> str:
    """Return the members as a table, and the layers of the first; those of members with other layers too."""
    rows = [("member", "parameters", "epochs", "best epoch")]
    layers: dict[tuple[str, ...], tuple[str, list[str]]] = {}
    for each in trained.members:
        record, folder = each.run.record, f"{each.run.folder.parent.name}/{each.run.folder.name}"
        best = record.best.epoch if record.best is not None else None
        count = f"{int(each.model.count_params()):,}"
        rows.append((folder, count, str(record.epochs or ""), str(best or "")))
        kinds = tuple(type(operation).__name__ for operation in each.model.operations)
        layers.setdefault(kinds, (summary_text(each.model), []))[1].append(folder)
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [f"the mean of {len(trained.members)} networks", ""]
    lines += [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    for text, folders in layers.values():
        whose = (
            folders[0] if len(folders) == 1 else f"{folders[0]}; the same layers: {', '.join(folders[1:])}"
        )
        lines += ["", f"{whose}:", "", text.rstrip("\n")]
    return "\n".join([*lines, ""])
