"""A second process that draws figures and fits the linear model while this one imports TensorFlow and trains.

To import matplotlib and scikit-learn takes as long as half the import of TensorFlow, which leaves a second
core idle. The process calls pure functions: it reads and writes no file, and what it returns is what the
function would return here. Without such a process, or where it fails, the function is called here.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from functools import partial
from typing import BinaryIO, ParamSpec, TypeVar, cast

from mlpcli.machine import usable_cores
from mlpcli.plots.drawing import Drawing

P = ParamSpec("P")
T = TypeVar("T", float, dict[str, float], Drawing, Drawing | None)

MOST_BYTES = 16 * 2**20
"""Of a function's arguments; with more, copies of them are not worth their memory."""

START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from mlpcli.training import side_process as s"
)
_current: SideProcess | None = None


class SideProcess:
    """A running process, and the thread that asks it one thing after the other."""

    def __init__(self) -> None:
        """Start the process.

        Raises:
            OSError: It cannot be started.
        """
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"{START}; s.serve()", json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for this process, whose end closes the pipe
        )
        self.thread = ThreadPoolExecutor(1, "mlpcli-side")

    def begin(self, job: bytes) -> Callable[[], object]:
        """Have a pickled function called; return what waits for its result."""
        return self.thread.submit(self._ask, job).result

    def _ask(self, job: bytes) -> object:
        """Return a result.

        Raises:
            OSError: The process has ended, or its function failed.
        """
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(len(job).to_bytes(8, "big") + job)
        stdin.flush()
        answer = json.loads(stdout.readline() or "{}")
        if "png" in answer:
            return Drawing(*(base64.b64decode(answer[kind]) for kind in ("png", "svg")))
        if "none" in answer:
            return None
        if "number" in answer or "numbers" in answer:
            return answer.get("numbers", answer.get("number"))
        raise OSError(answer.get("error", "the process has ended"))

    def end(self) -> None:
        """End the process, whatever it does; nothing on the disk depends on it."""
        self.process.kill()
        self.process.wait()
        self.thread.shutdown(wait=True, cancel_futures=True)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what could not be written to it
                    pipe.close()


@contextlib.contextmanager
def side_process() -> Iterator[None]:
    """Have `begin` use a process of its own in this context, where that saves time."""
    global _current
    found = None
    if saves_time():
        with contextlib.suppress(OSError):  # no room for another process
            found = SideProcess()
    _current = found
    try:
        yield
    finally:
        _current = None
        if found is not None:
            found.end()


def end_side_process() -> None:
    """End the process of this context, whose memory is wanted; what it was asked for is done here instead."""
    global _current
    found, _current = _current, None
    if found is not None:
        found.end()


def has_side_process() -> bool:
    """Return whether `begin` has a process that calls a function at once."""
    return _current is not None


def saves_time() -> bool:
    """Return whether a side process does: there is a second core, and TensorFlow is still to be imported."""
    return usable_cores() > 1 and "keras" not in sys.modules and bool(sys.executable)


def begin(function: Callable[P, T], /, *args: P.args, **settings: P.kwargs) -> Callable[[], T]:
    """Begin to call a function in the side process; return what waits for its result.

    Where the side process cannot do it, the function is called here when its result is asked for.

    Args:
        function: of a module that imports no TensorFlow; its result depends on its arguments alone.
        args: its arguments; nobody changes them before the result is there.
        settings: likewise.
    """
    here = partial(function, *args, **settings)
    if _current is None:
        return here
    job = pickle.dumps((function, args, settings))
    if len(job) > MOST_BYTES:
        return here
    answer = _current.begin(job)

    def wait() -> T:
        try:
            return cast(T, answer())
        except (OSError, ValueError, CancelledError):
            return here()  # the same error, if it is one of the function's

    return wait


def serve() -> None:
    """Answer the process that started this one, until it closes the pipe or ends."""
    jobs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    with contextlib.suppress(ImportError):
        _import_slow_packages()
    while job := _next_job(jobs):
        answers.write(json.dumps(_answer(job)).encode() + b"\n")
        answers.flush()


def _import_slow_packages() -> None:
    """Import what most functions need, before they are asked for."""
    for name in (
        "sklearn.linear_model",
        "matplotlib.figure",
        "matplotlib.backends.backend_agg",
        "matplotlib.backends.backend_svg",
    ):
        importlib.import_module(name)


def _next_job(jobs: BinaryIO) -> bytes:
    """Return the next job; nothing at the end of the pipe."""
    size = jobs.read(8)
    return jobs.read(int.from_bytes(size, "big")) if len(size) == 8 else b""


def _answer(job: bytes) -> dict[str, object]:
    """Return the result of a job as JSON takes it."""
    try:
        function, args, settings = pickle.loads(job)
        result = function(*args, **settings)
        if isinstance(result, Drawing):
            return {kind: base64.b64encode(getattr(result, kind)).decode("ascii") for kind in ("png", "svg")}
        if result is None:
            return {"none": True}
        if isinstance(result, dict):
            return {"numbers": {name: float(each) for name, each in result.items()}}
        return {"number": float(result)}
    except Exception as error:  # the other process calls the function again, and shows what it raises
        return {"error": f"{type(error).__name__}: {error}"}
