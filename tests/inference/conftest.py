"""Tables for scripts, and what writes a script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result
from tests.inference.script_runs import write_tables


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tables, made the current one."""
    write_tables(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HERE", str(tmp_path))
    return tmp_path


@pytest.fixture
def code(mlpcli: Callable[..., Result]) -> Callable[[Path, list[str]], str]:
    """What `mlpcli code` writes on stdout."""

    def write(spec: Path, settings: list[str]) -> str:
        arguments = [part for setting in settings for part in ("--set", setting)]
        result = mlpcli("code", spec, *arguments)
        assert (result.status, result.err) == (0, "")
        return result.out

    return write
