"""Import the library that reads a kind of file, which not everyone installs."""

from __future__ import annotations

import importlib
from types import ModuleType

from mlpcli.data.readers.row_errors import Origin


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
    try:
        return importlib.import_module(module)
    except ImportError:
        hint = f'run: pip install "mlpcli[{extra}]"'
        origin.refuse(
            f"{what} needs the package {module.replace('_', '-')}, which is not installed", hint=hint
        )
