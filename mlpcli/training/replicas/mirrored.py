"""`fit: {distribute: mirrored}`: each batch divided among the devices of this process.

TensorFlow's `MirroredStrategy` keeps the variables of a second network on every device; its collective
operations sum the gradients (NCCL's on GPUs). Callbacks, checkpoints and validation have the first network,
which gets the values of the second one at the end of every epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial

import numpy as np

from mlpcli.distribute_internals import sums_before_update
from mlpcli.keras_import import keras, tf
from mlpcli.model.correlations import merged_states
from mlpcli.spec.schema import Spec
from mlpcli.training.compiled.fit_settings import FitSettings
from mlpcli.training.compiled.forward import Evaluator, plain_logs
from mlpcli.training.compiled.randomness import same_python_draws
from mlpcli.training.compiled.row_arrays import Arrays, as_tensor, take_rows
from mlpcli.training.compiled.xla_programs import (
    CannotCompile,
    Logs,
    any_rows,
    build_variables,
    plain_reason,
    skeleton,
)
from mlpcli.training.replicas.gradients import Gradient
from mlpcli.training.replicas.shards import shard
from mlpcli.training.replicas.shared_state import SEED_STATE, STRIDE, averaged_variables, correlations_of
from mlpcli.training.replicas.step_loop import run_epochs

Build = Callable[[Callable[[], AbstractContextManager[object]]], keras.Model]
"""Builds a model in a scope, which it enters itself."""


def devices() -> list[str]:
    """Return the devices to divide batches among: the GPUs, or the CPU's logical devices without any."""
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name for device in found]


@cache
def strategy_over(names: tuple[str, ...]) -> tf.distribute.Strategy:
    """Return the strategy over devices: one for all trainings of a process, such as folds.

    Each strategy numbers its collective operations from the start, and TensorFlow remembers the shapes of
    those that ran: the first operations of a second strategy fail where its network has other shapes.
    """
    return tf.distribute.MirroredStrategy(list(names))


def divides(spec: Spec) -> bool:
    """Return whether a spec asks for several devices, and there are some."""
    return spec.fit.distribute is not None and len(devices()) > 1


def device_note(spec: Spec) -> str:
    """Return a line on a spec that asks for several devices where there is one; else nothing."""
    if spec.fit.distribute is None or divides(spec):
        return ""
    kind = devices()[0].rsplit(":", 2)[-2]
    return f"fit.distribute: {spec.fit.distribute}: there is one device here, a {kind}; it trains alone"


def fit_mirrored(
    model: keras.Model, train: Arrays, settings: FitSettings, *, build: Build
) -> keras.callbacks.History:
    """Train as `compiled.fit` does, each device on its share of every batch; return the history.

    Args:
        model: The compiled model.
        train: The training rows.
        settings: How it is trained; the loop is always the graph, and each batch is gathered by itself.
        build: Builds the same model again, in the scope of a strategy.

    Raises:
        CannotCompile: The model cannot be trained so.
    """
    assert not settings.loop.xla
    mirrored = _Mirrored(model, build, train, settings.batch_size, settings.seed)
    evaluator = None
    if settings.validation is not None:
        evaluator = Evaluator(
            model,
            settings.validation,
            batch_size=settings.batch_size,
            each_batch=settings.each_test_batch,
            times=settings.epochs,
            xla=False,
        )
        evaluator.trace()
    return run_epochs(model, mirrored, settings, rows=train.rows, evaluator=evaluator)


