"""What a training must agree with to be resumed: its spec, data and plug-ins; and how two of them differ.

Both specs are completed by the same function before they are compared. Paths and names are left out. The
data are the same when their fingerprints are: the same rows in the same splits, as the same numbers,
whichever words of the spec led there.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlpcli.data.dataset import Dataset
from mlpcli.errors import ABSENT, KeyPath, Problem, SpecError, show_path, show_value
from mlpcli.machine import installed_version
from mlpcli.printable import counted
from mlpcli.runs.record_models import Identity
from mlpcli.spec.fit_section import AUTO
from mlpcli.spec.load import load_text
from mlpcli.spec.locations import FILE_KEYS, names_file
from mlpcli.spec.plugins import Catalog
from mlpcli.spec.resolve import dump, resolved_document
from mlpcli.spec.values import ValueMap
from mlpcli.spec.yaml_reader import parse_text

PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "pyarrow", "pydantic")
"""Packages that results depend on."""

NOT_TRAINING = ("name", "dataset", "inputs", "plugins")
"""Keys that are compared by other means: the data by its fingerprint, plug-ins by their checksums."""

NOT_NUMBERS = ("max_minutes", "memory")
"""Keys of `fit` on which no number of an epoch depends."""


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    installed = {package: installed_version(package) or "unknown" for package in PACKAGES}
    return {"python": platform.python_version()} | installed


def identity(resolved: str, dataset: Dataset, catalog: Catalog, start: str | None = None) -> Identity:
    """Return what a checkpoint remembers of the run that it belongs to.

    Args:
        resolved: The text of `resolved.yaml`.
        dataset: The run's data.
        catalog: Its plug-ins.
        start: sha256 of the model that the network started from.
    """
    return Identity(
        spec=resolved,
        data=dataset.fingerprint,
        rows={name: len(split) for name, split in dataset.splits().items()},
        plugins={plugin.base_name: plugin.sha256 for plugin in catalog.plugins},
        start_from=start,
        versions=versions(),
    )


@dataclass(frozen=True)
class Words:
    """How a difference is said.

    Attributes:
        differs: the verb.
        first: where, or when, the first value is.
        second: likewise.
    """

    differs: str = "has changed"
    first: str = "then"
    second: str = "now"


LATER = Words()


def differences(then: Identity, now: Identity, folder: Path, words: Words = LATER) -> list[Problem]:
    """Return what differs between two identities, one problem each; versions do not count.

    Args:
        then: What the run was started with.
        now: What is there now.
        folder: The run's, which holds the plug-ins that its spec names.
        words: How it is said.
    """
    differs, first, second = words.differs, words.first, words.second
    same_data = then.data == now.data
    old, new = _comparable(then.spec, now.spec, folder)
    sections = [_training(each) for each in _same_engine(old, new)]
    if not same_data:
        sections = [each | _data(whole) for each, whole in zip(sections, (old, new), strict=True)]
    found = [
        Problem(f"{show_path(path)} {differs}: {_shown(before)} {first}, {_shown(after)} {second}")
        for path, before, after in changes(*sections)
    ]
    if not same_data:
        rows = "; ".join(
            f"{name}: {counted(then.rows.get(name, 0), 'row')} {first}, {now.rows.get(name, 0):,} {second}"
            for name in _changed_keys(then.rows, now.rows)
        )
        found.append(Problem(f"the data {differs} ({rows or 'as many rows, other values'})"))
    if None not in (then.start_from, now.start_from) and then.start_from != now.start_from:
        found.append(Problem(f"the run that start_from names {differs}: it has another model"))
    for name in sorted(_changed_keys(then.plugins, now.plugins)):
        found.append(Problem(f"the plug-in {name} {differs}"))
    return found


def version_changes(then: Identity, now: Identity, words: Words = LATER) -> list[str]:
    """Return `keras 3.15.1 then, 3.15.2 now` for every package whose version differs."""
    return [
        f"{name} {then.versions.get(name, 'absent')} {words.first}, "
        f"{now.versions.get(name, 'absent')} {words.second}"
        for name in _changed_keys(then.versions, now.versions)
    ]


def _changed_keys(then: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """Return the keys whose values differ, or that only one of the two has."""
    return [name for name in {**then, **now} if then.get(name) != now.get(name)]


def _comparable(then: str, now: str, folder: Path) -> tuple[ValueMap, ValueMap]:
    """Return two resolved specs as plain values, both completed by the installed versions if possible."""
    texts = then, now
    try:
        loaded = [load_text(text, folder / "resolved.yaml") for text in texts]
    except SpecError:  # one that another version wrote
        loaded = []
    if not loaded or any(None in (each.spec.loss, each.spec.metrics) for each in loaded):
        old, new = (_parse(text) for text in texts)
        return old, new
    whole = [_parse(dump(resolved_document(each, {}))) for each in loaded]
    sections = [_parse(text).get("dataset", {}) for text in texts]
    old, new = (each | {"dataset": section} for each, section in zip(whole, sections, strict=True))
    return old, new


def _same_engine(old: ValueMap, new: ValueMap) -> tuple[ValueMap, ValueMap]:
    """Return two specs with the old one's engine in both where the new one leaves the choice to us.

    A run is resumed with its recorded engine; `compiled` was the default of earlier versions.
    """
    before, after = old.get("fit"), new.get("fit")
    if isinstance(before, dict) and isinstance(after, dict) and after.get("engine", AUTO) == AUTO:
        engine = {"engine": before.get("engine", AUTO)}
        return old | {"fit": before | engine}, new | {"fit": after | engine}
    return old, new


def _parse(text: str) -> ValueMap:
    parsed: ValueMap = parse_text(text, "resolved.yaml").data
    return parsed


def _training(document: ValueMap) -> ValueMap:
    """Return those entries of a spec that a training depends on, without its data."""
    kept = {key: value for key, value in document.items() if key not in NOT_TRAINING}
    if isinstance(fit := kept.get("fit"), dict):
        kept["fit"] = {key: value for key, value in fit.items() if key not in NOT_NUMBERS}
    if isinstance(start := kept.get("start_from"), dict):
        kept["start_from"] = {key: value for key, value in start.items() if key != "run"}
    return kept


def _data(document: ValueMap) -> ValueMap:
    """Return those entries that may explain why the data differs: no paths, no columns that are not used."""
    given = document.get("dataset")
    section = dict(given) if isinstance(given, dict) else {}
    for key in FILE_KEYS:
        if isinstance(section.get(key), str) and names_file(key, section):
            section[key] = "a file"
    if isinstance(features := section.get("features"), dict):
        section["features"] = {name: each for name, each in features.items() if each != "ignore"}
    return {"dataset": section, "inputs": document.get("inputs", {})}


def changes(old: object, new: object) -> list[tuple[KeyPath, object, object]]:
    """Return the paths at which plain values differ, with both values."""
    return list(_changes(old, new, ()))


def _changes(old: object, new: object, path: KeyPath) -> Iterator[tuple[KeyPath, object, object]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from _changes(old.get(key, ABSENT), new.get(key, ABSENT), (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _changes(before, after, (*path, index))
    elif old != new and not (old != old and new != new):  # a NaN equals another NaN here
        yield path, old, new


def _shown(value: object) -> str:
    return "nothing" if value is ABSENT else show_value(value)
