"""The options of `mlpcli predict` that say how predictions are explained, and what does not go together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpcli.cli.completion import complete_run_column
from mlpcli.cli.options import output_problems

if TYPE_CHECKING:
    from mlpcli.errors import Problem
    from mlpcli.runs.explanation import ExplainOptions
    from mlpcli.runs.folder import Run

ExplainOption = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Say what each column adds to each prediction: Shapley values against training rows.",
    ),
]
StrongestOption = Annotated[
    int | None,
    typer.Option(metavar="K", min=1, help="With --explain: how many columns a row's line names. Default: 5."),
]
ClassOption = Annotated[
    str | None,
    typer.Option(
        "--class",
        metavar="NAME",
        help="With --explain: the class whose probability is explained. Default: the predicted one.",
    ),
]
GroupOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="A,B",
        help="With --explain: explain columns together; NAME=A,B names them, 'correlated' takes those with "
        "a rank correlation from 0.8 on. Repeatable.",
        autocompletion=complete_run_column,
    ),
]
BackgroundOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=2,
        help="With --explain: the training rows to compare with. Default: 64.",
    ),
]
PicturesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="With --explain, for images: where they are drawn with what each pixel adds. Default: beside "
        "the output, OUTPUT_saliency, or saliency.",
    ),
]


def check_with_run(
    run: Run, options: ExplainOptions, strongest: int | None, pictures: Path | None, *, force: bool
) -> None:
    """Check how predictions are explained with what the run is: of columns or of images, its classes.

    Raises:
        UsageError: a column or class is not there, or an option is for rows of the other kind.
    """
    from mlpcli.errors import AllAtOnce
    from mlpcli.inference.named_in_options import check_explained

    at_once = AllAtOnce()
    at_once.of(_refuse_of_kind, run, options, strongest, pictures, force=force)
    at_once.of(check_explained, run, options)
    at_once.finish()


def _refuse_of_kind(
    run: Run, options: ExplainOptions, strongest: int | None, pictures: Path | None, *, force: bool
) -> None:
    """Refuse what is for columns where a run is of images, a folder of theirs that exists, and the reverse.

    Raises:
        UsageError: there is such a folder, or an option is for rows of the other kind.
    """
    from mlpcli.data.raw_columns import is_image
    from mlpcli.errors import Problem, UsageError
    from mlpcli.model.run_contract import run_contract

    images = is_image(run_contract(run))
    columns = {"--group": next(iter(options.groups), None), "--strongest": strongest}
    given = columns if images else {"--pictures": pictures}
    what = "of images, which have no columns" if images else "of columns, of which no pictures are drawn"
    problems = [
        Problem(f"{name} {value}: run {run.label} is {what}", hint=f"leave {name} out")
        for name, value in given.items()
        if value is not None
    ]
    if images:
        problems += _picture_problems(options.pictures, force=force)
    if problems:
        raise UsageError(*problems)


def _picture_problems(folder: Path, *, force: bool) -> list[Problem]:
    """Return why images cannot be drawn into a folder, or would replace what is in it."""
    from mlpcli.errors import Problem

    if folder.exists() and not folder.is_dir():
        return [Problem(f"--pictures {folder}: this is a file", hint="name a folder; it is created")]
    if folder.exists() and not force:
        hint = "add --force to replace what is in it, or name another"
        return [Problem(f"--pictures {folder}: the folder exists already", hint=hint)]
    return output_problems(folder / "rows", "--pictures")


def explain_options(
    target: Path | None,
    explain: bool,
    strongest: int | None,
    class_name: str | None,
    group: list[str] | None,
    background: int | None,
    pictures: Path | None,
) -> ExplainOptions | None:
    """Return how predictions are explained; None for not at all.

    Raises:
        UsageError: an option needs `--explain`, or the output's format has no room for explanations.
    """
    from mlpcli.errors import Problem, UsageError
    from mlpcli.runs.explanation import BACKGROUND, STRONGEST, ExplainOptions

    given = {
        "--strongest": strongest,
        "--class": class_name,
        "--group": group,
        "--background": background,
        "--pictures": pictures,
    }
    if explain:
        if target is not None and target.suffix == ".npy":
            rule = f"-o {target}: an .npy file holds the outputs of the network alone"
            raise UsageError(Problem(rule, hint="with --explain write .csv, .tsv, .parquet or .jsonl"))
        beside = Path("saliency") if target is None else target.with_name(f"{target.stem}_saliency")
        return ExplainOptions(
            strongest or STRONGEST,
            class_name,
            tuple(group or ()),
            background or BACKGROUND,
            pictures or beside,
        )
    if needing := [option for option, value in given.items() if value is not None]:
        raise UsageError(*(Problem(f"{name}: needs --explain", hint="add --explain") for name in needing))
    return None
