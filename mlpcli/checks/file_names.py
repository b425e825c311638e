"""The names of files that callbacks write: inside the run folder, and none of the run's own files.

The placeholders in a checkpoint's name are an epoch's numbers, so that they lead nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from string import Formatter

from mlpcli import runs
from mlpcli.errors import KeyPath, Problem, SpecError, listing
from mlpcli.runs.own_files import OWN_FILES, SHARED_FOLDERS
from mlpcli.spec.schema import ComponentSpec

TAKEN = OWN_FILES | {runs.STATE, runs.LAST_CHECKPOINT, runs.BEST_CHECKPOINT}
"""Files and folders of a run, or of a search, that no callback may write."""

NUMBER_FORM = re.compile(r"0?[0-9]{0,3}(\.[0-9]{1,3})?[defgEFG%]?")
"""The number formats that a file name may use."""


def check_inside(name: str, path: KeyPath, *, example: str) -> None:
    """Check that a path cannot leave the run folder.

    Args:
        name: the path as the spec gives it, relative to the run folder.
        path: its place in the spec.
        example: a path that would do, for the hint.

    Raises:
        SpecError: the path is absolute, has `..` in it, or is the run folder.
    """
    inside = PurePath(name)
    if inside.is_absolute() or ".." in inside.parts or "\0" in name or not inside.parts:
        rule, hint = "must be a path inside the run folder", f"write a name such as {example}"
        raise SpecError(Problem(rule, path=path, received=name, hint=hint))


def check_output_file(name: str, path: KeyPath, *, example: str, folder: bool = False) -> None:
    """Check that a callback writes inside the run folder, and over none of the run's own files.

    Args:
        name: the path as the spec gives it, relative to the run folder.
        path: its place in the spec.
        example: a path that would do, for the hint.
        folder: the callback writes files in a folder of this name.

    Raises:
        SpecError: the path leads elsewhere, or to a file that mlpcli writes.
    """
    check_inside(name, path, example=example)
    steps = PurePath(name.casefold()).parts  # on some file systems RUN.JSON and run.json are the same file
    leading = {"/".join(steps[:end]) for end in range(1, len(steps) + 1)}
    taken = sorted(leading & TAKEN) or sorted({"/".join(steps)} & SHARED_FOLDERS if not folder else ())
    if taken:
        rule = f"would overwrite {taken[0]}, which mlpcli writes itself"
        raise SpecError(Problem(rule, path=path, received=name, hint=f"write a name such as {example}"))


class _Numbers(Formatter):
    """Fills in numbers by their whole names, such as `precision_0.3`: no dot leads to an attribute."""

    def get_field(self, field_name: str, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        """Return the number of a placeholder, and its name."""
        return kwargs[field_name], field_name


def fill_in(name: str, numbers: Mapping[str, float]) -> str:
    """Return a file name with its placeholders replaced by an epoch's numbers.

    Raises:
        KeyError: There is no number of a name.
        ValueError: A format is not one of numbers.
    """
    return _Numbers().vformat(name, (), numbers)


def check_placeholders(name: str, path: KeyPath) -> None:
    """Check that a file name has no placeholders but numbers for Keras to fill in.

    `{epoch:c}` is a slash in epoch 47, which could lead out of the folder. `{epoch.real}` is the name of a
    number that no epoch has.

    Args:
        name: the file name.
        path: its place in the spec.

    Raises:
        SpecError: a placeholder is more than the name of a number and its format.
    """
    if not _has_numbers_alone(name):
        hint = "write {epoch:02d}, {val_loss:.3f} and the like, and {{ for a brace"
        rule = "can have only the numbers of an epoch as placeholders"
        raise SpecError(Problem(rule, path=path, received=name, hint=hint))


def _has_numbers_alone(name: str) -> bool:
    try:
        fields = [field for field in Formatter().parse(name) if field[1] is not None]
    except ValueError:  # a brace that is not closed
        return False
    return all(
        log and "[" not in log and "__" not in log and not conversion and NUMBER_FORM.fullmatch(form or "")
        for _, log, form, conversion in fields
    )


def missing_numbers(component: ComponentSpec, path: KeyPath, known: list[str]) -> Iterator[Problem]:
    """Yield problems of a checkpoint's name: an unknown number, or a wrong format.

    Args:
        component: the callback.
        path: the place of its `filepath`.
        known: names of the numbers that an epoch logs.
    """
    name = str(component.arguments.get("filepath", ""))
    if not _has_numbers_alone(name):  # `check_placeholders` has a word on that
        return
    by_batch = component.arguments.get("save_freq", "epoch") != "epoch"
    there = [log for log in known if not (by_batch and log.startswith("val_"))]
    counts = {"epoch": 1, "batch": 1} if by_batch else {"epoch": 1}
    try:
        fill_in(name, dict.fromkeys([*there, "learning_rate"], 1.0) | counts)
    except KeyError as error:
        rule = f"no number is called {error.args[0]!r} when this file is written"
        yield Problem(rule, path=path, received=name, hint=f"available: {listing([*counts, *there])}")
    except ValueError as error:
        yield Problem(str(error), path=path, received=name, hint="write {epoch:02d} and {val_loss:.3f}")
