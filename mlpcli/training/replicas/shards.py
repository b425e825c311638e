"""Which rows of a batch each worker computes, and by how much its results count."""

from __future__ import annotations


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
