"""Weights of classes where a network has several outputs: by output, by class, balanced, and wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.errors import SpecError
from mlpcli.spec.load import load_spec
from tests.model.every_output import alone, prepared, spec_of

pytestmark = pytest.mark.usefixtures("beside_table")


def weighted(class_weight: str, output: str = "") -> Any:
    from mlpcli.training.find_data import load_data

    more = f"fit: {{class_weight: {class_weight}}}\n"
    text = alone(output, "[]", more) if output else spec_of({}, more)
    Path("s.yaml").write_text(text)
    return load_data(load_spec(Path("s.yaml"))).train


def test_classes_of_several_outputs_weigh_as_those_of_one() -> None:
    for given in ("{softmax: balanced, onehot: {q: 3}}", "balanced"):
        train = weighted(given)
        counts = np.bincount(train.y["softmax"])
        expected = (len(train) / (3 * counts))[train.y["softmax"]]  # as scikit-learn and one output have it
        np.testing.assert_allclose(train.weights["softmax"], expected, rtol=1e-6)
        np.testing.assert_array_equal(np.unique(train.weights["one"]), [1])
    train = weighted("{softmax: balanced, onehot: {q: 3}}")
    np.testing.assert_array_equal(train.weights["onehot"], 1 + 2 * train.y["onehot"][:, 1])
    np.testing.assert_array_equal(np.unique(train.weights["sigmoid"]), [1])
    train = weighted("balanced", "softmax")
    expected = (len(train) / (3 * np.bincount(train.y)))[train.y]
    np.testing.assert_allclose(train.weights, expected, rtol=1e-6)
    train = weighted("{cat: 2}")  # of whichever output has the class
    np.testing.assert_array_equal(train.weights["softmax"], 1 + (train.y["softmax"] == 1))
    np.testing.assert_array_equal(np.unique(train.weights["one"]), [1])


def test_weights_by_output_are_read_back() -> None:
    from mlpcli.spec.resolve import resolve_spec

    given = {"softmax": "balanced", "onehot": {"q": 3.0}}
    ready = prepared(spec_of({}, "fit: {class_weight: {softmax: balanced, onehot: {q: 3}}}\n"))
    resolved = resolve_spec(ready.completed, ready.dataset.split_amounts, ready.dataset.features)
    Path("resolved.yaml").write_text(resolved)
    assert load_spec(Path("resolved.yaml")).spec.fit.class_weight == given


@pytest.mark.parametrize(
    ("output", "given", "told"),
    [
        ("", "{softmax: 2}", "softmax: must be 'balanced', or a mapping of class names to numbers, received 2.0"),
        ("", "{softmx: balanced}", "softmx: there is no such output, received 'softmx'; did you mean 'softmax'?"),
        ("", "{one: balanced}", "one: is for a target of classes, that of this output holds none"),
        ("", "{softmax: {catt: 2}}", "softmax.catt: there is no such class, received 'catt'; did you mean 'cat'?"),
        ("", "{softmax: balancd}", "softmax: must be 'balanced', or a mapping of class names to numbers"),
        ("softmax", "{which: balanced}", "which: must be a number, received 'balanced'; with one output, the keys"),
        ("softmax", "{cat: {dog: 2}}", "cat: must be a number"),
    ],
)  # fmt: skip
def test_weights_of_classes_that_do_not_fit_are_told(output: str, given: str, told: str) -> None:
    with pytest.raises(SpecError) as caught:
        weighted(given, output)
    (problem,) = caught.value.problems
    assert f"fit.class_weight.{told}" in problem.headline()
