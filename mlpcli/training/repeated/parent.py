"""The run that the trainings of a spec with folds or seeds make up: its folder and its record."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlpcli import runs
from mlpcli.errors import MlpcliError
from mlpcli.files import Displaced, write_text
from mlpcli.runs.folder import Run
from mlpcli.runs.watcher import Watcher
from mlpcli.signals import interruptions_restored
from mlpcli.spec.repeats import MEAN, Repeat
from mlpcli.spec.resolve import resolve_spec
from mlpcli.training.disk_space import write_failure
from mlpcli.training.divergence import Diverged
from mlpcli.training.ending import displaced, failure
from mlpcli.training.prepare import Prepared
from mlpcli.training.repeated.member_builder import PreparedMembers
from mlpcli.training.run_record import now, seconds_before, time_used
from mlpcli.training.time_limit import TimeLimit

RETRAINED = "folds/retrained"
"""The folder of the training on the rows of all folds."""


@dataclass
class Parent:
    """A run with folds or seeds in progress.

    Attributes:
        folder: Its folder, which exists and is locked.
        prepared: Its spec and its data.
        record: `run.json`, as far as it is known.
        watcher: Receives the progress.
        command: The command line.
        kept_specs: Those of the two spec files that the folder already holds.
        limit: When all trainings of the command end although epochs are left.
        ended: `run.json` says that the run is complete.
        used_before: The seconds that earlier commands have taken; None until the record is first written.
    """

    folder: Path
    prepared: PreparedMembers
    record: dict[str, object]
    watcher: Watcher
    command: Sequence[str] = ()
    kept_specs: tuple[str, ...] = ()
    limit: TimeLimit | None = None
    ended: bool = field(default=False, init=False)
    used_before: float | None = field(default=None, init=False)

    @property
    def after(self) -> str:
        """What the run's own model is: `mean` or `retrain`."""
        return self.prepared.loaded.spec.fit.after_folds or MEAN

    def begin(self, first: Prepared) -> None:
        """Write both specs, the copies of plug-ins and the record.

        Args:
            first: One of the trainings; what the data settled is the same for all.
        """
        from mlpcli.model.plugins import copy_plugins

        completed = self.prepared.completed
        if runs.SPEC not in self.kept_specs:
            write_text(self.folder / runs.SPEC, completed.raw)
        if runs.RESOLVED not in self.kept_specs:
            write_text(self.folder / runs.RESOLVED, self.resolved(first))
            if completed.catalog.plugins:
                self.record["plugins"] = copy_plugins(completed.catalog, self.folder)
        self.save()

    def resolved(self, first: Prepared) -> str:
        """Return `resolved.yaml`."""
        return resolve_spec(self.prepared.completed, first.dataset.settled, first.dataset.features)

    def member_folder(self, repeat: Repeat) -> Path:
        """Return the folder of a training."""
        return self.folder / member_name(repeat)

    def members(self) -> list[Run]:
        """Return the trainings, which are finished."""
        return [runs.open_run(self.member_folder(repeat)) for repeat in self.prepared.repeats]

    def save(self, *, last: bool = False) -> None:
        """Write `run.json` with what is known so far.

        Args:
            last: Write over the old one where the disk takes no new file.
        """
        clock = self.prepared.clock
        self.record["timings"] = clock.seconds | {"total": clock.total()}
        self.used_before = seconds_before(self.record) if self.used_before is None else self.used_before
        self.record |= time_used(self.limit, clock, self.used_before)
        if self.record["status"] != runs.RUNNING:
            self.record["ended"] = now()
        write = runs.write_last_record if last else runs.write_record
        write(self.folder, self.record)

    def stop(self, status: str, reason: str) -> bool:
        """Record that the run did not reach its end; return whether that could be written."""
        if not (self.folder / runs.RECORD).exists():
            return True  # nothing has started: the folder will be deleted
        self.record |= {"status": status, "error": reason}
        try:
            self.save(last=True)
        except OSError:
            return False
        return True


def member_name(repeat: Repeat) -> str:
    """Return the folder of a training, relative to that of its run."""
    return f"{runs.SEEDS if repeat.fold is None else runs.FOLDS}/{repeat.place:02d}"


def members_entry(prepared: PreparedMembers) -> dict[str, object]:
    """Return the entry of `run.json` about the trainings."""
    fit = prepared.loaded.spec.fit
    folds = {} if fit.folds is None else {"folds": fit.folds}
    folders = [member_name(repeat) for repeat in prepared.repeats]
    return {**folds, "seeds": fit.seeds or 1, "folders": folders, "after": fit.after_folds or MEAN}


@contextmanager
def recording(parent: Parent) -> Iterator[None]:
    """Make `run.json` say how a run with folds or seeds ended, however it ends.

    The training in progress has saved its own state by then, and has said how to resume.
    """
    try:
        with interruptions_restored():
            yield
    except (KeyboardInterrupt, SystemExit) as error:
        if not parent.ended:
            with contextlib.suppress(MlpcliError):
                parent.stop(runs.INTERRUPTED, str(error) or "interrupted")
            if (parent.folder / runs.RECORD).exists():  # else nothing has started
                with contextlib.suppress(OSError):  # the terminal may be gone
                    parent.watcher.note(f"resume with: {runs.resume_command(parent.folder)}")
        raise
    except Diverged as error:
        parent.stop(runs.DIVERGED, str(error))
        raise
    except MlpcliError as error:
        parent.stop(runs.FAILED, str(error))
        raise
    except Exception as error:
        gone = error if isinstance(error, Displaced) else displaced(parent.folder)
        recorded = parent.stop(runs.FAILED, str(gone or f"{type(error).__name__}: {error}"))
        if gone is not None:
            raise gone from error
        if write_failure(error) is None:
            raise
        raise failure(error, parent.folder, saved=0, recorded=recorded) from error
