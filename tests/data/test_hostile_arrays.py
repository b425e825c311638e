# ruff: noqa: E501 (a message stands on one line, as it is shown)
"""NumPy files from somebody who means no good: what each header claims, what each archive holds."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.data.readers import row_errors
from tests.conftest import Result

Run = Callable[..., Result]

SPEC = """\
dataset: {{path: {name}{target}, test: null, validation: null}}
layers: [Dense: {{units: 1}}]
loss: mse
"""
DAMAGED = "the file is damaged or incomplete"


def npy(array: Any) -> bytes:
    """An array as the bytes of an .npy file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def header(text: str, version: tuple[int, int] = (1, 0)) -> bytes:
    """The bytes of an .npy file with a header that claims anything."""
    content = text.encode("latin1") + b"\n"
    size = struct.pack("<H" if version == (1, 0) else "<I", len(content))
    return b"\x93NUMPY" + bytes(version) + size + content + b"\0" * 64


def claim(shape: str, descr: str = "'<f4'") -> bytes:
    """An .npy file that claims a shape."""
    return header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}")


X = np.arange(24, dtype=np.float32).reshape(12, 2)

ARRAYS: list[tuple[str, bytes, str]] = [
    ("petabytes", claim("(1000000000000, 1000)"), "array 'x' claims 4,000,000,000,000,000 bytes, the file holds 64; the file is damaged"),
    ("beyond int64", claim("(10000000000, 10000000000)"), "bytes, the file holds 64; the file is damaged"),
    ("negative", claim("(-1, 4)"), "array 'x' claims -16 bytes, the file holds 64; the file is damaged"),
    ("two negatives", claim("(-2, -2)"), "array 'x' claims 16 bytes, the file holds 64; the file is damaged"),
    ("no shape", claim("5"), f"cannot be read as npy; {DAMAGED}"),
    ("a call", claim("__import__('os').getcwd()"), f"cannot be read as npy; {DAMAGED}"),
    ("many dimensions", claim("(" + "1, " * 100 + ")"), f"cannot be read as npy; {DAMAGED}"),
    ("deep", header("(" * 5000 + ")" * 5000), f"cannot be read as npy; {DAMAGED}"),
    ("long", header("{" + " " * 60_000 + "}"), f"cannot be read as npy; {DAMAGED}"),
    ("version 3", header("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 4)}", (3, 0)), "array 'x' must hold numbers or text, not records"),
    ("version 9", header("{}", (9, 9)), "array 'x' must hold numbers or text, not records"),
    ("objects", npy(np.array([[1, {}]], dtype=object)), "array 'x' holds Python objects, which can run code and are never read; save numbers"),
    ("records", npy(np.zeros(3, dtype=[("a", "f4"), ("b", "i4")])), "array 'x' must hold numbers or text, it is of type [('a', '<f4'), ('b', '<i4')]"),
    ("complex", npy(np.ones((4, 2), complex)), "array 'x' must hold numbers or text, it is of type complex128"),
    ("times", npy(np.zeros((4, 2), "M8[s]")), "array 'x' must hold numbers or text, it is of type datetime64[s]"),
    ("texts", npy(np.array([["a", "b"]] * 12)), "array 'x' must hold numbers, it is of type <U1"),
    ("no rows", npy(np.ones((0, 3))), "array 'x' has no rows"),
    ("no values", npy(np.ones((3, 0))), "array 'x' has rows without values"),
    ("scalar", npy(np.float32(1)), "array 'x' must have the shape (rows,), (rows, features) or more, received ()"),
    ("empty", b"", "is empty (0 bytes)"),
    ("cut", npy(X)[:-1], "array 'x' claims 96 bytes, the file holds 95; the file is damaged"),
    ("cut header", b"\x93NUMPY\x01\x00\xff\xff", f"cannot be read as npy; {DAMAGED}"),
    ("not one", b"not NumPy", f"cannot be read as npy; {DAMAGED}"),
    ("fortran", npy(np.asfortranarray(X)), ""),
    ("big-endian", npy(X.astype(">f8")), ""),
    ("booleans", npy(X > 3), ""),
    ("unsigned", npy(X.astype(np.uint64)), ""),
    ("long double", npy(X.astype(np.longdouble)), ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "message"), ARRAYS, ids=[name for name, *_ in ARRAYS])
def test_hostile_npy(
    mlpcli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.npy").write_bytes(content)
    np.save("y.npy", np.arange(12.0))
    Path("s.yaml").write_text(SPEC.format(name="x.npy", target=", target: y.npy"), encoding="utf-8")
    result = mlpcli("check", "s.yaml")
    if not message:
        assert result.status == 0, result.err
        return
    assert result.status == 2
    assert result.err.startswith("x.npy: ")
    assert message in result.err
    assert "pickle" not in result.err


def archive(members: list[tuple[str, bytes]], packing: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive of any names, one twice too."""
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", packing) as made:
        warnings.simplefilter("ignore")
        for name, content in members:
            made.writestr(name, content)
    return file.getvalue()


def encrypted(content: bytes) -> bytes:
    """An archive whose members say that they are encrypted."""
    content = content.replace(b"PK\x03\x04\x14\x00\x00", b"PK\x03\x04\x14\x00\x01")
    return content.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")


GOOD = [("x.npy", npy(X)), ("y.npy", npy(np.arange(12.0)))]
ZEROS = [("x.npy", npy(np.zeros((400_000, 2)))), ("y.npy", npy(np.zeros(400_000)))]
BOMB = "decompresses to more than 1 MiB and 200 times its own size; if the data are correct, save them uncompressed, as np.savez does"
NAMES = "must hold the arrays x_train, y_train, x_test, y_test, or x, y; it holds"

ARCHIVES: list[tuple[str, bytes, str]] = [
    ("bomb", archive(ZEROS, zipfile.ZIP_DEFLATED), BOMB),
    ("bomb of bzip2", archive(ZEROS, zipfile.ZIP_BZIP2), BOMB),
    ("not packed", archive([ZEROS[0], ("y.npy", npy(np.arange(400_000.0)))]), ""),
    ("twice", archive([*GOOD, GOOD[0]]), ""),
    ("other folders", archive([("../x.npy", GOOD[0][1]), ("/y.npy", GOOD[1][1])]), f"{NAMES} ../x, /y"),
    ("encrypted", encrypted(archive(GOOD)), f"cannot be read as npz; {DAMAGED}"),
    ("cut", archive(GOOD)[:-30], f"cannot be read as npz; {DAMAGED}"),
    ("flipped", archive(GOOD).replace(npy(X)[-8:], b"\x01" * 8), f"cannot be read as npz; {DAMAGED}"),
    ("none", archive([]), f"{NAMES} none"),
    ("many", archive([(f"m{number}.npy", b"") for number in range(5000)]), "m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11 and 4988 more"),
    ("claims", archive([("x.npy", claim("(1000000000, 1000)")), GOOD[1]]), "array 'x' claims 4,000,000,000,000 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "message"), ARCHIVES, ids=[name for name, *_ in ARCHIVES])
def test_hostile_npz(
    mlpcli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(row_errors, "MAX_REPEATED_BYTES", 1 << 20)
    Path("a.npz").write_bytes(content)
    Path("s.yaml").write_text(SPEC.format(name="a.npz", target=""), encoding="utf-8")
    result = mlpcli("check", "s.yaml")
    if not message:
        assert result.status == 0, result.err
        return
    assert result.status == 2
    assert result.err.startswith("a.npz: ")
    assert message in result.err
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["a.npz", "s.yaml"]
