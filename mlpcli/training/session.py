"""From a checked spec to a finished run folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlpcli import runs
from mlpcli.data.dataset import Dataset, Split
from mlpcli.errors import MlpcliError
from mlpcli.files import Displaced, sha256_of, write_json, write_text
from mlpcli.runs.results import Outcome
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import LoadedSpec, located
from mlpcli.spec.resolve import resolve_spec
from mlpcli.training.disk_space import check_place, check_room, write_failure
from mlpcli.training.divergence import Diverged
from mlpcli.training.ending import check_complete, displaced, failure
from mlpcli.training.identity import identity
from mlpcli.training.plan import describe
from mlpcli.training.prepare import Clock, check_callbacks, complete, default_notes, prepare
from mlpcli.training.run_record import begin_record, now, start_of
from mlpcli.training.training_state import TrainingState

EVALUATION_ROWS = 4096


def train(
    loaded: LoadedSpec,
    *,
    runs_dir: Path,
    watcher: Watcher,
    command: Sequence[str] = (),
    advice: bool = True,
) -> Outcome:
    """Train what the spec says, into a new folder under `runs_dir`; with `advice`, note rules of thumb.

    Raises:
        SpecError, DataError: the spec and the data, or the model, do not go together; nothing was written.
        TrainingError: the training diverged; the folder keeps the last good state.
        KeyboardInterrupt: passed on, after the state so far was saved.
    """
    clock = Clock()
    check_place(runs_dir, loaded.spec.name)
    with located(loaded):
        prepared = prepare(loaded, clock, watcher.stage)
        check_callbacks(loaded)
    check_room(runs_dir, prepared.model, loaded.spec.name)
    for note in prepared.notes:
        watcher.note(note)
    with runs.new_run(runs_dir, loaded.spec.name) as run_dir:
        for note in default_notes(loaded):
            watcher.note(note)
        extent = Extent(advice=advice)
        loaded, dataset, model = prepared.loaded, prepared.dataset, prepared.model
        return train_into(
            run_dir, loaded, dataset, model, watcher=watcher, clock=clock, command=command, extent=extent
        )


@dataclass(frozen=True)
class Extent:
    """How much of a run a training makes: all of it, or a search's trial, which leaves out what it can."""

    saved_model: bool = True
    figures: bool = True
    baseline: bool = True  # held against what needs no network
    splits: tuple[str, ...] = ("train", "validation", "test")  # those that are measured in the end
    advice: bool = False  # rules of thumb are noted
    initial_epoch: int = 0  # epochs that the model has behind it
    callbacks: tuple[Any, ...] = ()  # Keras callbacks beside the spec's
    record: Mapping[str, Any] = field(default_factory=dict)  # what run.json says besides
    state: TrainingState | None = None  # of a checkpoint, to go on from
    kept_specs: tuple[str, ...] = ()  # of the two specs, those that the run folder holds already


def train_into(
    run_dir: Path,
    loaded: LoadedSpec,
    dataset: Dataset,
    model: Any,
    *,
    watcher: Watcher,
    clock: Clock | None = None,
    command: Sequence[str] = (),
    extent: Extent = Extent(),
) -> Outcome:
    """Train a checked and compiled model in a run folder that is there already, and is held meanwhile.

    Raises:
        RunError: another process holds the folder.
        TrainingError: the training diverged, or a file could not be written.
        KeyboardInterrupt: passed on, after the state so far was saved.
    """
    with runs.locked(run_dir):
        return train_held(
            run_dir, loaded, dataset, model, watcher=watcher, clock=clock, command=command, extent=extent
        )


def train_held(
    run_dir: Path,
    loaded: LoadedSpec,
    dataset: Dataset,
    model: Any,
    *,
    watcher: Watcher,
    clock: Clock | None = None,
    command: Sequence[str] = (),
    extent: Extent = Extent(),
) -> Outcome:
    """`train_into` for a caller that holds the folder itself."""
    loaded, _ = complete(loaded, dataset)
    record = begin_record(loaded, dataset, model, command) | dict(extent.record)
    session = _Session(loaded, dataset, model, run_dir, record, watcher, clock or Clock(), extent)
    with _recording(session):
        session.begin()
        if extent.advice:
            session.advise()
        session.fit()
        return session.finish()


