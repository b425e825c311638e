"""What a training must agree with to be gone on from: its spec, data and plug-ins; and how two differ.

Both specs are completed by the same function before they are compared, and what only says where something
lies or how it is called is left out. The data are the same when their fingerprints are: the same rows in the
same splits, as the same numbers, whichever words of the spec led there.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlpcli.data.dataset import Dataset
from mlpcli.errors import ABSENT, KeyPath, Problem, SpecError, show_path, show_value
from mlpcli.spec.load import load_text
from mlpcli.spec.locations import FILE_KEYS, names_file
from mlpcli.spec.plugins import Catalog
from mlpcli.spec.resolve import dump, resolved_document
from mlpcli.spec.yaml_reader import parse_text

PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "pyarrow", "pydantic")


def versions() -> dict[str, str]:
    """Of Python and of the packages that results depend on."""
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}


def identity(resolved: str, dataset: Dataset, catalog: Catalog, start: str | None = None) -> dict[str, Any]:
    """What a checkpoint remembers of the run it belongs to.

    resolved: the text of `resolved.yaml`. start: sha256 of the model that the network started from.
    """
    return {
        "spec": resolved,
        "data": dataset.fingerprint,
        "rows": {name: len(split) for name, split in dataset.splits().items()},
        "plugins": {plugin.base_name: plugin.sha256 for plugin in catalog.plugins},
        "start_from": start,
        "versions": versions(),
    }


def differences(then: dict[str, Any], now: dict[str, Any], folder: Path) -> list[Problem]:
    """What has changed between two identities, one problem each; versions are not held against anybody.

    folder: of the run, which holds the plug-ins that its spec names.
    """
    same_data = then["data"] == now["data"]
    old, new = _comparable(then["spec"], now["spec"], folder)
    sections = [_training(each) for each in (old, new)]
    if not same_data:
        sections = [each | _data(whole) for each, whole in zip(sections, (old, new), strict=True)]
    found = [
        Problem(f"{show_path(path)} has changed: {_shown(before)} then, {_shown(after)} now")
        for path, before, after in changes(*sections)
    ]
    if not same_data:
        rows = [
            f"{name}: {then['rows'].get(name, 0):,} rows then, {now['rows'].get(name, 0):,} now"
            for name in {**then["rows"], **now["rows"]}
            if then["rows"].get(name) != now["rows"].get(name)
        ]
        found.append(Problem(f"the data has changed ({'; '.join(rows) or 'as many rows, other values'})"))
    starts = then.get("start_from"), now.get("start_from")
    if None not in starts and starts[0] != starts[1]:
        found.append(Problem("the run that start_from names has changed: its model is another"))
    for name in sorted({**then["plugins"], **now["plugins"]}):
        if then["plugins"].get(name) != now["plugins"].get(name):
            found.append(Problem(f"the plug-in {name} has changed"))
    return found


def version_changes(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """`keras 3.15.1 then, 3.15.2 now` for every package that differs."""
    return [
        f"{name} {then.get(name, 'absent')} then, {now.get(name, 'absent')} now"
        for name in {**then, **now}
        if then.get(name) != now.get(name)
    ]


def _comparable(then: str, now: str, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two resolved specs as plain values, both completed by the installed versions if they can be."""
    texts = then, now
    try:
        loaded = [load_text(text, folder / "resolved.yaml") for text in texts]
    except SpecError:  # one that another version wrote
        old, new = (parse_text(text, "resolved.yaml").data for text in texts)
        return old, new
    whole = [_written(resolved_document(each, {})) for each in loaded]
    sections = [parse_text(text, "resolved.yaml").data.get("dataset", {}) for text in texts]
    old, new = (each | {"dataset": section} for each, section in zip(whole, sections, strict=True))
    return old, new


def _written(document: dict[str, Any]) -> Any:
    return parse_text(dump(document), "resolved.yaml").data


NOT_TRAINING = ("name", "dataset", "inputs", "plugins")
"""What is compared by other means: the data by its fingerprint, which inputs are in, plug-ins by theirs."""


def _training(document: Mapping[str, Any]) -> dict[str, Any]:
    """What of a spec a training depends on, beside its data."""
    kept = {key: value for key, value in document.items() if key not in NOT_TRAINING}
    if isinstance(start := kept.get("start_from"), dict):
        kept["start_from"] = {key: value for key, value in start.items() if key != "run"}
    return kept


def _data(document: Mapping[str, Any]) -> dict[str, Any]:
    """What of a spec may be why its data differs: not where files lie, nor columns that are not used."""
    section = dict(document.get("dataset") or {})
    for key in FILE_KEYS:
        if isinstance(section.get(key), str) and names_file(key, section):
            section[key] = "a file"
    if isinstance(features := section.get("features"), dict):
        section["features"] = {name: each for name, each in features.items() if each != "ignore"}
    return {"dataset": section, "inputs": document.get("inputs", {})}


def changes(old: Any, new: Any) -> list[tuple[KeyPath, Any, Any]]:
    """The paths at which plain values differ, with both values."""
    return list(_changes(old, new, ()))


def _changes(old: Any, new: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from _changes(old.get(key, ABSENT), new.get(key, ABSENT), (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _changes(before, after, (*path, index))
    elif old != new and not (old != old and new != new):  # a NaN is like another
        yield path, old, new


def _shown(value: Any) -> str:
    return "nothing" if value is ABSENT else show_value(value)
