"""A target that says nothing, a single training row, a batch of all rows: said before the training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Result

pytestmark = pytest.mark.slow

SPEC = """\
name: same
dataset: {path: same.csv, target: TARGET, features: [a, b], test: {last: 8}, validation: null}
layers: [Normalization, Dense: {units: 1}]
loss: mse
optimizer: Adam
fit: {epochs: 1, batch_size: 16, engine: graph}
"""


@pytest.fixture
def check(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Check a spec of a table with a target, after some changes of the spec."""
    monkeypatch.chdir(tmp_path)
    rows = [f"{row},{row * row % 7},5,{5 if row < 32 else row},{row}\n" for row in range(40)]
    Path("same.csv").write_text("a,b,five,early,num\n" + "".join(rows))

    def run(target: str, *settings: str) -> Result:
        Path("same.yaml").write_text(SPEC.replace("TARGET", target))
        flags = [word for each in settings for word in ("--set", each)]
        return mlpcli("check", "same.yaml", *flags, "--json")

    return run


def _seen(result: Result) -> list[tuple[str, str]]:
    found: list[dict[str, Any]] = json.loads(result.out)["advice"]
    return [(each["path"], each["seen"]) for each in found]


@pytest.mark.parametrize("scaling", ["null", "standardize"])
def test_a_target_of_one_number_is_refused(scaling: str, check: Callable[..., Result]) -> None:
    result = check("five", f"dataset.target_scaling={scaling}")
    assert result.status == 2
    (problem,) = json.loads(result.out)["problems"]
    assert problem["path"] == "dataset.target"
    assert problem["rule"] == "is the same in every row (5), so that there is nothing to learn"


def test_a_target_that_is_constant_in_training_or_beside_another_is_advice(
    check: Callable[..., Result],
) -> None:
    (advice,) = _seen(check("early"))
    assert advice == ("dataset.target", "target 'early' is the same in every training row")
    (advice,) = _seen(check("[num, five]", "layers[1].Dense.units=2"))
    assert advice == ("dataset.target", "target 'five' is the same in every training row")
    assert _seen(check("num")) == []


def test_one_training_row_is_said(check: Callable[..., Result]) -> None:
    assert ("dataset", "1 row is left to train on") in _seen(check("num", "dataset.test.last=39"))


@pytest.mark.parametrize(("size", "rows"), [(36, 32), (1000, 32), (33, 38)])
def test_a_batch_of_all_rows_is_an_epoch_of_one_step(
    size: int, rows: int, check: Callable[..., Result]
) -> None:
    (advice,) = _seen(check("num", f"fit.batch_size={size}", f"dataset.test.last={40 - rows}"))
    whole = f"a batch of {size:,} rows holds all {rows} training rows: an epoch is one step"
    part = f"batches of {size} rows start at the full learning rate"
    assert advice == ("fit.batch_size", whole if size >= rows else part)
