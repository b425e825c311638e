"""The page of messages comes from the source alone, and holds every message that the program shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import error_reference
from scripts.message_texts import Program

ROOT = Path(__file__).resolve().parents[2]

NOT_BY_THEMSELVES = {
    "a request came in another version of the protocol",
    "column 'row'",
    "column 'file'",
    "a date without one counts as UTC",
}
"""Parts of notes and of longer messages."""


def test_the_words_of_every_problem_are_found() -> None:
    """Of the few others the words are those of another problem, of an exception or of the system."""
    unread = error_reference.unread()
    assert len(unread) < len(error_reference.messages()) / 40, unread


def test_each_rule_that_is_written_as_it_stands_is_on_the_page() -> None:
    """A second way to find messages: the text right behind `Problem(` or `rule = `, by a pattern."""
    page = error_reference.page()
    literal = re.compile(r'(?:\bProblem\(|\bRowError\([^"\n]*, |\brule = )"([^"{\\]{12,})"')
    found = {
        text
        for path in (ROOT / "mlpcli").rglob("*.py")
        for text in literal.findall(path.read_text(encoding="utf-8"))
    }
    assert len(found) > 200
    lost = {text for text in found if " ".join(text.split()) not in page}
    assert lost == NOT_BY_THEMSELVES


def test_each_message_of_the_page_of_bad_inputs_is_on_it() -> None:
    text = (ROOT / "docs" / "bad_inputs.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\|.*\| `(.*)` \|$", text, re.M)
    assert len(shown) > 60
    lost = [message for message in shown if not error_reference.known(message.replace("\\|", "|"))]
    assert lost == []


PASTED = {
    "s.yaml:3:26 layers[0].Dense.units: must be a positive integer, received true": (
        "must be a positive integer",
        "",
    ),
    "s.yaml:2:1 dataset: cannot have both a name and a path, received 'a.csv'; keep one": (
        "cannot have both a name and a path",
        "keep one",
    ),
    "s.yaml:7:3 loss: the output must have 1 unit for this loss, received 3": (
        "the output must have 1 unit for this loss",
        "one sigmoid unit, or sparse_categorical_crossentropy with a softmax unit for each class",
    ),
    "run a/b is finished; train it for more epochs with --continue": (
        "run ⟨label⟩ is finished",
        "train it for more epochs with --continue",
    ),
    "--keep names columns for a file; add -o FILE.csv": (
        "--keep names columns for a file",
        "add -o FILE.csv",
    ),
}
"""Messages that a person received, with the words of their entry and what it says to do."""


@pytest.mark.parametrize("message", PASTED)
def test_a_message_that_is_pasted_leads_to_its_entry(message: str) -> None:
    words, todo = PASTED[message]
    (found,) = (each for each in error_reference.known(message) if each.words == words)
    assert found.todo == ((todo,) if todo else ())
    assert f"`{words}`" in error_reference.page()


SOURCE = '''"""What is checked.

More on that.
"""
from mlpcli.errors import Problem

REASONS = {"a": "is too long", "b": "is too short"}
LIMIT: str = "must be below 10"

def check(value, kind):
    """Check a value.

    Args: none.
    """
    if kind:
        rule, hint = f"the value {value} is wrong", "write another"
    else:
        rule = "the kind is missing"
        hint = "add one"
    yield Problem(rule, hint=hint)
    rule = "never seen: it is replaced at once"
    rule = "the last one counts"
    rule += " always"
    yield Problem(rule)
    yield Problem(LIMIT, hint="first" if value else "second")
    yield Problem(f"the file {REASONS[kind]}")
    found = []
    if kind:
        found.append(("it is of a kind", "remove the kind"))
    found.append(("it has a value", "remove it"))
    yield from (Problem(rule, hint=hint) for rule, hint in found)
    yield refuse(f"{value} rows are too few", "add some")

def refuse(rule, hint):
    return Problem(f"no: {rule}", hint=hint)
'''


def test_what_is_found_in_a_source(tmp_path: Path) -> None:
    (tmp_path / "mlpcli").mkdir()
    (tmp_path / "mlpcli" / "checked.py").write_text(SOURCE, encoding="utf-8")
    errors = "class Problem:\n    rule: str\n    hint: str\n"
    (tmp_path / "mlpcli" / "errors.py").write_text(errors, encoding="utf-8")
    found = {each.words: each for each in error_reference.find(Program(tmp_path, "mlpcli"))}
    assert {words: each.todo for words, each in found.items()} == {
        "the value ⟨value⟩ is wrong": ("write another",),
        "the kind is missing": ("add one",),
        "the last one counts always": (),
        "must be below 10": ("first", "second"),
        "the file is too long": (),
        "the file is too short": (),
        "it is of a kind": ("remove the kind",),
        "it has a value": ("remove it",),
        "no: ⟨value⟩ rows are too few": ("add some",),
    }
    assert {each.rule for each in found.values()} == {"Check a value."}
    assert {each.title for each in found.values()} == {"What is checked."}
