"""What was packed into a zip, what is not in it, and what was unpacked."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlpcli.machine import format_bytes
from mlpcli.report.console import show_line
from mlpcli.runs.shell_options import runs_dir_option

Unpacked = tuple[str, Path, str, bool]
"""Label, folder, why it was packed, and whether it was there already."""

SHOWN = 16
"""Digits of a fingerprint that are shown."""


def show_packed(manifest: Mapping[str, Any], target: Path, size: int) -> None:
    """Show what is in a zip.

    Args:
        manifest: its manifest.
        target: the file.
        size: its bytes.
    """
    runs = manifest["runs"]
    count = len(manifest["files"])
    files = f"{count:,} file{'s' * (count != 1)}, {format_bytes(size)}"
    show_line(f"packed   {runs[0]['run']} into {target}: {files}")
    for each in runs[1:]:
        show_line(f"with     {each['run']} ({each['why']})")
    if manifest["without"]:
        show_line(f"without  {', '.join(manifest['without'])}")
    for each in manifest["missing"]:
        show_line(f"without  {each}, which is gone", style="yellow")
    for line in _data_lines(manifest):
        show_line(line)
    if any(name.split("/")[3] == "plugins" for name in manifest["files"]):
        show_line("plug-ins run elsewhere only with --trust-plugins")
    show_line(f"there    mlpcli unpack {shlex.quote(target.name)}")


def _data_lines(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines on the data: what is in the zip, and what is not."""
    mark = manifest["fingerprint"]
    known = f" (fingerprint {mark[:SHOWN]})" if mark else ""
    for each in manifest["data"]:
        if each["files"]:
            yield f"data     {each['path']}"
        elif each["reason"] == "left out":
            yield f"data     not in it: {each['path']}{known}; --with-data packs it too"
        else:
            yield f"data     not in it: {each['path']}{known}, which {_verb(each['reason'])}"


def _verb(reason: str) -> str:
    """Return a reason as the end of a sentence."""
    return "is not there" if reason.startswith("there is no such file") else reason


def pack_json(manifest: Mapping[str, Any], target: Path, size: int) -> dict[str, object]:
    """Return what was packed, for scripts."""
    return {"file": str(target), "bytes": size, **manifest}


def show_unpacked(
    manifest: Mapping[str, Any],
    runs: Sequence[Unpacked],
    missing: Sequence[str],
    plugins: Sequence[str],
    runs_dir: Path,
) -> None:
    """Show what was unpacked, what is missing, and what to do next.

    Args:
        manifest: of the zip.
        runs: the runs, the packed one first.
        missing: data that is not on this machine.
        plugins: of the packed run.
        runs_dir: the folder of the runs.
    """
    label = runs[0][0]
    show_line(f"unpacked {label} into {runs[0][1]}: {len(manifest['files']):,} files, whole")
    for other, _, why, there in runs[1:]:
        show_line(f"with     {other} ({why})" + (", which was there already" if there else ""))
    if manifest["without"]:
        show_line(f"without  {', '.join(manifest['without'])}")
    for each in manifest["missing"]:
        show_line(f"without  {each}, which was gone when it was packed", style="yellow")
    mark = f" (fingerprint {manifest['fingerprint'][:SHOWN]})" if manifest["fingerprint"] else ""
    for path in missing:
        show_line(f"data     {path}{mark} is not here", style="yellow")
    if missing:
        show_line("         put it into the run's folder or one above; predict needs none of it")
    trust = ""
    if plugins:
        trust = " --trust-plugins"
        names = ", ".join(f"{label}/{name}" for name in plugins)
        show_line(f"plug-ins are Python that can do anything: read {names}", style="yellow")
    verb = "predict" if missing else "evaluate"
    data = " ROWS" if missing else ""
    show_line(f"next     mlpcli {verb} {shlex.quote(label)}{data}{trust}{runs_dir_option(runs_dir)}")


def unpack_json(
    manifest: Mapping[str, Any], runs: Sequence[Unpacked], missing: Sequence[str], plugins: Sequence[str]
) -> dict[str, object]:
    """Return what was unpacked, for scripts."""
    listed = [
        {"run": label, "folder": str(folder), "why": why, "was_there": there}
        for label, folder, why, there in runs
    ]
    return {
        "runs": listed,
        "files": len(manifest["files"]),
        "data_missing": list(missing),
        "fingerprint": manifest["fingerprint"],
        "runs_missing": manifest["missing"],
        "without": manifest["without"],
        "plugins": list(plugins),
    }