@dataclass
class _Session:
    """One training on its way: what the steps of it share."""

    loaded: LoadedSpec
    dataset: Dataset
    model: Any
    run_dir: Path
    record: dict[str, Any]
    watcher: Watcher
    clock: Clock
    extent: Extent = Extent()
    begun: bool = False  # run.json is there
    ended: bool = False  # ... and says that the run is complete

    def begin(self) -> None:
        """Write both specs and the record, before the first step."""
        from mlpcli.model.plugins import copy_plugins
        from mlpcli.training.callbacks import best_monitor, keeps_models
        from mlpcli.training.run_callback import KeepRun, state_rhythm

        spec = self.loaded.spec
        if runs.SPEC not in self.extent.kept_specs:
            write_text(self.run_dir / runs.SPEC, self.loaded.raw)
        if runs.RESOLVED not in self.extent.kept_specs:
            resolved = resolve_spec(self.loaded, self.dataset.split_amounts, self.dataset.features)
            write_text(self.run_dir / runs.RESOLVED, resolved)
            if self.loaded.catalog.plugins:
                self.record["plugins"] = copy_plugins(self.loaded.catalog, self.run_dir)
        resolved = (self.run_dir / runs.RESOLVED).read_text(encoding="utf-8")
        start = start_of(self.loaded)
        self.monitor, more_is_better = best_monitor(spec, validation=self.dataset.validation is not None)
        self.keeper = KeepRun(
            self.run_dir,
            monitor=self.monitor,
            more_is_better=more_is_better,
            on_epoch=self._on_epoch,
            identity=identity(
                resolved, self.dataset, self.loaded.catalog, start["sha256"] if start else None
            ),
            rhythm=state_rhythm(spec.fit.checkpoint),
            models=keeps_models(spec),
        )
        self.keeper.set_model(self.model)
        if self.extent.state is not None:  # a run that begins with another's has it before it is a run
            self.keeper.resume(self.extent.state, saved=(self.run_dir / runs.STATE).exists())
        self.save_record()
        self.begun = True
        self.watcher.plan(describe(self.loaded, self.dataset, self.model), self.run_dir)
        self.clock.lap("begin")

    def advise(self) -> None:
        """Note the rules of thumb that the spec goes against; `check` says why."""
        from mlpcli.checks.advice import advise

        for item in advise(self.loaded.spec, self.dataset, self.model):
            self.watcher.note(f"advice: {item.headline(self.loaded.text.place(item.path))}")

    def _on_epoch(self, epoch: int, logs: dict[str, float], seconds: float) -> None:
        self.watcher.epoch(epoch, self.loaded.spec.fit.epochs, logs, seconds)

    def fit(self) -> None:
        """Run the epochs on the engine that the spec asks for, or on Keras's own where it cannot be."""
        from mlpcli.model.plugins import import_plugins
        from mlpcli.training.callbacks import CheckFolder, close_logs, keeps_best, log_files, make_callbacks
        from mlpcli.training.fit import fit_model

        plugins = import_plugins(self.loaded.catalog)
        others = [*make_callbacks(self.loaded.spec, self.run_dir, plugins), *self.extent.callbacks]
        self.keeper.take_callbacks(others)
        first = CheckFolder(self.run_dir, log_files(self.loaded.spec))
        try:
            self.record["engine"] = fit_model(
                self.model,
                self.loaded.spec,
                self.dataset,
                [first, *others, self.keeper],
                self.watcher,
                initial_epoch=self._epochs_done(),
            )
        except BaseException:
            close_logs(others)
            raise
        if keeps_best(self.loaded.spec):
            self.keeper.restore_best()
        self.clock.lap("fit")
        self.keeper.write_models()
        self.clock.lap("checkpoints")

    def _epochs_done(self) -> int:
        """Epochs that need not be trained; all of them when a checkpoint says that the training had ended."""
        state = self.extent.state
        if state is None:
            return self.extent.initial_epoch
        return self.loaded.spec.fit.epochs if state.stopped else state.epoch

    def finish(self) -> Outcome:
        """Write the model, the SavedModel, the metrics of every split, the figures; last, that all is done.

        Raises:
            Displaced: a file that a complete run has was taken away.
        """
        with self._exported() as check:
            self.watcher.stage("measuring every split")
            metrics = self.measure()
            self.record["metrics"] = metrics
            self.clock.lap("metrics")
            baseline = self._hold_against_baseline(metrics)
            self.clock.lap("baseline")
            self.draw()
            if self.extent.figures:
                self._picture()
            self.clock.lap("figures")
            check()
        check_complete(self.run_dir, self._promised())
        self.record["status"] = runs.COMPLETED
        self.save_record()
        self.ended = True
        run = runs.open_run(self.run_dir)
        history = self.keeper.history
        return Outcome(
            run,
            metrics,
            len(history),
            self.clock.total(),
            self.monitor,
            self.keeper.best,
            self.keeper.best_epoch,
            baseline,
        )

    def _promised(self) -> list[str]:
        """The files that a complete run has, but for its record."""
        names = [runs.SPEC, runs.RESOLVED, runs.HISTORY, runs.METRICS, runs.MODEL, runs.STATE]
        names += [entry["file"] for entry in self.record.get("plugins", ())]
        if self.keeper.models:
            names += [runs.LAST_CHECKPOINT]
            names += [runs.BEST_CHECKPOINT] if self.keeper.best_values is not None else []
        if self.extent.saved_model:
            names += [f"{runs.SAVED_MODEL}/saved_model.pb"]
        if self.extent.figures:
            names += [runs.LEARNING_CURVES, runs.MODEL_PICTURE, runs.SUMMARY]
        return names

    @contextmanager
    def _exported(self) -> Iterator[Callable[[], None]]:
        """Write the model and the SavedModel; gives what holds the latter against the network in the end.

        A clean process works at it meanwhile. Only a table's SavedModel is more than the network itself.
        """
        from mlpcli.export.saved_model import export_saved_model
        from mlpcli.files import write_with
        from mlpcli.model.preprocessing import with_raw_columns
        from mlpcli.model.target_scaling import restore_outputs

        self.watcher.stage("saving the model")
        complete_model = with_raw_columns(
            restore_outputs(self.model, self.dataset.contract), self.dataset.contract
        )
        write_with(self.run_dir / runs.MODEL, complete_model.save)
        self.record["sha256"] = {runs.MODEL: sha256_of(self.run_dir / runs.MODEL)}
        self.clock.lap("model")
        if self.extent.saved_model:
            export_saved_model(
                self.model, self.loaded.spec, self.dataset.contract, self.run_dir / runs.SAVED_MODEL
            )
            self.clock.lap("saved_model")
        sample, contract = self.dataset.sample, self.dataset.contract
        if not self.extent.saved_model or sample is None:
            yield lambda: None
            return
        from mlpcli.export.verify import verifying

        with verifying(self.run_dir / runs.SAVED_MODEL, contract, sample) as verification:

            def check() -> None:
                self.watcher.stage("checking the SavedModel")
                outputs = self._predict(contract.take_inputs(sample.x))
                self.record["saved_model"] = verification.finish(
                    self.loaded.spec, contract, outputs
                ).to_json()
                self.clock.lap("verification")

            yield check

    def _predict(self, rows: Any) -> Any:
        """What is handed out for rows as the network takes them."""
        from mlpcli.model.outputs import final_outputs
        from mlpcli.training import compiled

        return final_outputs(self.loaded.spec, self.dataset.contract, compiled.predict(self.model, rows))

    def _hold_against_baseline(self, metrics: dict[str, dict[str, float]]) -> dict[str, Any] | None:
        """Write what needs no network beside the metrics, and say so where the network is not better."""
        from mlpcli.model.model import output_loss
        from mlpcli.training.baseline import compare, judged_output, measure_baseline, score_network

        if not self.extent.baseline:
            return None
        baseline = measure_baseline(self.dataset, seed=self.loaded.spec.seed)
        held, output = self.dataset.test or self.dataset.validation, judged_output(self.dataset)
        if baseline is None or held is None or output is None:
            return None
        loss = output_loss(self.loaded.spec, output.name)
        baseline["network"] = score_network(output, held, self._predict(held.x), loss)
        write_json(self.run_dir / runs.METRICS, metrics | {"baseline": baseline})
        if told := compare(baseline):
            self.watcher.note(told)
        return baseline

    def measure(self) -> dict[str, dict[str, float]]:
        """Measure every split and write `metrics.json`."""
        measured = {k: split for k, split in self.dataset.splits().items() if k in self.extent.splits}
        metrics = {name: self._evaluate(split) for name, split in measured.items()}
        write_json(self.run_dir / runs.METRICS, metrics)
        return metrics

    def _evaluate(self, split: Split) -> dict[str, float]:
        from mlpcli.checks.log_names import loss_first
        from mlpcli.training import compiled

        rows = compiled.Arrays(split.x, split.y, split.weights)
        return loss_first(compiled.evaluate(self.model, rows, batch_size=EVALUATION_ROWS))

    def draw(self) -> None:
        """Draw the learning curves of the epochs so far."""
        from mlpcli.plots.learning_curves import draw_learning_curves

        if self.keeper.history and self.extent.figures:
            draw_learning_curves(
                self.keeper.history,
                self.run_dir / runs.LEARNING_CURVES,
                title=self.loaded.spec.name,
                best_epoch=self.keeper.best_epoch,
            )

    def _picture(self) -> None:
        """Draw the model, and what it makes of the plane where there are two features."""
        from mlpcli.plots.model_diagram import picture_model

        picture_model(self.model, self.dataset, self._predict, self.run_dir, title=self.loaded.spec.name)

    def save_record(self, *, last: bool = False) -> None:
        """Write `run.json` with what is known by now; `last` by all means."""
        keeper = getattr(self, "keeper", None)
        if keeper is not None:
            best = {"monitor": self.monitor, "value": keeper.best, "epoch": keeper.best_epoch}
            self.record |= {"epochs": len(keeper.history), "best": best}
        self.record["timings"] = self.clock.seconds | {"total": self.clock.total()}
        if self.record["status"] != runs.RUNNING:
            self.record["ended"] = now()
        write = runs.write_last_record if last else runs.write_record
        write(self.run_dir, self.record)

    def stop(self, status: str, reason: str) -> list[str]:
        """Save what there is of a training that did not come to its end, the weightiest first.

        Nothing is written of one that had not begun: there is no `run.json` yet, and its folder will go.

        Returns what could not be written, and why.
        """
        if not self.begun and not (self.run_dir / runs.RECORD).exists():
            return []
        self.record |= {"status": status, "error": reason}
        steps: list[Callable[[], None]] = [self._save_last_record]
        if getattr(self, "keeper", None) is not None:
            if status == runs.FAILED:  # where the disk is full, the record comes first
                steps += [self._write_state]
            else:
                steps = [self.keeper.write_state, *steps, self._write_models, self.draw]
            if status == runs.INTERRUPTED:
                steps += [self._measure, self._save_last_record]
            steps.append(self._write_history)
        failures = []
        for step in steps:
            try:
                step()
            except Exception as error:  # TensorFlow and HDF5 have their own for a full disk
                failures.append(
                    f"{step.__name__.strip('_').replace('_', ' ')}: {write_failure(error) or error}"
                )
        return failures

    def _save_last_record(self) -> None:
        self.save_record(last=True)

    def _write_state(self) -> None:
        """Save the last whole epoch, unless the disk has it."""
        if self.whole_epochs() > self.keeper.saved:
            self.keeper.write_state()

    def _write_models(self) -> None:
        self.keeper.restore_last()
        self.keeper.write_models()

    def _write_history(self) -> None:
        """The history of what is saved, with the epoch that diverged, if one did."""
        from mlpcli.training.run_callback import history_csv

        failed = self.record["status"] == runs.FAILED
        rows = self.keeper.history[: self.keeper.saved] if failed else self.keeper.history
        if rows:
            write_text(self.run_dir / runs.HISTORY, history_csv(rows))

    def _measure(self) -> None:
        """Metrics of the last whole epoch, or none before the first."""
        if self.keeper.snapshot is not None:
            self.record["metrics"] = self.measure()

    def whole_epochs(self) -> int:
        """Epochs that are trained, as far as they can be gone on from."""
        keeper, state = getattr(self, "keeper", None), self.extent.state
        if keeper is not None and keeper.snapshot is not None:
            return int(keeper.snapshot.epoch)
        return 0 if state is None else state.epoch

    def saved_epochs(self) -> int:
        """Epochs that the checkpoint on the disk has behind it."""
        keeper = getattr(self, "keeper", None)
        if keeper is not None:
            return int(keeper.saved)
        return self.whole_epochs() if (self.run_dir / runs.STATE).exists() else 0

    def way_on(self) -> str:
        """The command that goes on with this run."""
        return runs.resume_command(self.run_dir)


