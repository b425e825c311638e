"""The TensorBoard of a run: Keras's own, and what mlpcli adds to it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from mlpcli.keras_import import keras, tf
from mlpcli.keras_internals import OpenBoard, profiled_batches
from mlpcli.spec.extended_classes import BOARD_ARGUMENTS
from mlpcli.spec.values import ValueMap
from mlpcli.training.boards.event_files import cut_files, later_files, write_whole
from mlpcli.training.boards.gradient_batch import gradient_norms, gradients_of, spread_rows
from mlpcli.training.boards.layer_events import layer_graph, operation_graph
from mlpcli.training.boards.prediction_pictures import prediction_summaries, shown_split
from mlpcli.training.boards.projector_files import (
    Vectors,
    activation_vectors,
    embedding_vectors,
    write_vectors,
)
from mlpcli.training.boards.run_texts import run_events
from mlpcli.training.boards.weight_images import weight_image
from mlpcli.training.job import TrainingJob

SUBFOLDERS = ("train", "validation")
BY_EPOCH = ("epoch_", "gradients/", "gradient_norm", "predictions/")
"""How the tags begin of what is written once an epoch, with the epoch as its step."""
WEIGHTS = ("/histogram", "/image")
"""How those of weights end, which are written likewise."""
BY_ITERATION = "_vs_iterations"
"""How those end whose step is the count of the optimizer's steps; that of any other is a batch."""


