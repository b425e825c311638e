"""The fingerprint of a dataset: equal ones mean equal rows in equal splits, as equal numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mlpcli.data.dataset import Contract, Split
from mlpcli.data.stored.stored_array import blocks_of


def fingerprint(contract: Contract, splits: Mapping[str, Split]) -> str:
    """Return a sha256 over the contract and every split's x, y and weights, as hexadecimal digits."""
    of_data = (replace(each, levels=(), fitted=None) for each in contract.outputs)
    outputs = tuple(of_data)  # without what is of the network
    plain = replace(contract, outputs=outputs).to_json()
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for name, split in sorted(splits.items()):
        for part in (split.x, split.y, split.weights):
            for key, array in part.items() if isinstance(part, dict) else [("", part)]:
                if array is not None:
                    digest.update(f"{name} {key} {array.dtype.str} {array.shape}".encode())
                    for block in blocks_of(array):
                        digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()
