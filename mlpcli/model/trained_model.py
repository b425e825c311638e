"""A run's network, rebuilt from the run's own spec, with the weights whose checksum is in `run.json`.

The layers and settings in a `.keras` file are not used: a stranger may have written it. Only the weights are
taken from it, and what a layer learned from the data beside them.
"""

from __future__ import annotations

import json
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli import runs
from mlpcli.data.dataset import Contract
from mlpcli.data.fitted_outputs import Fitted
from mlpcli.data.stacked_contract import ONLY, Span, StackedContract, stack_contracts
from mlpcli.data.types import Array, Arrays
from mlpcli.errors import Problem, RunError, SpecError
from mlpcli.files import sha256_of
from mlpcli.keras_import import keras
from mlpcli.model.build import build_network, compile_model, network_name, precision
from mlpcli.model.calibrated_network import with_temperature
from mlpcli.model.ensemble import Member, mean_network
from mlpcli.model.learned_values import VOCABULARY
from mlpcli.model.memory import bounded_weights
from mlpcli.model.plugins import Plugins, changed_plugins, run_plugins
from mlpcli.model.raw_column_network import with_raw_columns
from mlpcli.model.run_contract import run_contract
from mlpcli.model.run_spec import own_spec
from mlpcli.model.schedule_steps import with_steps
from mlpcli.model.target_scaling import restore_outputs
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import TRAIN_AGAIN
from mlpcli.spec.keras_source import snake_case
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.schema import Spec

LEARNED = ("bin_boundaries",)
"""Arguments of layers that are learned from the data and are not among the weights: lists of numbers."""

MAX_CONFIG_BYTES = 20 * 2**20
"""Of the network's configuration, and of a vocabulary."""


def load_network(run: Run, spec: Spec, contract: Contract, plugins: Plugins) -> keras.Model:
    """Load the trained network of a run, not compiled; scaled targets as they were during training.

    Args:
        run: the run.
        spec: the run's own spec.
        contract: the run's contract.
        plugins: the run's plug-ins.

    Raises:
        RunError: the run has no model, the file is not the one that was saved, or it does not fit the spec.
    """
    path = run.require(runs.MODEL)
    check_digest(run, runs.MODEL)
    try:
        with precision(spec.fit.precision), bounded_weights(path):
            in_steps = with_steps(spec, 1, plugins.catalog)  # which nothing here depends on
            bare = build_network(in_steps, contract, None, plugins, learned=_learned(path))
            network = with_temperature(bare, spec, contract)
            whole = with_raw_columns(restore_outputs(network, contract), contract)
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "error", UserWarning
                )  # Keras only warns where a layer's weights are missing
                whole.load_weights(path)
        check_finite(network, path)
    except (SpecError, RunError):
        raise
    except Exception as error:  # HDF5 and Keras raise many kinds
        rule = f"{path} does not fit the run's spec ({type(error).__name__})"
        raise RunError(Problem(rule, hint="train again; the file is from another version")) from error
    check_contract(network, run, contract)
    return network


def check_contract(network: Any, run: Run, contract: Contract) -> None:
    """Check the contract against the network: whether it takes such rows, and gives such outputs.

    Raises:
        RunError: they do not go together; somebody has changed the record.
    """
    try:
        row = np.zeros((1, *contract.shape), contract.dtype)
        found = network(contract.take_inputs(row), training=False)
    except Exception as error:  # TensorFlow and Keras refuse in many ways
        what = f"the network does not take its rows ({type(error).__name__})"
    else:
        names = set(found) if isinstance(found, dict) else {""}
        if names == {output.name for output in contract.outputs}:
            return
        what = "its outputs are not those of the network"
    rule = f"{run / runs.RECORD} is damaged: data.contract: {what}"
    raise RunError(Problem(rule, hint=TRAIN_AGAIN))


