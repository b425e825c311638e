"""Check every Keras name and argument in a spec against the installed Keras, before anything is built.

A *component* is a Keras object written as its class name, alone or with arguments: `Flatten`,
`{Dense: {units: 30}}`, `{L2: {l2: 0.01}}`. Problems are collected, never raised.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlpcli.errors import ABSENT, KeyPath, Problem, listing, nearest, suggest
from mlpcli.spec import keras_effects
from mlpcli.spec.argument_forms import (
    MEANT,
    default_problems,
    joined_calls,
    means,
    stray_key,
    tuple_problem,
    unknown_argument,
    value_hint,
    widths_problem,
)
from mlpcli.spec.argument_relations import relation_problems
from mlpcli.spec.argument_rules import may_be_null, value_rule
from mlpcli.spec.argument_types import ITEMS, takes_mapping
from mlpcli.spec.component_forms import (
    CLASS_KEYS,
    a_kind,
    class_meant,
    form_problem,
    of_a_plug_in,
    split_calls,
)
from mlpcli.spec.component_rules import (
    ALWAYS_THERE,
    FILLED_IN,
    FORBIDDEN_LAYERS,
    LAYER_NAME,
    PLAIN_KINDS,
    SINGULAR,
    components_within,
    forbidden,
    has_short_names,
    kind_of_argument,
)
from mlpcli.spec.extended_classes import exclusions
from mlpcli.spec.keras_roles import is_cell, is_map
from mlpcli.spec.keras_signatures import UNKNOWN
from mlpcli.spec.layer_graph import is_by_output, layer_names
from mlpcli.spec.number_texts import number_hint
from mlpcli.spec.optimizer_keys import factor_problems, own_keys
from mlpcli.spec.other_names import AMBIGUOUS, folded
from mlpcli.spec.plugins import KERAS, Catalog
from mlpcli.spec.python_calls import read_call
from mlpcli.spec.schedule_lengths import missing_argument_hint
from mlpcli.spec.value_rules import Rule
from mlpcli.spec.values import Value, ValueMap, is_utf8


def check_components(data: ValueMap, catalog: Catalog = KERAS) -> list[Problem]:
    """Return every problem with the components in a spec's plain values."""
    found: list[Problem] = []
    if isinstance(inputs := data.get("inputs"), dict):
        for name in inputs:
            if not name or "/" in name or not is_utf8(name):
                found.append(Problem("an input's name must be a string without '/'", path=("inputs", name)))
    if isinstance(layers := data.get("layers"), list):
        for index, layer in _items(layers):
            found += _check_layer(layer, ("layers", index), catalog)
    if data.get("model") is not None:
        found += _check_component(data["model"], ("model",), "models", catalog)
    loss = data.get("loss")
    if (problem := _loss_problem(loss, layer_names(data), catalog)) is not None:
        found.append(problem)
        loss = None
    for path, component in _by_output(loss, ("loss",), is_by_output(loss, data)):
        if component is not None or path != ("loss",):
            found += _check_component(component, path, "losses", catalog)
    if data.get("optimizer") is not None:
        found += _check_component(data["optimizer"], ("optimizer",), "optimizers", catalog)
    metrics = data.get("metrics")
    for path, items in _by_output(metrics, ("metrics",), isinstance(metrics, dict)):
        found += _check_list(items, path, "metrics", catalog)
    found += _check_list(data.get("callbacks"), ("callbacks",), "callbacks", catalog)
    return [*found, *factor_problems(data.get("optimizer"), catalog)]


def _loss_problem(loss: Value, layers: set[str], catalog: Catalog) -> Problem | None:
    """Return the problem with a loss in another form, which looks like one for each output."""
    if not isinstance(loss, dict):
        return None
    beside = len(loss) > 1 and {*loss} & {*catalog.class_names("losses")}
    if not beside and not ({*loss} & {*CLASS_KEYS} and not {*loss} & layers):
        return None
    path: KeyPath = ("loss",)
    return form_problem(
        loss, path, "losses", catalog, lambda meant: _component_problems(meant, path, "losses", catalog)
    )


def _by_output(value: Value, path: KeyPath, several: bool) -> list[tuple[KeyPath, Value]]:
    if several and isinstance(value, dict):
        return [((*path, name), item) for name, item in value.items()]
    return [(path, value)]


