"""Lists, brackets, quotes and indents as a newcomer writes them: each is corrected where it is."""

from __future__ import annotations

import pytest

from tests.spec.meant import refusals

LAYERS = {
    "one layer": ("layers: {Dense: {units: 3}}", "2:9 layers", "write layers: [Dense: {units: 3}]"),
    "numbered layers": (
        "layers: {dense1: {units: 4}, dense2: {units: 3}}",
        "2:9 layers",
        "write '- ' before each: - Dense: {units: 4}, - Dense: {units: 3}",
    ),
    "calls in a flow list": (
        "layers: [Dense(4, relu), Dense(3)]",
        "2:10 layers[0]",
        "write Dense: {units: 4, activation: relu}",
    ),
    "a dash without a space": (
        "layers:\n  -Flatten\n  -Softmax",
        "3:3 layers",
        "a space must follow '-': write - Flatten, and so below",
    ),
}

# name: (text, place, rule, what to write)
SYNTAX: dict[str, tuple[str, str, str, str]] = {
    "a path of Windows": (
        'dataset: {path: "C:\\data\\iris.csv", target: y}',
        "1:21",
        "in double quotes a backslash begins an escape",
        "'C:\\data\\iris.csv'",
    ),
    "a home of Windows": (
        'dataset:\n  path: "C:\\Users\\me\\iris.csv"',
        "2:14",
        "in double quotes a backslash begins an escape",
        "'C:\\Users\\me\\iris.csv'",
    ),
    "a path with a line end": (
        'dataset: {path: "C:\\new\\table.csv", target: y}\nlayers: [{Dense: {units: 1}}]',
        "1:17 dataset.path",
        "in double quotes a backslash begins an escape",
        "'C:\\new\\table.csv'",
    ),
    "a tab": ("dataset:\n\tname: iris", "2:1", "a tab cannot indent YAML", '"  name: iris"'),
    "a tab inside": (
        "dataset: {name:\tiris}",
        "1:16",
        "a tab cannot stand between words of YAML",
        "dataset: {name: iris}",
    ),
    "a comma of Python": (
        "fit:\n  epochs: 10\n  precision: 'float32',",
        "3:23",
        "no comma ends a line outside brackets",
        "\"  precision: 'float32'\"",
    ),
    "a bracket": (
        "dataset: {name: iris\nlayers:\n",
        "1:10",
        "this { is never closed",
        "dataset: {name: iris}",
    ),
    "two brackets": (
        "layers: [Flatten, {Dense: {units: 3}}\nloss: mse",
        "1:9",
        "this [ is never closed",
        "layers: [Flatten, {Dense: {units: 3}}]",
    ),
    "a quote": (
        "dataset: {name: 'iris}\nloss: mse\n",
        "1:17",
        "this quote is never closed",
        "dataset: {name: 'iris'}",
    ),
    "too far in": (
        "dataset:\n  name: iris\n   test: 0.2",
        "3:4",
        "is indented further than line 2",
        '"  test: 0.2"',
    ),
    "not far enough": (
        "dataset:\n    name: iris\n  test: 0.2",
        "3:3",
        "is indented by 2, line 2 by 4",
        '"    test: 0.2"',
    ),
    "a missing dash": (
        "layers:\n  - Flatten\n  Dense: {units: 3}",
        "3:3",
        "an item of a list begins with '- '",
        '"  - Dense: {units: 3}"',
    ),
    "no dash at all": (
        "layers:\n  Flatten\n  Dense: {units: 3}",
        "2:3",
        "an item of a list begins with '- '",
        '"  - Flatten", and so below',
    ),
    "no colon": ("dataset\n  name: iris", "1:1", "a key needs a colon", "dataset:"),
    "a colon in a text": ("name: a: b", "1:8", "a text with ': ' in it needs quotes", "name: 'a: b'"),
    "a star": ("dataset: {path: *.csv}", "1:17", "a text must not begin with *", "'*.csv'"),
    "an at sign": ("dataset:\n  path: @me/a.csv", "2:9", "a text must not begin with @", "'@me/a.csv'"),
    "a list on its key's line": (
        "layers: - Flatten",
        "1:9",
        "a list cannot begin on the line of its key",
        "layers: [Flatten]",
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_in_another_form_are_a_list(name: str) -> None:
    layers, place, advice = LAYERS[name]
    said = refusals(f"dataset: {{name: iris}}\n{layers}\nloss: mse\n")[0]
    assert said.startswith(f"s.yaml:{place}: ")
    assert said.endswith(f"; {advice}")


@pytest.mark.parametrize("name", SYNTAX)
def test_no_yaml_is_shown_where_the_mistake_is(name: str) -> None:
    text, place, rule, written = SYNTAX[name]
    (said,) = refusals(text)
    assert said.startswith(f"s.yaml:{place}: {rule}")
    assert said.endswith(f"write {written}")
