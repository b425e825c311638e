"""Wrong hyperparameters and wrong settings of a search, and the exact message for each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.errors import SpecError
from mlpcli.spec.load import LoadedSpec, load_spec
from tests.spec.test_search_spec import SEARCHED


@pytest.fixture
def load(spec_file: Callable[[str], Path]) -> Callable[..., LoadedSpec]:
    return lambda text, *settings: load_spec(spec_file(text), settings=settings)


def _problems(load: Callable[..., LoadedSpec], text: str, *settings: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(text, *settings)
    return [problem.headline() for problem in caught.value.problems]


BASE = "dataset: {name: iris}\nlayers: [{Dense: {units: 3, activation: softmax}}]\nloss: sparse_categorical_crossentropy\n"

WRONG: dict[str, tuple[str, ...]] = {
    "kind": (
        "fit: {epochs: {hp: integer, min: 1, max: 2}}",
        "SPEC:4:20 fit.epochs.hp: unknown kind of hyperparameter, received 'integer'; did you mean 'int'?",
    ),
    "key": (
        "fit: {epochs: {hp: int, min: 1, mx: 2, max: 3}}",
        "SPEC:4:33 fit.epochs.mx: unknown key of a hyperparameter of kind int, received 'mx'; did you mean 'max'?",
    ),
    "bounds": (
        "fit: {epochs: {hp: int, min: 5, max: 2}}",
        "SPEC:4:38 fit.epochs.max: must be at least min, which is 5, received 2",
    ),
    "no max": (
        "fit: {epochs: {hp: int, min: 5}}",
        "SPEC:4:15 fit.epochs: needs 'max'; write {hp: int, min: ..., max: ...}",
    ),
    "default outside": (
        "fit: {epochs: {hp: int, min: 1, max: 2, default: 3}}",
        "SPEC:4:50 fit.epochs.default: must be between min and max, 1 and 2, received 3",
    ),
    "log from zero": (
        "optimizer: {SGD: {learning_rate: {hp: float, min: 0, max: 1, sampling: log}}}",
        "SPEC:4:51 optimizer.SGD.learning_rate.min: must be above 0 where the sampling is log, received 0",
    ),
    "fraction for an int": (
        "fit: {epochs: {hp: int, min: 1.5, max: 2}}",
        "SPEC:4:30 fit.epochs.min: must be a whole number, received 1.5",
    ),
    "a number in quotes": (
        "fit: {epochs: {hp: int, min: '1', max: 2.0}}",
        "SPEC:4:30 fit.epochs.min: must be a whole number, received '1'; write 1",
        "SPEC:4:40 fit.epochs.max: must be a whole number, received 2.0; write 2",
    ),
    "one value": (
        "optimizer: {hp: choice, values: SGD}",
        "SPEC:4:33 optimizer.values: needs a list of values, received 'SGD'; write {hp: choice, values: [first, second]}",
    ),
    "the same twice": (
        "optimizer: {hp: choice, values: [SGD, Adam, SGD]}",
        "SPEC:4:45 optimizer.values[2]: is duplicated in this choice, received 'SGD'",
    ),
    "default of a choice": (
        "optimizer: {hp: choice, values: [SGD, Adam], default: Adm}",
        "SPEC:4:55 optimizer.default: must be one of the values, received 'Adm'; available: SGD, Adam",
    ),
    "the name": (
        "name: {hp: choice, values: [a, b]}",
        "SPEC:4:7 name: name cannot be searched, received {hp: 'choice', values: ['a', 'b']}",
    ),
    "an option that is wrong, though not the default": (
        "optimizer: {hp: choice, values: [SGD, {Adam: {bta_1: 0.9}}]}",
        "SPEC:4:47 optimizer.Adam.bta_1: Adam has no such argument, received 'bta_1'; did you mean 'beta_1'?",
    ),
    "a bound that is wrong, though not the default": (
        "fit: {batch_size: {hp: int, min: 0, max: 64, default: 32}}",
        "SPEC:4:19 fit.batch_size: must be a positive number of rows, received 0",
    ),
    "one name for two": (
        "fit: {epochs: {hp: int, min: 1, max: 2, name: n}, batch_size: {hp: int, min: 1, max: 9, name: n}}",
        "SPEC:4:63 fit.batch_size: two different hyperparameters have this name, also fit.epochs (SPEC:4:15), "
        "received 'n'; max 9 here, 2 there: make them equal, or rename one",
    ),
    "algorithm": (
        "tuner: {algorithm: RandomSerch}",
        "SPEC:4:20 tuner.algorithm: unknown search algorithm, received 'RandomSerch'; did you mean 'RandomSearch'?",
    ),
    "another algorithm's argument": (
        "tuner: {algorithm: GridSearch, beta: 2.6}",
        "SPEC:4:32 tuner.beta: GridSearch has no such argument, received 'beta'; it takes objective, max_trials, seed, "
        "max_retries_per_trial, max_consecutive_failed_trials, max_minutes, promote, seeds, folds, ensemble, refit",
    ),
    "an argument of Keras Tuner that is ours to give": (
        "tuner: {overwrite: true}",
        "SPEC:4:9 tuner.overwrite: RandomSearch has no such argument, received 'overwrite'; each search has "
        "its own folder: start a new one with mlpcli tune SPEC --fresh",
    ),
    "objective": (
        "tuner: {objective: {name: val_accuracy, direction: up}}",
        "SPEC:4:52 tuner.objective.direction: must be min or max, received 'up'",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_are_told_with_their_place(
    case: str, load: Callable[..., LoadedSpec], tmp_path: Path
) -> None:
    text, *expected = WRONG[case]
    found = [
        line.replace(str(tmp_path / "spec.yaml"), "SPEC") for line in _problems(load, BASE + text + "\n")
    ]
    assert found == expected


def test_a_value_from_the_command_line_is_told_by_its_flag(load: Callable[..., LoadedSpec]) -> None:
    found = _problems(load, SEARCHED, "lr=-1", "fit.batch_size=0", "units=0")
    assert sorted(found) == [
        "--set fit.batch_size=0 fit.batch_size: must be a positive number of rows, received 0",
        "--set lr=-1 optimizer.Adam.learning_rate: must be a number of at least 0, received -1",
        "--set lr=-1 optimizer.SGD.learning_rate: must be a number of at least 0, received -1",
        "--set units=0 layers[0].Dense.units: must be a positive integer, received 0",
    ]
