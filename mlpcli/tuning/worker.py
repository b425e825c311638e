"""A worker of a search: claims trials from the chief and runs them, one after the other.

A message is accepted only if it is signed with the key in the search's folder and fits the search that this
worker has read itself: a chief sends the number of a trial and its values, never a path.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from mlpcli import signals
from mlpcli.errors import Problem, TrainingError
from mlpcli.model.plugins import run_plugins
from mlpcli.printable import printable
from mlpcli.runs.folder import open_run
from mlpcli.runs.search_folder import SEARCH, Search, Trial, load_search
from mlpcli.runs.watcher import SearchWatcher
from mlpcli.spec.search_space import Space
from mlpcli.training.find_data import find_data
from mlpcli.tuning import channel
from mlpcli.tuning.messages import (
    BadMessage,
    Claim,
    Contact,
    Done,
    Heartbeat,
    HeartbeatAnswer,
    Message,
    Refusal,
    Stop,
    Wait,
    Work,
    read,
    read_answer,
    result_message,
)
from mlpcli.tuning.protocol import CHIEF, PARENT, split_address, worker_name
from mlpcli.tuning.resume_search import open_spec
from mlpcli.tuning.trials import TrialRunner

BEAT_SECONDS = 2.0
PATIENCE_SECONDS = 60.0
"""How long a worker looks for its chief after the start."""
LOST_SECONDS = 300.0
"""How long a worker tries to reach a chief after contact was lost; it may be started again."""
UNTRUSTED_SECONDS = 10.0
"""How long a worker tries a peer that does not know the key: a chief that is started again has a new key."""
RETRY_SECONDS = 0.5
MOST_CONTACT_BYTES = 10_000
OTHER_VERSION = "install the same version of mlpcli for the chief and its workers, and start the chief again"


def work(
    address: str,
    *,
    search_dir: Path | None,
    name: str,
    runs_dir: Path,
    watcher: SearchWatcher,
    trusted: bool = False,
) -> int:
    """Run trials for a chief until the search is over.

    Args:
        address: `HOST:PORT` of the chief.
        search_dir: the search's folder; None to find it by the contact file among those of the experiment.
        name: the experiment.
        runs_dir: the folder of all runs.
        watcher: receives trials, epochs and notes.
        trusted: the search's plug-ins may run, wherever they come from.

    Returns:
        How many trials this worker ran.

    Raises:
        TrainingError: The chief was not found, or contact with it was lost.
    """
    chief = _ChiefConnection(address, _find_folder(address, search_dir, runs_dir / name), watcher)
    _end_with_parent()
    search = load_search(chief.folder)
    watcher.stage("starting TensorFlow")
    runner = _open_runner(search, trusted=trusted)
    done = 0
    while True:
        signals.raise_if_interrupted()
        answer = chief.ask("claim", Claim(worker=chief.worker))
        if isinstance(answer, Wait):
            time.sleep(answer.wait)
        elif isinstance(answer, Work):
            trial = answer.trial.trial(chief.worker)
            check_values(trial, runner.loaded.space)
            watcher.trial_begins(trial)
            done += _run(trial, runner, chief, watcher)
        else:
            return done


def _open_runner(search: Search, *, trusted: bool) -> TrialRunner:
    """Load the spec, the plug-ins and the data of a search, and return what runs its trials."""
    loaded = open_spec(search)
    run_plugins(replace(open_run(search.folder), trusted=trusted), loaded.catalog)
    loaded, dataset = find_data(loaded)
    runner = TrialRunner(loaded, search.folder, search.objective)
    runner.adopt(loaded, dataset)
    return runner


def check_values(trial: Trial, space: Space) -> None:
    """Refuse a trial with a value outside the search space that this worker has read.

    Raises:
        TrainingError: The chief searches another space, or is broken.
    """
    hint = "start this worker again if the search's ranges were extended"
    for name, value in (trial.proposed | trial.values).items():
        if name not in space.names or not space[name].holds(value):
            rule = f"the chief sent trial {trial.number} with a value that the search's space does not hold"
            raise TrainingError(Problem(f"{rule}: {name[:60]}", received=value, hint=hint))


def _run(trial: Trial, runner: TrialRunner, chief: _ChiefConnection, watcher: SearchWatcher) -> bool:
    """Run a trial with a heartbeat; return False if the worker lost the trial meanwhile."""
    heartbeat = _Heartbeat(chief, trial.number)
    heartbeat.start()

    def show(epoch: int, epochs: int, logs: dict[str, float]) -> None:
        heartbeat.report(epoch, epochs, logs)
        watcher.trial_epoch(trial.number, epoch, epochs, logs)
        if heartbeat.lost:
            raise _LostTrial

    try:
        result = runner.run(trial, show)
    finally:
        heartbeat.stop()
    if heartbeat.lost:
        return False
    chief.ask("done", Done(worker=chief.worker, trial=trial.number, result=result_message(result)))
    watcher.trial_ends(replace(trial, **vars(result)))
    return True


class _LostTrial(Exception):
    """The chief has given the trial to another worker, or contact with it was lost."""


class _Heartbeat(threading.Thread):
    """Reports to the chief every BEAT_SECONDS that a trial is running, with the newest epoch."""

    def __init__(self, chief: _ChiefConnection, number: int) -> None:
        super().__init__(name="mlpcli-heartbeat", daemon=True)
        self.chief, self.number = chief, number
        self._message = Heartbeat(worker=chief.worker, trial=number)
        self.lost = False
        self._stopped = threading.Event()

    def report(self, epoch: int, epochs: int, logs: dict[str, float]) -> None:
        """Send this epoch with the following heartbeats."""
        self._message = Heartbeat(
            worker=self.chief.worker, trial=self.number, epoch=epoch, epochs=epochs, logs=logs
        )

    def run(self) -> None:
        while not self._stopped.wait(BEAT_SECONDS):
            try:
                answer = self.chief.send("beat", self._message)
            except (OSError, channel.UntrustedPeer, BadMessage) as error:
                self.lost = self.chief.seconds_left(error) <= 0
            else:
                self.lost = not (isinstance(answer, HeartbeatAnswer) and answer.go_on)
            if self.lost:
                return

    def stop(self) -> None:
        """Stop; no heartbeat is sent after this returns."""
        self._stopped.set()
        self.join(timeout=channel.ANSWER_SECONDS + channel.CONNECT_SECONDS)


class _ChiefConnection:
    """The connection to the chief: its address, and the search's folder, where its key is."""

    def __init__(self, address: str, folder: Path, watcher: SearchWatcher) -> None:
        self.folder, self.watcher = folder, watcher
        self.address = split_address(address)
        self.worker = worker_name(os.getpid())
        self._last_contact = time.monotonic()  # the last contact with the chief
        self._noted = False

    def ask(self, verb: str, request: Message) -> Message:
        """Send a request and return the answer; try again for LOST_SECONDS.

        Raises:
            TrainingError: The chief does not answer, or refuses the request.
        """
        untrusted_since = 0.0
        while True:
            try:
                return self._answer(verb, request)
            except OSError as error:
                if self._is_finished():
                    return Stop()
                if self.seconds_left(error) <= 0:
                    rule = f"the chief at {self._place} has not answered for {LOST_SECONDS:.0f} seconds"
                    hint = "start it again; the results of the search so far are kept"
                    raise TrainingError(Problem(f"{rule} ({error})", hint=hint)) from None
            except (channel.UntrustedPeer, BadMessage) as error:
                untrusted_since = untrusted_since or time.monotonic()
                if time.monotonic() - untrusted_since > UNTRUSTED_SECONDS:
                    raise self._untrusted(error) from None
            signals.raise_if_interrupted()
            time.sleep(RETRY_SECONDS)

    def send(self, verb: str, request: Message) -> Message:
        """Send a request once and return the answer."""
        key = read_contact(self.folder).key
        answer = read_answer(verb, channel.ask(self.address, key, verb, request.encoded()))
        self._last_contact, self._noted = time.monotonic(), False
        return answer

    def seconds_left(self, error: Exception) -> float:
        """Return for how many more seconds the chief may be missing; show a note the first time.

        Args:
            error: the reason why the chief could not be reached.
        """
        left = self._last_contact + LOST_SECONDS - time.monotonic()
        if not self._noted:
            self._noted = True
            self.watcher.note(
                f"no answer from the chief at {self._place} ({error}); trying for {left:.0f} seconds"
            )
        return left

    @property
    def _place(self) -> str:
        return "{}:{}".format(*self.address)

    def _answer(self, verb: str, request: Message) -> Message:
        answer = self.send(verb, request)
        if isinstance(answer, Refusal):
            rule = f"the chief at {self._place} rejected a request of this worker ({answer.refused})"
            raise TrainingError(Problem(printable(rule), hint=OTHER_VERSION))
        return answer

    def _untrusted(self, error: Exception) -> TrainingError:
        """Return the error about a peer that is not the chief; it received nothing of the search."""
        what = f"the program at {self._place} is not the chief of {self.folder}: {error}"
        if isinstance(error, channel.ProtocolMismatch | BadMessage):
            return TrainingError(Problem(what, hint=OTHER_VERSION))
        return TrainingError(
            Problem(what, hint="give the --address that the chief prints, or start it again")
        )

    def _is_finished(self) -> bool:
        """Return whether the chief has ended because the search is finished."""
        if (self.folder / CHIEF).exists():
            return False
        search = load_search(self.folder)
        return search.finished or search.winner is not None


