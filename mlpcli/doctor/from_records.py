"""A diagnosis from the records of a run alone, without its data and without TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlpcli import runs
from mlpcli.doctor.case import Case
from mlpcli.doctor.find_all import find_all
from mlpcli.doctor.harm import as_good
from mlpcli.errors import RunError, SpecError
from mlpcli.files import read_ordinary_text
from mlpcli.runs.diagnosis import SEVERITIES, Diagnosis, Finding
from mlpcli.runs.folder import Run, open_run
from mlpcli.runs.record_models import MetricsRecord, read_history, read_record
from mlpcli.runs.run_values import status_of
from mlpcli.spec.load import WRITTEN_BY_INIT, load_spec
from mlpcli.spec.schema import Spec
from mlpcli.spec.yaml_reader import MAX_BYTES

MARKED_LINES = 10
"""Of a spec's first lines one says that `init` has written it."""


def diagnose_records(run: Run) -> Diagnosis:
    """Return what the records of a run show; of one with folds or seeds, also those of its trainings.

    Raises:
        RunError: a file of the run is damaged.
    """
    case = read_case(run)
    findings = find_all(case)
    rows = 0 if case.network is None else case.network.rows
    if not case.members:
        return Diagnosis(findings, () if case.spec else (_no_spec(run),), rows, score_notes(case))
    trainings, notes = _of_members(run)
    common = in_most(trainings)
    known = {each.code for each in findings}
    if "threshold" in (case.metrics.model_extra or {}):
        known.add("class-never-predicted")  # of the trainings, which predict classes by 0.5
    merged = (*findings, *(each for each in common if each.code not in known))
    ordered = sorted(merged, key=lambda each: SEVERITIES.index(each.severity))
    return Diagnosis(tuple(ordered), notes, rows, score_notes(case))


def score_notes(case: Case) -> tuple[str, ...]:
    """Return lines on scores that are no finding: they may be chance, or say little of skewed classes."""
    return tuple(each.sentence() for each in as_good(case))


def _no_spec(run: Run) -> str:
    return f"{run / runs.RESOLVED} cannot be read: no patches, and no findings that need the spec"


def read_case(run: Run) -> Case:
    """Return what the records of a run say.

    Raises:
        RunError: a file of the run is damaged.
    """
    record = run.record
    contract = record.data.contract if record.data is not None else {}
    outputs, shape = contract.get("outputs") or [], contract.get("shape")
    known = [each for each in outputs if isinstance(each, dict)] if isinstance(outputs, list) else []
    classes = {
        str(each.get("name") or ""): len(each["classes"])
        for each in known
        if each.get("kind", "classes") in ("classes", "one_hot") and isinstance(each.get("classes"), list)
    }
    return Case(
        status=status_of(run),
        history=_history(run),
        spec=_spec(run),
        metrics=_metrics(run),
        best=record.best,
        rows=dict(record.data.rows) if record.data is not None else {},
        error=record.error or "",
        timed_out=record.can_go_on,
        shape=tuple(each for each in shape if isinstance(each, int)) if isinstance(shape, list) else (),
        pixels=contract.get("dtype") == "uint8",
        classes=classes,
        network=record.network,
        columns=tuple(record.columns),
        members=record.members is not None,
        by_init=_is_by_init(run),
    )


def _is_by_init(run: Run) -> bool:
    """Return whether `init` has written the spec of a run, which a comment of the first lines says."""
    try:
        lines = read_ordinary_text(run / runs.SPEC, MAX_BYTES).splitlines()[:MARKED_LINES]
    except (OSError, RunError, ValueError):
        return False
    return any(line.startswith(WRITTEN_BY_INIT) for line in lines)


def _history(run: Run) -> list[dict[str, float]]:
    try:
        return read_history(run / runs.HISTORY)
    except FileNotFoundError:
        return []


def _metrics(run: Run) -> MetricsRecord:
    try:
        return read_record(run / runs.METRICS, MetricsRecord)
    except FileNotFoundError:
        return MetricsRecord()


def _spec(run: Run) -> Spec | None:
    if not (run / runs.RESOLVED).is_file():
        return None
    try:
        return load_spec(run / runs.RESOLVED).spec
    except SpecError:
        return None


def _of_members(run: Run) -> tuple[list[tuple[Finding, ...]], tuple[str, ...]]:
    """Return the findings of each training of a run, and a line on those that cannot be read."""
    assert run.record.members is not None
    found, notes = [], []
    for folder in run.record.members.folders:
        try:
            found.append(find_all(read_case(open_run(run / folder))))
        except RunError as error:
            notes.append(f"{folder} was not looked at: {error.problems[0].rule}")
    return found, tuple(notes)


def in_most(trainings: Sequence[Sequence[Finding]]) -> tuple[Finding, ...]:
    """Return the findings that more than half of some trainings have, with their number."""
    by_code: dict[str, list[Finding]] = {}
    for findings in trainings:
        for each in {one.code: one for one in reversed(findings)}.values():
            by_code.setdefault(each.code, []).append(each)
    return tuple(
        replace(
            several[0], seen=f"in {len(several)} of {len(trainings)} trainings, such as: {several[0].seen}"
        )
        for several in by_code.values()
        if 2 * len(several) > len(trainings)
    )
