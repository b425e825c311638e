"""Checks every Keras name and argument in a spec against the installed Keras, before anything is built.

A *part* is a Keras object written as its class name, alone or with arguments: `Flatten`,
`{Dense: {units: 30}}`, `{L2: {l2: 0.01}}`. Problems are collected, never raised.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from mlpcli.errors import ABSENT, Hint, KeyPath, Problem, listing, nearest, suggest
from mlpcli.spec import keras_effects
from mlpcli.spec.layer_graph import OWN_LAYER_KEYS, is_by_output
from mlpcli.spec.plugins import KERAS, Catalog

SINGULAR = {
    "layers": "layer",
    "losses": "loss",
    "metrics": "metric",
    "optimizers": "optimizer",
    "optimizers.schedules": "learning-rate schedule",
    "callbacks": "callback",
    "initializers": "initializer",
    "regularizers": "regularizer",
    "constraints": "constraint",
    "activations": "activation",
    "models": "model class",
}

SUFFIXES = {
    "initializer": "initializers",
    "regularizer": "regularizers",
    "constraint": "constraints",
    "activation": "activations",
    "inner_optimizer": "optimizers",
    "learning_rate": "optimizers.schedules",
    "to": "optimizers.schedules",
    "layer": "layers",
    "cell": "layers",
}
"""How an argument's name tells which kind of part it takes: `kernel_initializer`, `forward_layer`."""

Rule = tuple[str, Callable[[Any], bool]]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


POSITIVE_WHOLE: Rule = ("must be a positive integer", lambda v: _is_whole(v) and v > 0)
WHOLE: Rule = ("must be an integer of at least 0", lambda v: _is_whole(v) and v >= 0)
POSITIVE: Rule = ("must be a positive number", lambda v: _is_number(v) and v > 0)
NOT_NEGATIVE: Rule = ("must be a number of at least 0", lambda v: _is_number(v) and v >= 0)
BELOW_ONE: Rule = (
    "must be a number from 0 up to but not including 1",
    lambda v: _is_number(v) and 0 <= v < 1,
)

MODE: Rule = ("must be auto, min or max", lambda v: v in ("auto", "min", "max"))
CALLED: Rule = (
    "must be a class of a plug-in that is called with the epoch and returns the rate",
    lambda v: isinstance(v, dict),
)

RULE_SCHEMAS: dict[str, dict[str, Any]] = {
    POSITIVE_WHOLE[0]: {"type": "integer", "exclusiveMinimum": 0},
    WHOLE[0]: {"type": "integer", "minimum": 0},
    POSITIVE[0]: {"type": "number", "exclusiveMinimum": 0},
    NOT_NEGATIVE[0]: {"type": "number", "minimum": 0},
    BELOW_ONE[0]: {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    MODE[0]: {"enum": ["auto", "min", "max"]},
    CALLED[0]: {"type": "object"},
}
"""The same rules in JSON Schema, for `mlpcli schema`."""

VALUE_RULES: dict[str, dict[str, Rule]] = {
    "layers": {
        "units": POSITIVE_WHOLE,
        "filters": POSITIVE_WHOLE,
        "rate": BELOW_ONE,
        "input_dim": POSITIVE_WHOLE,
    },
    "optimizers": {
        "learning_rate": POSITIVE,
        "momentum": BELOW_ONE,
        "beta_1": BELOW_ONE,
        "beta_2": BELOW_ONE,
        "rho": BELOW_ONE,
        "clipnorm": POSITIVE,
        "clipvalue": POSITIVE,
        "global_clipnorm": POSITIVE,
        "weight_decay": NOT_NEGATIVE,
    },
    "optimizers.schedules": {
        "initial_learning_rate": NOT_NEGATIVE,
        "decay_steps": POSITIVE,
        "decay_rate": POSITIVE,
        "steps": POSITIVE_WHOLE,
        "start": NOT_NEGATIVE,
        "to": POSITIVE,
    },
    "callbacks": {"patience": WHOLE, "min_lr": NOT_NEGATIVE, "mode": MODE, "schedule": CALLED},
    "losses": {"label_smoothing": BELOW_ONE},
    "regularizers": {"l1": NOT_NEGATIVE, "l2": NOT_NEGATIVE},
}
"""Values that Keras takes without a word, or refuses only when it is too late (units: true, rate: 1.0)."""

LAYER_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9._>-]*")
"""Names that TensorFlow takes in its graphs: with any other, a layer is built, and fails in training."""

ALWAYS_THERE = ("ModelCheckpoint", "TensorBoard")
"""Callbacks that every run has, and that a spec may turn off: `TensorBoard: false`."""

