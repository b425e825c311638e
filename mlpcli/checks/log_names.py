"""The names under which an epoch's metrics are logged, and the direction in which each is better."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from mlpcli.keras_internals import compiled_metrics, holds_metrics, metric_direction
from mlpcli.runs.scores import more_is_better as more_is_better

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

Mode = Literal["min", "max"]


def loss_first(values: dict[str, float]) -> dict[str, float]:
    """Return the same values with the loss before the metrics, training before validation."""
    return dict(sorted(values.items(), key=_loss_first))


def _loss_first(item: tuple[str, float]) -> tuple[bool, bool, bool]:
    name = item[0].removeprefix("val_")
    return item[0] != name, name != "loss", not name.endswith("loss")


def log_names(model: keras.Model, *, validation: bool) -> list[str]:
    """Return the names that an epoch's logs will have, once the metrics are built."""
    names: list[str] = []
    for metric in model.metrics:
        if holds_metrics(metric) and not compiled_metrics(model):
            continue  # there are none
        result = metric.result() if holds_metrics(metric) else None
        names += _flat_names(result) if isinstance(result, dict) else [metric.name]
    return names + [f"val_{name}" for name in names] if validation else names


def _flat_names(result: Mapping[str, object]) -> Iterator[str]:
    """Yield the names of a metric's values, of which some may hold several."""
    for name, value in result.items():
        if isinstance(value, dict):
            yield from _flat_names(value)
        else:
            yield name


def metric_names(model: keras.Model) -> list[tuple[str, keras.metrics.Metric, list[str]]]:
    """Return every metric that was passed to `compile`, once they are built.

    Returns:
        For each its output (empty where there is one), the metric, and the names of its values in the logs.
    """
    taken: Counter[str] = Counter()
    found = []
    for output, metrics in compiled_metrics(model):
        for metric in metrics:
            full = f"{output}_{metric.name}" if output else metric.name
            name = f"{full}_{taken[full]}" if full in taken else full
            taken[full] += 1
            result = metric.result()
            found.append((output, metric, [*_flat_names(result)] if isinstance(result, dict) else [name]))
    return found


def loss_names(model: keras.Model) -> set[str]:
    """Return the names in an epoch's logs that are losses: the loss, and that of each of several outputs."""
    compiled = {name for _, _, names in metric_names(model) for name in names}
    others = {name for name in log_names(model, validation=False) if name.endswith("loss")}
    return {"loss"} | (others - compiled)


def directions(model: keras.Model, *, validation: bool) -> dict[str, Mode | None]:
    """Return for every name that an epoch's logs will have whether it is better small or large.

    Args:
        model: compiled, its metrics built.
        validation: there are validation rows.

    Returns:
        By name; None where nobody has said it, as for a plug-in's metric.
    """
    modes: dict[str, Mode | None] = dict.fromkeys(log_names(model, validation=False))
    for _, metric, names in metric_names(model):
        known: dict[str | None, Mode] = {"up": "max", "down": "min"}
        modes |= dict.fromkeys(names, known.get(metric_direction(metric)))
    modes |= dict.fromkeys(loss_names(model), "min")
    return modes | ({f"val_{name}": mode for name, mode in modes.items()} if validation else {})


def earlier_names(model: keras.Model) -> dict[str, str]:
    """Return the names under which version 0.1 logged the metrics of scaled targets, each with today's.

    Those that the spec had by a short name were logged as their class: `mae` as `mean_absolute_error`.
    """
    from mlpcli.keras_import import keras
    from mlpcli.model.target_scaling import InOwnUnits

    found: dict[str, str] = {}
    current = log_names(model, validation=False)
    for output, metric, names in metric_names(model):
        if not isinstance(metric, InOwnUnits):
            continue
        try:
            known = str(getattr(keras.metrics.get(metric.name), "name", metric.name))
        except ValueError:  # no short name of Keras's
            continue
        earlier = f"{output}_{known}" if output else known
        if earlier not in current:
            found |= {earlier: names[0], f"val_{earlier}": f"val_{names[0]}"}
    return found
