"""A column of texts with Keras's own `TextVectorization`, as `data/features/text_encoder.py` encodes it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlpcli.data.features.text_encoder import TextEncoder
from mlpcli.data.features.words import SIGN_CLASS, TABLE_SIZE, standard_character
from mlpcli.keras_import import keras, tf

ops = keras.ops


@keras.saving.register_keras_serializable(package="mlpcli")
class StandardizeText(keras.layers.Layer):  # type: ignore[misc]
    """Lower-case letters of every script, make blanks of punctuation, and put blanks around signs.

    It reads and returns strings, (rows,); `data/features/words.py` says what it does.
    """

    def __init__(self, **arguments: object) -> None:
        super().__init__(**arguments)
        self.supports_jit = False
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True

    def call(self, texts: tf.Tensor) -> tf.Tensor:
        """Return the texts as their words are looked up."""
        with tf.device("CPU:0"):
            table = tf.constant(_characters())
            codes = tf.strings.unicode_decode(texts, "UTF-8")
            flat = codes.flat_values
            small = tf.minimum(flat, TABLE_SIZE - 1)
            changed = tf.where(flat < TABLE_SIZE, tf.cast(tf.gather(table, small), tf.int32), flat)
            plain = tf.strings.unicode_encode(codes.with_flat_values(changed), "UTF-8")
            return tf.strings.regex_replace(plain, f"({SIGN_CLASS})", r" \1 ")

    def compute_output_spec(self, texts: keras.KerasTensor) -> keras.KerasTensor:
        """Return what `call` returns, symbolically."""
        return keras.KerasTensor(texts.shape, dtype="string")


def _characters() -> np.ndarray:
    """Return what becomes of each character, (TABLE_SIZE,) uint16."""
    return np.array([standard_character(code) for code in range(TABLE_SIZE)], np.uint16)


def vectorize(encoder: TextEncoder, raw: keras.KerasTensor, missing: Sequence[str]) -> keras.KerasTensor:
    """Return the columns of texts, (rows, width) float32.

    Args:
        encoder: of the column.
        raw: its texts, (rows,), without blanks around them.
        missing: texts that mean that a cell is missing.
    """
    ids = encoder.output_mode == "int"
    ours = encoder.standardize == "unicode"
    layer = keras.layers.TextVectorization(
        standardize=None if ours or encoder.standardize == "none" else encoder.standardize,
        split=encoder.split,
        ngrams=None if encoder.ngrams == (1,) else encoder.ngrams,
        output_mode=encoder.output_mode,
        output_sequence_length=encoder.length if ids else None,
        vocabulary=list(encoder.tokens),
        idf_weights=encoder.weights if encoder.output_mode == "tf_idf" else None,
    )
    values = ops.cast(layer(StandardizeText()(raw) if ours else raw), "float32")
    spelled = [text for text in missing if text and encoder.tokens_of(text)]
    if spelled:
        gap = keras.layers.StringLookup(vocabulary=spelled, num_oov_indices=1, oov_token="\0")(raw)
        values = ops.where(ops.expand_dims(ops.equal(gap, 0), 1), values, 0.0)
    if ids:  # no row is without an id
        unknown = np.zeros(encoder.length, np.float32)
        unknown[0] = 1
        values = ops.where(ops.greater(values[:, :1], 0.0), values, unknown)
    return values
