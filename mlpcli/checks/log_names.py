"""The names under which an epoch's metrics are logged, and the direction in which each is better."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlpcli.keras_internals import holds_metrics

if TYPE_CHECKING:
    from mlpcli.keras_import import keras


def more_is_better(name: str) -> bool:
    """Return whether a metric of this name is better the greater it is."""
    words = ("acc", "auc", "precision", "recall", "f1", "fbeta", "r2", "iou", "similarity", "at_")
    return any(word in name for word in words)


def loss_first(values: dict[str, float]) -> dict[str, float]:
    """Return the same values with the loss before the metrics, training before validation."""
    return dict(sorted(values.items(), key=_loss_first))


def _loss_first(item: tuple[str, float]) -> tuple[bool, bool, bool]:
    name = item[0].removeprefix("val_")
    return item[0] != name, name != "loss", not name.endswith("loss")


def log_names(model: keras.Model, *, validation: bool) -> list[str]:
    """Return the names that an epoch's logs will have, once the metrics are built."""
    names = [metric.name for metric in model.metrics]
    flat: list[str] = []
    for metric in model.metrics:
        flat += _names_of(metric)
    names = flat or names
    return names + [f"val_{name}" for name in names] if validation else names


def _names_of(metric: keras.metrics.Metric) -> list[str]:
    """Return the names of a metric; a CompileMetrics holds several."""
    if holds_metrics(metric):
        result = metric.result()
        return list(result) if isinstance(result, dict) else [metric.name]
    return [metric.name]
