"""The folders in a folder, of which a runs folder has thousands."""

from __future__ import annotations

import os
from pathlib import Path


def subfolders(place: Path) -> list[Path]:
    """Return the folders in a folder, but hidden ones, sorted by name; none if it cannot be read."""
    try:
        with os.scandir(place) as entries:  # which mostly asks the system nothing more about each
            return [place / name for name in sorted(entry.name for entry in entries if _is_shown(entry))]
    except (OSError, ValueError):
        return []


def _is_shown(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder, and not hidden; a link that leads nowhere or round is none."""
    try:
        return not entry.name.startswith(".") and entry.is_dir()
    except OSError:
        return False
