"""What a run of MLflow says of a run: parameters, metrics, tags and files, all read from the run's folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import mlpcli
from mlpcli import runs
from mlpcli.errors import MlpcliError
from mlpcli.printable import without_password
from mlpcli.runs.folder import COMPLETED, INTERRUPTED, RUNNING, Run, open_run
from mlpcli.runs.guard import outermost
from mlpcli.runs.notes import read_notes
from mlpcli.runs.record_models import MetricsRecord, read_history, read_record
from mlpcli.runs.search_folder import BEST, SEARCHED
from mlpcli.spec.yaml_reader import read_text

STATUSES = {COMPLETED: "FINISHED", INTERRUPTED: "KILLED", RUNNING: "RUNNING"}
"""How MLflow calls the statuses of runs; the others are FAILED."""

NOT_ALLOWED = re.compile(r"[^\w./ -]")
"""What MLflow does not take in the name of a metric or a parameter."""

LONGEST_NAME, LONGEST_VALUE = 250, 500
"""Characters of a name and of a parameter's value; earlier servers take no more."""

MOST_PARAMETERS = 200
"""Values of a spec that become parameters; the spec itself is among the files."""

TEXTS = (runs.SPEC, runs.RESOLVED, SEARCHED, BEST, runs.RECORD, runs.METRICS, runs.HISTORY, runs.SUMMARY)


@dataclass(frozen=True)
class Content:
    """What is known of a run.

    Attributes:
        label: `name/timestamp`.
        status: as MLflow calls it.
        parameters: the values of the spec, by their paths: `layers.0.Dense.units`.
        metrics: of the finished model, `test/accuracy`.
        history: the metrics of each epoch.
        tags: what else is known.
        files: with the folder of the artifacts that each goes into.
    """

    label: str
    status: str
    parameters: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    files: list[tuple[Path, str]] = field(default_factory=list)


def read_content(folder: Path) -> Content | None:
    """Return what is known of the run in a folder; None where there is none."""
    try:
        run = open_run(folder)
    except MlpcliError:
        return None
    label = "/".join(folder.absolute().parts[len(outermost(folder).parts) - 2 :])
    return Content(
        label,
        STATUSES.get(run.status, "FAILED"),
        parameters_of(run),
        dict(_metrics(run)),
        _history(folder),
        dict(_tags(run, label)),
        list(_files(folder)),
    )


def clean_name(name: str) -> str:
    """Return a name as MLflow takes it."""
    steps = NOT_ALLOWED.sub("_", name)[:LONGEST_NAME].strip("/ ").split("/")
    return "/".join("_" if step.strip(".") == "" else step for step in steps)


def parameters_of(run: Run) -> dict[str, str]:
    """Return the values of a run's spec and of its hyperparameters, as far as there is room.

    The columns of a table are left out, of which there may be thousands.
    """
    found = {name: _text(value) for name, value in run.record.hyperparameters.items()}
    spec = next((run / name for name in (runs.RESOLVED, SEARCHED) if (run / name).is_file()), None)
    if spec is not None:
        data = read_text(spec).data
        section = data.get("dataset")
        if isinstance(section, dict):
            data = {**data, "dataset": {key: each for key, each in section.items() if key != "features"}}
        found |= dict(_leaves(data, ""))
    named = {clean_name(name): text for name, text in found.items()}
    return dict(list(named.items())[:MOST_PARAMETERS])


def _leaves(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Yield the paths of plain values and the values as texts; lists of plain values are one."""
    start = f"{path}." if path else ""
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _leaves(each, f"{start}{key}")
    elif isinstance(value, list) and any(isinstance(each, Mapping | list) for each in value):
        for place, each in enumerate(value):
            yield from _leaves(each, f"{start}{place}")
    elif value is not None:
        yield path, _text(value)


def _text(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    text = without_password(text)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def _metrics(run: Run) -> Iterator[tuple[str, float]]:
    """Yield the metrics of the finished model by split, and what the training took."""
    path = run / runs.METRICS
    splits = read_record(path, MetricsRecord).by_split() if path.is_file() else run.record.metrics
    for split, values in splits.items():
        for name, value in values.items():
            yield clean_name(f"{split}/{name}"), value
    best, objective = run.record.best, run.record.objective
    if best is not None and best.value is not None:
        yield clean_name(f"best/{best.monitor}"), best.value
        if best.epoch is not None:
            yield "best/epoch", float(best.epoch)
    if objective is not None and objective.score is not None:
        yield clean_name(f"objective/{objective.name}"), objective.score
    if run.record.model.parameters is not None:
        yield "model/parameters", float(run.record.model.parameters)
    if (seconds := run.record.timings.get("total")) is not None:
        yield "seconds", seconds


def _history(folder: Path) -> list[dict[str, float]]:
    try:
        return read_history(folder / runs.HISTORY)
    except FileNotFoundError:
        return []


def _tags(run: Run, label: str) -> Iterator[tuple[str, str]]:
    """Yield what is no parameter of a run."""
    record = run.record
    yield "mlpcli.run", label
    yield "mlpcli.folder", str(run.folder.absolute())
    yield "mlpcli.kind", record.kind
    yield "mlpcli.status", record.status
    yield "mlflow.source.name", record.spec or "mlpcli"
    yield "mlflow.source.type", "LOCAL"
    known = {
        "mlpcli.data.fingerprint": record.data.fingerprint if record.data is not None else None,
        "mlpcli.data.source": without_password(record.data.source) if record.data is not None else None,
        "mlpcli.engine": record.engine.name if record.engine is not None else None,
        "mlpcli.error": record.error,
        "mlpcli.start_from": record.start_from.run if record.start_from is not None else None,
        "mlpcli.parent": record.parent.run if record.parent is not None else None,
        "mlflow.source.git.commit": record.commit,
    }
    yield from ((name, value) for name, value in known.items() if value)
    yield from ((f"version.{name}", version) for name, version in record.versions.items())
    try:
        notes = read_notes(run.folder)
    except MlpcliError:
        return
    yield from ((f"tag.{clean_name(tag)}", "true") for tag in notes.tags)


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files that become artifacts: the specs and records, the figures, the model."""
    for name in TEXTS:
        if (folder / name).is_file():
            yield folder / name, ""
    for path in sorted((folder / runs.PLOTS).rglob("*")):
        if path.is_file():
            inside = path.parent.relative_to(folder).as_posix()
            yield path, inside
    for path in sorted((folder / runs.PLUGINS).glob("*.py")):
        yield path, runs.PLUGINS
    if (folder / runs.MODEL).is_file():
        yield folder / runs.MODEL, "model"


def first_tags(label: str, kind: str) -> dict[str, str]:
    """Return the tags of a run that begins."""
    return {
        "mlpcli.run": label,
        "mlpcli.kind": kind,
        "mlpcli.version": mlpcli.__version__,
        "mlflow.source.name": "mlpcli",
        "mlflow.source.type": "LOCAL",
    }
