"""The preprocessors of several models side by side: one row becomes what each of them reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mlpcli.data.features.encoded import Encoded
from mlpcli.data.features.encoders import CategoryEncoder, DateEncoder, Encoder, NumericEncoder
from mlpcli.data.features.image_encoder import ImageEncoder
from mlpcli.data.features.preprocessor import Preprocessor, Transformed
from mlpcli.data.readers.parse_cells import ParsedColumn
from mlpcli.data.types import Array


@dataclass(frozen=True)
class StackedPreprocessor(Preprocessor):
    """Encodes each row once for every member, the results side by side.

    Its `encoders` say which raw columns are read, and which values some member has learned from; each member
    encodes by its own. A category counts as unseen, and a number as out of range, only where it is so for
    every member; a cell that one of them cannot read is unreadable.

    Attributes:
        members: the preprocessors, of the same raw columns.
    """

    members: tuple[Preprocessor, ...] = ()

    @property
    def starts(self) -> tuple[int, ...]:
        """The position in the matrix at which each member's columns begin."""
        return tuple(sum(each.width for each in self.members[:place]) for place in range(len(self.members)))

    @cached_property
    def spans(self) -> dict[str, range]:
        """Refuse to answer: a raw column is in several places.

        Raises:
            TypeError: always; ask a member.
        """
        raise TypeError("a raw column has a span in each member")

    @property
    def width(self) -> int:
        """The number of columns of the matrix."""
        return sum(each.width for each in self.members)

    def image_at(self, place: int) -> ImageEncoder:
        """Return the encoder of the image that begins at a column of the matrix: one of the first member."""
        return self.members[0].image_at(place)

    def places_beside_images(self, places: Sequence[int]) -> tuple[int, ...]:
        """Return where in the matrix without images some columns of this matrix are."""
        less = sum(each.width for each in self.images)
        first, *_ = self.members
        return tuple(
            first.places_beside_images([place])[0] if place < first.width else place - less
            for place in places
        )

    def transform(self, columns: Mapping[str, ParsedColumn]) -> Transformed:
        """Encode rows and release the parsed cells; each column is parsed once."""
        rows = len(columns[self.encoders[0].name])
        x = np.empty((rows, self.width), np.float32)
        found: dict[str, Encoded] = {}
        for name in self.names:
            known: dict[Encoder, Encoded] = {}
            for start, member in zip(self.starts, self.members, strict=True):
                if name not in member.spans:  # an image, which all members read alike
                    continue
                encoder, span = member.encoder(name), member.spans[name]
                if encoder not in known:
                    known[encoder] = encoder.encode(columns[name])
                x[:, start + span.start : start + span.stop] = known[encoder].values
            columns[name].release()
            found[name] = _together(tuple(known.values()))
        return Transformed(x, found)

    def to_json(self) -> dict[str, object]:
        """Return the preprocessors as plain JSON values."""
        return {"members": [each.to_json() for each in self.members]}


def _together(found: Sequence[Encoded]) -> Encoded:
    """Return what several encoders found in the rows of one column; the values are the first's."""
    first, *others = found
    missing, unreadable, unseen, outside = first.missing, first.unreadable, first.unseen, first.outside
    for each in others:
        missing = _either(missing, each.missing)
        unreadable = _either(unreadable, each.unreadable)
        unseen, outside = np.intersect1d(unseen, each.unseen), np.intersect1d(outside, each.outside)
    return Encoded(first.values, missing, unreadable, unseen, outside)


def _either(one: Array, other: Array) -> Array:
    return one if one is other else np.union1d(one, other)


def stack_preprocessors(members: Sequence[Preprocessor]) -> Preprocessor:
    """Return a preprocessor of rows for several models: one for all where they encode alike, else a stack.

    Args:
        members: their own, of the same raw columns, read alike.

    Raises:
        ValueError: they read other columns, or read them otherwise.
    """
    first = members[0]
    for place, each in enumerate(members[1:], 2):
        if {*each.names} != {*first.names}:
            apart = sorted({*each.names} ^ {*first.names})
            raise ValueError(f"member {place} reads other columns than the first: {', '.join(apart)}")
        wrong = [name for name in first.names if each.encoder(name).text != first.encoder(name).text]
        if wrong or each.dialect != first.dialect:
            what = f"column {wrong[0]!r}" if wrong else "the file"
            raise ValueError(f"member {place} reads {what} otherwise than the first")
    encoders = tuple(_widest([each.encoder(name) for each in members]) for name in first.names)
    orders = {each.names for each in members}
    images = {tuple(sorted(each.images, key=lambda image: image.name)) for each in members}
    if len(images) > 1:
        raise ValueError("they read images in different sizes or colors")
    if len(orders) == 1 and len({tuple(map(_without_limits, each.encoders)) for each in members}) == 1:
        return replace(first, encoders=encoders)
    others = [each.without_images() if each.images else each for each in members[1:]]
    return StackedPreprocessor(encoders, first.dialect, members=(first, *others))


def _without_limits(encoder: Encoder) -> Encoder:
    """Return an encoder without what only its messages need: two that are then equal encode alike."""
    if isinstance(encoder, NumericEncoder):
        return replace(encoder, lowest=float("-inf"), highest=float("inf"))
    if isinstance(encoder, DateEncoder):
        return replace(encoder, lowest=0, highest=0)
    return encoder


def _widest(encoders: Sequence[Encoder]) -> Encoder:
    """Return the first of several encoders of a column, with the values that any of them has learned from."""
    first = encoders[0]
    if isinstance(first, NumericEncoder):
        found = [each for each in encoders if isinstance(each, NumericEncoder)]
        low, high = min(each.lowest for each in found), max(each.highest for each in found)
        return replace(first, lowest=low, highest=high)
    if isinstance(first, DateEncoder):
        dates = [each for each in encoders if isinstance(each, DateEncoder)]
        return replace(
            first, lowest=min(each.lowest for each in dates), highest=max(each.highest for each in dates)
        )
    if isinstance(first, CategoryEncoder) and len({*encoders}) > 1:
        known = [each for each in encoders if isinstance(each, CategoryEncoder)]
        values = sorted({value for each in known for value in each.values})
        rare = sorted({value for each in known for value in each.rare} - {*values})
        return replace(first, values=tuple(values), rare=tuple(rare))
    return first
