"""Kill a search repeatedly, resume it, and compare it with an uninterrupted search; print a table.

    KERAS_HOME=... python scripts/torture_tune.py [--kills 5] [--trials 5] [--epochs 2] [--seed 1]
    ... [--spec configs/chapter/fashion_bayesian.yaml] [--set tuner.max_epochs=4]
    ... --workers 2      # a kill hits the command or one of its workers
    ... --roles 2        # a chief and workers started separately; a killed process is started again
    ... --writes [--stride 10]  # instead: small searches, killed at every write, or at every tenth

Every process is new, and is killed with SIGKILL at a random moment. The delay is at most the time of the
uninterrupted search divided by the number of kills. One time in five it counts from the start of the process,
otherwise from the first change of the search. Compared are the values, epochs, score and metrics of each
trial, the trials trained again, the winner, its spec and its metrics.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from mlpcli.runs.search_folder import Search, load_search

ROOT = Path(__file__).parent.parent
EARLY = 0.2
"""Share of the kills that may hit a process before it has read the search."""
PATIENCE_SECONDS = 1800
"""Limit for a search to end after the last kill; beyond it, a process waits forever."""


def command(*arguments: object) -> list[str]:
    """A command line of the program in a process of its own."""
    return [sys.executable, "-m", "mlpcli", "tune", *map(str, arguments)]


def start(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process whose output goes to the end of a file."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with log.open("ab") as file:
        return subprocess.Popen(arguments, stdout=file, stderr=subprocess.STDOUT, env=env)


def found(runs_dir: Path) -> Search | None:
    """The one search under a folder, once it can be resumed."""
    searches = [path.parent for path in runs_dir.glob("*/*/search.json")]
    return load_search(searches[0]) if searches and (searches[0] / "run.json").is_file() else None


def changed(runs_dir: Path) -> float:
    """When the search under a folder was last written to; 0 while there is none."""
    return max((path.stat().st_mtime for path in runs_dir.glob("*/*/search.json")), default=0.0)


def where(search: Search | None) -> str:
    """Return what a search was doing."""
    if search is None:
        return "starting"
    if search.finished:
        return "drawing, or finished"
    if search.promotions or search.winner is not None:
        return "training the best again"
    return "running a trial" if search.unfinished() else "between trials"


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes that a command has started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children]


class Alone:
    """One command runs the search, with workers of its own or without; it or one of them is killed."""

    def __init__(self, begin: list[Any], runs_dir: Path, log: Path, workers: int) -> None:
        self.begin, self.runs_dir, self.log, self.workers = begin, runs_dir, log, workers
        self.process: subprocess.Popen[bytes] | None = None

    def live(self) -> None:
        """Start the command if it is not running."""
        if self.process is not None and self.process.poll() is None:
            return
        search = found(self.runs_dir)
        what = self.begin if search is None else ["--resume", search.folder]
        workers = ["--workers", self.workers] if self.workers > 1 else []
        self.process = start(command(*what, *workers, "--runs-dir", self.runs_dir), self.log)

    def kill(self, chance: random.Random) -> str:
        """Kill one process; returns which."""
        assert self.process is not None
        workers = workers_of(self.process) if self.workers > 1 else []
        chosen = chance.choice([self.process.pid, *workers])
        os.kill(chosen, signal.SIGKILL)
        if chosen == self.process.pid:
            self.process.wait()
            return "the command"
        return "a worker"

    def ended(self) -> bool:
        """Return whether the search is over; a command that fails ends the program."""
        assert self.process is not None
        if self.process.poll() not in (None, 0):
            raise SystemExit(
                f"the command ended with status {self.process.returncode}: {self.log.read_text()}"
            )
        return self.process.poll() == 0


class Roles:
    """A chief and workers, each started separately, that share an address and a folder; any may be killed."""

    def __init__(self, begin: list[Any], runs_dir: Path, log: Path, workers: int) -> None:
        self.begin, self.runs_dir, self.log = begin, runs_dir, log
        self.processes: list[subprocess.Popen[bytes] | None] = [None] * (workers + 1)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"

    def live(self) -> None:
        """Start the chief and the workers that are not running."""
        for place, process in enumerate(self.processes):
            if process is not None and process.poll() is None:
                continue
            search = found(self.runs_dir)
            what = self.begin if search is None else ["--resume", search.folder]
            what = what if place == 0 else self.begin[:1]
            role = ["--role", "worker" if place else "chief", "--address", self.address]
            self.processes[place] = start(command(*what, *role, "--runs-dir", self.runs_dir), self.log)

    def kill(self, chance: random.Random) -> str:
        """Kill one process; returns which."""
        place = chance.randrange(len(self.processes))
        process = self.processes[place]
        assert process is not None
        process.kill()
        process.wait()
        return "a worker" if place else "the chief"

    def ended(self) -> bool:
        """Return whether all have ended; one that fails ends the program."""
        statuses = [process.poll() for process in self.processes if process is not None]
        if any(status not in (None, 0) for status in statuses):
            raise SystemExit(f"processes ended with {statuses}: {self.log.read_text()}")
        return all(status == 0 for status in statuses)


def run_and_kill(
    processes: Alone | Roles, kills: int, seconds: float, chance: random.Random
) -> Iterator[str]:
    """Run a search to its end, killing so many times; yields what each kill hit."""
    for _ in range(kills):
        before = changed(processes.runs_dir)
        processes.live()
        early = chance.random() < EARLY
        while not early and changed(processes.runs_dir) == before and not processes.ended():
            time.sleep(0.2)
        time.sleep(chance.uniform(0.0, seconds))
        if processes.ended():
            return
        stage = where(found(processes.runs_dir))
        yield f"{processes.kill(chance)} while {stage}"
    processes.live()
    last = time.monotonic() + PATIENCE_SECONDS
    while not processes.ended():
        if time.monotonic() > last:
            raise SystemExit(f"not finished after {PATIENCE_SECONDS} seconds: {processes.log.read_text()}")
        time.sleep(0.2)


def outcome(search: Search) -> dict[str, Any]:
    """Return what must be equal in two searches."""
    metrics, best = search.folder / "metrics.json", search.folder / "best.yaml"
    text = best.read_text() if best.exists() else ""
    return {
        "trials": [(t.number, t.proposed, t.status, t.epochs, t.source, t.trained) for t in search.trials],
        "scores": [(t.score, t.best_epoch, t.metrics) for t in search.trials],
        "ends": sorted(number for event, number in search.events if event == "end"),
        "starts": sorted(number for event, number in search.events if event == "start"),
        "trained again": [(p.trial, p.seed, p.score) for p in search.promotions],
        "winner": search.winner,
        "metrics": json.loads(metrics.read_text()) if metrics.exists() else None,
        "best.yaml": [line for line in text.splitlines() if line[:1] != "#"],
    }


def largest_gap(one: Any, other: Any) -> float:
    """The largest difference of two numbers at the same place; infinite where anything else differs."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return max((largest_gap(one[key], other[key]) for key in one), default=0.0)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        return max((largest_gap(a, b) for a, b in zip(one, other, strict=True)), default=0.0)
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other)
    return 0.0 if one == other else float("inf")


