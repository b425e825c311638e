"""Ctrl-C, SIGTERM and SIGHUP: the first requests an orderly stop, the second ends the process immediately.

The first raises `Interrupted` in the main thread. While TensorFlow runs C++ code (mostly compiling), Python
cannot handle the signal until that returns; a message on stderr says so within a second. The second signal
ends the process even then.
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

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
EXIT_INTERRUPTED = 130
PATIENCE_SECONDS = 0.8
BUSY = b"stopping after the current step; press Ctrl-C again to quit now\n"


class Interrupted(KeyboardInterrupt):
    """A stopping signal was received; `args` holds its name."""


class StopRequest:
    """The stopping signals received so far; `name` is that of the first, empty before it."""

    def __init__(self) -> None:
        self.name = ""
        self.heard = threading.Event()  # a handler in Python has run
        self.stop: Callable[[], None] | None = None  # called instead of raising

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Handle a stopping signal."""
        del frame
        if self.name:
            _quit()
        self.name = signal.Signals(number).name
        self.heard.set()
        if self.stop is not None:
            self.stop()
            return
        raise Interrupted(self.name)


_current: StopRequest | None = None
_last_words: dict[int, bytes] = {}


def write_on_quit(descriptor: int, text: bytes) -> None:
    """Write something where a second signal ends the process, such as what shows the cursor again.

    Args:
        descriptor: of the file to write to.
        text: what is written; empty for nothing any more.
    """
    _last_words[descriptor] = text


def _quit() -> None:
    """End the process immediately."""
    for descriptor, text in list(_last_words.items()):
        if text:
            with contextlib.suppress(OSError):  # the terminal may be closed
                os.write(descriptor, text)
    os._exit(EXIT_INTERRUPTED)


@contextlib.contextmanager
def handling_signals(request: StopRequest | None = None) -> Iterator[None]:
    """Handle the stopping signals inside this context; signals that the process ignores stay ignored.

    Outside the main thread, where Python cannot set handlers, nothing changes.

    Args:
        request: records the signals, to be read afterwards.
    """
    global _current
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    request = _current = request or StopRequest()
    kept = {number: signal.getsignal(number) for number in STOPPING}
    wanted = [number for number, handler in kept.items() if handler != signal.SIG_IGN]
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    watcher = threading.Thread(target=_watch, args=(reader, request), name="mlpcli-signals", daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    show_dropped = sys.unraisablehook
    sys.unraisablehook = partial(_show_dropped, show_dropped)
    try:
        for number in wanted:
            signal.signal(number, request.receive)
        yield
    finally:
        for number in wanted:
            signal.signal(number, kept[number] or signal.SIG_DFL)
        sys.unraisablehook = show_dropped
        signal.set_wakeup_fd(before)
        os.close(writer)  # the watcher reads end of file and returns
        watcher.join()
        os.close(reader)
        _current = None


@contextlib.contextmanager
def answering_with(stop: Callable[[], None]) -> Iterator[None]:
    """Let the first stopping signal call a function inside this context, instead of raising `Interrupted`.

    Args:
        stop: makes what runs here end by itself.
    """
    request = _current
    if request is None:
        yield
        return
    request.stop = stop
    try:
        yield
    finally:
        request.stop = None


def is_interruption(error: BaseException) -> bool:
    """Return whether an error is one of a stopping signal, or what a library or C code made of that."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


def raise_if_interruption(error: BaseException) -> None:
    """Raise `Interrupted` if an error is what C code made of it: a SystemError, for example.

    Args:
        error: that was caught.
    """
    if _current is not None and _current.name and is_interruption(error):
        raise Interrupted(_current.name) from error


@contextlib.contextmanager
def interruptions_restored() -> Iterator[None]:
    """Raise `Interrupted` for an error inside this context that is what C code made of it."""
    try:
        yield
    except Exception as error:
        raise_if_interruption(error)
        raise


def raise_if_interrupted() -> None:
    """Raise `Interrupted` if a stopping signal was received.

    Python drops an exception that is raised in a destructor or in a callback of C code. A loop that calls
    this between its steps stops nevertheless.
    """
    if _current is not None and _current.name:
        raise Interrupted(_current.name)


def _show_dropped(show: Callable[[sys.UnraisableHookArgs], object], dropped: sys.UnraisableHookArgs) -> None:
    """Show an exception that Python dropped, except `Interrupted`: `raise_if_interrupted` raises it again."""
    if not isinstance(dropped.exc_value, Interrupted):
        show(dropped)


def _watch(reader: int, request: StopRequest) -> None:
    """Read the number of every signal as it arrives, even while the main thread runs C++ code."""
    seen = 0
    while read := os.read(reader, 16):
        seen += sum(number in STOPPING for number in read)
        if seen == 1 and not request.heard.wait(PATIENCE_SECONDS):
            with contextlib.suppress(OSError):  # the terminal may be closed
                os.write(2, BUSY)
        elif seen > 1:
            _quit()
