"""Train together: compare what the workers have, train on each, and say on all why one has left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlpcli
from mlpcli import runs
from mlpcli.errors import MlpcliError, Problem, TrainingError, UsageError
from mlpcli.runs.record_models import Identity
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import located
from mlpcli.spec.resolve import resolve_spec
from mlpcli.training.identity import Words, differences, identity, version_changes
from mlpcli.training.prepare import Prepared
from mlpcli.training.replicas.cluster import KEY, Cluster
from mlpcli.training.replicas.join import LOCAL, join, listen
from mlpcli.training.replicas.peers import Peers
from mlpcli.training.replicas.wire import Left
from mlpcli.training.run_record import start_sha256


@contextmanager
def together(
    cluster: Cluster | None, prepared: Prepared, watcher: Watcher, *, epoch: int = 0
) -> Iterator[Peers | None]:
    """Connect a worker to the others inside a `with`, and tell them at its end why it leaves.

    Args:
        cluster: Who they are; None for this process alone.
        prepared: What this worker trains.
        watcher: Receives whom this worker waits for.
        epoch: After which the training is resumed.

    Yields:
        The others; None where there are none.

    Raises:
        SpecError: Several workers cannot train this.
        UsageError: Another worker has another spec, other data or another version.
        TrainingError: A worker does not come, or has left.
    """
    if cluster is None:
        yield None
        return
    from mlpcli.training.compiled.row_arrays import Arrays
    from mlpcli.training.replicas.shard_errors import check_can_share

    split = prepared.dataset.train
    with located(prepared.completed):
        arrays = Arrays(split.x, split.y, split.weights)
        check_can_share(prepared.model, arrays, spec=prepared.completed.spec)
    if note := open_note(cluster):
        watcher.note(note)
    peers = Peers(cluster, {})
    try:
        peers = join(cluster, listen(cluster), watcher.stage)
        watcher.stage("")
        _compare(peers, prepared, epoch)
        yield peers
    except Left as left:
        error = lost(peers, left)
        peers.leave(_one_line(error), done=left.done)
        raise error from None
    except BaseException as error:
        peers.leave(_one_line(error))
        raise
    else:
        peers.leave(done=True)


def open_note(cluster: Cluster) -> str:
    """Return a line on a worker to whom everybody who reaches its port may talk; else nothing."""
    host, port = cluster.addresses[cluster.index]
    if cluster.key or host in LOCAL:
        return ""
    return f"anyone who can reach port {port} of this machine can take part in the training: {KEY} is not set"


def with_hint(peers: Peers | None, run_dir: Path) -> Peers | None:
    """Return the workers, which say how the run in a folder is resumed where one of them is gone."""
    if peers is not None and not peers.index:
        peers.hint = f"resume with: {runs.resume_command(run_dir)}"
    return peers


def _one_line(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return f"interrupted ({error})" if str(error) else "interrupted"
    if isinstance(error, MlpcliError):
        return error.problems[0].rule if error.problems else "an error"
    return f"{type(error).__name__}: {error}".splitlines()[0]


def lost(peers: Peers, left: Left) -> TrainingError:
    """Return the error of a training that cannot go on because a worker has left.

    Args:
        peers: The workers.
        left: The one that has.
    """
    name = peers.cluster.name(left.index)
    if left.reason:
        return TrainingError(Problem(f"{name} has stopped: {left.reason}", hint=peers.hint))
    fate = peers.cluster.fate(left.index) or "its connection broke off"
    return TrainingError(Problem(f"{name} is gone: {fate}", hint=peers.hint))


def _compare(peers: Peers, prepared: Prepared, epoch: int) -> None:
    """Check that all workers have the same spec, data, plug-ins, versions and checkpoint.

    Raises:
        UsageError: They have not.
    """
    completed, dataset = prepared.completed, prepared.dataset
    resolved = resolve_spec(completed, dataset.settled, dataset.features)
    own = identity(resolved, dataset, completed.catalog, start_sha256(completed))
    own = own.model_copy(update={"versions": {"mlpcli": mlpcli.__version__, **own.versions}})
    facts = {"identity": own.model_dump(), "epoch": epoch}
    found = [json.loads(text) for text in peers.texts(json.dumps(facts))]
    problems: list[Problem] = []
    first = Identity.model_validate(found[0]["identity"])
    for index, other in enumerate(found[1:], 1):
        words = Words("differs", "on worker 0", f"on worker {index}")
        then = Identity.model_validate(other["identity"])
        problems += differences(first, then, completed.folder, words)
        problems += map(Problem, version_changes(first, then, words))
        if other["epoch"] != found[0]["epoch"]:
            epochs = f"{found[0]['epoch']} on worker 0, {other['epoch']} on worker {index}"
            problems.append(Problem(f"the epochs in the checkpoint differ: {epochs}"))
    if problems:
        hint = "give all of them the same spec, data, plug-ins and versions"
        raise UsageError(Problem("the workers cannot train together", hint=hint), *problems)
