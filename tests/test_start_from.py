"""Layers of one run as the start of another network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpcli.model.trained_model import load_trained
from mlpcli.runs.folder import find_run
from tests.conftest import Result

SECOND = """\
name: second
dataset: {name: iris}
layers:
  - Normalization
  - Dense: {units: UNITS, activation: relu}
  - {Dense: {units: 3, activation: softmax}, name: head}
loss: sparse_categorical_crossentropy
start_from: {run: tiny, layers: LAYERS, freeze: FREEZE}
fit: {epochs: 1}
"""


def train_second(
    mlpcli: Callable[..., Result],
    tmp_path: Path,
    runs_dir: Path,
    *,
    freeze: bool,
    units: int = 8,
    layers: str = "[normalization, dense]",
) -> Result:
    spec = tmp_path / "second.yaml"
    text = (
        SECOND.replace("UNITS", str(units)).replace("LAYERS", layers).replace("FREEZE", str(freeze).lower())
    )
    spec.write_text(text, encoding="utf-8")
    return mlpcli("train", spec, "--runs-dir", runs_dir)


@pytest.mark.parametrize("freeze", [True, False])
def test_layers_start_where_another_run_ended(
    freeze: bool, mlpcli: Callable[..., Result], tmp_path: Path, tiny_run: Path
) -> None:
    done = train_second(mlpcli, tmp_path, tiny_run, freeze=freeze)
    assert done.status == 0, done.err
    first = load_trained(find_run("tiny", tiny_run)).model.get_layer("dense").get_weights()[0]
    second = load_trained(find_run("second", tiny_run)).model.get_layer("dense").get_weights()[0]
    assert np.array_equal(first, second) is freeze  # a layer that is not frozen learns on ...
    np.testing.assert_allclose(first, second, atol=0.1)  # ... from where it was


def test_layers_that_do_not_fit_are_told(
    mlpcli: Callable[..., Result], tmp_path: Path, tiny_run: Path
) -> None:
    done = train_second(mlpcli, tmp_path, tiny_run, freeze=True, units=9, layers="[dense, haed]")
    assert done.status == 2
    place = f"{tmp_path / 'second.yaml'}:8:"
    assert (
        f"{place}34 start_from.layers[0]: layer 'dense' has weights of shapes 4 x 9, 9, the run's has 4 x 8, 8"
        in done.err
    )
    assert (
        f"{place}41 start_from.layers[1]: is not a layer of this network, received 'haed'; did you mean 'head'?"
        in done.err
    )


def test_a_run_that_is_not_there_is_told_with_its_place(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    done = train_second(mlpcli, tmp_path, tmp_path / "runs", freeze=True)
    assert done.status == 2
    assert f"{tmp_path / 'second.yaml'}:8:19 start_from.run: there is no run 'tiny'" in done.err
