"""What a training must agree with to be gone on from: its spec, data and plug-ins; and how two differ."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from mlpcli.data.dataset import Dataset
from mlpcli.errors import ABSENT, KeyPath, Problem, show_path, show_value
from mlpcli.spec.plugins import Catalog
from mlpcli.spec.yaml_reader import parse_text

PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "pyarrow", "pydantic")


def versions() -> dict[str, str]:
    """Of Python and of the packages that results depend on."""
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}


def identity(resolved: str, dataset: Dataset, catalog: Catalog) -> dict[str, Any]:
    """What a checkpoint remembers of the run it belongs to; `resolved` is the text of `resolved.yaml`."""
    return {
        "spec": resolved,
        "data": dataset.fingerprint,
        "rows": {name: len(split) for name, split in dataset.splits().items()},
        "plugins": {plugin.base_name: plugin.sha256 for plugin in catalog.plugins},
        "versions": versions(),
    }


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[Problem]:
    """What has changed between two identities, one problem each; versions are not held against anybody."""
    found = [
        Problem(f"{show_path(path)} has changed: {_shown(old)} then, {_shown(new)} now")
        for path, old, new in spec_changes(then["spec"], now["spec"])
    ]
    if then["data"] != now["data"]:
        rows = [
            f"{name}: {then['rows'].get(name, 0):,} rows then, {now['rows'].get(name, 0):,} now"
            for name in {**then["rows"], **now["rows"]}
            if then["rows"].get(name) != now["rows"].get(name)
        ]
        found.append(Problem(f"the data has changed ({'; '.join(rows) or 'as many rows, other values'})"))
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


def spec_changes(then: str, now: str) -> list[tuple[KeyPath, Any, Any]]:
    """The paths at which two resolved specs differ, with both values."""
    if then == now:
        return []
    old, new = (parse_text(text, "resolved.yaml").data for text in (then, now))
    return list(_changes(old, new, ()))


def _changes(old: Any, new: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from _changes(old.get(key, ABSENT), new.get(key, ABSENT), (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _changes(before, after, (*path, index))
    elif old != new:
        yield path, old, new


def _shown(value: Any) -> str:
    return "nothing" if value is ABSENT else show_value(value)
