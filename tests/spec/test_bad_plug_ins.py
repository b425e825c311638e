"""Names of plug-ins in a spec: what a class or function is, where another kind of component is wanted."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlpcli.errors import SpecError
from mlpcli.spec.load import load_text

OWN = """\
import keras

class Loud(keras.layers.Layer):
    pass

class Flattens(keras.losses.Loss):
    pass

class Bare:
    pass

def censored(y_true, y_pred):
    return (y_true - y_pred) ** 2
"""
SPEC = """\
plugins: [own.py]
dataset: {name: iris}
layers: [Flatten, Dense: {units: 3, activation: softmax}]
loss: mse
optimizer: Adam
callbacks: [CSVLogger]
"""
WRONG = {
    "a function as layer": (
        "Flatten",
        "censored",
        "3:10 layers[0]: unknown layer, received 'censored'; censored of own.py is a function, a layer is a class",
    ),
    "a function as optimizer": (
        "Adam",
        "censored",
        "5:12 optimizer: unknown optimizer, received 'censored'; "
        "censored of own.py is a function, an optimizer is a class",
    ),
    "a function as callback": (
        "CSVLogger",
        "censored: {}",
        "6:13 callbacks[0].censored: unknown callback, received 'censored'; "
        "censored of own.py is a function, a callback is a class",
    ),
    "a layer as loss": ("mse", "Loud", "4:7 loss: unknown loss, received 'Loud'; Loud of own.py is a layer"),
    "a loss whose name is almost a layer's": (
        "Flatten",
        "Flattens",
        "3:10 layers[0]: unknown layer, received 'Flattens'; Flattens of own.py is a loss",
    ),
    "a class of Python": (
        "Flatten",
        "Bare",
        "3:10 layers[0]: unknown layer, received 'Bare'; the class Bare of own.py has no Keras base",
    ),
    "a loss of two arguments as activation": (
        "softmax",
        "censored",
        "3:49 layers[1].Dense.activation: a function used as activation is called with (x), "
        "and censored of own.py takes (y_true, y_pred), received 'censored'",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_name_of_a_plug_in_is_said_to_be_what_it_is(name: str, tmp_path: Path) -> None:
    right, wrong, expected = WRONG[name]
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_text(SPEC.replace(right, wrong, 1), tmp_path / "s.yaml")
    assert [problem.headline() for problem in caught.value.problems] == [f"{tmp_path}/s.yaml:{expected}"]


def test_the_same_names_are_taken_where_they_fit(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    text = SPEC.replace("Flatten", "Loud").replace("mse", "censored")
    spec = load_text(text, tmp_path / "s.yaml").spec
    assert spec.layers[0].class_name == "Loud"
    assert load_text(SPEC.replace("mse", "{Flattens: {}}"), tmp_path / "s.yaml").spec.loss is not None
