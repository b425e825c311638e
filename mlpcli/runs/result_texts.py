"""Results as short texts, for the `repr` of what the Python API returns: what a notebook shows of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mlpcli.printable import printable

LONGEST_NAME = 40
"""Characters of a name in a table."""

MOST_ROWS = 12
"""Rows of a table."""


def format_number(value: float) -> str:
    """Return a number for a table: four significant digits, without an exponent where none is needed.

    A mean in float32 has seven digits at most: with more, 633 of 800 rows would be 0.7912 of Keras's float32
    and 0.7913 of a float64.
    """
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        value = float(f"{value:.7g}")
        return f"{value:.4f}" if abs(value) < 100 else f"{value:.2f}"
    if 1e5 <= abs(value) < 1e9:
        return f"{value:.0f}"  # a price: four digits would make all of them equal
    return f"{value:.3e}"


def between(ends: tuple[float, float] | None) -> str:
    """Return the ends of an interval; an empty text for none."""
    return "" if ends is None else f"{format_number(ends[0])} to {format_number(ends[1])}"


def text_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of texts: the first column to the left, the others to the right.

    Args:
        columns: their headings; one whose cells are all empty is left out.
        rows: the cells. After MOST_ROWS a line counts the rest.
    """
    cells = [[_short(cell) for cell in row] for row in rows]
    rest = len(cells) - MOST_ROWS
    cells = cells[:MOST_ROWS] if rest > 0 else cells
    kept = [place for place in range(len(columns)) if not cells or any(row[place] for row in cells)]
    lines = [[columns[place] for place in kept], *([row[place] for place in kept] for row in cells)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(kept))]
    shown = []
    for first, *others in lines:
        right = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        shown.append("  ".join([f"{first:{widths[0]}}", *right]).rstrip())
    return "\n".join(shown + ([f"and {rest:,} more"] if rest > 0 else []))


def metric_table(metrics: Mapping[str, float], bounds: Mapping[str, tuple[float, float]]) -> str:
    """Return metrics with their intervals."""
    rows = [(name, format_number(value), between(bounds.get(name))) for name, value in metrics.items()]
    return text_table(("metric", "value", "95% interval"), rows)


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 3]}..."
