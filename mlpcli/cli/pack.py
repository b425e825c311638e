"""`mlpcli pack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpcli.cli.options import (
    RUNS_DIR,
    BestOption,
    DebugOption,
    JsonOption,
    RunArgument,
    RunsDirOption,
    check_output,
)


def pack(
    name: RunArgument,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="The zip. Default: NAME_TIMESTAMP.zip, here."),
    ] = None,
    with_data: Annotated[
        bool, typer.Option("--with-data", help="Also the files that the run was trained on.")
    ] = False,
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without",
            metavar="PART",
            help="Leave out checkpoints, tensorboard, saved_model or plots. Repeatable.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the zip if it exists.")] = False,
    best: BestOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Pack a run into one zip for another machine, with all that it refers to. See also unpack."""
    from mlpcli.cli.named import find_named
    from mlpcli.errors import AllAtOnce, Problem, UsageError
    from mlpcli.export.pack import pack_run
    from mlpcli.report.console import show_json
    from mlpcli.report.pack import pack_json, show_packed

    at_once = AllAtOnce()
    found = at_once.of(find_named, name, runs_dir, best=best)
    target = output or Path(f"{found.value.label.replace('/', '_') if found else name}.zip")
    with at_once:
        if target.suffix.lower() != ".zip":
            raise UsageError(Problem(f"-o {target}: a packed run is a .zip", hint="change the ending"))
        if found or output is not None:
            check_output(target, "-o", force=force, in_folder=True, default=output is None)
    at_once.finish()
    run = found.value
    manifest = pack_run(run, target, without=tuple(without or ()), with_data=with_data)
    size, document = target.stat().st_size, manifest.model_dump(mode="json")
    if json:
        show_json(pack_json(document, target, size))
    else:
        show_packed(document, target, size)
