"""Edges of the compiled loop: a batch of one row, pieces of several batches, chunks, orders, draws."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mlpcli.training.compiled import GRAPH, Arrays, CannotCompile, epoch_order, hooks, randomness
from mlpcli.training.compiled import loop as compiled_loop
from mlpcli.training.compiled import step_losses as steps_module
from mlpcli.training.compiled.row_arrays import aligned_empty, as_tensor, take_rows
from mlpcli.training.compiled.step_losses import step_losses
from mlpcli.training.compiled.xla_programs import check_can_compile, plain_reason
from tests.training.small_models import (
    BATCH,
    SEED,
    fit_by_keras,
    fit_ours,
    head,
    own_train_step,
    small,
    some_rows,
    twins,
)

# Keras 3.15 itself converts tensors in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(autouse=True)
def _fresh_keras() -> Iterator[None]:
    keras.utils.set_random_seed(1)
    yield
    keras.backend.clear_session()


# ---------------------------------------------------------------- orders and rows


def test_every_seed_and_epoch_has_an_order_of_its_own_that_never_changes() -> None:
    keys = [(seed, epoch) for seed in (0, 1, 2, 3, 127, 128, 2**40, 2**63, -1) for epoch in range(3)]
    orders = {tuple(epoch_order(seed, epoch, 50).tolist()) for seed, epoch in keys}
    assert len(orders) == len(keys)
    by_numpy = np.random.Generator(np.random.Philox(np.random.SeedSequence((3, 5)))).permutation(50)
    assert epoch_order(3, 5, 50).tolist() == by_numpy.tolist()
    assert epoch_order(3, 5, 50).dtype == np.int32  # half the memory


@pytest.mark.parametrize("shape", [(3,), (5, 7), (2, 3, 5)])
def test_rows_on_a_cache_line_become_a_tensor_without_a_copy(shape: tuple[int, ...]) -> None:
    array = aligned_empty(shape, np.dtype("float32"))
    assert (array.ctypes.data % 64, array.shape) == (0, shape)
    array[...] = 1
    tensor = as_tensor(array)
    array[...] = 2
    assert tensor.shape == shape
    np.testing.assert_array_equal(tensor.numpy(), np.full(shape, 2, "float32"))


def test_rows_that_cannot_be_used_in_place_are_copied() -> None:
    whole = aligned_empty((6, 4), np.dtype("float32"))
    whole[...] = np.arange(24).reshape(6, 4)
    fixed = whole.copy()
    fixed.flags.writeable = False
    arrays = [whole[1:], whole[:, :2], whole[::2], whole.T, fixed, whole.astype("float64"), whole > 3]
    for array in arrays:
        expected, tensor = array.copy(), as_tensor(array)
        assert tensor.dtype == ("bool" if array.dtype == bool else "float32")
        if array.flags.writeable:
            array[...] = 0
        np.testing.assert_array_equal(tensor.numpy(), expected)
        whole[...] = np.arange(24).reshape(6, 4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_are_taken_in_their_order_and_the_rest_is_zero(dtype: str) -> None:
    array = np.arange(12, dtype=dtype).reshape(4, 3)
    found = take_rows(array, np.array([2, 0, 2]), 5)
    np.testing.assert_array_equal(found, [[6, 7, 8], [0, 1, 2], [6, 7, 8], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(take_rows(array, slice(3, None), 2), [[9, 10, 11], [0, 0, 0]])
    assert found.dtype == np.float32


# ---------------------------------------------------------------- chunks


class _Listener(keras.callbacks.Callback):  # type: ignore[misc]
    """Must be called at each batch."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Do nothing."""


class _Writing(keras.callbacks.TensorBoard):  # type: ignore[misc]
    """TensorBoard as it is while it trains, without files."""

    def __init__(self, first: int = 0, last: int = 0, *, update_freq: Any = "epoch") -> None:
        super().__init__(update_freq=update_freq)
        self._start_batch, self._stop_batch = first, last


