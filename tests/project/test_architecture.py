"""The order of the package: imports point one way, names do not mislead, files and functions are short."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "mlpcli"

GROUND = {"errors", "files", "printable", "signals", "machine", "keras_import", "free_names"}
GROUND |= {"extras", "near_paths", "plugin_frames", "program_name"}
GROUND |= {"keras_internals", "tuner_internals", "tensorflow_internals", "distribute_internals"}
BELOW_MODEL = GROUND | {"spec", "data", "runs", "statistics"}
BELOW_TRAINING = BELOW_MODEL | {"model", "plots", "export", "checks"}
ALL = BELOW_TRAINING | {"training", "inference", "doctor", "codegen", "tuning", "report"}

ALLOWED: dict[str, set[str]] = {
    "estimators": ALL | {"api", "cli", "estimator_rules", "opened_run"},
    "estimator_rules": ALL,
    "api": ALL | {"cli", "opened_run"},
    "opened_run": ALL | {"cli"},
    "cli": ALL | {"serving"},
    "serving": ALL - {"report"},
    "report": GROUND | {"spec", "runs"},
    "inference": BELOW_TRAINING | {"training"},
    "doctor": BELOW_TRAINING | {"training"},
    "codegen": BELOW_TRAINING | {"training"},
    "tuning": BELOW_TRAINING | {"training"},
    "training": BELOW_TRAINING,
    "export": BELOW_MODEL | {"model"},
    "checks": BELOW_MODEL | {"model"},
    "model": BELOW_MODEL,
    "plots": BELOW_MODEL,
    "data": GROUND | {"spec", "statistics"},
    "runs": GROUND | {"spec", "statistics"},
    "statistics": GROUND,
    "spec": GROUND,
    **{module: {"printable", "keras_import"} for module in GROUND},
    "extras": {"errors"},
    "near_paths": {"errors"},
    "keras_import": {"signals", "machine"},
    "__main__": {"cli"},
    "__init__": {"api", "estimators", "opened_run", "errors"},
}
"""Which package may import which, beside itself; from the top of the flow to its ground."""


def _module(file: Path) -> str:
    steps = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(steps[:-1] if steps[-1] == "__init__" else steps)


MODULES = {_module(file): file for file in sorted(PACKAGE.rglob("*.py"))}


def _imports(module: str) -> Iterator[str]:
    """The package's modules that a module imports, also inside functions and for types alone."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES.keys() - {"mlpcli"})
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mlpcli":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else str(node.module)


def test_every_import_is_written_with_its_whole_name() -> None:
    """Relative imports are not followed here, so that none may be there."""
    for file in MODULES.values():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), file


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


def test_the_table_of_packages_is_the_one_in_the_docs() -> None:
    table = (PACKAGE.parent / "docs" / "design.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)/`", table, re.M)
    assert set(rows) == {name for name in ALLOWED if (PACKAGE / name).is_dir()}


MAPPED = (
    "spec",
    "runs",
    "data",
    "checks",
    "codegen",
    "doctor",
    "inference",
    "export",
    "report",
    "plots",
    "serving",
    "cli",
)
"""Packages whose docstrings are maps of their modules."""


@pytest.mark.parametrize("package", MAPPED)
def test_a_map_names_each_module_of_its_package(package: str) -> None:
    start = f"mlpcli.{package}"
    inside = {module.split(".")[2] for module in MODULES if module.startswith(f"{start}.")}
    text = ast.get_docstring(ast.parse(MODULES[start].read_text(encoding="utf-8"))) or ""
    named = set(re.findall(r"`(\w+)`", text))
    assert inside - named == set()


COUNTERPARTS = {"components", "features", "load", "plugins", "synthetic"}
"""What a spec says of these, in `spec/`, and what is made of it, in the package that makes it."""


def test_no_two_modules_have_names_that_mislead() -> None:
    """A name is used once, but for a command and what it calls and shows, and for a spec's counterparts."""
    commands = {file.stem for file in (PACKAGE / "cli").glob("*.py")}
    found: dict[str, list[str]] = {}
    for module in MODULES:
        *_, name = module.split(".")
        if not name.startswith("__"):
            found.setdefault(name.rstrip("s"), []).append(module)
    misleading = {
        stem: modules
        for stem, modules in found.items()
        if len(modules) > 1
        and not {module.split(".")[-1] for module in modules} <= COUNTERPARTS
        and not any(stem == command.rstrip("s") for command in commands)
    }
    assert misleading == {}


FUNCTION_LINES, FILE_LINES, ANYS = 45, 400, 5


def _functions(module: str) -> Iterator[tuple[str, int]]:
    """The functions of a module and their lines without the docstring."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node) is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            yield f"{module}.{node.name}", (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_functions_and_files_are_short() -> None:
    long = {name: lines for module in MODULES for name, lines in _functions(module) if lines > FUNCTION_LINES}
    assert long == {}
    sizes = {module: len(file.read_text(encoding="utf-8").splitlines()) for module, file in MODULES.items()}
    assert {module: lines for module, lines in sizes.items() if lines >= FILE_LINES} == {}


def _annotations(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield node.returns


def test_types_are_said() -> None:
    lines = anys = 0
    for file in MODULES.values():
        text = file.read_text(encoding="utf-8")
        lines += len(text.splitlines())
        for annotation in _annotations(ast.parse(text)):
            anys += sum(isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(annotation))
    assert anys < ANYS * lines / 1000


def test_every_test_lies_in_a_room_that_says_what_it_holds() -> None:
    tests = PACKAGE.parent / "tests"
    assert not list(tests.glob("test_*.py")), "put it into the folder of the package that it tests"
    rooms = {file.parent for file in tests.rglob("test_*.py")}
    assert [
        room.name for room in rooms if not ast.get_docstring(ast.parse((room / "__init__.py").read_text()))
    ] == []
