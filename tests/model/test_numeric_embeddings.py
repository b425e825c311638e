"""Numbers as vectors: the functions, what they learn from the rows, and their mistakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.spec.schema import StartFromSpec
from tests.bare_runs import BARE, train_bare
from tests.conftest import Result

pytestmark = pytest.mark.slow


def _custom_objects() -> Any:
    from mlpcli.keras_import import import_keras

    import_keras()
    from mlpcli.model import custom_objects

    return custom_objects


def _columns(rows: int, seed: int) -> Any:
    """Numbers, numbers of a few values, 0 and 1, a constant, and numbers mostly equal."""
    numbers = np.random.default_rng(seed)
    spread = numbers.normal(size=rows)
    few, flags = numbers.integers(0, 4, rows), numbers.integers(0, 2, rows)
    tied = np.where(numbers.random(rows) < 0.8, 0.0, numbers.normal(size=rows))
    return np.stack([spread, few, flags, np.full(rows, 3.0), tied], 1).astype(np.float32)


def _formula(layer: Any, train: Any, rows: Any, bins: int) -> Any:
    """The output of the layer, column by column and bin by bin, in float64."""
    linear, bias, steps = (weight.numpy().astype(np.float64) for weight in layer.trainable_weights)
    vectors = []
    for column, values in enumerate(rows.T.astype(np.float64)):
        edges = np.unique(np.quantile(train[:, column].astype(np.float64), np.linspace(0, 1, bins + 1)))
        output = values[:, None] * linear[column] + bias[column]
        for index, (low, high) in enumerate(pairwise(edges)):
            share = (values - low) / (high - low)
            share = share if index == 0 else np.maximum(share, 0.0)
            share = share if index == len(edges) - 2 else np.minimum(share, 1.0)
            output += share[:, None] * steps[column, index]
        vectors.append(output)
    return np.concatenate(vectors, 1)


@pytest.mark.parametrize("bins", [2, 7, 48])
def test_piecewise_linear_embeddings_are_those_of_the_paper(bins: int) -> None:
    layer = _custom_objects().PiecewiseLinearEmbedding(bins=bins, width=3)
    train, rows = (
        _columns(90, seed=1),
        _columns(40, seed=2) * 1.5 - 0.2,
    )  # some below the first edge, some above
    layer.adapt(train)
    np.testing.assert_allclose(layer(rows), _formula(layer, train, rows, bins), atol=1e-5)  # linear at first
    assert not layer.steps.numpy().any()
    layer.steps.assign(np.random.default_rng(3).normal(size=layer.steps.shape))
    np.testing.assert_allclose(layer(rows), _formula(layer, train, rows, bins), rtol=1e-4, atol=1e-4)
    for width, weights in ((3, layer.linear), (3, layer.bias)):
        assert 0 < np.abs(weights).max() <= width**-0.5


def test_periodic_embeddings_are_those_of_realmlp() -> None:
    from mlpcli.keras_import import keras

    keras.utils.set_random_seed(4)
    layer = _custom_objects().PeriodicEmbedding(frequencies=400, width=4, stddev=0.2)
    rows = _columns(30, seed=1)
    output = layer(rows).numpy().reshape(30, 5, 4)
    frequency, phase, kernel, bias = (weight.numpy().astype(np.float64) for weight in layer.weights)
    for column, values in enumerate(rows.T):
        waves = np.cos(2 * np.pi * values[:, None] * frequency[column] + phase[column])
        np.testing.assert_array_equal(output[:, column, 0], values)
        np.testing.assert_allclose(output[:, column, 1:], waves @ kernel[column] + bias[column], atol=1e-5)
    assert frequency.std() == pytest.approx(0.2, rel=0.1)
    assert phase.std() == pytest.approx(np.pi / 3**0.5, rel=0.1)
    for weights in (kernel, bias):
        assert 0.03 < np.abs(weights).max() <= 400**-0.5


def test_the_weights_begin_with_the_seed_and_have_the_shapes_of_the_arguments() -> None:
    from mlpcli.keras_import import keras

    made = []
    for rows in (_columns(90, seed=1), _columns(5, seed=2)):
        keras.utils.set_random_seed(4)
        layer = _custom_objects().PiecewiseLinearEmbedding(bins=6, width=2)
        layer.adapt(rows)
        made.append(layer.get_weights())
    assert [each.shape for each in made[0]] == [(5, 2), (5, 2), (5, 6, 2), (5, 7)]
    for one, other in zip(made[0][:-1], made[1][:-1], strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(made[0][-1], made[1][-1])


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_does_not_move_numbers_across_edges(precision: str) -> None:
    """Numbers that differ by less than the digits of half precision."""
    rows = np.arange(3990, 4020, dtype=np.float32)[:, None]
    layer = _custom_objects().PiecewiseLinearEmbedding(bins=29, width=1, dtype=precision)
    layer.adapt(rows)
    layer.linear.assign([[0.0]])
    layer.bias.assign([[0.0]])
    layer.steps.assign(np.arange(29.0)[None, :, None] == 10)  # a step from 4000 to 4001
    output = layer(rows)
    assert str(output.dtype).endswith(precision.removeprefix("mixed_") + "'>")
    np.testing.assert_array_equal(np.asarray(output, np.float32)[:, 0], rows[:, 0] >= 4001)


TABLE = """\
name: embedded
seed: 3
dataset: {path: t.csv, target: price}
inputs:
  numbers: {columns: [size, rooms]}
  rest: {columns: [lift, town]}
