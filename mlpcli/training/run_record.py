"""What `run.json` says of a run as it begins: where it comes from, what it is made of, and where it runs."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlpcli
from mlpcli import runs
from mlpcli.data.dataset import Dataset
from mlpcli.spec.load import LoadedSpec
from mlpcli.training.identity import versions


def begin_record(loaded: LoadedSpec, dataset: Dataset, model: Any, command: Sequence[str]) -> dict[str, Any]:
    """What `run.json` says of a run that is about to start."""
    rows = {name: len(split) for name, split in dataset.splits().items()}
    data: dict[str, Any] = {
        "source": dataset.source,
        "fingerprint": dataset.fingerprint,
        "rows": rows,
        "contract": dataset.contract.to_json(),
    }
    if dataset.seed != loaded.spec.seed:  # of a search's best, trained with further seeds on the same splits
        data["seed"] = dataset.seed
    start = start_of(loaded)
    return {
        "status": runs.RUNNING,
        "name": loaded.spec.name,
        "seed": loaded.spec.seed,
        "started": now(),
        "spec": str(loaded.file.resolve()),
        "command": list(command),
        **({"hyperparameters": loaded.values} if loaded.values else {}),
        "versions": {"mlpcli": mlpcli.__version__, **versions()},
        "commit": commit_of(loaded.folder),
        "host": {
            "name": platform.node(),
            "system": platform.platform(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
        },
        "data": data,
        **({"start_from": start} if start else {}),
        "model": {"parameters": int(model.count_params()), "layers": len(model.layers) - 1},
    }


def start_of(loaded: LoadedSpec) -> dict[str, Any] | None:
    """The run that a completed spec starts from: its label, its folder, and the sha256 of its model."""
    if loaded.spec.start_from is None:
        return None
    run = runs.open_run(Path(loaded.spec.start_from.run))
    return {"run": run.label, "folder": str(run.folder), "sha256": run.record.sha256.get(runs.MODEL)}


def now() -> str:
    """The time as `run.json` has it, to the second and with its zone."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def commit_of(folder: Path) -> str | None:
    """The commit of the repository that holds the spec, with `+changes` when its files differ from it."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        status = ("status", "--porcelain", "-uno", "--ignore-submodules=all")
        return commit + ("+changes" if _git(folder, *status, settings=_no_programs(folder)) else "")
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _no_programs(folder: Path) -> dict[str, str]:
    """Settings under which `git status` runs no program that the settings of a repository name.

    The folder may come from a stranger, with a `.git` in it: `core.fsmonitor` and the filters of files are
    commands. Filters of the user's own settings, such as that of Git LFS, stay.
    """
    settings = {"core.fsmonitor": "false", "core.hooksPath": os.devnull}
    with contextlib.suppress(subprocess.CalledProcessError):  # there are no filters
        found = _git(folder, "config", "-z", "--show-scope", "--name-only", "--get-regexp", r"^filter\.")
        words = found.split("\0")
        for scope, name in zip(words[::2], words[1::2], strict=False):
            if scope in ("local", "worktree"):
                settings[name] = "false" if name.endswith(".required") else ""
    return settings


def _git(folder: Path, *arguments: str, settings: Mapping[str, str] = {}) -> str:
    """What Git prints; it fetches nothing and writes nothing.

    Args:
        settings: Instead of those in its files; as variables, since a name may have a `=` in it.
    """
    given = {"GIT_OPTIONAL_LOCKS": "0", "GIT_ALLOW_PROTOCOL": "none", "GIT_CONFIG_COUNT": str(len(settings))}
    for place, (name, value) in enumerate(settings.items()):
        given |= {f"GIT_CONFIG_KEY_{place}": name, f"GIT_CONFIG_VALUE_{place}": value}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=5,
        check=True,
        env=os.environ | given,
    )
    return done.stdout.strip()
