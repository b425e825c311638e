"""The compiled loop gives `model.fit`'s numbers, and what it cannot train it leaves as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from mlpcli.training.compiled import (
    Arrays,
    CannotCompile,
    epoch_order,
    evaluate,
    fixed_batches,
    forward,
    predict,
    randomness,
)
from tests.training.small_models import (
    BATCH,
    MODELS,
    assert_same_training,
    auc_and_precision,
    batch_norm_and_dropout,
    convolution_over_bytes,
    fit_by_keras,
    fit_ours,
    head,
    small,
    some_rows,
    stack,
    twins,
    wide_and_deep_with_two_outputs,
)

# Keras 3.15 itself converts tensors in a way that NumPy 2 warns of.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("fresh_keras"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

# The others are among MODELS. Lamb and Adafactor agree as well; a test of each costs seconds.
OPTIMIZERS = ["Adadelta", "Lion"]


@pytest.mark.parametrize("case", MODELS, ids=lambda case: case.__name__)
def test_two_epochs_equal_those_of_model_fit(case: Callable[[], tuple[keras.Model, Arrays]]) -> None:
    assert_same_training(case)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_trains_as_in_model_fit(name: str) -> None:
    assert_same_training(lambda: small(getattr(keras.optimizers, name)(0.01)))


def test_mixed_precision_trains_as_in_model_fit_within_its_rounding() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    assert_same_training(batch_norm_and_dropout, atol=2e-2)


@pytest.mark.parametrize("count", [1, 7, 33])
@pytest.mark.parametrize("first", [(0, 5), (2**32 - 1, 7), (2**64 - 2, 5), (2**64 - 1, 2**64 - 1)])
def test_random_numbers_are_those_of_tensorflow_s_kernels_at_any_counter(
    first: tuple[int, int], count: int
) -> None:
    draws = randomness.kernels
    given = tf.constant([2**63 + 12345], tf.uint64), tf.constant(first, tf.uint64), 1

    def draw() -> tuple[Any, ...]:
        shapes = [count], [count, 1]  # the latter is stored
        uniform = [draws.stateless_random_uniform_v2(shape, *given, dtype=tf.float32) for shape in shapes]
        return *uniform, draws.stateless_random_normal_v2([count], *given, dtype=tf.float32)

    with randomness.same_numbers_as_fit():
        ours = tf.function(draw, jit_compile=True).get_concrete_function()()
    plain, stored, normal = draw()
    np.testing.assert_array_equal(ours[0], plain)
    np.testing.assert_array_equal(ours[1], stored)
    np.testing.assert_allclose(ours[2], normal, atol=5e-6)


def test_order_of_rows_depends_on_seed_and_epoch_alone() -> None:
    assert sorted(epoch_order(3, 5, 50)) == list(range(50))
    assert (epoch_order(3, 5, 50) == epoch_order(3, 5, 50)).all()
    assert (epoch_order(3, 5, 50) != epoch_order(3, 6, 50)).any()
    assert (epoch_order(3, 5, 50) != epoch_order(4, 5, 50)).any()


def test_starting_at_a_later_epoch_continues_the_same_run() -> None:
    whole, parts, data = twins(lambda: small("adam"))
    fit_ours(whole, data, epochs=3)
    fit_ours(parts, data, epochs=1)
    fit_ours(parts, data, epochs=3, initial_epoch=1)
    for one, other in zip(whole.variables, parts.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize("shuffle", [True, False])
def test_data_fed_in_pieces_trains_as_resident_data(shuffle: bool) -> None:
    resident, fed, data = twins(convolution_over_bytes)
    fit_ours(resident, data, shuffle=shuffle)
    fit_ours(fed, data, shuffle=shuffle, chunk_bytes=3 * BATCH * 65)  # a batch at a time
    for one, other in zip(resident.variables, fed.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize(
    "case", [auc_and_precision, wide_and_deep_with_two_outputs], ids=lambda case: case.__name__
)
def test_evaluate_and_predict_equal_those_of_keras(case: Callable[[], tuple[keras.Model, Arrays]]) -> None:
    model, data = case()
    expected = model.evaluate(data.x, data.y, batch_size=BATCH, verbose=0, return_dict=True)
    assert evaluate(model, data, batch_size=BATCH) == pytest.approx(expected, abs=1e-5)
    assert list(evaluate(model, data, batch_size=BATCH)) == list(expected)
    predicted = predict(model, data.x, batch_size=10)
    keras.tree.map_structure(
        lambda ours, theirs: np.testing.assert_allclose(ours, theirs, atol=1e-6),
        predicted,
        model.predict(data.x, verbose=0),
    )


def test_many_small_batches_are_evaluated_in_an_xla_loop_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = wide_and_deep_with_two_outputs()
    expected = model.evaluate(data.x, data.y, batch_size=BATCH, verbose=0, return_dict=True)
    monkeypatch.setattr(forward, "WORTH_A_LOOP", 0)
    evaluator = forward.Evaluator(model, data, batch_size=BATCH)
    assert evaluator.loop is not None
    events = keras.callbacks.CallbackList([], model=model)
    assert evaluator.run(events) == pytest.approx(expected, abs=1e-5)
    assert evaluator.run(events) == pytest.approx(expected, abs=1e-5)


def test_compiling_a_model_again_changes_what_evaluate_reports() -> None:
    model, data = small("sgd")
    assert set(evaluate(model, data)) == {"loss", "accuracy"}
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["sparse_top_k_categorical_accuracy"])
    assert set(evaluate(model, data)) == {"loss", "sparse_top_k_categorical_accuracy"}


def _python_inside(x: Any) -> Any:
    return tf.ensure_shape(tf.py_function(lambda value: value * 2, [x], tf.float32), x.shape)


def _strings_inside(x: Any) -> Any:
    return x * tf.reshape(tf.strings.to_number(tf.strings.as_string(x[:1, :1])), [1, 1])


@keras.saving.register_keras_serializable()
class Forbidden(layers.Layer):  # type: ignore[misc]
    """Does what XLA cannot."""

    def __init__(self, function: Callable[[Any], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.function = function

    def call(self, x: Any) -> Any:
        return self.function(x)


@pytest.mark.parametrize(
    ("function", "named"), [(_python_inside, "EagerPyFunc"), (_strings_inside, "AsString")]
)
def test_what_xla_lacks_is_refused_and_leaves_the_model_as_it_was(function: Any, named: str) -> None:
    model = stack(layers.Dense(4), layers.BatchNormalization(), layers.Dropout(0.5), Forbidden(function))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    before = [value.numpy().copy() for value in model.variables]
    with pytest.raises(CannotCompile) as refusal:
        fit_ours(model, some_rows())
    assert named in refusal.value.reason
    assert "\n" not in refusal.value.reason
    for value, kept in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(value.numpy(), kept)
    assert all(
        not np.any(value.numpy()) for value in model.optimizer.variables if "learning" not in value.path
    )
    assert all(not np.any(value.numpy()) for metric in model.metrics for value in metric.variables)


def test_eager_models_and_strings_are_refused() -> None:
    model, data = small("sgd", run_eagerly=True)
    with pytest.raises(CannotCompile, match="run_eagerly"):
        fit_ours(model, data)
    model, data = small("sgd")
    with pytest.raises(CannotCompile, match="<U1"):
        fit_ours(model, Arrays(data.x.astype("<U1"), data.y))


def test_arrays_of_different_lengths_are_an_error() -> None:
    model, data = small("sgd")
    with pytest.raises(ValueError, match=r"same number of rows, received \[28, 29\]"):
        fit_ours(model, Arrays(data.x, data.y[:-1]))


def test_fewer_rows_than_a_batch_train_too() -> None:
    ours, stock, data = twins(lambda: small("sgd"))
    few = head(data, 5)
    history = fit_ours(ours, few)
    assert history.history["loss"] == pytest.approx(fit_by_keras(stock, few, None).history["loss"], abs=1e-5)


@pytest.mark.parametrize("case", [auc_and_precision, wide_and_deep_with_two_outputs, convolution_over_bytes])
def test_fixed_batches_give_what_predict_gives_for_any_number_of_rows(
    case: Callable[[], tuple[keras.Model, Arrays]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where XLA is slow at the network, and with rows that fill no batch."""
    monkeypatch.setattr(fixed_batches, "BATCH", 8)
    model, data = case()
    batches = fixed_batches.FixedBatches(model)
    for count in (29, 3, 16, 0):
        x = head(data, count).x
        ours, theirs = (keras.tree.flatten(each) for each in (batches.predict(x), predict(model, x)))
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
            assert one.shape == other.shape
            assert one.dtype == other.dtype
