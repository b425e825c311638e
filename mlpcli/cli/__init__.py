"""The command line: each command loads, calls one function, reports, and exits.

A command is in the file of its name: `check`, `code`, `compare`, `doctor`, `evaluate`, `explain`, `export`,
`init`, `inspect`, `label_check`, `log`, `lr_find`, `more_data`, `note`, `pack`, `predict`, `remove` (and
`clean`), `report`, `reproduce`, `runs`, `schema`, `serve`, `tensorboard`, `train`, `tune`, `unpack`.
`program` lists them and handles all errors; `help_text` groups them, `parameter_errors` words what Typer
refuses.

They share `options`, `data_options`, `completion`, `spec_file` (the spec that is named), `named` (the run
that is named), `findings` of the doctor; `shell_completion` is what bash and zsh do with a completion.
Parts of one: `examples`, `init_images`, `inspect_images`, `explanation_lines`, `predict_explain`,
`train_flags`, `with_replicas`.

Importing this package imports nothing else of the program: that takes a third of a second, and Ctrl-C in it
must end the process as quietly as later. Therefore `run` first installs handlers for the stopping signals.
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
    """Run the installed program, and end the process; with status 130 when it is asked to stop."""
    try:
        _answer_signals()
        from mlpcli.cli import program

        os._exit(program.run())
    except KeyboardInterrupt:  # before the signals are answered
        os._exit(EXIT_INTERRUPTED)


def _answer_signals() -> None:
    """End the process immediately on a stopping signal, before and after `signals.handling_signals`.

    Nothing is being written then. An exception would be raised inside an import, where it might be replaced
    by another or dropped.
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
    """Return the Typer app, for tools that inspect its commands."""
    if name == "app":
        from mlpcli.cli import program

        return program.app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
