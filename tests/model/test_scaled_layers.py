"""RealMLP's layers on rows and on rows of members: what they compute, and how they begin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow

SHAPES = ((7, 5), (7, 3, 5))


def _custom_objects() -> Any:
    from mlpcli.keras_import import import_keras

    import_keras()
    from mlpcli.model import custom_objects

    return custom_objects


def _rows(shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def _set(weight: Any) -> Any:
    """Give a weight other values than it began with, and return them."""
    values = np.random.default_rng(2).normal(size=weight.shape).astype(np.float32)
    weight.assign(values)
    return values


@pytest.mark.parametrize("shape", SHAPES)
def test_scale_multiplies_each_feature(shape: tuple[int, ...]) -> None:
    layer, rows = _custom_objects().Scale(), _rows(shape)
    np.testing.assert_array_equal(layer(rows), rows)
    factors = _set(layer.scale)
    np.testing.assert_allclose(layer(rows), factors * rows, rtol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_parametric_activation_mixes_each_feature_with_its_activation(shape: tuple[int, ...]) -> None:
    from mlpcli.keras_import import keras

    layer, rows = _custom_objects().ParametricActivation("mish"), _rows(shape)
    mish = keras.activations.mish(rows).numpy()
    np.testing.assert_allclose(layer(rows), mish, atol=1e-6)
    alpha = _set(layer.alpha)
    np.testing.assert_allclose(layer(rows), rows + alpha * (mish - rows), atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_ntk_dense_divides_by_the_root_of_its_width(shape: tuple[int, ...]) -> None:
    from mlpcli.keras_import import keras

    keras.utils.set_random_seed(3)
    layer, rows = _custom_objects().NTKDense(400, activation="tanh"), _rows(shape)
    output = layer(rows)
    assert layer.compute_output_shape((None, *shape[1:])) == (None, *shape[1:-1], 400)
    for weight in layer.weights:
        assert weight.numpy().std() == pytest.approx(1.0, rel=0.1)
    np.testing.assert_allclose(
        output, np.tanh(rows @ layer.kernel.numpy() / 5**0.5 + layer.bias.numpy()), atol=1e-5
    )


def test_the_layers_are_what_they_were_after_saving() -> None:
    from mlpcli.keras_import import keras

    ours = _custom_objects()
    made = [
        ours.Scale(name="s"),
        ours.ParametricActivation(keras.layers.LeakyReLU(negative_slope=0.3)),
        ours.NTKDense(
            3, use_bias=False, kernel_initializer="he_normal", kernel_regularizer=keras.regularizers.L2(0.1)
        ),
        ours.PeriodicEmbedding(frequencies=3, width=2, stddev=0.5, activation="relu"),
        ours.PiecewiseLinearEmbedding(bins=3, width=2, activation="gelu"),
    ]
    for layer in made:
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        assert type(again) is type(layer)
        assert again.get_config() == layer.get_config()
