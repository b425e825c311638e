"""Workers on this machine: started, shared the cores, watched, and started again."""

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
from mlpcli.tuning.chief import LOOPBACK, Chief, say_goodbye, serving
from mlpcli.tuning.protocol import PARENT
from mlpcli.tuning.trial_states import MOST_LOSSES, Ledger

if TYPE_CHECKING:
    from mlpcli.runs.watcher import SearchWatcher

LOGS = "workers"  # the folder of what workers write on stderr
MOST_DEATHS = MOST_LOSSES + 2
"""Workers that may end one after the other and no trial between; more than one trial can be to blame for."""
KILL_SECONDS = 5.0


def run_workers(ledger: Ledger, *, workers: int, watcher: SearchWatcher) -> None:
    """Run a search's trials in processes of their own until there are no more.

    Raises:
        TrainingError: the workers cannot live, or too many trials failed.
    """
    chief = Chief(ledger, watcher, adopt=False)
    with serving(chief, f"{LOOPBACK}:0") as address, _crew(ledger, address, workers) as crew:
        while not chief.over:
            signals.raise_if_interrupted()
            chief.expire()
            crew.replace_dead(chief)
            time.sleep(0.1)
        say_goodbye(chief)
        if chief.failure is not None:
            raise chief.failure


@dataclass
class _Crew:
    """The worker processes of one search."""

    folder: Path
    address: str
    threads: int
    processes: list[subprocess.Popen[bytes]]
    deaths: int = 0
    ended: int = 0  # trials that had ended when a worker last died

    def start(self) -> None:
        """Start one more worker."""
        command = [sys.executable, "-m", "mlpcli", "tune", "--role", "worker"]
        command += ["--address", self.address, "--resume", str(self.folder)]
        threads = {name: str(self.threads) for name in THREAD_VARIABLES}
        log = (self.folder / LOGS / "log.txt").open("ab")
        with log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=os.environ | threads | {PARENT: str(os.getpid())},
                start_new_session=True,  # Ctrl-C is for the chief, who tells them
            )
        self.processes.append(process)

    def replace_dead(self, chief: Chief) -> None:
        """Free the trials of workers that are gone, and start others.

        Raises:
            TrainingError: they all die.
        """
        for process in [p for p in self.processes if p.poll() is not None]:
            self.processes.remove(process)
            chief.drop_process(process.pid)
            if chief.over:
                return
            ended = sum(event == "end" for event, _ in chief.ledger.search.events)
            self.deaths = self.deaths + 1 if ended == self.ended else 1
            self.ended = ended
            if self.deaths >= MOST_DEATHS:
                text = (self.folder / LOGS / "log.txt").read_text(encoding="utf-8", errors="replace")
                last = [line for line in text.splitlines() if line.strip()][-5:]
                rule = f"{self.deaths} workers ended one after the other (exit status {process.returncode})"
                raise TrainingError(*map(Problem, last), Problem(rule, hint="run it with fewer --workers"))
            self.start()


THREAD_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")


@contextmanager
def _crew(ledger: Ledger, address: str, workers: int) -> Iterator[_Crew]:
    """Workers that end when the context does."""
    (ledger.search.folder / LOGS).mkdir(exist_ok=True)
    threads = max(1, (os.cpu_count() or 1) // workers)
    crew = _Crew(ledger.search.folder, address, threads, [])
    try:
        for _ in range(workers):
            crew.start()
        yield crew
    finally:
        for process in crew.processes:
            if process.poll() is None:
                process.terminate()
        last = time.monotonic() + KILL_SECONDS
        for process in crew.processes:
            try:
                process.wait(timeout=max(0.1, last - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
