"""Columns of images as data: inputs of their own, files below the table, broken ones, and packed ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlpcli.data.features.image_encoder import pixel_column, pixel_rows
from mlpcli.data.images.decode_image import decode
from mlpcli.data.images.image_files import RefusedFile, named_file
from mlpcli.data.images.image_reading import ImageReading
from mlpcli.data.load import Request, load_dataset
from mlpcli.data.raw_columns import values_at, with_values
from mlpcli.errors import DataError, SpecError
from mlpcli.export.packed_data import data_of
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import RunRecord
from mlpcli.spec.features import InputSpec
from mlpcli.spec.schema import DatasetSpec
from tests.conftest import Result
from tests.homes import ROWS, rows_of, write_homes


def section(**keys: object) -> DatasetSpec:
    return DatasetSpec.model_validate({"path": "homes.csv", "target": "price", **keys})


def request(**inputs: dict[str, object]) -> Request:
    given = {name: InputSpec.model_validate(each) for name, each in inputs.items()}
    return Request({"": "numbers"}, inputs=given or None)


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


def test_a_link_that_leads_nowhere_is_called_one(tmp_path: Path) -> None:
    write_homes(tmp_path)
    photo = tmp_path / "photos" / "photo03.png"
    photo.unlink()
    photo.symlink_to("/mnt/old/03.png")
    keys = {"kind": "image", "image_size": [4, 4]}
    spec = section(features={"photo": dict(keys), "plan": dict(keys)})
    inputs = request(a={"columns": ["photo"]}, b={"columns": ["plan"]}, c={"kinds": ["categorical"]})
    with pytest.raises(DataError, match=r"row 4 .*'photo': is a link to '/mnt/old/03\.png', which does not"):
        load_dataset(spec, inputs, seed=1, folder=tmp_path)
    (tmp_path / "photos").rename(tmp_path / "moved")
    (tmp_path / "photos").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError) as error:
        load_dataset(spec, inputs, seed=1, folder=tmp_path)
    above = (
        f"is in {str(tmp_path / 'photos')!r}, which is a link to {str(tmp_path / 'gone')!r}, which does not"
    )
    first, second = (problem.headline() for problem in error.value.problems)
    assert f"rows 1 (line 2), 2 (line 3), 3 (line 4) and {ROWS - 3} more, column 'photo': {above}" in first
    assert f"column 'plan': {above}" in second


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
