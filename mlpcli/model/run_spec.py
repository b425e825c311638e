"""A run's own spec, `resolved.yaml`, completed by other files of the run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mlpcli import runs
from mlpcli.data.readers.find_files import exists
from mlpcli.data.types import NumberType
from mlpcli.runs.folder import SEARCH, Run
from mlpcli.runs.guard import WITHIN_SEARCH
from mlpcli.spec.load import Kept, LoadedSpec, load_spec, with_data
from mlpcli.spec.locations import FILE_KEYS, VARIABLE, absolute, with_files


def own_spec(run: Run, settings: Sequence[str] = ()) -> LoadedSpec:
    """Return the spec that a run was trained with, defaults filled in and the values of `--set` applied.

    Its data may have been moved since, with or without the run: see `find_data`.

    Args:
        run: the run.
        settings: values of `--set`. A relative file among them that is not in the run's folder is looked up
            in the current folder.

    Raises:
        RunError: the run has no spec.
        SpecError: it cannot be read, or a setting does not fit.
    """
    loaded = load_spec(run.require(runs.RESOLVED), settings=(*run.settings, *settings))
    data, start = run.record.data, run.record.start_from
    kept = Kept(
        run.folder.resolve(),
        data.fingerprint if data is not None else None,
        data.seed if data is not None else None,
        start=start.sha256 if start is not None else None,
        steps=_has_steps(data.contract) if data is not None else None,
        whole=run.record.members is not None,
        strict=bool(run.settings),
    )
    wide = data is not None and data.contract.get("numbers") == "float64"
    numbers: NumberType = "float64" if wide else "float32"  # version 0.1 did not write it
    return _from_here(replace(loaded, kept=kept, runs_dir=runs_dir_of(run), numbers=numbers))


def _has_steps(contract: Mapping[str, object]) -> bool:
    """Return whether a run's contract, which may be damaged, has outputs with a target for each step."""
    outputs = contract.get("outputs")
    return isinstance(outputs, list) and any(isinstance(each, dict) and each.get("steps") for each in outputs)


def runs_dir_of(run: Run) -> Path:
    """Return the runs folder that a run lies in."""
    folder = run.folder.absolute()
    while folder.parent.name in WITHIN_SEARCH and _is_run(folder.parent.parent):
        folder = folder.parent.parent
    above = folder.parents
    return above[min(1, len(above) - 1)]


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (SEARCH, runs.RECORD))


def _from_here(loaded: LoadedSpec) -> LoadedSpec:
    """Return the spec with relative files named on the command line resolved from the current folder."""
    data = loaded.source.data
    given = {key for key in FILE_KEYS if ("dataset", key) in loaded.text.flags}
    if not given or not isinstance(data.get("dataset"), dict):
        return loaded

    def found(path: str) -> str:
        inside, here = absolute(path, loaded.folder), absolute(path, Path.cwd())
        return here if not VARIABLE.search(path) and not exists(Path(inside)) else path

    changed = with_files(data["dataset"], found)
    section = data["dataset"] | {key: changed[key] for key in given if key in changed}
    return with_data(loaded, data | {"dataset": section})
