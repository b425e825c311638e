"""Read JSON Lines: an object a line, whose keys are the columns; nested objects give columns like `size.x`.

PyArrow's JSON reader would not do: it turns texts that look like times into times, fixes the types by its
first block, and names no line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, NoReturn

from mlpcli.data.readers.batch_table import BATCH_ROWS, BatchTable
from mlpcli.data.readers.charset import UTF_8
from mlpcli.data.readers.delimited import MAX_LINE_BYTES, open_utf8
from mlpcli.data.readers.header import MAX_COLUMNS
from mlpcli.data.readers.packed import PACKING_ERRORS, packing_of
from mlpcli.data.readers.row_errors import LineOrigin, check_memory
from mlpcli.data.readers.typed_columns import arrow_column
from mlpcli.data.types import ArrowColumn
from mlpcli.errors import ABSENT, DataError, Problem
from mlpcli.printable import is_unicode, shortened

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")  # the escape of one, or of half of one

MAX_DEPTH = 20
"""Of objects within objects."""

TOO_DEEP = "is nested too deeply", f"at most {MAX_DEPTH} objects may be within each other"

_known: dict[str, tuple[Any, ...]] = {}
"""The keys of the last file, which a command opens several times: first to check it, then to read it."""


class JsonLines(BatchTable):
    """A file of JSON Lines."""

    def __init__(self, path: Path, label: str) -> None:
        """Read the keys of all lines.

        Raises:
            DataError: a line is no JSON object; or there is none.
        """
        self.origin = self._origin = LineOrigin(label)
        self.path = path
        if path.stat().st_size == 0:
            self.origin.refuse_without_rows("is empty (0 bytes)")
        self.names = self._keys()

    def _keys(self) -> tuple[str, ...]:
        stat = self.path.stat()
        stamp = (str(self.path), stat.st_mtime_ns, stat.st_size)
        if _known.get("file") == stamp:
            return _known["keys"]
        names: dict[str, None] = {}
        for row in self._rows():
            names.update(dict.fromkeys(row))
            if len(names) > MAX_COLUMNS:
                self.origin.refuse(f"has more than {MAX_COLUMNS:,} keys, which are its columns")
        if not names:
            self.origin.refuse_without_rows(
                "holds no rows", hint='write an object a line, such as {"x": 1, "y": 2}'
            )
        _known.update(file=stamp, keys=tuple(names))
        return tuple(names)

    def batches(self, columns: Sequence[str]) -> Iterator[dict[str, ArrowColumn]]:
        """Yield some columns of all rows in their order; a key that a line lacks is a missing cell."""
        rows = self._rows()
        while some := list(islice(rows, BATCH_ROWS)):
            yield {name: arrow_column([row.get(name) for row in some]) for name in columns}

    def _rows(self) -> Iterator[dict[str, object]]:
        with self._opened() as file:
            yield from read_rows(self._checked(file), self._origin)

    def _opened(self) -> IO[bytes]:
        try:
            return open_utf8(self.path)
        except PACKING_ERRORS as error:
            return self._damaged(error)

    def _damaged(self, error: Exception) -> NoReturn:
        if not packing_of(self.path):
            raise error
        hint = "the file is damaged or incomplete"
        self.origin.refuse(f"cannot be decompressed as {packing_of(self.path)}", hint=hint)

    def _checked(self, file: IO[bytes]) -> Iterator[bytes]:
        packing, size = packing_of(self.path), 0
        stored = self.path.stat().st_size if packing else 0
        rest = b""
        try:
            while piece := file.read(1 << 20):
                size += len(piece)
                if packing:
                    check_memory(size, self.origin, packed=stored)
                *lines, rest = (rest + piece).split(b"\n")
                yield from lines
                if len(rest) > MAX_LINE_BYTES:
                    self.origin.refuse(f"has a line of more than {MAX_LINE_BYTES >> 20} MiB")
        except PACKING_ERRORS as error:
            self._damaged(error)
        yield rest


def read_rows(lines: Iterable[bytes], origin: LineOrigin) -> Iterator[dict[str, object]]:
    """Yield the objects of some lines, flat.

    Raises:
        DataError: a line is no JSON object; with its line.
    """
    origin.blanks.clear()
    row = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            origin.blanks.append(row)
            continue
        row += 1
        where = f"{origin.label} line {number}"
        value = _parsed(line, where)
        if not isinstance(value, _Object):
            hint = "write one object a line" if number == 1 else ""
            if number == 1 and line.lstrip()[:1] == b"[":
                hint = "the file is one JSON array: write its objects a line each, without commas between"
            _refuse(f"{where}: must be a JSON object, one a line", shortened(_text(line), 40), hint)
        found: dict[str, object] = {}
        try:
            _flatten(value, "", found, where, 1)
        except RecursionError:
            _refuse(f"{where}: {TOO_DEEP[0]}", ABSENT, TOO_DEEP[1])
        if _SURROGATE.search(line):
            _refuse_halves(found, where)
        yield found


def _parsed(line: bytes, where: str) -> object:
    try:
        return _DECODER.decode(line.decode(UTF_8))
    except UnicodeDecodeError as error:
        _refuse(f"{where}: must be UTF-8 text, it holds byte 0x{line[error.start]:02x}", ABSENT, "")
    except json.JSONDecodeError as error:
        _refuse(
            f"{where}, character {error.pos + 1}: is no JSON ({error.msg[:1].lower()}{error.msg[1:]})",
            shortened(_text(line), 40),
            "write one object a line",
        )
    except RecursionError:
        _refuse(f"{where}: {TOO_DEEP[0]}", ABSENT, TOO_DEEP[1])
    except ValueError:  # Python reads no whole number of more than 4300 digits
        _refuse(f"{where}: holds a number with too many digits", ABSENT, "")


def _text(line: bytes) -> str:
    return line.decode(UTF_8, "replace").strip()


class _Object(list[tuple[str, object]]):
    """An object as its pairs, so that a key that is there twice is seen."""


_DECODER = json.JSONDecoder(object_pairs_hook=_Object)


def _flatten(
    pairs: list[tuple[str, object]], before: str, found: dict[str, object], where: str, depth: int
) -> None:
    """Add the values of an object to a row; those of objects in it under names like `size.x`."""
    if depth > MAX_DEPTH:
        _refuse(f"{where}: {TOO_DEEP[0]}", ABSENT, TOO_DEEP[1])
    for key, value in pairs:
        name = f"{before}{key.strip()}"
        if isinstance(value, _Object):
            _flatten(value, f"{name}.", found, where, depth + 1)
            continue
        if not name:
            _refuse(f"{where}: holds an empty key", ABSENT, "a key is the name of a column")
        if name in found:
            _refuse(f"{where}: key {name!r} occurs more than once", ABSENT, "rename all but one")
        found[name] = plain(value)


def _refuse_halves(row: dict[str, object], where: str) -> None:
    """Refuse a row with half of a surrogate pair, which JSON can write and no file of text can hold."""
    for name, value in row.items():
        if not is_unicode(f"{name}{value}"):
            rule = f"{where}, key {name!r}: must be text, it holds half of a surrogate pair"
            _refuse(rule, ABSENT, "")


def plain(value: object) -> object:
    """Return a value of JSON, objects within lists as dicts."""
    if isinstance(value, _Object):
        return {key: plain(each) for key, each in value}
    return [plain(each) for each in value] if isinstance(value, list) else value


def _refuse(rule: str, received: object, hint: str) -> NoReturn:
    raise DataError(Problem(rule, received=received, hint=hint))
