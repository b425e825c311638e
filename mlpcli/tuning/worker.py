"""A worker of a search: claims trials from the chief and runs them, one after the other.

What it is sent is believed only if it is signed with the key in the search's folder, and only as far as it
fits the search that this worker has read itself: a chief names a trial and its values, never a path.
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
from mlpcli.runs.search_folder import SEARCH, Trial, load_search
from mlpcli.runs.watcher import SearchWatcher
from mlpcli.spec.search_space import Space
from mlpcli.training.find_data import find_data
from mlpcli.tuning import channel
from mlpcli.tuning.messages import (
    BadMessage,
    Beat,
    Claim,
    Contact,
    Done,
    GoOn,
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
"""How long a worker looks for its chief at first, before it gives up."""
LOST_SECONDS = 300.0
"""How long a worker tries to reach a chief that it has lost, which may be started again meanwhile."""
STRANGER_SECONDS = 10.0
"""How long it tries what listens there and does not know the key: a chief that starts has a new one."""
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
    loaded, dataset = find_data(loaded)
    runner = TrialRunner(loaded, line.folder, search.objective)
    runner.adopt(loaded, dataset)
    done = 0
    while True:
        signals.raise_if_interrupted()
        answer = line.ask("claim", Claim(worker=line.worker))
        if isinstance(answer, Wait):
            time.sleep(answer.wait)
        elif isinstance(answer, Work):
            trial = answer.trial.trial(line.worker)
            check_values(trial, loaded.space)
            watcher.trial_begins(trial)
            done += _run(trial, runner, line, watcher)
        else:
            return done


def check_values(trial: Trial, space: Space) -> None:
    """Refuse a trial whose values are not of the space that this worker has read.

    Raises:
        TrainingError: the chief searches another one, or is broken.
    """
    hint = "start this worker again if the search's ranges were extended"
    for name, value in (trial.proposed | trial.values).items():
        if name not in space.names or not space[name].holds(value):
            rule = f"the chief sent trial {trial.number} with a value that the search's space does not hold"
            raise TrainingError(Problem(f"{rule}: {name[:60]}", received=value, hint=hint))


def _run(trial: Trial, runner: TrialRunner, line: _Line, watcher: SearchWatcher) -> bool:
    """Run a trial with a heartbeat; False when it was taken away meanwhile."""
    heart = _Heart(line, trial.number)
    heart.start()

    def show(epoch: int, epochs: int, logs: dict[str, float]) -> None:
        heart.beat = Beat(worker=line.worker, trial=trial.number, epoch=epoch, epochs=epochs, logs=logs)
        watcher.trial_epoch(trial.number, epoch, epochs, logs)
        if heart.lost:
            raise _Lost

    try:
        result = runner.run(trial, show)
    finally:
        heart.stop()
    if heart.lost:
        return False
    line.ask("done", Done(worker=line.worker, trial=trial.number, result=result_message(result)))
    told = ("status", "score", "best_epoch", "trained", "seconds", "metrics", "reason")
    watcher.trial_ends(replace(trial, **{name: getattr(result, name) for name in told}))
    return True


class _Lost(Exception):
    """The chief has given the trial to another, or is gone."""


class _Heart(threading.Thread):
    """Reports to the chief that a trial is being run, with the newest epoch."""

    def __init__(self, line: _Line, number: int) -> None:
        super().__init__(name="mlpcli-heart", daemon=True)
        self.line = line
        self.beat = Beat(worker=line.worker, trial=number)
        self.lost = False
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(BEAT_SECONDS):
            try:
                answer = self.line.send("beat", self.beat)
            except (OSError, channel.Stranger, BadMessage) as error:
                self.lost = self.line.missing(error) <= 0  # the chief may come back until then
            else:
                self.lost = not (isinstance(answer, GoOn) and answer.go_on)
            if self.lost:
                return

    def stop(self) -> None:
        """No more beats after this returns."""
        self._stopped.set()
        self.join(timeout=channel.ANSWER_SECONDS + channel.CONNECT_SECONDS)


class _Line:
    """The way to the chief: its address, and the key that lies in the search's folder."""

    def __init__(self, address: str, folder: Path, watcher: SearchWatcher) -> None:
        self.folder, self.watcher = folder, watcher
        self.address = split_address(address)
        self.worker = worker_name(os.getpid())
        self._heard = time.monotonic()  # when the chief was last known to be there
        self._noted = False

    def ask(self, verb: str, request: Message) -> Message:
        """Send and get an answer, trying again for LOST_SECONDS.

        Raises:
            TrainingError: the chief does not answer, or does not understand.
        """
        stranger_since = 0.0
        while True:
            try:
                return self._answer(verb, request)
            except OSError as error:
                if self._is_finished():
                    return Stop()
                if self.missing(error) <= 0:
                    rule = f"the chief at {self._place} has not answered for {LOST_SECONDS:.0f} seconds"
                    hint = "start it again; what the search has so far is kept"
                    raise TrainingError(Problem(f"{rule} ({error})", hint=hint)) from None
            except (channel.Stranger, BadMessage) as error:
                stranger_since = stranger_since or time.monotonic()
                if time.monotonic() - stranger_since > STRANGER_SECONDS:
                    raise self._stranger(error) from None
            signals.raise_if_interrupted()
            time.sleep(RETRY_SECONDS)

    def send(self, verb: str, request: Message) -> Message:
        """One request and its answer."""
        key = read_contact(self.folder).key
        answer = read_answer(verb, channel.ask(self.address, key, verb, request.encoded()))
        self._heard, self._noted = time.monotonic(), False
        return answer

    def missing(self, error: Exception) -> float:
        """How many seconds longer the chief may be away; the first time that it is, a note is shown."""
        left = self._heard + LOST_SECONDS - time.monotonic()
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
            rule = f"the chief at {self._place} does not understand this worker ({answer.refused})"
            raise TrainingError(Problem(printable(rule), hint=OTHER_VERSION))
        return answer

    def _stranger(self, error: Exception) -> TrainingError:
        """What to say about what listens in the chief's place; it was sent nothing of the search."""
        what = f"what listens at {self._place} is not the chief of {self.folder}: {error}"
        if isinstance(error, channel.OtherProtocol | BadMessage):
            return TrainingError(Problem(what, hint=OTHER_VERSION))
        return TrainingError(
            Problem(what, hint="give the --address that the chief prints, or start it again")
        )

    def _is_finished(self) -> bool:
        """Whether the chief has left because there is nothing more to do."""
        if (self.folder / CHIEF).exists():
            return False
        search = load_search(self.folder)
        return search.finished or search.winner is not None


