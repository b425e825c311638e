"""`runs`, `compare` and `tensorboard`: what there is, side by side, and in the browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlpcli.report.compare import _settings
from tests.bare_runs import train_bare
from tests.conftest import TINY, Result


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with two runs of `tiny` that differ in their units and epochs."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    for units, epochs in ((4, 2), (8, 3)):
        settings = [f"layers[1].Dense.units={units}", f"fit.epochs={epochs}", "fit.engine=graph"]
        train_bare(folder / "tiny.yaml", folder / "runs", settings=settings)
    return folder / "runs"


def _labels(runs_dir: Path) -> list[str]:
    return [f"tiny/{folder.name}" for folder in sorted((runs_dir / "tiny").iterdir())]


def test_runs_lists_each_run_with_what_it_reached(two_runs: Path, mlpcli: Callable[..., Result]) -> None:
    documents = json.loads(mlpcli("runs", "--runs-dir", two_runs, "--json").out)
    assert [document["run"] for document in documents] == _labels(two_runs)
    assert [document["epochs"] for document in documents] == [2, 3]
    metrics = json.loads((Path(documents[0]["folder"]) / "metrics.json").read_text())
    assert documents[0]["test"] == metrics["test"]
    shown = mlpcli("runs", "tiny", "--runs-dir", two_runs)
    assert (shown.status, [label in shown.out for label in _labels(two_runs)]) == (0, [True, True])


def test_runs_of_an_unknown_experiment_are_told(two_runs: Path, mlpcli: Callable[..., Result]) -> None:
    result = mlpcli("runs", "tny", "--runs-dir", two_runs)
    assert (result.status, "did you mean 'tiny'?" in result.err) == (2, True)
    assert "there are no runs" in mlpcli("runs", "--runs-dir", two_runs / "none").out


def test_compare_shows_what_differs_and_what_was_reached(
    two_runs: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    labels = _labels(two_runs)
    picture = tmp_path / "both.png"
    result = mlpcli("compare", *labels, "--runs-dir", two_runs, "--json", "-o", picture)
    assert result.status == 0
    document = json.loads(result.out)
    assert document["runs"] == labels
    assert document["settings"] == {"layers[1].units": [4, 8], "fit.epochs": [2, 3]}
    metrics = [json.loads((two_runs / label / "metrics.json").read_text()) for label in labels]
    assert document["metrics"]["test accuracy"] == [each["test"]["accuracy"] for each in metrics]
    assert picture.read_bytes().startswith(b"\x89PNG")
    shown = mlpcli("compare", *labels, "--runs-dir", two_runs)
    assert "layers[1].units" in shown.out
    assert "optimizer" not in shown.out  # what is equal is left out


FIRST = """\
dataset:
  features: {Age: {kind: numeric, scaling: quantile}, city: {kind: categorical, unseen: bucket}}
layers: [Dense: {units: 1}]
optimizer:
  AdamW: {learning_rate: 0.01, weight_decay: 0.1}
  weight_decay_factors: {'*/bias': 0}
metrics: [accuracy, AUC: {curve: PR}]
fit: {epochs: 2, class_weight: {Yes: 3}}
"""
SECOND = """\
dataset:
  features: {Age: ignore, city: {kind: categorical, unseen: error}}
layers: [Dense: {units: 1}]
optimizer: {AdamW: {learning_rate: 0.01, weight_decay: 0.2}, learning_rate_factors: {}}
metrics: [accuracy]
fit: {epochs: 2, class_weight: {Yes: 4}}
"""


def test_compare_shows_only_what_differs_each_in_one_row(
    two_runs: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    original = two_runs / _labels(two_runs)[0]
    for name, text in (("2026-11-01_00-00-01", FIRST), ("2026-11-01_00-00-02", SECOND)):
        copied = shutil.copytree(original, tmp_path / "runs" / "tiny" / name)
        (copied / "resolved.yaml").write_text(text, encoding="utf-8")
    names = [str(folder) for folder in sorted((tmp_path / "runs" / "tiny").iterdir())]
    result = mlpcli("compare", *names, "--json", "-o", tmp_path / "a.png")
    assert json.loads(result.out)["settings"] == {
        "dataset.features.Age": ["numeric", "ignore"],
        "dataset.features.city.unseen": ["bucket", "error"],
        "optimizer.weight_decay": [0.1, 0.2],
        "optimizer.weight_decay_factors.*/bias": [0, None],
        "metrics": [["accuracy", "AUC"], ["accuracy"]],
        "metrics.AUC.curve": ["PR", None],
        "fit.class_weight.Yes": [3, 4],
    }
    shown = mlpcli("compare", *names, "-o", tmp_path / "b.png").out
    assert re.search(r"^metrics +accuracy, AUC +accuracy$", shown, re.MULTILINE)


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        (
            ["/tmp/trial/ana/work/kunden.csv", "/tmp/trial/ana/work/kunden_neu.csv"],
            ["kunden.csv", "kunden_neu.csv"],
        ),
        (["/data/a/long/folder/of/one/x.csv", None], ["...of/one/x.csv", "-"]),
        (["short/a.csv", "short/b.csv"], ["short/a.csv", "short/b.csv"]),
        (
            ["loss of many rows with a weight", "loss of many rows with a shift"],
            ["...th a weight", "...th a shift"],
        ),
        (["a value that is rather long", "another"], ["a value that...", "another"]),
    ],
)
def test_long_settings_are_cut_where_they_do_not_differ(row: list[str | None], shown: list[str]) -> None:
    assert _settings(row, 15) == shown


def test_one_run_cannot_be_compared(two_runs: Path, mlpcli: Callable[..., Result]) -> None:
    result = mlpcli("compare", "tiny", "--runs-dir", two_runs)
    assert (result.status, "there is only one run to compare" in result.err) == (2, True)
    result = mlpcli("compare", "tiny", "--trials", "--runs-dir", two_runs)
    assert (result.status, "is not a search" in result.err) == (2, True)


@pytest.fixture
def server(two_runs: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "mlpcli", "tensorboard", "tiny", "--port", "0", "--json"]
    process = subprocess.Popen(
        [*command, "--runs-dir", str(two_runs)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    text = ""
    while not text.rstrip().endswith("}"):
        text += process.stdout.readline()
    yield json.loads(text)["url"]
    process.terminate()
    assert process.wait(timeout=20) in (0, 130, 143, -15)
    process.stdout.close()


@pytest.mark.slow
def test_tensorboard_serves_the_runs(server: str, two_runs: Path) -> None:
    last = time.monotonic() + 60
    names: list[str] = []
    while not names and time.monotonic() < last:
        try:
            with urllib.request.urlopen(f"{server}data/runs", timeout=5) as answer:
                names = json.loads(answer.read())
        except OSError:
            time.sleep(0.3)
    assert f"{_labels(two_runs)[0].split('/')[1]}/tensorboard/train" in names
