"""Which differences between runs are more than chance: of their models, and of their settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlpcli import runs
from mlpcli.data.first_look import check_new_rows
from mlpcli.data.readers.reading import AS_RECORDED
from mlpcli.errors import AllAtOnce, Problem, UsageError, listing, nearest
from mlpcli.inference.compare_settings import compare_settings
from mlpcli.model.run_contract import run_contract
from mlpcli.runs.folder import Run
from mlpcli.runs.main_metric import main_metric
from mlpcli.runs.paired_results import Significance

SETTINGS, MODELS = "settings", "models"


def check_wishes(
    found: Sequence[Run], *, metric: str | None, split: str | None, data: Path | None = None
) -> None:
    """Check that the runs have what a person named, before anything is loaded.

    Args:
        found: the runs.
        metric: the name of a metric; None for none.
        split: the name of a split; None for none.
        data: a file of rows with their targets; None for none.

    Raises:
        UsageError: no run has the split, or not every run has the metric.
        DataError: the file is missing, or lacks a column.
    """
    at_once = AllAtOnce()
    at_once.of(_check_split, found, split)
    measured = [list(dict.fromkeys(n for each in run.record.metrics.values() for n in each)) for run in found]
    if metric is not None and all(measured):
        at_once.of(main_metric, found, measured, metric)
    for run in found if data is not None else ():
        if run.record.data is not None:
            at_once.of(check_new_rows, str(data), run_contract(run), target=True, reading=AS_RECORDED)
    at_once.finish()


def _check_split(found: Sequence[Run], split: str | None) -> None:
    known = [set(run.record.data.rows) for run in found if run.record.data is not None]
    if split is not None and known and not any(split in each for each in known):
        names = list(dict.fromkeys(name for run in found if run.record.data for name in run.record.data.rows))
        rule = "--split: no run has this split"
        raise UsageError(
            Problem(rule, received=split, hint=f"{nearest(split, names)} they have {listing(names)}".strip())
        )


def find_differences(
    found: Sequence[Run], *, metric: str | None, split: str | None, data: Path | None = None
) -> Significance:
    """Test the differences between runs; TensorFlow is loaded only where there are models to compare.

    Args:
        found: the runs.
        metric: its name; None for the first of the specs.
        split: the rows for the models; None for the usual ones, see `common_rows`.
        data: a file of rows for the models, instead; then only the models are tested.
    """
    settings, refused = compare_settings(found, metric=metric) if data is None else (None, ())
    because = {SETTINGS: refused} if refused else {}
    without = [run for run in found if not (run / runs.MODEL).exists() or run.record.data is None]
    if len(found) - len(without) < 2:
        reasons = tuple(f"run {run.label} has no model (it {run.describe()})" for run in without)
        return Significance(settings, None, because | {MODELS: reasons})
    from mlpcli.inference.compare import compare_models

    models, refused = compare_models(found, metric=metric, split=split, data=data)
    return Significance(settings, models, because | ({MODELS: refused} if refused else {}))
