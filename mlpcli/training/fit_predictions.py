"""After the training: fit what `predict:` asks for, and put it into the model and the contract of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlpcli.data.dataset import Contract, Dataset, Output, Split
from mlpcli.data.named_arrays import places_of, rows_of
from mlpcli.data.stored.sampled_rows import sampled_split
from mlpcli.data.types import Array
from mlpcli.keras_import import keras
from mlpcli.model.build import compile_model
from mlpcli.model.calibrated_network import with_temperature
from mlpcli.model.fit_outputs import KnownRows, at_temperature, fit_outputs, known_rows
from mlpcli.model.measure_predictions import coverage_of, reliability_of
from mlpcli.model.outputs import final_outputs
from mlpcli.model.plugins import import_plugins
from mlpcli.model.schedule_steps import with_steps
from mlpcli.model.threshold_cost import threshold_costs, threshold_scores
from mlpcli.statistics.calibration import Reliability
from mlpcli.training import compiled
from mlpcli.training.job import TrainingJob

BeforeAfter = tuple[Reliability, Reliability]
"""Without and with the temperature."""


@dataclass(frozen=True)
class FittedPredictions:
    """What was fitted, and how good it is.

    Attributes:
        job: the job with the fitted model, compiled to be measured, and the fitted contract.
        trained: the model as it was trained.
        saved: what is saved in its place, with temperatures and not compiled; None where there are none.
        entries: of `metrics.json`: `calibration`, `threshold`, `intervals`.
        curves: of the reliability, by output and rows.
        notes: a line on each thing that could not be fitted.
    """

    job: TrainingJob
    trained: keras.Model
    saved: keras.Model | None = None
    entries: dict[str, object] = field(default_factory=dict)
    curves: dict[tuple[str, str], BeforeAfter] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def fit_predictions(job: TrainingJob, rows: KnownRows | None = None) -> FittedPredictions:
    """Fit what the spec's `predict` section asks for, and measure it on these rows and on the test split.

    Args:
        job: with the trained model.
        rows: with known truths, of networks that have not seen them; None for the validation split.
    """
    section = job.completed.spec.predict
    if section is None or not job.options.predictions:
        return FittedPredictions(job, job.model)
    contract = job.dataset.contract
    if rows is None and job.dataset.validation is not None:
        rows = rows_of_split(job, job.dataset.validation)
    if rows is None and section.fitted_keys:
        return FittedPredictions(
            job, job.model, notes=("there are no rows on which predict: could be fitted",)
        )
    fitted, notes = fit_outputs(job.completed.spec, contract, rows)
    saved = with_temperature(job.model, job.completed.spec, fitted)
    changed = replace(job, model=_compiled(job, saved, fitted), dataset=replace(job.dataset, contract=fitted))
    sets = {"test": rows_of_split(job, job.dataset.test)} if job.dataset.test is not None else {}
    before: dict[str, KnownRows] = {**({rows.source: rows} if rows is not None else {}), **sets}
    after = {name: _changed_rows(changed, name, each) for name, each in before.items()}
    curves = _curves(changed, before, after) if section.calibrate is not None else {}
    entries: dict[str, dict[str, object]] = {
        "calibration": _calibration(fitted, curves),
        "threshold": _thresholds(
            fitted,
            cost=threshold_costs(job.completed.spec, fitted, after),
            scores=threshold_scores(job.completed.spec, fitted, after),
        ),
        "intervals": _intervals(changed, after),
    }
    given: dict[str, object] = {name: each for name, each in entries.items() if each}
    other = None if saved is job.model else saved
    return FittedPredictions(changed, job.model, other, given, curves, notes)


def record_fitted(record: dict[str, object], contract: Contract) -> None:
    """Put what was fitted for each output into the contract in `run.json`, in place of what was there.

    Args:
        record: `run.json`.
        contract: With what was fitted.
    """
    data = record.get("data")
    known = data.get("contract") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(known, dict):
        return
    fitted = {each["name"]: each.get("fitted") for each in _outputs_json(contract)}
    outputs = [
        {key: value for key, value in each.items() if key != "fitted"}
        | ({"fitted": found} if (found := fitted.get(each["name"])) is not None else {})
        for each in known["outputs"]
    ]
    record["data"] = data | {"contract": known | {"outputs": outputs}}


def _outputs_json(contract: Contract) -> list[dict[str, Any]]:
    bare = replace(contract, preprocessor=None).to_json()["outputs"]
    assert isinstance(bare, list | tuple)
    return list(bare)


def held_out_rows(dataset: Dataset, rows: Array, outputs: Mapping[str, Array]) -> KnownRows:
    """Return rows that folds have held out, with what their models say of them.

    Args:
        dataset: The data of all folds, in which these rows are training rows.
        rows: (rows,) int positions in the source.
        outputs: By output, as `final_outputs` returns them.
    """
    train, contract = dataset.train, dataset.contract
    places = places_of(rows, train.rows)
    y, weights = rows_of(train.y, places), rows_of(train.weights, places)
    return known_rows(contract, y, contract.by_output(outputs), weights, "out_of_fold")


def rows_of_split(job: TrainingJob, split: Split) -> KnownRows:
    """Return the rows of a split with what the job's model says of them; some of those in files."""
    spec, contract = job.completed.spec, job.dataset.contract
    split = sampled_split(split, spec.fit.memory_bytes)
    outputs = final_outputs(spec, contract, compiled.predict(job.model, split.x))
    return known_rows(contract, split.y, outputs, split.weights)


