"""Find the data files that a spec or a command names, and check that they can be read."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli.data.images.find_images import ENDINGS as IMAGES
from mlpcli.data.images.find_images import holds_images
from mlpcli.data.readers.partitions import (
    DataFiles,
    files_below,
    is_hidden,
    key_of,
    label_of,
    partitioned_files,
)
from mlpcli.errors import DataError, KeyPath, Problem, SpecError
from mlpcli.files import open_ordinary, special_kind
from mlpcli.near_paths import near_path
from mlpcli.printable import PASSWORD, without_password
from mlpcli.spec.file_words import is_server, server_address, split_scheme
from mlpcli.spec.locations import VARIABLE, WILDCARDS, at_home

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS = (".csv", ".tsv", ".txt", ".data")
JSON_LINES = (".jsonl", ".ndjson")
ARROW = (".feather", ".arrow")
WORKBOOKS = (".xlsx", ".xlsm")
DATABASES = (".db", ".sqlite", ".sqlite3", ".duckdb")
TABLES = (*TEXTS, ".parquet", *ARROW, *JSON_LINES, *WORKBOOKS, *DATABASES)
ARRAYS = (".npz", ".npy")
PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth")
PACKINGS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd", ".zip": "zip"}
"""By the last extension of a file, how it is packed."""
PACKABLE = (*TEXTS, *JSON_LINES)
"""Extensions of files that may be packed: `rows.csv.gz`."""
KNOWN = ", ".join((".csv", ".tsv", ".parquet", *ARRAYS))
READABLE = ", ".join((*TEXTS, ".parquet", ".feather", ".jsonl", ".xlsx", ".sqlite", ".duckdb", *ARRAYS))

HANDED_IN = "handed-to-mlpcli-"
"""How a temporary folder is called that holds data which a Python program handed in."""


def is_handed_in(path: Path) -> bool:
    """Return whether a file holds data that a Python program handed in."""
    return path.parent.name.startswith(HANDED_IN)


MISSING = "there is no such file"

_ADDRESS = re.compile(r"[a-zA-Z][\w+.-]+:/{1,3}(?=.)")


def arrow_source(path: Path, mode: str = "rb") -> Path | pa.OSFile:
    """Return what PyArrow can open: the path, or an open file if its name is not UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        import pyarrow as pa

        return pa.OSFile(os.fsencode(path), mode)
    return path


def ending_of(path: Path) -> str:
    """Return the extension that shows a file's format, in lower case: `.csv` for `Rows.CSV.gz`."""
    suffix = path.suffix.lower()
    inner = Path(path.stem).suffix.lower()
    return inner if suffix in PACKINGS and inner in PACKABLE else suffix


def is_table(path: Path) -> bool:
    """Return whether a file's extension is that of a table, or a path is the address of a server."""
    return is_server_path(path) or (ending_of(path) in TABLES and not path.is_dir())


def are_images(paths: Sequence[Path]) -> bool:
    """Return whether some paths are image files, or one is a folder of such."""
    return bool(paths) and all(path.suffix.lower() in IMAGES or path.is_dir() for path in paths)


def as_path(text: str) -> Path:
    """Return the file that a command's argument names, without `sqlite:///`; an address stays one."""
    return Path(split_scheme(text)[1])


def is_server_path(path: Path) -> bool:
    """Return whether a path is the address of a database server."""
    return is_server(str(path))


def server_label(path: Path) -> str:
    """Return the address of a server for messages: without a password, and as it is in a spec."""
    return without_password(server_address(str(path)))


def find_files(text: str, folder: Path, key: KeyPath) -> DataFiles:
    """Return the files that a spec names, sorted by name.

    They are one; with `*`, `?` or `[...]` all that match; of a folder with folders `key=value` all in these.

    Args:
        text: the path or pattern in the spec.
        folder: relative to which it is read.
        key: its path in the spec, for messages.

    Returns:
        At least one file, or a folder of images.

    Raises:
        SpecError: as `find_file`; or no file matches.
    """
    if is_server(text):
        return DataFiles([_server(text, key)])
    text = split_scheme(text)[1]
    if _ADDRESS.match(text):
        rule = "must be a file, or sqlite:///FILE, duckdb:///FILE or postgresql://USER@HOST/DATABASE"
        raise SpecError(Problem(rule, path=key, received=without_password(text)))
    if not set(text) & WILDCARDS:
        return _one_or_folder(text, folder, key)
    pattern = _expanded(text, key)
    start = Path(pattern).anchor
    try:
        if (folder / pattern).exists():  # a file may have such a name
            return _one_or_folder(text, folder, key)
        matching = sorted(Path(start or folder).glob(pattern.removeprefix(start)))
        base = _fixed_folder(pattern, folder)
        asked = _has_dot(os.path.relpath(folder / pattern, base))
        seen = [path for path in matching if asked or not _has_dot(os.path.relpath(path, base))]
        found = _matching_files(seen, base)
    except (OSError, ValueError, NotImplementedError, RecursionError) as error:
        rule = f"cannot be searched for ({getattr(error, 'strerror', None) or error})"
        raise SpecError(Problem(rule, path=key, received=text)) from None
    if not found:
        raise SpecError(Problem("no file matches this pattern", path=key, received=text))
    return _checked(found, text, key)


