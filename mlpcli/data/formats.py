"""The formats of predictions, by the extension of their file."""

from __future__ import annotations

from pathlib import Path

from mlpcli.errors import Problem, UsageError

FORMATS = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".jsonl": "jsonl", ".npy": "npy"}


def format_of(output: Path) -> str:
    """Return the format that belongs to the suffix of an output file.

    Raises:
        UsageError: No format has this suffix.
    """
    if output.suffix not in FORMATS:
        rule = f"-o {output}: the extension must be one of {', '.join(FORMATS)}"
        raise UsageError(Problem(rule, received=output.suffix))
    return FORMATS[output.suffix]
