"""An error that arises inside a plug-in is shown with its kind and its place in the plug-in's file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.errors import SpecError
from mlpcli.spec.load import load_spec
from tests.conftest import Result

pytestmark = pytest.mark.slow

CODE = """\
import keras
from keras import ops


class Boom(keras.layers.Layer):
    def call(self, inputs):
        return self.helper(inputs, ops.ones((3, 7)))

    def helper(self, inputs, scale):
        return inputs @ scale


class Key(keras.layers.Layer):
    def call(self, inputs):
        return inputs * {}["absent"]


class Caught(keras.layers.Layer):
    def call(self, inputs):
        try:
            return inputs @ ops.ones((3, 7))
        except Exception as error:
            raise ValueError("needs 3 columns") from error


class Axis(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return ops.mean(y_pred - ops.reshape(y_true, ops.shape(y_pred)), axis=2)


def axis(y_true, y_pred):
    return ops.mean(y_pred - y_true, axis=2)


def absent(x):
    return x.absent()


class Stop(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise KeyError("no such number")
"""

SPEC = """\
name: boom
dataset: {name: diabetes}
plugins: [boom.py]
layers:
  - LAYER
  - Dense: {units: 1}
loss: LOSS
optimizer: Adam
metrics: [METRIC]
fit: {epochs: 1, batch_size: 64, engine: graph}
"""

PARTS = {
    "LAYER Boom": ("layers[0]: cannot be called on", "(boom.py:10, in helper: return inputs @ scale)"),
    "LAYER Key": ("KeyError: 'absent' (boom.py:15, in call", 'return inputs * {}["absent"])'),
    "LAYER Caught": ("ValueError: needs 3 columns (boom.py:23, in call", ""),
    "LAYER {Dense: {units: 2, activation: absent}}": ("AttributeError: ", "(boom.py:36, in absent: return"),
    "LOSS Axis": ("loss: this loss cannot be computed", "Invalid reduction dimension (2 for input with 2"),
    "LOSS axis": ("loss: this loss cannot be computed", "(boom.py:32, in axis: return ops.mean("),
    "METRIC axis": ("metrics[0]: this metric cannot be computed", "(boom.py:32, in axis: return ops.mean("),
}


def _spec(folder: Path, part: str) -> Path:
    """Write a spec that uses one of the plug-in's parts, and the plug-in."""
    (folder / "boom.py").write_text(CODE, encoding="utf-8")
    place, _, used = part.partition(" ")
    text = SPEC.replace(place, used)
    usual = {"LAYER": "{Dense: {units: 2}}", "LOSS": "mse", "METRIC": "mae"}
    for word, stock in usual.items():
        text = text.replace(word, stock)
    (folder / "boom.yaml").write_text(text, encoding="utf-8")
    return folder / "boom.yaml"


@pytest.mark.parametrize("part", PARTS)
def test_an_error_in_a_plug_in_has_its_line(part: str, tmp_path: Path) -> None:
    from mlpcli.training.prepare import prepare

    with pytest.raises(SpecError) as found:
        prepare(load_spec(_spec(tmp_path, part)))
    (problem,) = found.value.problems
    for said in PARTS[part]:
        assert said in str(problem)
    assert "Error encountered" not in str(problem)
    assert "boom.py:" in str(problem)


def test_an_error_in_a_callback_is_not_called_internal(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = _spec(tmp_path, "LOSS mse")
    spec.write_text(spec.read_text() + "callbacks: [Stop]\n")
    result = mlpcli("train", spec)
    assert result.status == 1
    last = result.err.strip().splitlines()[-1]
    assert last.startswith("boom.py:41, in on_epoch_end: ")
    assert "KeyError: 'no such number'; run again with --debug to see the whole traceback" in last
