"""What `mlpcli tune` was asked for: a new search, or one to go on with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli.errors import Problem, UsageError
from mlpcli.runs import find_run
from mlpcli.spec.load import load_spec

if TYPE_CHECKING:
    from mlpcli.engine.tuning.search import SearchOutcome, SearchWatcher


def run_search(
    spec: Path | None,
    *,
    settings: Sequence[str],
    resume: str | None,
    extend_space: bool,
    fresh: bool,
    trials: int | None,
    workers: int,
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
        found = find_run(resume, runs_dir, unfinished=True)
        loaded = load_spec(spec, settings=settings) if spec else None
        from mlpcli.engine.tuning.resuming import resume_search

        return resume_search(
            found.folder,
            loaded,
            watcher=watcher,
            trials=trials,
            extend_space=extend_space,
            workers=workers,
            command=command,
        )
    assert spec is not None
    loaded = load_spec(spec, settings=settings)
    if not fresh:
        from mlpcli.searches import unfinished_search

        if (left := unfinished_search(runs_dir, loaded.spec.name, loaded.space.to_json())) is not None:
            rule = f"search {left.label} of this spec is not finished: {left.progress()}"
            hint = f"go on with --resume {left.label}, or begin anew beside it with --fresh"
            raise UsageError(Problem(rule, hint=hint))
    from mlpcli.engine.tuning.search import begin_search

    return begin_search(
        loaded, runs_dir=runs_dir, watcher=watcher, trials=trials, workers=workers, command=command
    )


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