def _items(items: list[Value]) -> Iterator[tuple[int, Value]]:
    """Yield the items of a list with their positions; a call that commas have cut in pieces as one."""
    calls = split_calls(items)
    inside = {index for start, (_, count) in calls.items() for index in range(start + 1, start + count)}
    for index, item in enumerate(items):
        if index not in inside:
            yield index, calls[index][0] if index in calls else item


def _check_list(items: Value, path: KeyPath, namespace: str, catalog: Catalog) -> Iterator[Problem]:
    if isinstance(items, list):
        for index, item in _items(items):
            yield from _check_component(item, (*path, index), namespace, catalog)
    elif items is not None and len(path) > 1:  # one output may have a single component without a list
        yield from _check_component(items, path, namespace, catalog)


def _check_layer(layer: Value, path: KeyPath, catalog: Catalog) -> Iterator[Problem]:
    layer = {layer: None} if isinstance(layer, str) and is_cell(layer) else layer
    if not isinstance(layer, dict):
        yield from _check_component(layer, path, "layers", catalog)
        return
    if "name" in layer and not (isinstance(layer["name"], str) and LAYER_NAME.fullmatch(layer["name"])):
        rule = "must be letters A to Z, digits, '.', '_' or '-', the first a letter or digit"
        yield Problem(rule, path=(*path, "name"), received=layer["name"])
    yield from _check_component(layer, path, "layers", catalog)
    for name in layer:
        if is_cell(name):
            rule = "is a recurrent cell, which an RNN calls"
            hint = f"write {{RNN: {{cell: {{{name}: ...}}}}}}"
            yield Problem(rule, path=(*path, name), received=name, hint=hint)


def _check_component(component: Value, path: KeyPath, namespace: str, catalog: Catalog) -> Iterator[Problem]:
    """Yield the problems of a component; of one in another form, only its correction."""

    def problems(component: Value) -> Iterator[Problem]:
        if isinstance(component, dict):
            own = own_keys(namespace if len(path) <= 2 else "")
            component = {key: value for key, value in component.items() if key not in own}
        layer = namespace == "activations" and isinstance(component, dict)  # LeakyReLU is one
        return _component_problems(component, path, "layers" if layer else namespace, catalog)

    found = list(problems(component))
    form = form_problem(component, path, namespace, catalog, problems) if found else None
    yield from found if form is None else [form]


def _component_problems(
    component: Value, path: KeyPath, namespace: str, catalog: Catalog
) -> Iterator[Problem]:
    kind = SINGULAR[namespace]
    if isinstance(component, str):
        yield from _check_word(component, path, namespace, catalog)
        return
    if not isinstance(component, dict):
        hint = f"write {a_kind(namespace)}'s name, or {{Name: {{argument: value}}}}"
        yield Problem(f"must be {a_kind(namespace)}", path=path, received=component, hint=hint)
        return
    classes = [key for key in component if key[:1].isupper()]
    if len(component) > 1 and len(classes) == 1:
        for key in component:
            if key not in classes:
                yield stray_key(key, classes[0], (*path, key), namespace, catalog)
        component = {classes[0]: component[classes[0]]}
    if len(component) != 1:
        rule = f"must name one {kind}" + (f", not {len(component)}" if component else "")
        hint = "keep one" if component else "write {Name: {argument: value}}"
        yield Problem(rule, path=path, received=list(component) if component else component, hint=hint)
        return
    ((name, arguments),) = component.items()
    known = catalog.class_names(namespace)
    if name not in known:
        if has_short_names(namespace) and name in catalog.short_names(namespace):
            rule = f"is a short name of {a_kind(namespace)}, which takes no arguments"
            near = suggest(name, known, f"write the class, or {name!r} alone")
            yield Problem(rule, path=(*path, name), received=name, hint=near)
        else:
            yield from _unknown(name, (*path, name), namespace, catalog)
        return
    yield from _check_arguments(name, arguments, (*path, name), namespace, catalog)
    yield from exclusions(namespace, name, arguments, (*path, name))


