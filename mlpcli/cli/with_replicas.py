"""The workers that train together: those that `--replicas` starts, or those of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpcli.spec.load import LoadedSpec
    from mlpcli.training.replicas.cluster import Cluster


@contextmanager
def workers(loaded: LoadedSpec, replicas: int | None, command: Sequence[str]) -> Iterator[Cluster | None]:
    """Have TensorFlow use its share of the cores, and start the other workers of this machine.

    Args:
        loaded: the spec.
        replicas: the value of `--replicas`, or that of a run that is resumed; None without one.
        command: the arguments of `mlpcli` for a worker.

    Yields:
        The workers; None where this process trains alone.

    Raises:
        UsageError: the environment describes a cluster in a wrong way, or another one than `--replicas`.
        SpecError: several workers cannot train this spec.
    """
    import os

    from mlpcli.errors import Problem, UsageError
    from mlpcli.keras_import import use_threads
    from mlpcli.machine import usable_cores
    from mlpcli.spec.load import located
    from mlpcli.training.replicas.cluster import OWN, cluster_of
    from mlpcli.training.replicas.local_replicas import replicas_here
    from mlpcli.training.replicas.spec_rules import check_spec
    from mlpcli.training.replicas.starter import ending_with

    threads = loaded.spec.fit.threads
    use_threads(threads)  # before anything imports TensorFlow
    if replicas == 1:
        yield None
        return
    cluster = cluster_of(os.environ)
    if cluster is not None and replicas is not None and OWN not in os.environ:
        rule = f"{cluster.source} names {cluster.count} workers already, --replicas would start others"
        raise UsageError(Problem(rule, received=replicas, hint="leave out --replicas"))
    count = cluster.count if cluster is not None else replicas or 1
    if count > 1:
        with located(loaded):
            check_spec(loaded.spec, count)
    if cluster is not None or count == 1:
        starter = None if cluster is None else cluster.starter
        with ending_with(starter) if starter is not None else nullcontext():
            yield cluster
        return
    each = max(1, (threads or usable_cores()) // count)
    use_threads(each)
    with replicas_here(count, command, each) as here:
        yield here
