"""scripts/reproduce: the chapter's specs run, and the table says what they reached."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.uncounted]


@pytest.fixture
def reproduce(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("reproduce", ROOT / "scripts" / "reproduce.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "reproduce", module)
    spec.loader.exec_module(module)
    return module


def test_figures_are_compared_with_the_chapters(
    reproduce: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status = reproduce.main(["--only", "1", "--only", "7", "--runs-dir", str(tmp_path)])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("| 1 ", "| 7 "))]
    assert status == 0
    assert [row.split(" | ")[-1] for row in rows] == ["yes |", "yes |"]
    assert "true, false; training accuracy 1.00" in rows[0]


def test_a_figure_that_is_not_met_or_fails_is_told(
    reproduce: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    missed = reproduce.Item("1", "one", "iris", "0", lambda shop: ("0.1", False))

    def fail(shop: object) -> tuple[str, bool]:
        raise reproduce.Failure("spec.yaml:1:1 no")

    failing = reproduce.Item("2", "two", "iris", "0", fail)
    rows = reproduce.rows_of([missed, failing], reproduce.Workshop(tmp_path))
    assert [row[-1] for row in rows] == ["**no**", "**failed**"]
    assert rows[1][4] == "spec.yaml:1:1 no"


def test_every_item_of_small_data_runs_a_little(
    reproduce: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    items = ["5", "10", "11", "12", "23"]
    only = [text for item in items for text in ("--only", item)]
    assert reproduce.main(["--quick", *only, "--runs-dir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.count("not compared") == len(items)