def check_finite(network: keras.Model, path: Path) -> None:
    """Check that all weights are finite; with others every prediction would look like the first class.

    Args:
        network: the network.
        path: its file, for the message.

    Raises:
        RunError: a weight is not finite.
    """
    for weight in network.weights:
        values = weight.numpy()
        if values.dtype.kind in "fV" and not np.isfinite(values).all():
            rule = f"{path}: the weight {weight.path} has values that are not finite"
            raise RunError(Problem(rule, hint="train again; mlpcli never saves such weights"))


def check_digest(run: Run, name: str) -> None:
    """Check a file of a run against its sha256 in `run.json`.

    Raises:
        RunError: there is none, or it differs.
    """
    wanted = run.record.sha256.get(name)
    if wanted is None:
        rule = f"{run.folder / runs.RECORD} has no checksum of {name}"
        raise RunError(Problem(rule, hint="train again; a run is used as it was saved"))
    if sha256_of(run.folder / name) != wanted:
        rule = f"{run.folder / name} is not what was saved: its checksum is not the one in {runs.RECORD}"
        raise RunError(Problem(rule, hint="the file is damaged or was replaced; train again"))


def _learned(path: Path) -> dict[str, dict[str, list[float]]]:
    """Return, by layer, the numbers that it learned in addition to its weights; no other setting is read."""
    found: dict[str, dict[str, list[float]]] = {}
    with zipfile.ZipFile(path) as archive:
        files = set(archive.namelist())
        for place, settings in _settings(json.loads(_small_file(archive, "config.json")).get("config", {})):
            values = {name: settings[name] for name in LEARNED if _is_numbers(settings.get(name))}
            words = f"assets/{place}/vocabulary.txt"
            if place.rpartition("/")[2].startswith("integer_lookup") and words in files:
                values[VOCABULARY] = [int(line) for line in _small_file(archive, words).split()]
            if values:
                found[str(settings.get("name"))] = values
    return found


def _small_file(archive: zipfile.ZipFile, name: str) -> str:
    if archive.getinfo(name).file_size > MAX_CONFIG_BYTES:
        raise ValueError(f"{name} is too large")
    return archive.read(name).decode("utf-8")


def _settings(config: dict[str, Any], folder: str = "layers") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the settings of every layer, including those of a network inside another.

    Before them comes the layer's folder in the file: Keras numbers the layers of a class.
    """
    taken: Counter[str] = Counter()
    for layer in config.get("layers", ()):
        kind, settings = snake_case(str(layer.get("class_name"))), layer.get("config", {})
        place = f"{folder}/{kind}_{taken[kind]}" if kind in taken else f"{folder}/{kind}"
        taken[kind] += 1
        yield place, settings
        yield from _settings(settings, f"{place}/layers")


def _is_numbers(value: object) -> bool:
    return isinstance(value, list) and all(type(item) in (int, float) for item in value)


class NoMean(RunError):
    """The models of a run's members have no mean."""


@dataclass(frozen=True)
class TrainedModel:
    """A run opened for use: its model, its spec, and what its rows look like.

    Attributes:
        run: the run.
        model: compiled; as a member of another not.
        spec: its own.
        contract: of the rows that the model takes.
        warnings: what a person should know of how it was loaded.
        members: where the model is the mean of others, these.
        spans: in that case, the values of each input that each of them reads.
    """

    run: Run
    model: keras.Model
    spec: Spec
    contract: Contract
    warnings: tuple[str, ...] = ()
    members: tuple[TrainedModel, ...] = ()
    spans: Mapping[str, tuple[Span, ...] | None] = field(default_factory=dict)

    def rows_of_members(self, x: Arrays) -> Iterator[tuple[TrainedModel, Arrays]]:
        """Yield each member with what it reads of some rows; the model itself where it has none.

        Args:
            x: rows as the model takes them.
        """
        if not self.members:
            yield self, x
        for place, member in enumerate(self.members):
            if isinstance(x, dict):
                yield member, {name: _span_of(each, self.spans[name], place) for name, each in x.items()}
            else:
                yield member, _span_of(x, self.spans[ONLY], place)


