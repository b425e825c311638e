"""What layers and metrics have learned from the data beside their weights, in variables instead of constants.

A traced program holds such numbers as constants: the mean of `Normalization`, the scale of a target. In
variables they are arguments of it, so that one program trains the same network on other rows. A network whose
spec is made for that, with a fold or a seed of its splits, has them in variables also where it is trained
alone: the numbers are then the same to the last digit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlpcli.keras_import import keras, tf
from mlpcli.keras_internals import all_layers, compiled_metrics, compiled_parts
from mlpcli.model.learned_values import vocabularies
from mlpcli.model.metric_wrappers import MetricWrapper
from mlpcli.model.target_scaling import InOwnUnits
from mlpcli.spec.schema import Spec

LEARNED_BY_LAYER = ("mean", "variance")
SCALES = ("scale", "offset")


def is_repeatable(spec: Spec) -> bool:
    """Return whether a spec is one of several trainings on other rows, or with other seeds, by its splits."""
    return spec.dataset.fold is not None or spec.dataset.split_seed is not None


def hold_in_variables(model: keras.Model) -> None:
    """Put what the layers and metrics of a compiled model have learned in variables."""
    for layer in _normalizations(model):
        for name in LEARNED_BY_LAYER:
            setattr(layer, name, tf.Variable(getattr(layer, name), trainable=False))
    for metric in _in_own_units(model):
        metric.hold_in_variables()


def same_network(before: keras.Model | None, fresh: keras.Model, *, plugins: bool) -> keras.Model:
    """Return the network of the training before as if it had just been built, if a fresh one is the same.

    Its compiled programs are then used again.

    Args:
        before: a compiled model, whose training is finished; None where there was none.
        fresh: another one, just built, which is returned itself where they are not the same.
        plugins: the spec has plug-ins, whose classes may hold anything: they are never the same.
    """
    return fresh if before is None or plugins or not take_over(before, fresh) else before


def take_over(model: keras.Model, fresh: keras.Model) -> bool:
    """Give a model all values of another, if the two are the same network, compiled alike.

    Args:
        model: a compiled model, which may have been trained; its traced programs stay valid.
        fresh: another one, just built; of no further use if this succeeds. Both hold what they learned in
            variables.

    Returns:
        Whether they are the same network; otherwise nothing has changed.
    """
    one, other = _description(model), _description(fresh)
    if one is None or one != other:
        return False
    for mine, new in zip(_variables(model), _variables(fresh), strict=True):
        mine.assign(new)
    for metric, new_metric in zip(_in_own_units(model), _in_own_units(fresh), strict=True):
        metric.take_over(new_metric)
    model.stop_training = False
    model.reset_metrics()
    return True


def _normalizations(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yield the layers whose mean and variance were adapted."""
    for layer in all_layers(model, include_self=False):
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None and layer.built:
            yield layer


def _in_own_units(model: keras.Model) -> Iterator[InOwnUnits]:
    """Yield the metrics that measure a scaled target in its own units; those with a curve keep constants."""
    for _, metrics in compiled_metrics(model):
        for inner in metrics:
            while isinstance(inner, MetricWrapper):
                if isinstance(inner, InOwnUnits) and inner.curve is None:
                    yield inner
                inner = inner.metric


def _variables(model: keras.Model) -> list[Any]:
    """Return every variable of a model, its optimizer and what its layers have learned, in a fixed order."""
    learned = [getattr(layer, name) for layer in _normalizations(model) for name in LEARNED_BY_LAYER]
    return [*model.variables, *model.optimizer.variables, *learned]


def _description(model: keras.Model) -> str | None:
    """Return all that two networks must share to be one; None for a network that cannot be described."""
    _, metrics, _ = compiled_parts(model)
    if metrics is not None and not metrics.built:
        return None
    try:
        config, compiled = model.get_config(), model.get_compile_config()
    except Exception:  # a component that cannot be written down
        return None
    variables = [*model.variables, *model.optimizer.variables]
    shapes = [(each.path, tuple(each.shape), str(each.dtype)) for each in variables]
    words = vocabularies(model)
    whole = [type(model).__name__, _without_rows(config), _without_scale(compiled), shapes, words]
    return json.dumps(whole, sort_keys=True, default=_plain)


def _without_scale(config: Any) -> Any:
    """Return a configuration without the scales of metrics, which are in variables."""
    if isinstance(config, list):
        return [_without_scale(each) for each in config]
    if not isinstance(config, dict):
        return config
    left_out = SCALES if {*SCALES} <= {*config} and "curve" not in config else ()
    return {key: _without_scale(value) for key, value in config.items() if key not in left_out}


def _without_rows(config: Any) -> Any:
    """Return a configuration without the shapes that layers were built with: some have a number of rows."""
    if isinstance(config, list):
        return [_without_rows(each) for each in config]
    if not isinstance(config, dict):
        return config
    return {key: _without_rows(value) for key, value in config.items() if key != "build_config"}


def _plain(value: object) -> object:
    """Return a value as JSON takes it."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return repr(value)
