"""Data that a Python program hands in, written to a file, so that it is read as any other file is.

A table becomes a Parquet file, which holds its values and their types exactly; arrays become an .npz file.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from mlpcli.data.mappings import by_column, from_mapping
from mlpcli.data.readers.arrays import KEYS, SPLIT_KEYS
from mlpcli.data.readers.find_files import HANDED_IN
from mlpcli.data.readers.row_errors import REJECTS
from mlpcli.data.types import Array
from mlpcli.errors import DataError, MlpcliError, Problem

if TYPE_CHECKING:
    import pyarrow as pa

Data = object
"""A pandas DataFrame, a PyArrow table, a mapping of names to arrays, rows as mappings, arrays, or a path."""

ARRAYS_OF_PAIR = ("x", "y", "weights")
"""The names of the arrays of a tuple."""

KINDS = (
    "a pandas DataFrame, a PyArrow table, a mapping of names to arrays, a list of rows as mappings, "
    "arrays (x, y), or a file's path"
)


class HandedIn:
    """A folder of files that hold data which was handed in; it is deleted with this object."""

    def __init__(self) -> None:
        """Create the folder, which only this user can read."""
        self.folder = Path(tempfile.mkdtemp(prefix=HANDED_IN))
        self._remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.names: dict[str, str] = {}
        self.arguments: dict[str, str] = {}

    def argument(self, name: str, value: object, setting: str) -> str:
        """Return a change of the spec, which messages call by the argument that it is of.

        Args:
            name: of the argument.
            value: that was handed in.
            setting: as `--set` takes it.
        """
        self.arguments[f"--set {setting}"] = f"{name}={value!r}"
        return setting

    def add(self, data: object, name: str) -> Path:
        """Return a file that holds some data; the path itself where it is one.

        Args:
            data: a table, arrays, or a path.
            name: of the data, for messages and for the file.

        Raises:
            DataError: it is none of these, or a column has values of several types.
        """
        if isinstance(data, str | os.PathLike):
            return Path(os.fspath(data))
        file = name.replace(" ", "_")
        if isinstance(data, tuple) or (isinstance(data, Mapping) and _is_of_arrays(data)):
            path = self.folder / f"{file}.npz"
            _write_arrays(_named_arrays(data, name), path, name)
        else:
            import pyarrow.parquet as pq

            path = self.folder / f"{file}.parquet"
            pq.write_table(as_table(data, name), path)
        self.names[str(path)] = name
        return path

    def close(self) -> None:
        """Delete the files."""
        self._remove()

    @contextmanager
    def named(self) -> Iterator[None]:
        """Call the data by its name, not by its file's, in the problems of an error raised inside."""
        try:
            yield
        except MlpcliError as error:
            error.problems = tuple(map(self._renamed, error.problems))
            raise

    def plain(self, text: str) -> str:
        """Return a text with the names of the data instead of its files'."""
        for path, name in self.names.items():
            key = "path" if name == "data" else name.removesuffix(" data")
            setting = f"dataset.{key}"
            for given in (f'--set {setting}="{path}"', _as_mapping(setting, f'"{path}"')):
                text = text.replace(given, name)
            text = text.replace(path, f"the {name}")
        if text in self.arguments:
            return self.arguments[text]
        text = SETTING.sub(_change, text).replace("--effort:", "effort:")
        return NOTATION.sub(_argument, text.replace(REJECTS, "leave such rows out"))

    def _renamed(self, problem: Problem) -> Problem:
        plain, hint = self.plain, problem.hint
        changed = replace(
            problem,
            rule=plain(problem.rule),
            hint=plain(hint) if isinstance(hint, str) else lambda: plain(problem.advice()),
        )
        if isinstance(problem.received, str):
            changed = replace(changed, received=plain(problem.received))
        if problem.place is not None and problem.place.flag:
            flag = plain(problem.place.flag)
            if whole := WHOLE_SETTING.fullmatch(flag):
                flag = _as_mapping(whole[1], whole[2])
            changed = replace(changed, place=replace(problem.place, flag=flag))
        return changed


WHOLE_SETTING = re.compile(r"--set ([^=]+)=(.*)", re.S)
SETTING = re.compile(r"(?<=[a-z,;] )--set (?:'([^'=]+)=([^']*)'|([^\s'=]+)=([^\s;,)]*))")
"""A change of the spec in a sentence."""