def _one_or_folder(text: str, folder: Path, key: KeyPath) -> DataFiles:
    """Return the one file that a spec names, or those of a folder with folders `key=value`."""
    path = folder / _expanded(text, key)
    try:
        inside = partitioned_files(path) if path.is_dir() else None
    except (OSError, ValueError) as error:
        rule = f"cannot be read ({getattr(error, 'strerror', None) or error})"
        raise SpecError(Problem(rule, path=key, received=text)) from None
    if inside is None or (not any(map(is_table, inside)) and holds_images(path)):
        return DataFiles([find_file(text, folder, key)])
    if not inside:
        raise SpecError(Problem("its folders key=value hold no files", path=key, received=text))
    return _checked(DataFiles(inside, path), text, key)


def is_image_folder(path: Path) -> bool:
    """Return whether a path is a folder, other than one of tables in folders `key=value`."""
    try:
        return path.is_dir() and not any(map(is_table, partitioned_files(path) or ()))
    except OSError:
        return True  # whoever reads it says what is wrong


def _fixed_folder(pattern: str, folder: Path) -> Path:
    """Return the folder of a pattern above its first wildcard."""
    fixed: list[str] = []
    for part in Path(pattern).parts[:-1]:
        if WILDCARDS & {*part}:
            break
        fixed.append(part)
    return folder.joinpath(*fixed)


def _has_dot(path: str) -> bool:
    """Return whether a file or one of its folders is hidden, as `._rows.csv`: `*` stands for none of them."""
    return any(part.startswith(".") and part != ".." for part in Path(path).parts)


def _matching_files(matching: Sequence[Path], base: Path) -> DataFiles:
    """Return what matches a pattern, with the files in folders `key=value` instead of these folders."""
    found: dict[Path, None] = {}
    for path in matching:
        if key_of(path.name) and path.is_dir():
            found.update(dict.fromkeys(files_below(path)))
        else:
            found[path] = None
    if any(label_of(path, base) != path.name for path in found):
        found = {path: None for path in found if not (is_hidden(path.name) or path.is_dir())}
    return DataFiles(sorted(found), base)


def _checked(files: DataFiles, text: str, key: KeyPath) -> DataFiles:
    """Return several files that can be data files.

    Raises:
        SpecError: one cannot; or files in folders `key=value` are of several formats.
    """
    for path in files:
        if problem := file_problem(path):
            rule, hint = f"{label_of(path, files.base)}: {problem[0]}", problem[1]
            hint = "; ".join(filter(None, (hint, _without(path, files, text))))
            raise SpecError(Problem(rule, path=key, received=text, hint=hint))
    formats = {ending_of(path): path for path in files}
    keyed = any(label_of(path, files.base) != path.name for path in files)
    if keyed and len(formats) > 1:
        named = " and ".join(label_of(path, files.base) for path in list(formats.values())[:2])
        rule = f"files in folders key=value must be of one format: {named}"
        hint = f"name those of one by a pattern, such as {pattern_of(text, min(formats))!r}"
        raise SpecError(Problem(rule, path=key, received=text, hint=hint))
    return files


def _without(foreign: Path, files: DataFiles, text: str) -> str:
    """Return what to do about one of several files that is none of theirs; empty if it seems to be one."""
    endings = [ending for path in files if (ending := ending_of(path)) in (*TABLES, *ARRAYS)]
    if not endings or ending_of(foreign) in endings:
        return ""
    pattern = pattern_of(text, max(endings, key=endings.count))
    return f"move {foreign.name} away, or name the others by a pattern, such as {pattern!r}"


def pattern_of(text: str, ending: str) -> str:
    """Return the pattern of the files of one format in a folder and below, or in that of a pattern."""
    fixed = re.split(r"[*?\[]", text)[0]
    folder = fixed if fixed == text else fixed.rpartition("/")[0]
    return f"{folder.rstrip('/')}/**/*{ending}".removeprefix("/" if not folder else "")


def _server(text: str, key: KeyPath) -> Path:
    """Return the address of a server as a path; refuse one with a password in it."""
    secrets = [match["secret"] for match in PASSWORD.finditer(server_address(text))]
    if not all(map(VARIABLE.fullmatch, secrets)):
        hint = "leave it out and set PGPASSWORD, or write ${NAME} for the environment variable that holds it"
        rule = "must not hold a password, which belongs in the environment"
        raise SpecError(Problem(rule, path=key, received=server_label(Path(text)), hint=hint))
    unset = [name for name in VARIABLE.findall(text) if name not in os.environ]
    if unset:
        rule = f"environment variable {unset[0]} is not set"
        raise SpecError(
            Problem(rule, path=key, received=without_password(text), hint="set it before the command")
        )
    return Path(text)


