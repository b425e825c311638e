"""`mlpcli report`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpcli.cli.completion import complete_run
from mlpcli.cli.options import (
    RUNS_DIR,
    DebugOption,
    JsonOption,
    RunsDirOption,
    check_output,
)

if TYPE_CHECKING:
    from mlpcli.runs.folder import Run


def report(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...", help="A run, or several to put side by side.", autocompletion=complete_run
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="The page: .html, or .md for a model card. Default: report.html in the run's folder.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file, whatever it is.")] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write one self-contained page about a run: HTML, or a model card in Markdown."""
    from mlpcli.errors import AllAtOnce
    from mlpcli.report.console import show_json, show_line
    from mlpcli.report.runs import show_left_out
    from mlpcli.runs.folder import find_run

    at_once, found = AllAtOnce(), list["Run"]()
    for name in names:
        if step := at_once.of(find_run, name, runs_dir, unfinished=True):
            found.append(step.value)
    if output is not None:
        at_once.of(_check_target, output, found, runs_dir, force=force)
    at_once.finish()
    for run in found:
        show_left_out(run.left_out)
    target, size = write_report(found, output, runs_dir, force=force)
    if json:
        show_json({"file": str(target), "runs": [run.label for run in found], "bytes": size})
    else:
        show_line(f"report  {target}")


def write_report(found: list[Run], output: Path | None, runs_dir: Path, *, force: bool) -> tuple[Path, int]:
    """Write the page about some runs; return the file and its bytes.

    Args:
        found: the runs.
        output: the file; None for report.html in the run's folder, or the runs folder of several.
        runs_dir: the folder of the runs.
        force: replace the file, whatever it is.

    Raises:
        UsageError: the file has another ending, or would replace one that is not ours.
        RunError: the records of a run are damaged.
    """
    from mlpcli.doctor.from_records import diagnose_records
    from mlpcli.files import write_text
    from mlpcli.report.page.facts import read_page
    from mlpcli.report.page.render import html_page, model_card
    from mlpcli.report.page.side_by_side import differences

    target = _check_target(output, found, runs_dir, force=force)
    card = target.suffix.lower() in CARDS
    diagnoses = [diagnose_records(run) for run in found]
    pages = [read_page(run, each.findings, each.scores) for run, each in zip(found, diagnoses, strict=True)]
    text = model_card(pages[0]) if card else html_page(pages, differences(found))
    write_text(target, text)
    return target, len(text.encode())


CARDS = (".md", ".markdown")
PAGES = (".html", ".htm")


def _check_target(output: Path | None, found: Sequence[Run], runs_dir: Path, *, force: bool) -> Path:
    """Return the file to write.

    Raises:
        UsageError: it has another ending, or would replace a file that is not ours; or a card is of several.
    """
    from mlpcli.errors import Problem, UsageError
    from mlpcli.runs.own_files import REPORT

    target = output or (found[0].folder if len(found) == 1 else runs_dir) / REPORT
    ending = target.suffix.lower()
    if ending not in (*CARDS, *PAGES):
        raise UsageError(Problem(f"-o {target}: a page is .html, a model card .md", hint="change the ending"))
    check_output(
        target,
        "-o",
        hint="choose another file with -o",
        force=output is None or force or _is_ours(target),
        in_folder=output is not None,
    )
    if ending in CARDS and len(found) > 1:
        raise UsageError(Problem("a model card is of one run", hint="write an .html file, or name one run"))
    return target


def _is_ours(path: Path) -> bool:
    """Return whether a file is a page or a card that this command wrote before."""
    from mlpcli.files import read_ordinary

    try:
        text = read_ordinary(path, 8 * 2**20)
    except OSError:
        return False
    return b"mlpcli " in text and (
        b"This page loads nothing from elsewhere" in text or b"trained by mlpcli" in text
    )