def read_contact(folder: Path) -> Contact:
    """Where the chief of a search listens, and its key.

    Raises:
        OSError: there is no such file, or it is no ordinary one.
        BadMessage: it holds something else.
        OtherProtocol: it was written by another version of mlpcli.
    """
    handle = os.open(folder / CHIEF, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a FIFO would wait for ever
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"{CHIEF} is not an ordinary file")
        content = file.read(MOST_CONTACT_BYTES)
    try:
        return read(Contact, content)
    except BadMessage as error:
        if str(error).startswith("protocol"):
            raise channel.OtherProtocol("it talks another protocol") from None
        raise


def _find_folder(address: str, search_dir: Path | None, experiment: Path) -> Path:
    """The folder of the search whose chief is at `address`; waits for one to appear.

    Raises:
        TrainingError: there is none.
    """
    last = time.monotonic() + PATIENCE_SECONDS
    other: Path | None = None
    while True:
        found = [search_dir] if search_dir else sorted(experiment.glob("*"), reverse=True)
        for folder in found:
            try:
                if (folder / SEARCH).is_file() and read_contact(folder).address == address:
                    return folder
            except channel.OtherProtocol:
                other = folder
            except (OSError, BadMessage):
                continue
        if time.monotonic() > last:
            raise _no_chief(address, search_dir or experiment, other)
        signals.raise_if_interrupted()
        time.sleep(RETRY_SECONDS)


def _no_chief(address: str, where: Path, other: Path | None) -> TrainingError:
    rule = f"no search under {where} has a chief at {address}"
    if other is not None:
        rule = f"{rule}, but {other / CHIEF} was written by another version of mlpcli"
        return TrainingError(Problem(rule, hint=OTHER_VERSION))
    hint = "start it with the same --runs-dir: mlpcli tune SPEC --role chief --address HOST:PORT"
    return TrainingError(Problem(rule, hint=hint))


def _die_with_parent() -> None:
    """End this process when the one that started it is gone, however that ended."""
    parent = int(os.environ.get(PARENT, "0"))
    if not parent:
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        print("the command that started this worker is gone: the worker ends", file=sys.stderr, flush=True)
        os._exit(1)

    threading.Thread(target=watch, name="mlpcli-parent", daemon=True).start()