def main() -> None:
    """Run one search without interruption and one that is killed, and compare them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", default=str(ROOT / "configs" / "chapter" / "fashion_random_search.yaml"))
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--trials", type=int, help="the spec's, and Hyperband's own number, if left out")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--roles", type=int, default=0, metavar="WORKERS")
    parser.add_argument("--seconds", type=float, help="between kills at most; else the time alone over kills")
    parser.add_argument("--writes", action="store_true")
    parser.add_argument("--stride", type=int, default=1)
    chosen = parser.parse_args()
    if chosen.writes:
        from scripts.torture_search_writes import main as kill_at_writes

        kill_at_writes(chosen.stride)
    begin = [chosen.spec, "--set", f"fit.epochs={chosen.epochs}"]
    begin += [part for setting in chosen.set for part in ("--set", setting)]
    begin += ["--trials", chosen.trials] if chosen.trials else []
    with tempfile.TemporaryDirectory() as name:
        folder, chance = Path(name), random.Random(chosen.seed)
        began = time.monotonic()
        for _ in run_and_kill(Alone(begin, folder / "alone", folder / "alone.log", 1), 0, 0.0, chance):
            pass
        seconds = chosen.seconds or (time.monotonic() - began) / max(1, chosen.kills)
        kind = Roles if chosen.roles else Alone
        processes = kind(begin, folder / "killed", folder / "killed.log", chosen.roles or chosen.workers)
        hits = Counter(run_and_kill(processes, chosen.kills, seconds, chance))
        whole, killed = found(folder / "alone"), found(folder / "killed")
        assert whole is not None
        assert killed is not None
        report(whole, killed, hits)


def report(whole: Search, killed: Search, hits: Counter[str]) -> None:
    """Print what was done and how the two agree; exit with 1 where they do not."""
    one, other = outcome(whole), outcome(killed)
    starts = [trial.starts for trial in killed.trials]
    print(f"| {killed.name}, {killed.algorithm} | {len(killed.trials)} trials |\n|---|---|")
    for what, times in sorted(hits.items()):
        print(f"| SIGKILL to {what} | {times} |")
    print(f"| restarted trials | {sum(start - 1 for start in starts)} |")
    bad = False
    for key, wanted in one.items():
        gap = largest_gap(wanted, other[key])
        bad |= gap > 1e-3
        print(f"| {key} | {'equal' if gap == 0 else f'differ by {gap:.2g} at most'} |", flush=True)
    if bad:
        print(json.dumps([one, other], default=str, indent=1), file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
