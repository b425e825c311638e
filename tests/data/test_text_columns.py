"""Columns of texts: tokens as Keras has them, in every script, and the same in the exported model."""

from __future__ import annotations

from itertools import product

import numpy as np
import pyarrow as pa
import pytest

from mlpcli.data.features.text_encoder import TextEncoder, fit_text
from mlpcli.data.features.words import TABLE_SIZE, standardized
from mlpcli.data.readers.dialect import Dialect
from mlpcli.data.readers.parse_cells import ParsedColumn
from mlpcli.keras_import import keras
from mlpcli.model.text_layers import StandardizeText, vectorize
from mlpcli.spec.features import FeatureSpec

TEXTS = [
    "The room was clean, the staff friendly; we'd come again!",
    "the ROOM was dirty... and so was the staff",
    "Ärger & Straße, ÄRGER! «Größe» kostet 5€",
    "ΟΔΟΣ οδος ὈΔΌΣ, İstanbul ISTANBUL ĳsland ẞ",
    "Это была лучшая поездка! ЛУЧШАЯ",
    "東京タワーは高い。東京が好き",
    "สวัสดีครับ ที่พัก",
    "مرحبا بالعالم، الغرفة نظيفة",
    "good 😀👍🏽 good😀 🇩🇪 👩‍👩‍👧",
    "two\nlines\tand a\u00a0hard blank\u3000wide \x00 null \x1c sep \x85 nel \ufeffbom",
    "!!! ... ???",
    "word " * 3000,
    "x" * 5000,
    "e\u0301te\u0301 e\u0301",
    "don't well-known a_b it’s",
]


def _column(texts: list[str | None], dialect: Dialect | None = None) -> ParsedColumn:
    return ParsedColumn(pa.array(texts, pa.string()), dialect or Dialect())


def _fitted(texts: list[str | None], **keys: object) -> TextEncoder:
    given = {"kind": "text", "max_tokens": 60, "standardize": "unicode", "split": "whitespace"}
    spec = FeatureSpec.model_validate({**given, "output_mode": "tf_idf", **keys})
    return fit_text("review", spec, _column(texts).texts, min_count=1, required=False, unseen="bucket")


def _with_keras(encoder: TextEncoder, texts: list[str], missing: tuple[str, ...] = ()) -> np.ndarray:
    raw = keras.Input((), dtype="string")
    model = keras.Model(raw, vectorize(encoder, raw, missing))
    bare = [text.strip(" \t\n\v\f\r") for text in texts]
    return np.asarray(keras.ops.convert_to_numpy(model(keras.ops.convert_to_tensor(bare, "string"))))


MODES = ("tf_idf", "multi_hot", "count", "int")
STANDARDS = ("unicode", "lower_and_strip_punctuation", "lower", "strip_punctuation", "none")


@pytest.mark.parametrize(
    ("standardize", "mode", "split", "ngrams"),
    [
        *((standard, "tf_idf", "whitespace", 2) for standard in STANDARDS),
        *(("unicode", mode, "whitespace", None) for mode in MODES[1:]),
        ("unicode", "tf_idf", "character", [3]),
        ("lower", "int", "character", [1, 2]),
    ],
)
def test_a_text_column_has_the_same_numbers_in_numpy_and_in_keras(
    standardize: str, mode: str, split: str, ngrams: int | list[int] | None
) -> None:
    ids = {"output_sequence_length": 7} if mode == "int" else {}
    encoder = _fitted([*TEXTS], standardize=standardize, output_mode=mode, split=split, ngrams=ngrams, **ids)
    known = _fitted(
        [*TEXTS[:10]], standardize=standardize, output_mode=mode, split=split, ngrams=ngrams, **ids
    )
    for each in (encoder, known):
        ours = each.encode(_column([*TEXTS, "", "quite other words"])).values
        np.testing.assert_allclose(
            ours, _with_keras(each, [*TEXTS, "", "quite other words"]), rtol=1e-6, err_msg=standardize
        )


@pytest.mark.parametrize(("mode", "standardize"), [*product(("tf_idf", "int"), STANDARDS[1:])])
def test_the_vocabulary_and_its_weights_are_those_of_keras(mode: str, standardize: str) -> None:
    ids = {"output_sequence_length": 9} if mode == "int" else {}
    texts = [text for text in TEXTS if len(text) < 200 and "\0" not in text]
    encoder = _fitted([*texts], output_mode=mode, standardize=standardize, max_tokens=25, **ids)
    layer = keras.layers.TextVectorization(
        max_tokens=25,
        standardize=None if standardize == "none" else standardize,
        output_mode=mode,
        output_sequence_length=9 if mode == "int" else None,
    )
    layer.adapt(texts)
    assert list(encoder.tokens) == layer.get_vocabulary(include_special_tokens=False)
    values = keras.ops.convert_to_numpy(layer(keras.ops.convert_to_tensor(texts)))
    if mode == "int":
        values[~values.any(axis=1), 0] = 1  # a text without words: one that is not known
    np.testing.assert_allclose(encoder.encode(_column([*texts])).values, values, rtol=1e-6)


def test_every_character_becomes_the_same_in_python_and_in_tensorflow() -> None:
    codes = [code for code in range(1, 3 * TABLE_SIZE) if not 0xD800 <= code < 0xE000]
    texts = ["a".join(map(chr, codes[first : first + 997])) for first in range(0, len(codes), 997)]
    found = StandardizeText()(keras.ops.convert_to_tensor(texts, "string"))
    theirs = [text.decode() for text in found.numpy()]
    assert theirs == [standardized(text, "unicode") for text in texts]
