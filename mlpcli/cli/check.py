"""`mlpcli check`."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from typing import Annotated

import typer

from mlpcli.cli.options import (
    RUNS_DIR,
    AdviceOption,
    DebugOption,
    JsonOption,
    RunsDirOption,
    SetOption,
    SpecArgument,
)


def check(
    spec: SpecArgument,
    settings: SetOption = None,
    time: Annotated[bool, typer.Option("--time", help="Measure the seconds per epoch.")] = False,
    advice: AdviceOption = True,
    resolved: Annotated[
        bool,
        typer.Option("--resolved", help="Print only the spec with every default filled in, ready to run."),
    ] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Check a spec before training: show its errors with their lines, or the plan."""
    from mlpcli.cli.spec_file import read_spec
    from mlpcli.errors import MlpcliError
    from mlpcli.report import check as report
    from mlpcli.report import console

    try:
        loaded = replace(read_spec(spec, settings, searched=None), runs_dir=runs_dir)
        from mlpcli.training.forecast import forecast

        aside = contextlib.redirect_stdout(sys.stderr) if resolved else contextlib.nullcontext()
        with aside:  # a plug-in may print
            found = forecast(loaded, timed=time)
    except MlpcliError as error:
        if json:
            console.show_json(report.problems_json(error, str(spec)))
        raise
    if not advice:
        found = replace(found, advice=())
    if json:
        whole = {"resolved": found.resolved} if resolved else {}
        console.show_json(report.forecast_json(found, loaded) | whole)
    elif resolved:
        console.show_text(found.resolved)
    else:
        report.show_forecast(found, loaded, settings or ())
