"""Keep decoded images beside the runs, under a name that is a hash of what they were decoded from.

So they are never out of date: a file that changes has another hash. `mlpcli clean` deletes them. A file is
written whole or not at all; where the folder cannot be written, images are decoded each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mlpcli.data.images.image_reading import ImageReading
from mlpcli.data.types import Array
from mlpcli.files import replacing, write_json

VERSION = 1
"""Of how images are decoded: another one finds nothing of this one."""

SWITCH = "MLPCLI_CACHE"
"""The environment variable that is `off` where nothing is to be kept."""

ROOM = 4
"""Nothing is kept where the disk has less than this many times its size."""


@dataclass(frozen=True)
class Facts:
    """What is known of decoded images besides their pixels: the broken ones, and how many have a trait."""

    broken: list[tuple[int, str]]
    traits: dict[str, int]


def name_of(digests: Iterable[bytes], reading: ImageReading) -> str:
    """Return the name under which the images of some files are kept.

    Args:
        digests: the sha256 of each file.
        reading: how they become arrays.
    """
    how = [VERSION, reading.size, reading.color_mode, reading.fit]
    found = hashlib.sha256(json.dumps(how).encode())
    for each in digests:
        found.update(each)
    return f"images-{found.hexdigest()[:40]}"


def is_on() -> bool:
    """Return whether images may be kept."""
    return os.environ.get(SWITCH, "").lower() not in ("off", "0", "no", "false")


def find(folder: Path, name: str, shape: tuple[int, ...]) -> tuple[Array, Facts] | None:
    """Return the images that are kept under a name; None where there are none of this shape."""
    try:
        facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        pixels = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        broken = [(int(row), str(rule)) for row, rule in facts["broken"]]
        traits = {str(trait): int(count) for trait, count in facts["traits"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError):
        return None  # not there, or damaged: decoded again
    if pixels.shape != shape or pixels.dtype != np.uint8:
        return None
    return np.asarray(pixels), Facts(broken, traits)


def keep(folder: Path, name: str, pixels: Array, facts: Facts) -> None:
    """Write decoded images; nothing where the folder cannot be written, or the disk has little room."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < ROOM * pixels.nbytes:
            return
        with replacing(folder / f"{name}.npy") as path, path.open("wb") as file:
            np.lib.format.write_array(file, pixels, allow_pickle=False)
        write_json(folder / f"{name}.json", asdict(facts))
