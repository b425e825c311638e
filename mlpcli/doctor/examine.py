"""A diagnosis of a run from its records, its data, and its network, also before its first step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mlpcli import runs
from mlpcli.checks.columns_alone import column_skills
from mlpcli.data.dataset import Contract, Dataset
from mlpcli.data.leakage import find_equal_rows
from mlpcli.doctor.find_all import find_all
from mlpcli.doctor.from_records import diagnose_records, read_case, score_notes
from mlpcli.errors import DataError, RunError, SpecError
from mlpcli.keras_import import keras
from mlpcli.model.build import build_model
from mlpcli.model.components import plain_reason
from mlpcli.model.plugins import run_plugins
from mlpcli.model.run_spec import own_spec
from mlpcli.model.trained_model import load_trained
from mlpcli.runs.diagnosis import Diagnosis
from mlpcli.runs.folder import Run
from mlpcli.runs.network_record import NetworkFacts
from mlpcli.spec.load import LoadedSpec, located
from mlpcli.spec.schema import Spec
from mlpcli.training.find_data import find_data, moved_note
from mlpcli.training.network_probe import MOST_ROWS, probe_network


def examine_run(run: Run) -> Diagnosis:
    """Return what is wrong with a run; from its records alone where its data is gone.

    Of a run with folds or seeds the trainings are judged by their records, which hold what was measured
    at the end of each.

    Raises:
        RunError: a file of the run is damaged.
    """
    case = read_case(run)
    if case.members or case.spec is None:
        return diagnose_records(run)
    try:
        loaded = own_spec(run)
        with located(loaded):
            found, dataset = find_data(loaded)
    except (SpecError, DataError) as error:
        alone = diagnose_records(run)
        why = error.problems[0].headline()
        return replace(alone, notes=(f"the data cannot be read, so the records alone were looked at: {why}",))
    notes = list(_data_notes(run, loaded, found, dataset))
    initial, network = _networks(run, found, dataset, notes)
    whole = replace(
        case,
        network=network or case.network or _scales_alone(initial),
        initial=tuple(initial.layers) if initial is not None else (),
        columns=tuple(column_skills(dataset, loaded.spec.seed)),
        copies=tuple((each.count, each.of, each.note) for each in find_equal_rows(dataset)),
    )
    rows = 0 if network is None else network.rows
    return Diagnosis(find_all(whole), tuple(notes), rows, score_notes(case))


def _data_notes(run: Run, loaded: LoadedSpec, found: LoadedSpec, dataset: Dataset) -> Iterator[str]:
    if (moved := moved_note(loaded, found)) is not None:
        yield moved
    known = run.record.data.fingerprint if run.record.data is not None else None
    if known not in (None, dataset.fingerprint):
        yield f"the data of {dataset.source} has changed since run {run.label} was trained"


def _networks(
    run: Run, loaded: LoadedSpec, dataset: Dataset, notes: list[str]
) -> tuple[NetworkFacts | None, NetworkFacts | None]:
    """Return the facts of the network before its first step, and at its end; None where there is none."""
    spec = loaded.spec
    plugins = run_plugins(run, loaded.catalog)
    initial = None
    if spec.model is None and spec.start_from is None:
        initial = _probe(build_model(spec, dataset, plugins), spec, dataset, notes)
    if not (run / runs.MODEL).is_file():
        notes.append(f"the run has no model (it {run.describe()}): its network was not looked at")
        return initial, None
    try:
        trained = load_trained(run)
    except RunError as error:
        notes.append(f"its network was not looked at: {error.problems[0].headline()}")
        return initial, None
    return initial, _probe(trained.model, trained.spec, _with_thresholds(dataset, trained.contract), notes)


def _with_thresholds(dataset: Dataset, contract: Contract) -> Dataset:
    """Return the data with the thresholds that a run has fitted, by which it predicts classes."""
    fitted = {each.name: each for each in contract.outputs}
    outputs = tuple(
        replace(each, fitted=known.fitted)
        if (known := fitted.get(each.name)) is not None and known.classes == each.classes
        else each
        for each in dataset.contract.outputs
    )
    return replace(dataset, contract=replace(dataset.contract, outputs=outputs))


def _probe(model: keras.Model, spec: Spec, dataset: Dataset, notes: list[str]) -> NetworkFacts | None:
    """Return the facts of a network; None, and a line, where they cannot be measured."""
    note = "its network is a class of a plug-in's: its layers were not looked at"
    try:
        found = probe_network(model, spec, dataset, most=MOST_ROWS)
    except Exception as error:  # of a layer or a loss of a plug-in's: the records say something still
        found, note = None, f"the layers cannot be measured: {type(error).__name__}: {plain_reason(error)}"
    if found is None and note not in notes:
        notes.append(note)
    return found


def _scales_alone(initial: NetworkFacts | None) -> NetworkFacts | None:
    """Return what the network before its first step shows of the data, where the trained one is not known."""
    if initial is None:
        return None
    return initial.model_copy(update={"layers": [], "loss": None, "classes": []})
