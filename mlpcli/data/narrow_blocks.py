"""Blocks of rows that are small enough once encoded: a cell of text becomes thousands of values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mlpcli.data.readers.delimited_stream import Block

MOST_VALUES = 50_000_000
"""Of an encoded block: 200 MB."""


def narrow_blocks(block: Block, width: int) -> Iterator[Block]:
    """Yield the rows of a block in one or more blocks; the errors of ragged rows go with the first.

    Args:
        block: of rows.
        width: the number of values that a row is encoded as.
    """
    rows = max(1, MOST_VALUES // max(1, width))
    if len(block.positions) <= rows:
        yield block
        return
    for start in range(0, len(block.positions), rows):
        columns = {name: column[start : start + rows] for name, column in block.columns.items()}
        ragged = block.ragged if not start else []
        yield replace(block, columns=columns, positions=block.positions[start : start + rows], ragged=ragged)
