"""A worker of a search: claims trials from the chief and runs them, one after the other."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mlpcli import signals
from mlpcli.errors import Problem, TrainingError
from mlpcli.model.plugins import run_plugins
from mlpcli.runs.folder import open_run
from mlpcli.runs.search_folder import SEARCH, Trial, load_search
from mlpcli.tuning.chief import CHIEF, split_address, worker_name
from mlpcli.tuning.resume_search import open_spec
from mlpcli.tuning.search import SearchWatcher
from mlpcli.tuning.trials import TrialRunner

BEAT_SECONDS = 2.0
PATIENCE_SECONDS = 60.0
"""How long a worker looks for its chief at first, before it gives up."""
LOST_SECONDS = 300.0
"""How long a worker tries to reach a chief that it has lost, which may be started again meanwhile."""
RETRY_SECONDS = 0.5
ANSWER_SECONDS = 60.0
"""The longest that a chief may take to choose a trial."""
PARENT = "MLPCLI_CHIEF_PROCESS"
"""Environment variable: the process that started this worker and without which it has nothing to do."""


def work(
    address: str,
    *,
    search_dir: Path | None,
    name: str,
    runs_dir: Path,
    watcher: SearchWatcher,
    trusted: bool = False,
) -> int:
    """Run trials for the chief at `address` until it says that the search is over; returns how many.

    search_dir: the search's folder; None to find it among those of experiment `name`, as the chief left word.
    trusted: the search's plug-ins may run, wherever they come from.

    Raises:
        TrainingError: the chief was not found, or not heard of again.
    """
    line = _Line(address, _find_folder(address, search_dir, runs_dir / name), watcher)
    _die_with_parent()
    search = load_search(line.folder)
    watcher.stage("starting TensorFlow")
    loaded = open_spec(search)
    run_plugins(replace(open_run(line.folder), trusted=trusted), loaded.catalog)
    runner = TrialRunner(loaded, line.folder, search.objective)
    done = 0
    while True:
        signals.raise_if_asked()
        answer = line.ask("claim", {})
        if answer.get("stop"):
            return done
        if "trial" not in answer:
            time.sleep(float(answer["wait"]))
            continue
        trial = Trial(**answer["trial"])
        watcher.trial_begins(trial)
        done += _run(trial, runner, line, watcher)


def _run(trial: Trial, runner: TrialRunner, line: _Line, watcher: SearchWatcher) -> bool:
    """Run a trial with a heartbeat; False when it was taken away meanwhile."""
    heart = _Heart(line, trial.number)
    heart.start()

    def show(epoch: int, epochs: int, logs: dict[str, float]) -> None:
        heart.news = {"epoch": epoch, "epochs": epochs, "logs": logs}
        watcher.trial_epoch(trial.number, epoch, epochs, logs)
        if heart.lost:
            raise _Lost

    try:
        result = runner.run(trial, show)
    finally:
        heart.stop()
    if heart.lost:
        return False
    line.ask("done", {"trial": trial.number, "result": asdict(result)})
    told = ("status", "score", "best_epoch", "trained", "seconds", "metrics", "reason")
    watcher.trial_ends(replace(trial, **{name: getattr(result, name) for name in told}))
    return True


class _Lost(Exception):
    """The chief has given the trial to another."""


class _Heart(threading.Thread):
    """Tells the chief that a trial is being run, with the newest epoch."""

    def __init__(self, line: _Line, number: int) -> None:
        super().__init__(name="mlpcli-heart", daemon=True)
        self.line, self.number = line, number
        self.news: dict[str, Any] = {}
        self.lost = False
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(BEAT_SECONDS):
            try:
                answer = self.line.send("beat", {"trial": self.number, **self.news})
            except (OSError, ValueError, http.client.HTTPException):
                continue  # the chief may come back; `done` will find out
            self.lost = not answer.get("go_on", True)
            if self.lost:
                return

    def stop(self) -> None:
        """No more beats after this returns."""
        self._stopped.set()
        self.join(timeout=ANSWER_SECONDS)


class _Line:
    """The way to the chief: its address, and the secret that lies in the search's folder."""

    def __init__(self, address: str, folder: Path, watcher: SearchWatcher) -> None:
        self.folder, self.watcher = folder, watcher
        self.address = split_address(address)
        self.worker = worker_name(os.getpid())

    def ask(self, verb: str, document: dict[str, Any]) -> dict[str, Any]:
        """Send and get an answer, trying again for LOST_SECONDS.

        Raises:
            TrainingError: the chief does not answer.
        """
        last = time.monotonic() + LOST_SECONDS
        while True:
            try:
                return self.send(verb, document)
            except (OSError, ValueError, http.client.HTTPException) as error:
                if self._is_finished():
                    return {"stop": True}
                if time.monotonic() > last:
                    host, port = self.address
                    rule = f"the chief at {host}:{port} has not answered for {LOST_SECONDS:.0f} seconds"
                    hint = "start it again; what the search has so far is kept"
                    raise TrainingError(Problem(f"{rule} ({error})", hint=hint)) from None
            signals.raise_if_asked()
            time.sleep(RETRY_SECONDS)

    def send(self, verb: str, document: dict[str, Any]) -> dict[str, Any]:
        """One request and its answer."""
        secret = json.loads((self.folder / CHIEF).read_text(encoding="utf-8"))["secret"]
        connection = http.client.HTTPConnection(*self.address, timeout=ANSWER_SECONDS)
        try:
            body = json.dumps(document | {"worker": self.worker})
            connection.request("POST", f"/{verb}", body, {"Authorization": f"Bearer {secret}"})
            response = connection.getresponse()
            text = response.read()
            if response.status != 200:
                raise OSError(f"the chief answers {response.status} {response.reason}")
            answer: dict[str, Any] = json.loads(text)
            return answer
        finally:
            connection.close()

    def _is_finished(self) -> bool:
        """Whether the chief has left because there is nothing more to do."""
        if (self.folder / CHIEF).exists():
            return False
        search = load_search(self.folder)
        return search.finished or search.winner is not None


def _find_folder(address: str, search_dir: Path | None, experiment: Path) -> Path:
    """The folder of the search whose chief is at `address`; waits for one to appear.

    Raises:
        TrainingError: there is none.
    """
    last = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = [search_dir] if search_dir else sorted(experiment.glob("*"), reverse=True)
        for folder in found:
            if _has_chief(folder, address):
                return folder
        if time.monotonic() > last:
            where = search_dir or experiment
            rule = f"no search under {where} has a chief at {address}"
            hint = "start it with the same --runs-dir: mlpcli tune SPEC --role chief --address HOST:PORT"
            raise TrainingError(Problem(rule, hint=hint))
        signals.raise_if_asked()
        time.sleep(RETRY_SECONDS)


def _has_chief(folder: Path, address: str) -> bool:
    try:
        document = json.loads((folder / CHIEF).read_text(encoding="utf-8"))
        return bool((folder / SEARCH).is_file() and document["address"] == address)
    except (OSError, ValueError, KeyError):
        return False


def _die_with_parent() -> None:
    """End this process when the one that started it is gone, however that ended."""
    parent = int(os.environ.get(PARENT, "0"))
    if not parent:
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="mlpcli-parent", daemon=True).start()
