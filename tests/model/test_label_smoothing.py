"""Smoothed labels for a target of classes, which Keras has only for one-hot vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.errors import SpecError
from mlpcli.spec.load import load_text
from mlpcli.spec.schema import ComponentSpec

BASE = """\
dataset: {name: iris, test: null, validation: 30}
layers: [Normalization, Dense: {units: 3, activation: softmax}]
fit: {epochs: 1, batch_size: 60}
"""


@pytest.mark.slow
@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 4), (6, 4, 1)])
def test_the_loss_is_keras_own_of_one_hot_vectors(shape: tuple[int, ...], from_logits: bool) -> None:
    from mlpcli.keras_import import import_keras

    keras = import_keras()
    made = _loss({"label_smoothing": 0.2, "from_logits": from_logits})
    numbers = np.random.default_rng(2)
    labels = numbers.integers(0, 5, shape)
    steps = shape[:-1] if shape[-1] == 1 else shape
    outputs = numbers.normal(size=(*steps, 5)).astype("float32")
    if not from_logits:
        outputs = np.exp(outputs) / np.exp(outputs).sum(-1, keepdims=True)
    weights = numbers.uniform(size=steps).astype("float32")
    of_keras = keras.losses.CategoricalCrossentropy(from_logits=from_logits, label_smoothing=0.2)
    one_hot = np.eye(5, dtype="float32")[labels.reshape(steps)]
    assert float(made(labels, outputs)) == pytest.approx(float(of_keras(one_hot, outputs)), rel=1e-6)
    weighed = (float(each(y, outputs, weights)) for each, y in ((made, labels), (of_keras, one_hot)))
    assert next(weighed) == pytest.approx(next(weighed), rel=1e-6)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(made))
    assert float(again(labels, outputs)) == float(made(labels, outputs))


def _loss(arguments: dict[str, Any]) -> Any:
    from mlpcli.model.components import make_component

    component = ComponentSpec(class_name="SparseCategoricalCrossentropy", arguments=arguments)
    return make_component(component, "losses", ("loss",))


def test_resolved_and_script_have_our_class_only_where_labels_are_smoothed() -> None:
    from mlpcli.spec.extended_classes import class_in_place
    from mlpcli.spec.keras_signatures import signature

    name = "SparseCategoricalCrossentropy"
    assert signature("losses", name).defaults["label_smoothing"] == 0.0
    own = ("_SmoothedSparseCategoricalCrossentropy", {"label_smoothing": 0.1, "axis": 1})
    assert class_in_place("losses", name, {"label_smoothing": 0.1, "axis": 1, "ignore_class": None}) == own
    for given in ({"label_smoothing": 0.0}, {"label_smoothing": 0}, {"label_smoothing": None}, {}):
        assert class_in_place("losses", name, given) == (name, {})
    assert class_in_place("losses", "BinaryCrossentropy", {"label_smoothing": 0.1})[0] == "BinaryCrossentropy"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("label_smoothing: 0.1, ignore_class: 2", "ignore_class: cannot be combined with label_smoothing"),
        ("label_smoothing: 1", "label_smoothing: must be a number from 0 up to but not including 1"),
        ("smoothing: 0.1", "write label_smoothing: 0.1"),
    ],
)
def test_wrong_smoothing_is_told(arguments: str, told: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_text(f"{BASE}loss: {{SparseCategoricalCrossentropy: {{{arguments}}}}}\n", Path("spec.yaml"))
    assert told in str(caught.value)
    assert caught.value.problems[0].place is not None
