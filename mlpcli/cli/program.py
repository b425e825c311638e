"""The `mlpcli` program: the list of commands, and the handling of all errors."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated

import typer

from mlpcli import signals
from mlpcli.cli.check import check
from mlpcli.cli.code import code
from mlpcli.cli.compare import compare
from mlpcli.cli.doctor import doctor
from mlpcli.cli.evaluate import evaluate
from mlpcli.cli.explain import explain
from mlpcli.cli.export import export
from mlpcli.cli.help_text import KEEP, LOOK, START, TRAIN, USE, WELCOME, Command, Group
from mlpcli.cli.init import InitCommand, init
from mlpcli.cli.inspect import inspect
from mlpcli.cli.label_check import label_check
from mlpcli.cli.log import log
from mlpcli.cli.lr_find import lr_find
from mlpcli.cli.more_data import more_data
from mlpcli.cli.note import note
from mlpcli.cli.pack import pack
from mlpcli.cli.predict import predict
from mlpcli.cli.remove import clean, remove
from mlpcli.cli.report import report
from mlpcli.cli.reproduce import reproduce
from mlpcli.cli.runs import runs
from mlpcli.cli.schema import schema
from mlpcli.cli.serve import serve
from mlpcli.cli.shell_completion import use_own_completion
from mlpcli.cli.tensorboard import tensorboard
from mlpcli.cli.train import train
from mlpcli.cli.tune import tune
from mlpcli.cli.unpack import unpack
from mlpcli.errors import MlpcliError
from mlpcli.machine import installed_version
from mlpcli.plugin_frames import plugin_failure
from mlpcli.program_name import as_called

REFUSALS = dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "free disk space")
REFUSALS |= dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "make it writable")
REFUSALS |= {errno.EIO: "check the disk"}
"""Errors of the system when a file is written, and what to do about them."""

EXIT_DONE, EXIT_FAILED, EXIT_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    name="mlpcli",
    help="Train, evaluate and use multilayer perceptrons from one YAML file.",
    epilog="Example: mlpcli train configs/digits.yaml",
    cls=Group,
    rich_markup_mode=None,  # errors are shown by `main`, help by the classes
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _add(panel: str, function: Callable[..., object], example: str, cls: type[Command] = Command) -> None:
    """Add a command under a heading, named as its function, with an example at the end of its help."""
    name = function.__name__.replace("_", "-")
    app.command(name, cls=cls, epilog=f"Example: mlpcli {name} {example}", rich_help_panel=panel)(function)


_add(START, init, "houses.csv --target rooms --task regression", InitCommand)
_add(START, inspect, "houses.csv --target rooms --task regression")
_add(START, check, "configs/digits.yaml")
_add(START, schema, "> mlpcli.schema.json")
_add(TRAIN, train, "configs/digits.yaml --set fit.epochs=5")
_add(TRAIN, tune, "configs/chapter/fashion_random_search.yaml --workers 2")
_add(TRAIN, lr_find, "configs/digits.yaml --write")
_add(TRAIN, reproduce, "digits")
_add(LOOK, evaluate, "digits --by target")
_add(LOOK, explain, "houses")
_add(LOOK, doctor, "houses --apply")
_add(LOOK, report, "digits -o digits.html")
_add(LOOK, compare, "digits/2026-11-24_09-30-00 digits --metric accuracy")
_add(LOOK, label_check, "digits --top 10 -o doubts.csv")
_add(LOOK, more_data, "configs/digits.yaml --repeats 2")
_add(LOOK, tensorboard, "digits")
_add(USE, predict, "digits rows.npy -o predictions.csv")
_add(USE, serve, "houses --port 8501")
_add(USE, export, "houses --format onnx")
_add(USE, code, "configs/digits.yaml -o digits.py")
_add(KEEP, runs, "--sort val_accuracy --where status=completed")
_add(KEEP, note, 'digits "with the new labels" --tag good')
_add(KEEP, log, "digits --to mlflow")
_add(KEEP, pack, "digits -o digits.zip")
_add(KEEP, unpack, "digits.zip")
_add(KEEP, remove, "digits/2026-11-24_09-30-00")
_add(KEEP, clean, "--dry-run")


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"mlpcli {installed_version('mlpcli')}")
        print(f"Python {sys.version.split()[0]}")
        for label, package in (("TensorFlow", "tensorflow"), ("Keras", "keras"), ("NumPy", "numpy")):
            print(f"{label} {installed_version(package) or 'not installed'}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train, evaluate and use multilayer perceptrons from one YAML file."""
    from mlpcli.plots.style import is_dark

    if ctx.invoked_subcommand is None:
        print(as_called(WELCOME))
    is_dark()  # a wrong setting is an error now, not when a training ends


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program with `arguments` (default: the process's own) and return its exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    asked = signals.StopRequest()
    try:
        with signals.handling_signals(asked):
            command = _command()
            use_own_completion()  # since Typer registers its own whenever it makes commands
            status = command(arguments, standalone_mode=False, prog_name="mlpcli")
        sys.stdout.flush()
        if status == EXIT_INTERRUPTED:  # what Typer makes of a KeyboardInterrupt
            _show("interrupted")
        return status if isinstance(status, int) else EXIT_DONE
    except KeyboardInterrupt:
        _show("interrupted")
        return EXIT_INTERRUPTED
    except SystemExit as error:
        if _reader_has_gone(error):
            return EXIT_DONE
        return error.code if isinstance(error.code, int) else EXIT_FAILED
    except BrokenPipeError:  # the reader has gone: not our error, and nothing to write to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except Exception as error:
        if asked.name and not isinstance(error, MlpcliError):
            _show(_interrupted(error))
            return EXIT_INTERRUPTED
        return _end(error, debug="--debug" in arguments)


def _reader_has_gone(error: SystemExit) -> bool:
    """Return whether Rich or Typer ends the program since nobody reads its output: `| head`."""
    cause = error.__cause__ or error.__context__
    return isinstance(cause, OSError) and cause.errno == errno.EPIPE


@cache
def _command() -> Callable[..., object]:
    """Return all commands, as Typer makes them of their functions; that takes as long as a short command."""
    return typer.main.get_command(app)


def _interrupted(error: BaseException) -> str:
    """Return the message for an interruption that a library turned into another error."""
    if signals.is_interruption(error) or isinstance(error, ImportError):
        return "interrupted"
    return f"interrupted ({type(error).__name__}: {' '.join(str(error).split())})"


def run() -> int:
    """Run `main` for the installed program; return the status with which the caller ends the process at once.

    Python's own exit would handle no more signals. Once TensorFlow is loaded, it takes a second to free what
    the system frees anyway, and HDF5 may crash in it after a full disk. All our files are closed and flushed
    by then.
    """
    _prepare_streams()
    status = main()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # the reader of a pipe may have gone
            stream.flush()
    return status


def _prepare_streams() -> None:
    """Open closed streams on the null device; escape characters that a stream cannot encode."""
    for name, descriptor in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:  # closed by `>&-`: take its number, or the next file that is opened gets it
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w", encoding="utf-8"))
        elif name != "stdin" and stream.encoding.lower().replace("-", "") != "utf8":
            stream.reconfigure(errors="backslashreplace")


def _end(error: Exception, *, debug: bool) -> int:
    """Show an error and return its exit status."""
    if debug:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, MlpcliError):
        from mlpcli.report.console import show_error

        show_error(error)
        return error.exit_status
    if hasattr(error, "format_message"):  # Typer's own: an unknown option, a missing argument
        from mlpcli.cli.parameter_errors import parameter_message

        message = parameter_message(error)
        context = getattr(error, "ctx", None)
        if message.startswith("Usage:"):  # the help itself, when nothing was asked
            _show(message)
            return EXIT_INPUT
        message = " ".join(message.split())
        if context is not None and message.startswith(SURPLUS):
            message += _surplus_hint(context.command.name or "", message.removeprefix(SURPLUS))
        end = "" if message.endswith("?") else ";"
        _show(message if context is None else f"{message}{end} see {context.command_path} --help")
        return EXIT_INPUT
    if isinstance(error, OSError) and error.errno in REFUSALS:
        where = f" ({error.filename})" if error.filename else ""
        _show(f"{error.strerror}{where}: no incomplete file was left; {REFUSALS[error.errno]} and try again")
        return EXIT_FAILED
    _show(_unexpected(error, debug=debug))
    return EXIT_FAILED


