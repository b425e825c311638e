"""Targets: labels to class indices and back, one-hot rows, plain numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpcli.data.dataset import Array
from mlpcli.data.faults import SHOWN, Fault
from mlpcli.data.parts import Labels, Part, Source
from mlpcli.data.tables import MISSING_LABELS, raise_faults, to_number
from mlpcli.errors import ABSENT, DataError, Problem, SpecError, listing

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_BOOLEANS = {"true": "true", "false": "false"}


@dataclass(frozen=True)
class Coding:
    """How a target became numbers, learnt once and kept for split files and later rows.

    classes: the label of each class index, None for numbers; one_hot: y is given as one-hot rows.
    shape: of one row's target.
    """

    classes: tuple[str, ...] | None
    one_hot: bool
    shape: tuple[int, ...]


def code_target(source: Source, *, classes: bool | None) -> tuple[Array, Coding]:
    """The main part's y, and the coding that it sets.

    Raises:
        DataError: labels that are missing or fractional, or all the same.
        SpecError: the loss does not go with this target.
    """
    target = source.main.target
    assert target is not None
    if source.classes is not None:
        assert not isinstance(target, Labels)
        if classes is False:
            return target.astype(np.float32), Coding(None, False, ())
        return target.astype(np.int64), Coding(source.classes, False, ())
    if isinstance(target, Labels):
        return _learn_labels(source.main, target, numbers_too=classes is None)
    if classes is True and target.ndim == 1:
        rule = f"is for classes, the target of {source.label} is a number"
        raise SpecError(Problem(rule, path=("loss",), hint="use mse"))
    if classes is not False and target.ndim == 2:
        return _one_hot(source, target, must=classes is True)
    return target, Coding(None, False, target.shape[1:])


def _learn_labels(part: Part, target: Labels, *, numbers_too: bool) -> tuple[Array, Coding]:
    _refuse_missing(part, target)
    keys = label_keys(target.values)
    if keys is None or (numbers_too and all(_number(value) is not None for value in target.values)):
        values = np.array([_number(value) for value in target.values], dtype=np.float64)
        if numbers_too:
            return values.astype(np.float32)[target.codes], Coding(None, False, ())
        _refuse_fractions(part, target, values)
    assert keys is not None
    numeric = all(_INTEGER.fullmatch(key) for key in keys)
    classes = tuple(sorted(set(keys), key=int if numeric else None))
    if len(classes) == 1:
        where = f"{part.origin.label}, {part.what}"
        hint = "a classifier needs rows of each class"
        raise DataError(
            Problem(f"{where}: must hold at least two classes, every row is {classes[0]!r}", hint=hint)
        )
    index = {name: place for place, name in enumerate(classes)}
    return np.array([index[key] for key in keys])[target.codes], Coding(classes, False, ())


def label_keys(values: Sequence[Any]) -> list[str] | None:
    """Each label's class name: booleans, whole numbers, or text; None when all are numbers, some fractional.

    `1`, `1.0` and `"1"` are one class, `true` and `True` too; `01` and `1` are not.
    """
    texts = [_text(value) for value in values]
    if all(text.lower() in _BOOLEANS for text in texts):
        return [text.lower() for text in texts]
    padded = any(re.fullmatch(r"-?0[0-9]+", text) for text in texts)
    numbers = [_number(value) for value in values]
    if padded or any(number is None for number in numbers):
        return texts
    whole = [_whole(value) for value in values]
    return None if any(key is None for key in whole) else [key for key in whole if key is not None]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return str(value).strip()


def _number(value: Any) -> float | None:
    """A label's value, when it is a finite number or the text of one."""
    if isinstance(value, bool | np.bool_):
        return None
    number = to_number(_text(value))
    return number if math.isfinite(number) else None


def _whole(value: Any) -> str | None:
    text = _text(value)
    if _INTEGER.fullmatch(text):
        return "0" if text == "-0" else text
    number = _number(value)
    return str(int(number)) if number is not None and number.is_integer() else None


def _is_missing(value: Any) -> bool:
    return value is None or _text(value) in MISSING_LABELS


def _refuse_missing(part: Part, target: Labels) -> None:
    missing = {code for code, value in enumerate(target.values) if _is_missing(value)}
    hint = "take the rows without a label out"
    _refuse_codes(part, target, missing, "must be a label", hint)


def _refuse_fractions(part: Part, target: Labels, values: Array) -> None:
    fractional = {int(code) for code in np.flatnonzero(values != np.floor(values))}
    hint = "for numbers use a loss such as mse"
    _refuse_codes(part, target, fractional, "must be a whole number or a text to be a class", hint)


