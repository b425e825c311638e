"""The plug-ins that this user has trained with on this machine, by the sha256 of their contents.

A run folder from somebody else contains its plug-ins. Their code runs only if the same code has been trained
with on this machine before, or with --trust-plugins.
"""

from __future__ import annotations

import os
from pathlib import Path

from mlpcli.errors import RunError
from mlpcli.files import write_text
from mlpcli.runs.lock import changing

FOLDER = "XDG_STATE_HOME"
"""Environment variable: the folder for the state of programs; by default `~/.local/state`."""


def known_file() -> Path:
    """Return the file with the sha256 of every known plug-in, one per line.

    Raises:
        OSError: this user has no home folder, as in some containers.
    """
    folder = os.environ.get(FOLDER)
    try:
        base = Path(folder) if folder else Path.home() / ".local" / "state"
    except RuntimeError as error:
        raise OSError(str(error)) from error
    return base / "mlpcli" / "known_plugins"


def is_known(sha256: str) -> bool:
    """Return whether a plug-in with this checksum has been trained with on this machine."""
    try:
        return sha256 in known_file().read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):  # nothing was remembered, or the file is damaged
        return False


def remember(sha256: str) -> None:
    """Remember a plug-in; if that is not possible, --trust-plugins is still needed for it."""
    if is_known(sha256):
        return
    try:
        file = known_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        with changing(file.parent):
            known = file.read_text(encoding="utf-8") if file.exists() else ""
            write_text(file, f"{known}{sha256}\n")
    except (OSError, UnicodeDecodeError, RunError):
        return
