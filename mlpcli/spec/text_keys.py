"""The keys of a column of texts: Keras's names, those of its `TextVectorization` layer."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

TEXT_KEYS = (
    "max_tokens",
    "min_count",
    "standardize",
    "split",
    "ngrams",
    "output_mode",
    "output_sequence_length",
    "missing",
    "unseen",
)

Standardize = Literal["unicode", "lower_and_strip_punctuation", "lower", "strip_punctuation", "none"]
STANDARDIZE_RULE = f"one of {', '.join(get_args(Standardize))}"

TokenSplit = Literal["whitespace", "character"]

OutputMode = Literal["tf_idf", "multi_hot", "count", "int"]
OUTPUT_MODES: tuple[str, ...] = get_args(OutputMode)

MOST_TOKENS = 1_000_000
LONGEST_SEQUENCE = 100_000
WIDEST_NGRAM = 10
NGRAMS_RULE = f"a number of words from 1 to {WIDEST_NGRAM}, or a list of them"

Width = Annotated[int, Field(ge=1, le=WIDEST_NGRAM)]


class TextKeys(BaseModel):
    """How texts become tokens, and tokens numbers; a key that is left out is inferred from the data."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    max_tokens: Annotated[
        int | None, Field(ge=3, le=MOST_TOKENS, description=f"a number of tokens from 3 to {MOST_TOKENS:,}")
    ] = None
    standardize: Annotated[Standardize | None, Field(description=STANDARDIZE_RULE)] = None
    split: Annotated[TokenSplit | None, Field(description="whitespace or character")] = None
    ngrams: Annotated[
        Width | Annotated[list[Width], Field(min_length=1)] | None, Field(description=NGRAMS_RULE)
    ] = None
    output_mode: Annotated[OutputMode | None, Field(description=f"one of {', '.join(OUTPUT_MODES)}")] = None
    output_sequence_length: Annotated[
        int | None,
        Field(ge=1, le=LONGEST_SEQUENCE, description=f"a number of tokens from 1 to {LONGEST_SEQUENCE:,}"),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _null_as_none(cls, value: object) -> object:
        if isinstance(value, dict) and value.get("standardize", "") is None:  # YAML reads null as nothing
            return value | {"standardize": "none"}
        return value


def ngram_widths(ngrams: int | list[int] | None) -> tuple[int, ...]:
    """Return the widths of the n-grams that are tokens: `2` is short for `[1, 2]`, as in Keras."""
    if ngrams is None:
        return (1,)
    return tuple(range(1, ngrams + 1)) if isinstance(ngrams, int) else tuple(ngrams)
