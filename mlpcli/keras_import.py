"""The one place that imports TensorFlow and Keras: quietly, and without the packages they would pull in.

`from mlpcli.keras_import import keras` (or `tf`) imports it where the line is run: at the top of a module
that is itself imported only when Keras is needed, else inside the function. For annotations only, the same
line goes under `if TYPE_CHECKING`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import TYPE_CHECKING

from mlpcli.machine import usable_cores
from mlpcli.signals import raise_if_interrupted

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

__all__ = ["import_keras", "keras", "quiet_stderr", "tf", "thread_settings", "use_threads"]

SIDE_IMPORTS = ("sklearn", "pandas", "matplotlib", "scipy.signal")
"""Packages that Keras imports if they are installed, for wrappers that we never use; they cost 2 s."""


THREAD_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
"""What TensorFlow and the libraries under it read when they start."""


def thread_settings(threads: int) -> dict[str, str]:
    """Return the environment variables for a number of threads."""
    return dict.fromkeys(THREAD_VARIABLES, str(threads))


def use_threads(threads: int | None) -> str:
    """Have TensorFlow compute with some threads, if it has not started; return why it does not, or nothing.

    Args:
        threads: how many; None for those of the environment, or as many as there are cores for us.
    """
    if threads is None:
        return ""
    if "tensorflow" not in sys.modules:
        os.environ.update(thread_settings(threads))
        return ""
    now = os.environ.get(THREAD_VARIABLES[0], "one for each core")
    if now == str(threads):
        return ""
    return (
        f"fit.threads: {threads} has no effect, since TensorFlow runs in this process already, threads: {now}"
    )


def _obey_limits() -> None:
    """Limit the threads to the cores that a container's quota leaves, which TensorFlow does not see."""
    if THREAD_VARIABLES[0] not in os.environ and (cores := usable_cores()) < (os.cpu_count() or 1):
        os.environ.update(thread_settings(cores))


class _Absent(MetaPathFinder):
    """Makes packages that are not imported yet look as if they were not installed, in one thread."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def find_spec(self, fullname: str, path: object = None, target: ModuleType | None = None) -> None:
        if fullname in SIDE_IMPORTS and threading.get_ident() == self.thread:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def import_keras() -> ModuleType:
    """Import `keras` on its TensorFlow backend, with TensorFlow's log messages suppressed, and return it."""
    if "keras" in sys.modules:
        return sys.modules["keras"]
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _obey_limits()
    absent = _Absent()
    sys.meta_path.insert(0, absent)
    try:
        with quiet_stderr(), _no_collection():
            import keras  # noqa: F401
            import tensorflow  # noqa: F401 (first, so that its C++ start-up is what is timed and suppressed)
    finally:
        sys.meta_path.remove(absent)
    raise_if_interrupted()  # somewhere in these imports an exception may have been dropped
    gc.freeze()  # modules stay: each collection, one for every model, would scan them for 0.3 s for nothing
    return sys.modules["keras"]


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Do not search for garbage: imports make none, and each search scans all modules, 0.7 s in all."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def __getattr__(name: str) -> ModuleType:
    """Return `keras` or `tf`, imported on first use.

    Raises:
        AttributeError: this module has no such name.
    """
    if name not in ("keras", "tf"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_keras()
    return sys.modules["keras" if name == "keras" else "tensorflow"]


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Buffer what C++ code writes to file descriptor 2; show it if an exception is raised.

    TensorFlow's start-up messages ignore TF_CPP_MIN_LOG_LEVEL because its logger is not set up yet.
    """
    try:
        sys.stderr.flush()
        saved = os.dup(2)
    except (OSError, ValueError, AttributeError):  # no usable stderr
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            os.dup2(saved, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
