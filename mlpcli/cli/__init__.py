"""The command line: each command loads, calls one function, reports, and exits.

Importing this package imports nothing else of the program: that takes a third of a second, in which Ctrl-C
must end the process as quietly as later. `run` first sees to the stopping signals.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` itself is not needed
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from mlpcli.cli.program import app as app

__all__ = ["app", "main", "run"]

EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program with `arguments` (default: the process's own) and return its exit status."""
    from mlpcli.cli import program

    return program.main(arguments)


def run() -> None:
    """The installed program: it ends the process, with status 130 whenever it is asked to stop."""
    try:
        _answer_signals()
        from mlpcli.cli import program

        os._exit(program.run())
    except KeyboardInterrupt:  # before the signals are answered
        os._exit(EXIT_INTERRUPTED)


def _answer_signals() -> None:
    """Until `signals.handling_signals` takes over, and after it, a stopping signal ends the process at once.

    Nothing is being written then. An exception would come up inside an import, where it may turn into another
    or be dropped.
    """
    import signal

    def end(number: int, frame: FrameType | None) -> None:
        try:
            os.write(2, b"interrupted\n")
        finally:
            os._exit(EXIT_INTERRUPTED)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # as nohup asks
            signal.signal(number, end)


def __getattr__(name: str) -> object:
    """The Typer app, for those who look at its commands."""
    if name == "app":
        from mlpcli.cli import program

        return program.app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
