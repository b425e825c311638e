"""Programs that XLA has compiled, kept on the disk: the next training of the same network compiles nothing.

TensorFlow itself writes and finds them, by a hash of the whole program, and compares the program with the
file's. We choose the folder, by all that the machine code depends on: TensorFlow's files, the processor and
its features, the number of cores, settings in the environment. TensorFlow fails on a damaged file, so ours
has a checksum of each beside it, and what has none is deleted before TensorFlow reads the folder.

The folder is `mlpcli/programs` in the user's cache folder. It is used only if it belongs to the user, and
nobody else can write there. `MLPCLI_CACHE=off` does without.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import stat
import time
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import tensorflow as tf

from mlpcli.files import read_ordinary, remove_below, write_text

SWITCH = "MLPCLI_CACHE"
FOLDER = "XDG_CACHE_HOME"
"""Environment variables: `off` for no cache; the folder for caches, by default `~/.cache`."""

MOST_BYTES = 64 * 2**20
"""Of all programs together; the oldest are deleted. A program takes 0.2 to 2 MB."""

PROBE_BYTES = 4 * 2**20
"""Are written first: TensorFlow fails where it cannot write a program."""

PROGRAM, SUM = ".pb", ".sha256"
FLAGS = "TF_XLA_FLAGS"
DIRECTORY_FLAG = "--tf_xla_persistent_cache_directory"
SETTINGS = re.compile(r"(TF_(?!CPP_)|XLA_|OMP_|MKL_|DNNL_|ONEDNN_|EIGEN_)")
"""The environment variables that may change how a program is compiled."""

PLAIN_PATH = re.compile(r"[\w./@+-]+", re.ASCII)
"""A path that TensorFlow reads from its flags as it is written."""

ACCELERATORS = ("/dev/nvidiactl", "/dev/kfd")
"""Devices whose programs would need facts of their own in the folder's name."""

HOUR = 3600.0

_opened: list[Path] = []
"""The folder that TensorFlow uses in this process, if it does."""


@cache
def open_cache() -> None:
    """Make TensorFlow use the cache in this process, if that is wanted and safe.

    TensorFlow reads its flags once, before it computes anything: later, this changes nothing.
    """
    before = os.environ.get(FLAGS)
    if os.environ.get(SWITCH, "").lower() in ("off", "0", "no", "false"):
        return
    if DIRECTORY_FLAG in (before or "") or any(Path(device).exists() for device in ACCELERATORS):
        return
    try:
        folder = _open_folder()
    except (OSError, RuntimeError):  # no home folder, a disk that is full or read-only: compile without
        return
    if folder is None:
        return
    os.environ[FLAGS] = f"{before or ''} {DIRECTORY_FLAG}={folder}".strip()
    tf.config.list_physical_devices()  # reads the flags
    if before is None:
        del os.environ[FLAGS]
    else:
        os.environ[FLAGS] = before
    _opened.append(folder)


def compile_with_cache(compiling: Callable[[], object]) -> None:
    """Compile a program, or take it from the cache where one is open; keep it there.

    Args:
        compiling: Calls the program.
    """
    if not _opened:
        compiling()
        return
    folder = _opened[0]
    try:
        compiling()
    except tf.errors.OpError:  # another process may have deleted a file, or a person the folder
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            _drop_damaged(folder)
        compiling()
    with contextlib.suppress(OSError):  # programs without a checksum are deleted the next time
        _add_sums(folder)
        _prune(folder.parent)


def _open_folder() -> Path | None:
    """Create the folder for programs of this machine, and delete what it must not hold.

    Returns:
        The folder; None if it is not safe to use.

    Raises:
        OSError: A file cannot be written there.
    """
    given, machine = Path(os.environ.get(FOLDER, "")), _machine()
    caches = given if given.is_absolute() else Path.home() / ".cache"
    folder = caches / "mlpcli" / "programs" / (machine or "")
    if machine is None or not PLAIN_PATH.fullmatch(str(folder)):
        return None
    caches.mkdir(parents=True, exist_ok=True)
    for each in (folder.parent.parent, folder.parent, folder):
        each.mkdir(mode=0o700, exist_ok=True)
        if not _is_own(each, stat.S_ISDIR):
            return None
    probe = folder / f"{os.getpid()}.probe"
    try:
        probe.write_bytes(bytes(PROBE_BYTES))
    finally:
        remove_below(probe, folder)
    _drop_damaged(folder)
    _prune(folder.parent)
    return folder


def _is_own(path: Path, kind: Callable[[int], bool]) -> bool:
    """Return whether a path is a file or folder of ours, not a link, that nobody else can write."""
    found = path.lstat()
    return kind(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _machine() -> str | None:
    """Return a name for all that machine code depends on; None where that is not known."""
    try:
        described = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return None  # not Linux
    fields = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", described, re.MULTILINE))
    names = ("vendor_id", "model name", "cpu family", "model", "stepping", "flags", "Features")
    spec = find_spec("tensorflow")
    if spec is None or spec.origin is None:
        return None
    libraries = sorted(Path(spec.origin).parent.glob("libtensorflow*"))
    facts = [
        tf.version.VERSION,
        [(each.name, each.stat().st_size, each.stat().st_mtime_ns) for each in libraries],
        platform.machine(),
        [fields.get(name) for name in names],
        sorted(os.sched_getaffinity(0)),
        os.cpu_count(),
        sorted(item for item in os.environ.items() if SETTINGS.match(item[0])),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _drop_damaged(folder: Path) -> None:
    """Delete every file that is not a program of ours with its checksum, or that checksum."""
    for path in sorted(folder.iterdir()):
        program = path.with_suffix("") if path.suffix == SUM else path
        if program.suffix != PROGRAM:
            keep = time.time() - path.lstat().st_mtime < HOUR  # another process may be writing it
        elif path is program:
            keep = _is_whole(path)
        else:
            keep = program.exists()
        if not keep:
            remove_below(path, folder)


def _is_whole(program: Path) -> bool:
    """Return whether a program is ours and has its checksum."""
    sum_file = _sum_file(program)
    try:
        if not _is_own(program, stat.S_ISREG) or not _is_own(sum_file, stat.S_ISREG):
            return False
        return sum_file.read_text(encoding="ascii") == _sha256(program)
    except (OSError, ValueError):
        return False


def _sum_file(program: Path) -> Path:
    return program.with_name(program.name + SUM)


def _sha256(program: Path) -> str:
    return hashlib.sha256(read_ordinary(program, MOST_BYTES)).hexdigest()


def _add_sums(folder: Path) -> None:
    """Write the checksums of the programs that this process has added; it has checked all others."""
    for program in folder.glob(f"*{PROGRAM}"):
        if not _sum_file(program).exists():
            write_text(_sum_file(program), _sha256(program))


def _prune(programs: Path) -> None:
    """Delete the oldest programs, those of other machines and versions too, until few enough are left."""
    found = sorted(programs.glob(f"*/*{PROGRAM}"), key=lambda path: path.lstat().st_mtime, reverse=True)
    total = 0
    for program in found:
        total += program.lstat().st_size
        if total > MOST_BYTES:
            remove_below(program, programs)
            remove_below(_sum_file(program), programs)
