"""`mlpcli explain`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpcli.cli.options import (
    RUNS_DIR,
    BestOption,
    DebugOption,
    JsonOption,
    RunArgument,
    RunsDirOption,
    TrustOption,
)

if TYPE_CHECKING:
    from mlpcli.runs.explanation import Explanation
    from mlpcli.runs.folder import Run


def explain(
    run: RunArgument,
    split: Annotated[str, typer.Option(help="On which of the run's splits.")] = "test",
    metric: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="By which metric. Default: the first that can be worse."),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="How often each column is shuffled. Default: 5.")
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(
            min=10,
            help="The most rows; of more, a random sample. Default: 10,000, and fewer of a large network.",
        ),
    ] = None,
    figures: Annotated[
        bool,
        typer.Option("--figures/--no-figures", help="Draw importance and dependence into plots/explain."),
    ] = True,
    best: BestOption = False,
    trust_plugins: TrustOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what a model looks at: the importance of its columns, and how it follows the strongest."""
    from mlpcli.cli.evaluate import check_first
    from mlpcli.cli.named import find_named
    from mlpcli.errors import AllAtOnce
    from mlpcli.inference.named_in_options import check_metric

    found = find_named(run, runs_dir, trusted=trust_plugins, best=best)
    at_once = AllAtOnce()
    at_once.of(check_first, found, split, None)
    of_images = at_once.of(_is_of_images, found)
    if of_images and of_images.value:
        at_once.of(_refuse_of_columns, found, {"--metric": metric, "--repeats": repeats, "--rows": rows})
    elif metric is not None:
        at_once.of(check_metric, found, metric)
    at_once.finish()
    if of_images.value:
        _explain_images(found, split, figures=figures, json=json)
        return
    _explain_columns(found, split, metric, repeats, rows, figures=figures, json=json)


def _explain_columns(
    run: Run,
    split: str,
    metric: str | None,
    repeats: int | None,
    rows: int | None,
    *,
    figures: bool,
    json: bool,
) -> None:
    """Show the importance of columns, and how predictions follow them; see `explain_run`."""
    from mlpcli.inference.explain import REPEATS, explain_run
    from mlpcli.report import explain as report
    from mlpcli.report.console import show_json, show_sentence

    with report.ExplainReport() as progress:
        times = REPEATS if repeats is None else repeats
        found = explain_run(
            run, split=split, metric=metric, repeats=times, rows=rows, progress=progress.predicted
        )
    for warning in found.warnings:
        show_sentence(warning, stderr=True, style="yellow")
    drawn = _draw(run, found) if figures else []
    if json:
        shown = [str(file) for file in drawn]
        show_json(report.explanation_json(run.label, str(run.folder), found, shown))
        return
    report.show_explanation(run.label, found)
    if drawn:
        show_sentence(f"{drawn[0].parent}: {', '.join(file.name for file in drawn)}", label="figures  ")


def _is_of_images(run: Run) -> bool:
    from mlpcli.data.raw_columns import is_image
    from mlpcli.model.run_contract import run_contract

    return is_image(run_contract(run))


def _refuse_of_columns(run: Run, options: Mapping[str, object]) -> None:
    """Refuse options that are for columns, where a run is of images.

    Args:
        run: the run.
        options: by name; None for those that are not given.

    Raises:
        UsageError: one is given.
    """
    from mlpcli.errors import Problem, UsageError

    problems = [
        Problem(
            f"{name} {value}: run {run.label} is of images, which have no columns to shuffle",
            hint=f"leave {name} out: what each pixel adds is drawn",
        )
        for name, value in options.items()
        if value is not None
    ]
    if problems:
        raise UsageError(*problems)


def _explain_images(run: Run, split: str, *, figures: bool, json: bool) -> None:
    """Show what a model looks at in the most wrong images of a split, and draw that with `figures`."""
    from mlpcli.cli.evaluate import figures_folder
    from mlpcli.inference.explain_images import draw_images, explain_images
    from mlpcli.report import explain as report
    from mlpcli.report.console import show_json, show_sentence

    with report.ExplainReport() as progress:
        found = explain_images(run, split=split, progress=progress.predicted)
    for warning in found.warnings:
        show_sentence(warning, stderr=True, style="yellow")
    folder = figures_folder(run, "explain") if figures else None
    drawn = [] if folder is None else [draw_images(run, found, folder)]
    if json:
        shown = [str(file) for file in drawn]
        show_json(report.images_json(run.label, str(run.folder), found, shown))
        return
    report.show_images(run.label, found)
    for file in drawn:
        show_sentence(f"{file.parent}: {file.name}", label="figures  ")


def _draw(run: Run, explanation: Explanation) -> list[Path]:
    """Draw the figures into the run's folder, where that can be written; return the files."""
    from mlpcli.cli.evaluate import figures_folder
    from mlpcli.plots.column_importance import draw_dependence, draw_importance

    folder = figures_folder(run, "explain")
    if folder is None:
        return []
    title = f"{run.label} on {explanation.source}"
    columns = explanation.columns
    files = [folder / "importance.png"]
    draw_importance(
        [each.columns[0] for each in columns],
        [each.value for each in columns],
        [each.interval for each in columns],
        metric=explanation.metric,
        title=title,
    ).write(files[0])
    if explanation.dependences:
        files.append(folder / "dependence.png")
        curves = [(each.column, each.values, each.mean, each.rows) for each in explanation.dependences]
        shown = explanation.dependences[0].shown
        draw_dependence(curves, shown=shown, title=title, left=_not_drawn(explanation)).write(files[1])
    return files


def _not_drawn(explanation: Explanation) -> str:
    """Return what a figure of dependences leaves out: classes or targets, and columns."""
    from mlpcli.errors import listing

    first = explanation.dependences[0]
    drawn = {each.column for each in explanation.dependences}
    columns = [each.columns[0] for each in explanation.columns if each.columns[0] not in drawn]
    parts = [f"predictions of {listing(first.others)}"] if first.others else []
    parts += [f"column{'s' * (len(columns) > 1)} {listing(columns)}"] if columns else []
    return f"{first.shown}; not drawn: {' and '.join(parts)}" if parts else ""
