"""The console on which everything is shown: it takes text, never markup.

A class may be named `[/]`, a column with an escape code, a file with bytes that are not UTF-8: rich would
parse the first as markup, a terminal would execute the second, a stream would reject the third. Here each
str becomes a `Text` by `printable`, wherever rich receives it, so the output holds no control characters
but rich's own colours. The rest of the program need not care; a test checks that nothing else creates a
console.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import IO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, JustifyMethod, OverflowMethod, RenderableType
from rich.control import Control
from rich.progress import Task, TextColumn
from rich.segment import ControlType, Segment
from rich.status import Status
from rich.style import Style, StyleType
from rich.table import Table
from rich.text import Span, Text

from mlpcli import signals
from mlpcli.printable import pieces, printable

PLAIN_WIDTH = 200
"""Width in columns of output that goes into a pipe, where nothing should wrap."""

PIPE_ROOM = 80
"""Columns that tables and progress lines take in a pipe; only messages are longer."""

NARROWEST_PIPE = 40
"""Fewer columns in COLUMNS count as this."""

LONGEST_NAME = 40
"""Width in columns of a name in a table; with four numbers next to it, the table fits a terminal of 80."""

SHOW_CURSOR = b"\r\n\x1b[?25h"
"""What shows the cursor again, on a line of its own."""


def pipe_room() -> int:
    """Return the columns of tables in a pipe: as the variable COLUMNS says, or 80."""
    given = os.environ.get("COLUMNS", "")
    return max(NARROWEST_PIPE, int(given)) if given.isascii() and given.isdigit() else PIPE_ROOM


class Screen(Console):
    """A console on a stream; plain and wide when the stream is not a terminal."""

    def __init__(self, stream: IO[str], *, width: int | None = None) -> None:
        terminal = stream.isatty()
        super().__init__(
            file=stream,
            force_terminal=terminal,
            width=width if width or terminal else PLAIN_WIDTH,
            highlight=False,
            markup=False,
            emoji=False,
            soft_wrap=not terminal,
        )

    @property
    def room(self) -> int:
        """The columns that a table may take."""
        return self.width if self.is_terminal else min(self.width, pipe_room())

    def show_cursor(self, show: bool = True) -> bool:
        """Show or hide the cursor; one that is hidden is shown again however the process ends."""
        done = super().show_cursor(show)
        if done:
            with contextlib.suppress(OSError, ValueError):  # a stream that is no file
                signals.write_on_quit(self.file.fileno(), b"" if show else SHOW_CURSOR)
        return done

    def erase_lines(self, count: int) -> None:
        """Erase the cursor's line and move up, so many times."""
        for _ in range(count):
            erase = (ControlType.ERASE_IN_LINE, 2)
            self.control(Control(ControlType.CARRIAGE_RETURN, erase, (ControlType.CURSOR_UP, 1)))

    def render_str(
        self,
        text: str,
        *,
        style: str | Style = "",
        justify: JustifyMethod | None = None,
        overflow: OverflowMethod | None = None,
        **markup_and_highlighting: object,
    ) -> Text:
        """Return the text unchanged, whatever markup is asked for."""
        return Text(self._shown(text), style=style, justify=justify, overflow=overflow)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of what is shown, each without control characters."""
        if isinstance(renderable, Text):
            renderable = self._clean(renderable)
        for segment in super().render(renderable, options):
            if segment.control or (segment.text.isascii() and segment.text.isprintable()):
                yield segment
            else:
                lines = segment.text.split("\n")
                yield Segment("\n".join(map(self._shown, lines)), segment.style)

    def status(
        self,
        status: RenderableType,
        *,
        spinner: str = "",
        spinner_style: StyleType = "status.spinner",
        speed: float = 1.0,
        refresh_per_second: float = 12.5,
    ) -> Status:
        """Return a spinner next to some words; by default one that the stream's encoding has."""
        return _Spinner(
            _as_text(status),
            console=self,
            spinner=spinner or ("dots" if self.encoding.startswith("utf") else "line"),
            spinner_style=spinner_style,
            speed=speed,
            refresh_per_second=refresh_per_second,
        )

    def _shown(self, text: str) -> str:
        return self._encodable(printable(text))

    def _encodable(self, shown: str) -> str:
        """Return the text with escapes for characters that the stream's encoding lacks."""
        if shown.isascii() or self.encoding.replace("-", "").startswith("utf"):
            return shown
        encoded = shown.replace("\N{HORIZONTAL ELLIPSIS}", "~").encode(self.encoding, "backslashreplace")
        return encoded.decode(self.encoding)

    def _clean(self, text: Text) -> Text:
        """Return the text with escapes, its styles where they were."""
        if self._shown(text.plain) == text.plain:
            return text
        shown = [self._encodable(piece) for piece in pieces(text.plain)]
        places = [0, *itertools.accumulate(map(len, shown))]
        clean = text.blank_copy("".join(shown))
        clean.spans.extend(Span(places[span.start], places[span.end], span.style) for span in text.spans)
        return clean


