"""Images as data: one file, a folder of them, a table that names them, and what is wrong with each."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlpcli.data.dataset import Dataset
from mlpcli.data.images import load_images
from mlpcli.data.images.decode_image import NO_MEMORY, BrokenImage, decode
from mlpcli.data.images.find_images import list_images
from mlpcli.data.images.image_origin import FolderOrigin
from mlpcli.data.images.image_reading import ImageReading
from mlpcli.data.load import Request, load_dataset
from mlpcli.data.readers.broken_rules import RowErrors
from mlpcli.data.readers.row_errors import RowError, row_name
from mlpcli.data.row_names import RowName, name_rows, source_files
from mlpcli.errors import DataError, SpecError
from mlpcli.export.packed_data import data_of
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import RunRecord
from mlpcli.spec.schema import DatasetSpec
from tests.photos import COLORS, file_of, write_photos


def loaded(
    section: dict[str, object], folder: Path, kept: Path | None = None, classes: bool = True
) -> Dataset:
    request = Request({"": "classes" if classes else "numbers"}, kept=kept)
    return load_dataset(DatasetSpec.model_validate(section), request, seed=1, folder=folder)


def pixels_of(image: Image.Image, mode: str = "rgb", kind: str = "PNG", **options: object) -> np.ndarray:
    reading = ImageReading((image.height, image.width), mode)  # type: ignore[arg-type]
    return decode(file_of(image, kind, **options), reading).pixels


# ---------------------------------------------------------------- one file


def test_an_image_is_turned_as_its_exif_data_says() -> None:
    image = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    content = file_of(image, "PNG", exif=exif)
    found = decode(content, ImageReading((3, 2), "grayscale"))
    np.testing.assert_equal(found.pixels[..., 0], [[120, 0], [160, 40], [200, 80]])
    assert (found.size, *found.traits) == ((3, 2), "turned")


def test_what_is_transparent_is_white_and_16_bits_become_8() -> None:
    clear = Image.fromarray(np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]], np.uint8))
    np.testing.assert_equal(pixels_of(clear), [[[10, 20, 30], [255, 255, 255]]])
    np.testing.assert_equal(pixels_of(clear, "rgba"), [[[10, 20, 30, 255], [10, 20, 30, 0]]])
    np.testing.assert_equal(pixels_of(clear.convert("RGBA").quantize(4)), [[[10, 20, 30], [255, 255, 255]]])
    deep = Image.fromarray(np.array([[0, 255, 256, 65535]], np.uint16))
    np.testing.assert_equal(pixels_of(deep, "grayscale")[0, :, 0], [0, 0, 1, 255])
    ink = Image.new("CMYK", (2, 2), (255, 0, 0, 0))
    assert pixels_of(ink, kind="JPEG", quality=95)[0, 0, 0] < 20  # cyan has no red


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"not an image", "is no image of a kind that is read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no image of a kind that is read"),
    ],
)
def test_a_broken_file_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(BrokenImage, match=reason):
        decode(content, ImageReading((4, 4)))


def test_a_file_that_ends_early_or_claims_too_much_is_broken() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3)).astype(np.uint8)
    content = file_of(Image.fromarray(noise))
    with pytest.raises(BrokenImage, match="cannot be decoded"):
        decode(content[:-2000], ImageReading((4, 4)))
    huge = bytearray(content)
    huge[16:24] = (30_000).to_bytes(4, "big") * 2  # width and height of the header
    with pytest.raises(BrokenImage):
        decode(bytes(huge), ImageReading((4, 4)))
    hair = file_of(Image.new("L", (1, 70_000)))  # squeezed to a width of 4,096 it would take a gigabyte
    with pytest.raises(BrokenImage, match="has a side of 70,000 pixels, more than 65,535"):
        decode(hair, ImageReading((4, 4)))


# ---------------------------------------------------------------- folders and tables


def test_every_broken_file_is_named_or_left_out(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", 4)
    (tmp_path / "photos" / "cats" / "zz.png").write_bytes(b"text")
    (tmp_path / "photos" / "hens" / "empty.jpg").touch()
    (tmp_path / "photos" / "hens" / ".hidden.png").touch()
    (tmp_path / "photos" / "hens" / "notes.txt").touch()
    (tmp_path / "photos" / "none").mkdir()
    section: dict[str, object] = {"path": "photos", "image_size": [6, 5], "color_mode": "grayscale"}
    with pytest.raises(DataError) as caught:
        loaded(section, tmp_path)
    shown = str(caught.value)
    assert "photos/cats/zz.png: is no image" in shown
    assert "photos/hens/empty.jpg: is empty" in shown
    assert "broken_files: drop" in shown
    found = loaded(section | {"broken_files": "drop"}, tmp_path)
    assert sum(map(len, found.splits().values())) == 12
    assert found.train.x.shape[1:] == (6, 5, 1)
    assert found.contract.output.classes == ("cats", "dogs", "hens")
    notes = " ".join(found.notes)
    for text in ("2 files that are no images", "zz.png", ".txt (1)", "hidden", "no classes: 'none'"):
        assert text in notes.replace("no classes: none", "no classes: 'none'"), text


def test_images_are_decoded_once_and_again_when_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photos(tmp_path / "photos", 4)
    section: dict[str, object] = {"path": "photos", "image_size": [6, 6], "test": None}
    first = loaded(section, tmp_path, tmp_path / "kept")
    assert len(list((tmp_path / "kept").glob("*.npy"))) == 1
    decoded: list[Path] = []
    lock = threading.Lock()

    def counted(file: Path, reading: ImageReading) -> object:
        with lock:
            decoded.append(file)
        return stock(file, reading)

    stock = load_images.try_decode
    monkeypatch.setattr(load_images, "try_decode", counted)
    again = loaded(section, tmp_path, tmp_path / "kept")
    assert decoded == []
    assert again.fingerprint == first.fingerprint
    (tmp_path / "photos" / "cats" / "00.png").write_bytes(file_of(Image.new("RGB", (9, 9))))
    assert loaded(section, tmp_path, tmp_path / "kept").fingerprint != first.fingerprint
    assert len(decoded) == 12


def test_images_for_which_there_was_no_memory_are_not_kept_as_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photos(tmp_path / "photos", 4)
    section: dict[str, object] = {"path": "photos", "image_size": [6, 6], "broken_files": "drop"}
    stock = load_images.try_decode
    monkeypatch.setattr(
        load_images,
        "try_decode",
        lambda file, reading: NO_MEMORY if file.name == "00.png" else stock(file, reading),
    )
    assert sum(map(len, loaded(section, tmp_path, tmp_path / "kept").splits().values())) == 9
    monkeypatch.undo()
    assert sum(map(len, loaded(section, tmp_path, tmp_path / "kept").splits().values())) == 12


def test_a_folder_that_cannot_be_read_is_an_error_not_a_class_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photos(tmp_path / "photos", 1)
    stock = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("dogs"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stock(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(DataError, match=r"photos/dogs: cannot be read \(Permission denied\)"):
        list_images(tmp_path / "photos")


@pytest.mark.parametrize(
    ("made", "section", "message"),
    [
        (["train/a/1", "train/b/1", "test/a/1"], {}, "write path: photos/train, test: photos/test"),
        (["1", "2"], {}, "all its images are in the folder itself"),
        (["a/1", "a/2"], {}, "it has one, a"),
        (["a/1", "b/2"], {"target": "kind"}, "the class of an image is the sub-folder"),
        (
            ["a/1", "b/2"],
            {"decimal": ","},
            "dataset.decimal: is for tables, a folder of images has no columns",
        ),
        (["a/1", "b/20"], {}, "image_size: is required: the images have 2 sizes, from 1 x 1 to 20 x 20"),
        (["a/1", "b/1"], {"test": "photos"}, ""),
    ],
)
def test_a_folder_that_is_laid_out_otherwise_is_explained(
    made: list[str], section: dict[str, object], message: str, tmp_path: Path
) -> None:
    for place, name in enumerate(made):
        folder, _, side = name.rpartition("/")
        (tmp_path / "photos" / folder).mkdir(parents=True, exist_ok=True)
        side_pixels = int(side)
        Image.new("L", (side_pixels,) * 2).save(tmp_path / "photos" / folder / f"{place}.png")
    given = {"path": "photos", "validation": None, "test": None} | section
    if not message:
        assert loaded(given, tmp_path).train.x.shape == (2, 1, 1, 3)
        return
    with pytest.raises(SpecError) as caught:
        loaded(given, tmp_path)
    assert message in str(caught.value)


def test_a_table_names_files_with_its_own_targets_and_splits(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", 4)
    files = sorted((tmp_path / "photos").glob("*/*"))
    lines = [
        f"{file.relative_to(tmp_path / 'photos')},{place},{'test' if place % 4 == 0 else 'train'}"
        for place, file in enumerate(files)
    ]
    (tmp_path / "rows.csv").write_text(
        "\n".join(["photo,weight,part", *lines, "cats/gone.png,3,train"]) + "\n"
    )
    column: dict[str, object] = {"kind": "image", "directory": "photos", "image_size": [6, 6]}
    section: dict[str, object] = {"path": "rows.csv", "target": "weight", "split": "part"}
    with pytest.raises(DataError, match=r"row 13 .*column 'photo': there is no such file.*'cats/gone.png'"):
        loaded(section | {"features": {"photo": column}, "validation": None}, tmp_path, classes=False)
    column["broken_files"] = "drop"
    found = loaded(section | {"features": {"photo": column}, "validation": None}, tmp_path, classes=False)
    assert found.test is not None
    assert (len(found.train), len(found.test)) == (9, 3)
    assert sorted(found.train.y.tolist() + found.test.y.tolist()) == list(range(12))
    place = int(found.test.y[1])
    assert found.contract.image is not None
    np.testing.assert_equal(found.test.x[1], decode(files[place].read_bytes(), found.contract.image).pixels)


@pytest.mark.parametrize("folders", [("first", "second"), ("part=1", "part=2")])
def test_each_of_several_tables_names_files_in_its_own_folder(
    folders: tuple[str, str], tmp_path: Path
) -> None:
    """Tables of one name, as one for each day, hold images of one name too."""
    for place, folder in enumerate(folders):
        (tmp_path / folder).mkdir()
        names = [f"{number}.png" for number in range(10)]
        for name in names:
            Image.new("RGB", (6, 6), (100 * place,) * 3).save(tmp_path / folder / name)
        rows = "".join(f"{name},{place}\n" for name in names)
        (tmp_path / folder / "rows.csv").write_text("photo,number\n0.png,\n" + rows)
    section = {"path": "*/rows.csv", "target": "number", "missing_target": "drop", "test": None}
    column = {"kind": "image", "image_size": [6, 6]}
    found = loaded(section | {"features": {"photo": column}, "validation": None}, tmp_path, classes=False)
    assert len(found.train) == 20
    np.testing.assert_equal(found.train.x[:, 0, 0, 0], 100 * found.train.y.reshape(-1))
    assert {*found.train.y.reshape(-1).tolist()} == {0, 1}


def test_a_row_of_a_folder_is_named_by_its_file_and_messages_show_the_whole_path() -> None:
    origin = FolderOrigin("/data/photos/", ["cats/1.png", "dogs/2.png"])
    assert name_rows(origin, [1]) == [RowName("dogs/2.png", 1)]
    assert row_name(origin, 0, "photos") == "cats/1.png"
    assert [each.rule for each in RowErrors([RowError(1, "", "is empty")]).problems(origin)] == [
        "/data/photos/dogs/2.png: is empty"
    ]
    assert source_files(origin)[1][1] == 1


def test_a_packed_table_brings_its_images(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", 1)
    (tmp_path / "rows.csv").write_text("file~n\ncats/00.png~1\nhens/00.png~2\n../secret.png~3\n")
    (tmp_path / "secret.png").write_bytes(b"")
    features = {"file": {"kind": "image", "directory": "photos"}}
    section = {"path": str(tmp_path / "rows.csv"), "delimiter": "~", "features": features}
    assert _packed(tmp_path, section) == ["photos/cats/00.png", "photos/hens/00.png", "rows.csv"]


def test_a_packed_folder_brings_the_images_that_are_read(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", 1)
    (tmp_path / "photos" / "dogs").rename(tmp_path / "elsewhere")
    (tmp_path / "photos" / "dogs").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos" / ".secret.png").touch()
    (tmp_path / "photos" / "cats" / "passwords.txt").touch()
    names = _packed(tmp_path, {"path": str(tmp_path / "photos")})
    assert names == [f"photos/{name}/00.png" for name in COLORS]


def _packed(folder: Path, section: Mapping[str, object]) -> list[str]:
    """The data files of a run, as a zip has them."""
    (folder / "run").mkdir()
    (folder / "run" / "resolved.yaml").write_text(json.dumps({"dataset": section}))
    run = Run(folder / "run", RunRecord.model_construct())
    (listed,), packed = data_of(run, wanted=True)
    assert sorted(packed) == listed.files
    return [name.removeprefix("packed_data/") for name in listed.files]
