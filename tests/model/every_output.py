"""A table with targets of every kind, and specs of networks with one output of it or with all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mlpcli.errors import SpecError
from mlpcli.spec.load import load_spec

if TYPE_CHECKING:
    from mlpcli.training.prepare import Prepared

ROWS = 60
WAVES = np.sin(np.arange(1, 7 * ROWS + 1).reshape(7, ROWS) ** 1.5)
NUMBERS = {
    "a": WAVES[0],
    "b": WAVES[1],
    "x": WAVES[0] + WAVES[1],
    "y": 3 * WAVES[2] - WAVES[0],
    "z": WAVES[3],
}
KINDS = (np.arange(ROWS) * 7 % 5) % 3
TABLE: dict[str, Any] = NUMBERS | {
    "two": np.where(WAVES[0] + WAVES[4] > 0, "on", "off"),
    "kind": np.array(["cat", "dog", "a b"])[KINDS],
    **{name: np.where(place == KINDS, 1, 0) for place, name in enumerate("pqr")},
    "l1": np.where(WAVES[0] > 0, 1, 0),
    "l2": np.where(WAVES[1] + WAVES[5] > 0, 1, 0),
}

OUTPUTS = {
    "sigmoid": ("two", "{units: 1, activation: sigmoid}", "binary_crossentropy"),
    "logit": ("two", "{units: 1}", "{BinaryCrossentropy: {from_logits: true}}"),
    "softmax": ("kind", "{units: 3, activation: softmax}", "sparse_categorical_crossentropy"),
    "onehot": ("[p, q, r]", "{units: 3, activation: softmax}", "categorical_crossentropy"),
    "labels": ("[l1, l2]", "{units: 2, activation: sigmoid}", "binary_crossentropy"),
    "one": ("x", "{units: 1}", "mse"),
    "three": ("[x, y, z]", "{units: 3}", "mse"),
}


def spec_of(metrics: dict[str, list[str]], more: str = "") -> str:
    """A network with an output of each kind, and the metrics of some, one a line."""
    targets = ", ".join(f"{name}: {target}" for name, (target, _, _) in OUTPUTS.items())
    layers = [f"  - {{Dense: {layer}, name: {name}, from: input}}" for name, (_, layer, _) in OUTPUTS.items()]
    losses = ", ".join(f"{name}: {loss}" for name, (_, _, loss) in OUTPUTS.items())
    lines = [f"dataset: {{path: t.csv, features: [a, b], target: {{{targets}}}}}", "layers:", *layers]
    lines += [f"loss: {{{losses}}}", "metrics:"]
    for name in OUTPUTS:
        lines += [f"  {name}:" + (" []" if not metrics.get(name) else "")]
        lines += [f"    - {metric}" for metric in metrics.get(name, ())]
    return "\n".join(lines) + "\n" + more


def alone(output: str, metrics: str, more: str = "", *, dataset: str = "", name: str = "s") -> str:
    """A network with one output."""
    target, layer, loss = OUTPUTS[output]
    return (
        f"name: {name}\nmetrics: {metrics}\n"
        f"dataset: {{path: t.csv, features: [a, b], target: {target}{dataset}}}\n"
        f"layers: [{{Dense: {layer}}}]\nloss: {loss}\n{more}"
    )


def prepared(text: str) -> Prepared:
    from mlpcli.training.prepare import prepare

    Path("s.yaml").write_text(text)
    return prepare(load_spec(Path("s.yaml")))


def problems(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        prepared(text)
    return [problem.headline() for problem in caught.value.problems]
