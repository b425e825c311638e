"""`mlpcli more-data`."""

from __future__ import annotations

import itertools
import os
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
    check_output,
)

SizesOption = Annotated[
    str | None,
    typer.Option(
        metavar="N,N,...",
        help="Numbers of training rows, or shares of them: 100,400,1600 or 0.1,0.3,1.0. Default: halves.",
    ),
]
RepeatsOption = Annotated[
    int, typer.Option(metavar="N", min=1, help="Trainings of each size, with other rows and seeds.")
]
MetricOption = Annotated[
    str, typer.Option(metavar="NAME", help="The score, a metric of the validation rows.")
]
PictureOption = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="PNG",
        help="The plot, with the numbers beside it as .json. Default: more_data.png in the runs folder; "
        "then more_data_2.png, and so on.",
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace the files of -o.")]


def more_data(
    spec: SpecArgument,
    settings: SetOption = None,
    sizes: SizesOption = None,
    repeats: RepeatsOption = 3,
    metric: MetricOption = "val_loss",
    output: PictureOption = None,
    force: ForceOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train on fewer rows and more, and say whether more rows than there are would help."""
    from mlpcli.cli.spec_file import read_spec
    from mlpcli.errors import AllAtOnce
    from mlpcli.files import write_json
    from mlpcli.report import more_data as report
    from mlpcli.runs.more_data import RowsWanted

    at_once = AllAtOnce()
    numbers = at_once.of(read_sizes, sizes)
    read = at_once.of(read_spec, spec, settings)
    picture = output or free_name(runs_dir / (read.value.spec.name if read else "") / "more_data.png")
    document = picture.with_suffix(".json")
    for file in (picture, document):
        hint, replaced = "choose another file with -o", force or output is None
        at_once.of(check_output, file, "-o", hint=hint, force=replaced)
    at_once.finish()
    wanted, loaded = RowsWanted(numbers.value, repeats, metric), replace(read.value, runs_dir=runs_dir)
    with report.MoreDataReport(metric, stderr=json) as watcher:
        from mlpcli.plots.more_data import draw_more_data
        from mlpcli.training.more_data import measure_more_data

        found = measure_more_data(loaded, wanted, watcher)
        draw_more_data(found, picture, beside=output is None)
        write_json(document, report.more_data_json(found, picture))
    report.show_more_data(found, picture, document, json=json)
    if found.interrupted:
        raise typer.Exit(130)


def free_name(picture: Path) -> Path:
    """Return a name for a picture and its numbers that no file has: its own, or with a number from 2 on."""
    names = (picture.with_stem(f"{picture.stem}_{number}") for number in itertools.count(2))
    return next(
        path
        for path in itertools.chain([picture], names)
        if not any(os.path.lexists(each) for each in (path, path.with_suffix(".json")))
    )


def read_sizes(text: str | None) -> list[float] | None:
    """Return the numbers of rows in a list with commas: whole numbers, or shares as floats.

    Raises:
        UsageError: something else is in it.
    """
    from mlpcli.errors import Problem, UsageError

    if text is None:
        return None
    found: list[float] = []
    for part in text.split(","):
        try:
            found.append(float(part) if "." in part else int(part))
        except ValueError:
            found.append(0)
        if not (found[-1] >= 1 if isinstance(found[-1], int) else 0 < found[-1] <= 1):
            rule = "--sizes: each must be a number of rows from 1 on, or a share such as 0.5"
            raise UsageError(Problem(rule, received=part, hint="write --sizes 100,400,1600"))
    return found
