"""Targets: labels to class indices and back, one-hot rows, plain numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from mlpcli.data.dataset import Output
from mlpcli.data.labels import Labels
from mlpcli.data.readers.parse_cells import MISSING_LABELS, PLAIN
from mlpcli.data.readers.row_errors import MAX_SHOWN, RowError, raise_row_errors
from mlpcli.data.sources.types import Source, SourceRows
from mlpcli.data.types import Array, TargetKind
from mlpcli.errors import ABSENT, DataError, KeyPath, Problem, SpecError, listing, show_value

Loose = Literal["numbers", "fractions"]
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_BOOLEANS = {"true": "true", "false": "false"}


def code_target(
    source: Source,
    *,
    target_kind: TargetKind | None,
    name: str = "",
    separator: str | None = None,
    inferred: bool = False,
) -> tuple[Array, Output]:
    """The main part's y, and the output that it sets.

    Args:
        source: with the target of this output: see `Source.of`.
        target_kind: what the loss takes; None to decide from the target: text and booleans are classes.
        name: of the output, empty where there is only one.
        separator: what stands between the labels of one cell, None for a label a cell.
        guessed: `target_kind` is what the output's activation is mostly used for; numbers may stay numbers.

    Raises:
        DataError: labels that are missing or fractional, or all the same.
        SpecError: the loss does not go with this target.
    """
    target = source.main.target
    assert target is not None
    columns = source.target
    path: KeyPath = ("loss", name) if name else ("loss",)
    if source.classes is not None:
        assert not isinstance(target, Labels)
        if target_kind == "numbers":
            return target.astype(np.float32), Output(columns, name=name)
        return target.astype(np.int64), Output(columns, "classes", source.classes, name)
    if isinstance(target, Labels):
        if separator is not None:
            return _learn_separated(source.main, target, Output(columns, "labels", (), name, separator))
        loose: Loose | None = "numbers" if target_kind is None else "fractions" if inferred else None
        y, classes = _learn_labels(source.main, target, loose, path)
        return y, Output(columns, "numbers" if classes is None else "classes", classes, name)
    if inferred and (target.ndim == 1 or not _is_of_labels(target)):
        return target, Output(columns, name=name)
    if target_kind in ("classes", "labels") and target.ndim == 1:
        rule = f"is for classes, the target of {source.label} is a number"
        raise SpecError(Problem(rule, path=path, hint="use mse"))
    if target_kind != "numbers" and target.ndim == 2:
        return _columns_of_labels(source, target, target_kind, Output(columns, name=name), path)
    return target, Output(columns, name=name)


def _learn_labels(
    part: SourceRows, target: Labels, loose: Loose | None, path: KeyPath
) -> tuple[Array, tuple[str, ...] | None]:
    """Class indices and the classes, or numbers and None where labels may be that.

    loose: whether labels that are all numbers stay numbers: always, where some are fractions, or never.
    path: of the loss, whose mistake it is where most rows hold fractions.
    """
    _refuse_missing(part, target)
    keys = label_keys(target.values)
    numeric = keys is None or all(_number(value) is not None for value in target.values)
    if numeric and (loose == "numbers" or (loose == "fractions" and keys is None)):
        values = np.array([_number(value) for value in target.values], dtype=np.float64)
        return values.astype(np.float32)[target.codes], None
    if keys is None:
        _refuse_fractions(part, target, path)
    assert keys is not None
    whole = all(_INTEGER.fullmatch(key) for key in keys)
    classes = tuple(sorted(set(keys), key=int if whole else None))
    if len(classes) == 1:
        where = f"{part.origin.label}, {part.target_label}"
        hint = "a classifier needs rows of each class"
        raise DataError(
            Problem(f"{where}: must hold at least two classes, every row is {classes[0]!r}", hint=hint)
        )
    index = {name: place for place, name in enumerate(classes)}
    return np.array([index[key] for key in keys])[target.codes], classes


def _learn_separated(part: SourceRows, target: Labels, output: Output) -> tuple[Array, Output]:
    """Cells such as `red;round` as one column a label, 0 or 1; an empty cell has no label."""
    assert output.separator is not None
    names = sorted({label for value in target.values for label in split_labels(value, output.separator)})
    if not names:
        where = f"{part.origin.label}, {part.target_label}"
        raise DataError(Problem(f"{where}: must hold at least one label, every cell is empty"))
    output = replace(output, classes=tuple(names))
    return _encode_separated(part, target, output, ""), output


def split_labels(value: Any, separator: str) -> list[str]:
    """The labels of one cell, stripped; none of an empty one."""
    if _is_missing(value):
        return []
    return [label.strip() for label in _text(value).split(separator) if label.strip()]


def _encode_separated(part: SourceRows, target: Labels, output: Output, split: str) -> Array:
    assert output.separator is not None
    index = {name: place for place, name in enumerate(output.classes or ())}
    rows = np.zeros((len(target.values), len(index)), np.float32)
    unknown: dict[int, str] = {}
    for code, value in enumerate(target.values):
        for label in split_labels(value, output.separator):
            if label in index:
                rows[code, index[label]] = 1
            else:
                unknown.setdefault(code, label)
    if unknown:
        told = f"must hold labels that {'the training rows' if split else 'the model'} know"
        told += "" if split else "s"
        _refuse_codes(part, target, set(unknown), told, f"the labels are {listing(index)}")
    return rows[target.codes]


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
    number = PLAIN.number(_text(value))
    return number if math.isfinite(number) else None


def _whole(value: Any) -> str | None:
    text = _text(value)
    if _INTEGER.fullmatch(text):
        return "0" if text == "-0" else text
    number = _number(value)
    return str(int(number)) if number is not None and number.is_integer() else None


def _is_missing(value: Any) -> bool:
    return value is None or _text(value) in MISSING_LABELS


def _refuse_missing(part: SourceRows, target: Labels) -> None:
    missing = {code for code, value in enumerate(target.values) if _is_missing(value)}
    hint = "remove the rows without a label"
    _refuse_codes(part, target, missing, "must be a label", hint)


def _refuse_fractions(part: SourceRows, target: Labels, path: KeyPath) -> None:
    """Raise for labels that are fractions: a few are mistakes of the data, most of them one of the loss."""
    values = np.array([_number(value) for value in target.values], dtype=np.float64)
    fractional = {int(code) for code in np.flatnonzero(values != np.floor(values))}
    if 2 * np.isin(target.codes, list(fractional)).sum() > len(target.codes):
        first = next(code for code in target.codes.tolist() if code in fractional)
        told = show_value(_plain(target.values[first]))
        rule = f"is for classes, {part.target_label} of {part.origin.label} holds numbers such as {told}"
        raise SpecError(Problem(rule, path=path, hint="for numbers use a loss such as mse"))
    hint = "for numbers use a loss such as mse"
    _refuse_codes(part, target, fractional, "must be a whole number or a text to be a class", hint)


def _refuse_codes(part: SourceRows, target: Labels, codes: set[int], rule: str, hint: str) -> None:
    """Raise a DataError that names the rows whose label is one of some codes."""
    rows = np.flatnonzero(np.isin(target.codes, list(codes)))
    row_errors = []
    for row in rows[:MAX_SHOWN].tolist():
        value = _plain(target.values[target.codes[row]])
        empty = value is None or _text(value) == ""
        told = f"{rule}, the cell is empty" if empty else rule
        row_errors.append(RowError(row, part.target_label, told, ABSENT if empty else value, hint))
    raise_row_errors(part.origin, row_errors, len(rows))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _columns_of_labels(
    source: Source, target: Array, target_kind: TargetKind | None, output: Output, path: KeyPath
) -> tuple[Array, Output]:
    """Rows with a single 1 are one-hot classes; other rows of 0s and 1s are several labels at once."""
    names = source.target if source.kind == "table" else tuple(map(str, range(target.shape[1])))
    if is_one_hot(target) and target_kind != "labels":
        columns = source.target if source.kind == "table" else ("target",)  # one, for all its columns
        return target, replace(output, target=columns, kind="one_hot", classes=names)
    if target_kind is not None:
        # Keras's losses take several labels at once as probabilities, and its hinge losses -1 and 1 too.
        outside = np.flatnonzero(((target < 0) & (target != -1) | (target > 1)).any(axis=1))
        hint = "for numbers use a loss such as mse"
        if 2 * len(outside) > len(target):
            told = show_value([round(float(value), 4) for value in target[outside[0]]])
            where = f"{source.main.target_label} of {source.main.origin.label}"
            rule = f"is for classes, {where} holds rows such as {told}"
            raise SpecError(Problem(rule, path=path, hint=hint))
        rule = "must be from 0 to 1 in every column of a target of classes"
        row_errors = [
            RowError(int(row), source.main.target_label, rule, target[row].tolist(), hint)
            for row in outside[:MAX_SHOWN]
        ]
        raise_row_errors(source.main.origin, row_errors, len(outside))
    if _is_of_labels(target):
        return target, replace(output, kind="labels", classes=names)
    return target, output


def _is_of_labels(target: Array) -> bool:
    """Whether every number of a target is 0 or 1."""
    return bool(((target == 0) | (target == 1)).all())


def is_one_hot(target: Array) -> bool:
    """Whether every row of (rows, classes) numbers is a single 1 among 0s."""
    return bool(_is_of_labels(target) and (target.sum(axis=1) == 1).all())


def encode(part: SourceRows, output: Output, *, split: str = "") -> Array:
    """The y of further rows, coded as the training rows were, before any scaling.

    Args:
        part: with the target of this output: see `Part.of`.
        split: the split that the rows are for, when they are for one; a message tells it.

    Raises:
        DataError: a label that the output does not know, or a target of another shape.
    """
    target = part.target
    assert target is not None
    if isinstance(target, Labels):
        if output.separator is not None:
            return _encode_separated(part, target, output, split)
        assert output.classes is not None
        y = _encode_labels(part, target, output.classes, split)
        return np.eye(len(output.classes), dtype=np.float32)[y] if output.kind == "one_hot" else y
    if target.shape[1:] == output.width == ():
        return target.astype(np.float32 if output.classes is None else np.int64)
    if target.shape[1:] != output.width:
        expected, received = _shape(output.width), _shape(target.shape[1:])
        part.origin.refuse(f"{part.target_label} must have the shape {expected}, received {received}")
    single = ((target == 0) | (target == 1)).all(axis=1) & (target.sum(axis=1) == 1)
    if output.kind == "one_hot" and not single.all():
        row = int(np.flatnonzero(~single)[0])
        raise_row_errors(
            part.origin,
            [RowError(row, part.target_label, "must be a single 1 among 0s", target[row].tolist())],
            1,
        )
    return target


def _shape(row: tuple[int, ...]) -> str:
    return "(" + ", ".join(("rows", *map(str, row))) + ")"


def _encode_labels(part: SourceRows, target: Labels, classes: tuple[str, ...], split: str) -> Array:
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


def _only_in(part: SourceRows, split: str, rows: Mapping[int, Array], names: Sequence[Any]) -> list[Problem]:
    """One problem for each class (a code with its rows) that no training row has."""
    rule = f"is only in the {split} split, no training row has it"
    row_errors = [
        RowError(int(np.flatnonzero(mask)[0]), part.target_label, f"class {_text(names[code])!r} {rule}")
        for code, mask in rows.items()
    ]
    return part.origin.problems(row_errors)


def unseen_classes(
    train: Array, part: SourceRows, split: str, y: Array, rows: Array, output: Output
) -> list[Problem]:
    """A problem for each class that a split holds and the training rows do not.

    train, y: class indices or one-hot rows; rows: the position of each row of `y` in `part`.
    """
    if output.kind not in ("classes", "one_hot"):
        return []
    assert output.classes is not None
    known = np.bincount(class_indices(train), minlength=len(output.classes)) > 0
    labels = class_indices(y)
    unseen = [int(code) for code in np.unique(labels) if not known[code]]
    found: dict[int, Array] = {}
    for code in unseen:
        found[code] = np.zeros(int(rows.max()) + 1, dtype=bool)
        found[code][rows[labels == code]] = True
    return _only_in(part, split, found, output.classes)


def class_indices(y: Array) -> Array:
    """Return class indices, (rows,) int64, of class indices, (rows,), or one-hot rows, (rows, classes)."""
    return np.asarray(y.argmax(axis=1) if y.ndim == 2 else y, dtype=np.int64)
