"""Encode targets: labels as class indices, one-hot or label rows; numbers stay numbers.

scikit-learn's `LabelEncoder` would not do: `1`, `1.0` and `"1"` are one class here, and a message names the
rows of every label that cannot be used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from mlpcli.data.dataset import OTHER, Output
from mlpcli.data.label_keys import (
    BOOLEANS,
    is_missing,
    label_keys,
    label_number,
    label_text,
    missing_label_hint,
    rare_labels,
    sort_classes,
    split_labels,
    whole_label,
)
from mlpcli.data.labels import Labels
from mlpcli.data.positive_class import with_positive_class
from mlpcli.data.readers.broken_rules import MAX_DESCRIBED, RowErrors, raise_row_errors
from mlpcli.data.readers.row_errors import RowError
from mlpcli.data.sequences import as_sequences
from mlpcli.data.sources.source_rows import Source, SourceRows
from mlpcli.data.types import Array, TargetKind
from mlpcli.errors import ABSENT, DataError, KeyPath, Problem, SpecError, listing, show_value

CLASSED = ("classes", "one_hot", "groups")
"""The kinds of targets with one class a row."""

KeepNumbers = Literal["numbers", "fractions"]


def code_target(
    source: Source,
    *,
    target_kind: TargetKind | None,
    name: str = "",
    separator: str | None = None,
    inferred: bool = False,
    min_count: int | None = None,
    positive: str | int | bool | None = None,
) -> tuple[Array, Output]:
    """Encode the target of the main rows for one output.

    Args:
        source: with the target of this output: see `Source.for_output`.
        target_kind: what the loss takes; None to decide by the target: text and booleans are classes.
        name: of the output; empty for a single output.
        separator: between the labels of one cell; None for one label per cell.
        inferred: whether `target_kind` is only what the output's activation is mostly used for; then numbers
            may stay numbers.
        min_count: labels of fewer rows become the class `other`; None for none.
        positive: of two classes, the one that becomes the second; None for the second in their order.

    Returns:
        y, and the output that it defines.

    Raises:
        DataError: labels are missing or fractional, or all the same.
        SpecError: the loss does not fit the target.
    """
    target = source.main.target
    assert target is not None
    columns = source.target
    path: KeyPath = ("loss", name) if name else ("loss",)
    if target_kind == "sequences":
        return as_sequences(source.main), Output(columns, "sequences", name=name)
    if target_kind == "groups":
        y, output = code_target(source, target_kind="classes", name=name, min_count=min_count)
        if output.kind != "classes":
            rule = f"takes one class per row, the target of {source.label} has several columns"
            raise SpecError(Problem(rule, path=path))
        return y, replace(output, kind="groups")
    if source.classes is not None:
        assert not isinstance(target, Labels)
        if target_kind == "numbers":
            return target, Output(columns, name=name)
        return target.astype(np.int64), Output(columns, "classes", source.classes, name)
    if isinstance(target, Labels):
        if separator is not None:
            return _learn_separated(source.main, target, Output(columns, "labels", (), name, separator))
        keep_numbers: KeepNumbers | None = (
            "numbers" if target_kind is None else "fractions" if inferred else None
        )
        learned = _learn_labels(source.main, target, keep_numbers, path, min_count, positive)
        kind: Literal["numbers", "classes"] = "numbers" if learned.classes is None else "classes"
        return learned.y, Output(columns, kind, learned.classes, name, pooled=learned.pooled)
    return _code_numbers(source, target, target_kind, Output(columns, name=name), path, inferred=inferred)


def _code_numbers(
    source: Source,
    target: Array,
    target_kind: TargetKind | None,
    output: Output,
    path: KeyPath,
    *,
    inferred: bool,
) -> tuple[Array, Output]:
    """Return a target of numbers as numbers, or as one-hot or label rows if the loss takes these.

    Raises:
        DataError: a row is none of classes.
        SpecError: the loss is for classes, the target is not.
    """
    if target_kind == "numbers" or (inferred and (target.ndim == 1 or not _is_of_labels(target))):
        return target, output
    if target.ndim == 2:
        return _columns_of_labels(source, target, target_kind, output, path)
    if target_kind is not None:
        rule = f"is for classes, the target of {source.label} is a number"
        raise SpecError(Problem(rule, path=path, hint="use mse"))
    return target, output


class _Learned(NamedTuple):
    """Class indices, the classes, and the labels pooled in `other`; or numbers, None and none."""

    y: Array
    classes: tuple[str, ...] | None
    pooled: tuple[str, ...] = ()


def _learn_labels(
    source_rows: SourceRows,
    target: Labels,
    keep_numbers: KeepNumbers | None,
    path: KeyPath,
    min_count: int | None,
    positive: str | int | bool | None,
) -> _Learned:
    """Learn the classes of labels.

    Args:
        source_rows: the rows.
        target: their labels.
        keep_numbers: when labels that are all numbers stay numbers: always, if some are fractions, or never.
        path: of the loss in the spec, which is wrong if most labels are fractions.
        min_count: labels of fewer rows are pooled.
        positive: of two classes, the one that becomes the second.

    Raises:
        SpecError: the positive class is none of two classes.
    """
    _refuse_missing(source_rows, target, droppable=source_rows.table is not None)
    if keep_numbers == "numbers" and target.numbers is not None and np.isfinite(target.numbers).all():
        return _Learned(target.numbers[target.codes], None)
    keys = label_keys(target.values)
    numeric = keys is None or all(label_number(value) is not None for value in target.values)
    if numeric and (keep_numbers == "numbers" or (keep_numbers == "fractions" and keys is None)):
        values = np.array([label_number(value) for value in target.values], dtype=np.float64)
        return _Learned(values[target.codes], None)
    if keys is None:
        _refuse_fractions(source_rows, target, path)
    assert keys is not None
    pooled = rare_labels(keys, target.codes, min_count) if min_count else ()
    keys = [OTHER if key in pooled else key for key in keys]
    classes = tuple(sort_classes(keys))
    if len(classes) == 1:
        where = f"{source_rows.origin.label}, {source_rows.target_label}"
        hint = "a classifier needs rows of each class"
        raise DataError(
            Problem(f"{where}: must hold at least two classes, every row is {classes[0]!r}", hint=hint)
        )
    classes = classes if positive is None else with_positive_class(classes, positive)
    index = {name: place for place, name in enumerate(classes)}
    return _Learned(np.array([index[key] for key in keys])[target.codes], classes, pooled)


def _learn_separated(source_rows: SourceRows, target: Labels, output: Output) -> tuple[Array, Output]:
    """Encode cells such as `red;round` as one column per label, 0 or 1; an empty cell has no label."""
    assert output.separator is not None
    names = sorted(
        {label for value in target.values for label in split_labels(value, output.separator, target.gaps)}
    )
    if not names:
        where = f"{source_rows.origin.label}, {source_rows.target_label}"
        raise DataError(Problem(f"{where}: must hold at least one label, every cell is empty"))
    output = replace(output, classes=tuple(names))
    return _encode_separated(source_rows, target, output, ""), output


def _encode_separated(source_rows: SourceRows, target: Labels, output: Output, split: str) -> Array:
    assert output.separator is not None
    index = {name: place for place, name in enumerate(output.classes or ())}
    rows = np.zeros((len(target.values), len(index)), np.float32)
    unknown: dict[int, str] = {}
    for code, value in enumerate(target.values):
        for label in split_labels(value, output.separator, target.gaps):
            if label in index:
                rows[code, index[label]] = 1
            else:
                unknown.setdefault(code, label)
    if unknown:
        rule = (
            "must hold labels that occur in the training rows" if split else "must hold labels of the model"
        )
        _refuse_codes(source_rows, target, set(unknown), rule, f"the labels are {listing(index)}")
    return rows[target.codes]


def _refuse_missing(source_rows: SourceRows, target: Labels, *, droppable: bool) -> None:
    """Raise for missing labels; `droppable` says that the spec can have their rows left out."""
    missing = {code for code, value in enumerate(target.values) if is_missing(value, target.gaps)}
    hint = missing_label_hint([label_text(target.values[code]) for code in missing], droppable=droppable)
    _refuse_codes(source_rows, target, missing, "must be a label", hint)


def _refuse_fractions(source_rows: SourceRows, target: Labels, path: KeyPath) -> None:
    """Raise for labels that are fractions: if most are, the loss is wrong; otherwise the data."""
    values = np.array([label_number(value) for value in target.values], dtype=np.float64)
    fractional = {int(code) for code in np.flatnonzero(values != np.floor(values))}
    if 2 * np.isin(target.codes, list(fractional)).sum() > len(target.codes):
        first = next(code for code in target.codes.tolist() if code in fractional)
        shown = show_value(_plain(target.values[first]))
        where = f"{source_rows.target_label} of {source_rows.origin.label}"
        rule = f"is for classes, {where} holds numbers such as {shown}"
        raise SpecError(Problem(rule, path=path, hint="for numbers use a loss such as mse"))
    hint = "for numbers use a loss such as mse"
    _refuse_codes(source_rows, target, fractional, "must be a whole number or a string to be a class", hint)


def _refuse_codes(source_rows: SourceRows, target: Labels, codes: set[int], rule: str, hint: str) -> None:
    """Raise a DataError that names the rows whose label is one of some codes."""
    rows = np.flatnonzero(np.isin(target.codes, list(codes)))
    described = []
    for row in rows[:MAX_DESCRIBED].tolist():
        value = _plain(target.values[target.codes[row]])
        empty = value is None or label_text(value) == ""
        broken = f"{rule}, the cell is empty" if empty else rule
        described.append(RowError(row, source_rows.target_label, broken, ABSENT if empty else value, hint))
    raise_row_errors(source_rows.origin, RowErrors(described, len(rows)))


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _columns_of_labels(
    source: Source, target: Array, target_kind: TargetKind | None, output: Output, path: KeyPath
) -> tuple[Array, Output]:
    """Return rows with a single 1 as one-hot classes, other rows of 0s and 1s as several labels."""
    names = source.target if source.kind == "table" else tuple(map(str, range(target.shape[1])))
    if is_one_hot(target) and target_kind != "labels":
        columns = source.target if source.kind == "table" else ("target",)  # one, for all its columns
        return target, replace(output, target=columns, kind="one_hot", classes=names)
    if target_kind is not None:
        # Keras's losses take several labels at once as probabilities, and its hinge losses -1 and 1 too.
        outside = np.flatnonzero(((target < 0) & (target != -1) | (target > 1)).any(axis=1))
        hint = "for numbers use a loss such as mse"
        if 2 * len(outside) > len(target):
            shown = show_value([round(float(value), 4) for value in target[outside[0]]])
            where = f"{source.main.target_label} of {source.main.origin.label}"
            rule = f"is for classes, {where} holds rows such as {shown}"
            raise SpecError(Problem(rule, path=path, hint=hint))
        rule = "must be from 0 to 1 in every column of a target of classes"
        where = source.main.target_label
        first = outside[:MAX_DESCRIBED]
        described = [RowError(int(row), where, rule, target[row].tolist(), hint) for row in first]
        raise_row_errors(source.main.origin, RowErrors(described, len(outside)))
    if _is_of_labels(target):
        return target, replace(output, kind="labels", classes=names)
    return target, output


def _is_of_labels(target: Array) -> bool:
    """Return whether every number of a target is 0 or 1."""
    return bool(((target == 0) | (target == 1)).all())


def is_one_hot(target: Array) -> bool:
    """Return whether every row of (rows, classes) numbers is a single 1 among 0s."""
    return bool(_is_of_labels(target) and (target.sum(axis=1) == 1).all())


def encode(source_rows: SourceRows, output: Output, *, split: str = "") -> Array:
    """Encode the target of more rows like that of the training rows, without scaling.

    Args:
        source_rows: with the target of this output: see `SourceRows.for_output`.
        output: of the training rows.
        split: the split of the rows, for messages; empty for rows of no split.

    Returns:
        y, (rows, ...).

    Raises:
        DataError: a label is none of the output's, or the target has another shape.
    """
    target = source_rows.target
    assert target is not None
    if isinstance(target, Labels):
        if output.separator is not None:
            return _encode_separated(source_rows, target, output, split)
        assert output.classes is not None
        y = _encode_labels(source_rows, target, output, split)
        return np.eye(len(output.classes), dtype=np.float32)[y] if output.kind == "one_hot" else y
    if target.shape[1:] == output.width == ():
        return target if output.classes is None else target.astype(np.int64)
    if target.shape[1:] != output.width:
        expected, received = _shape(output.width), _shape(target.shape[1:])
        source_rows.origin.refuse(
            f"{source_rows.target_label} must have the shape {expected}, received {received}"
        )
    if output.kind == "sequences":
        return as_sequences(source_rows)
    if output.kind == "one_hot" and not is_one_hot(target):
        single = ((target == 0) | (target == 1)).all(axis=1) & (target.sum(axis=1) == 1)
        row = int(np.flatnonzero(~single)[0])
        raise_row_errors(
            source_rows.origin,
            [RowError(row, source_rows.target_label, "must be a single 1 among 0s", target[row].tolist())],
        )
    return target


def _shape(row: tuple[int, ...]) -> str:
    return "(" + ", ".join(("rows", *map(str, row))) + ")"


def _encode_labels(source_rows: SourceRows, target: Labels, output: Output, split: str) -> Array:
    _refuse_missing(source_rows, target, droppable=bool(split) and source_rows.table is not None)
    classes = output.classes or ()
    index = {name: place for place, name in enumerate(classes)}
    index |= {name: index[OTHER] for name in output.pooled if name not in index}
    codes = [_find(value, index) for value in target.values]
    if None in codes:
        indices = _as_indices(target.values, classes)
        if indices is not None:
            return np.array(indices)[target.codes]
        unknown = {code for code, found in enumerate(codes) if found is None}
        if split:
            raise DataError(
                *only_in(source_rows, split, {code: target.codes == code for code in unknown}, target.values)
            )
        hint = f"the classes are {listing(classes)}"
        _refuse_codes(source_rows, target, unknown, "must be a class of the model", hint)
    return np.array(codes, dtype=np.int64)[target.codes]


def _find(value: object, index: Mapping[str, int]) -> int | None:
    """Return the class of a label as it is written, or in the plain spelling of a number or boolean."""
    for key in (label_text(value), whole_label(value), BOOLEANS.get(label_text(value).lower())):
        if key is not None and key in index:
            return index[key]
    return None


def _as_indices(values: Sequence[object], classes: tuple[str, ...]) -> list[int] | None:
    """Return labels that are class indices 0, 1, 2; None if they are not, or classes are numbers."""
    if any(label_number(name) is not None for name in classes):
        return None
    whole = [whole_label(value) for value in values]
    found = [int(key) for key in whole if key is not None]
    return found if len(found) == len(values) and all(0 <= item < len(classes) for item in found) else None


def only_in(
    source_rows: SourceRows, split: str, rows: Mapping[int, Array], names: Sequence[object], hint: str = ""
) -> list[Problem]:
    """Return a problem for each class (a code and a mask of its rows) that no training row has."""
    rule = f"is only in the {split} split, no training row has it"
    row_errors = [
        RowError(
            int(np.flatnonzero(mask)[0]),
            source_rows.target_label,
            f"class {label_text(names[code])!r} {rule}",
            hint=hint,
        )
        for code, mask in rows.items()
    ]
    return RowErrors(row_errors).problems(source_rows.origin)


def class_indices(y: Array) -> Array:
    """Return class indices, (rows,), of class indices, (rows,), or one-hot rows, (rows, classes).

    Where each step of a row has a class, (rows, *steps), of (rows, *steps, 1) or (rows, *steps, classes).
    """
    if y.ndim > 2 and y.shape[-1] == 1:
        y = y[..., 0]
    elif y.ndim > 1:
        y = y.argmax(axis=-1)
    return y if y.dtype == np.int32 else np.asarray(y, dtype=np.int64)


def stratified_by(outputs: Sequence[Output]) -> Output | None:
    """Return the first output with one class a row, by which splits are stratified; None without one."""
    return next((each for each in outputs if each.kind in CLASSED and not each.steps), None)
