"""The notebook of the docs: it is what its source says, and its cells run and show what is stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import build_notebook


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(build_notebook.NOTEBOOK.read_text(encoding="utf-8"))
    return document


def _kinds(cell: dict[str, Any]) -> list[tuple[str, ...]]:
    """What a cell shows, by kind; warnings, which depend on numbers, are left out."""
    outputs = (each for each in cell.get("outputs", ()) if each.get("name") != "stderr")
    return [(each["output_type"], *sorted(each.get("data", ()))) for each in outputs]


def test_the_notebook_has_the_cells_of_its_source_and_their_outputs(stored: dict[str, Any]) -> None:
    cells = [(each["cell_type"], "".join(each["source"])) for each in stored["cells"]]
    assert cells == build_notebook.source_cells()
    assert (stored["nbformat"], stored["nbformat_minor"]) == (4, 5)
    shown = [kind for cell in stored["cells"] for kind in _kinds(cell)]
    assert ("display_data", "image/png", "text/plain") in shown
    assert ("execute_result", "text/html", "text/plain") in shown
    assert all(cell["outputs"] for cell in stored["cells"] if cell["cell_type"] == "code")
    code = "\n".join(text for kind, text in cells if kind == "code")
    for call in (".check(", ".train(", ".history_frame(", ".metrics", ".predict(", ".evaluate(", ".explain("):
        assert call in code
    page = build_notebook.as_page(stored)
    assert page.count("```") % 2 == 0
    assert "](images/notebook_" in page


@pytest.mark.slow
@pytest.mark.uncounted
def test_the_cells_run_and_show_what_is_stored(
    stored: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shorter = [
        (kind, text.replace('"epochs": 30', '"epochs": 2, "engine": "graph"'))
        for kind, text in build_notebook.source_cells()
    ]
    assert [*map(_kinds, build_notebook.execute(shorter))] == [*map(_kinds, stored["cells"])]
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"wines", "wines_small"}
