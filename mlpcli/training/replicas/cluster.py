"""Who the workers are: from `--replicas`, from `TF_CONFIG`, or from the variables of a SLURM step."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from mlpcli.errors import Problem, UsageError
from mlpcli.training.replicas.starter import check_starter

TF_CONFIG = "TF_CONFIG"
OWN = "MLPCLI_REPLICA"
"""What `--replicas` passes to the processes that it starts."""
KEY = "MLPCLI_REPLICAS_KEY"
"""A secret that the workers of a cluster may share, so that they talk to nobody else."""
PORT = "MLPCLI_REPLICAS_PORT"
"""The first port of a SLURM job's tasks."""
SLURM_TASKS = "SLURM_STEP_NUM_TASKS"
ALONE = "to train in this process alone, add --replicas 1"

Address = tuple[str, int]


@dataclass(frozen=True)
class Cluster:
    """The workers of a training, as one of them sees it.

    Attributes:
        index: this worker, from 0; worker 0 writes the run folder.
        addresses: host and port of each worker.
        key: a secret that they share; may be empty.
        source: who says so: `--replicas`, `TF_CONFIG` or `SLURM`.
        listener: the file descriptor of this worker's listening socket; None to open one.
        check: called while this worker waits for others; raises to end the wait.
        starter: the id of the process that has started this one, worker 0; None where it is not known.
        fate: returns how the process of a worker that is gone has ended; empty where that is not known.
    """

    index: int
    addresses: tuple[Address, ...]
    key: str = ""
    source: str = "--replicas"
    listener: int | None = None
    check: Callable[[], None] = lambda: None
    starter: int | None = None
    fate: Callable[[int], str] = lambda index: ""

    @property
    def count(self) -> int:
        """How many workers there are."""
        return len(self.addresses)

    def name(self, index: int) -> str:
        """Return what a worker is called in messages."""
        host, port = self.addresses[index]
        return f"worker {index} ({host}:{port})"


def cluster_of(environ: Mapping[str, str]) -> Cluster | None:
    """Return the cluster that the environment describes; None where it describes none of several workers.

    TensorFlow is imported where the environment is that of a SLURM step.

    Args:
        environ: the environment variables.

    Raises:
        UsageError: what they say is wrong.
    """
    if own := environ.get(OWN):
        given = json.loads(own)
        addresses = tuple((str(host), int(port)) for host, port in given["addresses"])
        starter = int(given["starter"])
        return Cluster(
            given["index"],
            addresses,
            given["key"],
            listener=given["listener"],
            check=partial(check_starter, starter),
            starter=starter,
        )
    if (text := environ.get(TF_CONFIG, "").strip()) not in ("", "{}"):
        index, addresses = read_tf_config(text)
        source = TF_CONFIG
    elif environ.get(SLURM_TASKS, "1") not in ("", "1"):
        index, addresses = slurm_workers(environ)
        source = "SLURM"
    else:
        return None
    return Cluster(index, addresses, environ.get(KEY, ""), source) if len(addresses) > 1 else None


def refuse_cluster(environ: Mapping[str, str]) -> None:
    """Refuse to continue a run in an environment that describes several workers: each would, by itself.

    Args:
        environ: the environment variables.

    Raises:
        UsageError: it describes some.
    """
    if (cluster := cluster_of(environ)) is not None:
        rule = f"--continue goes on in one process, and {cluster.source} names {cluster.count} workers"
        hint = "run it outside of them: without TF_CONFIG, or in a SLURM step of one task"
        raise UsageError(Problem(rule, hint=hint))


