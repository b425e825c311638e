"""A table whose columns are images, numbers, categories, dates and sentences: one network reads them all."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlpcli.data.contract_form import read_contract
from mlpcli.data.images.decode_image import decode
from mlpcli.data.images.image_reading import ImageReading
from mlpcli.errors import UsageError
from mlpcli.runs.folder import find_run, open_run
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.load import load_spec
from tests.bare_runs import BARE, KilledInEpoch2, train_bare
from tests.conftest import Result
from tests.homes import rows_of, write_homes

pytestmark = pytest.mark.slow

SPEC = """\
name: homes
dataset:
  path: homes.csv
  target: price
  target_scaling: standardize
  features:
    photo: {kind: image, image_size: [6, 6], color_mode: grayscale}
    note: {kind: text, max_tokens: 20}
  test: 0.2
inputs:
  photo: {kinds: [image]}
  rest: {kinds: [numeric, categorical, date, text]}
layers:
  - {RandomFlip: {mode: horizontal}, from: photo}
  - Rescaling: {scale: 0.00392156862745098}
  - {Flatten: {}, name: of_photo}
  - {Concatenate: {}, from: [of_photo, rest]}
  - Dense: {units: 4, activation: relu}
  - Dense: {units: 1}
loss: mse
fit: {epochs: 2, batch_size: 8, engine: graph}
"""


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, a run that was trained on it, and a copy of that which was killed."""
    folder = tmp_path_factory.mktemp("homes")
    write_homes(folder)
    (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
    watcher = KilledInEpoch2(folder / "killed" / "homes" / "2026-01-01_00-00-00")
    train_bare(folder / "spec.yaml", folder / "runs", watcher, options=replace(BARE, saved_model=True))
    return folder


@pytest.fixture(scope="module")
def prices(homes: Path) -> np.ndarray:
    """What `predict` writes for the rows of the table."""
    from mlpcli.cli import main

    out, runs = homes / "out.csv", ("--runs-dir", str(homes / "runs"))
    assert main(["predict", "homes", str(homes / "homes.csv"), "-o", str(out), *runs]) == 0
    return np.array([float(row["predicted_price"]) for row in rows_of(out.read_text())])


def test_the_run_predicts_evaluates_and_names_its_worst_rows(
    homes: Path, prices: np.ndarray, mlpcli: Callable[..., Result]
) -> None:
    runs = ("--runs-dir", homes / "runs")
    truth = np.array([float(row["price"]) for row in rows_of((homes / "homes.csv").read_text())])
    measured = mlpcli("evaluate", "homes", "--data", homes / "homes.csv", "--json", *runs)
    assert measured.status == 0, measured.err
    error = json.loads(measured.out)["metrics"]["root_mean_squared_error"]
    assert error == pytest.approx(float(np.sqrt(np.mean((prices - truth) ** 2))), rel=1e-4)
    (worst,) = (homes / "runs").glob("homes/*/plots/data-homes/worst_rows.csv")
    rows = rows_of(worst.read_text(encoding="utf-8"))
    table = rows_of((homes / "homes.csv").read_text())
    for row in rows[:5]:  # the cells as the file has them
        own = table[int(row["row"]) - 1]
        assert [row[name] for name in ("photo", "rooms", "town", "built", "note")] == [
            own[name] for name in ("photo", "rooms", "town", "built", "note")
        ]


def test_a_resumed_run_ends_with_the_same_weights(homes: Path) -> None:
    from mlpcli.training.checkpoint_file import read_checkpoint
    from mlpcli.training.resume import resume_run

    killed = homes / "killed" / "homes" / "2026-01-01_00-00-00"
    assert resume_run(open_run(killed), watcher=Watcher(), options=BARE).epochs == 2
    alone = find_run("homes", homes / "runs").folder
    one, other = (read_checkpoint(each / "checkpoints" / "state.ckpt") for each in (alone, killed))
    np.testing.assert_equal(one, other)


def test_the_saved_model_takes_pixels_or_files_beside_raw_columns(homes: Path, prices: np.ndarray) -> None:
    import tensorflow as tf

    run = find_run("homes", homes / "runs")
    table = rows_of((homes / "homes.csv").read_text())
    files = [(homes / row["photo"]).read_bytes() for row in table]
    reading = ImageReading((6, 6), "grayscale")
    columns = {
        "rooms": tf.constant([float(row["rooms"]) for row in table], tf.float64),
        **{name: tf.constant([row[name] for row in table]) for name in ("town", "built", "note")},
    }
    model = tf.saved_model.load(str(run.folder / "saved_model"))
    pixels = np.stack([decode(each, reading).pixels for each in files])
    served = model.serve(columns | {"photo": tf.constant(pixels)})["value"]
    of_files = model.serve_bytes(columns | {"photo": tf.constant(files)})["value"]
    np.testing.assert_allclose(served[:, 0], prices, rtol=1e-5)
    np.testing.assert_array_equal(of_files, served)


def test_formats_without_texts_are_refused_before_the_run_is_loaded(
    homes: Path, mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpcli.inference import export

    monkeypatch.setattr(export, "load_trained", None)  # it is not called
    formats = ("--format", "keras", "--format", "onnx", "--format", "openvino")
    refused = mlpcli("export", "homes", *formats, "--runs-dir", homes / "runs")
    said = "--format: onnx or openvino cannot take column 'note' of the kind text; export to saved_model or "
    said += "keras"
    assert (refused.status, refused.err.strip()) == (2, said)
    with pytest.raises(UsageError, match="--format: litert cannot take column 'note'"):
        export.export_run(find_run("homes", homes / "runs"), export.ExportOptions(("litert",)))


def test_other_formats_take_pixels_and_compute_what_predict_does(homes: Path) -> None:
    from mlpcli.export.coded_network import coded_network
    from mlpcli.export.given_columns import rows_given
    from mlpcli.model.outputs import final_outputs
    from mlpcli.model.trained_model import load_trained
    from mlpcli.training.prepare import prepare

    trained = load_trained(find_run("homes", homes / "runs"))
    with pytest.raises(UsageError, match="litert or openvino cannot take column 'note' of the kind text"):
        coded_network(trained.model, trained.spec, trained.contract, wide=True)
    file = homes / "without_texts.yaml"
    file.write_text(SPEC.replace("    note: {kind: text, max_tokens: 20}\n", "").replace(", text]", "]"))
    prepared = prepare(load_spec(file))
    sample, contract = prepared.dataset.sample, prepared.dataset.contract
    assert sample is not None
    assert contract.preprocessor is not None
    coded = coded_network(prepared.model, prepared.completed.spec, contract, wide=True)
    assert ("photo", "uint8", (6, 6, 1)) in coded.signature
    rows = rows_given(contract.preprocessor, coded.given, sample)
    found = coded.function(*(rows[name] for name, _, _ in coded.signature))["value"]
    outputs = prepared.model(contract.take_inputs(sample.x), training=False)
    wanted = final_outputs(prepared.completed.spec, contract, outputs)
    np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=1e-5)


def test_a_request_holds_an_image_as_a_file_or_as_pixels(homes: Path, prices: np.ndarray) -> None:
    from mlpcli.data.given_rows import encode_given
    from mlpcli.data.stream import ReadOptions
    from mlpcli.inference.evaluate import predict_outputs, values_of
    from mlpcli.model.trained_model import load_trained
    from mlpcli.serving.describe import row_schema

    trained = load_trained(find_run("homes", homes / "runs"))
    contract = trained.contract
    table = rows_of((homes / "homes.csv").read_text())[:4]
    content = [(homes / row["photo"]).read_bytes() for row in table]
    given: list[dict[str, object]] = [
        {**row, "rooms": int(row["rooms"]), "photo": {"b64": base64.b64encode(each).decode()}}
        for row, each in zip(table, content, strict=True)
    ]
    given[1]["photo"] = decode(content[1], ImageReading((6, 6), "grayscale")).pixels.tolist()
    given[2]["photo"] = table[2]["photo"]  # a server reads no files of its own
    given[3]["photo"] = {"b64": "QUJD"}
    chunk = encode_given(given, ReadOptions(contract))
    assert [each.row for each in chunk.rejected] == [2, 3]
    assert "must be an image file" in chunk.rejected[0].rule
    assert "no image" in chunk.rejected[1].rule
    found = predict_outputs(trained, contract.take_inputs(chunk.x))
    values = values_of(found, contract.output).reshape(-1)
    np.testing.assert_allclose(values, prices[:2], rtol=1e-6)
    schema = json.dumps(row_schema(contract)["properties"])
    assert '"contentEncoding": "base64"' in schema
    assert '"x-kind": "image"' in schema


def test_rows_with_a_file_that_is_none_or_lies_elsewhere_are_rejected(
    homes: Path, prices: np.ndarray, tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    lines = (homes / "homes.csv").read_text().splitlines()
    others = [
        "gone.png",
        "../homes/photos/photo00.png",
        str(homes / "photos" / "photo00.png"),
        "",
        "inside.png",
    ]
    shutil.copy(homes / "photos" / "photo00.png", tmp_path / "inside.png")
    rows = [",".join([name, *lines[1].split(",")[1:]]) for name in others]
    (tmp_path / "new.csv").write_text("\n".join([lines[0], *rows]) + "\n")
    runs = ("--runs-dir", homes / "runs")
    refused = mlpcli("predict", "homes", tmp_path / "new.csv", *runs)
    assert refused.status == 2
    assert "new.csv rows 2 (line 3) and 3 (line 4), column 'photo': must be below the folder" in refused.err
    out = tmp_path / "out.csv"
    rejects = ("--rejects", tmp_path / "rejects.csv", "-o", out, "--keep", "photo")
    found = mlpcli("predict", "homes", tmp_path / "new.csv", *rejects, *runs)
    assert found.status == 0, found.err
    (row,) = rows_of(out.read_text())
    assert row["photo"] == "inside.png"
    assert float(row["predicted_price"]) == pytest.approx(prices[0], rel=1e-5)
    assert len(rows_of((tmp_path / "rejects.csv").read_text())) == 4


def test_an_image_counts_as_one_column_in_what_matters(homes: Path, mlpcli: Callable[..., Result]) -> None:
    found = mlpcli("explain", "homes", "--json", "--no-figures", "--runs-dir", homes / "runs")
    assert found.status == 0, found.err
    columns = [each["columns"] for each in json.loads(found.out)["columns"]]
    assert sorted(columns) == [["built"], ["note"], ["photo"], ["rooms"], ["town"]]


def test_new_rows_are_compared_by_how_bright_their_images_are(
    homes: Path, tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    shutil.copytree(homes / "photos", tmp_path / "photos")
    for file in (tmp_path / "photos").glob("photo*"):
        Image.new("RGB", (7, 9), (250, 250, 250)).save(file)
    shutil.copy(homes / "homes.csv", tmp_path / "new.csv")
    against = ("--against", "homes", "--json", "--no-figures", "--runs-dir", homes / "runs")
    found = mlpcli("inspect", tmp_path / "new.csv", *against)
    assert found.status == 0, found.err
    sizes = {name: each["change"] for name, each in json.loads(found.out)["columns"].items()}
    assert sizes["photo"] == "large"
    assert sizes["town"] == "none"


def test_a_contract_is_the_same_after_it_was_written(homes: Path) -> None:
    from mlpcli.model.run_contract import run_contract

    contract = run_contract(find_run("homes", homes / "runs"))
    written = json.loads(json.dumps(contract.to_json()))
    assert written["inputs"][0]["columns"] == "0:36"
    assert read_contract(written) == contract
    for wrong in ("30:90", "5:5", "0:35"):
        written["inputs"][0]["columns"] = wrong
        with pytest.raises(ValueError, match="takes columns that rows do not have"):
            read_contract(written)


def test_what_scales_images_leaves_the_scaling_of_numbers_alone(tmp_path: Path) -> None:
    from mlpcli.model.default_losses import scales_inputs

    file = tmp_path / "spec.yaml"
    flipped = (
        "  - {RandomFlip: {mode: horizontal}, from: photo}\n  - Rescaling: {scale: 0.00392156862745098}\n"
    )
    direct = SPEC.replace(flipped, "  - {Rescaling: {scale: 0.01}, from: photo}\n")
    file.write_text(direct)
    assert not scales_inputs(load_spec(file).spec)
    rest = "  - {Rescaling: {scale: 2.0}, name: scaled, from: rest}\n  - {Concatenate"
    file.write_text(
        direct.replace("  - {Concatenate", rest).replace("[of_photo, rest]", "[of_photo, scaled]")
    )
    assert scales_inputs(load_spec(file).spec)


def test_init_writes_a_network_of_images_and_columns(
    tmp_path: Path, mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_homes(tmp_path)
    written = mlpcli("init", "homes.csv", "--target", "price", "--effort", "fast")
    assert written.status == 0, written.err
    spec = load_spec(Path("homes.yaml")).spec
    assert spec.inputs is not None
    assert {*spec.inputs} >= {"picture_1", "picture_2", "numbers", "others"}
    assert isinstance(spec.dataset.features, dict)
    assert [name for name, each in spec.dataset.features.items() if each.kind == "image"] == ["photo", "plan"]
    checked = mlpcli("check", "homes.yaml")
    assert checked.status == 0, checked.err
