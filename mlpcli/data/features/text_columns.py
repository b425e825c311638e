"""Columns of texts: which they are, and the keys of their spec that are inferred from the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from mlpcli.data.features.profiles import Profile
from mlpcli.data.features.text_encoder import tokens_of
from mlpcli.data.features.words import is_sign, standardized
from mlpcli.errors import KeyPath, Problem, SpecError
from mlpcli.spec.features import FeatureSpec
from mlpcli.spec.text_keys import ngram_widths

MAX_TOKENS, FEWEST_TOKENS = 5000, 500
"""What `max_tokens` is by default: the first; fewer where there are many rows, but not below the second."""

MOST_CELLS = 250_000_000
"""Of the block of a column by default: 1 GB as float32."""

MIN_COUNT = 2
"""Rows that a token must be in by default: of one row nothing can be learned."""

MIN_TEXTS = 10
"""With fewer distinct texts, a column is not taken for sentences."""

SAMPLE_TEXTS = 2000
"""Distinct texts by which a column is judged."""

MOST_IDS, IDS_SHARE = 256, 95
"""`output_sequence_length` by default: as many ids as this share of the texts has tokens, in %, and at most
the first."""

MIN_WORDS, REPEATED = 4, 0.5
"""Sentences have so many words in the mean, and so large a share of them is in other texts too."""


def holds_sentences(profile: Profile) -> bool:
    """Return whether a column holds texts of several words each, which are too many for categories."""
    if profile.content != "texts" or len(profile.counts) < MIN_TEXTS:
        return False
    texts = sample_of(profile)
    words = [[word for word in words_of(text) if any(map(str.isalpha, word))] for text in texts]
    total = sum(map(len, words))
    if total < MIN_WORDS * len(texts):
        return False
    documents = Counter(word for each in words for word in {*each})
    return sum(documents[word] > 1 for each in words for word in each) >= REPEATED * total


def words_of(text: str) -> list[str]:
    """Return what stands between blanks, and each sign of a script that has no blanks between words."""
    found = []
    for piece in text.split():
        signs = [sign for sign in piece if is_sign(sign)]
        found += signs or [standardized(piece, "unicode").replace(" ", "")]
    return found


def mean_words(profile: Profile) -> float:
    """Return how many words a text of a column has in the mean."""
    texts = sample_of(profile)
    return sum(len(words_of(text)) for text in texts) / max(1, len(texts))


def text_keys(given: FeatureSpec, profile: Profile) -> Mapping[str, object]:
    """Return the keys of a column of texts that the spec does not give.

    Args:
        given: what it gives.
        profile: of the column.
    """
    filled: dict[str, object] = {
        "max_tokens": max(FEWEST_TOKENS, min(MAX_TOKENS, MOST_CELLS // max(1, profile.rows))),
        "min_count": MIN_COUNT,
        "standardize": "unicode",
        "split": "whitespace",
        "output_mode": "tf_idf",
        "missing": "empty",
        "unseen": "bucket",
    }
    if given.output_mode == "int":
        filled["max_tokens"] = MAX_TOKENS  # ids take one column each, however many there are
        filled["output_sequence_length"] = _usual_length(given, profile)
    return filled


def _usual_length(given: FeatureSpec, profile: Profile) -> int:
    lengths = [
        len(
            tokens_of(
                text, given.standardize or "unicode", given.split or "whitespace", ngram_widths(given.ngrams)
            )
        )
        for text in sample_of(profile)
    ]
    return int(np.clip(np.ceil(np.percentile(lengths or [1], IDS_SHARE)), 1, MOST_IDS))


def sample_of(profile: Profile) -> list[str]:
    """Return some of the distinct texts of a column, from all over it."""
    texts = list(profile.counts)
    return texts[:: max(1, -(-len(texts) // SAMPLE_TEXTS))]


def text_problems(given: FeatureSpec, chosen: FeatureSpec, path: KeyPath) -> Iterator[Problem]:
    """Yield what is wrong with the keys of a column of texts beside each other."""
    if chosen.kind == "text" and given.output_sequence_length and chosen.output_mode != "int":
        hint = "add output_mode: int"
        where = (*path, "output_sequence_length")
        yield Problem("is for ids of tokens", path=where, received=given.output_sequence_length, hint=hint)


def no_words(name: str, min_count: int) -> SpecError:
    """Return the error of a column of texts of which no word can be known."""
    path: KeyPath = ("dataset", "features", name, "min_count")
    if min_count == 1:
        return SpecError(Problem("no training row has a word here", path=path[:-1], hint="write ignore"))
    hint = "write min_count: 1, or leave the column out"
    rule = f"no word is in {min_count} training rows, so that none would be known"
    return SpecError(Problem(rule, path=path, received=min_count, hint=hint))
