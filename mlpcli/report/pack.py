"""What was packed into a zip, what is not in it, and what was unpacked."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlpcli.machine import format_bytes
from mlpcli.report.console import show_sentence
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
    _show("packed   ", f"{runs[0]['run']} into {target}: {files}")
    for each in runs[1:]:
        _show("with     ", f"{each['run']} ({each['why']})")
    if manifest["without"]:
        _show("without  ", f"{', '.join(manifest['without'])}")
    for each in manifest["missing"]:
        _show("without  ", f"{each}, which is gone", style="yellow")
    for line in _data_lines(manifest):
        _show("data     ", line)
    if any(name.split("/")[3] == "plugins" for name in manifest["files"]):
        show_sentence("plug-ins run elsewhere only with --trust-plugins")
    _show("there    ", f"mlpcli unpack {shlex.quote(target.name)}")


def _show(label: str, text: str, *, style: str = "") -> None:
    """Show a label and a text, in lines that fit."""
    show_sentence(text, label=label, style=style)


def _data_lines(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines on the data: what is in the zip, and what is not."""
    mark = manifest["fingerprint"]
    known = f" (fingerprint {mark[:SHOWN]})" if mark else ""
    for each in manifest["data"]:
        if each["files"]:
            yield f"{each['path']}"
        elif each["reason"] == "left out":
            yield f"not in it: {each['path']}{known}; --with-data packs it too"
        else:
            yield f"not in it: {each['path']}{known}, which {_verb(each['reason'])}"


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
    _show("unpacked ", f"{label} into {runs[0][1]}: {len(manifest['files']):,} files, whole")
    for other, _, why, there in runs[1:]:
        _show("with     ", f"{other} ({why})" + (", which was there already" if there else ""))
    if manifest["without"]:
        _show("without  ", f"{', '.join(manifest['without'])}")
    for each in manifest["missing"]:
        _show("without  ", f"{each}, which was gone when it was packed", style="yellow")
    mark = f" (fingerprint {manifest['fingerprint'][:SHOWN]})" if manifest["fingerprint"] else ""
    for path in missing:
        _show("data     ", f"{path}{mark} is not here", style="yellow")
    if missing:
        _show("         ", "put it into the run's folder or one above; predict needs none of it")
    trust = ""
    if plugins:
        trust = " --trust-plugins"
        names = ", ".join(f"{label}/{name}" for name in plugins)
        show_sentence(f"plug-ins are Python that can do anything: read {names}", style="yellow")
    verb = "predict" if missing else "evaluate"
    data = " ROWS" if missing else ""
    _show("next     ", f"mlpcli {verb} {shlex.quote(label)}{data}{trust}{runs_dir_option(runs_dir)}")


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
