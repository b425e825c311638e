"""The manifest of a packed run: what is in the zip, the sha256 of every file, and what is not in it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from mlpcli.runs.folder import RECORD
from mlpcli.runs.record_models import Count, Record

MANIFEST = "mlpcli_pack.json"
"""The manifest's name in the zip."""

FORMAT: Literal["run of mlpcli"] = "run of mlpcli"
VERSION = 1

RUNS = "runs"
"""The folder of the zip that holds the runs, as in a runs folder: `runs/name/timestamp/...`."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Why = Literal["named", "start_from", "parent", "reproduces"]

LONGEST_STEP, LONGEST_NAME = 255, 1000
"""Bytes of a file's name, and of its whole path in the zip."""


class PackedFile(Record):
    """A file of the zip."""

    bytes: Count
    sha256: Sha256


class PackedRun(Record):
    """A run in the zip.

    run: `name/timestamp`.
    why: `named` for the run that was packed, else how another run in the zip refers to it.
    """

    run: Annotated[str, Field(pattern=r"^[^./\\][^/\\]*/[^./\\][^/\\]*$")]
    why: Why = "named"


class PackedData(Record):
    """A file of data that the packed run was trained on.

    path: as in the run's spec.
    files: what of it is in the zip, in the run's folder.
    """

    path: str
    files: list[str] = Field(default_factory=list)
    reason: str = ""


class Manifest(Record):
    """What a zip holds. The first of its runs is the one that was packed.

    missing: runs that a packed one refers to and that were gone, `start_from houses/2026-11-24_09-30-00`.
    without: what was left out on request.
    """

    format: Literal["run of mlpcli"]
    version: Count
    mlpcli: str = ""
    packed: str = ""
    runs: Annotated[list[PackedRun], Field(min_length=1)]
    files: dict[str, PackedFile]
    data: list[PackedData] = Field(default_factory=list)
    fingerprint: str | None = None
    missing: list[str] = Field(default_factory=list)
    without: list[str] = Field(default_factory=list)

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(each.bytes for each in self.files.values())

    def files_of(self, run: str) -> dict[str, PackedFile]:
        """Return the files of a run, by their names in its folder."""
        start = f"{RUNS}/{run}/"
        return {name[len(start) :]: each for name, each in self.files.items() if name.startswith(start)}


def name_problem(name: str) -> str:
    """Return why a name must not be that of a file in a zip; an empty text if it may be.

    Only `runs/name/timestamp/...` is allowed: nothing that leads out of the runs folder, on any system.
    """
    steps = name.split("/")
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME:
        return "is too long"
    for step in steps:
        if step in ("", ".", ".."):
            return "leads elsewhere"
        if "\\" in step or ":" in step or any(unicodedata.category(char) in ("Cc", "Cs") for char in step):
            return "has a sign that a file's name must not have"
        if len(step.encode()) > LONGEST_STEP:
            return "is too long"
    if steps[0] != RUNS or len(steps) < 4 or any(step.startswith(".") for step in steps[1:3]):
        return f"is not {RUNS}/NAME/TIMESTAMP/FILE"
    return ""


def manifest_problems(manifest: Manifest) -> Iterator[str]:
    """Yield what in a manifest does not fit together."""
    labels = {each.run for each in manifest.runs}
    if len(labels) < len(manifest.runs):
        yield "a run is named twice"
    for name in manifest.files:
        if problem := name_problem(name):
            yield f"{name} {problem}"
        elif "/".join(name.split("/")[1:3]) not in labels:
            yield f"{name} is of no run that is named"
    for label in sorted(labels):
        if f"{RUNS}/{label}/{RECORD}" not in manifest.files:
            yield f"{label} has no run.json"
