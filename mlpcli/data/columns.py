"""Named inputs: the values of a row that each takes, by column name, position or range."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from mlpcli.data.dataset import Input
from mlpcli.data.features.preprocessor import Preprocessor
from mlpcli.errors import KeyPath, Problem, SpecError, listing, nearest
from mlpcli.spec.schema import InputSpec

RANGE = re.compile(r"\s*(-?\d+)?\s*:\s*(-?\d+)?\s*")


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
    problems: list[Problem] = []
    found = []
    values = len(features) if preprocessor else shape[0] if shape else 0
    for name, spec in inputs.items():
        path: KeyPath = ("inputs", name, "columns")
        if spec.columns is None:
            found.append(Input(name, None, shape))
        elif len(shape) != 1:
            rows = " x ".join(map(str, shape))
            hint = "remove columns to take the whole row"
            problems.append(Problem(f"is for flat rows, one row here holds {rows}", path=path, hint=hint))
        else:
            positions = list(_positions(spec.columns, features, values, path))
            problems += (each for each in positions if isinstance(each, Problem))
            places = tuple(each for each in positions if not isinstance(each, Problem))
            if preprocessor is not None:
                places = preprocessor.positions([features[place] for place in places])
            found.append(Input(name, places, (len(places),)))
    if problems:
        raise SpecError(*problems)
    return tuple(found)


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
    rule = "must be a feature of the dataset" if features else "must be a position, arrays name no columns"
    hint = nearest(column, features) or (f"the features are {listing(features)}" if features else "")
    return Problem(rule, path=path, received=column, hint=hint)


def _range(text: str, features: Sequence[str], count: int, path: KeyPath) -> Iterator[int | Problem]:
    """Yield the positions of `first:past_last`, with Python's meaning; or of a single column by its name."""
    match = RANGE.fullmatch(text)
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
