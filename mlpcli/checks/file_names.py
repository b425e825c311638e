"""The placeholders in a checkpoint's name: an epoch's numbers, and nothing that leads out of the run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import Formatter

from mlpcli.errors import KeyPath, Problem, SpecError, listing
from mlpcli.spec.schema import ComponentSpec

NUMBER_FORM = re.compile(r"0?[0-9]{0,3}(\.[0-9]{1,3})?[defgEFG%]?")
"""How a number may be written in a file's name."""


def check_placeholders(name: str, path: KeyPath) -> None:
    """Let Keras fill in numbers alone.

    `{epoch.__doc__[127]}` is a dot and `{epoch:c}` a slash in epoch 47: a way out of a folder.

    Raises:
        SpecError: a placeholder is more than the name of a number and how to write it.
    """
    if not _has_numbers_alone(name):
        hint = "write {epoch:02d}, {val_loss:.3f} and the like, and {{ for a brace"
        rule = "may have the numbers of an epoch alone as placeholders"
        raise SpecError(Problem(rule, path=path, received=name, hint=hint))


def _has_numbers_alone(name: str) -> bool:
    try:
        fields = [field for field in Formatter().parse(name) if field[1] is not None]
    except ValueError:  # a brace that is not closed
        return False
    return all(
        log and not set(log) & set(".[") and not conversion and NUMBER_FORM.fullmatch(form or "")
        for _, log, form, conversion in fields
    )


def missing_numbers(part: ComponentSpec, path: KeyPath, known: list[str]) -> Iterator[Problem]:
    """A checkpoint's name with a number that is not there when it is written, or that has another type."""
    name = str(part.arguments.get("filepath", ""))
    if not _has_numbers_alone(name):  # `check_placeholders` has a word on that
        return
    by_batch = part.arguments.get("save_freq", "epoch") != "epoch"
    there = [log for log in known if not (by_batch and log.startswith("val_"))]
    counts = {"epoch": 1, "batch": 1} if by_batch else {"epoch": 1}
    try:
        name.format(**dict.fromkeys([*there, "learning_rate"], 1.0) | counts)
    except KeyError as error:
        rule = f"no number is called {error.args[0]!r} when this file is written"
        yield Problem(rule, path=path, received=name, hint=f"there are {listing([*counts, *there])}")
    except ValueError as error:
        yield Problem(str(error), path=path, received=name, hint="write {epoch:02d} and {val_loss:.3f}")