def _refuse_codes(part: Part, target: Labels, codes: set[int], rule: str, hint: str) -> None:
    """Raise a DataError that names the rows whose label is one of some codes."""
    rows = np.flatnonzero(np.isin(target.codes, list(codes)))
    faults = []
    for row in rows[:SHOWN].tolist():
        value = _plain(target.values[target.codes[row]])
        empty = value is None or _text(value) == ""
        told = f"{rule}, the cell is empty" if empty else rule
        faults.append(Fault(row, part.what, told, ABSENT if empty else value, hint))
    raise_faults(part.origin, faults, len(rows))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _one_hot(source: Source, target: Array, *, must: bool) -> tuple[Array, Coding]:
    """Rows with a single 1 are one-hot classes; other rows of 0s and 1s are several labels at once."""
    names = source.target if source.kind == "table" else tuple(map(str, range(target.shape[1])))
    if is_one_hot(target):
        return target, Coding(names, True, target.shape[1:])
    if must:
        # Keras's losses take several labels at once as probabilities, and its hinge losses -1 and 1 too.
        outside = np.flatnonzero(((target < 0) & (target != -1) | (target > 1)).any(axis=1))
        hint = "for numbers use a loss such as mse"
        rule = "must be from 0 to 1 in every column of a target of classes"
        faults = [
            Fault(int(row), source.main.what, rule, target[row].tolist(), hint) for row in outside[:SHOWN]
        ]
        raise_faults(source.main.origin, faults, len(outside))
    return target, Coding(None, False, target.shape[1:])


def is_one_hot(target: Array) -> bool:
    """Whether every row of (rows, classes) numbers is a single 1 among 0s."""
    return bool(((target == 0) | (target == 1)).all() and (target.sum(axis=1) == 1).all())


def encode(part: Part, coding: Coding, *, split: str = "") -> Array:
    """The y of further rows, in a coding that was learnt before.

    Args:
        split: the split that the rows are for, when they are for one; a message tells it.

    Raises:
        DataError: a label that the coding does not know, or a target of another shape.
    """
    target = part.target
    assert target is not None
    if isinstance(target, Labels):
        assert coding.classes is not None
        y = _encode_labels(part, target, coding.classes, split)
        return np.eye(len(coding.classes), dtype=np.float32)[y] if coding.one_hot else y
    if target.shape[1:] == coding.shape == () and not coding.one_hot:
        return target.astype(np.float32 if coding.classes is None else np.int64)
    if target.shape[1:] != coding.shape:
        expected, received = _shape(coding.shape), _shape(target.shape[1:])
        part.origin.refuse(f"{part.what} must have the shape {expected}, received {received}")
    if coding.one_hot and not is_one_hot(target):
        row = int(
            np.flatnonzero(((target == 0) | (target == 1)).all(axis=1) & (target.sum(axis=1) == 1) == 0)[0]
        )
        raise_faults(
            part.origin, [Fault(row, part.what, "must be a single 1 among 0s", target[row].tolist())], 1
        )
    return target


def _shape(row: tuple[int, ...]) -> str:
    return "(" + ", ".join(("rows", *map(str, row))) + ")"


def _encode_labels(part: Part, target: Labels, classes: tuple[str, ...], split: str) -> Array:
    _refuse_missing(part, target)
    index = {name: place for place, name in enumerate(classes)}
    codes = [_find(value, index) for value in target.values]
    if None in codes:
        indices = _as_indices(target.values, classes)
        if indices is not None:
            return np.array(indices)[target.codes]
        unknown = {code for code, found in enumerate(codes) if found is None}
        if split:
            raise DataError(
                *_only_in(part, split, {code: target.codes == code for code in unknown}, target.values)
            )
        hint = f"the classes are {listing(classes)}"
        _refuse_codes(part, target, unknown, "must be a class that the model knows", hint)
    return np.array(codes, dtype=np.int64)[target.codes]


def _find(value: Any, index: Mapping[str, int]) -> int | None:
    """The class of a label as it is written, or as a whole number or boolean in its plain spelling."""
    for key in (_text(value), _whole(value), _BOOLEANS.get(_text(value).lower())):
        if key is not None and key in index:
            return index[key]
    return None


def _as_indices(values: Sequence[Any], classes: tuple[str, ...]) -> list[int] | None:
    """Labels that are class indices 0, 1, 2, where the classes themselves have names."""
    if any(_number(name) is not None for name in classes):
        return None
    whole = [_whole(value) for value in values]
    found = [int(key) for key in whole if key is not None]
    return found if len(found) == len(values) and all(0 <= item < len(classes) for item in found) else None


def _only_in(part: Part, split: str, rows: Mapping[int, Array], names: Sequence[Any]) -> list[Problem]:
    """One problem for each class (a code with its rows) that no training row has."""
    rule = f"is only in the {split} split, no training row has it"
    faults = [
        Fault(int(np.flatnonzero(mask)[0]), part.what, f"class {_text(names[code])!r} {rule}")
        for code, mask in rows.items()
    ]
    return part.origin.problems(faults)


def unseen_classes(
    train: Array, part: Part, split: str, y: Array, rows: Array, coding: Coding
) -> list[Problem]:
    """A problem for each class that a split holds and the training rows do not.

    train, y: class indices or one-hot rows; rows: the position of each row of `y` in `part`.
    """
    if coding.classes is None:
        return []
    known = np.bincount(class_indices(train), minlength=len(coding.classes)) > 0
    labels = class_indices(y)
    unseen = [int(code) for code in np.unique(labels) if not known[code]]
    found: dict[int, Array] = {}
    for code in unseen:
        found[code] = np.zeros(int(rows.max()) + 1, dtype=bool)
        found[code][rows[labels == code]] = True
    return _only_in(part, split, found, coding.classes)


def class_indices(y: Array) -> Array:
    """Class indices, (rows,) int64, of indices or one-hot rows."""
    return y.argmax(axis=1) if y.ndim == 2 else y
