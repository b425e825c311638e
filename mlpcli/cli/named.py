"""The run that is named on the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli.runs.folder import Run, find_run, finished_runs

if TYPE_CHECKING:
    from mlpcli.runs.best_run import RunScore


def find_named(
    text: str,
    runs_dir: Path,
    *,
    unfinished: bool = False,
    trusted: bool = False,
    best: bool = False,
    say: bool = False,
) -> Run:
    """Find a run as `find_run` does, and report the damaged runs of its name that were left out.

    Where an older run of the name has a better score, a line says so; with `best`, that one is returned; with
    `say`, a line always says which of several it is.

    Raises:
        RunError: As `find_run`; or there is nothing to choose by.
    """
    from mlpcli.report.runs import show_left_out

    found = find_run(text, runs_dir, unfinished=unfinished, trusted=trusted)
    show_left_out(found.left_out)
    if unfinished:
        return found
    several = finished_runs(text, runs_dir)
    if best:
        return replace(_best_named(text, several).run, trusted=trusted, left_out=found.left_out)
    if not _show_better(several) and say and len(several) > 1:
        from mlpcli.report.console import show_line

        show_line(f"by {found.label}, the newest of {len(several)} runs", stderr=True)
    return found


ELSEWHERE = "name the file with --set dataset.path=FILE"
"""How commands that train a run on take data that is elsewhere."""


def check_data(run: Run, way: str = "") -> None:
    """Check, before TensorFlow is imported, that the file of a run's data is there, or near the run.

    Whether it still holds the same rows is found out when it is read.

    Args:
        run: the run.
        way: how else the command takes data, after "or".

    Raises:
        SpecError: There is none.
    """
    from mlpcli import runs
    from mlpcli.data.moves import gone, moves_to
    from mlpcli.data.readers.find_files import find_files
    from mlpcli.errors import SpecError
    from mlpcli.spec.load import locate
    from mlpcli.spec.locations import VARIABLE, absolute
    from mlpcli.spec.substitution import apply_settings
    from mlpcli.spec.yaml_reader import read_text

    text = apply_settings(read_text(run.require(runs.RESOLVED)), run.settings)
    folder = run.folder.resolve()
    section = text.data.get("dataset")
    path = section.get("path") if isinstance(section, dict) else None
    if not isinstance(path, str) or VARIABLE.search(path):
        return
    try:
        find_files(path, folder, ("dataset", "path"))
    except SpecError as error:
        if next(moves_to([absolute(path, folder)], folder), None) is None:
            raise SpecError(*(locate(gone(problem, way), text) for problem in error.problems)) from None


def say_which(text: str, runs_dir: Path) -> None:
    """Show, after a training, that its name means this newest run, where an older one is better."""
    _show_better(finished_runs(text, runs_dir))


def _best_named(text: str, several: tuple[Run, ...]) -> RunScore:
    """Return the best of the runs of a name, and show which it is.

    Raises:
        UsageError: the text names one run, or no run has a score.
    """
    from mlpcli.errors import Problem, UsageError
    from mlpcli.report.console import format_number, show_sentence
    from mlpcli.runs.best_run import comparable

    if not several:
        rule = f"--best chooses among the runs of a name, {text} is one run"
        raise UsageError(Problem(rule, hint="leave --best out, or give the name alone"))
    compared = comparable(several)
    best = compared.best()
    if best is None:
        rule = f"no run of {text} has a score on validation rows to choose by"
        raise UsageError(Problem(rule, hint="leave --best out, or name one run"))
    line = f"best of {len(compared.scores)}: {best.run.label}, {best.monitor} {format_number(best.value)}"
    for why, count in compared.left_out.items():
        line += f"; {count} with {why} left out"
    show_sentence(line, stderr=True)
    return best


def _show_better(several: tuple[Run, ...]) -> bool:
    """Show that a name means its newest run, where an older one is better; return whether one is."""
    from mlpcli.report.console import show_sentence
    from mlpcli.report.runs import better_text
    from mlpcli.runs.best_run import better_than_newest

    found = better_than_newest(several)
    if found is not None:
        show_sentence(better_text(*found, option="--best"), stderr=True, style="yellow")
    return found is not None