def test_a_chunk_ends_where_a_callback_must_be_called() -> None:
    def steps(*listeners: keras.callbacks.Callback, seen: int = 0, left: int = 100, pace: int = 40) -> int:
        return hooks.chunk_steps(listeners, seen, left=left, pace=pace)

    assert (steps(), steps(pace=200), steps(pace=0)) == (40, 100, 1)
    assert (steps(left=50), steps(left=51)) == (50, 40)  # a quarter of a chunk is no chunk
    assert steps(_Listener()) == 1
    saving = keras.callbacks.ModelCheckpoint("unused.keras", save_freq=7)
    assert (steps(saving), steps(saving, left=5)) == (7, 5)
    assert steps(saving, _Listener()) == 1
    assert [steps(_Writing(update_freq=5), seen=seen) for seen in (0, 4, 5, 12)] == [5, 1, 5, 3]
    profiling = _Writing(3, 4)  # starts before the third batch, and ends after the fourth
    assert [steps(profiling, seen=seen) for seen in range(6)] == [2, 1, 1, 1, 40, 40]


def test_a_fast_epoch_is_run_in_few_chunks() -> None:
    model, _ = small("sgd")
    done: list[int] = []
    fit_ours(model, some_rows(4000), epochs=1, loop=GRAPH, on_progress=lambda now, *_: done.append(now))
    assert done[0] == 4
    assert done[-1] == 500
    assert len(done) < 100


def test_a_batch_may_be_one_row_and_an_epoch_one_batch() -> None:
    for rows, batch, steps in ((5, 1, 5), (5, 5, 1), (1, 1, 1)):
        model, data = small("sgd")
        done: list[tuple[int, int]] = []
        few = Arrays(data.x[:rows], data.y[:rows])
        fit_ours(
            model,
            few,
            epochs=1,
            batch_size=batch,
            loop=GRAPH,
            on_progress=lambda now, total, _, done=done: done.append((now, total)),
        )
        assert done[-1] == (steps, steps)
        assert int(model.optimizer.iterations) == steps
    for rows, batch in ((0, 4), (5, 0)):
        few = Arrays(data.x[:rows], data.y[:rows])
        with pytest.raises(ValueError, match=f"must be positive, received {rows} and {batch}"):
            fit_ours(model, few, batch_size=batch, loop=GRAPH)


@pytest.mark.parametrize("own_step", [False, True])
def test_an_epoch_of_whole_batches_has_the_logs_of_model_fit(own_step: bool) -> None:
    ours, stock, data = twins(own_train_step if own_step else lambda: small("sgd"))
    whole = head(data, 3 * BATCH)
    keras.utils.set_random_seed(12)
    found = fit_ours(ours, whole, loop=GRAPH).history
    keras.utils.set_random_seed(12)
    expected = fit_by_keras(stock, whole, None).history
    assert found.keys() == expected.keys()
    assert all(found[name] == pytest.approx(values, abs=1e-5) for name, values in expected.items())


