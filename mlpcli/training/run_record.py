"""What `run.json` says about a run at its start: its origin, its data and model, and its machine."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import mlpcli
from mlpcli import runs
from mlpcli.data.dataset import Dataset
from mlpcli.data.fingerprint import target_digests
from mlpcli.runs.folder import Run
from mlpcli.spec.completed import CompletedSpec
from mlpcli.training.identity import versions
from mlpcli.training.job import Clock
from mlpcli.training.replicas.cluster import Cluster
from mlpcli.training.rows_on_disk import rows_on_disk
from mlpcli.training.time_limit import Limit, TimeLimit

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

THREADS = "TF_NUM_INTRAOP_THREADS"


def begin_record(
    completed: CompletedSpec, dataset: Dataset, model: keras.Model, command: Sequence[str]
) -> dict[str, object]:
    """Return `run.json` of a run that is about to start.

    Args:
        completed: The spec.
        dataset: Its data.
        model: Its model.
        command: The command line.
    """
    rows = {name: len(split) for name, split in dataset.splits().items()}
    data: dict[str, object] = {
        "source": dataset.source,
        "fingerprint": dataset.fingerprint,
        "targets": target_digests(dataset.splits()),
        "unscaled_targets": dict(dataset.unscaled_targets),
        "rows": rows,
        "contract": dataset.contract.to_json(),
    }
    if dataset.left_out:
        data["rows_without_target"] = dataset.left_out
    if (stored := rows_on_disk(completed.spec, dataset)) is not None:
        data["on_disk"] = stored.facts()
    own_splits = completed.spec.dataset.split_seed is None
    if own_splits and dataset.seed != completed.spec.seed:  # a search's best, with further seeds
        data["seed"] = dataset.seed
    start = _start_of(completed)
    return {
        "status": runs.RUNNING,
        "name": completed.spec.name,
        "seed": completed.spec.seed,
        "started": now(),
        "spec": str(completed.file.resolve()),
        "command": list(command),
        **({"hyperparameters": completed.values} if completed.values else {}),
        "versions": {"mlpcli": mlpcli.__version__, **versions()},
        "commit": commit_of(completed.folder),
        "host": {
            "name": platform.node(),
            "system": platform.platform(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "threads": int(threads) if (threads := os.environ.get(THREADS, "")).isdigit() else None,
        },
        "data": data,
        **({"start_from": start} if start else {}),
        "model": {"parameters": int(model.count_params()), "layers": len(model.layers) - 1},
    }


def start_sha256(completed: CompletedSpec) -> str | None:
    """Return the sha256 of the model that a spec starts from; None where it starts from none."""
    start = _start_of(completed)
    return start["sha256"] if start is not None else None


def _start_of(completed: CompletedSpec) -> dict[str, str | None] | None:
    """Return the run that a spec starts from: its label, its folder, and the sha256 of its model."""
    if completed.spec.start_from is None:
        return None
    run = runs.open_run(Path(completed.spec.start_from.run))
    return {"run": run.label, "folder": str(run.folder), "sha256": run.record.sha256.get(runs.MODEL)}


def origin(run: Run) -> dict[str, object]:
    """Return what `run.json` says about the run that another continues or reproduces."""
    return {"run": run.label, "folder": str(run.folder.resolve())}


def plugin_files(record: Mapping[str, object]) -> list[str]:
    """Return the copies of plug-ins that `run.json` lists, relative to the run folder."""
    entries = record.get("plugins")
    return [str(entry["file"]) for entry in entries] if isinstance(entries, list) else []


def now() -> str:
    """Return the time as `run.json` has it, to the second and with its zone."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def commit_of(folder: Path) -> str | None:
    """Return the commit of the repository around a folder, with `+changes` when its files differ from it.

    None where there is no repository, or no Git.
    """
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        status = ("status", "--porcelain", "-uno", "--ignore-submodules=all")
        return commit + ("+changes" if _git(folder, *status, settings=_no_programs(folder)) else "")
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _no_programs(folder: Path) -> dict[str, str]:
    """Return settings under which `git status` runs no program that a repository's settings name.

    The folder may come from a stranger, with a `.git` in it: `core.fsmonitor` and the filters of files are
    commands. Filters in the user's own settings, such as Git LFS's, stay.
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
    """Return what Git prints; it fetches nothing and writes nothing.

    Args:
        folder: Where Git runs.
        arguments: The command and its options.
        settings: Override those in Git's files; passed as variables, since a name may contain a `=`.
    """
    variables = {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for place, (name, value) in enumerate(settings.items()):
        variables |= {f"GIT_CONFIG_KEY_{place}": name, f"GIT_CONFIG_VALUE_{place}": value}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=5,
        check=True,
        env=os.environ | variables,
    )
    return done.stdout.strip()


def replicas_entry(cluster: Cluster | None) -> dict[str, object]:
    """Return the entry of `run.json` on the workers that train a run together."""
    if cluster is None:
        return {}
    return {"replicas": {"count": cluster.count, "source": cluster.source}}


def ended_by(*, timed_out: bool) -> dict[str, object]:
    """Return the entry of `run.json` on a training that ended although epochs were left."""
    return {"ended_by": "time"} if timed_out else {}


def time_used(limit: Limit | None, clock: Clock, before: float) -> dict[str, object]:
    """Return the entry of `run.json` on the time that a run may take, and has taken.

    Args:
        limit: Of the training.
        clock: Of this command.
        before: The seconds that earlier commands have taken.
    """
    if not isinstance(limit, TimeLimit):
        return {}
    return {"time": {"max_minutes": limit.minutes, "used_seconds": round(before + clock.total(), 3)}}


ALL_SPECS = (runs.SPEC, runs.RESOLVED)
"""The spec files that a run's folder keeps where it is resumed with its own spec."""

RENEWED = ("status", "error", "ended", "ended_by", "metrics", "timings", "engine", "replicas")
"""Entries of a record that say how the run had ended."""

OF_SPEC = ("seed", "data", "hyperparameters", "start_from")
"""Entries that another spec changes."""


def resumed_record(
    run: Run, command: Sequence[str], *, epoch: int | None = None, kept_specs: Sequence[str] = ALL_SPECS
) -> dict[str, object]:
    """Return a run's record with an entry about this resumption, and without how the run had ended.

    Args:
        run: The run or search.
        command: The command line.
        epoch: After which it is resumed; None for a search.
        kept_specs: Which of the two spec files stay as they are; where it is resumed with another spec, what
            that changes is left out.
    """
    left_out = {*RENEWED, *(OF_SPEC if runs.RESOLVED not in kept_specs else ())}
    left_out |= {"spec"} if runs.SPEC not in kept_specs else set()
    kept = {name: value for name, value in run.record.to_json().items() if name not in left_out}
    after = {} if epoch is None else {"after_epoch": epoch}
    entry = {"at": now(), **after, "was": run.status, "command": list(command)}
    return kept | {"resumed": [*kept.get("resumed", ()), entry]}


def begun(record: Mapping[str, object]) -> dict[str, object]:
    """Return the entries of a record about when a run or search was started and resumed."""
    return {name: record[name] for name in ("started", "resumed") if name in record}


def seconds_before(record: Mapping[str, object]) -> float:
    """Return the seconds that the earlier commands of a run have taken, where it had a limit."""
    time = record.get("time")
    used = time.get("used_seconds", 0.0) if isinstance(time, dict) else 0.0
    return float(used)
