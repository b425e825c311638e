"""What `run.json` says of a run as it begins: where it comes from, what it is made of, and where it runs."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from collections.abc import Sequence
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
    digest = run.record.get("sha256")
    model = digest.get(runs.MODEL) if isinstance(digest, dict) else None
    return {"run": run.label, "folder": str(run.folder), "sha256": model}


def now() -> str:
    """The time as `run.json` has it, to the second and with its zone."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def commit_of(folder: Path) -> str | None:
    """The commit of the repository that holds the spec, with `+changes` when its files differ from it."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return commit + ("+changes" if _git(folder, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=5, check=True
    )
    return done.stdout.strip()
