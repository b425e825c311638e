"""Random numbers inside XLA that equal those outside XLA, and Python's own while a program is traced.

XLA draws the same Philox bits for a seed as TensorFlow's own kernels, but computes floats from the high
bits, where the kernels use the low ones: dropout would keep other units than in `model.fit`. While
a program is traced, uniform and normal numbers are therefore computed from the bits by the
kernels' formulas (tensorflow/core/lib/random/random_distributions.h).
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
        if tf.as_dtype(dtype) not in _LAYOUTS:
            return stock_uniform(shape, key, counter, alg, dtype=dtype, name=name)
        return _unit_floats(_bits(shape, key, counter, alg), tf.as_dtype(dtype))

    def normal(
        shape: tf.Tensor,
        key: tf.Tensor,
        counter: tf.Tensor,
        alg: tf.Tensor,
        dtype: tf.DType = tf.float32,
        name: str | None = None,
    ) -> tf.Tensor:
        if tf.as_dtype(dtype) not in _LAYOUTS:
            return stock_normal(shape, key, counter, alg, dtype=dtype, name=name)
        return tf.cast(_normal_floats(shape, key, counter, alg), dtype)

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


def _bits(shape: tf.Tensor, key: tf.Tensor, counter: tf.Tensor, alg: tf.Tensor) -> tf.Tensor:
    draw = kernels.stateless_random_uniform_full_int_v2
    return draw(shape, key, counter, alg, dtype=tf.uint32)


def _unit_floats(bits: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Return floats in [0, 1) whose mantissas are the low bits (Uint32ToFloat, and for 16 bits alike)."""
    mantissa, one, word = _LAYOUTS[dtype]
    low = tf.bitwise.bitwise_and(bits, tf.constant(2**mantissa - 1, tf.uint32))
    joined = tf.bitwise.bitwise_or(tf.cast(low, word), tf.constant(one, word))
    return tf.bitcast(joined, dtype) - tf.constant(1, dtype)


def _normal_floats(shape: tf.Tensor, key: tf.Tensor, counter: tf.Tensor, alg: tf.Tensor) -> tf.Tensor:
    """Return standard normal floats, computed in pairs (BoxMullerFloat)."""
    shape = tf.convert_to_tensor(shape, tf.int32)
    count = tf.reduce_prod(shape)
    bits = _bits([(count + 1) // 2 * 2], key, counter, alg)
    pairs = tf.reshape(_unit_floats(bits, tf.float32), [-1, 2])
    radius = tf.sqrt(-2.0 * tf.math.log(tf.maximum(pairs[:, 0], 1e-7)))
    angle = tf.constant(2 * math.pi, tf.float32) * pairs[:, 1]
    both = tf.stack([tf.sin(angle) * radius, tf.cos(angle) * radius], axis=1)
    return tf.reshape(tf.reshape(both, [-1])[:count], shape)
