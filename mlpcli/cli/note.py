"""`mlpcli note`."""

from __future__ import annotations

from typing import Annotated

import typer

from mlpcli.cli.options import RUNS_DIR, DebugOption, JsonOption, RunArgument, RunsDirOption


def note(
    name: RunArgument,
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="The note. Without one, and without tags, notes are shown.")
    ] = "",
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="Add a tag. Repeatable.")
    ] = None,
    untag: Annotated[
        list[str] | None, typer.Option("--untag", metavar="TAG", help="Take a tag off. Repeatable.")
    ] = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a note about a run, or tag it; `runs` shows tags, and `clean` keeps such runs."""
    from mlpcli.report.console import show_json
    from mlpcli.report.note import show_notes
    from mlpcli.runs.folder import find_run
    from mlpcli.runs.notes import add_notes

    run = find_run(name, runs_dir, unfinished=True)
    notes = add_notes(run, text, tags=tag or (), without=untag or ())
    if json:
        show_json({"run": run.label, "folder": str(run.folder), **notes.model_dump()})
    else:
        show_notes(run, notes)
