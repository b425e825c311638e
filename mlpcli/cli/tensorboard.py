"""`mlpcli tensorboard`."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from mlpcli.cli.completion import complete_run
from mlpcli.cli.options import RUNS_DIR, DebugOption, JsonOption, RunsDirOption


def tensorboard(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN", help="Only this run, experiment or search.", autocompletion=complete_run
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for any free one.")] = 6006,
    host: Annotated[
        str, typer.Option(help="The address; 127.0.0.1 unless other machines connect.")
    ] = "127.0.0.1",
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Start TensorBoard on the runs folder, until Ctrl-C."""
    from mlpcli.errors import AllAtOnce
    from mlpcli.report import console
    from mlpcli.runs.folder import find_logs

    at_once = AllAtOnce()
    found, free = at_once.of(find_logs, run, runs_dir), at_once.of(_free_port, host)
    at_once.finish()
    folder, port = found.value, port or free.value
    if json:
        console.show_json({"url": f"http://{host}:{port}/", "logdir": str(folder)})
    else:
        console.show_line(f"TensorBoard on {folder}: http://{host}:{port}/ (stop it with Ctrl-C)")
    sys.stdout.flush()
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder)]
    command += ["--host", host, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=None if debug else subprocess.PIPE)
    try:
        _, text = process.communicate()
    finally:
        process.terminate()
        process.wait()
    if process.returncode and not debug:
        last = [line for line in text.decode(errors="replace").splitlines() if line.strip()][-3:]
        for line in last:
            console.show_line(line, stderr=True)
    return 1 if process.returncode else 0


def _free_port(host: str) -> int:
    """Return a port of this machine that nothing listens on.

    Raises:
        UsageError: this machine has no such address.
    """
    import socket

    from mlpcli.errors import Problem, UsageError

    try:
        kind, *_, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(kind) as probe:
            probe.bind(address)
            return int(probe.getsockname()[1])
    except (OSError, UnicodeError) as error:  # UnicodeError: no name of a machine can be so
        rule = f"--host: is no address of this machine ({getattr(error, 'strerror', None) or error})"
        raise UsageError(Problem(rule, received=host, hint="write 127.0.0.1, or 0.0.0.0 for all")) from None
