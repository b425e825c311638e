"""A patch of a spec: the text keeps its comments and style, and reads as what was wanted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpcli.spec.edit_spec import Edit, edit_text, with_edits
from mlpcli.spec.values import ValueMap
from mlpcli.spec.yaml_reader import parse_text
from tests.inference.test_doctor import TEXT


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        (Edit(("optimizer", "SGD", "learning_rate"), 0.001), "optimizer: {SGD: {learning_rate: 0.001}}"),
        (
            Edit(("optimizer", "SGD", "clipnorm"), 1.0),
            "optimizer: {SGD: {clipnorm: 1.0, learning_rate: 0.01}}",
        ),
        (
            Edit(("layers", 0, "Dense", "activation"), "relu"),
            "  - Dense: {units: 8, activation: relu}   # hidden",
        ),
        (Edit(("layers", 1, "Dense", "activation"), "relu"), "      activation: relu"),
        (Edit(("layers", 1, "Dense", "use_bias"), False), "      use_bias: false"),
        (Edit(("layers", 0), "Normalization", insert=True), "  - Normalization"),
        (Edit(("callbacks", 0), {"TerminateOnNaN": {}}, insert=True), "callbacks: [{TerminateOnNaN: {}}]"),
        (
            Edit(("dataset", "features", "odd, one"), "ignore"),
            "dataset: {features: {'odd, one': ignore}, path: rows.csv, target: y}",
        ),
    ],
)
def test_a_text_is_changed_in_place(edit: Edit, line: str) -> None:
    changed, comments = edit_text(TEXT, "seen.yaml", [edit])
    assert comments
    assert line in changed.splitlines()
    assert "# digits, by two layers" in changed
    assert parse_text(changed, "seen.yaml").data == with_edits(parse_text(TEXT, "seen.yaml").data, [edit])


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("optimizer: sgd\n", Edit(("optimizer", "SGD", "learning_rate"), 0.1)),
        ("layers:\n- Flatten\n- Dense: {units: 3}\n", Edit(("layers", 1), "Normalization", insert=True)),
        ("layers: [Flatten, Dense: {units: 3}]\n", Edit(("layers", 1), "Normalization", insert=True)),
        ("callbacks:\nname: a\n", Edit(("callbacks", 0), "TerminateOnNaN", insert=True)),
        ("callbacks: []", Edit(("callbacks", 0), "TerminateOnNaN", insert=True)),
        ("{fit: {epochs: 3}}", Edit(("name",), "a: b")),
        ("fit: &f {epochs: 3}\nother: *f\n", Edit(("other", "epochs"), 4)),  # an alias: written anew
        ("fit:\n  epochs: 3   # few\n", Edit(("fit", "epochs"), 30)),
        ("fit:\n  epochs: '3'\n", Edit(("fit", "epochs"), 30)),
        ("name: a\n", Edit(("fit", "epochs"), 30)),
        ("name: a\n...\n", Edit(("fit", "epochs"), 30)),  # no line may follow
        ("  name: a\n  seed: 3\n", Edit(("fit", "epochs"), 30)),
        ("a: {b: [1, 2]}  # kept\n", Edit(("a", "b"), [3])),
        ("a:\n  b:\n  - 1\n  - 2\n", Edit(("a", "b"), [3])),
    ],
)
def test_any_style_of_yaml_is_changed_to_the_same_values(text: str, edit: Edit) -> None:
    wanted = with_edits(parse_text(text, "a.yaml").data, [edit])
    assert parse_text(edit_text(text, "a.yaml", [edit])[0], "a.yaml").data == wanted


PLAIN = st.recursive(
    st.one_of(st.integers(-5, 5), st.booleans(), st.text("ab:#' ", max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=30)
@given(
    st.dictionaries(st.sampled_from("abcd"), PLAIN, min_size=1),
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=3),
    PLAIN,
    st.booleans(),
)
def test_any_value_of_any_spec_can_be_changed(
    data: ValueMap, path: list[str], value: Any, flow: bool
) -> None:
    from mlpcli.spec.resolve import dump

    text, edit = dump(data, flow=flow), Edit(tuple(path), value)
    read = parse_text(text, "a.yaml").data
    assert parse_text(edit_text(text, "a.yaml", [edit])[0], "a.yaml").data == with_edits(read, [edit])
