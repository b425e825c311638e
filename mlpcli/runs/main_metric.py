"""The metric by which runs are compared: the first of their specs that all have, or one that is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlpcli import runs
from mlpcli.errors import Problem, UsageError, listing, nearest, show_value
from mlpcli.runs.folder import Run
from mlpcli.runs.scores import more_is_better
from mlpcli.spec.keras_source import snake_case
from mlpcli.spec.yaml_reader import read_text

LESS_IS_BETTER = ("loss", "error", "false_", "entropy", "hinge", "divergence", "poisson", "log_cosh")
LESS_IS_BETTER_ALONE = ("mse", "mae", "mape", "msle", "rmse", "bce", "kld", "mean_pinball")
"""Names, and words in the names, of metrics that are better the smaller they are."""

LOSS = "loss"


@dataclass(frozen=True)
class _Metric:
    """A metric of a spec: its output (empty for the only one), its plain name, and how it is written."""

    output: str
    name: str
    written: object

    def is_logged_as(self, name: str) -> bool:
        """Return whether this is a name that the metric, or one of its values, may have in the logs."""
        full = f"{self.output}_{self.name}" if self.output else self.name
        return name == full or name.startswith(f"{full}_")


def main_metric(found: Sequence[Run], names: Sequence[Sequence[str]], wanted: str | None) -> str:
    """Return the metric by which runs are compared.

    Args:
        found: the runs.
        names: of each run the names of what was measured.
        wanted: the metric that a person named.

    Returns:
        That one; otherwise the first metric of the first run's spec that all runs have; otherwise the loss.

    Raises:
        UsageError: some run does not have it, or the runs have none in common.
    """
    shared = [name for name in names[0] if all(name in each for each in names)]
    if wanted is not None:
        if wanted in shared:
            return wanted
        rule = "--metric: is not a metric that all runs have"
        have = f"they have {listing(shared, 12)}" if shared else "they have none in common"
        have = " ".join(filter(None, [nearest(wanted, shared), have]))
        raise UsageError(Problem(rule, received=wanted, hint=have))
    written = [metric for run in found[:1] for metric in _metrics_of(run)]
    others = [name for name in shared if name != LOSS]
    ranked = [name for metric in written for name in others if metric.is_logged_as(name)]
    for name in (*ranked, *others, LOSS):
        if name in shared and not why_not_comparable(found, name):
            return name
    rule = "the runs have no metric in common by which they can be compared"
    raise UsageError(Problem(rule, hint="give their specs the same metric, such as metrics: [mae]"))


def why_not_comparable(found: Sequence[Run], name: str) -> str:
    """Return why values of the same name are not of the same metric; an empty text where they are.

    A loss is one of its kind, on targets in its scale, with its weights; a metric has arguments.
    """
    keys = [meaning_of(run, name) for run in found]
    different = next((each for each in keys if each != keys[0]), None)
    if different is None:
        return ""
    for key, value in keys[0].items():
        if (other := different.get(key)) != value:
            return f"{name} is another in each: {key} is {show_value(value)} and {show_value(other)}"
    return f"{name} is another in each"


def meaning_of(run: Run, name: str) -> dict[str, object]:
    """Return the settings on which the meaning of a logged value, such as `loss` or `accuracy`, depends."""
    spec = _resolved(run)
    dataset, fit = (spec.get(key) for key in ("dataset", "fit"))
    if name == LOSS or name.endswith("_loss"):
        return {
            "loss": spec.get("loss"),
            "dataset.target_scaling": dataset.get("target_scaling") if isinstance(dataset, dict) else None,
            "dataset.weights": dataset.get("weights") if isinstance(dataset, dict) else None,
            "fit.class_weight": fit.get("class_weight") if isinstance(fit, dict) else None,
        }
    return {"metrics": [each.written for each in _metrics_of(run) if each.is_logged_as(name)][:1]}


def losses_of(run: Run) -> list[str]:
    """Return the names of a run's losses, one for each output: `mse`, `Huber`."""
    written = _resolved(run).get("loss")
    several = written.values() if isinstance(written, dict) and not _is_class(written) else [written]
    return [str(next(iter(each), "")) if isinstance(each, dict) else str(each) for each in several]


def _is_class(written: dict[object, object]) -> bool:
    """Return whether a mapping is a loss with its arguments, `{Huber: {delta: 2}}`, not one by output."""
    (first, *others) = written or {"": None}
    return (
        not others
        and (isinstance(written.get(first), dict) or written.get(first) is None)
        and (str(first)[:1].isupper())
    )


def _metrics_of(run: Run) -> Iterator[_Metric]:
    """Yield the metrics of a run's spec, in its order."""
    written = _resolved(run).get("metrics")
    by_output = written if isinstance(written, dict) else {"": written}
    for output, several in by_output.items():
        for metric in several if isinstance(several, list) else [several]:
            yield _Metric(str(output), _plain_name(metric), metric)


def _plain_name(metric: object) -> str:
    """Return the name under which a metric is logged by default: `auc` for AUC."""
    if isinstance(metric, dict) and len(metric) == 1:
        ((kind, arguments),) = metric.items()
        name = arguments.get("name") if isinstance(arguments, dict) else None
        return str(name) if name else snake_case(str(kind))
    text = str(metric)
    return snake_case(text) if text[:1].isupper() else text


def _resolved(run: Run) -> dict[str, object]:
    path = run / runs.RESOLVED
    return dict(read_text(path).data) if path.is_file() else {}


def direction_of(found: Sequence[Run], name: str) -> bool | None:
    """Return whether a metric is better the greater it is, by what the runs recorded, or else by its name.

    Returns:
        None where nothing says it.
    """
    for run in found:
        best = run.record.best
        if best is not None and best.direction and best.monitor.removeprefix("val_") == name:
            return best.direction == "max"
    if name in LESS_IS_BETTER_ALONE or any(word in name for word in LESS_IS_BETTER):
        return False
    return True if more_is_better(name) else None