def _span_of(x: Array, spans: tuple[Span, ...] | None, place: int) -> Array:
    return x if spans is None else x[:, spans[place].start : spans[place].stop]


def load_trained(run: Run) -> TrainedModel:
    """Load the model of a run, built from the run's own spec and weights; see `load_network`.

    Of a run that is the mean of others, the model is built from theirs.

    Raises:
        RunError: the run has no model, or it is not what was saved.
    """
    run.require(runs.MODEL)
    if run.record.is_mean:
        check_digest(run, runs.MODEL)
        return load_mean(run)
    trained, loaded, plugins = _load_single(run)
    # Nothing is trained: how long the schedule of the learning rate is does not matter.
    in_steps = with_steps(loaded.spec, 1, loaded.catalog)
    compile_model(trained.model, in_steps, trained.contract, plugins)
    return trained


def _load_single(run: Run) -> tuple[TrainedModel, LoadedSpec, Plugins]:
    """Return the model of a run that is a single network, not compiled, with its spec and plug-ins."""
    loaded = own_spec(run)
    contract = run_contract(run)
    plugins = run_plugins(run, loaded.catalog)
    model = load_network(run, loaded.spec, contract, plugins)
    return TrainedModel(run, model, loaded.spec, contract, changed_plugins(run)), loaded, plugins


def load_mean(run: Run, *, fitted: bool = True) -> TrainedModel:
    """Build the mean of a run's members from their own folders, each checked by its own checksum.

    Args:
        run: the run.
        fitted: with what was fitted for its predictions, as its record has it.

    Raises:
        RunError: a member has no model, or is not the one that the run was made of.
        NoMean: the members do not go together.
    """
    assert run.record.members is not None
    members = tuple(_load_member(run, folder) for folder in run.record.members.folders)
    loaded = own_spec(run)
    plugins = run_plugins(run, loaded.catalog)
    try:
        stacked = _with_fitted(run if fitted else None, stack_contracts([each.contract for each in members]))
        networks = [Member(each.model, each.spec, each.contract) for each in members]
        with precision(loaded.spec.fit.precision):
            mean = mean_network(network_name(loaded.spec), loaded.spec, stacked, networks)
            model = with_temperature(mean, loaded.spec, stacked.contract)
    except ValueError as error:
        rule = f"the members of run {run.label} have no mean: {error}"
        raise NoMean(Problem(rule, hint="evaluate or predict with one of them")) from error
    compile_model(model, with_steps(loaded.spec, 1, loaded.catalog), stacked.contract, plugins)
    changed = changed_plugins(run)
    return TrainedModel(run, model, loaded.spec, stacked.contract, changed, members, stacked.spans)


def _with_fitted(run: Run | None, stacked: StackedContract) -> StackedContract:
    """Return the contract of a mean with what was fitted for it, which is in the record of its own run."""
    fitted: dict[str, Fitted | None] = {}
    if run is not None and runs.data_facts(run).contract:
        fitted = {each.name: each.fitted for each in run_contract(run).outputs}
    outputs = tuple(replace(each, fitted=fitted.get(each.name)) for each in stacked.contract.outputs)
    return replace(stacked, contract=replace(stacked.contract, outputs=outputs))


def _load_member(run: Run, folder: str) -> TrainedModel:
    """Load one member of a run.

    Raises:
        RunError: it is not the one that the run was made of, or is a mean itself.
    """
    assert run.record.members is not None
    member = replace(runs.open_run(run.folder / folder), trusted=run.trusted)
    if member.record.is_mean:
        rule = f"{member / runs.RECORD} is damaged: a member must be a single network"
        raise RunError(Problem(rule, hint=TRAIN_AGAIN))
    wanted = run.record.members.sha256.get(folder)
    if wanted is not None and member.record.sha256.get(runs.MODEL) != wanted:
        rule = f"run {member.label} is not the one that {run.label} is the mean of: it was trained again"
        raise RunError(Problem(rule, hint=TRAIN_AGAIN))
    return _load_single(member)[0]  # not compiled: what is saved with the mean would contain the optimizer
