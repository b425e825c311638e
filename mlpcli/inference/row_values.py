"""Per row, what each loss and metric of a run is made of; for intervals, and for tests on the same rows.

    trained = load_trained(run)
    split, warnings = own_split(trained, own_data(trained), "test")
    found = row_values(trained, split)
    for metric in found.metrics:
        metric.names                    # ("accuracy",); as in `evaluate` and `metrics.json`
        metric.output                   # "" for the only output
        rows = np.arange(metric.rows)
        added = metric.addends(rows)    # (rows, addends): what each row adds
        metric.values(added.sum(0))     # (names,): Keras's values over all rows
        metric.is_mean                  # then added[:, 0] / added[:, 1] is the value of each row

Pairs of models on the same rows: `metric.sums(seed)` of each, (units, addends), where a unit is a row or, of
more than 4,000 rows, a random group that is the same for both; draws of units from
`statistics.bootstrap.draw_counts`; values of `counts @ sums` from `metric.values`. The units in which metrics
are shown are those of the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlpcli.data.dataset import Split
from mlpcli.model.outputs import evaluated_rows
from mlpcli.model.trained_model import TrainedModel
from mlpcli.training import compiled
from mlpcli.training.row_metrics import RowMetric, measure_rows, row_metrics


@dataclass(frozen=True)
class RowValues:
    """What the metrics of a run are made of on some rows.

    Attributes:
        metrics: Those that are functions of sums over rows.
        left_out: By name of the others, why they are not.
        rows: The positions of the rows in the run's data, (rows,) int64.
    """

    metrics: tuple[RowMetric, ...]
    left_out: Mapping[str, str]
    rows: object

    def metric(self, name: str) -> RowMetric | None:
        """Return the metric with a value of this name; None where there is none."""
        return next((each for each in self.metrics if name in each.names), None)


def row_values(trained: TrainedModel, split: Split) -> RowValues:
    """Return what each row of a split adds to each loss and metric of a run.

    Args:
        trained: The run's model.
        split: Rows with their targets.
    """
    batch_size = evaluated_rows(trained.spec, trained.contract)
    measured = measure_rows(trained.model, split, batch_size=batch_size)
    build_metrics(trained, split, batch_size)
    metrics, reasons = row_metrics(trained.model, measured)
    return RowValues(tuple(metrics), reasons, split.rows)


def build_metrics(trained: TrainedModel, split: Split, batch_size: int) -> None:
    """Evaluate one row where nothing was evaluated yet: Keras creates losses and metrics then."""
    from mlpcli.keras_internals import compiled_parts

    loss, metrics, _ = compiled_parts(trained.model)
    if all(each is None or each.built for each in (loss, metrics)):
        return
    compiled.evaluate(trained.model, compiled.Arrays(split.x, split.y, split.weights), batch_size=batch_size)
