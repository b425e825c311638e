"""A listener at a port, which stands in a chief's place or between a worker and its chief."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from mlpcli.tuning.channel import UntrustedPeer
from mlpcli.tuning.protocol import CHIEF

KEY = "0" * 64


class Listener:
    """Listens at a port and lets a function do as it likes with each connection; keeps what was received."""

    def __init__(self, behave: Callable[[socket.socket], object]) -> None:
        self.behave = behave
        self.received = b""
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, UntrustedPeer):
            self.behave(connection)

    def hear(self, connection: socket.socket) -> bytes:
        received = connection.recv(65536)
        self.received += received
        return received

    def close(self) -> None:
        self._server.close()


def write_contact(folder: Path, address: str, **changes: object) -> None:
    """Write where the chief of a search is to be found."""
    document = {"protocol": 2, "address": address, "key": KEY, "host": "here"} | changes
    (folder / CHIEF).write_text(json.dumps(document))
