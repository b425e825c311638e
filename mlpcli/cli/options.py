"""Options that several commands share, so that each is named and explained once."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpcli.cli.completion import complete_run, complete_setting

if TYPE_CHECKING:
    from mlpcli.errors import Problem

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


def output_problems(
    path: Path,
    option: str,
    *,
    hint: str = "",
    force: bool = True,
    in_folder: bool = False,
    default: bool = False,
) -> list[Problem]:
    """Return why a file cannot be written where an option says, before any work begins.

    Args:
        path: the file.
        option: its name, for the message.
        hint: what to do where nothing can be written there.
        force: a file that is there may be replaced.
        in_folder: its folder must be there.
        default: the option was not given, so that a message is about the file alone.
    """
    from mlpcli.errors import Problem
    from mlpcli.files import output_problem, why_not_writable

    where = str(path) if default else f"{option} {path}"
    if why := why_not_writable(path.parent):
        return [Problem(f"{where}: cannot be written, {why}", hint=hint)]
    if in_folder and not path.parent.is_dir():
        return [Problem(f"{where}: there is no folder {path.parent}")]
    if problem := output_problem(path):
        return [Problem(f"{where}: {problem}", hint=hint)]
    if path.exists() and not force:
        rule = f"{where}: the file exists already"
        return [Problem(rule, hint=f"add --force to replace it, or choose another with {option}")]
    return []


def check_output(
    path: Path | None,
    option: str,
    *,
    hint: str = "",
    force: bool = True,
    in_folder: bool = False,
    default: bool = False,
) -> None:
    """Refuse a file that cannot be written; see `output_problems`. None is no file.

    Raises:
        UsageError: it cannot.
    """
    from mlpcli.errors import UsageError

    if path is None:
        return
    problems = output_problems(path, option, hint=hint, force=force, in_folder=in_folder, default=default)
    if problems:
        raise UsageError(*problems)
