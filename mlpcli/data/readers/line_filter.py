"""Blank the comment lines of a text, and make one blank of several between cells, line by line.

Lines stay lines, so that a message names the line of the file.
"""

from __future__ import annotations

import io
import re
from typing import IO

_QUOTED = re.compile(rb'"[^"]*(?:"|\Z)|[ \t]+')
_EDGES = re.compile(rb"(?:\A|(?<=[\r\n])) | (?=[\r\n]|\Z)")
_ENDS = re.compile(rb"[\r\n]*\Z")
_MOST = 64 << 20  # a longer line is passed on as it is, and refused by who reads it


class LineFilter(io.RawIOBase):
    """A text in UTF-8 without its comments."""

    def __init__(self, file: IO[bytes], comment: str, *, blanks: bool) -> None:
        """Keep the text.

        Args:
            file: the text, in UTF-8.
            comment: how the lines begin that are left empty; empty for none.
            blanks: whether cells are separated by one or more blanks or tabs.
        """
        self._file, self._blanks = file, blanks
        self._comment = comment.encode()
        start = rb"(?:\A|(?<=[\r\n]))" + re.escape(self._comment) + rb"[^\r\n]*"
        self._lines = re.compile(start) if comment else None
        self._rest = self._ready = b""
        self._open = False  # inside a quoted cell that began in a line above

    def readable(self) -> bool:
        """Return true."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most `size` bytes, or all that are left; none at the end."""
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        while not self._ready:
            piece = self._file.read(size)
            self._rest += piece
            cut = self._rest.rfind(b"\n") + 1 if piece else len(self._rest)
            if not cut and len(self._rest) > _MOST:
                cut = len(self._rest)
            self._ready, self._rest = self._clean(self._rest[:cut]), self._rest[cut:]
            if not piece:
                break
        found, self._ready = self._ready[:size], self._ready[size:]
        return found

    read1 = read

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _clean(self, text: bytes) -> bytes:
        if b'"' in text or self._open:
            return b"".join(map(self._clean_line, text.splitlines(keepends=True)))
        if self._lines is not None:
            text = self._lines.sub(b"", text)
        if self._blanks:
            text = _EDGES.sub(b"", re.sub(rb"[ \t]+", b" ", text))
        return text

    def _clean_line(self, line: bytes) -> bytes:
        end = _ENDS.search(line)
        assert end is not None
        if not self._open and self._comment and line.startswith(self._comment):
            return end[0]
        before = self._open
        if before or re.search(rb'(?:^|[^\w"])"', line):
            self._open ^= line.count(b'"') % 2 == 1
        if self._blanks and not before:
            bare = _QUOTED.sub(
                lambda found: b" " if found[0][:1] in b" \t" else found[0], line[: end.start()]
            )
            return (bare if self._open else bare.strip(b" ")) + end[0]
        return line