FORBIDDEN_LAYERS = {
    "Input": "the input's shape comes from the data: leave the layer out",
    "InputLayer": "the input's shape comes from the data: leave the layer out",
}


def forbidden(namespace: str, class_name: str) -> str:
    """Why a class cannot stand in a spec, or what to do instead; an empty text for one that can."""
    if namespace == "layers" and class_name in FORBIDDEN_LAYERS:
        return FORBIDDEN_LAYERS[class_name]
    return keras_effects.refusal(namespace, class_name)


def check_components(data: dict[str, Any], catalog: Catalog = KERAS) -> list[Problem]:
    """Every problem with the Keras parts of a spec's plain values."""
    found: list[Problem] = []
    if isinstance(inputs := data.get("inputs"), dict):
        for name in inputs:
            if not name or "/" in name or not _is_utf8(name):
                found.append(Problem("an input's name must be a text without '/'", path=("inputs", name)))
    if isinstance(layers := data.get("layers"), list):
        for index, layer in enumerate(layers):
            found += _check_layer(layer, ("layers", index), catalog)
    if data.get("model") is not None:
        found += _check_component(data["model"], ("model",), "models", catalog)
    loss = data.get("loss")
    for path, part in _by_output(loss, ("loss",), is_by_output(loss, data)):
        if part is not None or path != ("loss",):
            found += _check_component(part, path, "losses", catalog)
    if data.get("optimizer") is not None:
        found += _check_component(data["optimizer"], ("optimizer",), "optimizers", catalog)
    metrics = data.get("metrics")
    for path, items in _by_output(metrics, ("metrics",), isinstance(metrics, dict)):
        found += _check_list(items, path, "metrics", catalog)
    found += _check_list(data.get("callbacks"), ("callbacks",), "callbacks", catalog)
    return found


def _is_utf8(text: str) -> bool:
    """Whether a text can be stored: YAML may spell half a character, `"\\udcff"`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _by_output(value: Any, path: KeyPath, several: bool) -> list[tuple[KeyPath, Any]]:
    return [((*path, name), item) for name, item in value.items()] if several else [(path, value)]


def _check_list(items: Any, path: KeyPath, namespace: str, catalog: Catalog) -> Iterator[Problem]:
    if isinstance(items, list):
        for index, item in enumerate(items):
            yield from _check_component(item, (*path, index), namespace, catalog)
    elif items is not None and len(path) > 1:  # of one output, one part may stand by itself
        yield from _check_component(items, path, namespace, catalog)


def _check_layer(layer: Any, path: KeyPath, catalog: Catalog) -> Iterator[Problem]:
    if not isinstance(layer, dict):
        yield from _check_component(layer, path, "layers", catalog)
        return
    if "name" in layer and not (isinstance(layer["name"], str) and LAYER_NAME.fullmatch(layer["name"])):
        rule = "must be letters A to Z, digits, '.', '_' or '-', the first a letter or digit"
        yield Problem(rule, path=(*path, "name"), received=layer["name"])
    own = {key for key in layer if key in OWN_LAYER_KEYS}
    rest = {key: value for key, value in layer.items() if key not in own}
    yield from _check_component(rest, path, "layers", catalog)


def _check_component(part: Any, path: KeyPath, namespace: str, catalog: Catalog) -> Iterator[Problem]:
    kind = SINGULAR[namespace]
    if isinstance(part, str):
        yield from _check_word(part, path, namespace, catalog)
        return
    if not isinstance(part, dict):
        hint = f"write a {kind}'s name, or {{Name: {{argument: value}}}}"
        yield Problem(f"must be a {kind}", path=path, received=part, hint=hint)
        return
    classes = [key for key in part if key[:1].isupper()]
    if len(part) > 1 and len(classes) == 1:
        for key in part:
            if key not in classes:
                yield _stray_key(key, classes[0], (*path, key), namespace, catalog)
        part = {classes[0]: part[classes[0]]}
    if len(part) != 1:
        rule = f"must name one {kind}" + (f", not {len(part)}" if part else "")
        hint = "keep one" if part else "write {Name: {argument: value}}"
        yield Problem(rule, path=path, received=list(part) if part else part, hint=hint)
        return
    ((name, arguments),) = part.items()
    known = catalog.class_names(namespace)
    if name not in known:
        if has_short_names(namespace) and name in catalog.short_names(namespace):
            rule = f"is a short name of a {kind}, which takes no arguments"
            near = suggest(name, known, f"write the class, or {name!r} alone")
            yield Problem(rule, path=(*path, name), received=name, hint=near)
        else:
            yield from _unknown(name, (*path, name), namespace, catalog)
        return
    yield from _check_arguments(name, arguments, (*path, name), namespace, catalog)


def _stray_key(key: str, class_name: str, path: KeyPath, namespace: str, catalog: Catalog) -> Problem:
    """A key that stands beside a part's class: a misspelt `name`, or an argument that slipped out."""
    hint: Hint = nearest(key, OWN_LAYER_KEYS) if namespace == "layers" else ""
    known = catalog.class_names(namespace)
    if (class_name in known and key in catalog.signature(namespace, class_name).names) or not hint:
        hint = f"arguments go inside: {{{class_name}: {{{key}: ...}}}}"
    return Problem(f"unknown key beside {class_name}", path=path, received=key, hint=hint)


