"""Have an exported file compute rows in a process of its own, by its own runtime."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlpcli.data.types import Array
from mlpcli.export import format_runner
from mlpcli.export.compare_results import refuse
from mlpcli.export.export_formats import FORMATS

SECONDS = 600.0
"""The longest wait, in seconds."""


@dataclass(frozen=True)
class Tried:
    """What a file computed.

    Attributes:
        results: by name.
        seconds: the median duration of a call, by its number of rows; empty if none was timed.
    """

    results: dict[str, Array]
    seconds: dict[int, float]


def try_file(name: str, path: Path, rows: Mapping[str, Array], *, timed: bool, here: bool = False) -> Tried:
    """Return what a file computes for some rows.

    Args:
        name: of the format.
        path: of the file.
        rows: by input.
        timed: whether calls are timed.
        here: whether it is loaded in this process, which has layers that are not Keras's own.

    Raises:
        ExportError: it cannot be loaded, or cannot compute the rows.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.npz", Path(folder) / "found.npz"
        arrays = {str(place): values for place, values in enumerate(rows.values())}
        np.savez(given, allow_pickle=False, names=np.array(json.dumps([*rows])), **arrays)
        arguments = (name, str(path), str(given), str(found), "timed" if timed else "once")
        if here:
            format_runner.main(*arguments)
        else:
            _run(name, arguments)
        with np.load(found, allow_pickle=False) as file:
            results = {key.removeprefix("result/"): file[key] for key in file if key.startswith("result/")}
            seconds = {
                int(key.removeprefix("seconds/")): float(file[key])
                for key in file
                if key.startswith("seconds/")
            }
    return Tried(results, seconds)


def _run(name: str, arguments: tuple[str, ...]) -> None:
    """Run the program in another interpreter, which has neither mlpcli nor its folder on its path."""
    command = [sys.executable, "-I", format_runner.__file__, *arguments]
    try:
        ended = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        refuse(f"it did not answer within {SECONDS:g} seconds")
    else:
        if ended.returncode:
            lines = ended.stderr.decode("utf-8", "replace").strip().splitlines() or [f"{ended.returncode}"]
            refuse(f"{FORMATS[name].runtime} ended with {lines[-1][:300]}")
