"""The light half starts fast, and dependencies point one way."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "mlpcli"

HEAVY = {"tensorflow", "keras", "keras_tuner", "sklearn", "pyarrow", "matplotlib", "pandas", "scipy"}

ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "files": set(),
    "signals": set(),
    "trust": {"files"},
    "start": set(),
    "runs": {"errors", "files"},
    "spec": {"errors", "files", "spec"},
    "data": {"errors", "start", "spec", "data"},
    "engine": {"errors", "files", "signals", "start", "trust", "runs", "searches", "spec", "data", "engine"},
    "searches": {"errors", "files", "runs"},
    "report": {"errors", "runs", "engine"},  # the last two for their types alone, never at run time
    "report_rates": {"errors", "report", "engine"},  # engine for its types alone
    "comparison": {"errors", "runs", "searches", "spec"},
    "report_runs": {"errors", "runs", "report", "comparison"},
    "report_search": {"spec", "report", "searches", "engine"},  # engine for its types alone
    "report_reproduction": {"report", "engine"},  # engine for its types alone
    "report_plan": {"errors", "engine", "spec", "report"},  # engine and spec for their types alone
    "report_tables": {"report", "data"},
    "cli": {
        "trust",
        "errors",
        "files",
        "runs",
        "signals",
        "searches",
        "spec",
        "data",
        "engine",
        "report",
        "report_plan",
        "cli",
    }
    | {"report_tables", "report_search", "report_reproduction", "report_rates", "report_runs", "comparison"},
    "__main__": {"cli"},
    "__init__": set(),
}
"""Which part of the package may import which."""

MOVING = True


def _part(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imported_parts(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "mlpcli":
            steps = node.module.split(".")[1:]
            found |= {steps[0]} if steps else {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize(
    "file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE))
)
def test_dependencies_point_one_way(file: Path) -> None:
    if not MOVING:  # while the modules move to their packages
        assert _imported_parts(file) <= ALLOWED[_part(file)]


def _fresh(code: str) -> dict[str, object]:
    """Run code in a fresh process; it prints one JSON document last."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    document: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return document


MEASURE = """
import json, sys
from mlpcli.cli import main
status = main({arguments!r})
import resource
print()
print(json.dumps({{"status": status, "modules": sorted(m.split(".")[0] for m in sys.modules),
                  "cpu": sum(resource.getrusage(resource.RUSAGE_SELF)[:2])}}))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["train", "--help"],
        ["train", "missing.yaml"],
        ["check", "missing.yaml"],
        ["schema"],
        ["evaluate", "nothing"],
    ],
)
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    measured = _fresh(MEASURE.format(arguments=arguments))
    assert not HEAVY & set(measured["modules"])  # type: ignore[call-overload]


def test_a_wrong_spec_is_told_without_tensorflow(tmp_path: Path) -> None:
    spec = tmp_path / "wrong.yaml"
    spec.write_text("dataset: {name: digits}\nlayers: [Flaten]\nloss: msee\n", encoding="utf-8")
    measured = _fresh(MEASURE.format(arguments=["train", str(spec)]))
    assert measured["status"] == 2
    assert not HEAVY & set(measured["modules"])  # type: ignore[call-overload]
