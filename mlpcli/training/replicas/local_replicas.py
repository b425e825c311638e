"""`--replicas N`: this process is worker 0, and starts and ends the others on this machine."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from mlpcli.errors import Problem, TrainingError
from mlpcli.keras_import import thread_settings
from mlpcli.training.replicas.cluster import OWN, Cluster

LOOPBACK = "127.0.0.1"
END_SECONDS = 10.0
"""How long the other processes may take to end in order."""
LINES = 8
"""Of what a process has said, in the error about it."""


@dataclass
class _Processes:
    """The other workers' processes, and what they write to stderr, by index."""

    running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    said: dict[int, BinaryIO] = field(default_factory=dict)

    def start(self, cluster: Cluster, listener: socket.socket, command: Sequence[str], threads: int) -> None:
        """Start the process of a worker."""
        number = listener.fileno()
        given = {"index": cluster.index, "addresses": cluster.addresses, "key": cluster.key}
        given["starter"] = os.getpid()
        variables = {OWN: json.dumps({**given, "listener": number})}
        said = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `end`)
        self.said[cluster.index] = said
        self.running[cluster.index] = subprocess.Popen(
            [sys.executable, "-m", "mlpcli", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=os.environ | thread_settings(threads) | variables,
            pass_fds=(number,),
            start_new_session=True,  # Ctrl-C is for worker 0, which tells the others
        )

    def check(self) -> None:
        """End a wait for a process that has ended.

        Raises:
            TrainingError: One has.
        """
        for index, process in self.running.items():
            if process.poll() is not None:
                lines = [Problem(line) for line in self._last_lines(index)]
                rule = f"worker {index} has ended: {_ending(process.returncode)}"
                raise TrainingError(Problem(rule), *lines)

    def fate(self, index: int) -> str:
        """Return how the process of a worker that is gone has ended; empty where it has not."""
        process = self.running.get(index)
        if process is None:
            return ""
        try:
            return _ending(process.wait(2.0))
        except subprocess.TimeoutExpired:
            return ""

    def _last_lines(self, index: int) -> list[str]:
        said = self.said[index]
        said.seek(0)
        lines = said.read().decode("utf-8", errors="replace").splitlines()
        return [line for line in lines if line.strip()][-LINES:]

    def end(self, seconds: float) -> None:
        """Wait for all processes to end, and end those that do not."""
        deadline = time.monotonic() + seconds
        for stop in ("wait", "terminate", "kill"):
            for process in self.running.values():
                if process.poll() is None and stop != "wait":
                    getattr(process, stop)()
            for process in self.running.values():
                try:
                    process.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    continue
            deadline = time.monotonic() + 3.0
        for said in self.said.values():
            said.close()


def _ending(status: int) -> str:
    """Return how a process has ended, in words."""
    if status >= 0:
        return f"its process ended with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"its process was ended by {name}"


@contextmanager
def replicas_here(count: int, command: Sequence[str], threads: int) -> Iterator[Cluster]:
    """Start the processes of all workers but this one, and end them when the context ends.

    Args:
        count: How many workers there are.
        command: The arguments of `mlpcli` for each.
        threads: Of each worker.

    Yields:
        The cluster, as this process sees it: worker 0.
    """
    listeners = [socket.create_server((LOOPBACK, 0), backlog=count) for _ in range(count)]
    addresses = tuple((LOOPBACK, int(each.getsockname()[1])) for each in listeners)
    cluster = Cluster(0, addresses, secrets.token_hex(16))
    processes = _Processes()
    in_order = False
    try:
        for index in range(1, count):
            processes.start(replace(cluster, index=index), listeners[index], command, threads)
            listeners[index].close()
        own = listeners[0].detach()
        yield replace(cluster, listener=own, check=processes.check, fate=processes.fate)
        in_order = True
    finally:
        processes.end(END_SECONDS if in_order else 2.0)
