"""Tables that keep what matters whole where there is little room: fewer columns, or several tables.

A pipe has 80 columns, as most terminals have. Names wrap, or move to a line of their own; nothing is cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from mlpcli.printable import printable
from mlpcli.program_name import as_called
from mlpcli.report.screen import LONGEST_NAME, Screen, cut, table, width_of

NARROWEST = 12
"""Columns that a text which wraps has at least."""

MOST_CLASSES = 12
"""Classes whose rows are listed."""

MOST_LAYERS, SHOWN_LAYERS = 24, (12, 8)
"""Layers from which a table of them is collapsed, and those at its beginning and its end that stay."""


def whole_table(
    out: Screen, columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: Sequence[int] = ()
) -> Table | None:
    """Return a table whose first column wraps if it must; None where the others leave it no room.

    Args:
        out: the console.
        columns: the header.
        rows: one text per cell.
        left: positions of further columns that are aligned left.
    """
    widths = [
        max([width_of(name), *(width_of(printable(row[index])) for row in rows)]) + 2
        for index, name in enumerate(columns)
    ]
    room = out.room - sum(widths[1:])
    if room < min(NARROWEST, widths[0]):
        return None
    shown = table(columns, [], names=())
    for index in left:
        shown.columns[index].justify = "left"
    first = shown.columns[0]
    first.no_wrap, first.overflow, first.max_width = False, "fold", max(1, min(room, widths[0]) - 2)
    for row in rows:
        shown.add_row(*(Text(printable(cell), overflow="fold") for cell in row))
    return shown


def shape_text(shape: Sequence[int | None]) -> str:
    """Return what a row becomes in a layer, as `28 x 28`; nothing for a layer whose shape is not known."""
    return " x ".join(str(size) for size in shape[1:]) or ("1" if shape else "")


def layer_table(out: Screen, columns: Sequence[str], rows: Sequence[Sequence[str]], names: int) -> Table:
    """Return a table of layers in which the names that begin each row wrap where there is little room.

    Args:
        out: the console.
        columns: the header.
        rows: one text per cell.
        names: how many columns hold names; the last two of these wrap, and are aligned left.
    """
    shown = table(columns, [], names=())
    widths = [
        max([width_of(name), *(width_of(printable(row[index])) for row in rows)]) + 2
        for index, name in enumerate(columns)
    ]
    wrapping = (names - 2, names - 1)
    room = out.room - sum(width for index, width in enumerate(widths) if index not in wrapping)
    kind = min(widths[names - 1], max(room // 2, room - widths[names - 2]))
    for index, width in zip(wrapping, (room - kind, kind), strict=True):
        column = shown.columns[index]
        column.justify, column.no_wrap, column.overflow = "left", False, "fold"
        column.max_width = max(NARROWEST - 2, width - 2)
    for row in rows:
        shown.add_row(*(Text(printable(cell), overflow="fold") for cell in row))
    return shown


def wrapped(pairs: Sequence[str], room: int, *, indent: str) -> list[str]:
    """Return short texts in lines of at most `room` columns, each a whole; later lines are indented.

    Args:
        pairs: the texts, such as `loss 0.25`.
        room: columns of a line.
        indent: before the lines after the first.
    """
    lines: list[str] = []
    for pair in pairs:
        if lines and width_of(lines[-1]) + 2 + width_of(pair) <= room:
            lines[-1] += f"  {pair}"
        else:
            lines.append((indent if lines else "") + pair)
    return lines


def wrapped_text(text: str, room: int, label: str = "") -> list[str]:
    """Return a sentence in lines of at most `room` columns, the first after a label, the others indented.

    A word, such as a path, and a command of this program stay whole, also where they are longer.

    Args:
        text: the sentence.
        room: columns of a line.
        label: what the first line begins with.
    """
    indent = " " * (width_of(label) or 2)
    lines = [label]
    for number, word in enumerate(map(as_called, _words(text))):
        if number and width_of(lines[-1]) + 1 + width_of(printable(word)) > room:
            lines.append(indent + word)
        else:
            lines[-1] += f" {word}" if number else word
    return lines


def _words(text: str) -> list[str]:
    """Return the words of a sentence; from `mlpcli` on, a command to its end is one of them."""
    before, found, command = f" {text}".partition(" mlpcli ")
    words = before[1:].split(" ") if before else []
    if not found:
        return words
    command, sign, rest = command.partition("; ")
    return [*words, f"mlpcli {command}{sign.strip()}", *(rest.split(" ") if sign else ())]


def collapsed(rows: Sequence[tuple[str, ...]], most: int, kept: tuple[int, int]) -> list[tuple[str, ...]]:
    """Return the rows of a table; of more than `most`, the first and the last, and between them how many.

    Args:
        rows: one text per cell.
        most: rows that a table may have.
        kept: how many rows at the beginning and at the end stay where there are more.
    """
    if len(rows) <= most:
        return list(rows)
    first, last = kept
    between = f"... {len(rows) - first - last:,} more"
    return [*rows[:first], (between, *("" for _ in rows[0][1:])), *rows[-last:]]


def _more(rest: int) -> str:
    return f"  +{rest} more" if rest else ""


def as_many(pairs: Sequence[str], room: int, *, first: Sequence[int] = (), counted: bool = True) -> str:
    """Return as many short texts as one line holds, in their order.

    Args:
        pairs: the texts, such as `loss 0.25`.
        room: columns of the line.
        first: positions of the most important ones, which are taken first.
        counted: say how many are left out.
    """
    order = [*first, *(index for index in range(len(pairs)) if index not in first)]
    taken: list[int] = []
    for index in order:
        chosen = sorted([*taken, index])
        rest = len(pairs) - len(chosen)
        line = "  ".join(pairs[each] for each in chosen) + _more(rest if counted else 0)
        if taken and width_of(line) > room:
            break
        taken.append(index)
    rest = len(pairs) - len(taken)
    return "  ".join(pairs[index] for index in sorted(taken)) + _more(rest if counted else 0)


def shares_text(counts: Mapping[str, int]) -> str:
    """Return rows by class in words: `2: no 750 (75.0%), yes 250 (25.0%)`."""
    total = max(1, sum(counts.values()))
    shown = [
        f"{cut(name, LONGEST_NAME)} {count:,} ({100 * count / total:.1f}%)" for name, count in counts.items()
    ]
    rest = len(shown) - MOST_CLASSES
    return f"{len(counts)}: " + ", ".join(shown[:MOST_CLASSES]) + (f" and {rest} more" if rest > 0 else "")
