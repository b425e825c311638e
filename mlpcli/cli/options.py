"""Options that several commands share, so that each is named and explained once."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from mlpcli.cli.completion import complete_run, complete_setting

SPEC_HELP = "The YAML file of the experiment."

SpecArgument = Annotated[Path, typer.Argument(metavar="SPEC", help=SPEC_HELP)]
OptionalSpecArgument = Annotated[Path | None, typer.Argument(metavar="SPEC", help=SPEC_HELP)]
RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A name (its newest finished run), name/timestamp, or a run folder.",
        autocompletion=complete_run,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Override a field: --set fit.epochs=5. Repeatable.",
        autocompletion=complete_setting,
    ),
]
RunsDirOption = Annotated[Path, typer.Option("--runs-dir", metavar="DIR", help="The runs folder.")]
AdviceOption = Annotated[
    bool, typer.Option("--advice/--no-advice", help="Show best-practice advice on the spec.")
]
TrustOption = Annotated[
    bool,
    typer.Option("--trust-plugins", help="Run the plug-ins of a run from another machine or user."),
]


def _keep_stdout(ctx: typer.Context, wanted: bool) -> bool:
    """Keep stdout for the document until the command ends: a plug-in may print."""
    if wanted and not ctx.resilient_parsing:  # as for a completion
        from mlpcli.report.console import stdout_for_documents

        ctx.with_resource(stdout_for_documents())
    return wanted


JsonOption = Annotated[
    bool,
    typer.Option(
        "--json", help="One JSON document on stdout, everything else on stderr.", callback=_keep_stdout
    ),
]
BestOption = Annotated[
    bool,
    typer.Option("--best", help="Of a name's runs, the best on validation rows, not the newest."),
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


class LogTo(enum.StrEnum):
    """Where a training is written to beside its folder."""

    mlflow = "mlflow"


LogToOption = Annotated[
    LogTo | None,
    typer.Option(
        "--log-to",
        metavar="mlflow",
        help="Also write the run into MLflow: ./mlruns, or MLFLOW_TRACKING_URI. --resume goes on there.",
    ),
]

RUNS_DIR = Path("runs")


def refuse_existing(path: Path | None, option: str, *, force: bool) -> None:
    """Refuse an output file that exists, or whose folder does not, before any work begins.

    Raises:
        UsageError: it exists and may not be replaced, or there is no such folder.
    """
    from mlpcli.errors import Problem, UsageError

    if path is None:
        return
    if path.exists() and not force:
        rule = f"{option} {path}: the file exists already"
        raise UsageError(Problem(rule, hint="add --force to replace it"))
    if not path.parent.is_dir():
        raise UsageError(Problem(f"{option} {path}: there is no folder {path.parent}"))


def refuse_output(path: Path, option: str, hint: str = "") -> None:
    """Refuse an output path that cannot be written, before any work begins.

    Args:
        path: where the option says that a file is to be written.
        option: the option, for the message.
        hint: what to do instead.

    Raises:
        UsageError: there is a folder, a pipe or a device at the path, or its folder is not writable.
    """
    from mlpcli.errors import Problem, UsageError
    from mlpcli.files import output_problem, why_not_writable

    if why := why_not_writable(path.parent):
        raise UsageError(Problem(f"{option} {path}: cannot be written, {why}", hint=hint))
    if problem := output_problem(path):
        raise UsageError(Problem(f"{option} {path}: {problem}", hint=hint))
