"""`mlpcli code`."""

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
    check_output,
)


def code(
    spec: SpecArgument,
    settings: SetOption = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where to write. Default: stdout.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the output file if it exists.")] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write the spec's data, network and training as a standalone Keras script."""
    from mlpcli.errors import AllAtOnce
    from mlpcli.files import write_text
    from mlpcli.report import console
    from mlpcli.spec.load import load_spec

    at_once = AllAtOnce()
    at_once.of(check_output, output, "-o", hint="leave -o out for standard output", force=force)
    read = at_once.of(load_spec, spec, settings=settings or ())
    at_once.finish()
    loaded = replace(read.value, runs_dir=runs_dir)
    from mlpcli.codegen.script import script_of

    script = script_of(loaded)
    if output is not None:
        write_text(output, script)
    if json:
        console.show_json({"spec": str(spec), "output": output and str(output), "script": script})
    elif output is None:
        console.show_text(script)
    else:
        console.show_line(f"script written to {output}; run it with: python {output}")
