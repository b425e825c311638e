"""Serve a run's model over HTTP until the process is asked to stop."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import socket
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlpcli import signals
from mlpcli.errors import Problem, UsageError
from mlpcli.runs.folder import Run
from mlpcli.serving.batches import Batcher
from mlpcli.serving.describe import openapi, prediction_schema, row_schema
from mlpcli.serving.served_model import ServedModel, load_served

if TYPE_CHECKING:
    import uvicorn

HEAD_SECONDS = BODY_SECONDS = 30.0
"""Within which the head of a request, and then its body, must come."""

STOP_SECONDS = 30
"""Within which requests that have begun are answered when the server is asked to stop."""

CONNECTIONS = 1000
"""At once; uvicorn answers further ones with status 503."""


@dataclass(frozen=True)
class ServeOptions:
    """How a model is served.

    Attributes:
        host: the address to listen on.
        port: the port; 0 for any free one.
        body_bytes: of a request, at most.
        waiting_rows: of a request, and that may wait for the model; what is more is refused.
    """

    host: str
    port: int
    body_bytes: int
    waiting_rows: int


def serve_run(run: Run, options: ServeOptions, *, ready: Callable[[str], None]) -> None:
    """Load a run's model and answer requests until a signal asks to stop; then answer what has begun.

    Args:
        run: the run.
        options: where, and within which limits.
        ready: called with the address when requests are answered.

    Raises:
        RunError: the run has no model.
        UsageError: the address is in use, or is none.
    """
    with contextlib.closing(_listen(options.host, options.port)) as listening:
        served = load_served(run, None)
        with serving(served, run.label, options) as app:
            host, port = listening.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            web_server(app, lambda: ready(f"http://{shown}:{port}")).run(sockets=[listening])


def web_server(app: Callable[..., object], ready: Callable[[], None]) -> uvicorn.Server:
    """Return the web server of an application.

    Args:
        app: the ASGI application.
        ready: called when it answers requests.
    """
    import uvicorn

    from mlpcli.serving.connections import connections

    class Server(uvicorn.Server):
        """Says when it is ready, and leaves signals to `mlpcli.signals`."""

        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None, None, None]:
            """Stop in order when the process is asked to stop."""
            with signals.answering_with(self.stop):
                yield

        def stop(self) -> None:
            """Answer the requests that have begun, and no others."""
            self.should_exit = True

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            """Start to listen."""
            await super().startup(sockets)
            ready()

    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    return Server(
        uvicorn.Config(
            app,
            http=connections(HEAD_SECONDS),
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="off",
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )


@contextlib.contextmanager
def serving(served: ServedModel, label: str, options: ServeOptions) -> Iterator[Callable[..., object]]:
    """Yield the ASGI application of a model, whose thread ends with the context.

    Args:
        served: the model.
        label: `name/timestamp` of the run.
        options: its limits.
    """
    from mlpcli.serving.app import Limits, Pages, build_app

    contract = served.trained.contract
    row, prediction = row_schema(contract), prediction_schema(served.try_out())
    name = label.split("/")[0]
    columns = contract.preprocessor.names if contract.preprocessor else ()
    pages = Pages(
        name,
        label,
        columns or (contract.features if contract.kind == "table" else ()),
        {"model": label, "row": row, "prediction": prediction},
        openapi(importlib.metadata.version("mlpcli"), row, prediction, name),
    )
    batcher = Batcher(served.encode, served.predict, most_waiting=options.waiting_rows)
    try:
        yield build_app(batcher, pages, Limits(options.body_bytes, options.waiting_rows, BODY_SECONDS))
    finally:
        batcher.close()


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address, before the model is loaded.

    Raises:
        UsageError: it cannot be.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "is no name of a host"
        raise UsageError(Problem(f"--host {host}: {reason}")) from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        listening.close()
        hint = "choose another with --port; --port 0 takes any free one"
        raise UsageError(Problem(f"--port {port} on {host}: {error.strerror}", hint=hint)) from None
    return listening
