"""The fingerprint of a dataset: equal ones mean equal rows in equal splits, as equal numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mlpcli.data.dataset import Contract, Output, Split
from mlpcli.data.splitter import RowsOfSplit
from mlpcli.data.stored.stored_array import blocks_of

SHORT = 16
"""Digits of the digest of a split's targets."""


def fingerprint(contract: Contract, splits: Mapping[str, Split]) -> str:
    """Return a sha256 over the contract and every split's x, y and weights, as hexadecimal digits."""
    of_data = (replace(each, levels=(), fitted=None) for each in contract.outputs)
    outputs = tuple(of_data)  # without what is of the network
    plain = replace(contract, outputs=outputs).to_json()
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for name, split in sorted(splits.items()):
        for part in (split.x, split.y, split.weights):
            _add(digest.update, name, part)
    return digest.hexdigest()


def target_digests(splits: Mapping[str, Split]) -> dict[str, str]:
    """Return a short digest of the targets and weights of each split, by its name.

    Equal ones mean equal targets in equal order, as the network learns them: scaled by the training rows.
    """
    digests = {}
    for name, split in splits.items():
        digest = hashlib.sha256()
        for part in (split.y, split.weights):
            _add(digest.update, name, part)
        digests[name] = digest.hexdigest()[:SHORT]
    return digests


def unscaled_digests(rows_of: Mapping[str, RowsOfSplit], outputs: Sequence[Output]) -> dict[str, str]:
    """Return a short digest of each split's targets and weights as they were read, by its name.

    Scaled targets depend on the training rows, and weights of classes too: these digests do not.
    """
    digests = {}
    for name, rows in rows_of.items():
        digest = hashlib.sha256()
        for output in outputs:
            y = rows.y[output.name]
            _add(digest.update, output.name, np.asarray(y, np.float64) if output.kind == "numbers" else y)
        _add(digest.update, "weights", rows.weights)
        digests[name] = digest.hexdigest()[:SHORT]
    return digests


def _add(update: Callable[[bytes | memoryview], object], name: str, part: Any) -> None:
    """Add an array of a split, or several by name, to a digest."""
    for key, array in part.items() if isinstance(part, dict) else [("", part)]:
        if array is not None:
            update(f"{name} {key} {array.dtype.str} {array.shape}".encode())
            for block in blocks_of(array):
                update(np.ascontiguousarray(block).data)