def _unexpected(error: Exception, *, debug: bool) -> str:
    """Return the message for an error that is none of ours: where in a plug-in it arose, if it did there."""
    found = plugin_failure(error)
    own = error if found is None else found.error
    reason = " ".join(re.sub("\x1b\\[[0-9;]*m", "", str(own)).split())  # Keras colours its messages
    where, seen = ("internal error", "where") if found is None else (found.where, "the whole traceback")
    hint = "" if debug else f"; run again with --debug to see {seen}"
    return f"{where}: {type(own).__name__}: {reason}{hint}"


SURPLUS = "Got unexpected extra argument(s)"
WITH_OPTION = {
    "evaluate": "a file is given with --data: mlpcli evaluate RUN --data FILE",
    "predict": "several files are given as one pattern in quotes, the file to write with -o",
    "inspect": "the target is given with --target: mlpcli inspect FILE --target COLUMN",
    "init": "the target is given with --target: mlpcli init FILE --target COLUMN",
}
"""What is given with an option, by the command that takes no further argument."""


def _surplus_hint(command: str, surplus: str) -> str:
    """Return what to write instead of an argument too many; an empty text if that is not known."""
    if "=" in surplus and command in ("train", "check", "tune", "lr-find", "more-data", "code"):
        return f"; a value of the spec is set with --set: mlpcli {command} SPEC --set PATH=VALUE"
    return f"; {WITH_OPTION[command]}" if command in WITH_OPTION else ""


def _show(text: str) -> None:
    """Show some lines on stderr, with escapes for what a terminal would execute."""
    from mlpcli.printable import printable

    with contextlib.suppress(OSError):  # the terminal may be gone; the exit status is still right
        lines = [printable(line) for line in text.split("\n")]
        if len(lines) == 1 and sys.stderr.isatty():
            from mlpcli.report.console import message_lines
            from mlpcli.report.screen import console

            lines = message_lines(lines[0], console(stderr=True))
        for line in lines:
            print(as_called(line), file=sys.stderr)
