"""How many cores there are for us: cgroups of both versions, and the threads that follow from them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mlpcli import keras_import
from mlpcli.machine import usable_cores

FILES: dict[str, tuple[str, dict[str, str], int]] = {  # /proc/self/cgroup, files, cores of 16
    "no limits": ("0::/", {"cpu.max": "max 100000"}, 16),
    "no cgroups": ("", {}, 16),
    "version 2": ("0::/", {"cpu.max": "400000 100000"}, 4),
    "half a core": ("0::/", {"cpu.max": "50000 100000"}, 1),
    "two and a half": ("0::/", {"cpu.max": "250000 100000"}, 2),
    "more than there are": ("0::/", {"cpu.max": "6400000 100000"}, 16),
    "a slice around it": (
        "0::/jobs/mine",
        {"jobs/cpu.max": "300000 100000", "jobs/mine/cpu.max": "500000 100000"},
        3,
    ),
    "the path of the host": ("0::/docker/abc", {"cpu.max": "200000 100000"}, 2),
    "cpuset": ("0::/a", {"a/cpuset.cpus.effective": "0-3,8", "a/cpu.max": "max 100000"}, 5),
    "cpuset and quota": ("0::/", {"cpuset.cpus.effective": "0-7", "cpu.max": "600000 100000"}, 6),
    "version 1": (
        "4:cpu,cpuacct:/job\n3:cpuset:/job\n2:memory:/job",
        {
            "cpu,cpuacct/job/cpu.cfs_quota_us": "200000",
            "cpu,cpuacct/job/cpu.cfs_period_us": "100000",
            "cpuset/job/cpuset.cpus": "0-11",
        },
        2,
    ),
    "version 1 without a quota": (
        "4:cpu,cpuacct:/job\n3:cpuset:/job",
        {
            "cpu/job/cpu.cfs_quota_us": "-1",
            "cpu/job/cpu.cfs_period_us": "100000",
            "cpuset/job/cpuset.effective_cpus": "2,4,6",
        },
        3,
    ),
    "damaged": ("x\n0::", {"cpu.max": "many few", "cpuset.cpus": "a-b"}, 16),
    "a period of 0": ("0::/", {"cpu.max": "100 0"}, 16),
}


@pytest.mark.parametrize("case", FILES)
def test_the_cores_that_groups_leave_are_counted(case: str, tmp_path: Path) -> None:
    own, files, cores = FILES[case]
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    assert usable_cores(tmp_path / "cgroup", tmp_path / "own", allowed=16) == cores


def test_the_cores_of_this_process_are_found() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in keras_import.THREAD_VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("no_threads")
def test_threads_are_set_before_tensorflow_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    assert keras_import.use_threads(None) == ""
    assert "TF_NUM_INTRAOP_THREADS" not in os.environ
    assert keras_import.use_threads(3) == ""
    assert [os.environ[name] for name in keras_import.THREAD_VARIABLES] == ["3"] * 3
    monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    assert keras_import.use_threads(3) == ""
    assert "fit.threads: 2 has no effect" in keras_import.use_threads(2)
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "3"


@pytest.mark.usefixtures("no_threads")
@pytest.mark.parametrize(("cores", "given", "expected"), [(1, None, "1"), (1, "7", "7"), (64, None, None)])
def test_a_quota_limits_the_threads_unless_somebody_says_how_many(
    cores: int, given: str | None, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras_import, "usable_cores", lambda: cores)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    if given is not None:
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", given)
    keras_import._obey_limits()
    assert os.environ.get("TF_NUM_INTRAOP_THREADS") == expected


@pytest.mark.parametrize(("names", "shown"), [({"tensorflow-cpu": "2.21.0"}, "2.21.0"), ({}, None)])
def test_another_distribution_may_install_the_same_module(
    names: dict[str, str], shown: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import metadata

    from mlpcli.machine import installed_version

    def version(name: str) -> str:
        if name not in names:
            raise metadata.PackageNotFoundError(name)
        return names[name]

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(metadata, "packages_distributions", lambda: {"tensorflow": [*names]} if names else {})
    assert installed_version("tensorflow") == shown