def exists(path: Path) -> bool:
    """Return whether a file exists; for a pattern, whether any file matches."""
    try:
        if path.exists() or not set(str(path)) & WILDCARDS:
            return path.exists()
        return next(Path(path.anchor).glob(str(path).removeprefix(path.anchor)), None) is not None
    except (OSError, ValueError):
        return False


def named_files(text: str) -> DataFiles:
    """Return the files that a command's argument names, sorted by name; see `find_files`.

    Raises:
        DataError: there is no such file, no file matches, or one is of an unknown format.
    """
    try:
        return find_files(text, Path(), ())
    except SpecError as error:
        label = without_password(text)
        problems = (Problem(f"{label}: {each.rule}", hint=each.hint) for each in error.problems)
        raise DataError(*problems) from error


def find_file(text: str, folder: Path, key: KeyPath) -> Path:
    """Return the file that a spec names, with `${NAME}` and `~` expanded.

    Args:
        text: the path in the spec.
        folder: relative to which it is read.
        key: its path in the spec, for messages.

    Returns:
        The path of a readable file.

    Raises:
        SpecError: a variable is not set; the file does not exist, is not readable, or of an unknown format.
    """
    path = folder / _expanded(text, key)
    if found := file_problem(path):
        raise SpecError(Problem(found[0], path=key, received=text, hint=found[1]))
    return path


def _expanded(text: str, key: KeyPath) -> str:
    """Return a path with `${NAME}` from the environment, and `~` for the user's home folder."""
    unset = [name for name in VARIABLE.findall(text) if name not in os.environ]
    if unset:
        hint = "set it before the command, or write the full path"
        raise SpecError(
            *(
                Problem(f"environment variable {name} is not set", path=key, received=text, hint=hint)
                for name in dict.fromkeys(unset)
            )
        )
    return at_home(VARIABLE.sub(lambda match: os.environ[match[1]], text))


def file_problem(path: Path) -> tuple[str, str] | None:
    """Return why a file cannot be a data file, as a rule and a hint; or None if it can."""
    if is_server_path(path):
        return None
    try:
        return _missing(path) or _wrong_kind(path) or _unreadable(path)
    except (OSError, ValueError) as error:  # a NUL in the name, a name too long, a folder without access
        return f"cannot be read ({getattr(error, 'strerror', None) or error})", ""


def _missing(path: Path) -> tuple[str, str] | None:
    if path.exists():
        return None
    if is_handed_in(path):
        rule = "is data that a Python program handed in, of which a run keeps no copy"
        return rule, "hand it in again: mlpcli.load(RUN, data=...) or mlpcli.resume(RUN, data)"
    return MISSING, near_path(path, (*TABLES, *ARRAYS, *IMAGES, *PACKINGS, ""))


def _wrong_kind(path: Path) -> tuple[str, str] | None:
    if path.is_dir():
        if holds_images(path):
            return None
        inside = sorted(entry.name for entry in path.iterdir() if entry.suffix.lower() in (*TABLES, *ARRAYS))
        if inside:
            return "must be a file, this is a folder", f"name a file in it, such as {inside[0]}"
        return "must be a file, or a folder of images", f"it holds none of {', '.join(IMAGES)}"
    if not path.is_file():
        return f"must be an ordinary file, this is {special_kind(path.stat().st_mode)}", ""
    suffix = ending_of(path)
    if suffix in (*TABLES, *ARRAYS, *IMAGES):
        return None
    if suffix in PACKINGS:
        kinds = ", ".join(f"{ending}{suffix}" for ending in (".csv", ".tsv", ".txt", ".jsonl"))
        return f"of packed files only {kinds} are read", "rename it if it is one, or decompress it first"
    if suffix in PICKLES:
        return (
            f"a {suffix} file can run code when it is opened and is never read",
            f"save the rows as {KNOWN}",
        )
    if suffix in (".h5", ".hdf5"):
        return f"{suffix} files are not read", f"save the rows as {KNOWN}"
    if suffix in (".xls", ".xlsb", ".ods"):
        return f"{suffix} files are not read", "save it as .xlsx"
    if suffix in (".7z", ".rar", ".tar", ".tgz", ".lz4", ".br"):
        return f"{suffix} files are not decompressed", "decompress it first"
    if suffix == ".json":
        return ".json files are not read", "write an object a line, as .jsonl"
    return f"the extension must be one of {READABLE}", ""


def _unreadable(path: Path) -> tuple[str, str] | None:
    if path.is_dir():
        return None
    with open_ordinary(path):
        return None
