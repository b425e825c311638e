"""What the tests of searches share: a spec with hyperparameters, a chief that is served, listeners."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlpcli.report.tune import WorkerReport
from mlpcli.runs.search_folder import Search
from mlpcli.spec.load import LoadedSpec, load_spec
from mlpcli.tuning.chief import Chief, serving
from tests.spec.test_search_spec import SEARCHED
from tests.tuning.listeners import Listener
from tests.tuning.test_oracle import _new, _states


@pytest.fixture
def loaded(spec_file: Callable[[str], Path]) -> LoadedSpec:
    return load_spec(spec_file(SEARCHED))


@pytest.fixture
def open_chief(loaded: LoadedSpec, tmp_path: Path) -> Iterator[Callable[..., Chief]]:
    """A chief that is being served; a second call is the chief started again."""
    contexts: list[Any] = []

    def start(trials: int = 4, *, search: Search | None = None, adopt: bool = True) -> Chief:
        search = search or _new(tmp_path / "search", "RandomSearch", loaded, max_trials=trials)
        search.save()
        chief = Chief(_states(search, loaded), WorkerReport(stderr=True), adopt=adopt)
        context = serving(chief, "127.0.0.1:0")
        context.__enter__()
        contexts.append(context)
        return chief

    yield start
    for context in contexts:
        context.__exit__(None, None, None)


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    """Open listeners, and close them at the end of the test."""
    opened = []

    def start(behave: Callable[[Listener, socket.socket], object]) -> Listener:
        listener = Listener(lambda connection: behave(listener, connection))
        opened.append(listener)
        return listener

    yield start
    for listener in opened:
        listener.close()
