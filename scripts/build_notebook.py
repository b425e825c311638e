"""Execute the cells of scripts/notebook_cells.md and write docs/notebook.ipynb, with what they have shown.

    .venv/bin/python scripts/build_notebook.py

The cells run in this process, in a temporary folder, as a notebook runs them: what is printed, the last
expression, and the figures that were drawn are kept. So no Jupyter is needed to build or to test it.
"""

from __future__ import annotations

import argparse
import ast
import base64
import contextlib
import io
import json
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CELLS, NOTEBOOK = ROOT / "scripts" / "notebook_cells.md", ROOT / "docs" / "notebook.ipynb"

CODE = re.compile(r"^```python\n(.*?)^```\n?", re.S | re.M)
STAMP = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d")
"""Of a run: replaced, so that a notebook that is built again differs only where something has changed."""


def source_cells() -> list[tuple[str, str]]:
    """Return the cells of the source: `markdown` or `code`, and the text."""
    found: list[tuple[str, str]] = []
    for place, part in enumerate(CODE.split(CELLS.read_text(encoding="utf-8"))):
        if part.strip():
            found.append(("code" if place % 2 else "markdown", part.strip()))
    return found


def execute(cells: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Execute cells in the current folder; return them as a notebook has them.

    Args:
        cells: see `source_cells`. An error in one ends the execution.
    """
    import matplotlib

    matplotlib.use("Agg")
    names: dict[str, Any] = {"__name__": "__main__"}
    found: list[dict[str, Any]] = []
    for place, (kind, text) in enumerate(cells):
        cell: dict[str, Any] = {
            "cell_type": kind,
            "id": f"cell-{place:02}",
            "metadata": {},
            "source": _lines(text),
        }
        if kind == "code":
            count = 1 + sum(each["cell_type"] == "code" for each in found)
            cell |= {"execution_count": count, "outputs": list(_outputs(text, names, count))}
        found.append(cell)
    return found


def _outputs(text: str, names: dict[str, Any], count: int) -> Iterator[dict[str, Any]]:
    """Execute a cell; yield what it prints, the value of its last line, and the figures that are open."""
    streams = {"stdout": io.StringIO(), "stderr": io.StringIO()}
    with contextlib.redirect_stdout(streams["stdout"]), contextlib.redirect_stderr(streams["stderr"]):
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.simplefilter("ignore", DeprecationWarning)
            value = _run(text, names)
    for name, printed in streams.items():
        if shown := printed.getvalue().rstrip("\n"):
            yield {"output_type": "stream", "name": name, "text": _lines(_steady(shown))}
    if value is not None:
        data = {"text/plain": _lines(_steady(_shown(value)))}
        if hasattr(value, "_repr_html_") and (page := value._repr_html_()):
            data["text/html"] = _lines(_steady(page))
        yield {"output_type": "execute_result", "execution_count": count, "metadata": {}, "data": data}
    from matplotlib import pyplot

    for number in pyplot.get_fignums():
        drawn = io.BytesIO()
        pyplot.figure(number).savefig(
            drawn, format="png", dpi=80, bbox_inches="tight", metadata={"Software": None}
        )
        picture = base64.b64encode(drawn.getvalue()).decode()
        drawing = {"image/png": picture, "text/plain": ["<Figure>"]}
        yield {"output_type": "display_data", "metadata": {}, "data": drawing}
    pyplot.close("all")


def _shown(value: object) -> str:
    """Return the text of a value, of a DataFrame with all its columns."""
    import pandas as pd

    with pd.option_context("display.width", 100, "display.max_columns", 20):
        return repr(value)


def _run(text: str, names: dict[str, Any]) -> object:
    """Execute a cell, and return the value of its last line where that is an expression."""
    body = ast.parse(text).body
    last = body[-1]
    if not isinstance(last, ast.Expr):
        exec(compile(ast.Module(body, []), "notebook", "exec"), names)
        return None
    exec(compile(ast.Module(body[:-1], []), "notebook", "exec"), names)
    return eval(compile(ast.Expression(last.value), "notebook", "eval"), names)


def _steady(text: str) -> str:
    return STAMP.sub("2026-11-24_09-30-00", text)


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def notebook(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the document of a notebook: nbformat 4.5."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def as_page(document: dict[str, Any], pictures: Path | None = None) -> str:
    """Return a notebook as a page in Markdown, each cell with what it has shown.

    Args:
        document: the notebook.
        pictures: where to write its figures; None to leave that to another call.
    """
    parts = []
    for number, cell in enumerate(document["cells"]):
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        for output in cell.get("outputs", ()):
            data = output.get("data", {"text/plain": output.get("text", [])})
            if "image/png" in data:
                name = f"notebook_{number}.png"
                if pictures is not None:
                    pictures.mkdir(exist_ok=True)
                    (pictures / name).write_bytes(base64.b64decode(data["image/png"]))
                parts.append(f"![What the cell has drawn](images/{name})")
            elif not "".join(data["text/plain"]).startswith("<Axes"):
                parts.append(f"```text\n{''.join(data['text/plain'])}\n```")
        if cell is document["cells"][0]:
            parts.append("As a notebook: [notebook.ipynb](notebook.ipynb).")
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Execute the cells and write the notebook."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    sys.path.insert(0, str(ROOT))
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            cells = execute(source_cells())
        finally:
            os.chdir(here)
    NOTEBOOK.write_text(json.dumps(notebook(cells), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{NOTEBOOK.relative_to(ROOT)} written")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
