"""Check the columns that a `dataset` section names against those of its table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mlpcli.data.images.image_reading import image_column
from mlpcli.data.readers.find_files import are_images, is_table
from mlpcli.data.readers.reading import KINDS, misplaced
from mlpcli.data.readers.tables import TableFile
from mlpcli.errors import KeyPath, Problem, listing, nearest_column
from mlpcli.spec.features import FeatureSpec
from mlpcli.spec.image_keys import IMAGE_KEYS
from mlpcli.spec.schema import DatasetSpec


def target_problems(spec: DatasetSpec, file: TableFile) -> Iterator[Problem]:
    """Yield problems of `dataset.target`: no column of the table, or one listed twice."""
    path: KeyPath = ("dataset", "target")
    if spec.target is None:
        yield Problem("is required for a table", path=path, hint=f"the columns are {listing(file.names)}")
    wanted = spec.target if isinstance(spec.target, dict) else {"": spec.target}
    known = set(file.names)
    for output, columns in wanted.items():
        here = (*path, output) if output else path
        names = columns if isinstance(columns, list) else [columns] if columns is not None else []
        seen: set[str] = set()
        for place, name in enumerate(names):
            where = (*here, place) if isinstance(columns, list) else here
            if name not in known:
                hint = nearest_column(name, file.names)
                yield Problem(
                    f"must be a column of {file.origin.label}", path=where, received=name, hint=hint
                )
            elif name in seen:
                yield Problem("is listed twice", path=where, received=name)
            seen.add(name)


def weight_problems(spec: DatasetSpec, file: TableFile, target: tuple[str, ...]) -> Iterator[Problem]:
    """Yield problems of `dataset.weights`: no column of the table, or the target."""
    path: KeyPath = ("dataset", "weights")
    if spec.weights is None:
        return
    if spec.weights not in file.names:
        hint = nearest_column(spec.weights, [each for each in file.names if each not in target])
        rule = f"must be a column of {file.origin.label}"
        yield Problem(rule, path=path, received=spec.weights, hint=hint)
    elif spec.weights in target:
        yield Problem("is the target and cannot be a weight too", path=path, received=spec.weights)


def feature_problems(
    features: Sequence[str] | Mapping[str, FeatureSpec] | None,
    names: Sequence[str],
    target: tuple[str, ...],
    weights: str | None = None,
) -> Iterator[Problem]:
    """Yield problems of `dataset.features`: no column of the table, the target, or one listed twice."""
    known, seen = set(names), set[str]()
    for place, name in enumerate(features or ()):
        path: KeyPath = ("dataset", "features", name if isinstance(features, Mapping) else place)
        if name in target:
            yield Problem("is the target and cannot be a feature too", path=path, received=name)
        elif name == weights:
            yield Problem("is the weight of the rows and cannot be a feature too", path=path, received=name)
        elif name not in known:
            free = [each for each in names if each not in (*target, weights)]  # the others are refused next
            hint = nearest_column(name, free)
            yield Problem("must be a column of the table", path=path, received=name, hint=hint)
        elif name in seen:
            yield Problem("is listed twice", path=path, received=name)
        seen.add(name)


MOST_NAMED = 8
"""Columns that are named of those that are left out for one reason."""


def no_features(file: TableFile, features: tuple[str, ...], left_out: Mapping[str, str]) -> Problem:
    """Return the problem of a table without a usable feature, or with one that has no name.

    Args:
        file: the table.
        features: that are used.
        left_out: why each of the others is none.
    """
    path = ("dataset", "features")
    if not features:
        hint = "name some with features" if len(file.names) > 1 else ""
        by_reason: dict[str, list[str]] = {}
        for name, why in left_out.items():
            by_reason.setdefault(why, []).append(repr(name))
        reasons = "; ".join(f"{listing(names, MOST_NAMED)}: {why}" for why, names in by_reason.items())
        rule = "there is no column left besides the target"
        return Problem(f"{rule}; left out are {reasons}" if left_out else rule, path=path, hint=hint)
    hint = "name it in the file, or list the columns to use; pandas writes such a column unless index=False"
    return Problem(
        f"is required when a column has no name, as {listing(file.unnamed)} of {file.origin.label}",
        path=path,
        hint=hint,
    )


def misplaced_problems(spec: DatasetSpec, paths: Sequence[Path]) -> Iterator[Problem]:
    """Yield a problem for each word on how files are read that is for none of the dataset's files."""
    if not all(map(is_table, paths)):
        return
    more = [Path(text) for text in (spec.test, spec.validation) if isinstance(text, str)]
    words = {word: getattr(spec, word) for word in KINDS}
    for word, what, file in misplaced(words, [*paths, *more]):
        rule = f"is for {what}, which {file} is not"
        yield Problem(rule, path=("dataset", word), received=words[word], hint="remove it")


def image_key_problems(spec: DatasetSpec, paths: Sequence[Path]) -> Iterator[Problem]:
    """Yield a problem for each word on image files in a dataset that has none."""
    tables = all(map(is_table, paths))
    column = image_column(spec)
    if are_images(paths) or (tables and column is not None):
        return
    if column is not None:
        rule = "is for a column of a table"
        yield Problem(rule, path=("dataset", "features", column), received="image", hint="remove it")
    for key in IMAGE_KEYS:
        if (value := getattr(spec, key)) is not None:
            hint = "remove it; the column of a table that names files needs kind: image"
            yield Problem("is for image files", path=("dataset", key), received=value, hint=hint)