def _check_word(word: str, path: KeyPath, namespace: str, catalog: Catalog) -> Iterator[Problem]:
    """Check a component without arguments: a class whose arguments all have defaults, or a short name."""
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
    if namespace == "layers" and word in FORBIDDEN_LAYERS:
        yield Problem("is not allowed in a spec", path=path, received=word, hint=FORBIDDEN_LAYERS[word])
        return
    if not catalog.complete:  # it may be in the unreadable plug-in, which is reported
        return

    def hint() -> str:
        known = list(catalog.class_names(namespace)) if namespace != "activations" else []
        short = catalog.short_names(namespace) if has_short_names(namespace) else ()
        if sentence := AMBIGUOUS.get(namespace, {}).get(folded(word)):
            return sentence
        if meant := class_meant(word, namespace, catalog):
            return f"write {meant}"
        call = read_call(word)
        if call and (sentence := AMBIGUOUS.get(namespace, {}).get(folded(call.name))):
            return sentence
        if call and (meant := class_meant(call.name, namespace, catalog)):
            return f"write {meant}: {{argument: value}}"
        parts = word.split()
        if len(parts) > 1 and all(part in known for part in parts):
            return f"a comma, or a line, is missing between {parts[0]} and {parts[1]}"
        own = of_a_plug_in(word, namespace, catalog)
        return own or nearest(word, [*known, *short]) or _elsewhere(word, namespace, catalog)

    yield Problem(f"unknown {SINGULAR[namespace]}", path=path, received=word, hint=hint)


def _elsewhere(word: str, namespace: str, catalog: Catalog) -> str:
    """Return what kind of component an unknown word is instead, or where to find the names of this kind."""
    if other := catalog.namespace_of(word):
        return f"{word} is a {SINGULAR[other]}"
    if namespace == "models":
        models = catalog.class_names("models")
        return f"available: {listing(models)}" if models else "list its file under plugins"
    return f"see keras.io/api for the names of {namespace}"


def _check_arguments(
    class_name: str, arguments: Value, path: KeyPath, namespace: str, catalog: Catalog
) -> Iterator[Problem]:
    if hint := forbidden(namespace, class_name):
        yield Problem("is not allowed in a spec", path=path, received=class_name, hint=hint)
        return
    if keras_effects.only_in_list(namespace, class_name) and len(path) > len(("callbacks", 0, class_name)):
        hint = "list it under callbacks"
        yield Problem("is not allowed as an argument", path=path, received=class_name, hint=hint)
        return
    if arguments is False and namespace == "callbacks":
        if class_name not in ALWAYS_THERE:
            hint = "remove the line: only " + " and ".join(ALWAYS_THERE) + " are on by default"
            yield Problem(f"{class_name} cannot be turned off", path=path, received=False, hint=hint)
        return
    if arguments is not None and not isinstance(arguments, dict):
        names = catalog.signature(namespace, class_name)
        inside = ", ".join(f"{name}: ..." for name in names.required or names.names[:1])
        hint = f"write {{{class_name}: {{{inside}}}}}" if inside else f"write {class_name}"
        yield Problem(
            f"the arguments of {class_name} must be a mapping", path=path, received=arguments, hint=hint
        )
        return
    if is_map(namespace, class_name) and path[-2:-1] != ("optimizer_map",):
        rule = "assigns optimizers to weights, and is none itself"
        hint = f"write {{MultiOptimizer: {{optimizer_map: {{{class_name}: {{...}}}}}}}}"
        yield Problem(rule, path=path, received=class_name, hint=hint)
        return
    signature = catalog.signature(namespace, class_name)
    arguments = joined_calls(arguments or {})
    unknown = [name for name in arguments if name not in signature.names]
    missing = [n for n in signature.required if n not in arguments and (namespace, n) not in FILLED_IN]
    for name in missing:  # unless it is reported below as a misspelling
        if not any(means(word, name, missing, unknown) for word in unknown[:MEANT]):
            hint = missing_argument_hint(namespace, class_name, arguments, name)
            yield Problem(f"{class_name} needs the argument {name!r}", path=path, received=ABSENT, hint=hint)
    wrong = [*_argument_problems(class_name, arguments, path, missing, namespace, catalog)]
    yield from wrong
    if not wrong and not missing and not catalog.plugin_of(class_name):
        yield from relation_problems(namespace, class_name, arguments, signature.defaults, path)


def _argument_problems(
    class_name: str, arguments: ValueMap, path: KeyPath, missing: list[str], namespace: str, catalog: Catalog
) -> Iterator[Problem]:
    """Yield the problems of each argument by itself."""
    signature = catalog.signature(namespace, class_name)
    alone = sum(name not in signature.names for name in arguments) == 1
    for name in arguments:
        where = (*path, name)
        if namespace == "layers" and (widths := widths_problem(class_name, arguments, where)):
            yield widths
        elif name in signature.names or signature.takes_any:
            yield from _check_argument(class_name, arguments[name], where, namespace, catalog)
        else:
            yield unknown_argument(class_name, arguments, where, signature.names, missing, alone=alone)


