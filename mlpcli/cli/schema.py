"""`mlpcli schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpcli.cli.options import DebugOption


def schema(
    data: Annotated[
        Path | None,
        typer.Option(help="A table; the schema then lists its column names and accepts no others."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="No effect: the schema is always JSON.")] = True,
    debug: DebugOption = False,
) -> None:
    """Write a JSON Schema of specs to stdout: editors use it to complete and check specs."""
    from mlpcli.data.inspect.completions import column_names
    from mlpcli.report import console
    from mlpcli.spec.json_schema import spec_schema

    columns = column_names(data) if data is not None else ()
    console.show_json(spec_schema(columns=columns))
