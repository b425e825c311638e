"""A worker that `--replicas` has started ends soon after the process that started it, worker 0."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mlpcli.errors import Problem, TrainingError

LOOK_SECONDS = 0.5
GRACE_SECONDS = 5.0
"""How long an orderly stop may take."""


def check_starter(process: int) -> None:
    """End a wait for worker 0, whose process has ended.

    Args:
        process: The id of the process that started this one.

    Raises:
        TrainingError: It has ended.
    """
    if os.getppid() != process:  # another process takes over those whose own parent has ended
        raise TrainingError(Problem("worker 0, which started this worker, has ended"))


@contextmanager
def ending_with(process: int) -> Iterator[None]:
    """Stop this process soon after the one that started it has ended, whatever runs inside this context.

    The first SIGTERM asks for an orderly stop, the second one ends a process that TensorFlow keeps busy.

    Args:
        process: The id of the process that started this one.
    """
    over = threading.Event()

    def watch() -> None:
        while os.getppid() == process:
            if over.wait(LOOK_SECONDS):
                return
        for _ in range(2):
            if not over.is_set():
                os.kill(os.getpid(), signal.SIGTERM)
            over.wait(GRACE_SECONDS)

    thread = threading.Thread(target=watch, name="mlpcli-starter", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
