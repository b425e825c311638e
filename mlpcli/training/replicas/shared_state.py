"""What the workers must agree on beside the gradients: variables at the end of an epoch, and metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mlpcli.data.types import Array
from mlpcli.keras_import import keras
from mlpcli.model.correlations import RowCorrelation, merged_states
from mlpcli.model.metric_wrappers import MetricWrapper
from mlpcli.training.compiled.forward import plain_logs
from mlpcli.training.compiled.xla_programs import Logs
from mlpcli.training.replicas.peers import Peers

SEED_STATE = "seed_generator_state"
"""The name of the variable of Keras's generators: a seed, and how many numbers were drawn."""
STRIDE = 0x9E3779B1
"""By this the seeds of two workers differ."""


def share_state(model: keras.Model, peers: Peers) -> None:
    """Make the variables of all workers agree, as far as they are to.

    What is trained, and whole numbers, are those of worker 0: they differ only where processors round
    differently. Other variables, such as the averages of BatchNormalization, become their mean over the
    workers. The generators of random numbers are those of worker 0 with another seed on each worker, so
    that each drops units of its own.

    Args:
        model: The compiled model.
        peers: The other workers.

    Raises:
        Left: A worker has left.
    """
    optimizer = model.optimizer.variables if model.optimizer is not None else []
    every = [*model.variables, *optimizer]
    averaged = averaged_variables(model)
    _average(averaged, peers)
    others = {id(variable) for variable in averaged}
    _copy_from_first([variable for variable in every if id(variable) not in others], peers)


def averaged_variables(model: keras.Model) -> list[keras.Variable]:
    """Return the variables that become their mean over the workers: numbers that are not trained.

    Args:
        model: The compiled model.
    """
    return [each for each in model.non_trainable_variables if keras.backend.is_float_dtype(each.dtype)]


def _average(variables: Sequence[keras.Variable], peers: Peers) -> None:
    """Assign the means over the workers, exactly their value where it is the same on all."""
    if not variables:
        return
    values = np.concatenate([np.ravel(np.asarray(each)).astype(np.float64) for each in variables])
    means = peers.sum_over_workers(values) / peers.count
    _assign(variables, means)


def _assign(variables: Sequence[keras.Variable], values: Array) -> None:
    start = 0
    for variable in variables:
        size = int(np.prod(variable.shape))
        variable.assign(values[start : start + size].reshape(variable.shape).astype(variable.dtype))
        start += size


def _copy_from_first(variables: Sequence[keras.Variable], peers: Peers) -> None:
    arrays = [np.array(variable, order="C") for variable in variables]
    size = sum(array.nbytes for array in arrays)
    if not peers.index:
        peers.from_first(b"".join(array.tobytes() for array in arrays), size=size)
        return
    content, start = peers.from_first(size=size), 0
    for variable, array in zip(variables, arrays, strict=True):
        values = np.frombuffer(content, array.dtype, array.size, start).reshape(array.shape)
        start += array.nbytes
        if variable.name == SEED_STATE:
            values = values.copy()
            values.flat[0] = (int(values.flat[0]) + peers.index * STRIDE) % 2**32
        variable.assign(values)


def shared_logs(model: keras.Model, peers: Peers) -> Logs:
    """Return the loss and metrics over the rows of all workers; those of this worker stay as they are.

    A metric's variables are sums over its rows, as Keras declares them, but for correlations.

    Args:
        model: The compiled model.
        peers: The other workers.

    Raises:
        Left: A worker has left.
    """
    variables = [each for each in model.metrics_variables if each.name != SEED_STATE]
    own = [np.array(each) for each in variables]
    correlations = list(correlations_of(model.metrics))
    apart = {id(each) for metric in correlations for each in metric.variables}
    _sum([each for each in variables if id(each) not in apart], peers)
    for metric in correlations:
        _merge(metric, peers)
    logs = plain_logs(model.get_metrics_result())
    for variable, value in zip(variables, own, strict=True):
        variable.assign(value)
    return logs


def _sum(variables: Sequence[keras.Variable], peers: Peers) -> None:
    if variables:
        values = np.concatenate([np.ravel(np.asarray(each)).astype(np.float64) for each in variables])
        _assign(variables, peers.sum_over_workers(values))


def correlations_of(metrics: Sequence[keras.metrics.Metric]) -> Iterator[RowCorrelation]:
    """Yield the correlations among metrics: their variables are no sums over rows.

    Args:
        metrics: The model's.
    """
    for metric in metrics:
        inner = getattr(metric, "metrics", None)
        if inner:
            yield from correlations_of(inner)
        while isinstance(metric, MetricWrapper):
            metric = metric.metric
        if isinstance(metric, RowCorrelation):
            yield metric


def _merge(metric: RowCorrelation, peers: Peers) -> None:
    variables = (metric.count, metric.means, metric.squares)
    own = np.concatenate([np.ravel(np.asarray(each)).astype(np.float64) for each in variables])
    placed = np.zeros((peers.count, len(own)))
    placed[peers.index] = own
    rows = peers.sum_over_workers(placed.reshape(-1)).reshape(placed.shape)
    states = [
        (row[0], row[1 : 1 + 2 * metric.units].reshape(2, -1), row[1 + 2 * metric.units :].reshape(3, -1))
        for row in rows
    ]
    for variable, value in zip(variables, merged_states(states), strict=True):
        variable.assign(value.astype(variable.dtype))
