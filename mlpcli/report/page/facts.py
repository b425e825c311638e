"""What a page says about a run, read from the run's own files; nothing is computed from its data."""

from __future__ import annotations

import contextlib
import math
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlpcli import runs
from mlpcli.errors import RunError
from mlpcli.files import read_ordinary_text
from mlpcli.machine import format_bytes
from mlpcli.printable import counted
from mlpcli.report.console import format_duration, format_number
from mlpcli.report.member_table import fitted_note
from mlpcli.report.page.pictures import Picture, read_pictures
from mlpcli.runs.diagnosis import Finding
from mlpcli.runs.folder import Run, open_run
from mlpcli.runs.guard import outermost
from mlpcli.runs.judge_baseline import named_entries
from mlpcli.runs.notes import NOTHING, Notes, read_notes
from mlpcli.runs.record_models import MetricsRecord, read_history, read_record
from mlpcli.runs.run_epochs import epochs_of
from mlpcli.runs.run_values import is_changed, status_of
from mlpcli.runs.shell_options import runs_dir_option

MODELS = ("network", "linear", "mean", "majority")
"""Models without a network, as `metrics.json` calls them."""

MOST_TEXT = 2**20


@dataclass(frozen=True)
class MetricRow:
    """One metric: its value on each split, and its interval where there is one."""

    name: str
    values: dict[str, str]
    intervals: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SpreadRow:
    """One metric over the folds or seeds of a run; `whole` is that of all rows that folds held out."""

    name: str
    of: str
    mean: str
    deviation: str
    interval: str
    whole: str


@dataclass(frozen=True)
class RunPage:
    """What a page shows of one run.

    Attributes:
        label: `name/timestamp`.
        status: in a word.
        facts: names and values, in order.
        headline: the first metrics of the most honest split, with their names.
        splits: of the metrics, in order.
        metrics: a row for each.
        spreads: the metrics over folds or seeds, where the run has them.
        spread_note: what was fitted, so that all rows differ from the mean.
        predictions: what `predict:` in the spec has fitted, and what it holds.
        baseline: by metric, the network and models without one.
        baseline_rows: the split that they were measured on.
        judged: what the doctor says of these scores that is no finding.
        history: a row for each epoch.
        best_epoch: counted from 1.
        spec: the text that was given; the resolved one where the command line changed it.
        changed: whether the command line changed the spec.
        resolved: with every default.
        summary: the layers.
        data: names and values about the data.
        columns: the columns of a table, and their kinds.
        pictures: its figures.
        notes: what people wrote about it.
        oddities: what the doctor finds.
        environment: names and versions.
        timings: seconds by stage.
        commands: to do it again, and to use it.
    """

    label: str
    status: str
    facts: dict[str, str]
    headline: dict[str, str]
    splits: tuple[str, ...]
    metrics: tuple[MetricRow, ...]
    spreads: tuple[SpreadRow, ...]
    spread_note: str
    predictions: dict[str, str]
    baseline: dict[str, str]
    baseline_rows: str
    judged: tuple[str, ...]
    history: tuple[dict[str, float], ...]
    best_epoch: int | None
    spec: str
    changed: bool
    resolved: str
    summary: str
    data: dict[str, str]
    columns: tuple[tuple[str, str], ...]
    pictures: tuple[Picture, ...]
    notes: Notes
    oddities: tuple[Finding, ...]
    environment: dict[str, str]
    timings: dict[str, float]
    commands: tuple[tuple[str, str], ...]


def read_page(run: Run, oddities: tuple[Finding, ...] = (), judged: tuple[str, ...] = ()) -> RunPage:
    """Read what a page shows of a run.

    Args:
        run: the run; also one that is not finished.
        oddities: what the doctor finds.
        judged: what it says of scores that are no finding.

    Raises:
        RunError: a file of the run is damaged.
    """
    record = run.record
    measured = _measured(run)
    splits = tuple(
        name for name in ("train", "validation", "held_out", "test") if getattr(measured, name, None)
    )
    return RunPage(
        label=run.label,
        status=status_of(run),
        facts=_facts(run),
        headline=_headline(measured, splits),
        splits=splits,
        metrics=tuple(_metric_rows(measured, splits)),
        spreads=tuple(_spreads(measured)),
        spread_note=fitted_note("held_out", measured.model_extra or {}) if measured.out_of_fold else "",
        predictions=dict(_predictions(measured)),
        baseline=_baseline(measured.baseline),
        baseline_rows=str(measured.baseline.get("split", "test")),
        judged=tuple(judged),
        history=tuple(_history(run)),
        best_epoch=record.best.epoch if record.best is not None else None,
        spec=_text(run / (runs.RESOLVED if is_changed(run) else runs.SPEC)),
        changed=is_changed(run),
        resolved=_text(run / runs.RESOLVED),
        summary=_text(run / runs.SUMMARY),
        data=_data(run),
        columns=tuple(_columns(run)),
        pictures=tuple(read_pictures(run)),
        notes=_notes(run),
        oddities=oddities,
        environment=_environment(run),
        timings={name: value for name, value in record.timings.items() if name != "total"},
        commands=tuple(_commands(run)),
    )


