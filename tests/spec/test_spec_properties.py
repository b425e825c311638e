"""Any text at all is a valid spec or a SpecError whose problems stand inside the file."""

from __future__ import annotations

from pathlib import Path

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlpcli.errors import SpecError
from mlpcli.spec.load import load_spec
from mlpcli.spec.resolve import resolve_spec
from mlpcli.spec.yaml_reader import parse_text, read_text
from tests.conftest import ROOT

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

quick = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The digits spec with a few pieces put in, taken out or put over others."""
    text = DIGITS
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        text = text[:start] + draw(st.sampled_from(PIECES) | st.text(max_size=3)) + text[end:]
    return text


def _assert_told_or_valid(spec: Path) -> None:
    try:
        loaded = load_spec(spec)
        resolve_spec(loaded, {})
    except SpecError as error:
        problems = error.problems
    else:
        return
    lines = read_lines(spec)
    assert problems
    for problem in problems:
        assert problem.rule
        assert problem.headline().isprintable()
        place = problem.place
        if place is not None and place.line:
            assert 1 <= place.line <= len(lines) + 1
            assert place.column >= 1


def read_lines(spec: Path) -> list[str]:
    return spec.read_bytes().decode("utf-8", errors="replace").replace("\r\n", "\n").split("\n")


@quick
@given(text=mutated())
@example(text="a: {b: [}")
def test_a_mutated_spec_is_told_or_valid(text: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    _assert_told_or_valid(spec)


@quick
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_told_or_valid(raw: bytes, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_bytes(raw)
    _assert_told_or_valid(spec)


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)
values = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@quick
@given(value=st.dictionaries(texts, values, min_size=1, max_size=4))
@example(
    value={
        "a": "1e-4",
        "no": ["yes", "on"],
        "1": "010",
        "~": "null",
        "b": [1e-7, 1e300, "0x1F", "1_000", ".5", "-"],
    }
)
def test_what_resolved_yaml_writes_reads_back_the_same(value: dict[str, object]) -> None:
    from mlpcli.spec.resolve import _Dumper

    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    read = parse_text(text, "spec.yaml")
    assert (read.data, read.problems) == (value, ())


def test_every_value_has_its_place() -> None:
    text = read_text(ROOT / "configs" / "digits.yaml")
    place = text.place(("layers", 2, "Dense", "units"))
    assert text.lines[place.line - 1][place.column - 1 :].startswith("64")
    place = text.place(("layers", 2, "Dense", "units"), key=True)
    assert text.lines[place.line - 1][place.column - 1 :].startswith("units")
