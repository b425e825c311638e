"""Components in another form than a spec's: what was meant, as it should be written.

`Dense(16, relu)`, `Dense: 16`, `{type: Dense, units: 16}`, arguments beside the class instead of inside it,
`{adam: {lr: 0.01}}`. Nothing is guessed: a form that leaves a question is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mlpcli.errors import KeyPath, Problem
from mlpcli.spec.component_rules import SINGULAR, has_short_names, kind_of_argument
from mlpcli.spec.number_texts import number_meant
from mlpcli.spec.optimizer_keys import own_keys
from mlpcli.spec.other_names import ARGUMENTS, CLASSES, folded
from mlpcli.spec.plugins import Catalog
from mlpcli.spec.python_calls import Call, read_arguments, read_call
from mlpcli.spec.values import Value, ValueMap
from mlpcli.spec.yaml_line import entry_line, item_line

CLASS_KEYS = (
    "class_name",
    "class",
    "type",
    "kind",
    "layer",
    "optimizer",
    "loss",
    "metric",
    "callback",
    "name",
)
"""Keys under which other libraries name the class of a component."""
INSIDE_KEYS = ("config", "args", "kwargs", "arguments", "params", "parameters", "options")
"""Keys under which other libraries keep its arguments."""
ONE_LIST = ("shape", "dims", "size", "padding", "cropping")
"""Endings of a first argument that takes a list by itself: `Reshape: [7, 7]`."""
FROM_DATA = ("input_shape", "input_dim", "batch_input_shape", "batch_shape")
"""Arguments of older versions of Keras that the data give."""

Check = Callable[[Value], Iterable[Problem]]


@dataclass(frozen=True)
class Form:
    """A component in another form: what is wrong with the form, and the component as a spec has it."""

    rule: str
    component: Value


def form_problem(
    value: Value, path: KeyPath, namespace: str, catalog: Catalog, check: Check
) -> Problem | None:
    """Return the problem with a component in another form, with its correction; None for any other value.

    Args:
        value: the component as the spec has it.
        path: its place.
        namespace: its kind.
        catalog: the names that the spec may use.
        check: returns the problems of a component; a correction has none.
    """
    form = _form(value, namespace, catalog)
    if form is None or any(True for _ in check(form.component)):
        return None
    key = path[-1]
    written = item_line(form.component) if isinstance(key, int) else entry_line(key, form.component)
    return Problem(form.rule, path=path, received=value, hint=f"write {written}")


def argument_meant(name: str, known: Iterable[str]) -> str:
    """Return the argument of a class that is meant by another name; an empty text if none is."""
    known = tuple(known)
    if name in known:
        return name
    same = next((each for each in known if folded(each) == folded(name)), "")
    return same or next((each for each in ARGUMENTS.get(name, ()) if each in known), "")


def class_meant(word: str, namespace: str, catalog: Catalog) -> str:
    """Return the class or short name that is meant by a word in another spelling; empty if none is."""
    known = (*catalog.class_names(namespace), *_short_names(namespace, catalog))
    if namespace == "activations":
        known = _short_names(namespace, catalog)
    if word in known:
        return word
    same = [name for name in known if folded(name) == folded(word)]
    if same:
        return next((name for name in same if name.islower() or word[:1].isupper()), same[0])
    return CLASSES.get(namespace, {}).get(folded(word), "")


def _short_names(namespace: str, catalog: Catalog) -> tuple[str, ...]:
    return catalog.short_names(namespace) if has_short_names(namespace) else ()


def _form(value: Value, namespace: str, catalog: Catalog) -> Form | None:
    kind = a_kind(namespace)
    if isinstance(value, str):
        call = read_call(value)
        found = None if call is None else _from_call(call, namespace, catalog)
        return None if found is None else Form(f"is written as Python code: {kind} is YAML", found)
    if isinstance(value, list):
        if len(value) == 1 and isinstance(value[0], str | dict):
            return Form(f"must be one {SINGULAR[namespace]}, not a list", value[0])
        if len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict):
            return Form(f"must be one {SINGULAR[namespace]}, not a list", {value[0]: value[1]})
        return None
    if isinstance(value, dict):
        return _from_mapping(value, namespace, catalog)
    if namespace == "regularizers" and isinstance(value, int | float) and not isinstance(value, bool):
        return Form(f"must be {kind}, not a number", {"L2": {"l2": value}})
    if namespace == "layers" and isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return Form(f"must be {kind}, not a number", {"Dense": {"units": value}})
    return None


def _from_call(call: Call, namespace: str, catalog: Catalog) -> Value | None:
    """Return the component that a call creates; None where it is none of this kind."""
    name = class_meant(call.name, namespace, catalog)
    bare = not call.positional and not call.named
    if namespace == "activations" and not bare:
        return _from_call(call, "layers", catalog)  # an activation with arguments is a layer
    if not name:
        return None
    if bare:
        return name
    named = {key: value for key, value in call.named if key not in FROM_DATA}
    return _component(name, call.positional, named, namespace, catalog)


def _component(
    name: str,
    positional: Iterable[Value | Call],
    named: dict[str, Value | Call],
    namespace: str,
    catalog: Catalog,
) -> Value | None:
    """Return a component from its class and its arguments, by position and by name."""
    name = _class_of(name, namespace, catalog)
    if name not in catalog.class_names(namespace):
        return None
    names = catalog.signature(namespace, name).names
    found: ValueMap = {}
    free = list(names)
    for value in positional:
        argument = _argument_for(value, free, catalog)
        if argument is None:
            return None
        found[argument] = _plain(value, argument, catalog)
        free = free[free.index(argument) + 1 :]
    for key, value in named.items():
        found[argument_meant(key, names) or key] = _plain(value, argument_meant(key, names) or key, catalog)
    return {name: found} if found else name


def _argument_for(value: Value | Call, free: list[str], catalog: Catalog) -> str | None:
    """Return the argument that a value without a name is for: the next, or for a word the activation."""
    if not free:
        return None
    if isinstance(value, int) and "patience" in free:
        return "patience"  # EarlyStopping: 5
    if isinstance(value, str) and kind_of_argument(free[0]) is None and "activation" in free:
        return "activation" if class_meant(value, "activations", catalog) else free[0]
    return free[0]


def _class_of(name: str, namespace: str, catalog: Catalog) -> str:
    """Return the class of a short name: `Adam` for `adam`, `L2` for `l2`; the name itself if it has none."""
    classes = catalog.class_names(namespace)
    if name in classes:
        return name
    return next((each for each in classes if folded(each) == folded(name)), name)


def _plain(value: Value | Call, argument: str, catalog: Catalog) -> Value:
    """Return an argument as a spec has it: calls become components, `1/255` a number."""
    kind = kind_of_argument(argument)
    if isinstance(value, Call):
        found = _from_call(value, kind, catalog) if kind else None
        return value.name if found is None else found
    if kind == "activations" and isinstance(value, str):
        return class_meant(value, "activations", catalog) or value
    if isinstance(value, str) and kind is None and argument != "name":
        number = number_meant(value)
        return value if number is None else number
    return value


def a_kind(namespace: str) -> str:
    """Return a kind of component with its article: `an optimizer`."""
    kind = SINGULAR[namespace]
    return f"{'an' if kind[0] in 'aio' else 'a'} {kind}"


def of_a_plug_in(word: str, namespace: str, catalog: Catalog) -> str:
    """Return what a plug-in's class or function is instead of a component of a kind; empty if there is none.

    Args:
        word: its name.
        namespace: the kind.
        catalog: the names that the spec may use.
    """
    for plugin in catalog.plugins:
        if word in plugin.definitions.classes:
            kind = plugin.definitions.kind(word)
            if kind is None:
                return f"the class {word} of {plugin.name} has no Keras base"
            return f"{word} of {plugin.name} is {a_kind(kind) if kind in SINGULAR else kind}"
        if word in plugin.definitions.functions:
            return f"{word} of {plugin.name} is a function, {a_kind(namespace)} is a class"
    return ""


def _from_mapping(value: ValueMap, namespace: str, catalog: Catalog) -> Form | None:
    own = {key: item for key, item in value.items() if key in own_keys(namespace)}
    rest = {key: item for key, item in value.items() if key not in own}
    classes = [key for key in rest if key[:1].isupper()]
    if len(classes) == 1:
        return _with_class(classes[0], rest, own, namespace, catalog)
    return (
        None
        if classes
        else _named_under_a_key(value, own, namespace, catalog)
        or _in_small_letters(rest, own, namespace, catalog)
    )


def _in_small_letters(rest: ValueMap, own: ValueMap, namespace: str, catalog: Catalog) -> Form | None:
    """Return the form of a mapping with `dense`, `adam` or `keras.layers.Dense` as its class."""
    classes = [key for key in rest if _names_class(key, namespace, catalog)]
    return _with_class(classes[0], rest, own, namespace, catalog) if len(classes) == 1 else None


def _named_under_a_key(value: ValueMap, own: ValueMap, namespace: str, catalog: Catalog) -> Form | None:
    """Return the form of `{type: Dense, units: 16}` and `{class_name: Dense, config: {units: 16}}`."""
    rest = {key: item for key, item in value.items() if key not in own}
    for key in CLASS_KEYS:
        named = value.get(key)
        if not isinstance(named, str) or not (name := class_meant(named, namespace, catalog)):
            continue
        if key == "name" and namespace == "layers" and not rest:
            return None
        arguments = {k: v for k, v in value.items() if k != key and (k in rest or k not in own)}
        inside = next((arguments.pop(k) for k in INSIDE_KEYS if isinstance(arguments.get(k), dict)), None)
        merged: dict[str, Value | Call] = {**arguments, **(inside if isinstance(inside, dict) else {})}
        merged = {k: v for k, v in merged.items() if k not in FROM_DATA}
        found = _component(name, (), merged, namespace, catalog) if merged else name
        kept = {k: v for k, v in own.items() if k != key}
        rule = f"names its class under {key!r}: {a_kind(namespace)} begins with its class"
        return None if found is None else Form(rule, _beside(found, kept))
    return None


def _names_class(key: str, namespace: str, catalog: Catalog) -> bool:
    """Return whether a key names a class in another spelling: `keras.layers.Dense`, `adam`, `dense`."""
    word = key.rpartition(".")[2]
    return _class_of(class_meant(word, namespace, catalog), namespace, catalog) in catalog.class_names(
        namespace
    )


def _with_class(key: str, rest: ValueMap, own: ValueMap, namespace: str, catalog: Catalog) -> Form | None:
    """Return the form of a mapping with the class as a key and its arguments in another place or form."""
    name = _class_of(class_meant(key.rpartition(".")[2], namespace, catalog), namespace, catalog)
    if name not in catalog.class_names(namespace):
        return None
    names = catalog.signature(namespace, name).names
    inside, beside = rest[key], {k: v for k, v in rest.items() if k != key}
    if any(not argument_meant(k, names) for k in beside):
        return None
    rule = ""
    positional: list[Value | Call] = []
    arguments: dict[str, Value | Call] = {}
    if isinstance(inside, dict):
        arguments = {**inside}
        if (
            inside
            and all(v is None for v in inside.values())
            and not any(argument_meant(k, names) for k in inside)
        ):
            positional, arguments = [_scalar(k) for k in inside], {}
            rule = f"the arguments of {name} need names"
    elif inside is not None and inside is not False:
        positional, arguments = _without_names(inside, one_list=bool(names) and names[0].endswith(ONE_LIST))
        rule = f"the arguments of {name} must be a mapping"
    if beside:
        rule = f"the arguments of {name} are beside it, not inside it"
    elif key != name and not rule:
        short = has_short_names(namespace) and key in catalog.short_names(namespace)
        rule = (
            f"is a short name of {a_kind(namespace)}, which takes no arguments"
            if short
            else f"the class is called {name}"
        )
    if not rule:
        return None
    named: dict[str, Value | Call] = {**arguments, **beside}
    if has_short_names(namespace) and key in catalog.short_names(namespace) and namespace == "metrics":
        if not positional and not named:
            return Form(rule, key)  # accuracy is another metric than Accuracy
        if folded(key) in AS_SHAPED:
            return None
    found = _component(name, positional, named, namespace, catalog)
    return None if found is None else Form(rule, _beside(found, own))


AS_SHAPED = ("accuracy", "acc", "crossentropy", "ce")
"""Short names that mean another class by the shape of the output."""


def _without_names(inside: Value, *, one_list: bool) -> tuple[list[Value | Call], dict[str, Value | Call]]:
    """Return the arguments, without names and with, that a value in place of a mapping means.

    Args:
        inside: `16`, `[16, relu]`, `[32, return_sequences=True]`, `units=8, activation=relu`, `LSTM(32)`;
            true is no argument.
        one_list: the first argument takes a list by itself.
    """
    if inside is True:
        return [], {}
    if isinstance(inside, str) and (call := read_arguments(inside)):
        return list(call.positional), dict(call.named)
    if not isinstance(inside, list) or one_list:
        return [inside], {}
    positional: list[Value | Call] = []
    named: dict[str, Value | Call] = {}
    for item in inside:
        call = read_arguments(item) if isinstance(item, str) and "=" in item else None
        positional += [item] if call is None else call.positional
        named |= dict(call.named) if call else {}
    return positional, named


def _beside(component: Value, own: ValueMap) -> Value:
    """Return a layer with its own keys, such as its name, next to its class."""
    if not own:
        return component
    return {**(component if isinstance(component, dict) else {str(component): {}}), **own}


def _scalar(text: str) -> Value:
    number = number_meant(text)
    return text if number is None else number


def _is_open(text: str) -> bool:
    return text.count("(") > text.count(")")


def split_calls(items: list[Value]) -> dict[int, tuple[str, int]]:
    """Return the calls that the commas of a list have cut in pieces: `[Dense(16, relu)]` has two items.

    Args:
        items: a list of components.

    Returns:
        By the position of its first piece, the whole call, and how many items it takes.
    """
    found: dict[int, tuple[str, int]] = {}
    index = 0
    while index < len(items):
        text, end = items[index], index + 1
        if isinstance(text, str) and _is_open(text):
            whole = text
            while end < len(items) and _is_open(whole) and isinstance(items[end], str | int | float):
                whole, end = f"{whole}, {items[end]}", end + 1
            if not _is_open(whole):
                found[index] = (whole, end - index)
        index = end
    return found
