"""Read text of any character set as UTF-8; the character set is detected while the text is read.

`charset_normalizer` would not do: it judges a whole text, and takes the few accented letters of a table for
any of thirty character sets. Here a text that is neither UTF-8 nor of Western Europe has to be declared.
"""

from __future__ import annotations

import codecs
import io
import re
from typing import IO

from mlpcli.data.readers.row_errors import Origin
from mlpcli.printable import shortened

UTF_8, WESTERN = "utf-8", "windows-1252"

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte-order marks, the longer first; each is at the start of a text of one character set."""

_STARTS = {
    b"\x1f\x8b": "gzip data",
    b"PK\x03\x04": "a zip or spreadsheet file",
    b"\xd0\xcf\x11\xe0": "a spreadsheet file",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF file",
    b"\x93NUMPY": "a NumPy file",
}

_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
"""Bytes that no text holds: a table whose first column is called `PAR1` is no Parquet file."""

_HIGH = re.compile(rb"[\x80-\xff]+")
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_NOT_WESTERN = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_LONG_RUN = 3
"""Letters in a row that are not ASCII; words of Western Europe have at most two."""

_HEAD = 65_536
MIN_NULS = 4
"""Fewer NUL bytes do not make UTF-16."""

_DECLARE = "save it as UTF-8, or name its character set: dataset: {charset: windows-1251}"


class Utf8Reader(io.BufferedIOBase):
    """The bytes of a text as UTF-8, without a byte-order mark.

    Attributes:
        charset: the character set; until a byte is not ASCII, UTF-8.
        example: the first words that are not ASCII, where the character set was guessed.
    """

    def __init__(self, file: IO[bytes], origin: Origin, charset: str = "", *, certain: bool = True) -> None:
        """Detect a byte-order mark, or UTF-16 without one.

        Args:
            file: the bytes of the text.
            origin: of the text.
            charset: that was declared; empty to detect it.
            certain: whether a declared character set holds also for a text that is UTF-8.

        Raises:
            DataError: the file is of another format.
        """
        self._file, self._origin = file, origin
        head = file.read(_HEAD)
        for start, kind in _STARTS.items():
            if head.startswith(start) and _CONTROLS.search(head):
                origin.refuse(f"must be text, this is {kind}", hint="is its extension right?")
        marked = next(((mark, name) for mark, name in _MARKS if head.startswith(mark)), (b"", ""))
        self.charset = marked[1] or (charset if certain else "") or _wide(head)
        self._decided = bool(self.charset)
        self._declared = charset
        self.charset = _plain_name(self.charset or UTF_8)
        self._waiting, self._ready = head[len(marked[0]) :], b""
        self._decoder = self._new_decoder()
        self._line = 1
        self.example = ""

    @property
    def guessed(self) -> bool:
        """Whether the character set was guessed from bytes that are not UTF-8."""
        return bool(self.example)

    def readable(self) -> bool:
        """Return true."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most `size` bytes, or all that are left; none at the end.

        Raises:
            DataError: the text is not of its character set, or that cannot be told.
        """
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        while not self._ready:
            piece, self._waiting = self._waiting or self._file.read(size), b""
            self._ready = self._recoded(piece)
            if self.charset != UTF_8 or not self._decided:
                self._line += self._ready.count(b"\n")
            if not piece:
                break
        found, self._ready = self._ready[:size], self._ready[size:]
        return found

    read1 = read

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _new_decoder(self) -> codecs.IncrementalDecoder:
        return codecs.getincrementaldecoder(self.charset)()

    def _recoded(self, piece: bytes) -> bytes:
        if self._decided and self.charset == UTF_8:
            return piece  # whether it is valid is found when rows are read
        if not self._decided:
            pending = self._decoder.getstate()[0]
            if piece.isascii() and not pending:
                return piece
            piece = pending + piece
            if not self._decide(piece):
                return piece[: len(piece) - len(self._decoder.getstate()[0])]
            if self.charset == UTF_8:
                return piece
        try:
            return self._decoder.decode(piece, final=not piece).encode()
        except UnicodeDecodeError as error:
            line = self._line + error.object[: error.start].count(b"\n")
            byte = error.object[error.start]
            self._origin.refuse(f"must be {self.charset} text, line {line} holds byte 0x{byte:02x}")

    def _decide(self, piece: bytes) -> bool:
        """Decide on UTF-8 or another character set; return whether the bytes were enough to do so."""
        decoder = self._new_decoder()
        try:
            text = decoder.decode(piece)
            if text.isascii():  # only an incomplete character at the end
                self._decoder = decoder
                return False
            self._decided = True
            return True
        except UnicodeDecodeError:
            self._decided = True
        runs = _HIGH.findall(piece)
        foreign = _is_foreign(piece, runs)
        valid = sum(map(len, _MULTIBYTE.findall(piece))) / sum(map(len, runs))
        if valid > (0.6 if foreign else 0.05) and not self._declared:
            return True  # UTF-8 with errors; some pairs of bytes of Chinese text look like UTF-8, too
        self.charset = self._declared or WESTERN
        first = _HIGH.search(piece)
        assert first is not None
        start = piece.rfind(b"\n", 0, first.start()) + 1
        line = self._line + piece[:start].count(b"\n")
        if not self._declared:
            if foreign:
                shown = " ".join(f"0x{byte:02x}" for byte in first[0][:4])
                rule = f"is text in a character set that cannot be detected, line {line} holds {shown}"
                self._origin.refuse(rule, hint=_DECLARE)
            word = re.search(rb"[\w' \x80-\xff-]*[\x80-\xff][\w' \x80-\xff-]*", piece)
            assert word is not None
            shown = shortened(word[0].decode(self.charset).strip(" "), 30)
            self.example = f"{shown!r} in line {line}"
        self._decoder = self._new_decoder()
        return True


def _is_foreign(piece: bytes, runs: list[bytes]) -> bool:
    """Return whether a text is not of Western Europe, by its runs of bytes that are not ASCII."""
    long = sum(len(run) >= _LONG_RUN for run in runs)
    return bool(_NOT_WESTERN.search(piece)) or long > 0.1 * len(runs)


def _plain_name(charset: str) -> str:
    """Return `utf-8` for each of its spellings; another name unchanged."""
    return UTF_8 if codecs.lookup(charset).name in (UTF_8, "utf-8-sig") else charset


def _wide(head: bytes) -> str:
    """Return UTF-16's name where every other byte of a text is NUL; empty otherwise."""
    nuls = [head[place::2].count(0) for place in (0, 1)]
    if sum(nuls) < max(MIN_NULS, 0.1 * len(head)):
        return ""
    low, name = (0, "utf-16-le") if nuls[1] > nuls[0] else (1, "utf-16-be")
    pairs = zip(head[low::2], head[1 - low :: 2], strict=False)
    letters = bytes(letter for letter, nul in pairs if nul == 0)
    readable = all(0x20 <= letter < 0x7F or letter >= 0xA0 or letter in b"\t\n\r" for letter in letters)
    return name if readable and any(end in letters for end in b"\n\r") else ""


def charset_note(label: str, reader: Utf8Reader) -> str:
    """Return what a person should know of a file's character set; empty for plain UTF-8."""
    if reader.guessed:
        return (
            f"{label}: is not UTF-8, read as {reader.charset} ({reader.example}); "
            "if that is wrong, name its character set: dataset: {charset: ...}"
        )
    return f"{label}: read as {reader.charset}" if reader.charset != UTF_8 else ""
