"""`mlpcli remove` and `mlpcli clean`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpcli.cli.completion import complete_run
from mlpcli.cli.options import RUNS_DIR, DebugOption, JsonOption, RunsDirOption

if TYPE_CHECKING:
    from mlpcli.runs.remove import Removable

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Only show what would be deleted; nothing is asked.")
]


def remove(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="name/timestamp, a run folder, or a name with one run.",
            autocompletion=complete_run,
        ),
    ],
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Delete runs, after asking. A run that is being trained is refused."""
    from mlpcli.runs.remove import named_for_removal

    _delete(named_for_removal(names, runs_dir), runs_dir, yes=yes, dry_run=dry_run, json=json)


def clean(
    older: Annotated[
        bool,
        typer.Option(
            "--older", help="Also finished runs that are neither the newest nor the best of their experiment."
        ),
    ] = False,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Delete failed and superseded runs, and kept files, after asking. Runs with a note or a tag stay."""
    from mlpcli.report.console import show_json, show_line
    from mlpcli.report.remove import removal_json, show_used
    from mlpcli.runs.cache import CACHE, cache_size, used_size
    from mlpcli.runs.remove import useless_runs

    chosen, kept = useless_runs(runs_dir, older=older), cache_size(runs_dir)
    show_used(runs_dir / CACHE, used_size(runs_dir))
    if chosen or kept:
        _delete(chosen, runs_dir, yes=yes, dry_run=dry_run, json=json, kept=kept)
    elif json:
        show_json(removal_json((), removed=not dry_run))
    else:
        show_line(f"there is nothing to delete under {runs_dir.absolute()}")


def _delete(
    chosen: Sequence[Removable], runs_dir: Path, *, yes: bool, dry_run: bool, json: bool, kept: int = 0
) -> None:
    """Show the runs, ask, and delete them.

    Args:
        chosen: the runs.
        runs_dir: the runs folder.
        yes: do not ask.
        dry_run: delete nothing.
        json: show one JSON document.
        kept: bytes of the kept files, which are deleted too; 0 for none.

    Raises:
        UsageError: nobody can be asked.
    """
    from mlpcli.report.console import show_json, show_line
    from mlpcli.report.remove import removal_json, show_kept, show_removable, total_text
    from mlpcli.runs.cache import CACHE, remove_cache
    from mlpcli.runs.remove import remove_run, users_of

    total = total_text(chosen, kept)
    if not json:
        show_removable(chosen, users_of(chosen, runs_dir))
        show_kept(runs_dir / CACHE, kept)
    if not dry_run and not (yes or _agreed(total, json=json)):
        show_line("nothing was deleted", stderr=True)
        return
    if not dry_run:
        for each in chosen:
            remove_run(each.folder)
        if kept:
            remove_cache(runs_dir)
    if json:
        show_json(removal_json(chosen, removed=not dry_run, kept=kept))
    else:
        show_line(f"{'would delete' if dry_run else 'deleted'} {total}")


def _agreed(total: str, *, json: bool) -> bool:
    """Ask whether to delete runs.

    Raises:
        UsageError: standard input is no terminal.
    """
    import sys

    from mlpcli.errors import Problem, UsageError

    if json or not sys.stdin.isatty():
        rule = f"would delete {total}, and there is no terminal to ask for confirmation"
        raise UsageError(Problem(rule, hint="add --yes to delete them, or --dry-run to only see them"))
    return typer.confirm(f"delete {total}?", err=True)
