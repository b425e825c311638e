"""A table whose columns are images, numbers, categories, dates and sentences: one network reads them all."""

from __future__ import annotations

import base64
import csv
import io
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlpcli.data.contract_form import read_contract
from mlpcli.data.features.image_encoder import pixel_column, pixel_rows
from mlpcli.data.images.decode_image import decode
from mlpcli.data.images.image_files import RefusedFile, named_file
from mlpcli.data.images.image_reading import ImageReading
from mlpcli.data.load import Request, load_dataset
from mlpcli.data.raw_columns import values_at, with_values
from mlpcli.errors import DataError, SpecError, UsageError
from mlpcli.export.packed_data import data_of
from mlpcli.runs.folder import Run, find_run, open_run
from mlpcli.runs.record_models import RunRecord
from mlpcli.runs.watcher import Watcher
from mlpcli.spec.features import InputSpec
from mlpcli.spec.load import load_spec
from mlpcli.spec.schema import DatasetSpec
from tests.conftest import Result

ROWS = 40
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


def write_homes(folder: Path) -> None:
    """Write a table of homes, with a photo and a plan of each."""
    generator = np.random.default_rng(0)
    (folder / "photos").mkdir(parents=True)
    lines = [["photo", "plan", "rooms", "town", "built", "note", "price"]]
    for place in range(ROWS):
        names = []
        for what, size in (("photo", (9, 7)), ("plan", (5, 5))):
            pixels = generator.integers(0, 256, (*size, 3), np.uint8)
            names.append(f"photos/{what}{place:02}.png")
            Image.fromarray(pixels).save(folder / names[-1])
        rooms = int(generator.integers(1, 7))
        note = f"a {'quiet' if rooms > 3 else 'noisy'} house near the old station number {place}"
        row = [*names, str(rooms), "Ulm" if place % 2 else "Bonn", f"20{place + 10}-05-01", note]
        lines.append([*row, str(100 * rooms + place)])
    with (folder / "homes.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)


class Copying(Watcher):
    """Copies the run folder after the first epoch, as if the training had been killed then."""

    def __init__(self, copy: Path | None = None) -> None:
        self.copy, self.folder = copy, Path()

    def plan(self, plan: object, run_dir: Path) -> None:
        self.folder = run_dir

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> None:
        if self.copy is not None and epoch == 2:
            shutil.copytree(self.folder, self.copy)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, a run that was trained on it, and a copy of that which was killed."""
    from mlpcli.training.job import TrainOptions
    from mlpcli.training.session import train

    folder = tmp_path_factory.mktemp("homes")
    write_homes(folder)
    (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
    watcher = Copying(folder / "killed" / "homes" / "2026-01-01_00-00-00")
    options = TrainOptions(figures=False)
    train(load_spec(folder / "spec.yaml"), runs_dir=folder / "runs", watcher=watcher, options=options)
    return folder


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def prices(homes: Path, mlpcli: Callable[..., Result]) -> np.ndarray:
    found = mlpcli("predict", "homes", homes / "homes.csv", "--runs-dir", homes / "runs")
    assert found.status == 0, found.err
    return np.array([float(row["predicted_price"]) for row in rows_of(found.out)])


def section(**keys: object) -> DatasetSpec:
    return DatasetSpec.model_validate({"path": "homes.csv", "target": "price", **keys})


def request(**inputs: dict[str, object]) -> Request:
    given = {name: InputSpec.model_validate(each) for name, each in inputs.items()}
    return Request({"": "numbers"}, inputs=given or None)


# ---------------------------------------------------------------- a run


def test_the_run_predicts_evaluates_and_names_its_worst_rows(
    homes: Path, mlpcli: Callable[..., Result]
) -> None:
    runs = ("--runs-dir", homes / "runs")
    found = prices(homes, mlpcli)
    truth = np.array([float(row["price"]) for row in rows_of((homes / "homes.csv").read_text())])
    measured = mlpcli("evaluate", "homes", "--data", homes / "homes.csv", "--json", *runs)
    assert measured.status == 0, measured.err
    error = json.loads(measured.out)["metrics"]["root_mean_squared_error"]
    assert error == pytest.approx(float(np.sqrt(np.mean((found - truth) ** 2))), rel=1e-4)
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
    from mlpcli.training.job import TrainOptions
    from mlpcli.training.resume import resume_run

    killed = homes / "killed" / "homes" / "2026-01-01_00-00-00"
    quick = TrainOptions(saved_model=False, figures=False)
    assert resume_run(open_run(killed), watcher=Copying(), options=quick).epochs == 2
    alone = find_run("homes", homes / "runs").folder
    one, other = (read_checkpoint(each / "checkpoints" / "state.ckpt") for each in (alone, killed))
    np.testing.assert_equal(one, other)


def test_the_saved_model_takes_pixels_or_files_beside_raw_columns(
    homes: Path, mlpcli: Callable[..., Result]
) -> None:
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
    wanted = prices(homes, mlpcli)
    np.testing.assert_allclose(served[:, 0], wanted, rtol=1e-5)
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


def test_a_request_holds_an_image_as_a_file_or_as_pixels(homes: Path, mlpcli: Callable[..., Result]) -> None:
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
    np.testing.assert_allclose(values, prices(homes, mlpcli)[:2], rtol=1e-6)
    schema = json.dumps(row_schema(contract)["properties"])
    assert '"contentEncoding": "base64"' in schema
    assert '"x-kind": "image"' in schema


def test_rows_with_a_file_that_is_none_or_lies_elsewhere_are_rejected(
    homes: Path, tmp_path: Path, mlpcli: Callable[..., Result]
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
    assert refused.err.count("must be below the folder of the table") == 2
    assert "new.csv row 2 (line 3), column 'photo'" in refused.err
    out = tmp_path / "out.csv"
    rejects = ("--rejects", tmp_path / "rejects.csv", "-o", out, "--keep", "photo")
    found = mlpcli("predict", "homes", tmp_path / "new.csv", *rejects, *runs)
    assert found.status == 0, found.err
    (row,) = rows_of(out.read_text())
    assert row["photo"] == "inside.png"
    assert float(row["predicted_price"]) == pytest.approx(prices(homes, mlpcli)[0], rel=1e-5)
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


# ---------------------------------------------------------------- data


def test_several_columns_of_images_are_inputs_of_their_own(tmp_path: Path) -> None:
    write_homes(tmp_path)
    spec = section(features={"photo": {"kind": "image", "image_size": [4, 3]}, "plan": "image"}, test=None)
    inputs = request(a={"columns": ["photo"]}, b={"columns": ["plan"]}, c={"kinds": ["numeric"]})
    found = load_dataset(spec, inputs, seed=1, folder=tmp_path)
    assert {name: each.shape[1:] for name, each in found.train.x.items()} == {
        "a": (4, 3, 3),
        "b": (5, 5, 3),  # the size of all of its files
        "c": (1,),
    }
    row = rows_of((tmp_path / "homes.csv").read_text())[int(found.train.rows[0])]
    pixels = decode((tmp_path / row["plan"]).read_bytes(), ImageReading((5, 5))).pixels
    np.testing.assert_equal(found.train.x["b"][0], pixels)
    places = range(36, 36 + 75)  # of the plan in a flat row
    np.testing.assert_equal(values_at(found.train.x, found.contract, places)[0], pixels.reshape(-1))
    changed = with_values(found.train.x, found.contract, places, np.zeros(75))
    assert not changed["b"].any()
    np.testing.assert_equal(changed["a"], found.train.x["a"])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "the images of column 'photo' need an input of their own"),
        ({"all": {}}, "takes the whole row, and so the images of column 'photo'"),
        ({"one": {"kinds": ["image", "numeric"]}}, "takes the images of column 'photo' beside other values"),
    ],
)
def test_images_are_an_input_of_their_own(
    inputs: dict[str, dict[str, object]], message: str, tmp_path: Path
) -> None:
    write_homes(tmp_path)
    spec = section(features={"photo": {"kind": "image", "image_size": [4, 4]}, "rooms": "numeric"})
    with pytest.raises(SpecError, match=message):
        load_dataset(spec, request(**inputs), seed=1, folder=tmp_path)


def test_broken_files_of_all_columns_are_named_or_their_rows_left_out(tmp_path: Path) -> None:
    write_homes(tmp_path)
    (tmp_path / "photos" / "photo03.png").write_bytes(b"text")
    (tmp_path / "photos" / "plan07.png").unlink()
    keys = {"kind": "image", "image_size": [4, 4]}
    features = {"photo": dict(keys), "plan": dict(keys)}
    inputs = request(a={"columns": ["photo"]}, b={"columns": ["plan"]}, c={"kinds": ["categorical"]})
    with pytest.raises(DataError) as error:
        load_dataset(section(features=features), inputs, seed=1, folder=tmp_path)
    shown = " ".join(problem.headline() for problem in error.value.problems)
    assert "row 4 (line 5), column 'photo'" in shown
    assert "row 8 (line 9), column 'plan': there is no such file" in shown
    found = load_dataset(section(features=features, broken_files="drop"), inputs, seed=1, folder=tmp_path)
    rows = [found.origins[name].at(int(row))[1] for name, each in found.splits().items() for row in each.rows]
    assert sorted(rows) == [row for row in range(ROWS) if row not in (3, 7)]
    assert any("column 'photo': 1 file that is no image, left out" in note for note in found.notes)


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


@pytest.mark.parametrize(
    ("cell", "inside"),
    [
        ("a.png", True),
        ("sub/../a.png", True),
        ("", False),
        ("../a.png", False),
        ("sub/../../data/../a.png", False),
        ("/etc/a.png", False),
        ("{folder}/a.png", True),
        ("{folder}x/a.png", False),
        ("..\\a.png", True),
    ],
)
def test_cells_name_files_below_their_folder(cell: str, inside: bool, tmp_path: Path) -> None:
    found = named_file(tmp_path, cell.replace("{folder}", str(tmp_path)))
    assert isinstance(found, RefusedFile) != inside


def test_pixels_in_a_column_stay_with_their_rows() -> None:
    import pyarrow as pa

    pixels = np.arange(5 * 2 * 3 * 1, dtype=np.uint8).reshape(5, 2, 3, 1)
    column = pa.chunked_array([pixel_column(pixels[:2]), pixel_column(pixels[2:])])
    np.testing.assert_equal(pixel_rows(column, 6), pixels.reshape(5, 6))
    np.testing.assert_equal(pixel_rows(column[1:4], 6), pixels[1:4].reshape(3, 6))
    np.testing.assert_equal(pixel_rows(column.take(np.array([4, 0])), 6), pixels[[4, 0]].reshape(2, 6))
    assert pixel_rows(column[:0], 6).shape == (0, 6)


def test_a_packed_table_brings_the_images_of_all_columns(tmp_path: Path) -> None:
    write_homes(tmp_path)
    run = tmp_path / "runs" / "a" / "2026-01-01_00-00-00"
    run.mkdir(parents=True)
    features = {"photo": {"kind": "image"}, "plan": "image", "rooms": "numeric"}
    section = {"path": str(tmp_path / "homes.csv"), "target": "price", "features": features}
    (run / "resolved.yaml").write_text(json.dumps({"dataset": section}), encoding="utf-8")
    _, packed = data_of(Run(run, RunRecord.model_construct()), wanted=True)
    assert len(packed) == 1 + 2 * ROWS


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


def test_inspect_names_the_cells_of_a_table_whose_files_are_no_images(
    tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    """A cell is shown as it is written, with its row and line; the column is not called an identifier too."""
    (tmp_path / "pics").mkdir()
    lines = ["pic no,size,kind"]
    for place in range(24):
        Image.new("L", (4, 4), place).save(tmp_path / "pics" / f"{place}.png")
        lines.append(f"pics/{place if place != 5 else 'nope'}.png,{place % 7},{'ab'[place % 2]}")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    shown = mlpcli("inspect", tmp_path / "t.csv", "--target", "kind", "--json")
    warnings = json.loads(shown.out)["warnings"]
    cell = "row 6 (line 7), column 'pic no': there is no such file, received 'pics/nope.png'"
    assert f"1 file cannot be read as images: {tmp_path / 't.csv'} {cell}" in warnings
    about = [line for line in warnings if line.startswith("column 'pic no'")]
    assert about == ["column 'pic no' names image files: features: {pic no: image}, or mlpcli init"]
