"""Keys of a spec in another place or under another name, and sections in another form."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from pydantic import BaseModel

from mlpcli.errors import Hint, KeyPath, Problem, show_path
from mlpcli.spec.argument_forms import flag_hint
from mlpcli.spec.component_forms import class_meant
from mlpcli.spec.features import INPUT_KINDS, INPUT_KINDS_RULE, KINDS, TARGET_SCALINGS
from mlpcli.spec.fit_section import FitSpec
from mlpcli.spec.image_keys import image_problems
from mlpcli.spec.memory_size import memory_hint
from mlpcli.spec.number_texts import number_hint, number_meant
from mlpcli.spec.other_names import (
    COLUMN_KEYS,
    COLUMN_KINDS,
    FIT_OF_KERAS,
    KEYS,
    PRECISIONS,
    SCALINGS,
    folded,
)
from mlpcli.spec.plugins import Catalog
from mlpcli.spec.predictions import PredictSpec, predict_hint
from mlpcli.spec.schema import DatasetSpec, Spec, TunerSpec
from mlpcli.spec.split_forms import SPLIT_RULE, SPLITS, split_form_problems
from mlpcli.spec.values import Value, ValueMap
from mlpcli.spec.yaml_line import entry_line, item_line, yaml_line

SECTIONS: dict[str, type[BaseModel]] = {
    "fit": FitSpec,
    "dataset": DatasetSpec,
    "tuner": TunerSpec,
    "predict": PredictSpec,
}
"""The sections of a spec that have keys of their own, in the order in which a key is looked up."""

LIST_KINDS = {"layers": "layers", "metrics": "metrics", "callbacks": "callbacks"}
MOST_LAYERS = 8


def key_place(key: str, inside: str = "") -> KeyPath:
    """Return where in a spec a key belongs; an empty path where that is not known.

    Args:
        key: an unknown key.
        inside: the section that it was found in; empty for the top of the spec.
    """
    if inside and key in Spec.model_fields:
        return (key,)
    for section, model in SECTIONS.items():
        if section != inside and key in model.model_fields and not (section == "tuner" and key == "seed"):
            return (section, key)
    return KEYS.get(key, KEYS.get(key.lower(), ()))


def setting_hint(flag: str, key: str) -> str:
    """Return the flag that was meant: `--set fit.epochs=5` for `--set epochs=5`; empty if it is not known."""
    place = key_place(key)
    if len(place) != 2 or place[0] not in SECTIONS:
        return ""
    return f"write {flag.replace(f'--set {key}', '--set ' + '.'.join(map(str, place)), 1)}"


def as_setting(problem: Problem, flag: str) -> str:
    """Return a problem's hint; of a wrong key the flag: `write --set fit.epochs=5` for `write epochs: 5`.

    Args:
        problem: of a setting.
        flag: the setting.
    """
    hint, path = problem.advice(), problem.path
    match = re.fullmatch(r"write ([A-Za-z_]\w*): ([^;]+)", hint)
    if match is None or problem.received != path[-1] or not flag.startswith(f"--set {show_path(path)}="):
        return hint
    return f"write --set {shlex.quote(f'{show_path((*path[:-1], match[1]))}={match[2]}')}"


def key_hint(path: KeyPath, value: Value, data: ValueMap, catalog: Catalog) -> Hint:
    """Return what to write instead of an unknown key of the spec or of a section; empty if that is not known.

    Args:
        path: the key's.
        value: its value.
        data: the whole spec.
        catalog: the names that the spec may use.
    """
    key, inside = str(path[-1]), str(path[-2]) if len(path) > 1 else ""
    if len(path) == 4 and path[:2] == ("dataset", "features") and key in COLUMN_KEYS:
        return f"write {entry_line(COLUMN_KEYS[key], COLUMN_KINDS.get(str(value), value))}"
    if key == "encoding" and inside in ("", "dataset"):
        return f"write {'' if inside else 'it inside dataset: '}{entry_line('charset', value)}"
    if key in ("train", "train_split") and number_of(value) is not None:
        return FIT_OF_KERAS["train_size"]
    if key == "split" and not isinstance(value, str):
        return FIT_OF_KERAS[key]
    if key == "max_epochs" and not inside and "tuner" not in data:
        return _moved(("fit", "epochs"), inside, value, data, catalog)
    if len(path) > 2 or (inside and inside not in SECTIONS):
        return ""
    if ":" in key and value is None:
        word, _, rest = key.partition(":")
        return f"a space must follow the colon: write {word}: {rest}"
    if match := re.match(r"(\w+)\s*([{\[].*)", key):
        return f"a key needs a colon: write {match[1]}: {match[2]} ..."
    if "=" in key and value is None:
        word, _, rest = key.partition("=")
        return f"write {word.strip()}: {rest.strip()}"
    place = key_place(key, inside)
    if place == (inside, key) or (inside and place == (inside,)):
        return ""
    if key in FIT_OF_KERAS and not place:
        return FIT_OF_KERAS[key]
    if not place:
        return ""
    if place == ("fit", "folds") and number_of(value) is None:  # cross_validation: true
        value = 5
    return _moved(place, inside, value, data, catalog)


def number_of(value: Value) -> int | float | None:
    """Return the number that a value is or stands for, or None."""
    if isinstance(value, bool):
        return None
    return (
        number_meant(value) if isinstance(value, str) else value if isinstance(value, int | float) else None
    )


def _moved(place: KeyPath, inside: str, value: Value, data: ValueMap, catalog: Catalog) -> str:
    """Return what to write where a key belongs."""
    number = number_of(value)
    value = value if number is None else number
    section = data.get(str(place[0]))
    if len(place) == 2 and isinstance(section, dict) and place[0] in SECTIONS:
        line, name = entry_line(str(place[1]), value), str(place[1])
        if name in section and inside != place[0]:
            return f"{place[0]} has {entry_line(name, section[name])} already: remove one of them"
        return f"write {line}" if inside == place[0] else f"write it inside {place[0]}: {line}"
    if place[0] == "callbacks" and isinstance(section, list) and len(place) > 1:
        return f"add it to callbacks: {item_line(_callback(place, value))}"
    return f"write {_written(place, value, data, catalog)}"


def _written(place: KeyPath, value: Value, data: ValueMap, catalog: Catalog) -> str:
    """Return a value as a line of YAML from the top of the spec."""
    if place[0] == "optimizer" and len(place) > 1:
        return entry_line("optimizer", _with_argument(data.get("optimizer"), str(place[-1]), value, catalog))
    if place[0] == "callbacks" and len(place) > 1:
        return entry_line("callbacks", [_callback(place, value)])
    for key in reversed(place[1:]):
        value = {str(key): value}
    return entry_line(str(place[0]), value)


def _callback(place: KeyPath, value: Value) -> Value:
    """Return the callback that a key such as `patience` or `early_stopping` asks for."""
    arguments = {str(place[2]): value} if len(place) == 3 else value
    return {str(place[1]): arguments} if isinstance(arguments, dict) and arguments else str(place[1])


def _with_argument(optimizer: Value, argument: str, value: Value, catalog: Catalog) -> Value:
    """Return the spec's optimizer with one more argument; Adam where it has none."""
    name, arguments = "Adam" if argument == "learning_rate" else "SGD", {}
    if isinstance(optimizer, str):
        name = optimizer
    elif isinstance(optimizer, dict) and len(optimizer) == 1:
        ((name, given),) = optimizer.items()
        arguments = given if isinstance(given, dict) else {}
    classes = catalog.class_names("optimizers")
    name = next((each for each in classes if folded(each) == folded(name)), name)
    return {name: {**arguments, argument: value}}


