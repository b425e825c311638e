"""Encode a column of texts as Keras's `TextVectorization` does: counts of known words, or their ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from mlpcli.data.features.encoded import NO_ROWS, Encoded
from mlpcli.data.features.words import ngrams_of, split_text, standardized
from mlpcli.data.readers.parse_cells import ParsedColumn, Texts
from mlpcli.data.types import Array
from mlpcli.spec.text_keys import (
    LONGEST_SEQUENCE,
    WIDEST_NGRAM,
    OutputMode,
    Standardize,
    TextKeys,
    TokenSplit,
    ngram_widths,
)

MAX_TOKEN = 200
"""Characters of a token; longer ones, and those with a null character, are never known."""

UNKNOWN = "[UNK]"
"""How Keras calls all tokens that are not known, so that no known one may be called so."""

BLOCK_CELLS = 8_000_000
"""Cells of a matrix that are counted at once."""


@dataclass(frozen=True)
class TextEncoder:
    """A column for each known token and, first, one for all others; or the ids of the first tokens.

    As numbers of a row: `tf_idf` has how often each token occurs times log(1 + rows / (1 + rows with the
    token)), for tokens that are not known the mean of these weights; `count` without the weights; `multi_hot`
    1 for each that occurs. A missing cell, and one without tokens, is a row of zeros. `int` has ids: 0 behind
    the last token, 1 for one that is not known, then the tokens in their order; a row without tokens begins
    with a 1, since the mean over no tokens is no number.

    Attributes:
        name: of the raw column.
        tokens: that are known, the most frequent of the training rows first.
        documents: for `tf_idf`, in how many training rows each occurs.
        rows: the number of training rows.
        standardize: how a text is changed before it is split.
        split: at blanks or into characters.
        ngrams: how many words in a row a token has.
        output_mode: what the numbers are.
        length: of the ids of a row.
        required: whether a missing cell is an error.
        unseen: what to do with a row all of whose tokens are unknown.
    """

    name: str
    tokens: tuple[str, ...]
    documents: tuple[int, ...] = ()
    rows: int = 0
    standardize: Standardize = "unicode"
    split: TokenSplit = "whitespace"
    ngrams: tuple[int, ...] = (1,)
    output_mode: OutputMode = "tf_idf"
    length: int = 0
    required: bool = False
    unseen: Literal["bucket", "error", "null"] = "bucket"
    kind: Literal["text"] = "text"
    text: ClassVar[bool] = True
    indicator: ClassVar[bool] = False

    @property
    def width(self) -> int:
        """The number of columns of the matrix."""
        return self.length if self.output_mode == "int" else len(self.tokens) + 1

    @property
    def first_id(self) -> int:
        """The id of the first known token."""
        return 2 if self.output_mode == "int" else 1

    @cached_property
    def weights(self) -> Array:
        """The weight of each token for `tf_idf`, (tokens,) float32; Keras calls them `idf_weights`."""
        found: Array = np.log(1 + self.rows / (1 + np.array(self.documents, np.float64))).astype(np.float32)
        return found

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: self.first_id + place for place, token in enumerate(self.tokens)}

    def tokens_of(self, text: str) -> list[str]:
        """Return the tokens of a text, known or not."""
        return tokens_of(text, self.standardize, self.split, self.ngrams)

    def ids_of(self, text: str) -> list[int]:
        """Return the id of each token of a text."""
        unknown, known = self.first_id - 1, self._ids
        return [known.get(token, unknown) for token in self.tokens_of(text)]

    def encode(self, column: ParsedColumn, out: Array | None = None) -> Encoded:
        """Encode the cells of some rows.

        Args:
            column: the cells.
            out: (rows, width) float32, where the numbers are to be written; None for a new array.
        """
        cells = column.texts
        ids = [self.ids_of(text or "") for text in cells.values]
        values = np.empty((len(cells.codes), self.width), np.float32) if out is None else out
        if self.output_mode == "int":
            self._write_ids(ids, cells.codes, values)
        else:
            self._write_counts(ids, cells.codes, values)
        missing = np.flatnonzero(cells.mask((None,))) if None in cells.values else NO_ROWS
        strange = np.array([bool(each) and max(each) < self.first_id for each in ids] or [False])
        unseen = np.flatnonzero(strange[cells.codes]) if strange.any() else NO_ROWS
        return Encoded(values, missing, missing if self.required else NO_ROWS, unseen=unseen)

    def _write_ids(self, ids: list[list[int]], codes: Array, values: Array) -> None:
        table = np.zeros((max(1, len(ids)), self.length), np.float32)
        for row, each in enumerate(ids):
            table[row, : max(1, min(len(each), self.length))] = each[: self.length] or [1]
        np.take(table, codes, axis=0, out=values, mode="clip")

    def _write_counts(self, ids: list[list[int]], codes: Array, values: Array) -> None:
        """Count the tokens of some rows at a time, so that no second matrix is needed."""
        lengths = np.array([len(each) for each in ids] or [0], np.int64)
        starts = np.cumsum(lengths) - lengths
        flat = np.fromiter((each for some in ids for each in some), np.int64, int(lengths.sum()))
        weights = np.ones(self.width, np.float32)
        if self.output_mode == "tf_idf":
            weights[1:] = self.weights
            weights[0] = np.average(self.weights)
        step = max(1, BLOCK_CELLS // self.width)
        for first in range(0, len(codes), step):
            own = codes[first : first + step]
            many = lengths[own]
            row = np.repeat(np.arange(len(own)), many)
            within = np.arange(len(row)) - np.repeat(np.cumsum(many) - many, many)
            places = row * self.width + flat[np.repeat(starts[own], many) + within]
            counts = np.bincount(places, minlength=len(own) * self.width)
            if self.output_mode == "multi_hot":
                np.minimum(counts, 1, out=counts)
            block = counts.reshape(len(own), self.width)
            np.multiply(block, weights, out=values[first : first + step], casting="unsafe")


def tokens_of(text: str, standardize: Standardize, split: TokenSplit, ngrams: tuple[int, ...]) -> list[str]:
    """Return the tokens of a text.

    Args:
        text: any.
        standardize: how it is changed first.
        split: at blanks or into characters.
        ngrams: how many words in a row a token has.
    """
    return ngrams_of(split_text(standardized(text, standardize), split), ngrams)


def fit_text(
    name: str,
    keys: TextKeys,
    cells: Texts,
    *,
    min_count: int,
    required: bool,
    unseen: Literal["bucket", "error", "null"],
) -> TextEncoder:
    """Learn the tokens of a column.

    Args:
        name: of the column.
        keys: complete but for `output_sequence_length`, which only ids have.
        cells: of the training rows.
        min_count: rows that a token must be in.
        required: whether a missing cell is an error.
        unseen: what to do with a row all of whose tokens are unknown.

    Returns:
        The encoder, without any token where no token is in `min_count` rows.
    """
    assert keys.standardize is not None
    assert keys.split is not None
    assert keys.output_mode is not None
    assert keys.max_tokens is not None
    widths = ngram_widths(keys.ngrams)
    rows_of = np.bincount(cells.codes, minlength=len(cells.values)).tolist()
    texts = [(text, rows) for text, rows in zip(cells.values, rows_of, strict=True) if text and rows]
    split = ((tokens_of(text, keys.standardize, keys.split, widths), rows) for text, rows in texts)
    counts, documents = _count(split)
    ids = keys.output_mode == "int"
    good = [token for token, rows in documents.items() if rows >= min_count and _can_be_known(token)]
    good.sort(key=lambda token: (counts[token], token), reverse=True)  # as Keras's `adapt` does
    kept = tuple(good[: keys.max_tokens - (2 if ids else 1)])
    return TextEncoder(
        name,
        kept,
        documents=tuple(documents[token] for token in kept) if keys.output_mode == "tf_idf" else (),
        rows=len(cells.codes),
        standardize=keys.standardize,
        split=keys.split,
        ngrams=widths,
        output_mode=keys.output_mode,
        length=(keys.output_sequence_length or 1) if ids else 0,
        required=required,
        unseen=unseen,
    )


def _can_be_known(token: str) -> bool:
    return len(token) <= MAX_TOKEN and "\0" not in token and token not in ("", UNKNOWN)


def _count(split: Iterable[tuple[list[str], int]]) -> tuple[Counter[str], Counter[str]]:
    """Return how often each token occurs, and in how many rows."""
    counts: Counter[str] = Counter()
    documents: Counter[str] = Counter()
    for tokens, rows in split:
        if rows == 1:
            counts.update(tokens)
            documents.update({*tokens})
        else:
            for token, times in Counter(tokens).items():
                counts[token] += times * rows
                documents[token] += rows
    return counts, documents


def text_contradictions(encoder: TextEncoder, where: str) -> Iterator[str]:
    """Yield what is wrong with an encoder that was read from a file.

    Args:
        encoder: of any values of the right types.
        where: it is from.
    """
    if not encoder.tokens or len({*encoder.tokens}) < len(encoder.tokens):
        yield f"{where} must have tokens, each once"
    if not all(map(_can_be_known, encoder.tokens)):
        yield f"{where} has a token of no or too many characters, or {UNKNOWN}"
    counted = encoder.output_mode == "tf_idf"
    if len(encoder.documents) != (len(encoder.tokens) if counted else 0):
        yield f"{where} must have a number of documents for each token, and for tf_idf alone"
    if min((encoder.rows, *encoder.documents)) < 0:
        yield f"{where} has a negative number of rows"
    if not encoder.ngrams or not all(1 <= width <= WIDEST_NGRAM for width in encoder.ngrams):
        yield f"{where} has unknown n-grams"
    if not (1 if encoder.output_mode == "int" else 0) <= encoder.length <= LONGEST_SEQUENCE:
        yield f"{where} has an unknown length"