def _check_argument(
    class_name: str, value: Value, where: KeyPath, namespace: str, catalog: Catalog
) -> Iterator[Problem]:
    """Check the value of an argument that a class has, or passes on."""
    signature, name = catalog.signature(namespace, class_name), str(where[-1])
    own = bool(catalog.plugin_of(class_name))
    several = None if own else components_within(namespace, class_name, name, value)
    if several == [] and name not in ITEMS and isinstance(value, list):
        yield Problem(
            "must not be an empty list", path=where, received=value, hint="keep one, or leave it out"
        )
        return
    if several is not None and (several or name not in ITEMS):
        for step, item, kind in several:
            yield from _check_component(item, (*where, step), kind, catalog)
        return
    if not own and name in ITEMS:
        hint = "write [Name, {Name: {argument: value}}]"
        yield Problem(f"must be a list of {ITEMS[name]}", path=where, received=value, hint=hint)
        return
    inner: list[Problem] = []
    if not kind_of_argument(name, value) or name not in signature.names:
        plain = own or takes_mapping(namespace, class_name, name)
        inner += _check_inner_components(value, where, catalog, mappings=plain)
    yield from inner
    if name in signature.names and not inner:
        default = signature.defaults[name]
        rule = value_rule(namespace, class_name, name, keras=not own)
        nullable = may_be_null(namespace, default, rule, keras=not own)
        yield from _check_value(value, default, where, rule, catalog, nullable=nullable)
    if isinstance(value, str) and (hint := keras_effects.list_hint(namespace, class_name, name)):
        yield Problem("must be a list, not the path of a file", path=where, received=value, hint=hint)


def _check_value(
    value: Value, default: object, path: KeyPath, rule: Rule | None, catalog: Catalog, *, nullable: bool
) -> Iterator[Problem]:
    kind = kind_of_argument(str(path[-1]), value)
    if not isinstance(default, str) and (problem := tuple_problem(value, path)):
        yield problem
        return
    if kind and isinstance(value, str | dict):
        yield from _check_nested(value, path, kind, catalog)
        return
    if kind in PLAIN_KINDS and (
        isinstance(value, bool | int | float) or (value is None and default is UNKNOWN)
    ):
        yield from _check_component(value, path, kind, catalog)
        return
    if kind and isinstance(value, list):
        hint = "write a name, or {Name: {argument: value}}"
        yield Problem(f"must be one {SINGULAR[kind]}, not a list", path=path, received=value, hint=hint)
        return
    if rule is not None:
        if not rule.test(value) and not (value is None and nullable):
            yield Problem(rule.words, path=path, received=value, hint=value_hint(value, rule))
        return
    yield from default_problems(value, default, path)


def _check_inner_components(
    value: Value, path: KeyPath, catalog: Catalog, *, mappings: bool
) -> Iterator[Problem]:
    """Check the components in a plain argument, in lists of any depth.

    Keras builds a saved object from a mapping such as `{class_name: ..., module: ..., config: ...}`.

    Args:
        value: the argument.
        path: its place in the spec.
        catalog: the names that the spec may use.
        mappings: whether a mapping that is no component is allowed.
    """
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _check_inner_components(item, (*path, index), catalog, mappings=mappings)
    elif isinstance(value, dict):
        maps = path[-1] != "optimizer_map" or is_map("optimizers", next(iter(value), ""))
        if maps and len(value) == 1 and (namespace := catalog.namespace_of(next(iter(value)))):
            yield from _check_component(value, path, namespace, catalog)
        elif path[-1] == "optimizer_map":
            hint = "write {OptimizerMap: {default_optimizer: ..., optimizer_map: {'dense/.*': ...}}}"
            yield Problem("must be an OptimizerMap", path=path, received=value, hint=hint)
        elif not mappings:
            rule = "cannot be a mapping, other than a component"
            hint = "a component is written {Name: {argument: value}}"
            yield Problem(rule, path=path, received=value, hint=hint)


def _check_nested(
    value: str | ValueMap, path: KeyPath, namespace: str, catalog: Catalog
) -> Iterator[Problem]:
    if namespace == "optimizers.schedules" and isinstance(value, str) and not read_call(value):
        hint = number_hint(value) or "write a number, or a schedule such as {ExponentialDecay: {...}}"
        yield Problem("must be a positive number or a schedule", path=path, received=value, hint=hint)
    else:
        yield from _check_component(value, path, namespace, catalog)
