"""How much memory and how many cores there are for us, how a number of bytes is shown, what is installed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
"""Where Linux shows the limits of groups of processes, such as containers, and the groups of this process."""


def usable_cores(root: Path = CGROUPS, own: Path = OWN_CGROUPS, *, allowed: int | None = None) -> int:
    """Return how many cores this process may use: those that it may run on, and its groups' quotas of time.

    A quota of 2.5 cores counts as 2, since threads that exceed it wait for the next tenth of a second; one
    below 1 counts as 1.

    Args:
        root: where the limits of cgroups are, version 1 or 2.
        own: the file with the process's own groups.
        allowed: the cores on which the process may run; None to ask the system.
    """
    cores = [_allowed_cores() if allowed is None else allowed]
    for folder in _groups(root, own):
        cores += [found for found in (_quota(folder), _cpuset(folder)) if found is not None]
    return max(1, min(cores))


def _allowed_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _groups(root: Path, own: Path) -> Iterator[Path]:
    """Yield the folders of the process's groups and of those they are in, and the roots of version 1.

    In a container the path may be that on the host, which is not there: then the root has the limits.
    """
    for line in _read(own).splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        tops = [root / controllers] if controllers else [root]
        tops += [root / each for each in controllers.split(",") if each != controllers]
        for top in tops:
            inner = [part for part in path.split("/") if part not in ("", "..")]
            yield from (top.joinpath(*inner[:depth]) for depth in range(len(inner) + 1))


def _quota(folder: Path) -> int | None:
    """Return the cores that a group's quota of time allows; None without one."""
    quota, period = [*_read(folder / "cpu.max").split(), "", ""][:2]
    if not quota:
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    try:
        cores = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max", or nothing
        return None
    return max(1, math.floor(cores)) if cores > 0 else None  # version 1 has -1 for none


def _cpuset(folder: Path) -> int | None:
    """Return how many cores a group may run on: `0-3,8` are five; None where all."""
    names = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")
    text = next((found for name in names if (found := _read(folder / name))), "")
    try:
        ends = [[int(end) for end in part.split("-")] for part in text.split(",") if part]
    except ValueError:
        return None
    return sum(each[-1] - each[0] + 1 for each in ends) or None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def memory_bytes() -> int | None:
    """Return the machine's memory in bytes, without swap; None where the system does not report it."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def format_bytes(count: float) -> str:
    """Return a number of bytes as `512 bytes`, `4.2 KB` or `188 MB`; 1 KB is 1,000 bytes."""
    if count == 1:
        return "1 byte"
    value, unit = float(count), "bytes"
    for larger in ("KB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:,.0f} {unit}" if unit == "bytes" or value >= 100 else f"{value:.1f} {unit}"


def installed_version(package: str) -> str | None:
    """Return the version of an installed package, without importing it; None where it is not installed.

    Another distribution may install the same module: `tensorflow-cpu` takes the place of `tensorflow`.
    """
    from importlib import metadata  # takes a tenth of a short command

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        others = metadata.packages_distributions().get(package.replace("-", "_"), [])
        return metadata.version(others[0]) if others else None