@pytest.mark.parametrize("shuffle", [True, False])
def test_pieces_of_several_batches_train_as_resident_data_in_the_memory_they_may_take(
    shuffle: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    resident, fed, _ = twins(lambda: small("sgd"))
    data = some_rows(11 * BATCH + 3)
    sizes: list[int] = []

    def take(*arguments: Any) -> Any:
        found = take_rows(*arguments)
        sizes.append(found.nbytes)
        return found

    fit_ours(resident, data, shuffle=shuffle, loop=GRAPH)
    monkeypatch.setattr(compiled_loop, "take_rows", take)
    two_batches = 2 * BATCH * (4 * 4 + 8)
    fit_ours(fed, data, shuffle=shuffle, loop=GRAPH, chunk_bytes=3 * two_batches)
    # x and y of six pieces, the last of which is half full, and of the short batch
    epoch = [*6 * [2 * BATCH * 4 * 4, 2 * BATCH * 8], 3 * 4 * 4, 3 * 8]
    assert sizes == 2 * epoch
    for one, other in zip(resident.variables, fed.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


# ---------------------------------------------------------------- random numbers


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("algorithm", [1, 3])
def test_every_type_and_algorithm_has_the_numbers_of_tensorflow_s_kernels(dtype: str, algorithm: int) -> None:
    draws, key = randomness.kernels, tf.constant([12345], tf.uint64)
    counter = tf.constant([2**32 - 1, 7], tf.uint64)

    def draw() -> list[Any]:
        given, kind = (key, counter, algorithm), tf.as_dtype(dtype)
        found = [draws.stateless_random_uniform_v2(shape, *given, dtype=kind) for shape in ([9], [9, 1])]
        return [*found, draws.stateless_random_normal_v2([9], *given, dtype=kind)]

    stock = draw()
    with randomness.same_numbers_as_fit():
        ours = draw()
    for one, other in zip(ours[:2], stock[:2], strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    np.testing.assert_allclose(ours[2].numpy().astype(float), stock[2].numpy().astype(float), atol=1e-2)
    again = draw()  # outside, the kernels are TensorFlow's
    np.testing.assert_array_equal(again[2].numpy(), stock[2].numpy())


def test_a_trace_leaves_python_s_generator_as_it_was() -> None:
    drawn = []
    for seed in (3, 3, 4):
        random.seed(8)
        with randomness.same_python_draws(seed):
            drawn.append(random.random())
        assert random.random() == random.Random(8).random()
    assert drawn[0] == drawn[1] != drawn[2]


# ---------------------------------------------------------------- refusals, and the range test


def test_what_cannot_run_is_named_with_the_loop_that_cannot() -> None:
    model, data = small("sgd")
    texts = data.x.astype("<U1")
    with pytest.raises(CannotCompile, match=r"^XLA has no <U1 values$"):
        check_can_compile(model, [data.x, texts])
    with pytest.raises(CannotCompile, match=r"^the graph loop has no <U1 values$"):
        check_can_compile(model, [texts], xla=False)
    with pytest.raises(CannotCompile, match=r"^every input must be an array, received list$"):
        check_can_compile(model, [[1.0]])  # type: ignore[list-item]
    check_can_compile(model, [data.x, data.y, data.x > 0, data.x.astype("uint8")])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "ValueError: no message"),
        ("\n  first \nsecond", "ValueError: first"),
        ("x" * 300, "ValueError: " + "x" * 200),
        (
            "on XLA_CPU_JIT: Abc (No registered\n 'Abc' {{node a/b}})",
            "XLA cannot run the operation Abc (in a/b)",
        ),
        ("on XLA_GPU_JIT: Abc (No registered)", "XLA cannot run the operation Abc"),
    ],
)
def test_the_reason_of_a_refusal_is_one_line(text: str, reason: str) -> None:
    assert plain_reason(ValueError(text)) == reason


def test_the_range_test_has_the_loss_of_each_step_over_chunks_and_epochs() -> None:
    ours, stock, data = twins(lambda: small("sgd"))
    steps = 27  # a chunk of 25 and one of two, in nine epochs of three whole batches
    found = list(step_losses(ours, data, batch_size=BATCH, steps=steps, seed=SEED))
    assert [len(each) for each in found] == [25, 2]
    expected = []
    for step in range(steps):
        rows = epoch_order(SEED, step // 3, data.rows)[step % 3 * BATCH : (step % 3 + 1) * BATCH]
        stock.reset_metrics()
        expected.append(stock.train_on_batch(data.x[rows], data.y[rows], return_dict=True)["loss"])
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("layer", "compiled"), [(keras.layers.Dense(2), True), (keras.layers.Conv1D(2, 2), False)]
)
def test_the_range_test_is_compiled_where_xla_is_quick(
    layer: keras.Layer, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def trace(*_: Any, compiled: bool) -> None:
        asked.append(compiled)
        raise InterruptedError

    monkeypatch.setattr(steps_module, "_trace", trace)
    model = keras.Sequential([keras.Input((4, 1)), layer, keras.layers.Flatten()])
    model.compile("sgd", "mse")
    data = Arrays(np.zeros((8, 4, 1), "float32"), np.zeros(8, "float32"))
    with pytest.raises(InterruptedError):
        next(step_losses(model, data, batch_size=4, steps=1, seed=SEED))
    assert asked == [compiled]


def test_the_range_test_of_a_step_without_a_loss_says_so() -> None:
    model, data = own_train_step()
    with pytest.raises(CannotCompile, match="no loss"):
        next(step_losses(model, data, batch_size=BATCH, steps=3, seed=SEED))