def _measured(run: Run) -> MetricsRecord:
    try:
        return read_record(run / runs.METRICS, MetricsRecord)
    except FileNotFoundError:
        return MetricsRecord()


def _facts(run: Run) -> dict[str, str]:
    record = run.record
    total, epochs = record.timings.get("total"), epochs_of(run)
    found = {
        "status": status_of(run),
        "started": (record.started or "")[:16].replace("T", " "),
        "took": "" if total is None else format_duration(total),
        "epochs": "" if epochs is None else f"{epochs:,}",
        "parameters": "" if record.model.parameters is None else f"{record.model.parameters:,}",
        "seed": "" if record.seed is None else str(record.seed),
        "command": shlex.join(["mlpcli", *record.command[1:]]) if record.command else "",
        "engine": "" if record.engine is None else f"{record.engine.name} ({record.engine.reason})",
        "error": record.error or "",
    }
    if record.best is not None and record.best.value is not None:
        where = "" if record.best.epoch is None else f" in epoch {record.best.epoch}"
        found["best"] = f"{record.best.monitor} {format_number(record.best.value)}{where}"
    return {name: value for name, value in found.items() if value}


def _headline(measured: MetricsRecord, splits: tuple[str, ...]) -> dict[str, str]:
    """Return the metrics of the test rows, or of the next best split; the loss last, and at most four."""
    if not splits:
        return {}
    split = splits[-1]
    values = getattr(measured, split)
    names = [name for name in values if name != "loss"] + ["loss"]
    words = {"validation": "validation ", "train": "training ", "held_out": "held-out "}.get(split, "test ")
    return {words + name: _shown(values[name]) for name in names[:4] if name in values}


def _metric_rows(measured: MetricsRecord, splits: tuple[str, ...]) -> Iterator[MetricRow]:
    names = dict.fromkeys(name for split in splits for name in getattr(measured, split))
    for name in names:
        bounds = {split: _interval(measured, split, name) for split in splits}
        yield MetricRow(
            name,
            {split: _shown(getattr(measured, split).get(name)) for split in splits},
            {split: text for split, text in bounds.items() if text},
        )


def _interval(measured: MetricsRecord, split: str, name: str) -> str:
    """Return an interval as text; empty where the record has none."""
    bounds = measured.confidence_intervals.get(split, {}).get(name)
    return "" if bounds is None else " to ".join(_shown(bound) for bound in bounds)


def _spreads(measured: MetricsRecord) -> Iterator[SpreadRow]:
    """Yield what the metrics are over the folds or seeds of the run."""
    for kind, found in (("folds", measured.folds), ("seeds", measured.seeds)):
        for split, metrics in found.items():
            for name, each in metrics.items():
                whole = measured.out_of_fold.get(name) if split == "held_out" else None
                yield SpreadRow(
                    f"{split.replace('_', '-')} {name}",
                    f"{len(each.values)} {kind}",
                    _shown(each.mean),
                    _shown(each.standard_deviation),
                    " to ".join(_shown(end) for end in each.interval),
                    _shown(whole),
                )


def _predictions(measured: MetricsRecord) -> Iterator[tuple[str, str]]:
    """Yield what was fitted after the training, each number with its name."""
    for part in ("threshold", "calibration", "intervals"):
        found = (measured.model_extra or {}).get(part)
        if isinstance(found, dict):
            yield from _flat(part, found)


