"""What a chief and its workers agree on before they communicate: names, addresses and the contact file."""

from __future__ import annotations

import re
import socket

from mlpcli.errors import Problem, UsageError
from mlpcli.runs.search_folder import CHIEF as CHIEF

PARENT = "MLPCLI_CHIEF_PROCESS"
"""Environment variable of a local worker: the process that started it; the worker ends with that process."""


def worker_name(process: int) -> str:
    """Return the name of a worker on this machine: `HOST-PROCESS`."""
    host = re.sub(r"[^A-Za-z0-9._-]", "_", socket.gethostname())[:200]
    return f"{host}-{process}"


def split_address(address: str) -> tuple[str, int]:
    """Split `HOST:PORT`.

    Raises:
        UsageError: It is not an address.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        hint = "write HOST:PORT, such as 127.0.0.1:4100"
        raise UsageError(Problem("--address is not an address", received=address, hint=hint))
    return host, int(port)
