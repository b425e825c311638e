"""A good spec, what a newcomer writes instead of a part of it, and how the correction is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mlpcli.errors import SpecError
from mlpcli.spec.load import load_text
from mlpcli.spec.resolve import dump
from mlpcli.spec.yaml_reader import parse_text

GOOD = """\
dataset: {name: iris}
layers:
  - Rescaling: {scale: 0.5}
  - Dense: {units: 8, activation: relu}
  - Dense: {units: 3, activation: softmax}
loss: sparse_categorical_crossentropy
optimizer: {Adam: {learning_rate: 0.01}}
metrics: [accuracy]
fit: {batch_size: 16}
"""
DENSE = "Dense: {units: 8, activation: relu}"

Replaced = dict[str, tuple[str, str, str, str]]
"""The good text, what is written instead, the place of the problem, and what is to be written."""


def refusals(text: str) -> list[str]:
    """Return the first line of each problem of a spec that is refused."""
    with pytest.raises(SpecError) as caught:
        load_text(text, Path("s.yaml"))
    return [problem.headline() for problem in caught.value.problems]


def assert_corrected(right: str, wrong: str, place: str, written: str) -> None:
    """The wrong text is one problem at this place, whose last words are what to write."""
    assert right in GOOD
    (said,) = refusals(GOOD.replace(right, wrong, 1))
    assert said.startswith(f"s.yaml:{place}: ")
    assert re.search(rf"write (a [a-z ]+: )?{re.escape(written)}$", said)


def load_corrected(text: str, place: str, written: str) -> None:
    """Load a spec with the correction at the place of the problem, as a person would put it there."""
    tree = parse_text(text, "s.yaml").data
    *path, last = (
        int(number) if number else key
        for number, key in re.findall(r"\[(\d+)\]|([^.\[\]]+)", place.partition(" ")[2])
    )
    holder: Any = tree
    for key in path:
        holder = holder[key]
    value = parse_text(f"k:\n  - {written}", "s.yaml").data["k"][0]
    if isinstance(holder, dict) and isinstance(value, dict):  # a key of its own, or the same one
        items = [pair for key, each in holder.items() for pair in _put(key, each, last, value)]
        holder.clear()
        holder.update(items)
    else:
        holder[last] = value
    load_text(dump(tree), Path("s.yaml"))


def _put(key: str, value: Any, wrong: Any, written: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return what a key of the wrong spec becomes."""
    if key == wrong:
        return list(written.items())
    return [] if key in written else [(key, value)]
