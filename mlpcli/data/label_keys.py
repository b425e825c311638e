"""Labels as they are compared: numbers, booleans and texts that mean the same class."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from mlpcli.data.readers.dialect import LABEL_GAPS, MISSING, PLAIN
from mlpcli.data.types import Array

INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
BOOLEANS = {"true": "true", "false": "false"}

_MARKED = re.compile(r"\(.*\)|.*-", re.DOTALL)
"""Texts that are negative numbers in a column of numbers: `(5)`, and `5-`, which is a grade among labels."""

DROP_HINT = ", or set dataset: {missing_target: drop}"
"""What else to do about the rows of a table without a target, in a message."""


def label_keys(values: Sequence[object]) -> list[str] | None:
    """Return each label's class name: a boolean, a whole number, or text; None for fractional numbers.

    `1`, `1.0` and `"1"` are one class, `true` and `True` too; `01` and `1` are not, nor `-1` and `1-`.
    """
    texts = [label_text(value) for value in values]
    if all(text.lower() in BOOLEANS for text in texts):
        return [text.lower() for text in texts]
    as_written = any(re.fullmatch(r"-?0[0-9]+", text) or _MARKED.fullmatch(text) for text in texts)
    numbers = [label_number(value) for value in values]
    if as_written or any(number is None for number in numbers):
        return texts
    whole = [whole_label(value) for value in values]
    return None if any(key is None for key in whole) else [key for key in whole if key is not None]


def label_text(value: object) -> str:
    """Return a label as text, without blanks around it."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return str(value).strip()


def label_number(value: object) -> float | None:
    """Return a label's value if it is a finite number or the text of one."""
    if isinstance(value, bool | np.bool_):
        return None
    number = PLAIN.number(label_text(value))
    return number if math.isfinite(number) else None


def whole_label(value: object) -> str | None:
    """Return a whole number's digits, `1` for `1.0` too; None for any other label."""
    text = label_text(value)
    if INTEGER.fullmatch(text):
        return "0" if text == "-0" else text
    number = label_number(value)
    return str(int(number)) if number is not None and number.is_integer() else None


def is_missing(value: object, gaps: Collection[str] = LABEL_GAPS) -> bool:
    """Return whether a label is missing.

    Args:
        value: the label.
        gaps: spellings of a missing label.
    """
    return value is None or label_text(value) in gaps


def missing_labels(values: Sequence[object], gaps: Collection[str] = LABEL_GAPS) -> set[int]:
    """Return the positions of missing labels among distinct ones; among numbers, of `?` and `None` too.

    Args:
        values: distinct labels.
        gaps: spellings of a missing label.
    """
    missing = {place for place, value in enumerate(values) if is_missing(value, gaps)}
    spelled = {place for place, value in enumerate(values) if label_text(value) in MISSING} - missing
    others = (value for place, value in enumerate(values) if place not in missing | spelled)
    numbers = [label_number(value) is not None for value in others]
    return missing | spelled if numbers and all(numbers) else missing


def split_labels(value: object, separator: str, gaps: frozenset[str]) -> list[str]:
    """Return the labels of one cell, stripped; none for a missing one."""
    if is_missing(value, gaps):
        return []
    return [label.strip() for label in label_text(value).split(separator) if label.strip()]


def sort_classes(keys: Sequence[str]) -> list[str]:
    """Return class names, each once, in the order of their indices: whole numbers by value, else by text."""
    whole = all(INTEGER.fullmatch(key) for key in keys)
    return sorted(set(keys), key=int if whole else None)


def rare_labels(keys: Sequence[str], codes: Array, min_count: int) -> tuple[str, ...]:
    """Return the labels of too few rows.

    Args:
        keys: the key of each distinct label.
        codes: (rows,), the position of each row's label in `keys`.
        min_count: the fewest rows that are enough.
    """
    rows: Counter[str] = Counter()
    for key, count in zip(keys, np.bincount(codes, minlength=len(keys)).tolist(), strict=True):
        rows[key] += count
    return tuple(key for key in sort_classes(keys) if rows[key] < min_count)


def missing_label_hint(texts: Sequence[str], *, droppable: bool) -> str:
    """Return what to do about rows whose labels are missing.

    Args:
        texts: how these labels are spelled.
        droppable: whether the spec can have the rows left out.
    """
    named = next((text for text in texts if text in LABEL_GAPS - {""}), "")
    more = f"; if {named!r} is a class, set dataset: {{not_missing: [{named!r}]}}" if named else ""
    return f"remove the rows without a label{DROP_HINT if droppable else ''}{more}"
