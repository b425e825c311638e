"""A plug-in's loss or metric that compares the label of each row with the outputs of all rows.

Labels, (rows,), less outputs of one unit, (rows, 1), are (rows, rows): no error, and another number. Such
code is found by its values on a few rows, in both shapes that the labels may have:

- the labels in another order give the same value, and in the other shape they do not;
- or the rows together give another value than the rows one by one, and in the other shape they do not.

A loss of a whole batch, such as a correlation, gives another value in both shapes, and passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from mlpcli.checks.output_views import OutputView, canonical
from mlpcli.data.stored.stored_array import StoredArray
from mlpcli.data.types import Array
from mlpcli.errors import KeyPath, Problem
from mlpcli.keras_import import keras
from mlpcli.model.components import make_component
from mlpcli.model.plugins import Plugins
from mlpcli.spec.schema import ComponentSpec

ROWS, READ_ROWS = 8, 5000
"""Rows that are compared, and the training rows of whose labels they are chosen."""

EQUAL, DIFFERENT = 1e-4, 1e-3
"""Relative differences up to which values are the same, and from which they are not."""

Value: TypeAlias = Callable[[Array, Array], Array]
"""From labels, (rows,) or (rows, 1), and outputs, (rows, 1), to the value or values of a loss or metric."""


def broadcasting_problems(
    view: OutputView, labels: Array | StoredArray, plugins: Plugins
) -> Iterator[Problem]:
    """Yield the losses and metrics of plug-ins that compare each label with the outputs of other rows.

    Args:
        view: the output.
        labels: of the training rows.
        plugins: the spec's plug-ins.
    """
    if view.units != 1 or len(view.shape) != 1 or view.output.steps or labels.ndim != 1:
        return
    named: list[tuple[str, KeyPath, ComponentSpec]] = [("losses", view.loss_path, view.loss)]
    named += [("metrics", path, component) for path, component in view.metrics]
    rows = _some_rows(np.asarray(labels[:READ_ROWS]), numbers=view.output.kind == "numbers")
    for namespace, path, component in named:
        if rows is None or canonical(component, namespace):
            continue
        try:
            made = make_component(component, namespace, path, plugins)
            wrong = _mixes_rows(made, namespace, *rows)
        except Exception:  # whatever fails here is reported where the model is tried
            continue
        if wrong:
            yield _problem(made, namespace, path, component, plugins)


def _some_rows(labels: Array, *, numbers: bool) -> tuple[Array, Array] | None:
    """Return labels in order, and outputs near them, (rows,) each; None where all labels are the same."""
    distinct = np.unique(labels.astype(np.float32))
    distinct = distinct[np.isfinite(distinct)]
    if len(distinct) < 2:
        return None
    places = np.linspace(0, len(distinct) - 1, ROWS).round().astype(int)
    chosen = distinct[places]
    if numbers:
        return chosen, np.float32(0.9) * chosen + np.float32(0.1) * chosen.max()
    return chosen, np.linspace(0.1, 0.9, ROWS, dtype=np.float32)


def _mixes_rows(made: object, namespace: str, labels: Array, outputs: Array) -> bool:
    """Return whether a loss or metric compares labels with the outputs of other rows.

    Args:
        made: as `make_component` returns it.
        namespace: `losses` or `metrics`.
        labels: (rows,) in order.
        outputs: (rows,), near the labels.
    """
    flat, columns = labels, labels[:, None]
    given, other = (columns, flat) if is_function(made) else (flat, columns)
    outputs = outputs[:, None]
    value = _value_of(made, namespace)
    together = value(given, outputs)
    one_by_one = _one_by_one(made, namespace, given, outputs)
    turned = value(given[::-1], outputs)
    try:
        reshaped, reshaped_turned = value(other, outputs), value(other[::-1], outputs)
    except Exception:  # it takes labels as they are given, and no others
        return False
    if not _different(reshaped, reshaped_turned):
        return False  # in the other shape it is no comparison of labels with outputs
    if _equal(together, turned):
        return True
    return all(_different(together, each) for each in one_by_one) and any(
        _equal(reshaped, each) for each in one_by_one
    )


def is_function(made: object) -> bool:
    """Return whether a loss or metric is a plain function, which gets labels in the shape of the outputs."""
    return callable(made) and not isinstance(made, keras.losses.Loss | keras.metrics.Metric)


def _value_of(made: object, namespace: str) -> Value:
    """Return what computes the value of a loss or metric on some rows."""
    if isinstance(made, keras.metrics.Metric) and namespace == "metrics":

        def measured(labels: Array, outputs: Array) -> Array:
            made.reset_state()
            made.update_state(*map(keras.ops.convert_to_tensor, (labels, outputs)))
            return _numbers(made.result())

        return measured
    assert callable(made)
    call = made

    def computed(labels: Array, outputs: Array) -> Array:
        found = _numbers(call(*map(keras.ops.convert_to_tensor, (labels, outputs))))
        return np.asarray(found.mean(keepdims=True))

    return computed


def _one_by_one(made: object, namespace: str, labels: Array, outputs: Array) -> tuple[Array, ...]:
    """Return what a loss or metric should give for rows together, by what it gives for each of them."""
    cuts = [slice(row, row + 1) for row in range(len(labels))]
    if isinstance(made, keras.metrics.Metric) and namespace == "metrics":
        made.reset_state()
        for cut in cuts:
            made.update_state(*map(keras.ops.convert_to_tensor, (labels[cut], outputs[cut])))
        return (_numbers(made.result()),)
    value = _value_of(made, namespace)
    each = np.stack([value(labels[cut], outputs[cut]) for cut in cuts])
    return each.mean(axis=0), each.sum(axis=0)  # by the loss's reduction


def _numbers(result: object) -> Array:
    """Return a result, which may be a mapping of values, as one list of numbers."""
    flat = keras.tree.flatten(result)
    return np.concatenate([np.asarray(each, np.float64).reshape(-1) for each in flat])


def _gap(one: Array, other: Array) -> float:
    """Return how far two values are apart, relative to their size; nan where they cannot be compared."""
    if one.shape != other.shape or not (np.isfinite(one).all() and np.isfinite(other).all()):
        return np.nan
    size = max(float(np.abs(one).max(initial=0.0)), float(np.abs(other).max(initial=0.0)))
    return float(np.abs(one - other).max(initial=0.0)) / size if size else 0.0


def _equal(one: Array, other: Array) -> bool:
    return _gap(one, other) <= EQUAL


def _different(one: Array, other: Array) -> bool:
    return _gap(one, other) >= DIFFERENT


def _problem(
    made: object, namespace: str, path: KeyPath, component: ComponentSpec, plugins: Plugins
) -> Problem:
    name = component.class_name
    where = _where(name, "update_state" if namespace == "metrics" else "call", plugins)
    rule = "compares the label of each row with the outputs of all rows"
    if is_function(made):
        rule += ": y_true and y_pred are (rows, 1), and one of them is used as (rows,)"
        hint = f"use both in one shape in {where}, such as y_true[:, 0] beside y_pred[:, 0]"
    else:
        rule += ": y_true is (rows,) and y_pred is (rows, 1), so that their difference is (rows, rows)"
        hint = f"begin {where} with y_true = keras.ops.reshape(y_true, keras.ops.shape(y_pred))"
    return Problem(rule, path=path, received=name, hint=hint)


def _where(name: str, method: str, plugins: Plugins) -> str:
    """Return the function, or the method of a class, with its place in the plug-in's file."""
    for plugin in plugins.catalog.plugins:
        if name in plugin.definitions.functions:
            return f"{name} ({plugin.name}:{plugin.definitions.functions[name].lineno})"
        if name in plugin.definitions.classes:
            node = plugin.definitions.classes[name]
            methods = (each for each in node.body if getattr(each, "name", "") == method)
            found = next(methods, None)
            if found is not None:
                return f"its {method} ({plugin.name}:{found.lineno})"
            return f"{name} ({plugin.name}:{node.lineno})"
    return name
