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
            "-o", "--output", metavar="FILE", help="Where to write; - for stdout. Default: by DATA's name."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a first spec for a table: its columns, a network that fits the target, and splits."""
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
        rule = f"-o {path}: the file is there already"
        raise UsageError(Problem(rule, hint="add --force to replace it, or name another with -o"))
    if not path.parent.is_dir():
        raise UsageError(Problem(f"-o {path}: there is no folder {path.parent}"))
    survey = survey_table(data, target)
    seen = data if data.startswith(("/", "${")) else _seen_from(path.parent, Path(data))
    text = propose_spec(survey, name=name, path=seen, command=f"mlpcli train {path}")
    if output != "-":
        write_text(path, text)
    if json:
        console.show_json({"file": None if output == "-" else str(path), "target": target, "spec": text})
    elif output == "-":
        console.show_text(text)
    else:
        console.show_line(f"{path} is written, for {survey.table.rows:,} rows of {data}")
        console.show_line(f"next mlpcli check {path}")
        console.show_line(f"     mlpcli train {path}")


def _seen_from(folder: Path, data: Path) -> str:
    """The way to a data file from the folder of the spec; a link on either way leads where it leads."""
    return os.path.relpath(data.parent.resolve() / data.name, folder.resolve())


def experiment_name(data: str) -> str:
    """A name for an experiment by its data file: `Houses 2024.csv.gz` gives `Houses_2024`."""
    stem = re.sub(r"(\.(csv|tsv|parquet))?(\.gz)?$", "", Path(data).name, flags=re.IGNORECASE)
    return re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._-")[:64] or "experiment"