def _compiled(job: TrainingJob, model: keras.Model, contract: Contract) -> keras.Model:
    """Return a model with metrics by a contract's thresholds; the job's own where nothing has changed."""
    if model is job.model and not any(each.thresholds for each in contract.outputs):
        return model
    measured = keras.Model(model.input, model.output, name=model.name)
    measured.output_names = list(model.output_names)  # by which Keras names losses
    catalog = job.completed.catalog
    steps = with_steps(job.completed.spec, len(job.dataset.train), catalog)
    compile_model(measured, steps, contract, import_plugins(catalog))
    return measured


def _changed_rows(job: TrainingJob, name: str, rows: KnownRows) -> KnownRows:
    """Return rows with what the fitted model says; out-of-fold rows with what it would have said.

    Args:
        job: with the fitted model.
        name: of the rows.
        rows: with what the model said before.
    """
    if all(each.fitted is None or each.fitted.temperature == 1.0 for each in job.dataset.contract.outputs):
        return rows
    split = job.dataset.splits().get(name)
    if split is not None:
        return rows_of_split(job, split)
    return at_temperature(job.completed.spec, job.dataset.contract, rows)


def _curves(
    job: TrainingJob, before: Mapping[str, KnownRows], after: Mapping[str, KnownRows]
) -> dict[tuple[str, str], BeforeAfter]:
    """Return the reliability of each output on each rows, before and after."""
    spec, contract = job.completed.spec, job.dataset.contract
    found: dict[tuple[str, str], BeforeAfter] = {}
    for name in before:
        first, second = (reliability_of(spec, contract, each[name]) for each in (before, after))
        found |= {(output, name): (first[output], second[output]) for output in first}
    return found


def _by_output(found: dict[str, dict[str, object]]) -> dict[str, object]:
    """Return the entry of a single output, or those of several by name."""
    several: dict[str, object] = {"outputs": found} if found else {}
    return found.get("", several)


def _calibration(contract: Contract, curves: Mapping[tuple[str, str], BeforeAfter]) -> dict[str, object]:
    found: dict[str, dict[str, object]] = {}
    for (output, name), (before, after) in curves.items():
        fitted = next(each.fitted for each in contract.outputs if each.name == output)
        temperature = fitted.temperature if fitted is not None else 1.0
        entry = found.setdefault(output, {"temperature": temperature})
        entry[name] = {"before": before.to_json(), "after": after.to_json()}
    return _by_output(found)


def _thresholds(contract: Contract, **measured: Mapping[str, object]) -> dict[str, object]:
    found = {each.name: _threshold(each) for each in contract.outputs if each.thresholds}
    for key, by_output in measured.items():
        for name, each in by_output.items():
            found[name][key] = each
    return _by_output(found)


def _threshold(output: Output) -> dict[str, object]:
    """Return the class or the labels that are predicted from a probability on, and that probability."""
    classes = output.classes or ()
    if output.kind == "labels":
        return {"labels": dict(zip(classes, output.thresholds, strict=True))}
    return {"class": classes[-1], "probability": output.thresholds[0]}


def _intervals(job: TrainingJob, rows: Mapping[str, KnownRows]) -> dict[str, object]:
    """Return the level, and what the intervals or sets hold on each rows, by target."""
    spec, contract = job.completed.spec, job.dataset.contract
    level = next((each.intervals.level for each in contract.outputs if each.intervals is not None), None)
    if level is None:
        return {}
    held = {
        name: {found.name: found.to_json() for found in coverage_of(spec, contract, each)}
        for name, each in rows.items()
    }
    return {"level": level, **{name: each for name, each in held.items() if each}}
