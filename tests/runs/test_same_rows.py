"""Which splits of two runs hold the same rows: by the targets as they were read, whatever scaled them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpcli.runs.record_models import DataFacts
from mlpcli.runs.same_rows import same_rows
from tests.bare_runs import train_bare
from tests.conftest import Result

pytestmark = pytest.mark.slow

SPEC = """\
name: scaled
seed: 3
dataset: {path: rows.csv, target: price, target_scaling: standardize, test: {last: 20}}
layers: [{Dense: {units: 1}}]
loss: mse
metrics: [mae]
fit: {epochs: 1, batch_size: 16, engine: graph}
"""


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with two runs on the same test rows, the second trained on more of the others."""
    folder = tmp_path_factory.mktemp("scaled")
    rows = [f"{a:.3f},{b:.3f}" for a, b in np.random.default_rng(0).normal(5, 2, (100, 2))]
    (folder / "rows.csv").write_text("\n".join(["area,price", *rows]) + "\n")
    (folder / "scaled.yaml").write_text(SPEC)
    for validation in (20, 10):
        train_bare(
            folder / "scaled.yaml", folder / "runs", settings=[f"dataset.validation={{last: {validation}}}"]
        )
    return folder / "runs"


def test_the_same_test_rows_are_the_same_however_the_target_was_scaled(
    scaled: Path, mlpcli: Callable[..., Result]
) -> None:
    labels = [f"scaled/{each.name}" for each in sorted((scaled / "scaled").iterdir())]
    result = mlpcli("compare", *labels, "--runs-dir", scaled, "--json")
    assert (result.status, json.loads(result.out)["other_rows"]) == (0, ["train", "validation"]), result.err
    shown = " ".join(mlpcli("compare", *labels, "--runs-dir", scaled).out.split())
    assert "the train and validation rows are not the same in all runs" in shown
    assert "on 20 test rows that both predict" in shown


def test_runs_made_before_claim_only_what_their_digests_say() -> None:
    def run(scale: float, test: str, rows: int = 20, train: int = 60) -> DataFacts:
        contract = {"outputs": [{"scale": [scale], "offset": [0.0]}]}
        return DataFacts(
            fingerprint=f"{scale}",
            targets={"test": test},
            rows={"train": train, "test": rows},
            contract=contract,
        )

    assert same_rows(run(1, "a"), run(1, "a"), "test") is True
    assert same_rows(run(1, "a"), run(1, "b"), "test") is False
    assert same_rows(run(1, "a"), run(2, "b"), "test") is None
    assert same_rows(run(1, "a"), run(2, "b", rows=30), "test") is False
    assert same_rows(run(1, "a"), run(2, "a", train=50), "train") is False
