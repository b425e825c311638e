"""The files that a training leaves at its end: models, metrics, baseline and figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mlpcli import runs
from mlpcli.checks.columns_alone import column_skills
from mlpcli.checks.log_names import loss_first
from mlpcli.data.dataset import Dataset, Split
from mlpcli.data.stored.release import release_memory
from mlpcli.data.stored.sampled_rows import sampled
from mlpcli.data.types import Array, Arrays
from mlpcli.export.saved_model import export_saved_model
from mlpcli.export.verify import verifying
from mlpcli.files import sha256_of, write_json, write_with
from mlpcli.keras_import import keras
from mlpcli.model.build import output_loss
from mlpcli.model.id_layers import id_layers
from mlpcli.model.outputs import evaluated_rows, final_outputs
from mlpcli.model.raw_column_network import with_raw_columns
from mlpcli.model.target_scaling import restore_outputs
from mlpcli.runs.leaking_columns import best_columns
from mlpcli.runs.results import Intervals, intervals_json
from mlpcli.training import compiled
from mlpcli.training.baseline import Baseline, judged_output, notes_on, score_network
from mlpcli.training.fit_predictions import FittedPredictions
from mlpcli.training.held_out import write_held_out
from mlpcli.training.intervals import WORK_IN_TRAINING, find_intervals, no_intervals
from mlpcli.training.job import TrainingJob
from mlpcli.training.network_probe import record_network
from mlpcli.training.row_metrics import MeasuredRows, measure_rows, why_not_measured
from mlpcli.training.run_figures import Write, begin_boundary, begin_curves, begin_diagram, begin_reliability
from mlpcli.training.undefined_metrics import undefined_metrics, undefined_notes, without_undefined

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

QUICK_COLUMNS = 100
"""The most columns that are tried alone at the end of a training: some 1.5 ms each."""


@dataclass(frozen=True)
class Artifacts:
    """Writes the files of one training's end.

    Attributes:
        job: The training.
        record: `run.json`, to which checksums and the verification are added.
        network: What is saved in place of the job's model; None for that, with its optimizer.
        fitted: What was fitted after the training; None for nothing.
        intervals: By split, those of the metrics, once they are measured.
        measured: By split, the rows with the network's outputs, likewise.
    """

    job: TrainingJob
    record: dict[str, object]
    network: keras.Model | None = None
    fitted: FittedPredictions | None = None
    intervals: dict[str, Intervals] = field(default_factory=dict)
    measured: dict[str, MeasuredRows] = field(default_factory=dict)

    @property
    def further_files(self) -> list[str]:
        """The files that this run has and others have not, relative to its folder."""
        drawn = self.job.options.figures and self.fitted is not None and bool(self.fitted.curves)
        return [runs.RELIABILITY] if drawn else []

    @property
    def entries(self) -> dict[str, object]:
        """The entries of `metrics.json` that are no metrics of a split."""
        return self.fitted.entries if self.fitted is not None else {}

    @contextmanager
    def exported(self) -> Iterator[Callable[[], None]]:
        """Write the model and the SavedModel, and verify the latter in a clean process meanwhile.

        Yields:
            What waits for the verification and compares its outputs with the network's. Only a table's
            SavedModel holds more than the network, so for other data it does nothing. With `fit.memory` that
            was done before, so that nothing large is in memory beside the other process.
        """
        job, contract = self.job, self.job.dataset.contract
        job.watcher.stage("saving the model")
        complete_model = with_raw_columns(restore_outputs(self.network or job.model, contract), contract)
        write_with(job.run_dir / runs.MODEL, complete_model.save)
        self.record["sha256"] = {runs.MODEL: sha256_of(job.run_dir / runs.MODEL)}
        job.clock.lap("model")
        if job.options.saved_model:
            export_saved_model(job.model, job.completed.spec, contract, job.run_dir / runs.SAVED_MODEL)
            job.clock.lap("saved_model")
        sample = job.dataset.sample
        if not job.options.saved_model or sample is None:
            yield lambda: None
            return
        if self._memory is not None:
            release_memory()
        with verifying(job.run_dir / runs.SAVED_MODEL, contract, sample) as verification:

            def check() -> None:
                job.watcher.stage("checking the SavedModel")
                outputs = self.predict(contract.take_inputs(sample.x))
                verdict = verification.finish(job.completed.spec, contract, outputs)
                self.record["saved_model"] = verdict.to_json()
                job.clock.lap("verification")

            if self._memory is None:
                yield check
                return
            check()
        yield lambda: None

    def predict(self, rows: Arrays) -> Arrays:
        """Return the outputs that a user sees, for rows as the network takes them."""
        spec, contract = self.job.completed.spec, self.job.dataset.contract
        outputs: Arrays = final_outputs(spec, contract, compiled.predict(self.job.model, rows))
        return outputs

    def measure(self) -> dict[str, dict[str, float]]:
        """Measure the splits and write `metrics.json`; return the metrics by split and name."""
        splits = self.job.dataset.splits().items()
        metrics = {name: self.evaluate(split) for name, split in splits if name in self.job.options.splits}
        self.find_intervals(metrics)
        write_json(self.job.run_dir / runs.METRICS, self.document(metrics))
        if (held_out := self.job.dataset.held_out) is not None:
            outputs = compiled.predict(self.job.model, held_out.x)
            write_held_out(self.job.run_dir / runs.HELD_OUT, held_out.rows, outputs)
        return metrics

    def record_network(self) -> None:
        """Record what the doctor looks at of the trained network and of its data."""
        record_network(self.job, self.record)
        if self.job.options.probe:
            skills = column_skills(self._in_memory, self.job.completed.spec.seed, most=QUICK_COLUMNS)
            if best := best_columns(list(skills)):
                self.record["columns"] = [each.model_dump(exclude_defaults=True) for each in best]
        self.job.clock.lap("probe")

    def document(
        self, metrics: Mapping[str, object], *, baseline: dict[str, object] | None = None
    ) -> dict[str, object]:
        """Return `metrics.json`: metrics by split, their intervals, and what else was found so far."""
        further: dict[str, object] = {} if baseline is None else {"baseline": baseline}
        return {**metrics, **intervals_json(self.intervals), **further, **self.entries}

    @property
    def _at_once(self) -> int:
        return evaluated_rows(self.job.completed.spec, self.job.dataset.contract)

    @property
    def _memory(self) -> int | None:
        return self.job.completed.spec.fit.memory_bytes

    @cached_property
    def _in_memory(self) -> Dataset:
        """The data, or some of its rows where it is in files."""
        return sampled(self.job.dataset, self._memory)

    def evaluate(self, split: Split) -> dict[str, float]:
        """Return the metrics of a split by name."""
        rows = compiled.Arrays(split.x, split.y, split.weights)
        return loss_first(compiled.evaluate(self.job.model, rows, batch_size=self._at_once))

    def find_intervals(self, metrics: Mapping[str, Mapping[str, float]]) -> None:
        """Find the intervals of metrics, by split, where they are wanted.

        There are none of the training rows: the network has seen them, so that they say nothing of new rows.
        """
        splits = self.job.dataset.splits()
        wanted = [name for name in metrics if name != "train"] if self.job.options.intervals else []
        for name in wanted:
            why = why_not_measured(self.job.model, splits[name], self._memory)
            if why:
                self.intervals[name] = no_intervals(len(splits[name]), metrics[name], why)
                continue
            self.measured[name] = measure_rows(self.job.model, splits[name], batch_size=self._at_once)
        model, seed = self.job.model, self.job.completed.spec.seed
        for name in [each for each in metrics if each in self.measured]:
            rows, shown = self.measured[name], metrics[name]
            found = find_intervals(model, rows, shown, seed=seed, most_work=WORK_IN_TRAINING)
            undefined = undefined_metrics(model, rows)
            self.intervals[name] = without_undefined(found, undefined)
            for note in undefined_notes(undefined):
                self.job.watcher.note(f"{name} rows: {note}")

    def compare_with_baseline(
        self, metrics: Mapping[str, dict[str, float]], measured: Callable[[], Baseline | None]
    ) -> dict[str, object] | None:
        """Add the scores of models without a network to `metrics.json`; note when one is as good.

        Args:
            metrics: The metrics by split and name, which the file holds already.
            measured: Waits for these scores; see `begin_baseline`.

        Returns:
            The scores as `metrics.json` has them; None where no such model applies.
        """
        dataset, spec = self._in_memory, self.job.completed.spec
        baseline = measured()
        held_out, output = dataset.test or dataset.validation, judged_output(dataset)
        if baseline is None or held_out is None or output is None:
            return None
        document = baseline.to_json(self.scores_like_baseline(), spec, output)
        if dataset is not self.job.dataset and len(held_out) < len(self.job.dataset.splits()[baseline.split]):
            document["sampled_rows"] = len(held_out)
        write_json(self.job.run_dir / runs.METRICS, self.document(metrics, baseline=document))
        for note in notes_on(baseline, document, spec, self.intervals.get(baseline.split), len(held_out)):
            self.job.watcher.note(note)
        return document

    def scores_like_baseline(self) -> dict[str, float]:
        """Return the network's scores by the metrics of a baseline; see `score_network`."""
        dataset = self._in_memory
        held_out, output = dataset.test or dataset.validation, judged_output(dataset)
        if held_out is None or output is None:
            return {}
        loss = output_loss(self.job.completed.spec, output.name)
        return score_network(output, held_out, self._outputs_of(held_out), loss)

    def _outputs_of(self, split: Split) -> Arrays:
        """Return the outputs that a user sees for a split, whose rows may have passed the network already."""
        for each in self.measured.values():
            if each.split is split:
                spec, contract = self.job.completed.spec, self.job.dataset.contract
                outputs: Arrays = final_outputs(spec, contract, each.outputs.values)
                return outputs
        return self.predict(split.x)

    def draw_curves(self, history: list[dict[str, float]], best_epoch: int | None) -> None:
        """Draw the learning curves of the epochs so far."""
        self.begin_curves(history, best_epoch)()

    def begin_figures(self, history: list[dict[str, float]], best_epoch: int | None) -> Write:
        """Begin to draw the learning curves, the model, and where there are two features the plane.

        Args:
            history: A row for each epoch.
            best_epoch: The best of them.

        Returns:
            What waits for the figures and writes them.
        """

        def predict(rows: Array) -> Array:  # of one input and one output, where it is called
            return np.asarray(self.predict(rows))

        job, title = self.job, self.job.completed.spec.name
        if not job.options.figures:
            return lambda: None
        writes = [
            self.begin_curves(history, best_epoch),
            begin_diagram(
                job.model if self.fitted is None else self.fitted.trained,
                job.dataset.contract,
                job.run_dir,
                title=title,
            ),
            begin_reliability(
                self.fitted.curves if self.fitted else {}, job.dataset.contract, job.run_dir, title=title
            ),
        ]
        if not id_layers(job.model, job.completed.spec):  # which take no number between two ids
            writes.append(
                begin_boundary(self._in_memory, predict, job.run_dir, title=title, network=job.model)
            )

        def write_all() -> None:
            for write in writes:
                write()

        return write_all

    def begin_curves(self, history: list[dict[str, float]], best_epoch: int | None) -> Write:
        """Begin to draw the learning curves; return what writes them."""
        if not self.job.options.figures:
            return lambda: None
        spec = self.job.completed.spec
        return begin_curves(
            history,
            self.job.run_dir,
            title=spec.name,
            best_epoch=best_epoch,
            planned=spec.fit.epochs,
        )
