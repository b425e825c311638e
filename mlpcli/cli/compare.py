"""`mlpcli compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpcli.cli.options import RUNS_DIR, DebugOption, JsonOption, RunsDirOption, refuse_output


def compare(
    names: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Names, name/timestamp, or run folders.")
    ],
    trials: Annotated[
        bool, typer.Option("--trials", help="Compare the trials of a search, the best first.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PNG",
            help="The plot. Default: in the runs folder, named after the runs.",
        ),
    ] = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Compare runs: the differences of their specs, their metrics, and their curves."""
    from mlpcli.report import runs
    from mlpcli.report.console import show_json, show_line
    from mlpcli.runs.comparison import choose, default_picture, side_by_side

    found = choose(names, runs_dir, trials=trials)
    picture = output or default_picture(found, runs_dir)
    refuse_output(picture, "-o", "choose another file with -o")
    for run in found:
        runs.show_left_out(run.left_out)
    table = side_by_side(found)
    from mlpcli.plots.compare_runs import draw_comparison

    drawn = draw_comparison(found, table.short, picture)
    if json:
        show_json(runs.comparison_json(table, picture if drawn else None))
        return
    runs.show_comparison(table)
    if drawn:
        show_line(f"picture  {picture}")
