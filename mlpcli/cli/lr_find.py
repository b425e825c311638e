"""`mlpcli lr-find`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpcli.cli.options import (
    RUNS_DIR,
    DebugOption,
    JsonOption,
    RunsDirOption,
    SetOption,
    SpecArgument,
    check_output,
)

if TYPE_CHECKING:
    from mlpcli.errors import Place
    from mlpcli.spec.load import LoadedSpec


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
    from mlpcli.errors import AllAtOnce
    from mlpcli.report import lr_find as report
    from mlpcli.training.rate_bounds import check_bounds

    at_once = AllAtOnce()
    at_once.of(check_bounds, low, high, steps)
    read = at_once.of(read_spec, spec, settings)
    picture = output or runs_dir / (read.value.spec.name if read else "") / "lr_find.png"
    hint = "choose another file with -o"
    at_once.of(check_output, picture, "-o", hint=hint, default=output is None)
    at_once.of(check_output, spec.resolve() if write else None, "--write", hint="leave --write out")
    at_once.finish()
    loaded = replace(read.value, runs_dir=runs_dir)
    with report.RateReport(steps, stderr=json) as watcher:
        from mlpcli.training.lr_finder import draw_rate_test, find_rate

        test = find_rate(
            loaded, low=low, high=high, steps=steps, stage=watcher.stage, progress=watcher.progress
        )
        title = f"{loaded.spec.name}: learning-rate range test"
        draw_rate_test(test, picture, title=title, beside=output is None)
    place = _written(spec, loaded, test.suggestion) if write else None
    report.show_rate_test(test, picture, place, json=json)


def _written(spec: Path, loaded: LoadedSpec, rate: float) -> Place:
    """Write a learning rate into a spec; return where."""
    from mlpcli.spec.write_learning_rate import write_rate

    return write_rate(spec, loaded, rate)