def _change(found: re.Match[str]) -> str:
    key, value = found.group(1, 2) if found[1] else found.group(3, 4)
    return _as_mapping(key, value)


def _as_mapping(key: str, value: str) -> str:
    """Return a change of the spec as the argument `set` of a Python program."""
    return f'set={{"{key}": {value}}}'


NOTATION = re.compile(r"--(decimal|thousands|date-format)(?::| ('[^']*'|\"[^\"]*\"|[^\s;]+))")
"""An option on how numbers and dates are written."""


def _argument(option: re.Match[str]) -> str:
    """Return an option as an argument of a function: `decimal=','` for `--decimal ,`."""
    name, value = option[1].replace("-", "_"), option[2]
    if value is None:
        return f"{name}:"
    spelled = {"none": "", "blank": " "}
    return f"{name}={spelled.get(value, value.strip(value[0]) if value[0] in QUOTES else value)!r}"


QUOTES = "'\""


def is_frame(data: object) -> bool:
    """Return whether an object is a pandas DataFrame, without importing pandas."""
    return is_of_pandas(data) and hasattr(data, "columns")


def is_of_pandas(data: object) -> bool:
    """Return whether an object is one of pandas's, without importing pandas."""
    return any(kind.__module__.split(".")[0] == "pandas" for kind in type(data).__mro__)


def as_table(data: object, name: str) -> pa.Table:
    """Return a table as PyArrow has it, without the index of a DataFrame.

    Args:
        data: a DataFrame of pandas, a PyArrow table, what has its stream protocol, a mapping of arrays, or a
            list of rows as mappings.
        name: of the data, for messages.

    Raises:
        DataError: it is no table, has names that are no texts twice, or values of several types in a column.
    """
    import pyarrow as pa

    try:
        if is_frame(data):
            from mlpcli.data.frames import from_pandas

            return from_pandas(data, name)
        if is_of_pandas(data):
            hint = "hand in a DataFrame: series.to_frame()"
            rule = f"the {name}: must be {KINDS}"
            raise DataError(Problem(rule, received=f"a pandas {type(data).__name__}", hint=hint))
        if isinstance(data, pa.Table):
            return data
        if isinstance(data, Mapping):
            return from_mapping(data, name)
        if isinstance(data, list) and data and all(isinstance(row, Mapping) for row in data):
            return from_mapping(by_column(data, name), name)
        if hasattr(data, "__arrow_c_stream__"):
            return pa.table(data)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        reason = "; ".join(str(part) for part in error.args) or type(error).__name__
        raise DataError(Problem(f"the {name}: cannot be read as a table ({reason})", hint=ONE_TYPE)) from None
    raise DataError(Problem(f"the {name}: must be {KINDS}", received=type(data).__name__))


ONE_TYPE = "the values of a column must be of one type, and all columns as long as each other"


def _is_of_arrays(data: Mapping[object, object]) -> bool:
    """Return whether a mapping is one of arrays such as x and y, not of columns."""
    flat = all(np.ndim(cast(Array, value)) == 1 for value in data.values() if isinstance(value, np.ndarray))
    return not flat and any(names[0] in data for names in (KEYS, SPLIT_KEYS))


def _named_arrays(data: object, name: str) -> dict[str, Array]:
    """Return arrays by the names that they have in a file."""
    if isinstance(data, tuple):
        if not 1 <= len(data) <= len(ARRAYS_OF_PAIR):
            rule = f"the {name}: must be (x,), (x, y) or (x, y, weights)"
            raise DataError(Problem(rule, received=f"a tuple of {len(data)}"))
        return {key: np.asarray(each) for key, each in zip(ARRAYS_OF_PAIR, data, strict=False)}
    assert isinstance(data, Mapping)
    return {str(key): np.asarray(each) for key, each in data.items()}


def _write_arrays(arrays: Mapping[str, Array], path: Path, name: str) -> None:
    """Write an .npz file, without pickles; texts in an array of objects become texts.

    Raises:
        DataError: an array holds other objects.
    """
    plain = {}
    for key, each in arrays.items():
        if each.dtype.kind == "O":
            if not all(isinstance(value, str) for value in each.flat):
                rule = f"the {name}: array {key!r} must hold numbers or texts, it holds objects"
                raise DataError(Problem(rule, hint="convert it with numpy.asarray(..., dtype=float)"))
            each = each.astype(str)
        plain[key] = each
    np.savez(path, allow_pickle=False, **plain)