@contextmanager
def _recording(session: _Session) -> Iterator[None]:
    """See to it that `run.json` says how a training ended, however it ends."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:  # Rich leaves by the latter when nobody reads
        if session.begun and not session.ended:
            _save_interrupted(session, str(error) or "interrupted")
        raise
    except Diverged as error:
        session.stop(runs.DIVERGED, str(error))
        raise
    except MlpcliError as error:
        session.stop(runs.FAILED, str(error))
        raise
    except Exception as error:
        gone = error if isinstance(error, Displaced) else displaced(session.run_dir)
        failures = session.stop(runs.FAILED, str(gone or f"{type(error).__name__}: {error}"))
        if gone is not None:
            raise gone from error
        if write_failure(error) is None:
            raise
        recorded = not any(text.startswith("save last record") for text in failures)
        saved = session.saved_epochs()
        raise failure(error, session.run_dir, saved=saved, recorded=recorded) from error


def _save_interrupted(session: _Session, reason: str) -> None:
    """Keep what there is of a training that was told to stop, and say how to go on."""
    with contextlib.suppress(OSError):  # the terminal may be gone
        session.watcher.stage("")
        session.watcher.note(f"interrupted: saving what there is after epoch {session.whole_epochs()}")
    failures = session.stop(runs.INTERRUPTED, reason)
    with contextlib.suppress(OSError):
        for text in failures:
            session.watcher.note(f"could not be written: {text}")
        session.watcher.note(f"go on with: {session.way_on()}")
