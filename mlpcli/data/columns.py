"""Named inputs: which of a row's values each takes, by column name, position or range."""

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
    """The inputs of the network over rows of `shape`, whose values are named by `features` where they are.

    A raw column that a `preprocessor` makes several values of brings all of these.

    Raises:
        SpecError: a column that is not there, or columns of rows that have none.
    """
    problems: list[Problem] = []
    made = []
    values = len(features) if preprocessor else shape[0] if shape else 0
    for name, spec in inputs.items():
        path: KeyPath = ("inputs", name, "columns")
        if spec.columns is None:
            made.append(Input(name, None, shape))
        elif len(shape) != 1:
            rows = " x ".join(map(str, shape))
            hint = "leave columns out to take the whole row"
            problems.append(Problem(f"is for flat rows, one row here holds {rows}", path=path, hint=hint))
        else:
            found = list(_positions(spec.columns, features, values, path))
            problems += (each for each in found if isinstance(each, Problem))
            places = tuple(each for each in found if not isinstance(each, Problem))
            if preprocessor is not None:
                places = preprocessor.positions([features[place] for place in places])
            made.append(Input(name, places, (len(places),)))
    if problems:
        raise SpecError(*problems)
    return tuple(made)


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
    """Python's own meaning of `first:past_last`; a single column by its name."""
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
