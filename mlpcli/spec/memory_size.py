"""`fit.memory`: an amount of memory, and the keys that do not go with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from mlpcli.errors import Problem
from mlpcli.spec.values import ValueMap

MEMORY_PATTERN = r"^\s*[0-9]+([.][0-9]+)?\s*([kKMGT]i?)?B?\s*$"
MEMORY_RULE = "an amount of memory from 1KB up, such as 200MB or 2GB, or a number of bytes"
FEWEST_BYTES = 1000

USUAL = "2GB"
"""An amount that suits most machines."""

_AMOUNT = re.compile(r"\s*([0-9]+(?:[.,][0-9]*)?)\s*([A-Za-z]*)\.?\s*", re.ASCII)
_WORDS = {"K": "kilo", "M": "mega", "G": "giga", "T": "tera"}
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def bytes_of(amount: int | str) -> int:
    """Return how many bytes an amount is: `200MB` are 200 million, `200MiB` are 200 times 1024 squared."""
    if isinstance(amount, int):
        return amount
    found = re.fullmatch(r"\s*([0-9.]+)\s*([kKMGT]?)(i?)B?\s*", amount)
    assert found is not None, "the pattern was checked"
    return int(float(found[1]) * (1024 if found[3] else 1000) ** _POWERS[found[2].upper()])


def memory_hint(value: object) -> str:
    """Return how to write an amount that is written wrongly: `write 50KB` for `50kb`.

    Args:
        value: what stands there.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 1e9
    found = _AMOUNT.fullmatch(str(value)) if isinstance(value, str | int | float) else None
    if found is None or isinstance(value, bool):
        return f"write {USUAL}, or less where others use the machine too"
    number, word = found[1].replace(",", ".").removesuffix("."), found[2].lower()
    unit = next((letter for letter in "KMGT" if word.startswith((letter.lower(), _WORDS[letter]))), "")
    binary = "i" if unit and word[1:] in ("i", "ib") else ""
    if (word and not unit and not word.startswith("b")) or number.count(".") > 1:
        return f"write {USUAL}, or less where others use the machine too"
    meant = f"{number}{unit}{binary}B"
    return f"write {meant}" if bytes_of(meant) >= FEWEST_BYTES else f"write {number}MB, if that is meant"


def _check(amount: int | str | None) -> int | str | None:
    """Return an amount if it is large enough; raise a ValueError otherwise."""
    if amount is not None and bytes_of(amount) < FEWEST_BYTES:
        raise ValueError(amount)
    return amount


MemorySize = Annotated[
    Annotated[int, Field(ge=FEWEST_BYTES)] | Annotated[str, Field(pattern=MEMORY_PATTERN)] | None,
    AfterValidator(_check),
    Field(description=MEMORY_RULE),
]

CACHE = ".cache"
"""The folder beside the runs that holds encoded rows."""

ROWS = ".rows"
"""The ending of a file of encoded rows."""

NAME = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}")
"""Of a folder of them: of its data, and of how they are encoded."""


def lock_of(folder: Path) -> Path:
    """Return the file that a process locks while it looks for a folder of encoded rows, or writes it.

    Args:
        folder: its own name, or the temporary one that begins with it.
    """
    found = NAME.search(folder.name)
    return folder.with_name(f".{found[0] if found else folder.name}.lock")


IN_MEMORY = "needs all rows in memory, which fit.memory keeps in files"


def memory_problems(data: ValueMap) -> Iterator[Problem]:
    """Yield keys that do not go with `fit.memory`.

    Args:
        data: the plain values of a spec; what does not fit alone is not reported.
    """
    dataset, fit, tuner = (data.get(key) for key in ("dataset", "fit", "tuner"))
    if not isinstance(fit, dict) or fit.get("memory") is None:
        return
    for key in ("folds", "seeds"):
        if fit.get(key) is not None:
            hint = f"leave one of the two out; the {key} of a sample of the rows may be enough"
            yield Problem(IN_MEMORY, path=("fit", key), received=fit[key], hint=hint)
    if isinstance(tuner, dict) and tuner.get("folds") is not None:
        hint = "leave one of the two out; a search over a sample of the rows may be enough"
        yield Problem(IN_MEMORY, path=("tuner", "folds"), received=tuner["folds"], hint=hint)
    if not isinstance(dataset, dict):
        return
    if dataset.get("fold") is not None:
        hint = "leave one of the two out"
        yield Problem(IN_MEMORY, path=("dataset", "fold"), received=dataset["fold"], hint=hint)
    path = dataset.get("path")
    if dataset.get("name") is not None:
        rule, hint = "is for files, and a built-in dataset is in memory", "remove it"
        yield Problem(rule, path=("fit", "memory"), received=fit["memory"], hint=hint)
    elif isinstance(path, str) and path.lower().endswith(".npz"):
        rule = "cannot be read in parts, an .npz file is packed"
        hint = "save x and y as .npy files, and name these: path: x.npy, target: y.npy"
        yield Problem(rule, path=("dataset", "path"), received=path, hint=hint)