class Lines:
    """Lines that fit the console; to wrap each of them as a text would take three times as long."""

    def __init__(self, lines: Sequence[Text]) -> None:
        self.lines = lines

    def __rich_console__(self, out: Console, options: ConsoleOptions) -> Iterable[Segment]:
        for number, line in enumerate(self.lines):
            if number:
                yield Segment.line()
            yield from line.render(out)


class _Spinner(Status):
    """Rich's spinner, which parses every str as markup, with plain text."""

    def update(
        self,
        status: RenderableType | None = None,
        *,
        spinner: str | None = None,
        spinner_style: StyleType | None = None,
        speed: float | None = None,
    ) -> None:
        """Change the words next to it, or the spinner."""
        shown = None if status is None else _as_text(status)
        super().update(shown, spinner=spinner, spinner_style=spinner_style, speed=speed)


class WordsColumn(TextColumn):
    """Words in a progress bar, as plain text: rich's own column parses them as markup."""

    def __init__(self, text_format: str) -> None:
        super().__init__(text_format, markup=False)

    def render(self, task: Task) -> Text:
        """Return the words for a task."""
        return Text(printable(super().render(task).plain))


def _as_text(words: RenderableType) -> RenderableType:
    return Text(printable(words)) if isinstance(words, str) else words


def console(*, stderr: bool = False) -> Screen:
    """Return a console on the current stdout or stderr."""
    return Screen(sys.stderr if stderr else sys.stdout)


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    names: Collection[int] = (0,),
    longest: int = LONGEST_NAME,
) -> Table:
    """Return a plain table, its first column aligned left, the others right.

    Args:
        columns: the header.
        rows: one text per cell.
        names: positions of columns of texts from outside. Where the console is too narrow, they are cut; the
            numbers beside them are not.
        longest: the largest width of such a text, in columns of the terminal.
    """
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, name in enumerate(columns):
        side: JustifyMethod = "left" if index == 0 else "right"
        head = _name(name, LONGEST_NAME)
        shown.add_column(head, justify=side, header_style="bold", no_wrap=index not in names)
    for row in rows:
        shown.add_row(*(_name(cell, longest) if index in names else cell for index, cell in enumerate(row)))
    return shown


def _name(text: str, longest: int) -> Text:
    """Return a cell that is cut where there is less room."""
    return Text(cut(text, longest), no_wrap=True, overflow="ellipsis")


def width_of(text: str) -> int:
    """Return the columns of the screen that a text takes."""
    return cell_len(text)


def cut(text: str, width: int) -> str:
    """Return a text from outside in at most `width` columns of a terminal, with an ellipsis for the rest."""
    shown = printable(text[: 4 * width])
    if width_of(shown) <= width and len(text) <= 4 * width:
        return shown
    return set_cell_size(shown, width - 3).rstrip() + "..."
