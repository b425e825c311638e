"""Folders of images: from files to a trained network, and new files through it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Result

COLORS = {"cats": (200, 60, 60), "dogs": (60, 200, 60), "hens": (60, 60, 200)}
ENDINGS = ("png", "jpg", "bmp", "webp", "gif")
SPEC = """\
name: photos
dataset: {path: photos, image_size: [8, 8]}
layers:
  - RandomFlip: {mode: horizontal}
  - Rescaling: {scale: 0.00392156862745098}
  - Flatten
  - Dense: {units: 3, activation: softmax}
optimizer: {Adam: {learning_rate: 0.05}}
fit: {epochs: 2, batch_size: 8, engine: graph}
"""


def write_photos(folder: Path, each: int = 10, seed: int = 0) -> None:
    """Write images of noise around a color for each class, of several sizes and formats."""
    generator = np.random.default_rng(seed)
    for name, color in COLORS.items():
        (folder / name).mkdir(parents=True)
        for place in range(each):
            size = generator.integers(9, 20, 2)
            pixels = generator.normal(0, 30, (*size, 3)) + np.array(color)
            image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            image.save(folder / name / f"{place:02}.{ENDINGS[place % len(ENDINGS)]}")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, and the runs folder of a run that was trained on them."""
    from mlpcli.cli import main

    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder / "photos")
    (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
    assert main(["train", str(folder / "spec.yaml"), "--runs-dir", str(folder / "runs")]) == 0
    return folder


def test_a_folder_trains_predicts_and_evaluates(trained: Path, mlpcli: Callable[..., Result]) -> None:
    runs = ("--runs-dir", trained / "runs")
    found = mlpcli("predict", "photos", trained / "photos", *runs)
    rows = list(csv.DictReader(found.out.splitlines()))
    assert found.status == 0
    assert [row["file"] for row in rows][:2] == ["cats/00.png", "cats/01.jpg"]
    assert {"predicted_class", "probability_cats", "probability_hens"} < {*rows[0]}
    right = np.mean([row["file"].partition("/")[0] == row["predicted_class"] for row in rows])
    measured = mlpcli("evaluate", "photos", "--data", trained / "photos", "--json", "--no-figures", *runs)
    assert measured.status == 0, measured.err
    assert f'"accuracy": {right:.6g}'[:18] in measured.out
    assert "rows that the run was trained on" in measured.err
