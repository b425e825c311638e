"""Ctrl-C, SIGTERM and SIGHUP: the first asks for an orderly stop, the second ends the process at once.

The first raises `Interrupted` where the program is. A program inside TensorFlow's C++ (compiling, above all)
cannot hear of it until that returns: then a line says so within a second. The second signal needs
nobody's consent.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
EXIT_INTERRUPTED = 130
PATIENCE_SECONDS = 0.8
BUSY = b"stopping as soon as the step in hand is done; once more ends it at once\n"


class Interrupted(KeyboardInterrupt):
    """One of the stopping signals has come; `args` holds its name."""


class Requests:
    """What has been asked of this process; `name` is that of the first signal, empty until it comes."""

    def __init__(self) -> None:
        self.name = ""
        self.heard = threading.Event()  # Python code has been reached by it

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Be the handler of the stopping signals."""
        del frame
        if self.name:
            os._exit(EXIT_INTERRUPTED)
        self.name = signal.Signals(number).name
        self.heard.set()
        raise Interrupted(self.name)


_requests: Requests | None = None


@contextlib.contextmanager
def answered(requests: Requests | None = None) -> Iterator[None]:
    """Answer the stopping signals while inside; those that the process was told to ignore stay ignored.

    requests: takes down what was asked, for a look at it afterwards.
    Outside the main thread, where Python cannot set handlers, nothing changes.
    """
    global _requests
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    requests = _requests = requests or Requests()
    kept = {number: signal.getsignal(number) for number in STOPPING}
    wanted = [number for number, handler in kept.items() if handler != signal.SIG_IGN]
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    watcher = threading.Thread(target=_watch, args=(reader, requests), name="mlpcli-signals", daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    show_dropped = sys.unraisablehook
    sys.unraisablehook = partial(_unless_asked, show_dropped)
    try:
        for number in wanted:
            signal.signal(number, requests.receive)
        yield
    finally:
        for number in wanted:
            signal.signal(number, kept[number] or signal.SIG_DFL)
        sys.unraisablehook = show_dropped
        signal.set_wakeup_fd(before)
        os.close(writer)  # the watcher reads the end of it
        watcher.join()
        os.close(reader)
        _requests = None


def raise_if_asked() -> None:
    """Raise `Interrupted` if a signal has come.

    Python drops an exception that reaches it in a destructor or in a callback of C code. A loop that asks
    here between its steps stops all the same.
    """
    if _requests is not None and _requests.name:
        raise Interrupted(_requests.name)


def _unless_asked(show: Callable[[Any], object], dropped: Any) -> None:
    """Show what Python had to drop, but for our own request, which `raise_if_asked` makes again."""
    if not isinstance(dropped.exc_value, Interrupted):
        show(dropped)


def _watch(reader: int, requests: Requests) -> None:
    """Read the number of every signal as it comes, even while the main thread is inside C++."""
    seen = 0
    while read := os.read(reader, 16):
        seen += sum(number in STOPPING for number in read)
        if seen == 1 and not requests.heard.wait(PATIENCE_SECONDS):
            with contextlib.suppress(OSError):  # the terminal may be gone
                os.write(2, BUSY)
        elif seen > 1:
            os._exit(EXIT_INTERRUPTED)
