"""The one way to import TensorFlow and Keras: quietly, and without what they would import on the side.

`from mlpcli.keras_import import keras` (or `tf`) imports it where the line is run: at the top of a module
that is itself imported only when Keras is needed, else inside the function. For annotations alone, the same
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
from typing import TYPE_CHECKING, Any

from mlpcli.signals import raise_if_interrupted

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

__all__ = ["import_keras", "keras", "quiet_stderr", "tf"]

SIDE_IMPORTS = ("sklearn", "pandas", "matplotlib", "scipy.signal")
"""Packages that Keras imports if they are there, for wrappers that we never use; they cost 2 s."""


class _Absent(MetaPathFinder):
    """Makes packages that nobody has imported yet look as if they were not installed, to one thread."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def find_spec(self, fullname: str, path: Any = None, target: ModuleType | None = None) -> None:
        if fullname in SIDE_IMPORTS and threading.get_ident() == self.thread:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def import_keras() -> Any:
    """The `keras` module on its TensorFlow backend, with TensorFlow's log noise held back."""
    if "keras" in sys.modules:
        return sys.modules["keras"]
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    absent = _Absent()
    sys.meta_path.insert(0, absent)
    try:
        with quiet_stderr():
            import keras
            import tensorflow  # noqa: F401 (first, so that its C++ start-up is what is timed and hushed)
    finally:
        sys.meta_path.remove(absent)
    raise_if_interrupted()  # somewhere in these imports an exception may have been dropped
    gc.freeze()  # modules stay: each collection, one for every model, would search them for 0.3 s in vain
    return keras


def __getattr__(name: str) -> ModuleType:
    """`keras` and `tf`, imported when they are asked for.

    Raises:
        AttributeError: this module has nothing of that name.
    """
    if name not in ("keras", "tf"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_keras()
    return sys.modules["keras" if name == "keras" else "tensorflow"]


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hold back what C++ writes to file descriptor 2; show it after all when an exception comes.

    TensorFlow's start-up messages ignore TF_CPP_MIN_LOG_LEVEL because its logger is not set up yet.
    """
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError, AttributeError):  # no usable stderr
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            os.dup2(kept, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
