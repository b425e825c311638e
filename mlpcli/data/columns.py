"""Named inputs: the values of a row that each takes, by column name, position, range, or kind of column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from mlpcli.data.dataset import Input
from mlpcli.data.features.encoders import CategoryEncoder
from mlpcli.data.features.image_encoder import ImageEncoder
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.errors import KeyPath, Problem, SpecError, listing, nearest
from mlpcli.spec.features import INPUT_KINDS, RANGE, InputKind, InputSpec
from mlpcli.spec.resolve import inline


def select_inputs(
    inputs: Mapping[str, InputSpec],
    features: Sequence[str],
    shape: tuple[int, ...],
    preprocessor: Preprocessor | None = None,
) -> tuple[Input, ...]:
    """Return the named inputs of the network.

    Args:
        inputs: their specs by name.
        features: names of a row's values; empty if they have none.
        shape: of a row.
        preprocessor: that encodes a raw column as one or more values; an input takes all of them.

    Returns:
        The inputs.

    Raises:
        SpecError: a column does not exist, or rows have no columns.
    """
    images = preprocessor.images if preprocessor is not None else ()
    problems: list[Problem] = list(_images_of_the_row(images)) if images and not inputs else []
    found: list[Input] = []
    apart = any("missing" in (each.kinds or ()) for each in inputs.values())
    kinds = kinds_of_values(shape, preprocessor, apart=apart)
    values = len(features) if preprocessor else shape[0] if shape else 0
    for name, spec in inputs.items():
        key = "columns" if spec.kinds is None else "kinds"
        path: KeyPath = ("inputs", name, key)
        if spec.columns is None and spec.kinds is None:
            found.append(Input(name, None, shape))
            problems += _images_of_the_row(images, name)
        elif len(shape) != 1:
            rows = " x ".join(map(str, shape))
            hint = f"remove {key} to take the whole row"
            problems.append(Problem(f"is for flat rows, one row here holds {rows}", path=path, hint=hint))
        elif spec.kinds is not None:
            places = tuple(place for place, kind in enumerate(kinds) if kind in spec.kinds)
            problems += [] if places else [_no_such_kind(spec.kinds, kinds, path)]
            found.append(_input(name, places, preprocessor, path, problems))
        else:
            assert spec.columns is not None
            positions = list(_positions(spec.columns, features, values, path))
            problems += (each for each in positions if isinstance(each, Problem))
            places = tuple(each for each in positions if not isinstance(each, Problem))
            if preprocessor is not None:
                places = preprocessor.positions([features[place] for place in places])
            found.append(_input(name, places, preprocessor, path, problems))
    if problems:
        raise SpecError(*problems)
    return tuple(found)


def _input(
    name: str,
    places: tuple[int, ...],
    preprocessor: Preprocessor | None,
    path: KeyPath,
    problems: list[Problem],
) -> Input:
    """Return an input of some values: of an image and nothing else, with height, width and channels."""
    if preprocessor is None or not preprocessor.images:
        return Input(name, places, (len(places),))
    taken = {*places}
    for each in preprocessor.images:
        span = preprocessor.spans[each.name]
        if span.start not in taken:
            continue
        if len(places) > len(span):
            rule = f"takes the images of column {each.name!r} beside other values"
            hint = f"an image is an input of its own: {{columns: [{inline(each.name)}]}}"
            problems.append(Problem(rule, path=path, hint=hint))
            break
        return Input(name, span, each.shape)
    return Input(name, places, (len(places),))


def _images_of_the_row(images: Sequence[ImageEncoder], name: str = "") -> Iterator[Problem]:
    """Yield a problem where an input takes the whole row, and with it images.

    Args:
        images: the columns of images.
        name: of the input; empty where there is a single one without a name.
    """
    if not images:
        return
    column = inline(images[0].name)
    rest = ", ".join(kind for kind in INPUT_KINDS if kind not in ("image", "text"))
    rule = f"must be named: the images of column {images[0].name!r} need an input of their own"
    if name:
        rule = f"takes the whole row, and so the images of column {images[0].name!r} beside other values"
    hint = f"write inputs: {{picture: {{columns: [{column}]}}, others: {{kinds: [{rest}]}}}}"
    yield Problem(rule, path=("inputs", name) if name else ("inputs",), hint=hint)


def kinds_of_values(
    shape: tuple[int, ...], preprocessor: Preprocessor | None, *, apart: bool
) -> tuple[InputKind, ...]:
    """Return the kind of column of each value of a row; rows of an array are numbers.

    Args:
        shape: of a row.
        preprocessor: that makes the values of a table's columns.
        apart: whether the values that mark missing cells are of the kind `missing`, not of their column's.
    """
    if preprocessor is None:
        number: InputKind = "numeric"
        return (number,) * (shape[0] if len(shape) == 1 else 0)
    found: list[InputKind] = []
    for encoder in preprocessor.encoders:
        marks = 1 if apart and not isinstance(encoder, CategoryEncoder) and encoder.indicator else 0
        found += [encoder.kind] * (encoder.width - marks)
        found += ["missing"] * marks
    return tuple(found)


def _no_such_kind(wanted: Sequence[InputKind], kinds: Sequence[InputKind], path: KeyPath) -> Problem:
    """Return the problem with kinds that no column has."""
    counts = ", ".join(f"{kind} ({kinds.count(kind)})" for kind in INPUT_KINDS if kind in kinds)
    hint = f"its values by kind: {counts}; name one of these, or remove the input and what reads it"
    return Problem("the data has no column of these kinds", path=path, received=[*wanted], hint=hint)


def _positions(
    columns: str | Sequence[str | int], features: Sequence[str], count: int, path: KeyPath
) -> Iterator[int | Problem]:
    if isinstance(columns, str):
        yield from _range(columns, features, count, path)
        return
    seen: set[int] = set()
    for index, column in enumerate(columns):
        place = _position(column, features, count, (*path, index))
        if isinstance(place, int) and place in seen:
            yield Problem("is listed twice", path=(*path, index), received=column)
        else:
            yield place
        if isinstance(place, int):
            seen.add(place)


def _position(column: str | int, features: Sequence[str], count: int, path: KeyPath) -> int | Problem:
    if isinstance(column, int):
        if -count <= column < count:
            return column % count
        return Problem(f"must be a position from 0 to {count - 1}", path=path, received=column)
    if column in features:
        return list(features).index(column)
    return no_feature(column, features, path)


def no_feature(column: str, features: Sequence[str], path: KeyPath) -> Problem:
    """Return the problem of a column of an input that is none of the features.

    Args:
        column: its name in the spec.
        features: of the dataset; none for arrays.
        path: of the name in the spec.
    """
    rule = "must be a feature of the dataset" if features else "must be a position, arrays name no columns"
    hint = nearest(column, features) or (f"the features are {listing(features)}" if features else "")
    return Problem(rule, path=path, received=column, hint=hint)


def _range(text: str, features: Sequence[str], count: int, path: KeyPath) -> Iterator[int | Problem]:
    """Yield the positions of `first:past_last`, with Python's meaning; or of a single column by its name."""
    match = re.fullmatch(RANGE, text)
    if match is None:
        yield _position(text, features, count, path)
        return
    places = range(count)[slice(*(None if part is None else int(part) for part in match.groups()))]
    ends = [int(part) for part in match.groups() if part is not None]
    if not places or any(not -count <= end <= count for end in ends):
        rule = f"must be a range inside 0:{count}"
        yield Problem(rule, path=path, received=text)
        return
    yield from places
