"""`mlpcli lr-find`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from mlpcli.cli.options import (
    RUNS_DIR,
    DebugOption,
    JsonOption,
    RunsDirOption,
    SetOption,
    SpecArgument,
    refuse_output,
)


def lr_find(
    spec: SpecArgument,
    settings: SetOption = None,
    low: Annotated[float, typer.Option("--min", help="The first learning rate.")] = 1e-5,
    high: Annotated[float, typer.Option("--max", help="The last learning rate.")] = 10.0,
    steps: Annotated[
        int, typer.Option(metavar="N", help="Number of steps from the first to the last rate.")
    ] = 500,
    write: Annotated[
        bool, typer.Option("--write", help="Write the suggestion into SPEC; comments are kept.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="PNG", help="The plot. Default: lr_find.png in the experiment's folder."
        ),
    ] = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Run a learning-rate range test, and suggest a learning rate."""
    from mlpcli.cli.spec_file import read_spec
    from mlpcli.report import lr_find as report
    from mlpcli.training.rate_bounds import check_bounds

    check_bounds(low, high, steps)
    loaded = replace(read_spec(spec, settings), runs_dir=runs_dir)
    picture = output or runs_dir / loaded.spec.name / "lr_find.png"
    refuse_output(picture, "-o", "choose another file with -o")
    if write:
        refuse_output(spec.resolve(), "--write", "leave --write out")
    with report.RateReport(steps, stderr=json) as watcher:
        from mlpcli.training.lr_finder import draw_rate_test, find_rate

        test = find_rate(
            loaded, low=low, high=high, steps=steps, stage=watcher.stage, progress=watcher.progress
        )
        title = f"{loaded.spec.name}: learning-rate range test"
        draw_rate_test(test, picture, title=title, beside=output is None)
    place = None
    if write:
        from mlpcli.spec.write_learning_rate import write_rate

        place = write_rate(spec, loaded, test.suggestion)
    report.show_rate_test(test, picture, place, json=json)
