"""Options that several verbs share, so that each is spelled and explained once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SpecArgument = Annotated[Path, typer.Argument(metavar="SPEC", help="The YAML file of the experiment.")]
RunArgument = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A name (its newest finished run), name/timestamp, or a run folder."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a field: --set fit.epochs=5. Repeatable."),
]
RunsDirOption = Annotated[
    Path, typer.Option("--runs-dir", metavar="DIR", help="The folder that holds the runs.")
]
AdviceOption = Annotated[
    bool, typer.Option("--advice/--no-advice", help="Tell rules of thumb that the spec goes against.")
]
TrustOption = Annotated[
    bool,
    typer.Option("--trust-plugins", help="Run the plug-ins of a run that was not trained here."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout, everything else on stderr.")
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

RUNS_DIR = Path("runs")


def refuse_output(path: Path, option: str, hint: str = "") -> None:
    """Refuse, before any work, an option's output path at which no file can be written.

    Raises:
        UsageError: a folder, a pipe or a device is there, or nothing can be written in its folder.
    """
    from mlpcli.errors import Problem, UsageError
    from mlpcli.files import output_problem, why_not_writable

    if why := why_not_writable(path.parent):
        raise UsageError(Problem(f"{option} {path}: cannot be written, {why}", hint=hint))
    if problem := output_problem(path):
        raise UsageError(Problem(f"{option} {path}: {problem}", hint=hint))
