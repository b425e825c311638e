"""Random numbers inside XLA that equal those outside XLA, and Python's own while a program is traced.

XLA draws the same Philox bits for a seed as TensorFlow's own kernels, but computes floats from the high
bits, where the kernels use the low ones: dropout would keep other units than in `model.fit`. While
a program is traced, uniform and normal numbers are therefore computed by the kernels' formulas, from bits
computed here as well (tensorflow/core/lib/random/random_distributions.h, philox_random.h).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from mlpcli.keras_internals import random_kernels

kernels = random_kernels()

_UNIFORM = "stateless_random_uniform_v2"
_NORMAL = "stateless_random_normal_v2"
# dtype: bits of the mantissa, bits of 1.0, unsigned type of the same width
_LAYOUTS = {
    tf.float32: (23, 0x3F800000, tf.uint32),
    tf.float16: (10, 0x3C00, tf.uint16),
    tf.bfloat16: (7, 0x3F80, tf.uint16),
}


PHILOX = (1, 3)  # the algorithm by its own number, and as the default of every device but TPUs
PHILOX_ROUNDS = 10


@contextmanager
def same_numbers_as_fit() -> Iterator[None]:
    """Trace uniform and normal draws so that XLA's numbers are those of TensorFlow's kernels."""
    stock_uniform, stock_normal = getattr(kernels, _UNIFORM), getattr(kernels, _NORMAL)

    def uniform(
        shape: tf.Tensor,
        key: tf.Tensor,
        counter: tf.Tensor,
        alg: tf.Tensor,
        dtype: tf.DType = tf.float32,
        name: str | None = None,
    ) -> tf.Tensor:
        if not _known(alg, dtype):
            return stock_uniform(shape, key, counter, alg, dtype=dtype, name=name)
        return _unit_floats(_bits(shape, key, counter), tf.as_dtype(dtype))

    def normal(
        shape: tf.Tensor,
        key: tf.Tensor,
        counter: tf.Tensor,
        alg: tf.Tensor,
        dtype: tf.DType = tf.float32,
        name: str | None = None,
    ) -> tf.Tensor:
        if not _known(alg, dtype):
            return stock_normal(shape, key, counter, alg, dtype=dtype, name=name)
        return tf.cast(_normal_floats(shape, key, counter), dtype)

    # There is no public way: Keras's layers reach these through several public functions. What another
    # thread traces meanwhile gets the same numbers.
    setattr(kernels, _UNIFORM, uniform)
    setattr(kernels, _NORMAL, normal)
    try:
        yield
    finally:
        setattr(kernels, _UNIFORM, stock_uniform)
        setattr(kernels, _NORMAL, stock_normal)


@contextmanager
def same_python_draws(seed: int) -> Iterator[None]:
    """Trace with Python's generator in a state that depends on a seed alone.

    `AugMix` chooses its operations by it, once a trace: the traces for full and for short batches, and those
    of a resumed training, are to choose the same.

    Args:
        seed: The seed.
    """
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


def _known(alg: tf.Tensor, dtype: tf.DType) -> bool:
    """Return whether the kernels' formulas for an algorithm and a type are those of this module."""
    return tf.get_static_value(alg) in PHILOX and tf.as_dtype(dtype) in _LAYOUTS


def _bits(shape: tf.Tensor, key: tf.Tensor, counter: tf.Tensor) -> tf.Tensor:
    """Return random bits, uint32: those of `stateless_random_uniform_full_int_v2`."""
    if 1 in _static(shape):  # as a noise_shape has, where values share a number
        return _stored_bits(shape, key, counter)
    place = _places(shape)
    one, two, three, four = _blocks(place, _halves(counter), _halves(key))
    lane = tf.bitwise.bitwise_and(place, tf.constant(3, tf.uint32))
    found = tf.where(lane < 2, tf.where(lane < 1, one, two), tf.where(lane < 3, three, four))
    return tf.reshape(found, shape)


def _static(shape: tf.Tensor) -> list[int | None]:
    """Return the dimensions of a shape, None for those that are known only when the program runs."""
    dimensions = tf.get_static_value(tf.convert_to_tensor(shape), partial=True)
    return [] if dimensions is None else list(dimensions)


