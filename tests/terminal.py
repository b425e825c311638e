"""A terminal for tests: what is on its screen after the codes that Rich writes."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
from pathlib import Path

TOKENS = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n])")


class Terminal(io.StringIO):
    """A stream that is a terminal; `rows` is what it shows, `wrapped` how many lines were too long."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width, self.rows, self.row, self.column = width, [""], 0, 0
        self.wrapped, self.cursor, self.drawings, self.written = 0, True, 0, ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        self.written += text
        for private, numbers, letter, control, char in TOKENS.findall(text):
            if char:
                self._put(char)
            elif control == "\r":
                self.column = 0
                self.drawings += 1
            elif control == "\n":
                self._down()
                self.column = 0
            elif letter == "A":
                self.row = max(0, self.row - int(numbers or 1))
            elif letter == "K":
                self.rows[self.row] = ""
            elif private and numbers == "25":
                self.cursor = letter == "h"
        return len(text)

    def _put(self, char: str) -> None:
        if self.column >= self.width:
            self.wrapped += 1
            self._down()
            self.column = 0
        line = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = line[: self.column] + char + line[self.column + 1 :]
        self.column += 1

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append("")

    def narrow(self, width: int) -> None:
        """Become narrower, and wrap the lines anew, as most terminals do."""
        above = "\n".join(self.rows[: self.row + 1])
        rows = [
            line[at : at + width] for line in above.split("\n") for at in range(0, max(1, len(line)), width)
        ]
        self.width, self.rows, self.row = width, rows, len(rows) - 1
        self.column = len(rows[-1])

    def shown(self) -> str:
        return "\n".join(line.rstrip() for line in self.rows)


def run_on_terminal(command: list[str], *, folder: Path, encoding: str = "utf-8") -> tuple[int, bytes]:
    """Run a command on a terminal of its own; return its exit status and what it wrote."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "PYTHONIOENCODING": encoding}
    with subprocess.Popen(
        command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # what Linux says when the other side has closed
            pass
    os.close(ours)
    return process.returncode, shown