def section_problem(path: KeyPath, value: Value, catalog: Catalog) -> Problem | None:
    """Return the problem with a section in another form, with its correction; None for any other value."""
    if path == ("dataset",) and isinstance(value, str):
        file = "." in value or "/" in value or "\\" in value
        meant: Value = {"path": value, "target": "COLUMN"} if file else {"name": value}
        rule = "must be a mapping with a name or a path"
        return Problem(rule, path=path, received=value, hint=f"write {entry_line('dataset', meant)}")
    if len(path) == 1 and path[0] in LIST_KINDS:
        key = str(path[0])
        if isinstance(value, str) and value.startswith("-"):
            hint = f"a space must follow '-': write - {value.split()[0][1:]}, and so below"
            return Problem(f"must be a list of {key}", path=path, received=value, hint=hint)
        items = _as_list(value, LIST_KINDS[key], catalog)
        if items:
            rule = f"must be a list of {key}"
            written = entry_line(key, items)
            if isinstance(value, dict) and len(value) > 1:
                written = "'- ' before each: " + ", ".join(f"- {item_line(item)}" for item in items)
            return Problem(rule, path=path, received=value, hint=f"write {written}")
    if path == ("fit",) and isinstance(value, int) and not isinstance(value, bool):
        rule = "must be a mapping of epochs, batch_size, ..."
        return Problem(rule, path=path, received=value, hint=f"write fit: {{epochs: {value}}}")
    if len(path) == 1 and isinstance(value, str) and "=" in value and path[0] in SECTIONS:
        pairs = (part.partition("=") for part in value.split(","))
        hint = f"write {path[0]}: {{{', '.join(f'{k.strip()}: {v.strip()}' for k, _, v in pairs)}}}"
        return Problem("must be a mapping", path=path, received=value, hint=hint)
    if len(path) == 1 and isinstance(value, str) and ":" in value and path[0] in SECTIONS:
        word, _, rest = value.partition(":")
        hint = f"a space must follow the colon: write {word}: {rest}"
        return Problem("must be a mapping", path=path, received=value, hint=hint)
    return None


