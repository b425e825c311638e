"""Which workers train together: TF_CONFIG, SLURM, `--replicas`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.errors import UsageError
from mlpcli.training.replicas.cluster import Cluster, cluster_of, read_tf_config
from mlpcli.training.replicas.join import join_seconds
from mlpcli.training.replicas.together import open_note
from tests.conftest import TINY, Result

Command = Callable[..., Result]


TWO = {"chief": ["a:1"], "worker": ["b:2", "[::1]:3"]}


@pytest.mark.parametrize(
    ("task", "index"), [({"type": "chief", "index": 0}, 0), ({"type": "worker", "index": 1}, 2)]
)
def test_tf_config_names_the_workers_the_chief_first(task: dict[str, object], index: int) -> None:
    found = read_tf_config(json.dumps({"cluster": TWO, "task": task}))
    assert found == (index, (("a", 1), ("b", 2), ("::1", 3)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "TF_CONFIG: is not JSON"),
        ("[]", "must be a mapping of cluster and task"),
        ({"cluster": TWO}, "must be a mapping of cluster and task"),
        ({"cluster": {"ps": ["a:1"]}, "task": {}}, "must name jobs chief and worker only"),
        ({"cluster": {"worker": "a:1"}, "task": {"type": "worker"}}, "must be a list of 'host:port'"),
        ({"cluster": TWO, "task": {"type": "worker", "index": 2}}, "from 0 to 1, received 2"),
        ({"cluster": TWO, "task": {"type": "worker", "index": "0"}}, "from 0 to 1, received '0'"),
        ({"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}, "must be 'host:port'"),
        ({"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}, "address twice"),
        ({"cluster": {"worker": []}, "task": {"type": "worker", "index": 0}}, "must name a worker"),
        ({"cluster": TWO, "task": {"type": ["worker"], "index": 0}}, "must name jobs chief and worker only"),
    ],
)
def test_a_wrong_tf_config_says_what_is_wrong(text: object, said: str) -> None:
    with pytest.raises(UsageError) as error:
        read_tf_config(text if isinstance(text, str) else json.dumps(text))
    assert said in str(error.value)


def test_a_step_of_slurm_names_its_tasks_in_slurms_order(monkeypatch: pytest.MonkeyPatch) -> None:
    step = {
        "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_STEP_NODELIST": "node[2,10],login",
        "SLURM_STEP_TASKS_PER_NODE": "2,1(x2)",
        "SLURM_PROCID": "2",
        "SLURM_JOB_ID": "7",
    }
    for name, value in step.items():
        monkeypatch.setenv(name, value)
    cluster = cluster_of(os.environ)
    assert cluster is not None
    assert (cluster.index, cluster.source, cluster.count) == (2, "SLURM", 4)
    assert cluster.addresses == (("node2", 10112), ("node2", 10113), ("node10", 10112), ("login", 10112))
    monkeypatch.delenv("SLURM_STEP_NODELIST")
    with pytest.raises(UsageError, match="this SLURM step are incomplete or wrong"):
        cluster_of(os.environ)


def test_one_worker_is_no_cluster() -> None:
    alone = json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}})
    assert cluster_of({}) is None
    assert cluster_of({"TF_CONFIG": "{}", "SLURM_STEP_NUM_TASKS": "1"}) is None
    assert cluster_of({"TF_CONFIG": alone}) is None


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan"])
def test_a_wrong_number_of_seconds_to_wait_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"MLPCLI_REPLICAS_TIMEOUT must be a number of seconds above 0"):
        join_seconds({"MLPCLI_REPLICAS_TIMEOUT": text})
    assert join_seconds({}) == join_seconds({"MLPCLI_REPLICAS_TIMEOUT": ""}) == 300


def test_a_worker_that_anybody_may_join_says_so() -> None:
    both = (("node1", 2222), ("node2", 2222))
    assert open_note(Cluster(1, both)).startswith("anyone who can reach port 2222 of this machine")
    assert open_note(Cluster(1, both, key="secret")) == ""
    assert open_note(Cluster(0, (("127.0.0.1", 1), ("127.0.0.1", 2)))) == ""


def test_replicas_and_an_environment_that_names_workers_exclude_each_other(
    mlpcli: Command, spec_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(workers))
    found = mlpcli("train", spec_file(TINY), "--replicas", 3)
    assert found.status == 2
    assert "TF_CONFIG names 2 workers already" in found.err
    found = mlpcli("train", "--continue", "tiny", "--replicas", 2)
    assert found.status == 2
    assert "--replicas and --continue cannot be combined" in found.err
    found = mlpcli("train", "--continue", "tiny")
    assert found.status == 2
    assert "--continue goes on in one process, and TF_CONFIG names 2 workers" in found.err
