"""Whether two runs have the same rows in a split, by their records."""

from __future__ import annotations

from mlpcli.runs.record_models import DataFacts

SCALING = ("scale", "offset", "log", "quantiles")
"""What the contract has of an output's scaling."""


def same_rows(first: DataFacts, second: DataFacts, split: str) -> bool | None:
    """Return whether the targets of a split are the same in two runs, row by row; None if it is not known.

    Runs made before unscaled targets were recorded have a digest of the scaled ones: another digest means
    other rows if the scaling is the same. Still earlier runs have the same rows if their fingerprints are
    equal; these are others too where only columns were chosen otherwise.
    """
    for one, two in ((first.unscaled_targets, second.unscaled_targets), (first.targets, second.targets)):
        if split in one and split in two:
            if one[split] == two[split]:
                return True
            as_read = one is first.unscaled_targets
            return (
                False if as_read or _scaling(first) == _scaling(second) else _by_count(first, second, split)
            )
    return True if first.fingerprint == second.fingerprint else _by_count(first, second, split)


def _by_count(first: DataFacts, second: DataFacts, split: str) -> bool | None:
    return False if first.rows.get(split) != second.rows.get(split) else None


def _scaling(data: DataFacts) -> list[list[object]]:
    return [[each.get(key) for key in SCALING] for each in data.contract.get("outputs", [])]
