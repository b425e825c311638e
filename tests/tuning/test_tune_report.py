"""What `tune` says of a trial that is kept, of its time, and of a space that is exhausted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.report.tune import show_search
from mlpcli.runs.results import SearchOutcome
from mlpcli.runs.search_folder import COMPLETED, Objective, Promotion, Search, Trial, promotion_folder
from tests.conftest import SMALL_SEARCH, Result

KEPT = (
    "trial 2 is kept: its mean over 2 trainings is 0.8000, against 0.7000 of trial 1, "
    "which was best in the search with one seed"
)


def _search(scores: list[float], promoted: dict[int, list[float]], winner: int) -> Search:
    trials = [
        Trial(n, {"units": n}, {"units": n}, status=COMPLETED, score=score, best_epoch=1, trained=1)
        for n, score in enumerate(scores, 1)
    ]
    promotions = [
        Promotion(trial, seed, score, 1, promotion_folder(trial, seed))
        for trial, found in promoted.items()
        for seed, score in enumerate(found)
    ]
    objective = Objective("val_accuracy", "max")
    found = Search(Path("runs/s/x"), "s", "RandomSearch", {}, objective, 1, {}, "s.yaml", trials=trials)
    found.promotions, found.winner, found.seconds = promotions, winner, 30.0
    return found


@pytest.mark.parametrize(
    ("promoted", "winner", "words"),
    [
        (
            {1: [0.9, 0.8], 2: [0.8, 0.5]},
            1,
            "trial 1 is kept: it was best in the search, and is best over 2 trainings",
        ),
        (
            {1: [0.9, 0.5], 2: [0.8, 0.8]},
            2,
            KEPT,
        ),
    ],
)
def test_the_trial_that_is_kept_is_explained_and_the_time_is_divided(
    promoted: dict[int, list[float]], winner: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = {"trials": 8.0, "training the best again": 2.0}
    show_search(SearchOutcome(_search([0.9, 0.8], promoted, winner), None, {}, {}, 30.0, parts), 15.0)
    lines = capsys.readouterr().out.splitlines()
    assert words in lines
    start = lines.index("2 trials")
    assert lines[start + 1 : start + 4] == [
        "time 15.0 s: trials 8.0 s  training the best again 2.0 s",
        "     starting and drawing 5.0 s",
        "     and 20.0 s in earlier sessions",
    ]


@pytest.mark.slow
def test_an_exhausted_space_says_so_and_the_start_is_not_silent(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    text = SMALL_SEARCH.replace("&lr {hp: float, min: 1e-3, max: 1e-1, sampling: log, name: lr}", "0.1")
    text = text.replace("*lr", "0.01").replace("{hp: int, min: 4, max: 16, step: 4, name: units}", "4")
    text = text.replace("max_trials: 3}", "max_trials: 5, promote: 0}").replace("epochs: 2", "epochs: 1")
    result = mlpcli("tune", spec_file(text), "--runs-dir", tmp_path)
    assert result.status == 0
    lines = result.out.splitlines()
    assert lines[:2] == ["starting TensorFlow", "reading the data"]
    told = "the search space is exhausted: after 2 of 5 trials there is no further combination of values"
    assert told in lines
    assert "--trials" not in lines[-1]  # more of them would find nothing
