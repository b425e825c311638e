"""`mlpcli serve`."""

from __future__ import annotations

import re
import sys
from typing import Annotated

import typer

from mlpcli.cli.options import (
    RUNS_DIR,
    BestOption,
    DebugOption,
    JsonOption,
    RunArgument,
    RunsDirOption,
    TrustOption,
)

LOCAL = ("127.0.0.1", "::1", "localhost")

PortOption = Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for any free one.")]
HostOption = Annotated[
    str, typer.Option(help="The address; 127.0.0.1 unless other machines connect. There is no password.")
]
BodyOption = Annotated[
    str, typer.Option("--max-body", metavar="SIZE", help="The largest request, such as 10MB.")
]
WaitingOption = Annotated[
    int,
    typer.Option(
        "--max-waiting",
        metavar="ROWS",
        min=1,
        help="Rows that may wait; further requests get 503, larger ones 413.",
    ),
]


def serve(
    run: RunArgument,
    port: PortOption = 8501,
    host: HostOption = "127.0.0.1",
    max_body: BodyOption = "10MB",
    max_waiting: WaitingOption = 50_000,
    best: BestOption = False,
    trust_plugins: TrustOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Answer prediction requests over HTTP with a run's model, until Ctrl-C or SIGTERM."""
    from mlpcli import runs
    from mlpcli.cli.named import find_named
    from mlpcli.errors import AllAtOnce
    from mlpcli.extras import check_extra
    from mlpcli.report import console

    at_once = AllAtOnce()
    size = at_once.of(size_in_bytes, max_body, "--max-body")
    at_once.of(check_extra, "serve", "serve")
    named = at_once.of(find_named, run, runs_dir, trusted=trust_plugins, best=best)
    if named:
        at_once.of(named.value.require, runs.MODEL)
    at_once.finish()
    found, body_bytes = named.value, size.value
    if host not in LOCAL:
        text = f"other machines can reach {host}: there is no password and no encryption"
        console.show_line(text, stderr=True, style="yellow")

    def ready(address: str) -> None:
        if json:
            console.show_json({"run": found.label, "url": address})
        else:
            name = found.label.split("/")[0]
            console.show_line(f"{found.label} on {address} (stop it with Ctrl-C)")
            console.show_line(f"  POST {address}/predict   GET {address}/schema")
            console.show_line(f"  POST {address}/v1/models/{name}:predict, as TensorFlow Serving")
        sys.stdout.flush()

    from mlpcli.serving.server import ServeOptions, serve_run

    serve_run(found, ServeOptions(host, port, body_bytes, max_waiting), ready=ready)
    console.show_line("stopped", stderr=True)


def size_in_bytes(text: str, option: str) -> int:
    """Return a size such as 10MB or 512KB in bytes.

    Raises:
        UsageError: it is none.
    """
    from mlpcli.errors import Problem, UsageError

    units = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kKmMgG]?[bB]?)\s*", text)
    unit = None if match is None else units.get(match[2].lower())
    size = 0 if match is None or unit is None else int(float(match[1]) * unit)
    if size < 1:
        raise UsageError(Problem(f"{option}: must be a size such as 10MB", received=text))
    return size
