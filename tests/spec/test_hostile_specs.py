# ruff: noqa: E501 (a message stands on one line, as it is shown)
"""Specs made to take the reader's time: thousands of mistakes, values without end, chains of files.

The work is held by counting, not by a clock: how often a name is compared with all known ones, and how many
values are looked at.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlpcli.errors import NAMES_COMPARED, Problem, SpecError, nearest, show_value
from mlpcli.spec.load import load_spec
from tests.conftest import Result

Run = Callable[..., Result]
Write = Callable[[str], Path]

BASE = "dataset: {name: iris}\nlayers: [{Dense: {units: 3, activation: softmax}}]\nloss: sparse_categorical_crossentropy\n"
HEAD = "dataset: {name: iris}\nloss: mse\nlayers:\n"
COMPARED_MOST = 400
"""Comparisons of a word with all known names: a few for each of the 50 problems that are shown."""


def lines(template: str, count: int) -> str:
    """A line many times, `#` standing for its number."""
    return "".join(template.replace("#", str(number)) + "\n" for number in range(count))


MANY: dict[str, tuple[str, int]] = {
    "unknown keys": (BASE + lines("key#: 1", 2000), 2000),
    "unknown keys of a section": (BASE + "fit:\n" + lines("  key#: 1", 2000), 2000),
    "unknown layers": (HEAD + lines("  - Den#se", 2000), 2000),
    "unknown arguments": (HEAD + "  - Dense:\n      units: 3\n" + lines("      unit#: 3", 2000), 2000),
    "unknown metrics": (BASE + "metrics:\n" + lines("  - m#", 2000), 2000),
    "unknown callbacks": (BASE + "callbacks:\n" + lines("  - {Early#: {}}", 1000), 1000),
    "unknown sources": (HEAD + lines("  - {Dense: {units: 3}, from: x#}", 1000), 1000),
    "unknown kinds of hyperparameters": (HEAD + lines("  - Dense: {units: {hp: itn, min: 1, max: 9}}", 400), 400),
    "tags": (BASE + "callbacks: [" + "!x ModelCheckpoint, " * 2000 + "]\n", 2000),
    "outputs without layers": (BASE.replace("loss: sparse_categorical_crossentropy\n", "loss:\n" + lines("  out#: mse", 1000)), 1000),
}  # fmt: skip


@pytest.mark.parametrize("name", MANY)
def test_thousands_of_mistakes_are_counted_and_fifty_of_them_are_shown(
    mlpcli: Run, spec_file: Write, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text, count = MANY[name]
    compared = 0

    def counted(*arguments: Any, **keywords: Any) -> list[str]:
        nonlocal compared
        compared += 1
        return matches(*arguments, **keywords)

    matches = difflib.get_close_matches
    monkeypatch.setattr(difflib, "get_close_matches", counted)
    result = mlpcli("check", spec_file(text), "--json")
    assert result.status == 2
    problems = json.loads(result.out)["problems"]
    assert len(problems) == 51
    assert problems[-1]["message"] == f"and {count - 50:,} more problems"
    assert len(result.err.splitlines()) <= 3 * 51 + 1
    assert compared <= COMPARED_MOST
    assert compared > 0 or name == "tags"


REFUSED: list[tuple[str, str, str]] = [
    ("flow list", "layers: [" + "Dense, " * 50_000 + "]\n", "contains more than 20,000 values; a spec is a short text file"),
    ("copies of a layer", HEAD + "  - {Dense: {units: 3}, repeat: 1000000000}\n", "must be a number of copies, 0 to 1000, received 1000000000"),
    ("copies of layers", HEAD + lines("  - {Dense: {units: 3}, repeat: 1000}", 11), "layers[10]: brings the network to more than 10,000 layers"),
    ("copies searched", HEAD + "  - {Dense: {units: {hp: int, min: 1, max: 3}}, repeat: {hp: int, min: 0, max: 1000000000}}\n", "must be a number of copies, 0 to 1000, received 1000000000"),
    ("values of a choice", BASE + "seed: {hp: choice, values: [" + ", ".join(map(str, range(501))) + "]}\n", "seed.values: has 501 values, a choice takes at most 500"),
    ("hyperparameters", HEAD + lines("  - Dense: {units: {hp: int, min: 1, max: 9}}", 501), "exceeds the 500 hyperparameters that a spec may have"),
    ("alternatives", HEAD + lines("  - Dense: {units: {hp: int, min: 1, max: 9}}", 400), "layers[0].Dense.units: 801 alternatives of hyperparameters in a spec of 1,205 values are too many to check; the product of the two may be 200,000: search fewer values at a time; "),
    ("alternatives of a choice", HEAD + lines("  - Dense: {units: 3}", 300) + "seed: {hp: choice, values: [" + ", ".join(map(str, range(400))) + "]}\n", "seed: 401 alternatives of hyperparameters in a spec of 906 values are too many to check"),
    ("zeros", BASE + "seed: 0" + "1" * 9000 + "\n", "seed: is too large"),
    ("digits", BASE + "seed: " + "1" * 9000 + "\n", "seed: is too large"),
    ("depth", BASE + "callbacks: " + "[" * 5000, "is nested deeper than 50 levels"),
    ("long name", BASE + "name: " + "k" * 500_000 + "\n", "name: must be 1 to 64 letters"),
    ("circle", HEAD + lines("  - {Dense: {units: 3}, name: l#, from: l#}", 1) + "".join(f"  - {{Dense: {{units: 3}}, name: l{n}, from: l{n % 900 + 1}}}\n" for n in range(1, 901)), "layers read each other in a circle: l0 reads l0;"),
    ("plug-in's name", BASE + "plugins: [" + "k" * 5000 + ".py]\n", "plugins[0]: cannot be read (File name too long)"),
    ("base's name", "extends: " + "k" * 5000 + "\n", "extends: cannot be read (File name too long)"),
    ("table's name", BASE.replace("name: iris", "target: y, path: " + "k" * 5000 + ".csv"), "dataset.path: cannot be read (File name too long)"),
    ("pattern", BASE.replace("name: iris", "target: y, path: '" + "k" * 5000 + "*.csv'"), "dataset.path: cannot be searched for (File name too long)"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "message"), REFUSED, ids=[name for name, *_ in REFUSED])
def test_a_spec_without_measure_is_refused(
    mlpcli: Run, spec_file: Write, name: str, text: str, message: str
) -> None:
    result = mlpcli("check", spec_file(text))
    assert result.status == 2
    assert message in result.err
    assert len(result.err) < 20_000


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("layers[" + "9" * 6000 + "]=1", "the path does not exist"),
        (".".join("a" * 2000) + "=1", "a path has at most 50 steps"),
        ("seed=" + "1" * 9000, "is too large"),
        ("seed=" + "[" * 9000, "is nested deeper than 50 levels"),
        ("seed=" + "1, " * 400_000, "is longer than 1,000,000 characters"),
    ],
    ids=["position", "path", "number", "depth", "length"],
)
def test_a_setting_without_measure_is_refused(
    mlpcli: Run, spec_file: Write, setting: str, message: str
) -> None:
    result = mlpcli("check", spec_file(BASE), "--set", setting)
    assert result.status == 2
    assert message in result.err
    assert len(result.err) < 20_000


def test_a_long_chain_of_specs_is_refused(mlpcli: Run, tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"s{number}.yaml").write_text(f"extends: s{number + 1}.yaml\n", encoding="utf-8")
    result = mlpcli("check", tmp_path / "s0.yaml")
    assert result.status == 2
    assert (
        "more than 20 specs extend each other, received 's21.yaml'; put some of them into one" in result.err
    )


def test_a_chain_of_large_specs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpcli.spec.extends.MAX_VALUES", 500)
    for number in range(4):
        text = f"extends: s{number + 1}.yaml\n" if number < 3 else BASE
        (tmp_path / f"s{number}.yaml").write_text(text + lines(f"k{number}_#: 1", 300), encoding="utf-8")
    with pytest.raises(SpecError, match="contains more than 1,000 values with what it extends"):
        load_spec(tmp_path / "s0.yaml")


def test_what_is_as_large_as_it_may_be_is_taken(spec_file: Write) -> None:
    choice = "seed: {hp: choice, values: [" + ", ".join(map(str, range(400))) + "]}\n"
    loaded = load_spec(
        spec_file(HEAD + lines("  - {Dense: {units: 3}, repeat: 1000}", 10) + "name: " + "k" * 64)
    )
    assert (len(loaded.spec.graph.nodes), loaded.spec.name) == (10_000, "k" * 64)
    assert len(load_spec(spec_file(BASE + choice)).space["seed"].labels) == 400
    with pytest.raises(SpecError, match=r"callbacks\[0\]: must be a callback"):
        load_spec(spec_file(BASE + "callbacks: " + "[" * 49 + "]" * 49))


def test_layers_that_read_backwards_come_in_the_order_of_what_they_read(spec_file: Write) -> None:
    text = HEAD + "".join(f"  - {{Dense: {{units: 3}}, name: l{n}, from: l{n + 1}}}\n" for n in range(300))
    text += "  - {Dense: {units: 3}, name: l300, from: input}\n  - {Dense: {units: 3}, from: l0}\n"
    nodes = load_spec(spec_file(text)).spec.graph.nodes
    assert [node.name for node in nodes] == [*(f"l{n}" for n in range(300, -1, -1)), "dense"]


def test_a_hint_is_worked_out_when_it_is_read() -> None:
    asked: list[str] = []
    problem = Problem("unknown", hint=lambda: asked.append("now") or "did you mean 'a'?")  # type: ignore[func-returns-value]
    assert not asked
    assert problem.headline() == "unknown; did you mean 'a'?"
    assert asked == ["now"]


def test_names_are_compared_within_bounds() -> None:
    assert nearest("k" * 100_000, ["k"]) == ""
    assert nearest("units", (f"x{number}" for number in range(10**12))) == ""
    assert nearest("unitz", [*map(str, range(NAMES_COMPARED - 1)), "units"]) == "did you mean 'units'?"
    assert len(show_value({"a": ["k" * 10**6] * 10**5})) == 60