def read_contact(folder: Path) -> Contact:
    """Read the contact file of a search: where its chief listens, and the key.

    Raises:
        OSError: There is no such file, or it is not an ordinary one.
        BadMessage: Its content is not a contact.
        ProtocolMismatch: It was written by another version of mlpcli.
    """
    handle = os.open(folder / CHIEF, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # opening a FIFO would block
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"{CHIEF} is not an ordinary file")
        content = file.read(MOST_CONTACT_BYTES)
    try:
        return read(Contact, content)
    except BadMessage as error:
        if str(error).startswith("protocol"):
            raise channel.ProtocolMismatch("it has another version of the protocol") from None
        raise


def _find_folder(address: str, search_dir: Path | None, experiment: Path) -> Path:
    """Return the folder of the search whose chief is at `address`; wait until there is one.

    Raises:
        TrainingError: There is none after PATIENCE_SECONDS.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    other: Path | None = None
    while True:
        found = [search_dir] if search_dir else sorted(experiment.glob("*"), reverse=True)
        for folder in found:
            try:
                if (folder / SEARCH).is_file() and read_contact(folder).address == address:
                    return folder
            except channel.ProtocolMismatch:
                other = folder
            except (OSError, BadMessage):
                continue
        if time.monotonic() > deadline:
            raise _no_chief(address, search_dir or experiment, other)
        signals.raise_if_interrupted()
        time.sleep(RETRY_SECONDS)


def _no_chief(address: str, where: Path, other: Path | None) -> TrainingError:
    """Return the error that no chief was found; `other` is a folder of another version's chief."""
    rule = f"no search under {where} has a chief at {address}"
    if other is not None:
        rule = f"{rule}, but {other / CHIEF} was written by another version of mlpcli"
        return TrainingError(Problem(rule, hint=OTHER_VERSION))
    hint = "start it with the same --runs-dir: mlpcli tune SPEC --role chief --address HOST:PORT"
    return TrainingError(Problem(rule, hint=hint))


def _end_with_parent() -> None:
    """End this process when the process that started it has ended, even if it was killed."""
    parent = int(os.environ.get(PARENT, "0"))
    if not parent:
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        print("the command that started this worker has ended: the worker ends", file=sys.stderr, flush=True)
        os._exit(1)

    threading.Thread(target=watch, name="mlpcli-parent", daemon=True).start()
