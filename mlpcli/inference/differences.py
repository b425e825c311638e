"""Which differences between runs are more than chance: of their models, and of their settings."""

from __future__ import annotations

from collections.abc import Sequence

from mlpcli import runs
from mlpcli.errors import AllAtOnce, Problem, UsageError, listing, nearest
from mlpcli.inference.compare_settings import compare_settings
from mlpcli.runs.folder import Run
from mlpcli.runs.main_metric import main_metric
from mlpcli.runs.paired_results import Significance

SETTINGS, MODELS = "settings", "models"


def check_wishes(found: Sequence[Run], *, metric: str | None, split: str | None) -> None:
    """Check that the runs have what a person named, before anything is loaded.

    Args:
        found: the runs.
        metric: the name of a metric; None for none.
        split: the name of a split; None for none.

    Raises:
        UsageError: no run has the split, or not every run has the metric.
    """
    at_once = AllAtOnce()
    at_once.of(_check_split, found, split)
    measured = [list(dict.fromkeys(n for each in run.record.metrics.values() for n in each)) for run in found]
    if metric is not None and all(measured):
        at_once.of(main_metric, found, measured, metric)
    at_once.finish()


def _check_split(found: Sequence[Run], split: str | None) -> None:
    known = [set(run.record.data.rows) for run in found if run.record.data is not None]
    if split is not None and known and not any(split in each for each in known):
        names = list(dict.fromkeys(name for run in found if run.record.data for name in run.record.data.rows))
        rule = "--split: no run has this split"
        raise UsageError(
            Problem(rule, received=split, hint=f"{nearest(split, names)} they have {listing(names)}".strip())
        )


def find_differences(found: Sequence[Run], *, metric: str | None, split: str | None) -> Significance:
    """Test the differences between runs; TensorFlow is loaded only where there are models to compare.

    Args:
        found: the runs.
        metric: its name; None for the first of the specs.
        split: the rows for the models; None for the usual ones, see `common_rows`.
    """
    settings, refused = compare_settings(found, metric=metric)
    because = {SETTINGS: refused} if refused else {}
    without = [run for run in found if not (run / runs.MODEL).exists() or run.record.data is None]
    if len(found) - len(without) < 2:
        reasons = tuple(f"run {run.label} has no model (it {run.describe()})" for run in without)
        return Significance(settings, None, because | {MODELS: reasons})
    from mlpcli.inference.compare import compare_models

    models, refused = compare_models(found, metric=metric, split=split)
    return Significance(settings, models, because | ({MODELS: refused} if refused else {}))
