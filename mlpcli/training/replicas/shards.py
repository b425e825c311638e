"""Which rows of a batch each worker computes, and by how much its results count."""

from __future__ import annotations

import numpy as np


def shard(rows: int, index: int, count: int) -> slice:
    """Return the rows of a batch that one of several workers computes: consecutive, as equal as possible.

    The first workers have a row more where the division leaves a remainder, so worker 0 always has one.

    Args:
        rows: of the batch.
        index: of the worker, from 0.
        count: how many workers there are.
    """
    size, longer = divmod(rows, count)
    first = index * size + min(index, longer)
    return slice(first, first + size + (index < longer))


def shard_order(order: np.ndarray, batch_size: int, index: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of an epoch that one of several workers computes.

    Args:
        order: (rows,) int, the order of all rows in the epoch.
        batch_size: rows of a global batch.
        index: of the worker, from 0.
        count: how many workers there are.

    Returns:
        Its rows of the full batches, batch after batch, and of the short last one, which may have none.
    """
    full = len(order) // batch_size * batch_size
    own = shard(batch_size, index, count)
    short = order[full:]
    return order[:full].reshape(-1, batch_size)[:, own].reshape(-1), short[shard(len(short), index, count)]


def shard_batches(rows: int, batch_size: int, index: int, count: int) -> slice:
    """Return the rows of whole batches, such as those of validation, that one of several workers evaluates.

    Args:
        rows: of all batches.
        batch_size: rows of a batch; the last one may be short.
        index: of the worker, from 0.
        count: how many workers there are.
    """
    own = shard(-(-rows // batch_size), index, count)
    return slice(min(own.start * batch_size, rows), min(own.stop * batch_size, rows))