layers:
  - {PiecewiseLinearEmbedding: {bins: 5, width: 3}, name: embedded, from: numbers}
  - {PiecewiseLinearEmbedding: {bins: 4, width: 2}, name: all, from: rest, repeat: 2}
  - {PeriodicEmbedding: {}, name: waves, from: numbers}
  - {Concatenate: {}, from: [embedded, all, waves]}
  - Scale
  - Members: {count: 2}
  - NTKDense: {units: 8}
  - ParametricActivation: {activation: mish}
  - Scale
  - NTKDense: {units: 1}
  - {MemberMean: {}, name: price}
loss: mse
fit: {epochs: 2}
"""


def _write_table(folder: Path) -> None:
    towns = ("Ulm", "Bonn", "Kiel")
    rows = [f"{40 + i * 7 % 50}.5,{i % 4},{i % 2},{towns[i % 3]},{i * 13 % 90}" for i in range(60)]
    (folder / "t.csv").write_text("\n".join(["size,rooms,lift,town,price", *rows]) + "\n")


def test_a_run_has_its_bins_wherever_it_is_loaded(spec_file: Callable[[str], Path], tmp_path: Path) -> None:
    from mlpcli.keras_import import import_keras
    from mlpcli.model.trained_model import load_trained
    from mlpcli.model.transfer import reuse_layers

    _write_table(tmp_path)
    run = train_bare(spec_file(TABLE), tmp_path / "runs", options=replace(BARE, saved_model=True))
    assert run.record.to_json()["saved_model"]["verified"] == "in a clean process"  # with the bins
    assert run.record.to_json()["engine"]["name"] == "compiled"
    model = load_trained(run).model
    edges = model.get_layer("embedded").edges.numpy()
    assert (np.diff(edges, axis=1) > 0).sum(axis=1).tolist() == [5, 3]
    assert model.get_layer("all_2").steps.numpy().any()
    for name in ("scale", "scale_1", "parametric_activation"):
        assert (model.get_layer(name).get_weights()[0] != 1.0).all()
    reloaded = import_keras().models.load_model(run / "model.keras", compile=False)
    ours = next(layer for layer in _layers(reloaded) if layer.name == "embedded" and hasattr(layer, "edges"))
    np.testing.assert_array_equal(ours.edges, edges)
    other = load_trained(run).model  # stands for a network whose rows had other edges
    other.get_layer("embedded").set_weights([weight * 0 for weight in other.get_layer("embedded").weights])
    start = StartFromSpec(run=str(run.folder), layers=["embedded"], freeze=True)
    assert reuse_layers(other, start) == ("embedded",)
    np.testing.assert_array_equal(other.get_layer("embedded").edges, edges)


def _layers(model: Any) -> Any:
    for layer in model.layers:
        yield layer
        yield from _layers(layer) if hasattr(layer, "layers") else ()


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ("PiecewiseLinearEmbedding: {bins: 1}", "3:43 layers[0].PiecewiseLinearEmbedding.bins: must be an"),
        ("PiecewiseLinearEmbedding: {bins: null}", "must be an integer from 2 to 10,000, received null"),
        ("PiecewiseLinearEmbedding: {width: 0}", "width: must be a positive integer, received 0"),
        ("PiecewiseLinearEmbedding: {width: 2.5}", "width: must be a positive integer, received 2.5"),
        ("PiecewiseLinearEmbedding: {activation: rleu}", "did you mean 'relu'?"),
        ("PiecewiseLinearEmbedding: {edges: [1]}", "has no such argument, received 'edges'"),
        ("PeriodicEmbedding: {frequencies: 0}", "frequencies: must be a positive integer, received 0"),
        ("PeriodicEmbedding: {width: 1}", "width: must be an integer of at least 2, received 1"),
        ("PeriodicEmbedding: {stddev: 0}", "stddev: must be a positive number, received 0"),
        ("Reshape: {target_shape: [2, 1]}, PeriodicEmbedding: {}", "put Flatten before it"),
        ("Members: {count: 2}, PeriodicEmbedding: {}", "put PeriodicEmbedding before Members"),
        ("NTKDense: {}", "NTKDense needs the argument 'units'"),
        ("NTKDense: {units: 3, kernel_initializer: he}", "write he_normal"),
        ("ParametricActivation", "ParametricActivation needs the argument 'activation'"),
        ("ParametricActivation: {activation: mihs}", "did you mean 'mish'?"),
        ("Scale: {axis: 1}", "Scale has no such argument, received 'axis'"),
        (
            "NTKDense: {units: 3}, Softmax, Scale, Reshape: {target_shape: [3, 1]}, NTKDense: {units: 2}",
            "put Flatten",
        ),
        ("pbld", "unknown layer, received 'pbld'; write PeriodicEmbedding"),
        ("PLE: {bins: 3}", "the class is called PiecewiseLinearEmbedding"),
        ("Reshape: {target_shape: [2, 1]}, PiecewiseLinearEmbedding: {}", "put Flatten before it"),
        ("TimeDistributed: {layer: PiecewiseLinearEmbedding}", "write it as a layer of its own, above"),
    ],
)
def test_mistakes_are_told(
    layers: str, told: str, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    _write_table(tmp_path)
    last = "MemberMean" if "Members" in layers else "Dense: {units: 1}"
    lines = [
        "loss: mse",
        "dataset: {path: t.csv, target: price, features: [size, rooms]}",
        f"layers: [{layers}, {last}]",
    ]
    result = mlpcli("check", spec_file("\n".join(lines) + "\n"))
    assert result.status == 2
    assert told in " ".join(result.err.split())


def test_numbers_that_rounding_alone_tells_apart_have_no_bin_between_them() -> None:
    months = np.sin(2 * np.pi * np.arange(12) / 12).astype(np.float32)[:, None]
    layer = _custom_objects().PiecewiseLinearEmbedding(bins=32, width=2)
    layer.adapt(np.repeat(months[:7], 10, axis=0))  # January to July: 0 twice, the second time as 1.2e-16
    edges = np.unique(np.asarray(layer.edges)[0])
    assert np.diff(edges).min() > 1e-6
    layer.steps.assign(np.ones(layer.steps.shape))
    assert np.abs(np.asarray(layer(months))).max() < 10  # also from August to December, below every bin


def test_a_few_large_numbers_take_no_bins_from_the_others() -> None:
    values = np.append(np.arange(1000.0), 1e9).astype(np.float32)[:, None]  # bytes that were sent
    layer = _custom_objects().PiecewiseLinearEmbedding(bins=10, width=2)
    layer.adapt(values)
    assert np.asarray(layer.edges)[0].tolist() == [*range(0, 1000, 100), 1e9]


def _outlier(kind: str) -> np.ndarray:
    numbers = np.random.default_rng(0).uniform(0, 1, 1000)
    numbers[0] = 1e6
    return (numbers - numbers.mean()) / numbers.std() if kind == "standardized" else numbers


@pytest.mark.parametrize(
    ("values", "bins"),
    [
        (_outlier("raw"), 32),
        (_outlier("standardized"), 32),
        (np.exp(np.random.default_rng(0).normal(0, 4, 20_000)), 32),
        (np.concatenate([np.zeros(500), 1e-9 * np.arange(100), [5.0]]), 6),
        (1e9 + 64.0 * np.arange(8), 7),  # neighbours in float32
        (2.0**24 - 1 - np.arange(20), 19),
        (1.7e9 + np.random.default_rng(0).uniform(0, 259_200, 5000), 32),  # seconds of three days
        (np.repeat([0.0, 1.0], [51, 49]), 1),
        (np.array([3.0]), 0),
    ],
)
def test_numbers_that_differ_have_bins_whatever_else_is_in_the_column(values: np.ndarray, bins: int) -> None:
    layer = _custom_objects().PiecewiseLinearEmbedding(bins=32, width=2)
    layer.adapt(values.astype(np.float32)[:, None])
    assert len(np.unique(np.asarray(layer.edges)[0])) == bins + 1
