"""Parts of the commands that are shown to a person: a shell reads them back as they are meant."""

from __future__ import annotations

import shlex
from pathlib import Path

USUAL = Path("runs")
"""The folder of the runs where nothing says another."""


def runs_dir_option(runs_dir: Path | str) -> str:
    """Return ` --runs-dir FOLDER`, quoted where a shell needs that; nothing for the usual folder."""
    return "" if Path(runs_dir) == USUAL else f" --runs-dir {shlex.quote(str(runs_dir))}"
