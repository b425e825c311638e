"""The non-public name of Keras that training on several devices needs; see `keras_internals`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpcli.keras_import import keras


@contextmanager
def sums_before_update(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Let an optimizer take gradients that are sums over all devices already, so that it clips these.

    Under a strategy of `tf.distribute` Keras's optimizers clip the gradients of each device, and sum then.

    Args:
        optimizer: created under a strategy.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    inner._all_reduce_sum_gradients = lambda gradients_and_variables: gradients_and_variables
    try:
        yield
    finally:
        del inner._all_reduce_sum_gradients
