"""`mlpcli init`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from mlpcli.cli.inspect import TableArgument
from mlpcli.cli.options import DebugOption, JsonOption, refuse_output


def init(
    data: TableArgument,
    target: Annotated[str, typer.Option(metavar="COLUMN", help="The column to predict.")],
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Where to write; - for stdout. Default: named after DATA."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a first spec for a table: its columns, a network for the target, and splits."""
    from mlpcli.data.inspect.propose_spec import propose_spec
    from mlpcli.data.inspect.survey import survey_table
    from mlpcli.errors import Problem, UsageError
    from mlpcli.files import write_text
    from mlpcli.report import console

    name = experiment_name(data)
    path = Path(f"{name}.yaml" if output in (None, "-") else str(output))
    if output != "-":
        refuse_output(path, "-o", "write - for standard output")
    if output != "-" and path.exists() and not force:
        rule = f"-o {path}: the file exists already"
        raise UsageError(Problem(rule, hint="add --force to replace it, or choose another with -o"))
    if not path.parent.is_dir():
        raise UsageError(Problem(f"-o {path}: there is no folder {path.parent}"))
    survey = survey_table(data, target)
    location = data if data.startswith(("/", "${")) else _relative_path(path.parent, Path(data))
    text = propose_spec(survey, name=name, path=location, command=f"mlpcli train {path}")
    if output != "-":
        write_text(path, text)
    if json:
        console.show_json({"file": None if output == "-" else str(path), "target": target, "spec": text})
    elif output == "-":
        console.show_text(text)
    else:
        console.show_line(f"{path} written, for {survey.table.rows:,} rows of {data}")
        console.show_line(f"next mlpcli check {path}")
        console.show_line(f"     mlpcli train {path}")


def _relative_path(folder: Path, data: Path) -> str:
    """Return the path of a data file relative to the folder of the spec, with links resolved."""
    return os.path.relpath(data.parent.resolve() / data.name, folder.resolve())


def experiment_name(data: str) -> str:
    """Return a name for an experiment from its data file: `Houses_2024` for `Houses 2024.csv.gz`."""
    stem = re.sub(r"(\.(csv|tsv|parquet))?(\.gz)?$", "", Path(data).name, flags=re.IGNORECASE)
    return re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._-")[:64] or "experiment"
