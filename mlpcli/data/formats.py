"""The formats of predictions, by the extension of their file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from mlpcli.errors import Problem, UsageError, nearest

FORMATS = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".jsonl": "jsonl", ".npy": "npy"}


def format_of(output: Path, *, without: Collection[str] = ()) -> str:
    """Return the format that belongs to the suffix of an output file.

    Args:
        output: The file.
        without: Suffixes that a message does not offer, because the caller refuses them.

    Raises:
        UsageError: No format has this suffix.
    """
    if output.suffix not in FORMATS:
        allowed = [suffix for suffix in FORMATS if suffix not in without]
        rule = f"-o {output}: the extension must be one of {', '.join(allowed)}"
        raise UsageError(Problem(rule, received=output.suffix, hint=nearest(output.suffix, allowed)))
    return FORMATS[output.suffix]
