"""A search that is killed at a write is resumed to what it would have been."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.runs.search_folder import SEARCH, load_search
from scripts.kill_at_write import Writes
from scripts.torture_search_writes import SEARCHES, judge
from scripts.torture_writes import Moments
from tests.conftest import Result

pytestmark = [pytest.mark.slow, pytest.mark.uncounted]


def test_a_search_killed_at_a_write_goes_on_as_if_it_had_not_been(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    """`scripts/torture_tune.py --writes` tries all moments of two kinds of searches."""
    spec, runs_dir = tmp_path / "it.yaml", tmp_path / "alone"
    spec.write_text(SEARCHES["random"].replace("seeds: 2", "seeds: 1"))
    runs_dir.mkdir()
    moments = Moments(runs_dir, tmp_path / "copies")

    def take_some(number: int, kind: str, path: str) -> None:
        if number % 10 == 1 or "scores" in path:  # to compare and copy the folder at each write takes long
            moments.take(number, kind, path)

    with Writes(runs_dir, before=take_some):
        assert mlpcli("tune", spec, "--runs-dir", runs_dir).status == 0
    alone = next(runs_dir.glob("it/*"))
    numbers = sorted(moments.found)
    chosen = [numbers[0], numbers[len(numbers) // 4], numbers[2 * len(numbers) // 3]]
    chosen.append(next(number for number in numbers if _lacks_its_figures(moments.found[number])))
    outcomes = []
    for number in chosen:
        copy = moments.found[number]
        result = mlpcli("tune", "--resume", "it", "--runs-dir", copy)
        outcome, wrong = judge(copy, alone, result.status, result.out + result.err)
        assert wrong == [], number
        outcomes.append(outcome)
    assert outcomes == ["before there was a search", "resumed", "resumed", "had ended"]


def _lacks_its_figures(runs_dir: Path) -> bool:
    """Whether a search is finished but for its figures."""
    for file in runs_dir.glob(f"it/*/{SEARCH}"):
        return load_search(file.parent).finished and not (file.parent / "plots" / "scores.png").exists()
    return False
