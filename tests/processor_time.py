"""How much processor time each file of tests takes: `scripts/test --processor-time`.

The wall clock says little where other things run on the same machine, and with several workers nothing of one
test. Counted are the worker's own threads and the processes that it started and waited for. What tests of a
session share, such as a trained run, counts for the first of them.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

SHOWN_FILES, SHOWN_TESTS = 40, 40
KEY = "processor_time"


def seconds_used() -> float:
    """Return the processor time of this process and of its children that have ended, in seconds."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class ProcessorTime:
    """Measures every test, and shows the sums of files and the dearest tests at the end."""

    def __init__(self) -> None:
        self.began = 0.0
        self.by_test: defaultdict[str, float] = defaultdict(float)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        self.began = seconds_used()
        return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        if call.when == "teardown":
            item.user_properties.append((KEY, seconds_used() - self.began))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            self.by_test[report.nodeid] += sum(float(str(v)) for k, v in report.user_properties if k == KEY)

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        by_file: defaultdict[str, float] = defaultdict(float)
        for test, seconds in self.by_test.items():
            by_file[test.split("::")[0]] += seconds
        terminalreporter.section(f"processor time: {sum(by_file.values()):.0f} s")
        for name, seconds in _dearest(by_file, SHOWN_FILES):
            terminalreporter.write_line(f"{seconds:7.1f} s  {name}")
        terminalreporter.write_line("")
        for name, seconds in _dearest(self.by_test, SHOWN_TESTS):
            terminalreporter.write_line(f"{seconds:7.1f} s  {name}")


def _dearest(seconds: dict[str, float], most: int) -> list[tuple[str, float]]:
    return sorted(seconds.items(), key=lambda item: item[1], reverse=True)[:most]
