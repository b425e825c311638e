"""Copies of the runs that tests share, to be damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mlpcli.runs.folder import find_run

STAMP = "2026-01-01_00-00-00"


@pytest.fixture
def copied(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of the tiny run, the newer of two in its runs folder."""
    shutil.copytree(tiny_run, tmp_path / "runs")
    run = find_run("tiny", tmp_path / "runs").folder
    shutil.copytree(run, run.parent / STAMP)
    return run


@pytest.fixture
def search(searched: Path, tmp_path: Path) -> Path:
    """A copy of the small search, as if its last trial had been cut off."""
    shutil.copytree(searched, tmp_path / "runs")
    folder = next((tmp_path / "runs" / "small").iterdir())
    document = json.loads((folder / "search.json").read_text())
    document |= {"finished": False, "winner": None, "promotions": []}
    document["trials"][2] |= {"status": "running", "score": None, "worker": "this process"}
    document["events"] = [event for event in document["events"] if event != ["end", 3]]
    (folder / "search.json").write_text(json.dumps(document))
    return folder


def with_fields(path: Path, **fields: Any) -> None:
    """Give a JSON document other values."""
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | fields))


def everything_below(folder: Path) -> dict[str, bytes]:
    """The files below a folder with their contents."""
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
