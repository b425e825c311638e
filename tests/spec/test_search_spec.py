"""Hyperparameters in a spec: what may be searched, how values get in, and what is told of mistakes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.spec.hyperparameters import find_space
from mlpcli.spec.load import LoadedSpec, load_spec, with_values
from mlpcli.spec.tuner_arguments import ALGORITHMS, INSTEAD, arguments
from mlpcli.spec.values import Scalar
from tests.conftest import ROOT, Result

SEARCHED = """\
name: searched
dataset: {name: iris}
layers:
  - {Dense: {units: {hp: int, min: 4, max: 16, step: 4, name: units}, activation: relu}}
  - Dense: {units: 3, activation: softmax}
loss: sparse_categorical_crossentropy
optimizer:
  hp: choice
  values: [{SGD: {learning_rate: &lr {hp: float, min: 1e-4, max: 1e-2, sampling: log, name: lr}}},
           {Adam: {learning_rate: *lr, amsgrad: {hp: boolean}}},
           RMSprop]
fit: {batch_size: {hp: choice, values: [32, 64], default: 64}}
"""


@pytest.fixture
def load(spec_file: Callable[[str], Path]) -> Callable[..., LoadedSpec]:
    return lambda text, *settings: load_spec(spec_file(text), settings=settings)


def test_parameters_are_found_with_their_names_defaults_and_conditions(
    load: Callable[..., LoadedSpec],
) -> None:
    space = load(SEARCHED).space
    assert space.names == ("units", "optimizer", "lr", "optimizer.Adam.amsgrad", "fit.batch_size")
    assert space.defaults == {
        "units": 4, "optimizer": "SGD", "lr": 1e-4, "optimizer.Adam.amsgrad": False, "fit.batch_size": 64,
    }  # fmt: skip
    conditions = {p.name: [(c.parent, c.values) for c in p.conditions] for p in space}
    assert conditions["units"] == conditions["optimizer"] == []
    assert conditions["lr"] == [("optimizer", ("SGD", "Adam"))]  # two places, one parameter
    assert conditions["optimizer.Adam.amsgrad"] == [("optimizer", ("Adam",))]


def test_without_a_search_the_defaults_stand(load: Callable[..., LoadedSpec]) -> None:
    loaded = load(SEARCHED)
    assert loaded.spec.layers[0].arguments["units"] == 4
    assert (loaded.spec.optimizer.class_name, loaded.spec.fit.batch_size) == ("SGD", 64)
    assert loaded.values == {"units": 4, "optimizer": "SGD", "lr": 1e-4, "fit.batch_size": 64}


def test_values_are_put_where_they_belong_and_those_of_other_branches_do_not_count(
    load: Callable[..., LoadedSpec],
) -> None:
    values: dict[str, Scalar] = {
        "units": 12,
        "optimizer": "Adam",
        "lr": 0.003,
        "optimizer.Adam.amsgrad": True,
    }
    made = with_values(load(SEARCHED), values)
    assert made.spec.layers[0].arguments["units"] == 12
    assert made.spec.optimizer.class_name == "Adam"
    assert made.spec.optimizer.arguments == {"learning_rate": 0.003, "amsgrad": True}
    plain = with_values(load(SEARCHED), values | {"optimizer": "RMSprop"})
    assert (plain.spec.optimizer.class_name, plain.spec.optimizer.arguments) == ("RMSprop", {})
    assert set(plain.values) == {"units", "optimizer", "fit.batch_size"}


def test_an_alias_without_a_name_is_the_parameter_of_its_anchor(load: Callable[..., LoadedSpec]) -> None:
    text = SEARCHED.replace(", name: lr", "")
    assert "optimizer.SGD.learning_rate" in load(text).space.names
    assert "optimizer.Adam.learning_rate" not in load(text).space.names


def test_a_parameter_in_every_branch_of_a_choice_has_no_condition(load: Callable[..., LoadedSpec]) -> None:
    space = load(SEARCHED.replace("RMSprop]", "{RMSprop: {learning_rate: *lr}}]")).space
    assert space["lr"].conditions == ()


def test_parameters_of_a_repeated_layer_depend_on_there_being_a_copy() -> None:
    from mlpcli.spec.yaml_reader import parse_text

    layer = (
        "{Dense: {units: {hp: int, min: 4, max: 8, name: units}}, repeat: {hp: int, min: 0, max: 2, name: n}}"
    )
    space, problems = find_space(parse_text(f"layers: [{layer}]", "x.yaml"))
    assert not problems
    assert space.names == ("n", "units")
    assert [(c.parent, c.values) for c in space["units"].conditions] == [("n", (1, 2))]


AMSGRAD = "optimizer.Adam.amsgrad"


@pytest.mark.parametrize(
    ("settings", "left", "learning_rate", "optimizer"),
    [
        (["lr=0.005"], ["optimizer", AMSGRAD], 0.005, "SGD"),
        (["optimizer=Adam", "lr=0.5"], [AMSGRAD], 0.5, "Adam"),
        (["optimizer=Adam"], ["lr", AMSGRAD], 1e-4, "Adam"),
        (["optimizer={SGD: {learning_rate: 0.25}}"], [], 0.25, "SGD"),
    ],
)
def test_set_fixes_a_hyperparameter_by_its_name(
    settings: list[str],
    left: list[str],
    learning_rate: float,
    optimizer: str,
    load: Callable[..., LoadedSpec],
) -> None:
    loaded = load(SEARCHED, *settings)
    assert loaded.spec.optimizer.class_name == optimizer
    assert loaded.spec.optimizer.arguments["learning_rate"] == learning_rate
    assert set(loaded.space.names) == {"units", "fit.batch_size", *left}


def test_a_column_may_be_called_hp() -> None:
    from mlpcli.spec.yaml_reader import parse_text

    text = parse_text(
        "dataset: {path: cars.csv, target: mpg, features: {hp: numeric, wt: numeric}}", "x.yaml"
    )
    space, problems = find_space(text)
    assert (len(space), problems) == (0, [])


def test_the_arguments_of_each_algorithm_are_those_of_the_installed_keras_tuner() -> None:
    import inspect

    import keras_tuner

    from mlpcli.spec.schema import TunerSpec

    for algorithm in ALGORITHMS:
        oracle = inspect.signature(getattr(keras_tuner.oracles, f"{algorithm}Oracle").__init__)
        names = set(oracle.parameters) - {"self", *INSTEAD}
        assert set(arguments(algorithm)) == names
        assert names <= set(TunerSpec.model_fields)


@pytest.mark.slow
def test_train_says_that_it_takes_the_defaults(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    spec = spec_file(SEARCHED + "metrics: [accuracy]\n")
    settings = ("--set", "fit.epochs=1", "--set", "fit.engine=graph", "--set", "lr=0.01")
    result = mlpcli("train", spec, "--runs-dir", tmp_path / "runs", *settings)
    assert result.status == 0, result.err
    assert "hyperparameters at their defaults: units 4, optimizer SGD, fit.batch_size 64;" in result.out


def test_the_spec_in_the_docs_is_valid_and_searches_what_it_says(load: Callable[..., LoadedSpec]) -> None:
    text = (ROOT / "docs" / "tune.md").read_text(encoding="utf-8")
    block = text.split("```yaml\n")[1].split("```")[0]
    space = load("dataset: {name: digits}\n" + block).space
    assert set(space.names) == {"n_neurons", "n_hidden", "optimizer", "lr", "fit.batch_size"}


def test_a_choice_takes_as_many_values_as_its_rule_says(load: Callable[..., LoadedSpec]) -> None:
    """A long choice does not make a spec long: once it has been made, one of its values is left."""
    sizes = ", ".join(map(str, range(1, 501)))
    text = SEARCHED.replace("[32, 64], default: 64", f"[{sizes}]")
    assert len(load(text).space["fit.batch_size"].options) == 500
    rates = ", ".join(f"{{Nadam: {{learning_rate: 0.{number}}}}}" for number in range(100, 597))
    text = SEARCHED.replace("RMSprop]", f"RMSprop, {rates}]")
    assert len(load(text).space["optimizer"].options) == 500
