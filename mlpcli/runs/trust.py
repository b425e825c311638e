"""Which plug-in files this user has trained with on this machine: known by their contents, not by their name.

A run folder from elsewhere brings its plug-ins along. Their code runs only when the same code has been
trained with here before, or when the user says so with --trust-plugins.
"""

from __future__ import annotations

import os
from pathlib import Path

from mlpcli.files import write_text

FOLDER = "XDG_STATE_HOME"
"""Environment variable: where programs keep what they remember; by default `~/.local/state`."""


def known_file() -> Path:
    """The file that holds the sha256 of every known plug-in, one a line."""
    folder = os.environ.get(FOLDER)
    base = Path(folder) if folder else Path.home() / ".local" / "state"
    return base / "mlpcli" / "known_plugins"


def is_known(sha256: str) -> bool:
    """Whether a plug-in of these contents has been trained with here."""
    try:
        return sha256 in known_file().read_text(encoding="utf-8").split()
    except OSError:  # none was ever remembered, or the file is not ours to read
        return False


def remember(sha256: str) -> None:
    """Know a plug-in from now on; where nothing can be kept, --trust-plugins stays needed."""
    if is_known(sha256):
        return
    try:
        known = known_file().read_text(encoding="utf-8") if known_file().exists() else ""
        write_text(known_file(), f"{known}{sha256}\n")
    except OSError:
        return
