"""A worker other than worker 0: it trains along, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlpcli.runs.folder import Run
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import LoadedSpec
from mlpcli.training.engine import recorded_engine
from mlpcli.training.job import WHOLE_RUN, TrainOptions
from mlpcli.training.prepare import Prepared, prepare
from mlpcli.training.replicas.cluster import Cluster
from mlpcli.training.replicas.together import together
from mlpcli.training.replicas.wire import Left
from mlpcli.training.resume import identity_then, saved_state, spec_to_resume
from mlpcli.training.run_record import begin_record
from mlpcli.training.session import Session


def work(loaded: LoadedSpec, cluster: Cluster, *, watcher: Watcher, command: Sequence[str] = ()) -> None:
    """Train a new run along with worker 0, which keeps its files.

    Args:
        loaded: The spec.
        cluster: The workers.
        watcher: Receives the progress.
        command: The command line.

    Raises:
        MlpcliError: As for worker 0, or because another worker is gone.
    """
    prepared = prepare(loaded, watcher)
    _train_along(prepared, replace(WHOLE_RUN, cluster=cluster), watcher, command)


def work_on_resumed(
    run: Run, loaded: LoadedSpec | None, cluster: Cluster, *, watcher: Watcher, command: Sequence[str] = ()
) -> None:
    """Resume a run along with worker 0; its folder is read, and must be the same for all workers.

    Args:
        run: The run.
        loaded: A spec to compare with the run's; None for the run's own.
        cluster: The workers.
        watcher: Receives the progress.
        command: The command line.

    Raises:
        MlpcliError: As for worker 0, or because another worker is gone.
    """
    state = saved_state(run)
    spec, _ = spec_to_resume(run, loaded)
    engine = recorded_engine(run, identity_then(run, state))
    prepared = prepare(spec, watcher)
    _train_along(prepared, replace(WHOLE_RUN, cluster=cluster, state=state, engine=engine), watcher, command)


def _train_along(prepared: Prepared, options: TrainOptions, watcher: Watcher, command: Sequence[str]) -> None:
    """Run the epochs in a folder that is deleted afterwards."""
    epoch = 0 if options.state is None else options.state.epoch
    with (
        together(options.cluster, prepared, watcher, epoch=epoch) as peers,
        tempfile.TemporaryDirectory(prefix="mlpcli-worker-") as folder,
        contextlib.suppress(Left),  # worker 0 has ended the training in order: its time was up
    ):
        assert peers is not None
        keeper = peers.cluster.name(0)
        watcher.note(f"worker {peers.index} of {peers.count} trains; {keeper} keeps the run")
        job = prepared.job(Path(folder), Watcher(), command, replace(options, peers=peers))
        session = Session(job, begin_record(job.completed, job.dataset, job.model, command))
        session.fit(session.begin())
