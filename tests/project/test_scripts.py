"""Every script under scripts/ answers `--help`, and refuses what it does not know, before it works."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT

SCRIPTS = {
    path.name: ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "scripts").glob("*.py"))
}
PARSING = {"ArgumentParser", "add_argument", "add_mutually_exclusive_group", "add_subparsers", "join"}
PARSING |= {"splitlines", "split", "list", "set_defaults", "str", "Path", "resolve", "insert"}
"""What may be called before the arguments are read: to say which there are."""


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)


RUN = [name for name, tree in SCRIPTS.items() if any(map(_is_main, tree.body))]


def _name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)


def _calls(body: list[ast.stmt], functions: dict[str, ast.FunctionDef]) -> Iterator[ast.Call]:
    """Yield the calls of a script in the order in which it makes them, into its own functions."""
    found = [node for statement in body for node in ast.walk(statement) if isinstance(node, ast.Call)]
    for call in sorted(found, key=lambda each: (each.end_lineno or 0, each.end_col_offset or 0)):
        if (own := functions.get(_name(call))) is not None:
            yield from _calls(own.body, functions)
        else:
            yield call


def calls_before_parsing(tree: ast.Module) -> list[str]:
    """Return what a script calls before `parse_args`, beside what describes its arguments."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    main = next(node for node in tree.body if isinstance(node, ast.If) and _is_main(node))
    before: list[str] = []
    for call in _calls(main.body, functions):
        if _name(call) in ("parse_args", "parse_known_args"):
            return before
        if _name(call) == "ArgumentParser":
            assert any(keyword.arg == "description" for keyword in call.keywords)
        if _name(call) not in PARSING:
            before.append(_name(call))
    return [*before, "no parse_args"]


@pytest.mark.parametrize("name", RUN)
def test_a_script_reads_its_arguments_before_it_does_anything(name: str) -> None:
    assert calls_before_parsing(SCRIPTS[name]) == []
    described = ast.get_docstring(SCRIPTS[name]) or ""
    assert described.splitlines()[0].rstrip().endswith((".", ":", "`"))


def test_shell_scripts_pass_their_arguments_on() -> None:
    shells = [path for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix]
    assert {"docs", "run", "test"} <= {path.name for path in shells}
    for path in shells:
        assert '"$@"' in path.read_text(encoding="utf-8"), path.name


def test_work_before_the_arguments_is_found() -> None:
    source = "def main():\n    work()\n    parser.parse_args()\nif __name__ == '__main__':\n    main()\n"
    assert calls_before_parsing(ast.parse(source)) == ["work"]
    assert calls_before_parsing(ast.parse(source.replace("parse_args", "go"))) == [
        "work",
        "go",
        "no parse_args",
    ]
