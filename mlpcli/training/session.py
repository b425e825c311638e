"""From a checked spec to a finished run folder: begin, fit, finish, and record however it ends."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli import runs
from mlpcli.data.stored.sampled_rows import sampled
from mlpcli.errors import MlpcliError
from mlpcli.files import Displaced, write_text
from mlpcli.runs.results import Outcome
from mlpcli.runs.watcher import Watcher
from mlpcli.signals import interruptions_restored
from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.resolve import resolve_spec
from mlpcli.training.disk_space import check_place, check_room, write_failure
from mlpcli.training.divergence import Diverged
from mlpcli.training.ending import check_complete, displaced, failure, promised_files
from mlpcli.training.job import NEW_RUN, TrainingJob, TrainOptions
from mlpcli.training.plan import describe, note_advice
from mlpcli.training.prepare import build_checked, check_logs, default_notes, prepare
from mlpcli.training.replicas.together import together, with_hint
from mlpcli.training.run_record import begin_record, ended_by, now, replicas_entry, seconds_before, time_used
from mlpcli.training.time_limit import limit_shown
from mlpcli.training.variables import restore_learned

if TYPE_CHECKING:
    from mlpcli.training.artifacts import Artifacts
    from mlpcli.training.baseline import Baseline
    from mlpcli.training.run_callback import RunCallback


def train(
    loaded: LoadedSpec,
    *,
    runs_dir: Path,
    watcher: Watcher,
    command: Sequence[str] = (),
    options: TrainOptions = NEW_RUN,
) -> Outcome:
    """Train a spec into a new folder under `runs_dir`.

    Args:
        loaded: The spec.
        runs_dir: The runs folder.
        watcher: Receives the progress.
        command: The command line, for `run.json`.
        options: How much of the run is written.

    Raises:
        SpecError: Data and model do not fit together; nothing was written.
        DataError: The data cannot be read; nothing was written.
        TrainingError: The training diverged; the folder keeps the last good state.
        KeyboardInterrupt: Passed on, after the state so far was saved.
    """
    check_place(runs_dir, loaded.spec.name)
    prepared = prepare(loaded, watcher)
    check_logs(prepared)
    check_room(runs_dir, prepared.model, loaded.spec.name)
    for note in prepared.notes:
        watcher.note(note)
    name = loaded.spec.name
    with together(options.cluster, prepared, watcher) as peers, runs.new_run(runs_dir, name) as run_dir:
        for note in default_notes(loaded):
            watcher.note(note)
        limit = limit_shown(loaded.spec.fit.max_minutes, prepared.clock.started, watcher)
        options = replace(options, limit=limit, peers=peers)
        return train_into(prepared.job(run_dir, watcher, command, options))


def train_into(job: TrainingJob) -> Outcome:
    """Train in a run folder that exists, and lock it meanwhile.

    Raises:
        RunError: Another process has locked the folder.
        TrainingError: The training diverged, or a file could not be written.
        KeyboardInterrupt: Passed on, after the state so far was saved.
    """
    with runs.locked(job.run_dir):
        return train_locked(job)


def train_locked(job: TrainingJob) -> Outcome:
    """Train in a run folder that the caller has locked; see `train_into`."""
    record = begin_record(job.completed, job.dataset, job.model, job.command) | dict(job.options.record)
    record |= replicas_entry(job.options.cluster)
    session = Session(job, record, seconds_before(record))
    with _recording(session):
        callback = session.begin()
        if job.options.advice:
            note_advice(job.watcher, job.completed, job.dataset, job.model)
        measured = session.begin_baseline()
        session.fit(callback)
        return session.finish(callback, measured)


@dataclass
class Session:
    """One training in progress.

    Attributes:
        job: What the training is given.
        record: `run.json`, as far as it is known.
        used_before: The seconds that earlier commands have trained, where there is a limit.
        callback: Keeps the run's files; None before `begin` has created it.
        started: `run.json` has been written.
        ended: `run.json` says that the run is complete.
    """

    job: TrainingJob
    record: dict[str, object]
    used_before: float = 0.0
    callback: RunCallback | None = None
    started: bool = False
    ended: bool = False

    def begin(self) -> RunCallback:
        """Write both specs and the record, before the first step."""
        from mlpcli.training.make_run_callback import make_run_callback

        job = self.job
        resolved = self._write_specs()
        callback = self.callback = make_run_callback(job, resolved)
        if job.options.state is not None:
            restore_learned(job.model, job.options.state)
            # Written before `run.json`: a folder without that is deleted.
            callback.resume(job.options.state, saved=(job.run_dir / runs.STATE).exists())
        self.save_record()
        self.started = True
        job.watcher.plan(describe(job.completed, job.dataset, job.model), job.run_dir)
        job.clock.lap("begin")
        return callback

    def _write_specs(self) -> str:
        """Write both specs and copy the plug-ins, unless the folder holds them; return the resolved spec."""
        from mlpcli.model.plugins import copy_plugins

        job = self.job
        if runs.SPEC not in job.options.kept_specs:
            write_text(job.run_dir / runs.SPEC, job.completed.raw)
        if runs.RESOLVED not in job.options.kept_specs:
            resolved = resolve_spec(job.completed, job.dataset.settled, job.dataset.features)
            write_text(job.run_dir / runs.RESOLVED, resolved)
            if job.completed.catalog.plugins:
                self.record["plugins"] = copy_plugins(job.completed.catalog, job.run_dir)
        return (job.run_dir / runs.RESOLVED).read_text(encoding="utf-8")

    def fit(self, callback: RunCallback) -> None:
        """Run the epochs, and write the checkpoints' models."""
        from mlpcli.checks.log_names import directions
        from mlpcli.training.callbacks import CheckFolder, callbacks_of, close_logs, keeps_best, log_files
        from mlpcli.training.fit import fit_model

        job, spec = self.job, self.job.completed.spec
        modes = directions(job.model, validation=job.dataset.validation is not None)
        others = callbacks_of(job, self.record, modes)
        callback.take_callbacks(others)
        first = CheckFolder(job.run_dir, log_files(spec))
        job.watcher.monitored(callback.monitored())
        try:
            self.record["engine"] = fit_model(
                job.model,
                spec,
                job.dataset,
                [first, *others, callback],
                job.watcher,
                initial_epoch=self._epochs_done(),
                recorded=job.options.engine,
                on_engine=self._on_engine,
                check_time=callback.check_time,
                peers=with_hint(job.options.peers, job.run_dir),
                build_again=partial(build_checked, job.completed, job.dataset),
            )
        except BaseException:
            close_logs(others)
            raise
        if keeps_best(spec):
            callback.restore_best()
        job.clock.lap("fit")
        callback.write_models()
        job.clock.lap("checkpoints")

    def _on_engine(self, engine: dict[str, str | int]) -> None:
        """Record the engine before the first epoch, so that whatever resumes the run takes the same."""
        self.record["engine"] = engine
        self.save_record()

    def _epochs_done(self) -> int:
        """Return the epochs that need no training: all, when a callback had stopped the training."""
        state = self.job.options.state
        if state is None:
            return 0
        return self.job.completed.spec.fit.epochs if state.stopped else state.epoch

    def begin_baseline(self) -> Callable[[], Baseline | None]:
        """Begin to measure the models without a network, if they are wanted; return what waits for them."""
        from mlpcli.training.baseline import begin_baseline

        if not self.job.options.baseline:
            return lambda: None
        spec = self.job.completed.spec
        return begin_baseline(sampled(self.job.dataset, spec.fit.memory_bytes), seed=spec.seed)

    def finish(self, callback: RunCallback, measured: Callable[[], Baseline | None]) -> Outcome:
        """Write the model, the SavedModel, the metrics and the figures; finally, that the run is complete.

        Args:
            callback: Has kept the run's files.
            measured: Waits for the scores of models without a network.

        Raises:
            Displaced: A file that a complete run has was moved or deleted.
        """
        artifacts = self._fit_predictions()
        job = artifacts.job
        write_figures = artifacts.begin_figures(callback.history, callback.best_epoch)
        with artifacts.exported() as check:
            job.watcher.stage("evaluating every split")
            metrics = artifacts.measure()
            self.record["metrics"] = metrics
            job.clock.lap("metrics")
            baseline = artifacts.compare_with_baseline(metrics, measured)
            job.clock.lap("baseline")
            write_figures()
            job.clock.lap("figures")
            artifacts.record_network()
            check()
        check_complete(job.run_dir, [*promised_files(job, self.record, callback), *artifacts.further_files])
        self.record |= {"status": runs.COMPLETED} | ended_by(timed_out=callback.timed_out)
        self.save_record()
        self.ended = True
        return Outcome(
            run=runs.open_run(job.run_dir),
            metrics=metrics,
            epochs=len(callback.history),
            seconds=job.clock.total(),
            monitor=callback.monitor,
            best=callback.best,
            best_epoch=callback.best_epoch,
            baseline=baseline,
            parts=job.clock.parts(),
            predictions=artifacts.entries,
            intervals=artifacts.intervals,
        )

    def _fit_predictions(self) -> Artifacts:
        """Fit what `predict:` asks for; return what writes the files of the fitted model."""
        from mlpcli.training.artifacts import Artifacts
        from mlpcli.training.fit_predictions import fit_predictions, record_fitted

        fitted = fit_predictions(self.job)
        for note in fitted.notes:
            self.job.watcher.note(note)
        record_fitted(self.record, fitted.job.dataset.contract)
        return Artifacts(fitted.job, self.record, network=fitted.saved, fitted=fitted)

    def _artifacts(self) -> Artifacts:
        from mlpcli.training.artifacts import Artifacts

        return Artifacts(self.job, self.record)

    def save_record(self, *, last: bool = False) -> None:
        """Write `run.json` with what is known so far.

        Args:
            last: Write over the old one where the disk takes no new file.
        """
        if self.callback is not None:
            best = {
                "monitor": self.callback.monitor,
                "value": self.callback.best,
                "epoch": self.callback.best_epoch,
                "direction": "max" if self.callback.more_is_better else "min",
            }
            self.record |= {"epochs": len(self.callback.history), "best": best}
        self.record["timings"] = self.job.clock.seconds | {"total": self.job.clock.total()}
        self.record |= time_used(self.job.options.limit, self.job.clock, self.used_before)
        if self.record["status"] != runs.RUNNING:
            self.record["ended"] = now()
        write = runs.write_last_record if last else runs.write_record
        write(self.job.run_dir, self.record)

    def stop(self, status: str, reason: str) -> list[tuple[str, str]]:
        """Save the state of a training that did not reach its end, the most important files first.

        A training that had not started writes nothing: without `run.json`, its folder will be deleted.

        Args:
            status: The run's new status.
            reason: Why it stopped.

        Returns:
            What could not be written, and why.
        """
        if not self.started and not (self.job.run_dir / runs.RECORD).exists():
            return []
        self.record |= {"status": status, "error": reason}
        failures = []
        for name, write in self._last_writes(status):
            try:
                write()
            except Exception as error:  # TensorFlow and HDF5 have their own for a full disk
                failures.append((name, write_failure(error) or str(error)))
        return failures

    def _last_writes(self, status: str) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield what is written at the end of such a training: its name, and what writes it."""
        record = (runs.RECORD, lambda: self.save_record(last=True))
        callback = self.callback
        if callback is None:
            yield record
        elif status == runs.FAILED:  # where the disk is full, the record comes first
            yield record
            yield runs.STATE, callback.write_unsaved_state
            yield runs.HISTORY, lambda: callback.write_epochs(callback.saved)
        else:
            yield runs.STATE, callback.write_state
            yield record
            yield runs.CHECKPOINTS, callback.write_last_models
            artifacts, curves = self._artifacts(), (callback.history, callback.best_epoch)
            yield runs.LEARNING_CURVES, lambda: artifacts.draw_curves(*curves)
            if status == runs.INTERRUPTED and callback.snapshot is not None:
                yield runs.METRICS, lambda: self.record.update(metrics=artifacts.measure())
                yield record
            yield runs.HISTORY, callback.write_epochs

    def whole_epochs(self) -> int:
        """Return the number of epochs that a training can resume after."""
        if self.callback is not None and self.callback.snapshot is not None:
            return self.callback.snapshot.epoch
        state = self.job.options.state
        return 0 if state is None else state.epoch

    def saved_epochs(self) -> int:
        """Return the number of epochs in the checkpoint on the disk."""
        if self.callback is not None:
            return self.callback.saved
        return self.whole_epochs() if (self.job.run_dir / runs.STATE).exists() else 0


@contextmanager
def _recording(session: Session) -> Iterator[None]:
    """Make `run.json` say how a training ended, however it ends."""
    try:
        with interruptions_restored():
            yield
    except (KeyboardInterrupt, SystemExit) as error:  # Rich leaves by the latter when nobody reads
        if session.started and not session.ended:
            _save_interrupted(session, str(error) or "interrupted")
        raise
    except Diverged as error:
        session.stop(runs.DIVERGED, str(error))
        if session.record.get("kind", "run") == "run":
            session.job.watcher.note(
                f"why, and a patch: mlpcli doctor {shlex.quote(str(session.job.run_dir))}"
            )
        raise
    except MlpcliError as error:
        session.stop(runs.FAILED, str(error))
        raise
    except Exception as error:
        run_dir = session.job.run_dir
        gone = error if isinstance(error, Displaced) else displaced(run_dir)
        failures = session.stop(runs.FAILED, str(gone or f"{type(error).__name__}: {error}"))
        if gone is not None:
            raise gone from error
        if write_failure(error) is None:
            raise
        recorded = runs.RECORD not in dict(failures)
        raise failure(error, run_dir, saved=session.saved_epochs(), recorded=recorded) from error


def _save_interrupted(session: Session, reason: str) -> None:
    """Save the state of a training that was interrupted, and say how to resume it."""
    watcher = session.job.watcher
    with contextlib.suppress(OSError):  # the terminal may be gone
        watcher.stage("")
        watcher.note(f"interrupted: saving the state after epoch {session.whole_epochs()}")
    failures = session.stop(runs.INTERRUPTED, reason)
    with contextlib.suppress(OSError):
        for name, why in failures:
            watcher.note(f"{name} could not be written: {why}")
        watcher.note(f"resume with: {runs.resume_command(session.job.run_dir)}")