def _as_list(value: Value, namespace: str, catalog: Catalog) -> list[Value]:
    """Return the list of components that one component, or a mapping of several, stands for; else none."""
    if isinstance(value, str):
        words = [word.strip() for word in value.split(",")] if "(" not in value else [value]
        names = [class_meant(word.partition("(")[0], namespace, catalog) for word in words]
        return [value] if len(words) == 1 and names[0] else list(names) if all(names) else []
    if not isinstance(value, dict) or not value or len(value) > MOST_LAYERS:
        return []
    items: list[Value] = []
    for key, arguments in value.items():
        name = class_meant(key, namespace, catalog)
        name = name or class_meant(key.rstrip("_0123456789"), namespace, catalog)
        if not name:
            return []
        plain = arguments is None or arguments is True
        items.append(name if plain or arguments == {} else {name: arguments})
    return items


def value_problem_hint(path: KeyPath, value: Value, rule: str) -> str:
    """Return what to write instead of a value of our own keys that has the wrong type; empty if unknown."""
    if value is None and (joined := re.fullmatch(r"([^:]+):(\S+)", str(path[-1]))):
        return f"a space must follow the colon: write {joined[1]}: {joined[2]}"
    if path[:1] == ("predict",):
        return predict_hint(str(path[-1]), value)
    if path == ("fit", "memory"):
        return memory_hint(value)
    if rule.endswith("true or false"):
        return flag_hint(value)
    if path == ("name",) and isinstance(value, str | int) and "/" not in str(value):
        meant = re.sub(r"[^A-Za-z0-9._-]+", "_", str(value)).strip("._-")[:64]
        return f"write name: {yaml_line(meant)}" if meant else ""
    if path == ("dataset", "features") and isinstance(value, str) and value != "all":
        columns: list[Value] = [name.strip() for name in value.split(",")]
        return f"write {entry_line('features', columns)}"
    if path == ("dataset", "split"):
        return "for shares of the rows write test: 0.2, validation: 0.2"
    if path[:2] == ("dataset", "features") and isinstance(value, dict):
        return "a list holds only names: write features: {column: kind, ...}"
    if "numeric, categorical" in rule and isinstance(value, str):
        if folded(value).startswith("embed"):
            return "write {kind: categorical, encoding: embedding}"
        kind = COLUMN_KINDS.get(folded(value)) or COLUMN_KINDS.get(value.lower(), "")
        return f"write {kind or value.lower()}" if kind or value.lower() in KINDS else ""
    if INPUT_KINDS_RULE in rule:
        return _kinds_hint(value, whole=path[-1] == "kinds")
    if path == ("fit", "precision") and folded(str(value)) in PRECISIONS:
        return f"write {PRECISIONS[folded(str(value))]}"
    if rule == "must be one_hot or embedding" and folded(str(value)) in ("onehot", "dummy", "dummies"):
        return "write one_hot"
    if path == ("dataset", "target_scaling"):
        meant = "standardize" if value is True else SCALINGS.get(folded(str(value)), "")
        return f"write {meant}" if meant in TARGET_SCALINGS else ""
    if "standardize, minmax" in rule and value is True:
        return "write standardize"
    if "standardize, minmax" in rule and isinstance(value, str):
        return f"write {SCALINGS[folded(value)]}" if folded(value) in SCALINGS else ""
    whole = "fraction" not in rule and any(word in rule for word in WHOLE)
    number = number_meant(value) if isinstance(value, str) else value
    if isinstance(number, int | float) and number <= 0:
        return ""
    return number_hint(value, whole=whole)


