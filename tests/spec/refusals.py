"""How a test reads what the command line says of a wrong spec."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import Result

DATA = "dataset: {name: iris}\n"
LAYERS = "layers: [{Dense: {units: 3, activation: softmax}}]\n"
LOSS = "loss: sparse_categorical_crossentropy\n"
GOOD = DATA + LAYERS + LOSS

Wrong = dict[str, tuple[str, list[str]]]
"""Specs by what is wrong with them, and the expected lines without carets; SPEC stands for the file."""


def headlines(text: str) -> list[str]:
    """The lines of an error that are neither source, caret, nor the closing count."""
    excerpt = re.compile(r" *[0-9]* \| | +\^| {5}")
    lines = text.splitlines()
    return [line for line in lines if not excerpt.match(line) and not line.endswith("problems found")]


def assert_refused(result: Result, spec: Path, expected: list[str]) -> None:
    """The result is that of a wrong spec: status 2, these lines, and no run folder."""
    assert result.status == 2
    assert result.out == ""
    assert headlines(result.err) == [line.replace("SPEC", str(spec)) for line in expected]
    count = re.findall(r"^(\d+) problems found$", result.err, re.M)
    assert count == ([str(len(expected))] if len(expected) > 1 else [])
    assert not (spec.parent / "runs").exists()
