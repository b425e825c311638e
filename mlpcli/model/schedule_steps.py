"""The lengths of schedules in steps: `{share: 0.5}` of the training and `{epochs: 5}` become numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mlpcli.spec import keras_signatures
from mlpcli.spec.plugins import KERAS, Catalog
from mlpcli.spec.schedule_lengths import EPOCHS, WHOLE_BY_DEFAULT, WHOLE_TRAINING, has_unit, is_length
from mlpcli.spec.schema import ComponentSpec, Spec
from mlpcli.spec.values import Value, ValueMap

SCHEDULES = "optimizers.schedules"
KINDS = (SCHEDULES, "optimizers")
"""The kinds of components that have lengths."""

MAY_BE_0 = ("warmup_steps", "boundaries")

Length = Callable[[str, str, float], Value]
"""Returns a length in another unit; given are the argument's name, the unit and the number."""


def with_steps(spec: Spec, rows: int, catalog: Catalog = KERAS) -> Spec:
    """Return a spec whose schedules have lengths in steps.

    The whole training has the spec's `fit.epochs`. A step is a batch, and in a callback an epoch.

    Args:
        spec: the spec.
        rows: of the training.
        catalog: the names that the spec may use.
    """
    by_batch = _in_steps(spec.fit.epochs, -(-rows // spec.fit.batch_size))
    return spec.model_copy(update=_all(spec, by_batch, _in_steps(spec.fit.epochs, 1), catalog))


def for_epochs(spec: Spec, epochs: int, whole: int, catalog: Catalog = KERAS) -> Spec:
    """Return a spec that trains only the first epochs of a whole training, as a trial of Hyperband does.

    Args:
        spec: the spec.
        epochs: how many it trains.
        whole: how many its schedules are made for; their shares become epochs.
        catalog: the names that the spec may use.
    """

    def in_epochs(name: str, unit: str, number: float) -> Value:
        return {EPOCHS: number if unit == EPOCHS else number * whole}

    fit = spec.fit.model_copy(update={"epochs": epochs})
    return spec.model_copy(update={"fit": fit, **_all(spec, in_epochs, in_epochs, catalog)})


def _all(spec: Spec, by_batch: Length, by_epoch: Length, catalog: Catalog) -> dict[str, object]:
    """Return the components of a spec that have schedules, each with its lengths changed."""
    return {
        "layers": [_changed(each, by_batch, catalog) for each in spec.layers],
        "optimizer": _changed(spec.optimizer, by_batch, catalog),
        "callbacks": [_changed(each, by_epoch, catalog) for each in spec.callbacks],
    }


def _in_steps(epochs: int, batches: int) -> Length:
    def steps(name: str, unit: str, number: float) -> Value:
        found = round(number * batches * (1 if unit == EPOCHS else epochs))
        return max(found, 0 if name in MAY_BE_0 else 1)

    return steps


@dataclass(frozen=True)
class _Change:
    """Goes through the arguments of components and changes the lengths in them."""

    length: Length
    catalog: Catalog

    def value(self, value: Value) -> Value:
        """Return a value with the lengths in it changed."""
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, given),) = value.items()
            for kind in KINDS:
                if name in self.catalog.class_names(kind) and isinstance(given, dict | None):
                    return {name: self.arguments(kind, name, given or {})}
        return {key: self.value(item) for key, item in value.items()}

    def arguments(self, kind: str, class_name: str, given: Mapping[str, Value]) -> ValueMap:
        """Return the arguments of a schedule or an optimizer."""
        if kind == SCHEDULES and WHOLE_BY_DEFAULT in self._required(class_name):
            given = {WHOLE_BY_DEFAULT: dict(WHOLE_TRAINING)} | dict(given)
        return {
            name: self.argument(name, item) if is_length(kind, name) else self.value(item)
            for name, item in given.items()
        }

    def argument(self, name: str, value: Value) -> Value:
        """Return a length, or a list of lengths."""
        if isinstance(value, list):
            return [self.argument(name, item) for item in value]
        if not isinstance(value, dict) or not has_unit(value):
            return value
        ((unit, number),) = value.items()
        assert isinstance(number, int | float)
        return self.length(name, unit, number)

    def _required(self, class_name: str) -> tuple[str, ...]:
        own = class_name in keras_signatures.own_class_names(SCHEDULES)
        return keras_signatures.signature(SCHEDULES, class_name).required if own else ()


def _changed(component: ComponentSpec, length: Length, catalog: Catalog) -> ComponentSpec:
    change = _Change(length, catalog)
    found = change.value({component.class_name: component.arguments})
    assert isinstance(found, dict)
    ((_, arguments),) = found.items()
    return component.model_copy(update={"arguments": arguments})
