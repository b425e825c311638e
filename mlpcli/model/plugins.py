"""A spec's plug-in files, imported: the one place where a spec runs code."""

from __future__ import annotations

import hashlib
import linecache
import sys
import traceback
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlpcli import runs
from mlpcli.errors import Place, Problem, RunError, SpecError
from mlpcli.files import read_ordinary, replacing
from mlpcli.keras_import import import_keras
from mlpcli.runs import trust
from mlpcli.runs.folder import Run
from mlpcli.spec.plugins import KERAS, MAX_BYTES, Catalog, Plugin

SHOWN_LINES = 6
"""Of a plug-in's traceback."""


@dataclass(frozen=True)
class Plugins:
    """The classes and functions of a spec's plug-ins by name, with the catalog that checked them."""

    objects: Mapping[str, Any] = field(default_factory=dict)
    catalog: Catalog = KERAS


NONE = Plugins()


def import_plugins(catalog: Catalog) -> Plugins:
    """Run a catalog's plug-in files and take their parts; the text that was checked is the text that runs.

    Each file is a module of its own, by its content: a run's copy and a later version do not mix.

    Raises:
        SpecError: a file fails to import; the problem ends with the last lines of its own traceback.
    """
    if not catalog.plugins:
        return NONE
    import_keras()
    objects: dict[str, Any] = {}
    problems: list[Problem] = []
    for plugin in catalog.plugins:
        try:
            module = _import(plugin)
        except SpecError as error:
            problems += error.problems
            continue
        names = [
            name
            for name in (*plugin.definitions.classes, *plugin.definitions.functions)
            if hasattr(module, name)
        ]
        for name in names:
            objects[name] = getattr(module, name)
            _register(objects[name], plugin)
    if problems:
        raise SpecError(*problems)
    return Plugins(objects, catalog)


def _import(plugin: Plugin) -> types.ModuleType:
    name = f"mlpcli_plugin_{plugin.file.stem}_{plugin.sha256[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    module = types.ModuleType(name)
    module.__file__ = str(plugin.file)
    sys.modules[name] = module  # as Python does: dataclasses and pickles look a class's module up
    lines = plugin.text.splitlines(keepends=True)
    linecache.cache[str(plugin.file)] = (len(plugin.text), None, lines, str(plugin.file))
    try:
        exec(compile(plugin.text, str(plugin.file), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise SpecError(_failure(plugin, error)) from error
    return module


def _failure(plugin: Plugin, error: BaseException) -> Problem:
    """Why a plug-in cannot be imported, at the line of it that failed."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(plugin.file)]
    line = (own[-1].lineno or 1) if own else 1
    if own:
        source = (plugin.text.splitlines() or [""])[line - 1]
    place = Place(str(plugin.file), line, 1, source if own else "")
    text = "".join(traceback.format_exception(error))
    frames = text[text.find(f'File "{plugin.file}"') :] if own else text
    last = [shown.strip() for shown in frames.splitlines() if shown.strip(" ^~")][-SHOWN_LINES:]
    return Problem(f"the plug-in cannot be imported: {' | '.join(last)}", place)


def _register(part: Any, plugin: Plugin) -> None:
    """Let Keras find a part again when it reads a saved model; an author's own registration stays as it is.

    Done at every use, since another version of the file may have been registered in between.
    """
    keras = import_keras()
    registered = keras.saving.get_registered_name(part)
    package, _, name = registered.rpartition(">")
    if isinstance(part, type) and not hasattr(part, "get_config"):
        return  # a callback, or no part at all: never saved
    keras.saving.register_keras_serializable(package or plugin.file.stem, name)(part)


def copy_plugins(catalog: Catalog, run_dir: Path) -> list[dict[str, str]]:
    """Copy the plug-in files into a run; returns what `run.json` says of each: file, source, sha256."""
    said = []
    for plugin in catalog.plugins:
        inside = f"{runs.PLUGINS}/{plugin.base_name}"
        with replacing(run_dir / inside) as path:
            path.write_bytes(plugin.text.encode("utf-8"))
        trust.remember(plugin.sha256)
        said.append({"file": inside, "source": str(plugin.file.resolve()), "sha256": plugin.sha256})
    return said


def run_plugins(run: Run, catalog: Catalog) -> Plugins:
    """The plug-ins of a run, from its own copies.

    Raises:
        RunError: a copy is not what `run.json` says the run was trained with, or nobody has trained with it
            here and the user has not said that it may run.
    """
    recorded = {entry.file: entry.sha256 for entry in run.record.plugins}
    problems = []
    for plugin in catalog.plugins:
        inside = f"{runs.PLUGINS}/{plugin.base_name}"
        if recorded.get(inside) != plugin.sha256:
            rule = f"run {run.label}: {inside} is not the file that the run was trained with"
            problems.append(Problem(rule, hint="put the original back, or train again"))
        elif not run.trusted and not trust.is_known(plugin.sha256):
            rule = f"run {run.label} comes from elsewhere, and {inside} would run code"
            problems.append(Problem(rule, hint="read the file, then add --trust-plugins"))
    if problems:
        raise RunError(*problems)
    return import_plugins(catalog)


def changed_plugins(run: Run) -> tuple[str, ...]:
    """A line for each plug-in whose original is there but no longer what the run was trained with."""
    lines = []
    for entry in run.record.plugins:
        source = Path(entry.source)
        if _differs(source, entry.sha256):
            lines.append(
                f"{source} has changed since run {run.label} was trained; the run's own copy is used"
            )
    return tuple(lines)


def _differs(source: Path, sha256: str) -> bool:
    """Whether a file is there, may be a plug-in, and has other contents."""
    try:
        content = read_ordinary(source, MAX_BYTES)
    except (OSError, ValueError):
        return False
    return hashlib.sha256(content).hexdigest() != sha256
