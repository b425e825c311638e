"""Numbers in the sentences of findings."""

from __future__ import annotations


def number(value: float | None) -> str:
    """Return a number with four digits."""
    return "unknown" if value is None else f"{value:.4g}"


def percent(share: float) -> str:
    """Return a share as a percentage."""
    return f"{100 * share:.0f}%" if abs(share) >= 0.1 else f"{100 * share:.2g}%"
