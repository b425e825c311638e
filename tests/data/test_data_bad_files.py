# ruff: noqa: E501 (a message stands on one line, as it is shown)
"""Bad data files: each with the exact message that a person gets."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.data.load import Request, load_dataset
from mlpcli.data.readers import row_errors
from mlpcli.errors import DataError, MlpcliError, SpecError
from mlpcli.spec.schema import DatasetSpec
from mlpcli.spec.split_forms import SplitBy
from tests.conftest import wanting

Content = str | bytes | np.ndarray | dict[str, Any]

HEADER = "a,b,y\n"
ROWS = "".join(f"{row},{row * 2},{row % 2}\n" for row in range(10))
FILL = "fill it, or remove the row"
SAVE_AS = "save the rows as .csv, .tsv, .parquet, .npz, .npy"
DAMAGED = "the file is damaged or incomplete"


def write(path: Path, content: Content) -> None:
    """Put text, bytes, an array (npy) or a dict of arrays (npz) into a file."""
    if isinstance(content, str):
        path.write_text(content, encoding="utf-8", newline="")
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        np.savez(path, **content)
    else:
        np.save(path, content)


def refusal(folder: Path, name: str, *, classes: bool | None = False, **keys: Any) -> MlpcliError:
    """The error of loading a file with target `y` and seed 0."""
    if Path(name).suffix.lower() in (".csv", ".tsv", ".parquet"):
        keys.setdefault("target", "y")
    with pytest.raises(MlpcliError) as caught:
        load_dataset(DatasetSpec(path=name, **keys), wanting(classes), seed=0, folder=folder)
    return caught.value


TEXT_FILES: list[tuple[str, Content, str]] = [
    ("text.csv", HEADER + "1,abc,0\n" + ROWS, "text.csv row 1 (line 2), column 'b': must be a number, received 'abc'"),
    ("inf.csv", HEADER + ROWS + "1,-inf,0\n", "inf.csv row 11 (line 12), column 'b': must be a finite number, received '-inf'"),
    ("brackets.csv", HEADER + ROWS + "1,(inf),0\n", "brackets.csv row 11 (line 12), column 'b': must be a finite number, received '(inf)'"),
    ("large.csv", HEADER + ROWS + "1,1e39,0\n", "large.csv row 11 (line 12), column 'b': must fit in float32, up to 3.4e38, received '1e39'"),
    ("larger.csv", HEADER + ROWS + "1,1e400,0\n", "larger.csv row 11 (line 12), column 'b': must fit in float32, up to 3.4e38, received '1e400'"),
    ("target.csv", HEADER + ROWS + "1,2,\n", f"target.csv row 11 (line 12), column 'y': must be a number, the cell is empty; {FILL}, or set dataset: {{missing_target: drop}}"),
    ("tab.tsv", "a\ty\n1.5\t2\n1,5\t0\n", "tab.tsv row 2 (line 3), column 'a': must be a number with a decimal point, received '1,5'; write a decimal point, or set dataset: {decimal: ','}"),
    ("empty.csv", "", "empty.csv: is empty (0 bytes)"),
    ("lines.csv", "\n \n\n", "lines.csv: holds no header and no rows"),
    ("header.csv", HEADER, "header.csv: has a header but no rows"),
    ("header_only.csv", "a,b,y", "header_only.csv: has a header but no rows"),
    ("twice.csv", "a,b, a,y\n1,2,3,4\n", "twice.csv: column name 'a' occurs more than once (columns 1, 3); rename all but one"),
    ("ragged.csv", HEADER + ROWS + "1,2\n1,2,3,4\n", "ragged.csv rows 11 (line 12) and 12 (line 13): must have 3 cells, received 2, 4"),
    ("latin.csv", (HEADER + ROWS).encode() + b"1,\xe9,1\n", "latin.csv row 11 (line 12), column 'b': must be a number, received 'é'"),
    ("latin_header.csv", b"gr\xf6sse,y\n1,x\n", "latin_header.csv row 1 (line 2), column 'y': must be a number, received 'x'"),
    ("mixed.csv", "größe,y\n1,2\n".encode() + b"\xe9,2\n", "mixed.csv: must be UTF-8 text, line 3 holds byte 0xe9; save it as UTF-8, or set dataset: {charset: windows-1252}"),
    ("utf16.csv", "größe,y\n1,é\n".encode("utf-16"), "utf16.csv row 1 (line 2), column 'y': must be a number, received 'é'"),
    ("cyrillic.csv", "имя,y\nодин,1\n".encode("cp1251"), "cyrillic.csv: is text in a character set that cannot be detected, line 1 holds 0xe8 0xec 0xff; save it as UTF-8, or name its character set: dataset: {charset: windows-1251}"),
    ("binary.csv", b"a,y\n1,2\n\x00\x01,4\n", "binary.csv: must be text, line 3 holds a NUL byte; save it as UTF-8 text"),
    ("packed.csv", gzip.compress(b"a,y\n1,2\n"), "packed.csv: must be text, this is gzip data; is its extension right?"),
    ("sheet.csv", b"PK\x03\x04rest", "sheet.csv: must be text, this is a zip or spreadsheet file; is its extension right?"),
    ("no_names.csv", "1,2.5,0\n" + ROWS, "no_names.csv: the first row must name the columns, it holds data (1, 2.5, 0); add a line of names, or set dataset: {header: false}, which calls the columns column_1 to column_3"),
    ("flowers.csv", "5.1,3.5,1.4,setosa\n4.9,3.0,1.4,setosa\n", "flowers.csv: the first row must name the columns, it holds data (5.1, 3.5, 1.4, setosa); add a line of names, or set dataset: {header: false}, which calls the columns column_1 to column_4"),
    ("open_quote.csv", HEADER + '1,2,0\n1,"2,0\n' + ROWS, "open_quote.csv row 2 (line 3): has a quote that is never closed"),
    ("junk.parquet", b"not parquet at all", "junk.parquet: cannot be read as Parquet; the file is damaged, or its extension is wrong"),
    ("hole.npz", {"x": np.array([[1, 2], [3, np.nan]]), "y": np.zeros(2)}, "hole.npz row 2, array 'x' at [1]: must be a finite number, received nan"),
    ("huge.npz", {"x": np.array([[1, 2], [3, 1e300]]), "y": np.zeros(2)}, "huge.npz row 2, array 'x' at [1]: must fit in float32, up to 3.4e38, received 1e+300"),
    ("target.npz", {"x": np.ones((2, 3)), "y": np.array([1, np.inf])}, "target.npz row 2, array 'y': must be a finite number, received inf"),
    ("keys.npz", {"images": np.zeros(3), "labels": np.zeros(3)}, "keys.npz: must hold the arrays x_train, y_train, x_test, y_test, or x, y; it holds images, labels"),
    ("length.npz", {"x": np.ones((5, 2)), "y": np.ones(4)}, "length.npz: array 'y' has 4 rows, array 'x' has 5"),
    ("words.npz", {"x": np.array([["a"], ["b"]]), "y": np.ones(2)}, "words.npz: array 'x' must hold numbers, it is of type <U1"),
    ("none.npz", {"x": np.ones((0, 3)), "y": np.ones(0)}, "none.npz: array 'x' has no rows"),
    ("object.npz", {"x": np.array([[1, {}]], dtype=object), "y": np.ones(1)}, "object.npz: array 'x' holds Python objects, which can run code and are never read; save numbers"),
    ("junk.npz", b"not a zip archive", f"junk.npz: cannot be read as npz; {DAMAGED}"),
    ("sizes.npz", {"x_train": np.ones((9, 4)), "y_train": np.ones(9), "x_test": np.ones((2, 3)), "y_test": np.ones(2)}, "sizes.npz: x must have the shape (rows, 4), received (rows, 3)"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "message"), TEXT_FILES, ids=[name for name, *_ in TEXT_FILES])
def test_bad_file_is_refused_with_this_message(
    tmp_path: Path, name: str, content: Content, message: str
) -> None:
    write(tmp_path / name, content)
    error = refusal(tmp_path, name)
    assert isinstance(error, DataError)
    assert str(error) == message
    assert "pickle" not in str(error)


LABEL_FILES: list[tuple[str, Content, dict[str, Any], str]] = [
    ("fraction.csv", HEADER + ROWS + "1,2,0.5\n", {}, "fraction.csv row 11 (line 12), column 'y': must be a whole number or a string to be a class, received '0.5'; for numbers use a loss such as mse"),
    ("unlabelled.csv", HEADER + ROWS + "1,2,\n1,2,NA\n", {}, "unlabelled.csv row 11 (line 12), column 'y': must be a label, the cell is empty; remove the rows without a label, or set dataset: {missing_target: drop}; if 'NA' is a class, set dataset: {not_missing: ['NA']}\nunlabelled.csv row 12 (line 13), column 'y': must be a label, received 'NA'; remove the rows without a label, or set dataset: {missing_target: drop}; if 'NA' is a class, set dataset: {not_missing: ['NA']}"),
    ("swallowed.csv", HEADER + ROWS + '1,2,"0\n1,2,1\n1,2,0\n', {}, "swallowed.csv row 11 (line 12): has a quote that is never closed"),
    ("single.csv", HEADER + "1,2,cat\n" * 5, {}, "single.csv, column 'y': must hold at least two classes, every row is 'cat'; a classifier needs rows of each class"),
    ("tail.csv", HEADER + ROWS + "1,2,7\n", {"test": SplitBy(last=1)}, "tail.csv row 11 (line 12), column 'y': class '7' is only in the test split, no training row has it; pool rare classes with target_min_count, or divide the rows by other means"),
    ("tail.csv", HEADER + ROWS + "1,2,7\n", {"test": None, "validation": SplitBy(last=1)}, "tail.csv row 11 (line 12), column 'y': class '7' is only in the validation split, no training row has it; pool rare classes with target_min_count, or divide the rows by other means"),
    ("unseen.npz", {"x_train": np.ones((8, 2)), "y_train": np.arange(8) % 2, "x_test": np.ones((3, 2)), "y_test": np.array([0, 1, 2])}, {}, "unseen.npz row 3, array 'y_test': class '2' is only in the test split, no training row has it"),
    ("half.npz", {"x": np.ones((2, 2)), "y": np.array([1, 0.5])}, {}, "half.npz row 2, array 'y': must be a whole number or a string to be a class, received 0.5; for numbers use a loss such as mse"),
    ("many.npz", {"x": np.ones((2, 2)), "y": np.array([[1, 0], [0, 3]])}, {}, "many.npz row 2, array 'y': must be from 0 to 1 in every column of a target of classes, received [0.0, 3.0]; for numbers use a loss such as mse"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "keys", "message"), LABEL_FILES)
def test_bad_labels_are_refused_with_this_message(
    tmp_path: Path, name: str, content: Content, keys: dict[str, Any], message: str
) -> None:
    write(tmp_path / name, content)
    error = refusal(tmp_path, name, classes=True, **keys)
    assert isinstance(error, DataError)
    assert str(error) == message


GOOD = HEADER + ROWS
SPECS: list[tuple[str, Content, dict[str, Any], str]] = [
    ("good.csv", GOOD, {"target": None}, "dataset.target: is required for a table; the columns are a, b, y"),
    ("good.csv", GOOD, {"target": "Y"}, "dataset.target: must be a column of good.csv, received 'Y'; did you mean 'y'? the columns are a, b, y"),
    ("prices.csv", GOOD.replace("y\n", "price\n", 1), {"target": "price", "features": {"prices": "ignore"}}, "dataset.features.prices: must be a column of the table, received 'prices'; the columns are a, b"),
    ("prices.csv", GOOD.replace("y\n", "price\n", 1), {"target": "price", "weights": "prices"}, "dataset.weights: must be a column of prices.csv, received 'prices'; the columns are a, b"),
    ("good.csv", GOOD, {"target": ["y", "zebra"], "features": ["A", "y", "b", "b"]}, "dataset.target[1]: must be a column of good.csv, received 'zebra'; the columns are a, b, y\ndataset.features[0]: must be a column of the table, received 'A'; did you mean 'a'? the columns are a, b\ndataset.features[1]: is the target and cannot be a feature too, received 'y'\ndataset.features[3]: is listed twice, received 'b'"),
    ("lonely.csv", "y\n1\n2\n", {}, "dataset.features: there is no column left besides the target"),
    ("left.csv", "b,c,w,s,n,y\n" + "".join(f",z,1,{split},,{row}\n" for row, split in enumerate(["train"] * 3 + ["test"] * 2)), {"features": {"c": {"kind": "ignore"}}, "weights": "w", "split": "s"}, "dataset.features: there is no column left besides the target; left out are 'b', 'n': empty in every row; 's': it divides the rows into splits; name it under dataset.features to use it; 'c': the spec ignores it; 'w': it is the weight of the rows; name some with features"),
    ("index.csv", ",a,y\n" + ROWS.replace("3,6", "3.5,6"), {}, "dataset.features: is required when a column has no name, as (column 1) of index.csv; name it in the file, or list the columns to use; pandas writes such a column unless index=False"),
    ("good.csv", GOOD, {"test": 10}, "dataset.test: takes 10 of 10 rows and leaves none to train on; write test: null to go without"),
    ("good.csv", GOOD, {"test": 0.5, "validation": SplitBy(last=5)}, "dataset.validation: takes 5 of 5 rows and leaves none to train on; write validation: null to go without"),
    ("good.csv", GOOD, {"test": "godo.csv"}, "dataset.test: there is no such file, received 'godo.csv'; did you mean 'good.csv'?"),
    ("good.npz", {"x": np.ones((4, 2)), "y": np.ones(4)}, {"target": "y"}, "dataset.target: an .npz file contains its own target, y, received 'y'; remove it"),
    ("good.npz", {"x": np.ones((4, 2)), "y": np.ones(4)}, {"features": ["a"]}, "dataset.features: is for tables, arrays have no column names"),
    ("own.npz", {"x_train": np.ones((4, 2)), "y_train": np.ones(4), "x_test": np.ones((1, 2)), "y_test": np.ones(1)}, {"test": 0.2}, "dataset.test: this dataset has its own test split; remove it, or write test: null to go without"),
    ("x.npy", np.ones((4, 2)), {}, "dataset.target: must be the .npy file of the target, since path is an .npy file"),
    ("model.pkl", "x", {}, f"dataset.path: a .pkl file can run code when it is opened and is never read, received 'model.pkl'; {SAVE_AS}"),
    ("model.h5", "x", {}, f"dataset.path: .h5 files are not read, received 'model.h5'; {SAVE_AS}"),
    ("rows.csv.7z", "x", {}, "dataset.path: .7z files are not decompressed, received 'rows.csv.7z'; decompress it first"),
    ("rows.gz", "x", {}, "dataset.path: of packed files only .csv.gz, .tsv.gz, .txt.gz, .jsonl.gz are read, received 'rows.gz'; rename it if it is one, or decompress it first"),
    ("rows.xls", "x", {}, "dataset.path: .xls files are not read, received 'rows.xls'; save it as .xlsx"),
    ("rows.json", "x", {}, "dataset.path: .json files are not read, received 'rows.json'; write an object a line, as .jsonl"),
    ("rows.doc", "x", {}, "dataset.path: the extension must be one of .csv, .tsv, .txt, .data, .parquet, .feather, .jsonl, .xlsx, .sqlite, .duckdb, .npz, .npy, received 'rows.doc'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "keys", "message"), SPECS)
def test_spec_that_does_not_fit_the_file_is_refused_with_this_message(
    tmp_path: Path, name: str, content: Content, keys: dict[str, Any], message: str
) -> None:
    write(tmp_path / name, content)
    error = refusal(tmp_path, name, **keys)
    assert isinstance(error, SpecError)
    assert str(error) == message


RARE = "pool rare classes with target_min_count, add rows, or write {last: N}"
STRATA: list[tuple[str, dict[str, Any], str]] = [
    (GOOD, {"test": 9}, f"dataset.test: splits 10 rows into 1 and 9, too few to train on each of 2 classes; take another fraction, {RARE}"),
    (HEADER + "".join(f"{row % 7},{row % 3},{row}\n" for row in range(30)), {}, f"loss: is for classes, the target has 30 distinct labels in 30 rows; they are numbers: use a loss such as mse; or {RARE}"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "keys", "message"), STRATA)
def test_classes_too_rare_to_split_are_named(
    tmp_path: Path, content: str, keys: dict[str, Any], message: str
) -> None:
    write(tmp_path / "rows.csv", content)
    error = refusal(tmp_path, "rows.csv", classes=True, **keys)
    assert isinstance(error, SpecError)
    assert str(error) == message


def test_ten_problems_are_shown_and_the_rest_is_counted(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(14)]
    good = "".join(",".join(str(row * place % 97) for place in range(2, 17)) + "\n" for row in range(40))
    write(tmp_path / "many.csv", ",".join([*names, "y"]) + "\n" + ("x," * 14 + "0\n") * 2 + good)
    lines = str(refusal(tmp_path, "many.csv")).splitlines()
    assert len(lines) == 11
    assert lines[9] == "many.csv rows 1 (line 2) and 2 (line 3), column 'c9': must be a number, received 'x'"
    assert lines[10] == "many.csv: and 4 more problems like these, in 8 places"


def test_faults_of_features_and_target_come_together_in_the_order_of_the_rows(tmp_path: Path) -> None:
    write(tmp_path / "rows.csv", HEADER + ROWS + "1,2,oops\nbad,2,1\n")
    assert str(refusal(tmp_path, "rows.csv")) == (
        "rows.csv row 11 (line 12), column 'y': must be a number, received 'oops'\n"
        "rows.csv row 12 (line 13), column 'a': must be a number, received 'bad'"
    )


def test_a_text_target_under_a_loss_for_numbers_is_told_which_losses_take_it(tmp_path: Path) -> None:
    write(tmp_path / "pets.csv", HEADER + "1,2,cat\n3,4,dog\n")
    assert str(refusal(tmp_path, "pets.csv")) == (
        "loss: is for numbers, column 'y' of pets.csv contains text such as 'cat'; "
        "for classes use a loss such as sparse_categorical_crossentropy"
    )


def test_lines_are_counted_through_blank_lines_crlf_and_quoted_breaks(tmp_path: Path) -> None:
    write(tmp_path / "rows.csv", '\r\n"a\r\nb",y\r\n\r\n1,2\r\n"\r\n3",4\r\nbad,5\r\n' + "1,2\r\n" * 10)
    assert str(refusal(tmp_path, "rows.csv")) == (
        "rows.csv row 3 (line 8), column 'a\\r\\nb': must be a number, received 'bad'"
    )


def test_parquet_faults_have_a_row_and_no_line(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"a": [1.0, None, float("nan")] * 4, "b": [*map(str, range(11)), "x"], "y": range(12)})
    pq.write_table(table, tmp_path / "rows.parquet")
    assert str(refusal(tmp_path, "rows.parquet")) == (
        "rows.parquet row 12, column 'b': must be a number, received 'x'"
    )
    wide = pa.array([Decimal(10**60)] * 12, pa.decimal256(70, 2))
    pq.write_table(table.set_column(1, "b", wide), tmp_path / "wide.parquet")
    assert str(refusal(tmp_path, "wide.parquet", features=["a", "b"])).startswith(
        "dataset.features[1]: cannot be a feature by itself, it is of infinite numbers, numbers beyond 3.4e38"
    )
    mixed = pa.array([Decimal(10**60), *map(Decimal, range(11))], pa.decimal256(70, 2))
    pq.write_table(table.set_column(1, "b", mixed), tmp_path / "mixed.parquet")
    assert str(refusal(tmp_path, "mixed.parquet")).startswith(
        "mixed.parquet row 1, column 'b': must fit in float32, up to 3.4e38, received "
    )


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.csv").mkdir()
    (tmp_path / "data.csv" / "part.csv").write_text(GOOD)
    message = "dataset.path: must be a file, this is a folder, received 'data.csv'; name a file in it, such as part.csv"
    assert str(refusal(tmp_path, "data.csv")) == message


def test_a_file_without_read_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "rows.csv", GOOD)
    opened = os.open

    def closed(path: Any, *arguments: Any, **keys: Any) -> int:
        if Path(path).name == "rows.csv":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **keys)

    monkeypatch.setattr(os, "open", closed)  # chmod does not stop root
    message = "dataset.path: cannot be read (Permission denied), received 'rows.csv'"
    assert str(refusal(tmp_path, "rows.csv")) == message


def test_unset_environment_variables_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROWS_A", raising=False)
    monkeypatch.delenv("ROWS_B", raising=False)
    received = "received '${ROWS_A}/${ROWS_B}.csv'; set it before the command, or write the full path"
    assert str(refusal(tmp_path, "${ROWS_A}/${ROWS_B}.csv")) == (
        f"dataset.path: environment variable ROWS_A is not set, {received}\n"
        f"dataset.path: environment variable ROWS_B is not set, {received}"
    )


def test_several_missing_columns_of_a_split_file_come_together(tmp_path: Path) -> None:
    write(tmp_path / "rows.csv", GOOD)
    write(tmp_path / "test.csv", "B,y2\n1,2\n")
    assert str(refusal(tmp_path, "rows.csv", test="test.csv")) == (
        "test.csv: column 'a' is missing; the columns are B, y2\n"
        "test.csv: column 'b' is missing; did you mean 'B'?\n"
        "test.csv: column 'y' is missing; the columns are B, y2"
    )


def test_a_split_of_several_files_is_of_tables(tmp_path: Path) -> None:
    arrays = {"x": np.ones((4, 2)), "y": np.arange(4)}
    for name in ("rows.npz", "v1.npz", "v2.npz"):
        write(tmp_path / name, arrays)
    message = "dataset.validation: several files must all be tables, received 'v*.npz'"
    assert str(refusal(tmp_path, "rows.npz", validation="v*.npz")) == message


@pytest.mark.parametrize(
    ("shape", "received"), [((2, 2), "(rows, 2)"), ((2, 4), "(rows, 4)"), ((2,), "(rows)")]
)
def test_a_target_that_outputs_divide_has_the_columns_of_the_training_rows(
    tmp_path: Path, shape: tuple[int, ...], received: str
) -> None:
    x = np.ones((9, 2))
    write(
        tmp_path / "rows.npz",
        {"x_train": x, "y_train": np.ones((9, 3)), "x_test": x[:2], "y_test": np.ones(shape)},
    )
    spec = DatasetSpec.model_validate({"path": "rows.npz", "target": {"a": "target_0", "b": "target_2"}})
    with pytest.raises(DataError) as caught:
        load_dataset(spec, Request({"a": "numbers", "b": "numbers"}), seed=0, folder=tmp_path)
    assert str(caught.value) == f"rows.npz: array 'y_test' must have the shape (rows, 3), received {received}"


def test_a_class_only_in_a_split_file_is_named_with_its_row(tmp_path: Path) -> None:
    write(tmp_path / "rows.csv", GOOD)
    write(tmp_path / "test.csv", "y,b,a\n0,1,1\n9,1,1\n")
    message = (
        "test.csv row 2 (line 3), column 'y': class '9' is only in the test split, no training row has it"
    )
    assert str(refusal(tmp_path, "rows.csv", classes=True, test="test.csv")) == message


def test_an_npz_that_unpacks_beyond_memory_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((1 << 20, 3), np.float32), y=np.zeros(1 << 20))
    assert (tmp_path / "bomb.npz").stat().st_size < 100_000
    monkeypatch.setattr(row_errors, "memory_bytes", lambda: 1 << 20)
    message = "bomb.npz: decompresses to 21.0 MB, more than this machine's memory of 1.0 MB"
    assert str(refusal(tmp_path, "bomb.npz")) == message


@pytest.mark.parametrize("cut", [0.3, 0.9, 0.999])
def test_a_truncated_npz_is_refused(tmp_path: Path, cut: float) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=np.random.default_rng(0).normal(size=(50, 3)), y=np.zeros(50))
    write(tmp_path / "cut.npz", buffer.getvalue()[: int(len(buffer.getvalue()) * cut)])
    assert str(refusal(tmp_path, "cut.npz")) == f"cut.npz: cannot be read as npz; {DAMAGED}"


def test_x_and_y_of_different_lengths_in_two_files_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "x.npy", np.ones((3, 2)))
    write(tmp_path / "labels.npy", np.ones(2))
    message = "labels.npy: array 'y' has 2 rows, array 'x' of x.npy has 3"
    assert str(refusal(tmp_path, "x.npy", target="labels.npy")) == message


@pytest.mark.parametrize(
    "build", [lambda: "a,b,y\n" + "1," * 10 + "\n" + ROWS, lambda: HEADER + '"' * 9 + ROWS]
)
def test_malformed_text_never_ends_in_a_traceback(tmp_path: Path, build: Callable[[], str]) -> None:
    write(tmp_path / "rows.csv", build())
    assert isinstance(refusal(tmp_path, "rows.csv"), DataError)
