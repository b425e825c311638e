"""Factors on the learning rate and the weight decay of single variables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.errors import SpecError
from mlpcli.spec.load import load_spec, load_text
from mlpcli.spec.resolve import dump
from tests.conftest import Result

BASE = """\
dataset: {name: iris}
layers: [Normalization, Dense: {units: 4, activation: relu}, Dense: {units: 3, activation: softmax}]
loss: sparse_categorical_crossentropy
"""
FACTORS = "{AdamW: {}, learning_rate_factors: {'*': 2, '*/bias': 0.1}, weight_decay_factors: {'*/bias': 0}}"
MULTI = "MultiOptimizer: {optimizer_map: {OptimizerMap: {default_optimizer: SGD, optimizer_map: {a: Adam}}}}"


@pytest.mark.parametrize(
    ("optimizer", "place", "told"),
    [
        (
            "{AdamW: {}, learning_rate_factor: {a: 1}}",
            "24 optimizer.learning_rate_factor",
            "did you mean 'learning_rate_factors'?",
        ),
        (
            "{AdamW: {learning_rate_factors: {a: 1}}}",
            "21 optimizer.AdamW.learning_rate_factors",
            "write it beside the class: optimizer: {AdamW: {}, learning_rate_factors: {a: 1}}",
        ),
        (
            "{Adam: {}, weight_decay_factors: {a: 1}}",
            "23 optimizer.weight_decay_factors",
            "this Adam has no weight decay",
        ),
        (
            "{Adam: {}, learning_rate_factors: {a: -1}}",
            "50 optimizer.learning_rate_factors.a",
            "must be a number of at least 0",
        ),
        ("{Adam: {}, learning_rate_factors: {a: 10%}}", "50 optimizer.learning_rate_factors.a", "write 0.1"),
        (
            "{Adam: {}, learning_rate_factors: {a: true}}",
            "50 optimizer.learning_rate_factors.a",
            "must be a number of at least 0, received true",
        ),
        (
            "{Adam: {}, learning_rate_factors: 0.1}",
            "46 optimizer.learning_rate_factors",
            "must be a mapping of patterns of variables",
        ),
        ("{learning_rate_factors: {a: 1}}", "12 optimizer", "must name one optimizer"),
        (
            "{adam: {}, learning_rate_factors: {a: 1}}",
            "12 optimizer",
            "write optimizer: {Adam: {}, learning_rate_factors:",
        ),
        (
            f"{{{MULTI}, learning_rate_factors: {{a: 1}}}}",
            "114 optimizer.learning_rate_factors",
            "MultiOptimizer has no learning rate of its own",
        ),
    ],
)
def test_wrong_factors_are_told_at_their_place(optimizer: str, place: str, told: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_text(f"{BASE}fit: {{}}\noptimizer: {optimizer}\n", Path("spec.yaml"))
    assert str(caught.value).startswith(f"spec.yaml:5:{place}: ")
    assert told in str(caught.value)


def test_factors_are_inherited_and_resolved(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(f"{BASE}optimizer: {FACTORS}\n")
    for own, rates in [
        ("{learning_rate_factors: {'*/bias': 0.5, 'x': 3}}", {"*": 2.0, "*/bias": 0.5, "x": 3.0}),
        ("{AdamW: {beta_2: 0.95}}", {"*": 2.0, "*/bias": 0.1}),
        ("{SGD: {momentum: 0.9}}", {}),
        ("{learning_rate_factors: null}", {}),
    ]:
        (tmp_path / "own.yaml").write_text(f"extends: base.yaml\noptimizer: {own}\n")
        assert load_spec(tmp_path / "own.yaml").spec.optimizer.learning_rate_factors == rates
    setting = "optimizer.learning_rate_factors={'*/bias': 0.7}"
    changed = load_spec(tmp_path / "base.yaml", settings=[setting]).spec.optimizer
    assert changed.learning_rate_factors == {"*/bias": 0.7}
    assert "learning_rate_factors" in dump({"optimizer": {"AdamW": {}, **changed.factors}})


def test_a_pattern_without_a_variable_is_told_with_the_variables(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    patterns = "{'bias': 0.1, 'dens/*': 2}, weight_decay_factors: {'*/gamma': 0}"
    result = mlpcli(
        "check", spec_file(f"{BASE}optimizer: {{AdamW: {{}}, learning_rate_factors: {patterns}}}\n")
    )
    assert result.status == 2
    bare, first, second = (line for line in result.err.splitlines() if "matches no variable" in line)
    assert "optimizer.learning_rate_factors.bias: matches no variable" in bare
    assert "; did you mean '*/bias'? the variables are dense/kernel" in bare
    assert ":4:61 optimizer.learning_rate_factors.dens/*: matches no variable" in first
    assert "the variables are dense/kernel, dense/bias, dense_1/kernel, dense_1/bias" in first
    assert "*/gamma" in second


def _keras() -> Any:
    from mlpcli.keras_import import import_keras

    return import_keras()


def _trained(optimizer: Any, *, rates: dict[str, float], decays: dict[str, float]) -> list[Any]:
    """The values of three variables after two steps."""
    keras = _keras()
    from mlpcli.model.variable_factors import give_factors

    if rates or decays:
        give_factors(optimizer, rates, decays)
    numbers = np.random.default_rng(3)
    variables = []
    for path, shape in (("one/kernel", (3, 2)), ("one/bias", (2,)), ("two/kernel", (2, 2))):
        scope, name = path.split("/")
        with keras.name_scope(scope):
            variables.append(keras.Variable(numbers.normal(size=shape), name=name, dtype="float32"))
    for _ in range(2):
        gradients = [np.float32(numbers.normal(size=variable.shape)) for variable in variables]
        optimizer.apply([keras.ops.convert_to_tensor(each) for each in gradients], variables)
    return [variable.numpy() for variable in variables]


@pytest.mark.slow
def test_a_factor_is_another_rate_for_a_variable_of_every_optimizer() -> None:
    keras = _keras()
    names = ["SGD", "RMSprop", "Adam", "AdamW", "Adadelta", "Adagrad", "Adamax", "Adafactor", "Nadam", "Ftrl"]
    start = _trained(keras.optimizers.SGD(0.0), rates={}, decays={})
    for name in [*names, "Lion", "Lamb", "Muon", "ScheduleFreeAdamW"]:
        made = getattr(keras.optimizers, name)
        given = {"learning_rate": 0.5, "weight_decay": 0.25}
        slow = _trained(made(**given | {"learning_rate": 0.125}), rates={}, decays={})
        bare = _trained(made(**given | {"weight_decay": 0.0}), rates={}, decays={})
        found = _trained(made(**given), rates={"*": 0.25, "two/*": 0, "one/bias": 1}, decays={"*/bias": 0})
        np.testing.assert_array_equal(found[0], slow[0], err_msg=name)
        if name != "Muon":  # which has a second decay, of biases
            np.testing.assert_array_equal(found[1], bare[1], err_msg=name)
        np.testing.assert_array_equal(found[2], start[2], err_msg=name)
        assert all(not np.array_equal(slow[place], start[place]) for place in range(3)), name


@pytest.mark.slow
def test_decay_is_the_product_of_rates_decays_and_factors() -> None:
    keras = _keras()
    sgd = keras.optimizers.SGD(0.5, weight_decay=0.25)
    rates, decays = {"one/kernel": 0.5}, {"one/kernel": 3.0}
    start = _trained(keras.optimizers.SGD(0.0), rates={}, decays={})[0]
    plain = _trained(keras.optimizers.SGD(0.25), rates={}, decays={})[0]
    found = _trained(sgd, rates=rates, decays=decays)[0]
    first, second = np.random.default_rng(3), 1 - 0.25 * 0.75
    first.normal(size=(3, 2)), first.normal(size=2), first.normal(size=(2, 2))
    step = first.normal(size=(3, 2))
    first.normal(size=2), first.normal(size=(2, 2))
    again = first.normal(size=(3, 2))
    expected = ((start * second - 0.25 * step) * second) - 0.25 * again
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(plain, start - 0.25 * step - 0.25 * again, atol=1e-6)


@pytest.mark.slow
def test_an_optimizer_with_factors_is_loaded_again() -> None:
    keras = _keras()
    from mlpcli.model.variable_factors import give_factors

    optimizer = keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(0.1, 10), weight_decay=0.1)
    give_factors(optimizer, {"*/bias": 0.5}, {"*/bias": 0.0})
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert again.get_config() == optimizer.get_config()
    assert isinstance(again, keras.optimizers.AdamW)
    assert again.get_config()["learning_rate_factors"] == {"*/bias": 0.5}


@pytest.mark.slow
def test_a_weight_decay_follows_a_schedule() -> None:
    from mlpcli.model.components import make_component
    from mlpcli.model.schedule_steps import with_steps

    text = (
        "{SGD: {learning_rate: 0.5, weight_decay: {FlatCosine: {initial: 0.5, training_steps: 2, flat: 0}}}}"
    )
    loaded = load_text(f"{BASE}fit: {{}}\noptimizer: {text}\n", Path("spec.yaml"))
    sgd: Any = make_component(with_steps(loaded.spec, 100).optimizer, "optimizers", ("optimizer",))
    keras = _keras()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(sgd))
    numbers = np.random.default_rng(3)
    value = numbers.normal(size=(3, 2))
    numbers.normal(size=2), numbers.normal(size=(2, 2))
    for decay in (0.5, 0.25):  # half a cosine: 0.5 at step 0, 0.25 at step 1
        value = value * (1 - 0.5 * decay) - 0.5 * numbers.normal(size=(3, 2))
        numbers.normal(size=2), numbers.normal(size=(2, 2))
    for optimizer in (sgd, again):
        np.testing.assert_allclose(_trained(optimizer, rates={}, decays={})[0], value, atol=1e-6)
