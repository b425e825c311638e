"""What every section of a spec has in common."""

from __future__ import annotations

from pydantic import ConfigDict

STRICT = ConfigDict(strict=True, frozen=True, extra="forbid", populate_by_name=True)
"""Strict types, no unknown keys, immutable."""