def _kinds_hint(value: Value, *, whole: bool) -> str:
    """Return the kinds of an input that were meant, or one of them; empty if that is not known."""
    words = value if isinstance(value, list) else [value]
    meant: list[Value] = [COLUMN_KINDS.get(folded(str(word)), folded(str(word))) for word in words]
    if not meant or not {*meant} <= {*INPUT_KINDS}:
        return ""
    return f"write {entry_line('kinds', meant) if whole else meant[0]}"


WHOLE = ("epochs", "rows", "whole number", "copies")
"""Words in the rules of values that are whole numbers."""


def names_data(dataset: ValueMap) -> bool:
    """Return whether a dataset has a path or a name under another key: `file`, `csv`."""
    return any(KEYS.get(key, ())[-1:] in (("path",), ("dataset",)) for key in dataset)


def dataset_problems(dataset: ValueMap) -> Iterator[Problem]:
    """Yield texts that a split or a name cannot be: `test: 20%`, `name: houses.csv`."""
    yield from split_form_problems(dataset)
    yield from image_problems(dataset)
    for split in SPLITS:
        value = dataset.get(split)
        if not isinstance(value, str) or (number := number_meant(value)) is None:
            continue
        hint = f"write {entry_line(split, number)}" if number > 0 else ""
        yield Problem(f"must be {SPLIT_RULE}", path=("dataset", split), received=value, hint=hint)
    name = dataset.get("name")
    if isinstance(name, str) and ("/" in name or "\\" in name or name.endswith(FILE_ENDINGS)):
        rule = "is the name of a built-in dataset, not a file"
        yield Problem(rule, path=("dataset", "name"), received=name, hint=f"write {entry_line('path', name)}")


def input_problems(inputs: ValueMap) -> Iterator[Problem]:
    """Yield inputs that are chosen in two ways, or that name a kind twice."""
    for name, each in inputs.items():
        if not isinstance(each, dict):
            continue
        if each.get("kinds") is not None and each.get("columns") is not None:
            rule = "an input takes columns by name, or all columns of some kinds, not both"
            hint = "keep one: the columns, or the kinds"
            yield Problem(rule, path=("inputs", name, "kinds"), received=each["kinds"], hint=hint)
        kinds = each.get("kinds")
        listed = kinds if isinstance(kinds, list) else []
        for place, kind in enumerate(listed):
            if kind in listed[:place]:
                yield Problem("is listed twice", path=("inputs", name, "kinds", place), received=kind)


FILE_ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".npz", ".npy", ".gz", ".zip", ".xlsx", ".json", ".data")