def _stored_bits(shape: tf.Tensor, key: tf.Tensor, counter: tf.Tensor) -> tf.Tensor:
    """Return the same bits as `_bits`, in a form that XLA stores.

    What is plain arithmetic it would compute again for each value that shares a number, in both directions.
    """
    count = tf.reduce_prod(tf.convert_to_tensor(shape, tf.int32))
    first = tf.cast(tf.range((count + 3) // 4), tf.uint32) * tf.constant(4, tf.uint32)
    blocks = tf.stack(_blocks(first, _halves(counter), _halves(key)), axis=1)
    return tf.reshape(tf.reshape(blocks, [-1])[:count], shape)


def _unit_floats(bits: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Return floats in [0, 1) whose mantissas are the low bits (Uint32ToFloat, and for 16 bits alike)."""
    mantissa, one, word = _LAYOUTS[dtype]
    low = tf.bitwise.bitwise_and(bits, tf.constant(2**mantissa - 1, tf.uint32))
    joined = tf.bitwise.bitwise_or(tf.cast(low, word), tf.constant(one, word))
    return tf.bitcast(joined, dtype) - tf.constant(1, dtype)


def _normal_floats(shape: tf.Tensor, key: tf.Tensor, counter: tf.Tensor) -> tf.Tensor:
    """Return standard normal floats; two come from each half of a block (BoxMullerFloat)."""
    place = _places(shape)
    one, two, three, four = _blocks(place, _halves(counter), _halves(key))
    early = tf.bitwise.bitwise_and(place, tf.constant(2, tf.uint32)) < 1
    first = _unit_floats(tf.where(early, one, three), tf.float32)
    second = _unit_floats(tf.where(early, two, four), tf.float32)
    radius = tf.sqrt(-2.0 * tf.math.log(tf.maximum(first, 1e-7)))
    angle = tf.constant(2 * math.pi, tf.float32) * second
    even = tf.bitwise.bitwise_and(place, tf.constant(1, tf.uint32)) < 1
    return tf.reshape(tf.where(even, tf.sin(angle), tf.cos(angle)) * radius, shape)


def _places(shape: tf.Tensor) -> tf.Tensor:
    """Return the places of a tensor's values in a stream, (n,) uint32."""
    return tf.cast(tf.range(tf.reduce_prod(tf.convert_to_tensor(shape, tf.int32))), tf.uint32)


def _halves(words: tf.Tensor) -> tf.Tensor:
    """Return 64-bit words as twice as many of 32 bits, the low half of each first."""
    return tf.reshape(tf.bitcast(words, tf.uint32), [-1])


@tf.function(  # type: ignore[untyped-decorator]
    autograph=False,
    input_signature=[tf.TensorSpec([size], tf.uint32) for size in (None, 4, 2)],
)
def _blocks(place: tf.Tensor, counter: tf.Tensor, key: tf.Tensor) -> list[tf.Tensor]:
    """Return the block of a Philox 4x32 stream that each place lies in: four tensors, (n,) uint32.

    XLA's own expansion takes 0.5 us a number on a CPU, which made dropout slower than all else in a step.
    Here every place computes its whole block: four times the work, but plain arithmetic without any movement
    of data, for which XLA uses vector instructions.

    Args:
        place: (n,) uint32, places in the stream.
        counter: (4,) uint32, the counter of the first block, the lowest word first.
        key: (2,) uint32.
    """
    more = tf.bitwise.right_shift(place, tf.constant(2, tf.uint32))
    words = []
    for number in range(4):  # the counter of each place's block: the first one's plus the block's number
        words.append(counter[number] + more)
        more = tf.cast(words[-1] < more, tf.uint32)
    one, two, three, four = words
    low, high = key[0], key[1]
    for _ in range(PHILOX_ROUNDS):
        first, third = _product(one, 0xD2511F53), _product(three, 0xCD9E8D57)
        one, two, three, four = _xor(third[0], two, low), third[1], _xor(first[0], four, high), first[1]
        low, high = low + tf.constant(0x9E3779B9, tf.uint32), high + tf.constant(0xBB67AE85, tf.uint32)
    return [one, two, three, four]


def _product(word: tf.Tensor, factor: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the high and the low 32 bits of a product."""
    product = tf.cast(word, tf.uint64) * tf.constant(factor, tf.uint64)
    high = tf.bitwise.right_shift(product, tf.constant(32, tf.uint64))
    return tf.cast(high, tf.uint32), tf.cast(product, tf.uint32)


def _xor(one: tf.Tensor, two: tf.Tensor, three: tf.Tensor) -> tf.Tensor:
    return tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(one, two), three)
