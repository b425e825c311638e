"""Open the bytes of a file, unpacked if its name says that it is packed: gzip, bzip2, xz, zstd, zip."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import IO, cast

from mlpcli.data.readers.find_files import PACKINGS, arrow_source
from mlpcli.data.readers.row_errors import Origin
from mlpcli.files import open_ordinary

PACKING_ERRORS = (gzip.BadGzipFile, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError)
"""What a damaged packed file raises when it is read."""


def packing_of(path: Path) -> str:
    """Return how a file is packed, by its extension; empty for a file that is not."""
    return PACKINGS.get(path.suffix.lower(), "")


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file's bytes, unpacked if its name ends in .gz, .bz2, .xz, .zst or .zip.

    Raises:
        DataError: a zip file holds no file, several, or an encrypted one.
    """
    packing = packing_of(path)
    if not packing:
        return open_ordinary(path)
    open_ordinary(path).close()
    if packing == "zip":
        return _only_member(path)
    if packing == "zstd":
        import pyarrow as pa

        source = arrow_source(path)
        return cast(IO[bytes], pa.input_stream(source, compression="zstd"))
    if packing == "gzip":
        return cast(IO[bytes], gzip.open(path, "rb"))
    return cast(IO[bytes], bz2.open(path, "rb") if packing == "bzip2" else lzma.open(path, "rb"))


def _only_member(path: Path) -> IO[bytes]:
    origin = Origin(str(path))
    try:
        with zipfile.ZipFile(path) as archive:  # the file stays open until its member is closed
            members = [each for each in archive.infolist() if not each.is_dir()]
            members = [each for each in members if not each.filename.startswith("__MACOSX/")]
            if len(members) != 1:
                hint = "unpack it, and name one of its files"
                origin.refuse("must hold one file", received=len(members), hint=hint)
            if members[0].flag_bits & 1:
                origin.refuse("is encrypted", hint="unpack it first")
            return archive.open(members[0])
    except NotImplementedError:  # such as Deflate64, which Windows takes for large files
        origin.refuse("is packed by a method that is not read", hint="unpack it first")