def has_short_names(namespace: str) -> bool:
    """Whether parts of a kind may be texts that are not classes: `mse`, `relu`."""
    return namespace not in ("layers", "models", "callbacks", "optimizers.schedules")


def _check_word(word: str, path: KeyPath, namespace: str, catalog: Catalog) -> Iterator[Problem]:
    """A part without arguments: a class whose arguments all have defaults, or a short name."""
    if namespace == "activations" or (has_short_names(namespace) and word in catalog.short_names(namespace)):
        if word not in catalog.short_names(namespace):
            yield from _unknown(word, path, namespace, catalog)
        elif reason := catalog.call_problem(word, namespace):
            yield Problem(f"a function used as {SINGULAR[namespace]} {reason}", path=path, received=word)
    elif word not in catalog.class_names(namespace):
        yield from _unknown(word, path, namespace, catalog)
    else:
        yield from _check_arguments(word, None, path, namespace, catalog)


def _unknown(word: str, path: KeyPath, namespace: str, catalog: Catalog) -> Iterator[Problem]:
    kind = SINGULAR[namespace]
    if namespace == "layers" and word in FORBIDDEN_LAYERS:
        yield Problem("cannot stand in a spec", path=path, received=word, hint=FORBIDDEN_LAYERS[word])
        return
    if not catalog.complete:  # it may be in the plug-in that could not be read, which is told
        return

    def hint() -> str:
        known = list(catalog.class_names(namespace)) if namespace != "activations" else []
        short = catalog.short_names(namespace) if has_short_names(namespace) else ()
        return nearest(word, [*known, *short]) or _elsewhere(word, namespace, catalog)

    yield Problem(f"unknown {kind}", path=path, received=word, hint=hint)


def _elsewhere(word: str, namespace: str, catalog: Catalog) -> str:
    """What a word that is no part of this kind is instead, or where the names of this kind are."""
    if plugin := catalog.plugin_of(word):
        kind = plugin.definitions.kind(word)
        if kind is None:
            return f"the class {word} of {plugin.name} has no Keras base"
        return f"{word} of {plugin.name} is a {SINGULAR.get(kind, kind)}"
    if other := catalog.namespace_of(word):
        return f"{word} is a {SINGULAR[other]}"
    if namespace == "models":
        models = catalog.class_names("models")
        return f"there are {listing(models)}" if models else "list its file under plugins"
    return f"see keras.io/api for the names of {namespace}"


def _check_arguments(
    class_name: str, arguments: Any, path: KeyPath, namespace: str, catalog: Catalog
) -> Iterator[Problem]:
    if hint := forbidden(namespace, class_name):
        yield Problem("cannot stand in a spec", path=path, received=class_name, hint=hint)
        return
    if keras_effects.stands_alone(namespace, class_name) and len(path) > len(("callbacks", 0, class_name)):
        hint = "list it under callbacks"
        yield Problem("cannot stand in an argument", path=path, received=class_name, hint=hint)
        return
    if arguments is False and namespace == "callbacks":
        if class_name not in ALWAYS_THERE:
            hint = (
                "remove the line: only " + " and ".join(ALWAYS_THERE) + " are there without being asked for"
            )
            yield Problem(f"{class_name} cannot be turned off", path=path, received=False, hint=hint)
        return
    if arguments is not None and not isinstance(arguments, dict):
        hint = f"write {{{class_name}: {{argument: value}}}}"
        yield Problem(
            f"the arguments of {class_name} must be a mapping", path=path, received=arguments, hint=hint
        )
        return
    signature = catalog.signature(namespace, class_name)
    arguments = arguments or {}
    unknown = [name for name in arguments if name not in signature.names]
    for name in signature.required:
        meant = any(nearest(word, [name]) for word in unknown[:MEANT])  # reported below as a misspelling
        if name not in arguments and not meant and (namespace, name) not in FILLED_IN:
            hint = f"write {{{class_name}: {{{name}: ...}}}}"
            yield Problem(f"{class_name} needs the argument {name!r}", path=path, received=ABSENT, hint=hint)
    for name, value in arguments.items():
        where = (*path, name)
        if name in signature.names:
            yield from _check_value(value, signature.defaults[name], where, namespace, catalog)
        elif not signature.takes_any:
            yield _unknown_argument(class_name, name, where, signature.names)
            continue
        if not kind_of_argument(name) or name not in signature.names:
            own = bool(catalog.plugin_of(class_name))
            plain = own or keras_effects.takes_mapping(namespace, class_name, name)
            yield from _check_inner_components(value, where, catalog, mappings=plain)
        if isinstance(value, str) and (hint := keras_effects.list_hint(namespace, class_name, name)):
            yield Problem("must be a list, not the path of a file", path=where, received=value, hint=hint)


