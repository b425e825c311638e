"""Which columns each input of a network holds, in words for a figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mlpcli.data.dataset import Contract
from mlpcli.data.raw_columns import column_places
from mlpcli.printable import counted

MOST_CHARACTERS = 44
"""Of the names of few columns; of more columns the number and the kinds are given."""


MISSING = "missing (0 or 1)"
"""A column that only says which cells of a column are empty."""


def input_contents(contract: Contract) -> dict[str, str]:
    """Return what each input holds, by its name: `rooms, town`, or `7 numeric, 2 categorical`.

    Args:
        contract: of a run; its only input may have no name, which is empty here. An input of images, of
            sequences, or of an array without names of columns is left out.
    """
    places = column_places(contract)
    encoders = () if contract.preprocessor is None else contract.preprocessor.encoders
    kinds = {encoder.name: encoder.kind for encoder in encoders}
    gaps = {each.name for each in encoders if getattr(each, "indicator", False)}
    if not places or not contract.features:
        return {}
    inputs = [(each.name, each.columns) for each in contract.inputs] or [("", None)]
    found: dict[str, str] = {}
    for name, own in inputs:
        read = set(own or ())
        columns = [column for column, at in places.items() if own is None or not read.isdisjoint(at)]
        alone = {
            each
            for each in gaps.intersection(columns)
            if read.intersection(places[each]) == {places[each][-1]}
        }
        words = [f"{each} missing" if each in alone else each for each in columns]
        if columns:
            held = (MISSING if each in alone else kinds.get(each, "numeric") for each in columns)
            found[name] = _words(words, list(held))
    return found


def _words(columns: Sequence[str], kinds: Sequence[str]) -> str:
    names = ", ".join(columns)
    if len(names) <= MOST_CHARACTERS:
        return names
    counts = Counter(kinds)
    if len(counts) == 1:
        return counted(len(columns), f"{kinds[0]} column")
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
