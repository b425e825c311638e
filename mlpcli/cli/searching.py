"""What `mlpcli tune` was asked for: a new search, or one to go on with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli.errors import Problem, UsageError
from mlpcli.runs import trust
from mlpcli.runs.search_folder import find_search, unfinished_search
from mlpcli.spec.load import load_spec

if TYPE_CHECKING:
    from mlpcli.tuning.search import SearchOutcome, SearchWatcher


def run_search(
    spec: Path | None,
    *,
    settings: Sequence[str],
    resume: str | None,
    extend_space: bool,
    fresh: bool,
    trials: int | None,
    workers: int,
    address: str | None,
    trusted: bool,
    runs_dir: Path,
    watcher: SearchWatcher,
    command: Sequence[str],
) -> SearchOutcome:
    """Begin a search, or go on with one.

    Raises:
        UsageError: the flags do not go together, or an unfinished search of the spec is in the way.
    """
    _check_usage(spec, settings, resume, extend_space=extend_space, fresh=fresh)
    if resume is not None:
        found = find_search(resume, runs_dir)
        loaded = replace(load_spec(spec, settings=settings), runs_dir=runs_dir) if spec else None
        from mlpcli.tuning.resume_search import resume_search
        from mlpcli.tuning.search import Hands

        return resume_search(
            found.folder,
            loaded,
            watcher=watcher,
            trials=trials,
            extend_space=extend_space,
            trusted=trusted,
            hands=Hands(workers, address),
            command=command,
        )
    assert spec is not None
    loaded = replace(load_spec(spec, settings=settings), runs_dir=runs_dir)
    left = None if fresh else unfinished_search(runs_dir, loaded.spec.name, loaded.space.to_json())
    if left is not None:
        rule = f"search {left.label} of this spec is not finished: {left.progress()}"
        hint = f"go on with --resume {left.label}, or begin anew beside it with --fresh"
        raise UsageError(Problem(rule, hint=hint))
    from mlpcli.tuning.search import Hands, begin_search

    return begin_search(
        loaded,
        runs_dir=runs_dir,
        watcher=watcher,
        trials=trials,
        hands=Hands(workers, address),
        command=command,
    )


def run_worker(
    spec: Path | None,
    *,
    resume: str | None,
    address: str | None,
    trusted: bool,
    runs_dir: Path,
    watcher: SearchWatcher,
) -> int:
    """Run trials for a chief that may be on another machine; returns how many.

    Raises:
        UsageError: it is not said where the chief is.
        TrainingError: the chief was not found, or not heard of again.
    """
    if address is None or (spec is None and resume is None):
        hint = "mlpcli tune SPEC --role worker --address HOST:PORT"
        raise UsageError(
            Problem("a worker needs the chief's --address and the SPEC, or --resume SEARCH", hint=hint)
        )
    folder = find_search(resume, runs_dir).folder if resume is not None else None
    name = ""
    if spec is not None:
        loaded = load_spec(spec)
        name = loaded.spec.name
        for plugin in loaded.catalog.plugins:  # the chief's copies may run if they are these
            trust.remember(plugin.sha256)
    from mlpcli.tuning.worker import work

    return work(address, search_dir=folder, name=name, runs_dir=runs_dir, watcher=watcher, trusted=trusted)


def check_role(role: str | None, address: str | None, workers: int) -> None:
    """Refuse a role without an address, and the other way round.

    Raises:
        UsageError: they do not go together.
    """
    if (role is None) != (address is None):
        hint = "write both: --role chief --address 127.0.0.1:4100"
        raise UsageError(Problem("--role and --address go together", hint=hint))
    if role is not None and workers > 1:
        hint = "start each worker by hand, or leave --role out"
        raise UsageError(Problem("--workers are processes of this command's own", hint=hint))


def _check_usage(
    spec: Path | None, settings: Sequence[str], resume: str | None, *, extend_space: bool, fresh: bool
) -> None:
    if spec is None and resume is None:
        raise UsageError(Problem("Missing argument 'SPEC'; see mlpcli tune --help"))
    if resume is not None and fresh:
        raise UsageError(Problem("--resume and --fresh do not go together", hint="keep one"))
    if extend_space and (resume is None or spec is None):
        hint = "mlpcli tune SPEC --resume SEARCH --extend-space"
        raise UsageError(
            Problem("--extend-space needs the changed SPEC and the search to go on with", hint=hint)
        )
    if settings and spec is None:
        raise UsageError(Problem("--set needs the SPEC that it changes", hint="give the spec's file too"))