def read_tf_config(text: str) -> tuple[int, tuple[Address, ...]]:
    """Return the index of this worker, and the addresses of all, the chief's first.

    Args:
        text: JSON, as `tf.distribute` takes it from the variable `TF_CONFIG`.

    Raises:
        UsageError: it is not that.
    """
    try:
        given = json.loads(text)
    except ValueError as error:
        raise _wrong(f"is not JSON ({error})", text) from None
    cluster, task = (given.get(key) if isinstance(given, dict) else None for key in ("cluster", "task"))
    if not isinstance(cluster, dict) or not isinstance(task, dict):
        raise _wrong("must be a mapping of cluster and task", given)
    for job in [*cluster, task.get("type")]:
        if job not in ("chief", "worker"):
            raise _wrong("must name jobs chief and worker only", job)
    jobs = {job: cluster.get(job, []) for job in ("chief", "worker")}
    for job, hosts in jobs.items():
        if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
            raise _wrong(f"cluster.{job} must be a list of 'host:port'", hosts)
    if len(jobs["chief"]) > 1:
        raise _wrong("cluster.chief must name one address", jobs["chief"])
    addresses = tuple(_address(host) for host in jobs["chief"] + jobs["worker"])
    if not addresses:
        raise _wrong("cluster must name a worker", cluster)
    if len(set(addresses)) < len(addresses):
        raise _wrong("cluster names an address twice", jobs["chief"] + jobs["worker"])
    job, index = str(task["type"]), task.get("index")
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(jobs[job]):
        most = len(jobs[job]) - 1
        rule = f"task.index must be a whole number from 0 to {most}" if most >= 0 else f"cluster has no {job}"
        raise _wrong(rule, index)
    return index + (len(jobs["chief"]) if job == "worker" else 0), addresses


def slurm_workers(environ: Mapping[str, str]) -> tuple[int, tuple[Address, ...]]:
    """Return the index of this task of a SLURM step, and the addresses of all, by TensorFlow's resolver.

    The resolver reads `os.environ`. It orders the hosts by their names, where SLURM numbers the tasks in the
    order of its list of nodes (node2 before node10); and it finds no task on a machine without a GPU, unless
    it is given one for each. Which GPU a task uses is left to SLURM (`--gpus-per-task`).

    Args:
        environ: the environment variables.

    Raises:
        UsageError: the variables of SLURM do not describe a step.
    """
    from mlpcli.keras_import import tf

    try:
        nodes = environ["SLURM_STEP_NODELIST"]
        tasks = int(environ[SLURM_TASKS])
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=_slurm_port(environ), gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False
        )
        named = [_address(each) for each in resolver.cluster_spec().job_tasks("worker")]
        ordered = sorted(named, key=lambda address: (*_place(address[0], nodes), address[1]))
        return int(environ["SLURM_PROCID"]), tuple(ordered)
    except (RuntimeError, ValueError, LookupError) as error:
        rule = f"the variables of this SLURM step are incomplete or wrong ({error})"
        raise UsageError(Problem(rule, hint=f"start the tasks with srun; {ALONE}")) from None


def _place(host: str, nodes: str) -> tuple[int, int]:
    """Return the place of a host in SLURM's list of nodes, such as `login,node[2,08-10]`."""
    for place, (prefix, ranges) in enumerate(re.findall(r"([^,\[\]]+)(?:\[([^\]]*)\])?", nodes)):
        if not ranges and host == prefix:
            return place, 0
        number = host.removeprefix(prefix)
        for bounds in ranges.split(",") if number.isdigit() and host != number else ():
            first, _, last = bounds.partition("-")
            if int(first) <= int(number) <= int(last or first):
                return place, int(number)
    return len(nodes), 0


def _slurm_port(environ: Mapping[str, str]) -> int:
    """Return the first port of a job's tasks, which other jobs on the same machines hardly use."""
    if (given := environ.get(PORT, "")) != "":
        return int(given)
    return 10000 + int(environ.get("SLURM_JOB_ID", "0")) * 16 % 20000


def _address(text: str) -> Address:
    """Return host and port of `host:port`, `[::1]:port` too.

    Raises:
        UsageError: it is neither.
    """
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/]+)):([0-9]{1,5})", text.removeprefix("grpc://"))
    if match is None or not 0 < int(match[3]) < 2**16:
        raise _wrong("an address must be 'host:port', with a port from 1 to 65535", text)
    return match[1] or match[2], int(match[3])


def _wrong(rule: str, received: object) -> UsageError:
    hint = f"see the page on clusters in the documentation; {ALONE}"
    return UsageError(Problem(f"{TF_CONFIG}: {rule}", received=received, hint=hint))