MEANT = 20
"""So many unknown arguments of one class are compared with the one that is missing."""

FILLED_IN = {("callbacks", "filepath"), ("callbacks", "filename"), ("callbacks", "backup_dir")}
"""Arguments that Keras requires and that we fill in ourselves, with a place in the run folder."""


def _unknown_argument(class_name: str, name: str, path: KeyPath, known: tuple[str, ...]) -> Problem:
    hint = suggest(name, known, f"it takes {listing(known)}")
    if name in ("input_shape", "input_dim", "batch_input_shape"):
        hint = "the input's shape comes from the data: leave it out"
    return Problem(f"{class_name} has no such argument", path=path, received=name, hint=hint)


def _check_value(
    value: Any, default: Any, path: KeyPath, namespace: str, catalog: Catalog
) -> Iterator[Problem]:
    name = str(path[-1])
    kind = kind_of_argument(name)
    if kind and isinstance(value, str | dict):
        yield from _check_nested(value, path, kind, catalog)
        return
    if kind and isinstance(value, list):
        hint = "write a name, or {Name: {argument: value}}"
        yield Problem(f"must be one {SINGULAR[kind]}, not a list", path=path, received=value, hint=hint)
        return
    if rule := VALUE_RULES.get(namespace, {}).get(name):
        if value is not None and not rule[1](value):
            yield Problem(rule[0], path=path, received=value)
        return
    yield from _check_against_default(value, default, path)


def _check_inner_components(
    value: Any, path: KeyPath, catalog: Catalog, *, mappings: bool
) -> Iterator[Problem]:
    """The components in a plain argument, in lists of any depth; a mapping that is none may be forbidden.

    Keras builds a saved object from such a mapping: `{class_name: ..., module: ..., config: ...}`.
    """
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _check_inner_components(item, (*path, index), catalog, mappings=mappings)
    elif isinstance(value, dict):
        if len(value) == 1 and (namespace := catalog.namespace_of(next(iter(value)))):
            yield from _check_component(value, path, namespace, catalog)
        elif not mappings:
            rule = "cannot be a mapping, other than a component"
            hint = "a component is written {Name: {argument: value}}"
            yield Problem(rule, path=path, received=value, hint=hint)


def _check_against_default(value: Any, default: Any, path: KeyPath) -> Iterator[Problem]:
    """A default of true or false, or of a number with a point, says what type an argument has."""
    flag_for_number = isinstance(value, bool) and _is_number(default) and path[-1] != "verbose"
    text_for_number = isinstance(value, str) and isinstance(default, float)
    if isinstance(default, bool) and not isinstance(value, bool):
        yield Problem("must be true or false", path=path, received=value)
    elif flag_for_number or text_for_number:
        yield Problem("must be a number", path=path, received=value)
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem("must be a finite number", path=path, received=value)


def kind_of_argument(name: str) -> str | None:
    """Which kind of part an argument of this name takes, or None: `kernel_initializer`, `cell`."""
    for suffix, namespace in SUFFIXES.items():
        if name == suffix or name.endswith(f"_{suffix}"):
            return namespace
    return None


def _check_nested(
    value: str | dict[str, Any], path: KeyPath, namespace: str, catalog: Catalog
) -> Iterator[Problem]:
    if namespace == "optimizers.schedules" and isinstance(value, str):
        hint = "write a number, or a schedule such as {ExponentialDecay: {...}}"
        yield Problem("must be a positive number or a schedule", path=path, received=value, hint=hint)
    elif namespace == "activations" and isinstance(value, dict):
        yield from _check_component(value, path, "layers", catalog)  # LeakyReLU and its like are layers
    else:
        yield from _check_component(value, path, namespace, catalog)


def namespace_of_argument(name: str, value: Any, catalog: Catalog = KERAS) -> str | None:
    """Which kind of part an argument's value is, or None when it is a plain value."""
    kind = kind_of_argument(name)
    if kind == "activations" and isinstance(value, dict):
        return "layers"
    if isinstance(value, dict) and len(value) == 1:
        return kind or catalog.namespace_of(next(iter(value)))
    return kind if isinstance(value, str) else None