def _flat(name: str, found: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the plain values of a mapping in a line each: `test after` and `ece 0.08, brier 0.15`."""
    plain = {key: value for key, value in found.items() if not isinstance(value, dict)}
    if plain:
        yield name, ", ".join(f"{key.replace('_', ' ')} {_plain(value)}" for key, value in plain.items())
    for key, value in found.items():
        if isinstance(value, dict):
            yield from _flat(f"{name}, {key.replace('_', ' ')}", value)


def _plain(value: object) -> str:
    """Return a value as a text, a count without decimals."""
    return f"{value:,}" if type(value) is int else _shown(value)


def _baseline(entry: Mapping[str, object]) -> dict[str, str]:
    """Return by metric what the network and models without one reach: `network 0.9, linear 0.8`."""
    return {
        metric: ", ".join(f"{name} {_shown(each[name])}" for name in MODELS if name in each)
        for metric, each in named_entries(entry)
    }


def _shown(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    return "none" if math.isnan(value) else format_number(float(value))


def _history(run: Run) -> list[dict[str, float]]:
    """Return the epochs of a run; of folds or seeds, those that every training reached.

    Later rows of the file are means over fewer trainings, so that a curve through them would jump.
    """
    try:
        history = read_history(run / runs.HISTORY)
    except FileNotFoundError:
        return []
    members = run.record.members
    epochs = []
    for folder in members.folders if members is not None else ():
        with contextlib.suppress(RunError):
            epochs.append(open_run(run / folder).record.epochs or 0)
    return history[: min(epochs)] if epochs else history


def _text(path: Path) -> str:
    """Return the text of a file of the run; empty where there is none, or where it is too large."""
    try:
        return read_ordinary_text(path, MOST_TEXT)
    except (OSError, UnicodeDecodeError):
        return ""


def _data(run: Run) -> dict[str, str]:
    data = run.record.data
    if data is None:
        return {}
    found = {"source": data.source}
    found |= {f"{name} rows": f"{count:,}" for name, count in data.rows.items()}
    if (disk := data.on_disk) is not None:
        size, most = format_bytes(disk.bytes), format_bytes(disk.memory)
        read = f"{counted(disk.chunks, 'chunk')} an epoch"
        found["rows on disk"] = f"{size} in {disk.folder}, at most {most} in memory, {read}"
    outputs = data.contract.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        target, classes = output.get("target") or (), output.get("classes")
        words = (
            counted(len(classes), "class", "classes")
            if isinstance(classes, list)
            else str(output.get("kind", ""))
        )
        found[f"target {', '.join(map(str, target))}"] = words
    return found | {"fingerprint": data.fingerprint[:16]}


def _columns(run: Run) -> Iterator[tuple[str, str]]:
    """Yield the columns of a table, with the kind of each."""
    contract = run.record.data.contract if run.record.data is not None else {}
    preprocessor = contract.get("preprocessor")
    if isinstance(preprocessor, dict) and preprocessor.get("members"):
        preprocessor = preprocessor["members"][0]  # of a mean: of the same columns
    columns = preprocessor.get("columns") if isinstance(preprocessor, dict) else None
    if isinstance(columns, list):
        for each in columns:
            if isinstance(each, dict):
                yield str(each.get("name", "")), str(each.get("kind", ""))
        return
    for name in contract.get("features") or ():
        yield str(name), "numeric"


def _notes(run: Run) -> Notes:
    try:
        return read_notes(run.folder)
    except RunError:
        return NOTHING


def _environment(run: Run) -> dict[str, str]:
    record = run.record
    cores = "" if record.host.cores is None else f"{counted(record.host.cores, 'core')}, "
    found = dict(record.versions)
    found["machine"] = f"{cores}{record.host.machine or ''} {record.host.system or ''}".strip()
    return found | ({"commit": record.commit} if record.commit else {})


def _commands(run: Run) -> Iterator[tuple[str, str]]:
    """Yield what can be done with the run, and the command for it."""
    if status_of(run) != runs.COMPLETED:
        yield "finish it", runs.resume_command(run.folder)
        return
    runs_dir, label = outermost(run.folder).parent.parent, run.label
    where = runs_dir_option(runs_dir if run.folder.is_absolute() else os.path.relpath(runs_dir))
    yield "train it again, and compare", f"mlpcli reproduce {label}{where}"
    yield "measure it on other rows", f"mlpcli evaluate {label} --data FILE{where}"
    yield "predict", f"mlpcli predict {label} FILE -o predictions.csv{where}"
