"""Import the library that reads a kind of file, which not everyone installs."""

from __future__ import annotations

import importlib
from types import ModuleType

from mlpcli.data.readers.row_errors import Origin, first_line
from mlpcli.extras import install, needed


def import_extra(module: str, extra: str, what: str, origin: Origin) -> ModuleType:
    """Return a library's module.

    Args:
        module: its name.
        extra: of mlpcli's extras, the one that installs it.
        what: it reads.
        origin: of the file that needs it.

    Raises:
        DataError: it is not installed; with how to install it.
    """
    if (problem := needed(extra, what)) is not None:
        origin.refuse(problem.rule, hint=problem.advice())
    try:
        return importlib.import_module(module)
    except ImportError as error:  # it is there, and something below it is not, as a library of the system
        origin.refuse(f"{what} cannot be read here ({first_line(error)})", hint=install(extra))
