"""Folders of images: from files to a trained network, and new files through it."""

from __future__ import annotations

import base64
import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlpcli.data.images.decode_image import decode
from mlpcli.data.images.image_reading import ImageReading
from mlpcli.runs.folder import find_run, open_run
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import load_spec
from tests.bare_runs import BARE, KilledInEpoch2, train_bare
from tests.conftest import Result
from tests.photos import COLORS, file_of, write_photos

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


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, the runs folder of a run that was trained on them, and a copy of that, killed."""
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder / "photos")
    (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
    watcher = KilledInEpoch2(folder / "killed" / "photos" / "2026-01-01_00-00-00")
    train_bare(folder / "spec.yaml", folder / "runs", watcher, options=replace(BARE, saved_model=True))
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
    assert json.loads(measured.out)["metrics"]["accuracy"] == pytest.approx(right, abs=1e-6)
    assert "rows that the run was trained on" in " ".join(measured.err.split())


@pytest.mark.slow
def test_a_resumed_run_augments_as_the_one_left_alone(trained: Path) -> None:
    from mlpcli.training.checkpoint_file import read_checkpoint
    from mlpcli.training.resume import resume_run

    killed = trained / "killed" / "photos" / "2026-01-01_00-00-00"
    outcome = resume_run(open_run(killed), watcher=Watcher(), options=BARE)
    alone = find_run("photos", trained / "runs").folder
    assert outcome.epochs == 2
    one, other = (read_checkpoint(each / "checkpoints" / "state.ckpt") for each in (alone, killed))
    np.testing.assert_equal(one, other)


def test_the_saved_model_takes_files_and_augments_nothing(
    trained: Path, mlpcli: Callable[..., Result]
) -> None:
    import tensorflow as tf

    files = sorted((trained / "photos").glob("*/0*"))
    found = mlpcli("predict", "photos", trained / "photos", "--runs-dir", trained / "runs")
    rows = list(csv.DictReader(found.out.splitlines()))[: len(files)]
    wanted = [[float(row[f"probability_{name}"]) for name in COLORS] for row in rows]
    model = tf.saved_model.load(str(find_run("photos", trained / "runs").folder / "saved_model"))
    served = model.serve_bytes(tf.constant([file.read_bytes() for file in files])).numpy()
    np.testing.assert_allclose(served, wanted, atol=1e-6)


def test_a_request_may_hold_files_in_base64(trained: Path) -> None:
    from mlpcli.data.given_rows import encode_given
    from mlpcli.data.stream import ReadOptions
    from mlpcli.model.run_contract import run_contract

    contract = run_contract(find_run("photos", trained / "runs"))
    content = (trained / "photos" / "cats" / "00.png").read_bytes()
    assert contract.image is not None
    pixels = decode(content, contract.image).pixels
    rows = [{"b64": base64.b64encode(content).decode()}, {"b64": "?"}, pixels.tolist(), {"b64": "QUJD"}]
    chunk = encode_given(rows, ReadOptions(contract))
    np.testing.assert_equal(chunk.x, [pixels, pixels])
    assert [each.row for each in chunk.rejected] == [1, 3]
    assert "base64" in chunk.rejected[0].rule
    assert "no image" in chunk.rejected[1].rule


@pytest.mark.parametrize("fit", ["squeeze", "crop", "pad"])
@pytest.mark.parametrize(
    ("kind", "channels", "mode"),
    [("PNG", 3, "rgb"), ("JPEG", 3, "rgb"), ("WEBP", 4, "rgba"), ("PNG", 4, "grayscale"), ("GIF", 0, "rgb")],
)
def test_a_graph_decodes_as_pillow_does(kind: str, channels: int, mode: str, fit: str) -> None:
    import tensorflow as tf

    from mlpcli.export.image_graph import decode_images

    generator = np.random.default_rng(3)
    pixels = generator.integers(0, 256, (37, 61, *([channels] if channels else []))).astype(np.uint8)
    content = file_of(Image.fromarray(pixels), kind)
    reading = ImageReading((24, 70), mode, fit)  # type: ignore[arg-type]
    found = decode_images(tf.constant([content]), reading).numpy()[0]
    np.testing.assert_equal(found, decode(content, reading).pixels)


def test_clean_deletes_what_is_kept(tmp_path: Path, mlpcli: Callable[..., Result]) -> None:
    kept = tmp_path / "runs" / ".cache" / "images-1.npy"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(bytes(3000))
    shown = mlpcli("clean", "--dry-run", "--json", "--runs-dir", tmp_path / "runs")
    assert json.loads(shown.out) == {"removed": False, "bytes": 3000, "kept_files": 3000, "runs": []}
    assert mlpcli("clean", "--yes", "--runs-dir", tmp_path / "runs").out.endswith(
        "deleted kept files, 3.0 KB\n"
    )
    assert not kept.parent.exists()


def test_inspect_and_init_see_splits_copies_and_broken_files(
    tmp_path: Path, mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "photos" / "train", 4)
    write_photos(tmp_path / "photos" / "test", 2, seed=1)
    shutil.copy("photos/train/cats/00.png", "photos/test/cats/copy.png")
    Path("photos/train/dogs/bad.png").write_bytes(b"text")
    shown = mlpcli("inspect", "photos")
    assert "18 images, 3 classes" not in shown.out
    assert "photos: 19 images, 3 classes" in shown.out
    assert "1 file cannot be read as images: photos/train/dogs/bad.png" in shown.out
    assert "1 image in more than one split" in shown.out
    counts = json.loads(mlpcli("inspect", "photos", "--json").out)["splits"]
    assert counts == {"train": dict.fromkeys(COLORS, 4), "test": {"cats": 3, "dogs": 2, "hens": 2}}
    written = mlpcli("init", "photos")
    assert (written.status, written.err) == (0, "")
    assert written.out.splitlines()[0] == "photos.yaml written, for 19 images of photos"
    assert written.out.count("of fewer than 20 images") == 1
    dataset = load_spec(Path("photos.yaml")).spec.dataset
    assert (dataset.path, dataset.test, dataset.validation) == ("photos/train", "photos/test", 0.2)
    assert (dataset.image_size, dataset.broken_files) == ([16, 16], "drop")
    assert mlpcli("check", "photos.yaml").status == 0
    Path("deep/er").mkdir(parents=True)
    Path("link").symlink_to("deep/er")
    assert mlpcli("init", "photos", "-o", "link/photos.yaml").status == 0
    dataset = load_spec(Path("link/photos.yaml")).spec.dataset
    assert (dataset.path, dataset.test) == ("../../photos/train", "../../photos/test")
    refused = mlpcli("init", "photos", "--target", "kind", "-o", "other.yaml")
    assert refused.status == 2
    assert "the class of an image is the sub-folder" in refused.err