def _device_index() -> int:
    """Return the number of the device whose part of a step is running, or traced."""
    number = tf.distribute.get_replica_context().replica_id_in_sync_group
    return int(number if isinstance(number, int) else tf.get_static_value(number))


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Do not let TensorFlow warn that steps without a program are slow."""
    logger = tf.get_logger()
    before = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(before)


def _times(gradient: Gradient, share: float) -> Gradient:
    """Return a gradient times a number; the slices of a table stay slices, see `gradients`."""
    if isinstance(gradient, tf.IndexedSlices):
        values = gradient.values * tf.cast(share, gradient.values.dtype)
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return gradient * tf.cast(share, gradient.dtype)


def _nothing(like: Gradient, variable: keras.Variable) -> Gradient:
    """Return the gradient of no rows, of the kind that other devices have."""
    if not isinstance(like, tf.IndexedSlices):
        return tf.zeros(variable.shape, variable.dtype)
    shape = tf.constant(list(variable.shape), like.dense_shape.dtype)
    values = tf.zeros([0, *variable.shape[1:]], like.values.dtype)
    return tf.IndexedSlices(values, tf.zeros([0], like.indices.dtype), shape)


class _Mirrored:
    """Trains a second network, which is on every device, on each batch."""

    def __init__(self, model: keras.Model, build: Build, train: Arrays, batch_size: int, seed: int) -> None:
        """Build and trace.

        Raises:
            CannotCompile: That fails.
        """
        self.model, self.data, self.shape = model, train, skeleton(train.structure())
        self.strategy = strategy_over(tuple(devices()))
        self.count = self.strategy.num_replicas_in_sync
        try:
            with same_python_draws(seed):
                self.twin = build(self.strategy.scope)
                with self.strategy.scope():
                    self.trained = list(self.twin.trainable_variables)
                    self.twin.optimizer.build(self.trained)
                    build_variables(self.twin, train.structure())
                    # Some metrics create variables when they are first updated, which no program may do.
                    with _without_warnings():
                        self._run_step([tf.constant(leaf) for leaf in self._some(batch_size)])
                self.programs = {
                    rows: self._trace(rows)
                    for rows in {min(batch_size, train.rows), train.rows % batch_size}
                    if rows
                }
        except (tf.errors.OpError, TypeError, ValueError, NotImplementedError) as error:
            raise CannotCompile(plain_reason(error)) from error
        model.optimizer.build(model.trainable_variables)

    def _some(self, rows: int) -> list[np.ndarray]:
        return [take_rows(leaf, slice(0, rows)) for leaf in self.data.leaves()]

    def _trace(self, rows: int) -> Callable[[list[tf.Tensor]], object]:
        """Return the step on a batch of so many rows."""
        signature = [
            tf.TensorSpec([rows, *spec.shape[1:]], spec.dtype) for spec in any_rows(self.data.structure())
        ]
        traced: Callable[[list[tf.Tensor]], object] = tf.function(
            self._run_step, autograph=False
        ).get_concrete_function(signature)
        return traced

    def _run_step(self, leaves: list[tf.Tensor]) -> None:
        """Train on a batch; the devices' threads take turns, so what they share is changed around them."""
        optimizer = self.twin.optimizer
        update, given = optimizer.apply, {}

        def keep(
            gradients: Sequence[tf.Tensor | None], variables: Sequence[keras.Variable] | None = None
        ) -> None:
            given[_device_index()] = list(zip(gradients, variables or self.trained, strict=True))

        optimizer.apply = keep
        try:
            with sums_before_update(optimizer):
                self.strategy.run(partial(self._step, leaves, update, given))
        finally:
            del optimizer.apply

    def _step(
        self,
        leaves: list[tf.Tensor],
        update: Callable[..., object],
        given: dict[int, list[tuple[tf.Tensor | None, keras.Variable]]],
    ) -> None:
        """Train on one device's rows of a batch; called once for each device.

        Args:
            leaves: The batch.
            update: Makes the update by the sums of the gradients.
            given: Receives the gradients that the train step gives the optimizer.
        """
        rows, index = int(leaves[0].shape[0]), _device_index()
        own = shard(rows, index, self.count)
        if own.stop > own.start:
            unknown = [
                tf.raw_ops.PlaceholderWithDefault(input=leaf[own], shape=[None, *leaf.shape[1:]])
                for leaf in leaves
            ]
            self.twin.train_step(keras.tree.pack_sequence_as(self.shape, unknown))
            pairs = [pair for pair in given[index] if pair[0] is not None]
            self.trained = [variable for _, variable in pairs]
            # Keras has divided the loss by the number of devices.
            share = (own.stop - own.start) * self.count / rows
            gradients = [_times(gradient, share) for gradient, _ in pairs]
            self.like = gradients
        else:
            gradients = [
                _nothing(each, variable) for each, variable in zip(self.like, self.trained, strict=True)
            ]
        context = tf.distribute.get_replica_context()
        update(context.all_reduce(tf.distribute.ReduceOp.SUM, gradients), self.trained)

    def begin_training(self) -> None:
        """Nothing: an epoch begins with the values of the first network."""

    def begin_epoch(self) -> None:
        """Give the second network the values of the first; each device draws random numbers of its own."""
        self.twin.reset_metrics()
        for variable, twin in self._pairs():
            twin.assign(variable)
            if variable.name == SEED_STATE:
                for index, local in enumerate(self.strategy.experimental_local_results(twin.value)):
                    state = np.array(variable)
                    state.flat[0] = (int(state.flat[0]) + index * STRIDE) % 2**32
                    local.assign(state)

    def _pairs(self) -> list[tuple[keras.Variable, keras.Variable]]:
        one, two = ([*network.variables, *network.optimizer.variables] for network in (self.model, self.twin))
        return list(zip(one, two, strict=True))

    def train(self, rows: np.ndarray) -> None:
        """Train on a batch."""
        leaves = [as_tensor(take_rows(leaf, rows)) for leaf in self.data.leaves()]
        self.programs[len(rows)](leaves)

    def end_epoch(self) -> None:
        """Give the first network the values of the second: averages of the devices' averages."""
        averaged = {id(variable) for variable in averaged_variables(self.model)}
        for variable, twin in self._pairs():
            locals_ = [np.array(each) for each in self.strategy.experimental_local_results(twin.value)]
            if id(variable) in averaged:
                mean = np.mean([each.astype(np.float64) for each in locals_], axis=0)
                variable.assign(mean.astype(locals_[0].dtype))
            else:
                variable.assign(locals_[0])

    def logs(self) -> Logs:
        """Return the loss and metrics over the rows of all devices."""
        kept: list[tuple[tf.Variable, np.ndarray]] = []
        for metric in correlations_of(self.twin.metrics):
            variables = (metric.count, metric.means, metric.squares)
            locals_ = [self.strategy.experimental_local_results(each.value) for each in variables]
            kept += [(local, np.array(local)) for each in locals_ for local in each]
            states = [[np.array(each, np.float64) for each in state] for state in zip(*locals_, strict=True)]
            for variable, value in zip(variables, merged_states(states), strict=True):
                variable.assign(value.astype(variable.dtype))
        logs = plain_logs(self.twin.get_metrics_result())
        for local, own in kept:
            local.assign(own)
        return logs

    def decided(self, number: int) -> int:
        """Return the number: there is nobody else."""
        return number