class TensorBoard(OpenBoard, keras.callbacks.TensorBoard):  # type: ignore[misc]
    """Keras's own, which also describes the run and shows gradients, predictions and vectors.

    It is made of one of Keras's by `extend_board`. The batch hooks are Keras's: the compiled loops know them.

    Attributes:
        frequencies: by argument of ours and Keras's `embeddings_freq`, after how many epochs; 0 for never.
        shows_layers: write the graph of layers.
        shows_operations: write the graph of operations.
        job: the training; None where nothing is trained.
    """

    frequencies: Mapping[str, int]
    shows_layers: bool
    shows_operations: bool
    job: TrainingJob | None
    record: Mapping[str, object]
    earlier: list[Path]
    measured: tuple[int, float]
    write_steps_per_second: bool

    def take_job(self, job: TrainingJob, record: Mapping[str, object]) -> None:
        """Take what the run is described by.

        Args:
            job: the training.
            record: `run.json`, as far as it is known.
        """
        self.job, self.record = job, record

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Describe the run, before its first epoch; note which files earlier sessions left."""
        folders = (Path(self.log_dir) / each for each in SUBFOLDERS)
        self.earlier = [path for folder in folders for path in later_files(folder)]
        super().on_train_begin(logs)
        if self.job is not None:
            graph = [layer_graph(self.model)] if self.shows_layers else []
            write_whole(Path(self.log_dir), [*run_events(self.job, self.record), *graph])
        if self.shows_operations:
            write_whole(Path(self.log_dir) / "train", [operation_graph(self.model)])

    def cut(self, epochs: int) -> None:
        """Remove what earlier sessions wrote of later epochs, which are trained again.

        Args:
            epochs: how many are done; the callback's counts and the optimizer are those after them.
        """
        count = getattr(self.model.optimizer, "iterations", None)
        iterations = 0 if count is None else int(count.numpy())

        def keeps(tag: str, step: int, batches: int) -> bool:
            if tag.startswith(BY_EPOCH) or tag.endswith(WEIGHTS):
                return step < epochs
            return step <= (iterations if tag.endswith(BY_ITERATION) else batches)

        for folder, batches in zip(SUBFOLDERS, self.counted_batches(), strict=True):
            files = [path for path in self.earlier if path.parent.name == folder]
            cut_files(files, partial(keeps, batches=batches))
        first, _ = profiled_batches(self)
        if first > self.counted_batches()[0]:  # the profile will be written again
            shutil.rmtree(Path(self.log_dir) / "train" / "plugins" / "profile", ignore_errors=True)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write what this epoch is to show."""
        with tf.summary.record_if(True):  # Keras's own would skip an epoch that ends between two writes
            super().on_epoch_end(epoch, logs)
            self._write_more(epoch)

    def on_test_end(self, logs: dict[str, float] | None = None) -> None:
        """Write the metrics of the validation, also of one that ends between two writes."""
        with tf.summary.record_if(True):
            super().on_test_end(logs)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start to measure the speed."""
        super().on_epoch_begin(epoch, logs)
        self.measured = self.counted_batches()[0], time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Write the speed over all steps since the last write.

        Keras's own divides by the time of this step alone, which in a compiled loop is that of a chunk, or 0.
        """
        wanted, self.write_steps_per_second = self.write_steps_per_second, False
        super().on_train_batch_end(batch, logs)
        self.write_steps_per_second = wanted
        count, now = self.counted_batches()[0], time.monotonic()
        if wanted and self.update_freq != "epoch" and count % self.update_freq == 0:
            before, start = self.measured
            speed = (count - before) / max(now - start, 1e-9)
            tf.summary.scalar("batch_steps_per_second", speed, step=count)
            self.measured = count, now

    def _write_more(self, epoch: int) -> None:
        if self.job is None:
            return
        if self._is_due("gradients_freq", epoch):
            self._write_gradients(self.job, epoch)
        if self._is_due("predictions_freq", epoch):
            self._write_predictions(self.job, epoch)
        if self._is_due("embeddings_freq", epoch) or self._is_due("activations_freq", epoch):
            self._write_vectors(self.job)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Show the vectors of the trained network."""
        if self.job is not None and (self._wants("embeddings_freq") or self._wants("activations_freq")):
            self._write_vectors(self.job)
        super().on_train_end(logs)

    def _wants(self, argument: str) -> bool:
        return self.frequencies.get(argument, 0) > 0

    def _is_due(self, argument: str, epoch: int) -> bool:
        return self._wants(argument) and epoch % self.frequencies[argument] == 0

    def _write_gradients(self, job: TrainingJob, epoch: int) -> None:
        train = job.dataset.train
        rows = spread_rows(len(train), job.completed.spec.fit.batch_size)
        gradients = gradients_of(self.model, train, rows)
        with self.writer("train").as_default():
            for path, values in gradients.items():
                tf.summary.histogram(f"gradients/{path}", values, step=epoch)
            for layer, norm in gradient_norms(gradients).items():
                tag = f"gradient_norm/{layer}" if layer else "gradient_norm"
                tf.summary.scalar(tag, norm, step=epoch)

    def _write_predictions(self, job: TrainingJob, epoch: int) -> None:
        spec, dataset = job.completed.spec, job.dataset
        title = f"{spec.name}, epoch {epoch + 1}"
        with self.writer(shown_split(dataset)[0]).as_default():
            for summary in prediction_summaries(self.model, spec, dataset, title):
                tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=epoch)

    def _write_vectors(self, job: TrainingJob) -> None:
        found: list[Vectors] = []
        if self._wants("embeddings_freq"):
            found += embedding_vectors(self.model, job.dataset.contract, self.embeddings_metadata)
        if self._wants("activations_freq"):
            found += activation_vectors(self.model, job.dataset)
        if found:
            write_vectors(Path(self.log_dir), found)

    def write_weight_image(self, tag: str, weight: keras.Variable, epoch: int) -> None:
        """Write a weight as an image, in which a zero is grey."""
        image = weight_image(np.asarray(weight.numpy(), np.float32))
        if image is not None:
            tf.summary.image(tag, image[None], step=epoch)


def extend_board(board: keras.callbacks.TensorBoard, given: ValueMap) -> TensorBoard:
    """Make ours of a `TensorBoard` that Keras created and checked.

    Args:
        board: Keras's.
        given: the arguments that the spec gives, ours included.
    """
    board.__class__ = TensorBoard
    extended: TensorBoard = board
    names = (*BOARD_ARGUMENTS, "embeddings_freq")
    extended.frequencies = {name: value for name in names if isinstance(value := given.get(name, 0), int)}
    extended.shows_layers = given.get("write_graph") is not False
    extended.shows_operations = given.get("write_graph") is True
    # Keras's own of these run into errors, or write what TensorBoard cannot read: see docs/tensorboard.md.
    extended.write_graph, extended.embeddings_freq = False, 0
    extended.job, extended.record, extended.earlier = None, {}, []
    extended.measured = 0, time.monotonic()
    return extended
