"""The layers that `mlpcli init` proposes for columns of texts, beside those for numbers and categories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlpcli.data.features.profiles import Profile
from mlpcli.data.features.text_columns import mean_words
from mlpcli.spec.features import FeatureSpec

UNITS, DROPOUT = 64, 0.5
"""Chosen by measuring: see docs/text.md."""


def text_settings(spec: FeatureSpec) -> str:
    """Return the keys of a column of texts that a person may want to change, as YAML."""
    return f"kind: text, max_tokens: {spec.max_tokens}"


def text_note(profile: Profile) -> str:
    """Return a comment on a column of texts."""
    return f"{mean_words(profile):.0f} words each: how often, by TF-IDF"


def text_inputs(texts: Sequence[str]) -> dict[str, str]:
    """Return the inputs of columns of texts by name: the columns of each as YAML.

    Args:
        texts: the columns as YAML scalars.
    """
    if len(texts) == 1:
        return {"words": "{kinds: [text]}"}
    return {f"words_{number}": f"{{columns: [{column}]}}" for number, column in enumerate(texts, 1)}


def text_layers(inputs: Sequence[str], *, alone: bool, members: int = 0) -> Iterator[str]:
    """Yield the layers that make a vector of each text.

    Args:
        inputs: the names of the inputs of texts.
        alone: whether a text is all that is in a row, so that the input needs no name.
        members: of the ensemble that reads the vectors; 0 for none.
    """
    yield "  # weights of a text's words to length 1, half of them left out in a step; then a short vector"
    for name in inputs:
        yield "  - UnitNormalization" if alone else f"  - {{UnitNormalization: {{}}, from: {name}}}"
        yield f"  - Dropout: {{rate: {DROPOUT}}}"
        yield f"  - Dense: {{units: {UNITS}, activation: relu}}"
        last = f"Dropout: {{rate: {DROPOUT}}}"
        if members:
            yield f"  - {last}"
            last = f"Members: {{count: {members}}}"
        yield f"  - {last}" if alone else f"  - {{{last}, name: of_{name}}}"
