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

from mlpcli import runs
from mlpcli.errors import Place, Problem, RunError, SpecError
from mlpcli.files import read_ordinary, replacing
from mlpcli.keras_import import import_keras
from mlpcli.plugin_frames import MODULE
from mlpcli.runs import trust
from mlpcli.runs.folder import Run
from mlpcli.spec.plugins import KERAS, MAX_BYTES, Catalog, Plugin

SHOWN_LINES = 6
"""Lines of a plug-in's traceback that are shown."""


@dataclass(frozen=True)
class Plugins:
    """The classes and functions of a spec's plug-ins by name, with the catalog that checked them."""

    objects: Mapping[str, object] = field(default_factory=dict)
    catalog: Catalog = KERAS


NONE = Plugins()


def import_plugins(catalog: Catalog) -> Plugins:
    """Run a catalog's plug-in files and collect their definitions; what was checked is what runs.

    Each file becomes a module named after its content, so that a run's copy and a later version do not mix.

    Raises:
        SpecError: a file fails to import; the problem ends with the last lines of its own traceback.
    """
    if not catalog.plugins:
        return NONE
    import_keras()
    objects: dict[str, object] = {}
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
    name = f"{MODULE}{plugin.file.stem}_{plugin.sha256[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    module = types.ModuleType(name)
    module.__file__ = str(plugin.file)
    sys.modules[name] = module  # as Python does: dataclasses and pickles look a class's module up
    lines = plugin.source.splitlines(keepends=True)
    linecache.cache[str(plugin.file)] = (len(plugin.source), None, lines, str(plugin.file))
    try:
        exec(compile(plugin.source, str(plugin.file), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise SpecError(_failure(plugin, error)) from error
    return module


def _failure(plugin: Plugin, error: BaseException) -> Problem:
    """Describe why a plug-in cannot be imported, at the line that failed."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(plugin.file)]
    line = (own[-1].lineno or 1) if own else 1
    if own:
        source = (plugin.source.splitlines() or [""])[line - 1]
    place = Place(str(plugin.file), line, 1, source if own else "")
    text = "".join(traceback.format_exception(error))
    frames = text[text.find(f'File "{plugin.file}"') :] if own else text
    last = [shown.strip() for shown in frames.splitlines() if shown.strip(" ^~")][-SHOWN_LINES:]
    return Problem(f"the plug-in cannot be imported: {' | '.join(last)}", place)


def _register(found: object, plugin: Plugin) -> None:
    """Register a class or function, so that Keras finds it when it reads a saved model.

    An author's own registration is kept. This is done at every use, since another version of the file may
    have been registered in between.
    """
    from mlpcli.keras_import import keras

    registered = keras.saving.get_registered_name(found)
    package, _, name = registered.rpartition(">")
    if isinstance(found, type) and not hasattr(found, "get_config"):
        return  # a callback, or no component at all: never saved
    keras.saving.register_keras_serializable(package or plugin.file.stem, name)(found)


def copy_plugins(catalog: Catalog, run_dir: Path) -> list[dict[str, str]]:
    """Copy the plug-in files into a run.

    Args:
        catalog: of the spec.
        run_dir: the run's folder.

    Returns:
        What `run.json` records of each: file, source, sha256.
    """
    entries = []
    for plugin in catalog.plugins:
        inside = f"{runs.PLUGINS}/{plugin.base_name}"
        with replacing(run_dir / inside) as path:
            path.write_bytes(plugin.text.encode("utf-8"))
        trust.remember(plugin.sha256)
        entries.append({"file": inside, "source": str(plugin.file.resolve()), "sha256": plugin.sha256})
    return entries


def run_plugins(run: Run, catalog: Catalog) -> Plugins:
    """Import the plug-ins of a run from its own copies.

    Raises:
        RunError: a copy differs from what `run.json` says the run was trained with, or it was never used on
            this machine and the user has not allowed it to run.
    """
    recorded = {entry.file: entry.sha256 for entry in run.record.plugins}
    problems = []
    for plugin in catalog.plugins:
        inside = f"{runs.PLUGINS}/{plugin.base_name}"
        if recorded.get(inside) != plugin.sha256:
            rule = f"run {run.label}: {inside} is not the file that the run was trained with"
            problems.append(Problem(rule, hint="restore the original, or train again"))
        elif not run.trusted and not trust.is_known(plugin.sha256):
            rule = f"run {run.label} comes from elsewhere, and {inside} would run code"
            problems.append(Problem(rule, hint="read the file, then add --trust-plugins"))
    if problems:
        raise RunError(*problems)
    return import_plugins(catalog)


def changed_plugins(run: Run) -> tuple[str, ...]:
    """Return a line for each plug-in whose original exists but has changed since the run was trained."""
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
