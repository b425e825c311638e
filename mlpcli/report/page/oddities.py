"""What is worth a look in a run's records, a sentence each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from mlpcli import runs
from mlpcli.report.console import format_number
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import MetricsRecord, read_history, read_record
from mlpcli.runs.run_values import status_of
from mlpcli.runs.scores import more_is_better

GAP = 1.5
"""Validation losses that many times the training loss are told."""


def find_oddities(run: Run) -> Iterator[str]:
    """Yield what is worth a look: an end too early or too late, a gap, no gain over simple models.

    Raises:
        RunError: a file of the run is damaged.
    """
    status = status_of(run)
    if status != runs.COMPLETED:
        reason = f": {run.record.error}" if run.record.error else ""
        yield f"the training did not end: it is {status}{reason}"
    try:
        history = read_history(run / runs.HISTORY)
    except FileNotFoundError:
        history = []
    best = run.record.best
    if history and best is not None and best.epoch is not None:
        yield from _about_the_end(history, best.epoch, best.monitor)
    if history:
        yield from _about_losses(history, best.epoch if best is not None else None)
    try:
        yield from _about_baselines(read_record(run / runs.METRICS, MetricsRecord))
    except FileNotFoundError:
        return


def _about_the_end(history: Sequence[dict[str, float]], best: int, monitor: str) -> Iterator[str]:
    epochs = len(history)
    if epochs >= 5 and best == epochs:
        yield f"the last epoch is the best by {monitor}: with more epochs it may still get better"


def _about_losses(history: Sequence[dict[str, float]], best: int | None) -> Iterator[str]:
    last = history[-1]
    if not all(math.isfinite(value) for value in last.values()):
        yield "the last epoch has values that are no finite numbers"
        return
    kept = history[(best or len(history)) - 1] if best is None or best <= len(history) else last
    loss, held = kept.get("loss"), kept.get("val_loss")
    if loss is None or held is None or loss <= 0:
        return
    if held > GAP * loss:
        numbers = f"{format_number(held)} against {format_number(loss)}"
        yield (
            f"in the epoch that was kept the validation loss is {held / loss:.1f} times the training loss "
            f"({numbers}): the network fits its training rows better than others"
        )
    if len(history) >= 5 and last["loss"] > 0.99 * history[0]["loss"]:
        yield "the training loss hardly fell: the learning rate may be too low or too high"


def _about_baselines(measured: MetricsRecord) -> Iterator[str]:
    if "threshold" in (measured.model_extra or {}):  # chosen for something else than this metric
        return
    baseline = measured.baseline
    metric, network = baseline.get("metric"), baseline.get("network")
    if not isinstance(metric, str) or not isinstance(network, float):
        return
    for name in ("linear", "majority", "mean"):
        value = baseline.get(name)
        if isinstance(value, float):
            better = network > value if more_is_better(metric) else network < value
            if not better:
                words = {"linear": "a linear model", "majority": "the majority class"}.get(name, "the mean")
                numbers = f"{metric} {format_number(network)} against {format_number(value)}"
                where = f"on the {baseline.get('split', 'test')} rows"
                yield f"the network is no better than {words} {where} ({numbers})"
                return
