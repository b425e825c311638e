"""`mlpcli schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpcli.cli.options import DebugOption


def schema(
    data: Annotated[
        Path | None, typer.Option(help="A table, whose column names the schema then offers and demands.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The schema is JSON in any case.")] = True,
    debug: DebugOption = False,
) -> None:
    """A JSON Schema of specs on stdout: editors complete and underline by it."""
    from mlpcli.data.inspect.completions import column_names, dataset_names
    from mlpcli.report import console
    from mlpcli.spec.json_schema import spec_schema

    columns = column_names(data) if data is not None else ()
    console.show_json(spec_schema(columns=columns, datasets=dataset_names()))
