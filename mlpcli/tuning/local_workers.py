"""Local workers: start them with a share of the cores, watch them, and replace those that end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpcli import signals
from mlpcli.errors import Problem, TrainingError
from mlpcli.keras_import import thread_settings
from mlpcli.machine import usable_cores
from mlpcli.tuning.chief import LOOPBACK, Chief, serving, wait_for_goodbye
from mlpcli.tuning.protocol import PARENT
from mlpcli.tuning.trial_states import MOST_LOSSES, TrialStates

if TYPE_CHECKING:
    from mlpcli.runs.watcher import SearchWatcher

LOGS = "workers"
"""Folder in the search folder with the stderr of the workers."""
MOST_DEATHS = MOST_LOSSES + 2
"""Limit of workers that end in a row while no trial does; more than one trial can cause."""
KILL_SECONDS = 5.0


def run_workers(states: TrialStates, *, workers: int, watcher: SearchWatcher) -> None:
    """Run a search's trials in local worker processes until there are no more.

    Args:
        states: the search's trials.
        workers: how many processes run at a time.
        watcher: receives trials, epochs and notes.

    Raises:
        TrainingError: The workers end too early, or too many trials failed.
    """
    chief = Chief(states, watcher, adopt=False)
    with serving(chief, f"{LOOPBACK}:0") as address, _worker_pool(states, address, workers) as pool:
        while not chief.over:
            signals.raise_if_interrupted()
            chief.expire()
            pool.replace_dead(chief)
            time.sleep(0.1)
        wait_for_goodbye(chief)
        if chief.failure is not None:
            raise chief.failure


@dataclass
class _WorkerPool:
    """The worker processes of one search."""

    folder: Path
    address: str
    threads: int
    processes: list[subprocess.Popen[bytes]]
    deaths: int = 0
    ended: int = 0  # trials that had ended when the last worker ended

    def start(self) -> None:
        """Start one more worker."""
        command = [sys.executable, "-m", "mlpcli", "tune", "--role", "worker"]
        command += ["--address", self.address, "--resume", str(self.folder)]
        threads = thread_settings(self.threads)
        log = (self.folder / LOGS / "log.txt").open("ab")
        with log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=os.environ | threads | {PARENT: str(os.getpid())},
                start_new_session=True,  # Ctrl-C is for the chief, which ends them
            )
        self.processes.append(process)

    def replace_dead(self, chief: Chief) -> None:
        """Free the trials of workers that have ended, and start others.

        Raises:
            TrainingError: Too many ended in a row.
        """
        for process in [p for p in self.processes if p.poll() is not None]:
            self.processes.remove(process)
            chief.drop_process(process.pid)
            if chief.over:
                return
            ended = sum(event == "end" for event, _ in chief.states.search.events)
            self.deaths = self.deaths + 1 if ended == self.ended else 1
            self.ended = ended
            if self.deaths >= MOST_DEATHS:
                text = (self.folder / LOGS / "log.txt").read_text(encoding="utf-8", errors="replace")
                tail = [line for line in text.splitlines() if line.strip()][-5:]
                rule = f"{self.deaths} workers in a row ended (exit status {process.returncode})"
                raise TrainingError(*map(Problem, tail), Problem(rule, hint="run it with fewer --workers"))
            self.start()


@contextmanager
def _worker_pool(states: TrialStates, address: str, workers: int) -> Iterator[_WorkerPool]:
    """Start workers; end them when the context ends."""
    (states.search.folder / LOGS).mkdir(exist_ok=True)
    threads = states.loaded.spec.fit.threads or max(1, usable_cores() // workers)
    pool = _WorkerPool(states.search.folder, address, threads, [])
    try:
        for _ in range(workers):
            pool.start()
        yield pool
    finally:
        for process in pool.processes:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + KILL_SECONDS
        for process in pool.processes:
            try:
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
