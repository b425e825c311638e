# ruff: noqa: E501 (a message stands on one line, as it is shown)
"""New rows for a finished model, read by the contract of its run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mlpcli.data.contract_columns import kept_columns
from mlpcli.data.contract_form import read_contract
from mlpcli.data.dataset import Contract, Output
from mlpcli.data.load import read_rows
from mlpcli.data.named_arrays import of_name, places_of, rows_of
from mlpcli.data.readers.row_errors import Origin
from mlpcli.data.readers.tables import check_columns, check_model_columns
from mlpcli.errors import DataError, UsageError

FLOWERS = Contract(
    "table", ("width", "length"), (2,), "float32", (Output(("species",), "classes", ("rose", "tulip")),)
)
HOUSES = Contract("table", ("rooms", "age"), (2,), "float32", (Output(("price",)),))
PAIRS = Contract("table", ("a",), (1,), "float32", (Output(("p", "q")),))
IMAGES = Contract("array", (), (2, 2), "uint8", (Output(("target",), "classes", ("cat", "dog")),))
ONE_HOT = Contract("array", (), (2,), "float32", (Output(("target",), "one_hot", ("0", "1", "2")),))


def csv(folder: Path, text: str, name: str = "new.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def refusal(path: Path, contract: Contract, *, target: bool | None = None) -> str:
    with pytest.raises(DataError) as caught:
        read_rows(path, contract, target=target)
    return str(caught.value).replace(f"{path.parent}/", "")


def test_columns_come_by_name_and_the_others_are_let_through(tmp_path: Path) -> None:
    path = csv(tmp_path, 'id,length,species,note,width\n007,1,tulip,,2\n8,3,rose,"a,b",4\n')
    rows = read_rows(path, FLOWERS, target=True)
    assert rows.x.tolist() == [[2, 1], [4, 3]]
    assert rows.x.dtype == np.float32
    assert rows.y is not None
    assert rows.y.tolist() == [1, 0]
    assert len(rows) == 2
    assert {name: list(values) for name, values in rows.others.items()} == {
        "id": ["007", "8"],
        "species": ["tulip", "rose"],
        "note": ["", "a,b"],
    }


def test_the_target_is_taken_only_if_it_is_there_or_asked_for(tmp_path: Path) -> None:
    with_target = csv(tmp_path, "rooms,age,price\n1,2,3.5\n", "with.csv")
    without = csv(tmp_path, "rooms,age\n1,2\n", "without.csv")
    for target in (True, None):
        y = read_rows(with_target, HOUSES, target=target).y
        assert y is not None
        assert (y.tolist(), y.dtype) == ([3.5], np.float32)
    assert read_rows(with_target, HOUSES, target=False).y is None
    assert read_rows(without, HOUSES, target=None).y is None
    assert (
        refusal(without, HOUSES, target=True)
        == "without.csv: column 'price' is missing; the columns are rooms, age"
    )


def test_a_target_that_is_ignored_may_hold_anything(tmp_path: Path) -> None:
    path = csv(tmp_path, "rooms,age,price\n1,2,unknown\n")
    rows = read_rows(path, HOUSES, target=False)
    assert list(rows.others["price"]) == ["unknown"]
    assert refusal(path, HOUSES) == (
        "new.csv row 1 (line 2), column 'price': must be a number, received 'unknown'"
    )


def test_columns_of_parquet_are_let_through_whatever_they_hold(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    others = {
        "day": pa.array([0, None], pa.date32()),
        "pair": [[1, 2], [3, 4]],
        "id": [7, 8],
        "yes": [True, None],
    }
    pq.write_table(pa.table({"age": [1, 2], **others, "rooms": [3, 4]}), tmp_path / "new.parquet")
    rows = read_rows(tmp_path / "new.parquet", HOUSES, target=None)
    assert rows.x.tolist() == [[3, 1], [4, 2]]
    assert {name: values.tolist() for name, values in rows.others.items()} == {
        "day": ["1970-01-01", None],
        "pair": [[1, 2], [3, 4]],
        "id": [7, 8],
        "yes": [True, None],
    }
    assert {values.shape for values in rows.others.values()} == {(2,)}


def test_every_missing_column_is_named(tmp_path: Path) -> None:
    path = csv(tmp_path, "Width,species\n1,rose\n")
    assert refusal(path, FLOWERS, target=True) == (
        "new.csv: column 'width' is missing; did you mean 'Width'?\n"
        "new.csv: column 'length' is missing; the columns are Width, species"
    )


def test_a_column_that_is_wanted_itself_is_not_meant_by_another(tmp_path: Path) -> None:
    path = csv(tmp_path, "rate,day\n1,2\n")
    with pytest.raises(DataError) as caught:
        check_columns(["rate", "day"], ["rate", "date"], Origin(str(path)))
    assert str(caught.value).endswith("column 'date' is missing; the columns are rate, day")


READS = "the model reads size, city, built, lift; the file has"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            "q,r",
            f"none of the 4 columns of the model is in it; is it the right file, or the right run? {READS} q, r",
        ),
        (
            "q,city",
            (
                "only 1 of the 4 columns of the model is in it, and size, built, lift are missing; "
                f"is it the right file, or the right run? {READS} q, city"
            ),
        ),
        (
            "Size,City,Built,q",  # named otherwise: each is told which is meant
            (
                "column 'size' is missing; did you mean 'Size'?\ncolumn 'city' is missing; did you mean 'City'?\n"
                "column 'built' is missing; did you mean 'Built'?\ncolumn 'lift' is missing; the columns are Size, City, Built, q"
            ),
        ),
        (
            "lift,size,q",
            "column 'city' is missing; the columns are lift, size, q\ncolumn 'built' is missing; the columns are lift, size, q",
        ),
    ],
)
def test_a_table_of_something_else_is_told_in_one_message(names: str, said: str) -> None:
    columns = ["size", "city", "built", "lift"]
    with pytest.raises(DataError) as refused:
        check_model_columns(names.split(","), columns, Origin("new.csv"))
    assert str(refused.value).replace("new.csv: ", "") == said
    check_model_columns([*columns, "q"], columns, Origin("new.csv"))


def test_a_column_to_keep_names_the_file_with_its_folders() -> None:
    with pytest.raises(UsageError) as refused:
        kept_columns(["order_id", "size"], ("order_idd",), "sales/year=2023/part.csv")
    said = "--keep: sales/year=2023/part.csv has no column 'order_idd'; did you mean 'order_id'? the columns are order_id, size"
    assert str(refused.value) == said


def test_several_targets_are_read_in_the_order_of_training(tmp_path: Path) -> None:
    rows = read_rows(csv(tmp_path, "q,a,p\n1,2,3\n"), PAIRS, target=True)
    assert rows.y is not None
    assert rows.y.tolist() == [[3, 1]]


def test_unknown_labels_are_named_with_the_known_ones(tmp_path: Path) -> None:
    path = csv(tmp_path, "width,length,species\n1,2,rose\n1,2,rosa\n1,2,\n")
    assert refusal(path, FLOWERS) == (
        "new.csv row 3 (line 4), column 'species': must be a label, the cell is empty; remove the rows "
        "without a label"
    )
    path = csv(tmp_path, "width,length,species\n1,2,rose\n1,2,rosa\n1,2,0\n")
    assert refusal(path, FLOWERS) == (
        "new.csv rows 2 (line 3) and 3 (line 4), column 'species': must be a class of the model, "
        "received 'rosa', '0'; the classes are rose, tulip"
    )


def test_indices_stand_for_classes_that_have_names(tmp_path: Path) -> None:
    rows = read_rows(csv(tmp_path, "width,length,species\n1,2,1\n1,2,0\n1,2,1.0\n"), FLOWERS, target=True)
    assert rows.y is not None
    assert rows.y.tolist() == [1, 0, 1]
    assert "received '1', '2'" in refusal(csv(tmp_path, "width,length,species\n1,2,1\n1,2,2\n"), FLOWERS)
    numbered = Contract("table", ("a",), (1,), "float32", (Output(("y",), "classes", ("1", "2")),))
    assert "received '0'" in refusal(csv(tmp_path, "a,y\n1,0\n1,1\n"), numbered)


def test_numbered_and_boolean_classes_are_found_in_other_spellings(tmp_path: Path) -> None:
    numbered = Contract("table", ("a",), (1,), "float32", (Output(("y",), "classes", ("1", "2")),))
    switched = Contract("table", ("a",), (1,), "float32", (Output(("y",), "classes", ("false", "true")),))
    for contract, labels in ((numbered, ("2.0", "1")), (switched, ("TRUE", "False"))):
        rows = read_rows(
            csv(tmp_path, "a,y\n" + "".join(f"1,{label}\n" for label in labels)), contract, target=True
        )
        assert rows.y is not None
        assert rows.y.tolist() == [1, 0]


def test_arrays_fit_a_model_of_a_table_when_their_columns_do(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[1, 2], [3, 4]]))
    rows = read_rows(tmp_path / "x.npy", HOUSES, target=None)
    assert (rows.x.tolist(), rows.y) == ([[1, 2], [3, 4]], None)
    np.savez(tmp_path / "xy.npz", x=np.array([[1, 2], [3, 4]]), y=np.array(["tulip", "rose"]))
    labelled = read_rows(tmp_path / "xy.npz", FLOWERS, target=True)
    assert labelled.y is not None
    assert labelled.y.tolist() == [1, 0]
    np.save(tmp_path / "wide.npy", np.ones((5, 3)))
    assert (
        refusal(tmp_path / "wide.npy", HOUSES)
        == "wide.npy: x must have the shape (rows, 2), received (rows, 3)"
    )
    assert refusal(tmp_path / "x.npy", HOUSES, target=True) == (
        "x.npy: an .npy file holds no target; give an .npz file with x and y, or a table with the target's column"
    )


def test_several_outputs_take_their_columns_of_an_array(tmp_path: Path) -> None:
    outputs = (Output(("price_eur",), name="p"), Output(("size",), name="s"))
    table = Contract("table", ("a",), (1,), "float32", outputs)
    arrays = Contract(
        "array", (), (1,), "float32", (Output(("target_2",), name="p"), Output(("target_0",), name="s"))
    )
    y = np.arange(8.0).reshape(2, 4)
    for contract, columns, wanted in ((table, 2, (0, 1)), (arrays, 4, (2, 0)), (arrays, 3, (2, 0))):
        np.savez(tmp_path / "new.npz", x=np.ones((2, 1)), y=y[:, :columns])
        found = read_rows(tmp_path / "new.npz", contract, target=True).y
        assert found is not None
        assert [found[name].tolist() for name in "ps"] == [y[:, place].tolist() for place in wanted]
    np.savez(tmp_path / "new.npz", x=np.ones((2, 1)), y=y[:, 0])
    shape = "array 'y' must have the shape (rows, 2), received (rows)"
    assert refusal(tmp_path / "new.npz", table, target=True) == f"new.npz: {shape}"


def test_images_come_whole_flat_or_as_a_table(tmp_path: Path) -> None:
    x = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    np.save(tmp_path / "whole.npy", x)
    np.save(tmp_path / "flat.npy", x.reshape(2, 4).astype(np.float64))
    csv(tmp_path, "target,p0,p1,p2,p3\ncat,0,1,2,3\ndog,4,5,6,7\n", "table.csv")
    for name, dtype in (("whole.npy", np.uint8), ("flat.npy", np.float32), ("table.csv", np.float32)):
        rows = read_rows(tmp_path / name, IMAGES, target=None)
        np.testing.assert_array_equal(rows.x, x)
        assert rows.x.dtype == dtype
    assert rows.y is not None
    assert rows.y.tolist() == [0, 1]
    np.save(tmp_path / "other.npy", np.ones((2, 3, 3)))
    assert refusal(tmp_path / "other.npy", IMAGES) == (
        "other.npy: x must have the shape (rows, 2, 2), received (rows, 3, 3)"
    )
    assert refusal(csv(tmp_path, "a,b\n1,2\n"), IMAGES) == (
        "new.csv: must have 4 columns of numbers besides the target, one row holds 2 x 2, received 2; "
        "name other columns with --keep"
    )


def test_bytes_become_floats_for_a_model_of_floats(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 2), np.uint8))
    assert read_rows(tmp_path / "x.npy", HOUSES, target=False).x.dtype == np.float32


def test_one_hot_models_take_one_hot_rows_or_labels(tmp_path: Path) -> None:
    expected = [[0, 0, 1], [1, 0, 0]]
    for name, y in (("hot.npz", np.array(expected)), ("plain.npz", np.array([2, 0]))):
        np.savez(tmp_path / name, x=np.ones((2, 2)), y=y)
        rows = read_rows(tmp_path / name, ONE_HOT, target=True)
        assert rows.y is not None
        assert (rows.y.tolist(), rows.y.dtype) == (expected, np.float32)
    np.savez(tmp_path / "bad.npz", x=np.ones((2, 2)), y=np.array([[0, 1, 0], [1, 1, 0]]))
    assert refusal(tmp_path / "bad.npz", ONE_HOT) == (
        "bad.npz row 2, array 'y': must be a single 1 among 0s, received [1.0, 1.0, 0.0]"
    )
    np.savez(tmp_path / "short.npz", x=np.ones((2, 2)), y=np.eye(2))
    assert refusal(tmp_path / "short.npz", ONE_HOT) == (
        "short.npz: array 'y' must have the shape (rows, 3), received (rows, 2)"
    )


def test_a_file_of_keras_gives_its_test_rows(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "keras.npz",
        x_train=np.zeros((3, 2, 2), np.uint8),
        y_train=np.zeros(3),
        x_test=np.ones((2, 2, 2), np.uint8),
        y_test=np.array([1, 0]),
    )
    rows = read_rows(tmp_path / "keras.npz", IMAGES, target=True)
    assert rows.y is not None
    assert (rows.x.min(), rows.y.tolist()) == (1, [1, 0])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, "gone.csv: there is no such file; did you mean 'one.csv'?"),
        ("empty.csv", b"", "empty.csv: is empty (0 bytes)"),
        ("head.csv", b"width,length\n", "head.csv: has a header but no rows"),
        ("rows.pkl", b"x", "rows.pkl: a .pkl file can run code when it is opened and is never read; save the rows as .csv, .tsv, .parquet, .npz, .npy"),
        ("cell.csv", b"width,length\n1,2\n3,wide\n", "cell.csv row 2 (line 3), column 'length': must be a number, received 'wide'"),
        ("text.csv", b"width,length\n1,thin\n3,wide\n", "text.csv row 1 (line 2), column 'length': must be a number, received 'thin'; no cell of this column is a number"),
        ("keys.npz", b"", "keys.npz: is empty (0 bytes)"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_read_are_refused(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    csv(tmp_path, "width,length\n1,2\n", "one.csv")
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name, FLOWERS) == message


def test_a_contract_survives_json() -> None:
    for contract in (FLOWERS, HOUSES, IMAGES, ONE_HOT):
        assert read_contract(json.loads(json.dumps(contract.to_json()))) == contract


@pytest.mark.parametrize("where", [b"1,\xce\xde0.5\n", b"1\xac0.5\n", b"\xb2,1\n", b"1,\xff\n1,2,3\n"])
def test_bytes_that_are_no_text_are_refused_wherever_they_stand(where: bytes) -> None:
    """Among numbers, and in place of a separator, where PyArrow itself would stumble over them."""
    import io

    from mlpcli.data.readers.delimited_stream import BlockReader
    from mlpcli.data.readers.dialect import Dialect
    from mlpcli.data.readers.row_errors import Origin
    from mlpcli.errors import DataError

    content = "a,b\né,2\n".encode() + where + b"3,4\n"
    reader = BlockReader(io.BytesIO(content), Origin("rows.csv"), Dialect())
    with pytest.raises(DataError, match=r"rows.csv: must be UTF-8 text, it holds byte 0x"):
        list(reader.blocks(["a", "b"], text=(), numbers=["a", "b"]))


def test_rows_and_outputs_are_taken_from_one_array_or_from_several() -> None:
    one, rows = np.arange(6).reshape(3, 2), np.array([2, 0])
    several = {"a": one, "b": one * 10}
    assert of_name(one, "a") is one
    assert of_name(several, "b") is several["b"]
    assert of_name(None, "a") is rows_of(None, rows) is None
    np.testing.assert_array_equal(rows_of(one, rows), [[4, 5], [0, 1]])
    np.testing.assert_equal(
        rows_of(several, slice(1, 2)), {"a": np.array([[2, 3]]), "b": np.array([[20, 30]])}
    )
    np.testing.assert_array_equal(places_of(np.array([9, 4]), np.array([4, 7, 9])), [2, 0])
