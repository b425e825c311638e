"""Made datasets: what their points look like, and that networks of the chapter learn them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.data.dataset import Dataset
from mlpcli.data.sources.synthetic import SYNTHETIC
from mlpcli.spec.load import load_spec
from tests.bare_runs import train_bare
from tests.conftest import Result

PLAYGROUND = """\
name: NAME
seed: 1
dataset: {name: NAME, rows: 300}
layers:
  - Dense: {units: 12, activation: tanh}
  - Dense: {units: 12, activation: tanh}
  - Dense: {units: 1, activation: sigmoid}
loss: binary_crossentropy
optimizer: {Adam: {learning_rate: 0.03}}
metrics: [accuracy]
fit: {epochs: 80, batch_size: 32, engine: graph}
"""


def _load(tmp_path: Path, section: str, seed: int = 4) -> Dataset:
    from mlpcli.training.find_data import load_data

    spec = tmp_path / "made.yaml"
    layers = "layers: [Dense: {units: 1, activation: sigmoid}]\nloss: binary_crossentropy\n"
    spec.write_text(f"seed: {seed}\ndataset: {section}\n{layers}", encoding="utf-8")
    return load_data(load_spec(spec))


@pytest.mark.parametrize("name", [name for name in SYNTHETIC if not name.startswith("logic_")])
def test_a_cloud_is_made_from_rows_noise_and_seed(name: str, tmp_path: Path) -> None:
    dataset = _load(tmp_path, f"{{name: {name}, rows: 200, noise: 0.05, seed: 9}}")
    assert {split: len(rows) for split, rows in dataset.splits().items()} == {
        "train": 128,
        "validation": 32,
        "test": 40,
    }
    assert len(dataset.contract.output.classes or ()) == 2
    y = np.concatenate([split.y for split in dataset.splits().values()])
    assert 80 <= y.sum() <= 120
    again = _load(tmp_path, f"{{name: {name}, rows: 200, noise: 0.05, seed: 9}}")
    assert again.fingerprint == dataset.fingerprint
    for other in (
        "rows: 210, noise: 0.05, seed: 9",
        "rows: 200, noise: 0.1, seed: 9",
        "rows: 200, noise: 0.05",
    ):
        assert _load(tmp_path, f"{{name: {name}, {other}}}").fingerprint != dataset.fingerprint


def test_without_a_seed_of_its_own_a_cloud_follows_the_specs(tmp_path: Path) -> None:
    given = _load(tmp_path, "{name: moons, seed: 4, validation: null, test: null}", seed=5)
    followed = _load(tmp_path, "{name: moons, validation: null, test: null}", seed=4)
    assert given.fingerprint == followed.fingerprint


def _whole(tmp_path: Path, section: str) -> tuple[Any, Any, tuple[str, ...]]:
    dataset = _load(tmp_path, section)
    assert list(dataset.splits()) == ["train"]
    assert dataset.contract.output.classes is not None
    return dataset.train.x, dataset.train.y, dataset.contract.output.classes


def test_the_clouds_have_the_shapes_they_are_named_for(tmp_path: Path) -> None:
    rest = "rows: 400, noise: 0, test: null, validation: null"
    x, y, _ = _whole(tmp_path, f"{{name: xor, {rest}}}")
    np.testing.assert_array_equal(y, (x[:, 0] > 0) != (x[:, 1] > 0))
    x, y, classes = _whole(tmp_path, f"{{name: circles, {rest}}}")
    inner = np.linalg.norm(x, axis=1) < 0.75
    np.testing.assert_array_equal(y == classes.index("inner"), inner)
    x, y, classes = _whole(tmp_path, f"{{name: gaussians, {rest}}}")
    assert (x[y == classes.index("upper right")].mean(axis=0) > 0.9).all()
    x, y, _ = _whole(tmp_path, f"{{name: spirals, {rest}}}")
    np.testing.assert_allclose(x[::2], -x[1::2], atol=1e-6)  # one arm is the other, turned by half a turn
    assert np.linalg.norm(x, axis=1).max() < 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("logic_and", {(0, 0): 0, (0, 1): 0, (1, 0): 0, (1, 1): 1}),
        ("logic_or", {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 1}),
        ("logic_xor", {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 0}),
        ("logic_not", {(0,): 1, (1,): 0}),
    ],
)
def test_a_truth_table_is_whole(name: str, expected: dict[tuple[int, ...], int], tmp_path: Path) -> None:
    x, y, classes = _whole(tmp_path, f"{{name: {name}}}")
    assert {tuple(map(int, row)): int(label) for row, label in zip(x, y, strict=True)} == expected
    assert classes == ("false", "true")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["circles", "xor"])
def test_a_small_network_learns_a_cloud(name: str, spec_file: Callable[[str], Path], tmp_path: Path) -> None:
    run = train_bare(spec_file(PLAYGROUND.replace("NAME", name)), tmp_path)
    assert json.loads((run / "metrics.json").read_text())["test"]["accuracy"] > 0.85
    resolved = load_spec(run / "resolved.yaml").spec.dataset
    assert (resolved.rows, resolved.noise) == (300, 0.1)


@pytest.mark.slow
def test_predictions_of_a_cloud_take_its_columns_by_name(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    train_bare(spec_file(PLAYGROUND.replace("NAME", "gaussians")), tmp_path, settings=["fit.epochs=20"])
    (tmp_path / "rows.csv").write_text("x2,x1\n1,1\n-1,-1\n", encoding="utf-8")
    result = mlpcli("predict", "gaussians", tmp_path / "rows.csv", "--runs-dir", tmp_path)
    assert result.status == 0, result.err
    header, *rows = result.out.splitlines()
    assert header == "predicted_target,probability_lower left,probability_upper right"
    assert [row.split(",")[0] for row in rows] == ["upper right", "lower left"]


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (
            "{name: iris, rows: 100}",
            "dataset.rows: is not for data that is read, received 'rows'; rows is for xor",
        ),
        ("{name: logic_and, noise: 0.1}", "dataset.noise: logic_and is a truth table, received 'noise'"),
        ("{name: xor, rows: 3}", "dataset.rows: must be a number of rows from 10 up, received 3"),
        (
            "{name: xor, noise: -0.1}",
            "dataset.noise: must be a number from 0 to 10, the standard deviation of the noise",
        ),
    ],
)
def test_keys_of_made_datasets_are_checked(
    section: str, told: str, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    text = (
        f"dataset: {section}\nlayers: [Dense: {{units: 1, activation: sigmoid}}]\nloss: binary_crossentropy\n"
    )
    result = mlpcli("train", spec_file(text))
    assert result.status == 2
    assert told in result.err
