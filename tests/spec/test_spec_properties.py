"""Any text at all is a valid spec or a SpecError whose problems lie inside the file."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from pathlib import Path

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlpcli.errors import SpecError
from mlpcli.spec.load import load_spec
from mlpcli.spec.resolve import resolve_spec
from mlpcli.spec.yaml_reader import read_text
from tests.conftest import ROOT
from tests.mutations import at, paths

DIGITS = (ROOT / "configs" / "digits.yaml").read_text(encoding="utf-8")
PIECES = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\t",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "no",
    "1e-4",
    "'",
    '"',
]
PIECES += [
    "null",
    "-1",
    "0",
    "true",
    "Dense",
    "units",
    "é",
    "\x00",
    "\u2028",
    "? ",
    "| ",
    "%",
    "@",
    "#",
    "---\n",
]

quick = settings(max_examples=150)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The digits spec with a few pieces put in, taken out or put over others."""
    text = DIGITS
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        text = text[:start] + draw(st.sampled_from(PIECES) | st.text(max_size=3)) + text[end:]
    return text


def _load(spec: Path) -> str:
    """Load a spec; return "valid", or "refused" where it is an error whose problems lie inside the file."""
    try:
        loaded = load_spec(spec)
        resolve_spec(loaded, {})
    except SpecError as error:
        problems = error.problems
    else:
        return "valid"
    lines = read_lines(spec)
    assert problems
    for problem in problems:
        assert problem.rule
        assert problem.headline().isprintable()
        place = problem.place
        if place is not None and place.line:
            assert 1 <= place.line <= len(lines) + 1
            line = lines[place.line - 1] if place.line <= len(lines) else ""
            assert 1 <= place.column <= len(line) + 1
    return "refused"


def read_lines(spec: Path) -> list[str]:
    return spec.read_bytes().decode("utf-8", errors="replace").replace("\r\n", "\n").split("\n")


def test_a_mutated_spec_is_valid_or_its_problems_lie_inside_it(tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()
    spec = tmp_path / "spec.yaml"

    @quick
    @given(text=mutated())
    @example(text="a: {b: [}")
    @example(text=DIGITS)
    def each(text: str) -> None:
        spec.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
        outcomes[_load(spec)] += 1

    each()
    assert outcomes["refused"] > outcomes["valid"] >= 5, outcomes


@quick
@given(raw=st.binary(max_size=200))
@example(raw=DIGITS.encode("utf-16"))
@example(raw=b"dataset: {name: caf\xe9}\n")
def test_no_bytes_are_a_spec_by_chance(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "spec.yaml"
        spec.write_bytes(raw)
        assert _load(spec) == "refused"


def test_every_value_and_key_has_its_place() -> None:
    text = read_text(ROOT / "configs" / "digits.yaml")
    found = 0
    for path in paths(text.data):
        if isinstance(path[-1], str):
            place = text.place(path, key=True)
            assert text.lines[place.line - 1][place.column - 1 :].startswith(f"{path[-1]}:")
        value = at(text.data, path)
        if not isinstance(value, dict | list):
            place = text.place(path)
            read = yaml.safe_load(re.split(r"[,}\]#]", text.lines[place.line - 1][place.column - 1 :])[0])
            assert read == value, path
            found += 1
    assert found > 15
