"""Imports point one way: each package imports only what stands below it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "mlpcli"

GROUND = {"errors", "files", "printable", "signals", "machine", "keras_import", "keras_internals"}
BELOW_MODEL = GROUND | {"spec", "data", "runs"}
BELOW_TRAINING = BELOW_MODEL | {"model", "plots", "export", "checks"}
ALL = BELOW_TRAINING | {"training", "inference", "codegen", "tuning", "report"}

ALLOWED: dict[str, set[str]] = {
    "cli": ALL,
    "report": GROUND | {"spec", "runs"},
    "inference": BELOW_TRAINING | {"training"},
    "codegen": BELOW_TRAINING | {"training"},
    "tuning": BELOW_TRAINING | {"training"},
    "training": BELOW_TRAINING,
    "export": BELOW_MODEL | {"model"},
    "checks": BELOW_MODEL | {"model"},
    "model": BELOW_MODEL,
    "plots": BELOW_MODEL,
    "data": GROUND | {"spec"},
    "runs": GROUND | {"spec"},
    "spec": GROUND,
    **{module: {"printable", "keras_import"} for module in GROUND},
    "keras_import": {"signals"},
    "__main__": {"cli"},
    "__init__": set(),
}
"""Which package may import which, beside itself; from the top of the flow to its ground."""


def _module(file: Path) -> str:
    steps = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(steps[:-1] if steps[-1] == "__init__" else steps)


MODULES = {_module(file): file for file in sorted(PACKAGE.rglob("*.py"))}


def _imports(module: str) -> Iterator[str]:
    """The package's modules that a module imports, also inside functions and for types alone."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mlpcli":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else str(node.module)


def _package(module: str) -> str:
    steps = module.split(".")
    return steps[1] if len(steps) > 1 else "__init__"


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downwards(module: str) -> None:
    package = _package(module)
    upward = {
        (module, imported)
        for imported in _imports(module)
        if _package(imported) not in ALLOWED[package] | {package}
    }
    assert not upward


def _reachable(start: str) -> set[str]:
    """Every module that importing one leads to, itself only where it is in a circle."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for imported in EDGES[waiting.pop()]:
            if imported not in found:
                found.add(imported)
                waiting.append(imported)
    return found


EDGES = {module: set(_imports(module)) - {module} for module in MODULES}


def test_no_two_files_import_each_other() -> None:
    assert {module for module in MODULES if module in _reachable(module)} == set()
