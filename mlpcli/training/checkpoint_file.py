"""The checkpoint: everything that a training needs to resume, in one file, read completely or not at all.

Layout: `MAGIC`, the length of the head (8 bytes, little-endian), the head (JSON), the arrays one after the
other, and the sha256 of all that. The head is the state as a tree in which an array is its number. Reading a
file runs no code: it holds texts, numbers and arrays of numbers, nothing else.

It stays ours: safetensors holds only tensors, so the rest of the state would need a second file, and two
files cannot be replaced at once.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np

from mlpcli.data.types import Array
from mlpcli.errors import Problem, RunError
from mlpcli.files import open_ordinary, replacing

MAGIC = b"mlpcli checkpoint 1\n"
DIGEST_BYTES = 32
PLAIN = (bool, int, float, str, type(None))

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def write_checkpoint(target: Path, state: Mapping[str, object]) -> None:
    """Write a state, completely or not at all.

    Args:
        target: The file.
        state: Mappings with text keys, lists, tuples, plain values, NumPy arrays and scalars of numbers.

    Raises:
        OSError: The disk is full, or the folder cannot be written.
        TypeError: The state holds something else.
    """
    arrays: list[Array] = []
    tree = _pack(state, arrays, {})
    kinds = [{"dtype": array.dtype.name, "shape": list(array.shape)} for array in arrays]
    head = json.dumps({"state": tree, "arrays": kinds}).encode()
    digest = hashlib.sha256()
    with replacing(target) as path, path.open("wb") as file:
        for piece in (MAGIC, len(head).to_bytes(8, "little"), head, *map(_bytes, arrays)):
            digest.update(piece)
            file.write(piece)
        file.write(digest.digest())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a state, bit for bit as it was written.

    Raises:
        RunError: There is no such file, or it is damaged, truncated, or of another version.
    """
    try:
        with open_ordinary(path) as file:
            raw = file.read()
    except OSError as error:
        raise RunError(Problem(f"{path} cannot be read ({error.strerror})")) from None
    if not raw.startswith(MAGIC):
        raise RunError(Problem(f"{path} is not a checkpoint of this version of mlpcli"))
    body, digest = memoryview(raw)[:-DIGEST_BYTES], raw[-DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise _damaged(path)
    try:
        return _decode(body)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> RunError:
    hint = "start a new run; a damaged checkpoint is never used"
    return RunError(Problem(f"{path} is damaged: its contents do not match their checksum", hint=hint))


def _decode(body: memoryview) -> dict[str, Any]:
    start = len(MAGIC) + 8
    length = int.from_bytes(body[len(MAGIC) : start], "little")
    head = json.loads(bytes(body[start : start + length]))
    arrays, offset = [], start + length
    for kind in head["arrays"]:
        dtype, shape = _dtype(kind["dtype"]), tuple(kind["shape"])
        count = math.prod(shape)
        if min(shape, default=0) < 0 or offset + count * dtype.itemsize > len(body):
            raise ValueError(f"the file is too short for an array of shape {shape}")
        arrays.append(np.frombuffer(body, dtype, count, offset).reshape(shape).copy())
        offset += count * dtype.itemsize
    state: dict[str, Any] = _unpack(head["state"], arrays)
    return state


def _dtype(name: str) -> np.dtype[np.generic]:
    """Return a type of numbers by its name; bfloat16 and similar types are those that TensorFlow uses."""
    try:
        dtype = np.dtype(name)
    except TypeError:
        import ml_dtypes

        dtype = np.dtype(getattr(ml_dtypes, name))
    if dtype.kind not in "biufc" and (dtype.kind != "V" or dtype.type is np.void):
        raise TypeError(f"arrays of {dtype} are not allowed")
    return dtype


def _bytes(array: Array) -> bytes | memoryview:
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return flat.data if flat.size else b""


def _pack(value: object, arrays: list[Array], known: dict[int, int]) -> Json:
    """Return the tree as JSON values; collect its arrays, a duplicate one once."""
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject or value.dtype.kind in "USMm":
            raise TypeError(f"a checkpoint holds arrays of numbers, not of {value.dtype}")
        if id(value) not in known:
            known[id(value)] = len(arrays)
            arrays.append(value)
        return {"$array": known[id(value)]}
    if isinstance(value, np.generic):
        arrays.append(np.asarray(value))
        return {"$scalar": len(arrays) - 1}
    if type(value) in PLAIN:
        return cast(Json, value)
    if isinstance(value, tuple):
        return {"$tuple": [_pack(item, arrays, known) for item in value]}
    if isinstance(value, list):
        return [_pack(item, arrays, known) for item in value]
    if isinstance(value, dict):
        return {"$mapping": [[_key(key), _pack(item, arrays, known)] for key, item in value.items()]}
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}")


def _key(key: object) -> str | int:
    if isinstance(key, str | int) and type(key) in (str, int):
        return key
    raise TypeError(f"a key of a checkpoint must be a string or an integer, not a {type(key).__name__}")


def _unpack(value: Any, arrays: list[Array]) -> Any:
    """Return the tree with its arrays, from JSON values."""
    if isinstance(value, list):
        return [_unpack(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "$array":
        return arrays[content]
    if kind == "$scalar":
        return arrays[content][()]
    if kind == "$tuple":
        return tuple(_unpack(item, arrays) for item in content)
    return {key: _unpack(item, arrays) for key, item in content}


def is_plain(value: object) -> bool:
    """Return whether a checkpoint can hold a value."""
    try:
        _pack(value, [], {})
    except (TypeError, RecursionError):
        return False
    return True
