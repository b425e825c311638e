"""The callback that keeps a run's files, made for a training job."""

from __future__ import annotations

from collections.abc import Mapping

from mlpcli.checks.log_names import directions
from mlpcli.training.callbacks import best_monitor, keeps_models
from mlpcli.training.identity import identity
from mlpcli.training.job import TrainingJob
from mlpcli.training.run_callback import RunCallback
from mlpcli.training.run_record import start_sha256
from mlpcli.training.save_interval import save_interval


def make_run_callback(job: TrainingJob, resolved: str) -> RunCallback:
    """Return the callback that keeps the files of a run.

    Args:
        job: The training.
        resolved: `resolved.yaml`.
    """
    spec = job.completed.spec
    validation = job.dataset.validation is not None
    modes = directions(job.model, validation=validation)
    monitor, more_is_better = best_monitor(spec, modes, validation=validation)

    def on_epoch(epoch: int, logs: Mapping[str, float], seconds: float) -> None:
        job.watcher.epoch(epoch, spec.fit.epochs, logs, seconds)

    callback = RunCallback(
        job.run_dir,
        monitor=monitor,
        more_is_better=more_is_better,
        on_epoch=on_epoch,
        identity=identity(resolved, job.dataset, job.completed.catalog, start_sha256(job.completed)),
        save_interval=save_interval(spec.fit.checkpoint),
        models=keeps_models(spec),
        limit=job.options.limit,
    )
    callback.set_model(job.model)
    return callback
