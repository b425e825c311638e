"""Datasets from files: their labels, splits and fingerprint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from mlpcli.data.dataset import Contract, Dataset, Output
from mlpcli.data.load import load_dataset
from mlpcli.data.random_split import can_stratify
from mlpcli.data.readers import delimited_columns
from mlpcli.spec.schema import DatasetSpec
from mlpcli.spec.split_forms import SplitBy
from tests.conftest import wanting


def load(folder: Path = Path(), *, classes: bool | None = True, seed: int = 42, **keys: Any) -> Dataset:
    return load_dataset(DatasetSpec(**keys), wanting(classes), seed=seed, folder=folder)


def csv(folder: Path, text: str, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def labelled(*labels: object) -> str:
    """A table with one feature that counts the rows and a target of these labels."""
    return "a,y\n" + "".join(f"{row},{label}\n" for row, label in enumerate(labels))


# --- labels


@pytest.mark.parametrize(
    ("labels", "classes", "indices"),
    [
        (["cat", "ant", " cat ", "ant"], ("ant", "cat"), [1, 0, 1, 0]),
        (["10", "9", "10", "9"], ("9", "10"), [1, 0, 1, 0]),
        (["-1", "1", "1", "-1"], ("-1", "1"), [0, 1, 1, 0]),
        (["1.0", "2.0", "1", "2"], ("1", "2"), [0, 1, 0, 1]),
        (["True", "false", "TRUE", "False"], ("false", "true"), [1, 0, 1, 0]),
        (["01", "1", "01", "1"], ("01", "1"), [0, 1, 0, 1]),
        (["1-", "1", "-1", "(1)"], ("(1)", "-1", "1", "1-"), [3, 2, 1, 0]),
        (["3", "low", "3", "low"], ("3", "low"), [0, 1, 0, 1]),
    ],
)
def test_labels_become_indices_in_sorted_order(
    tmp_path: Path, labels: list[str], classes: tuple[str, ...], indices: list[int]
) -> None:
    csv(tmp_path, labelled(*labels))
    found = load(tmp_path, path="rows.csv", target="y", test=None, validation=None)
    assert found.contract.output.classes == classes
    assert found.train.y.tolist() == indices
    assert found.train.y.dtype == np.int64


def test_the_target_decides_when_the_loss_does_not(tmp_path: Path) -> None:
    csv(tmp_path, labelled("b", "a", "b", "a"), "text.csv")
    csv(tmp_path, labelled(3, 1.5, 2, 7), "numbers.csv")
    keys: dict[str, Any] = {"target": "y", "test": None, "validation": None, "classes": None}
    assert load(tmp_path, path="text.csv", **keys).contract.output.classes == ("a", "b")
    numbers = load(tmp_path, path="numbers.csv", **keys)
    assert numbers.contract.output.classes is None
    assert numbers.train.y.tolist() == [3, 1.5, 2, 7]


def test_several_target_columns_are_values_or_one_hot_classes(tmp_path: Path) -> None:
    csv(tmp_path, "a,p,q\n1,1,0\n2,0,1\n3,1,0\n4,0,1\n")
    keys: dict[str, Any] = {"path": "rows.csv", "target": ["q", "p"], "test": None, "validation": None}
    values = load(tmp_path, classes=False, **keys)
    assert values.train.y.tolist() == [[0, 1], [1, 0], [0, 1], [1, 0]]
    assert values.train.y.dtype == np.float32
    assert (values.contract.output.classes, values.contract.features) == (None, ("a",))
    one_hot = load(tmp_path, classes=True, **keys)
    assert (one_hot.contract.output.classes, one_hot.contract.output.kind) == (("q", "p"), "one_hot")
    csv(tmp_path, "a,p,q\n1,1,1\n2,0,1\n3,0,0\n4,0,1\n")
    several = load(tmp_path, classes=True, **keys)
    assert (several.contract.output.classes, several.contract.output.kind) == (("q", "p"), "labels")


# --- arrays


def test_npz_with_its_own_test_split(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "x_train": rng.integers(0, 256, (40, 3, 2), np.uint8),
        "y_train": np.array(["b", "a"] * 20),
        "x_test": rng.integers(0, 256, (6, 3, 2), np.uint8),
        "y_test": np.array(["a", "b", "b"] * 2),
    }
    np.savez(tmp_path / "own.npz", **arrays)
    found = load(tmp_path, path="own.npz", validation=SplitBy(last=10))
    assert found.validation is not None
    assert found.test is not None
    np.testing.assert_array_equal(found.train.x, arrays["x_train"][:30])
    np.testing.assert_array_equal(found.validation.x, arrays["x_train"][30:])
    np.testing.assert_array_equal(found.test.x, arrays["x_test"])
    assert found.test.y.tolist() == [0, 1, 1, 0, 1, 1]
    assert found.test.rows.tolist() == list(range(6))
    assert found.contract == Contract(
        "array", (), (3, 2), "uint8", (Output(("target",), "classes", ("a", "b")),), numbers="float64"
    )
    assert list(load(tmp_path, path="own.npz", test=None).splits()) == ["train", "validation"]


@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", "bool", ">f4"])
def test_arrays_become_float32(tmp_path: Path, dtype: str, fortran: bool) -> None:
    x = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 1], [0, 0, 1]]).astype(dtype, order="F" if fortran else "C")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "t.npy", np.arange(4)[:, None])
    found = load(tmp_path, path="x.npy", target="t.npy", classes=False, test=None, validation=None)
    np.testing.assert_array_equal(found.train.x, x.astype("float32"))
    assert (found.train.x.dtype, found.train.y.tolist()) == (np.float32, [0, 1, 2, 3])


def test_one_hot_arrays_are_kept_and_split_by_class(tmp_path: Path) -> None:
    labels = np.arange(30) % 3
    np.savez(tmp_path / "hot.npz", x=np.arange(60.0).reshape(30, 2), y=np.eye(3)[labels])
    found = load(tmp_path, path="hot.npz")
    assert found.test is not None
    assert (found.contract.output.classes, found.contract.output.kind) == (("0", "1", "2"), "one_hot")
    assert found.contract.target == ("target",)
    assert found.test.y.sum(axis=0).tolist() == [2, 2, 2]
    values = load(tmp_path, path="hot.npz", classes=False)
    assert (values.contract.output.classes, values.contract.target) == (
        None,
        ("target_0", "target_1", "target_2"),
    )


# --- tables


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain.csv", "a,b c,y\n1,-2.5,0\n3e2,.5,1\n"),
        ("bom.csv", "\ufeffa,b c,y\n1,-2.5,0\n3e2,.5,1\n"),
        ("crlf.csv", "a,b c,y\r\n1,-2.5,0\r\n3e2,.5,1\r\n"),
        ("semicolons.csv", "a;b c;y\n1;-2.5;0\n3e2;.5;1\n"),
        ("tabs.tsv", "a\tb c\ty\n1\t-2.5\t0\n3e2\t.5\t1\n"),
        ("tabs.csv", "a\tb c\ty\n1\t-2.5\t0\n3e2\t.5\t1"),
        ("spaces.csv", " a , b c,y \n 1 , -2.5,0\n+3e2,.5, 1\n"),
        ("quoted.csv", '"a","b c","y"\n"1","-2.5","0"\n\n"3e2",".5",1\n'),
        ("UPPER.CSV", "a,b c,y\n1,-2.5,false\n3e2,.5,true\n"),
    ],
)
def test_text_tables_in_all_their_spellings(tmp_path: Path, name: str, text: str) -> None:
    csv(tmp_path, text, name)
    found = load(tmp_path, path=name, target="y", classes=False, test=None, validation=None)
    assert found.contract.features == ("a", "b c")
    assert found.train.x.tolist() == [[1, -2.5], [300, 0.5]]
    assert found.train.y.tolist() == [0, 1]


def test_a_name_may_hold_another_delimiter(tmp_path: Path) -> None:
    csv(tmp_path, "a;b;c,y\n1,0\n2,1\n")
    found = load(tmp_path, path="rows.csv", target="y", classes=False, test=None, validation=None)
    assert found.contract.features == ("a;b;c",)


def test_a_type_that_changes_far_down_the_file_is_still_read(tmp_path: Path) -> None:
    rows = ["1,0"] * 900_000 + ["2.5,1"]
    csv(tmp_path, "a,y\n" + "\n".join(rows))
    found = load(tmp_path, path="rows.csv", target="y", classes=False, test=None, validation=None)
    assert found.train.x[-1].tolist() == [2.5]
    assert len(found.train) == 900_001


def test_a_row_longer_than_a_block_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited_columns, "_BLOCK", 1 << 10)
    names, cells = ",".join(f"c{place}" for place in range(500)), ",".join(["1.25"] * 500)
    csv(tmp_path, f"{names},y\n{cells},0\n{cells},1\n")
    found = load(tmp_path, path="rows.csv", target="y", classes=False, test=None, validation=None)
    assert found.train.x.tolist() == [[1.25] * 500] * 2


def test_parquet_and_csv_give_the_same_rows(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"a": [1, 2, 3, 4], "b": [0.5, -1.0, 2.0, 3.0], "c": [True, False, True, True]}
    table = pa.table({**kinds, "y": pa.array(["u", "v", "u", "v"]).dictionary_encode()})
    pq.write_table(table, tmp_path / "rows.parquet")
    csv(tmp_path, "a,b,c,y\n1,.5,true,u\n2,-1,false,v\n3,2,true,u\n4,3,true,v\n")
    keys: dict[str, Any] = {"target": "y", "test": None, "validation": None}
    one, two = (load(tmp_path, path=name, **keys) for name in ("rows.parquet", "rows.csv"))
    np.testing.assert_array_equal(one.train.x, two.train.x)
    np.testing.assert_array_equal(one.train.y, two.train.y)
    assert one.contract == two.contract
    assert one.fingerprint == two.fingerprint


def test_columns_that_are_not_features_need_not_be_numbers(tmp_path: Path) -> None:
    csv(tmp_path, "id,a,y\nx1,1,0\nx2,,1\n".replace("x2,,", "x2,2,"))
    found = load(
        tmp_path, path="rows.csv", target="y", features=["a"], classes=False, test=None, validation=None
    )
    assert found.train.x.tolist() == [[1], [2]]


def test_path_takes_environment_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    csv(tmp_path, labelled(1, 2, 3, 4))
    monkeypatch.setenv("ROWS_FOLDER", str(tmp_path))
    path = "${ROWS_FOLDER}/rows.csv"
    found = load(Path("/"), path=path, target="y", classes=False, test="${ROWS_FOLDER}/rows.csv")
    assert found.test is not None
    assert len(found.test) == 4


# --- splits of files


@pytest.mark.parametrize(
    ("labels", "taken", "expected"),
    [
        ([0, 0, 1, 1], 2, True),
        ([0, 0, 1, 1], 1, False),  # no room for a row of each class
        ([0, 0, 1, 1], 3, False),
        ([0, 0, 0, 1], 2, False),  # a class of one row cannot be on both sides
    ],
)
def test_a_split_is_stratified_where_each_class_fits_on_both_sides(
    labels: list[int], taken: int, expected: bool
) -> None:
    assert can_stratify(np.array(labels), taken) is expected


@pytest.mark.parametrize("labels", [[0, 1, 1], ["b", "a", "c"], [10, 9, 100], ["true", "false", "true"]])
def test_a_labelled_table_splits_as_two_plain_calls_of_scikit_learn(
    tmp_path: Path, labels: list[Any]
) -> None:
    y = np.array(labels * 20)
    x = np.arange(60.0).reshape(60, 1)
    csv(tmp_path, labelled(*y))
    rest, x_test, y_rest, y_test = train_test_split(x, y, test_size=15, random_state=3, stratify=y)
    x_train, x_valid, y_train, _ = train_test_split(
        rest, y_rest, test_size=0.3, random_state=3, stratify=y_rest
    )
    found = load(tmp_path, path="rows.csv", target="y", seed=3, test=15, validation=0.3)
    assert found.test is not None
    assert found.validation is not None
    np.testing.assert_array_equal(found.train.x, x_train)
    np.testing.assert_array_equal(found.validation.x, x_valid)
    np.testing.assert_array_equal(found.test.x, x_test)
    names = found.contract.output.classes
    assert names is not None
    assert [names[index] for index in found.train.y] == [str(label) for label in y_train]
    assert [names[index] for index in found.test.y] == [str(label) for label in y_test]


def test_the_last_rows_are_taken_in_their_order_test_before_validation(tmp_path: Path) -> None:
    csv(tmp_path, labelled(*range(10)))
    found = load(
        tmp_path, path="rows.csv", target="y", classes=False, test=SplitBy(last=2), validation=SplitBy(last=3)
    )
    assert found.test is not None
    assert found.validation is not None
    assert found.train.y.tolist() == [0, 1, 2, 3, 4]
    assert found.validation.y.tolist() == [5, 6, 7]
    assert found.test.y.tolist() == [8, 9]
    assert found.test.rows.tolist() == [8, 9]


def test_a_file_is_a_split_with_its_columns_in_any_order(tmp_path: Path) -> None:
    csv(tmp_path, labelled("u", "v", "u", "v"))
    csv(tmp_path, "extra,y,a\nhello,v,7\nworld,u,8\n", "test.csv")
    found = load(tmp_path, path="rows.csv", target="y", test="test.csv", validation=None)
    assert found.test is not None
    assert found.test.x.tolist() == [[7], [8]]
    assert found.test.y.tolist() == [1, 0]
    assert len(found.train) == 4


def test_default_splits_are_a_fifth_each_and_a_tenth_of_many_rows(tmp_path: Path) -> None:
    np.savez(tmp_path / "few.npz", x=np.ones((100, 1)), y=np.ones(100))
    assert [len(split) for split in load(tmp_path, path="few.npz", classes=False).splits().values()] == [
        64,
        16,
        20,
    ]
    np.savez(tmp_path / "many.npz", x=np.ones((62500, 1), np.uint8), y=np.ones(62500))
    sizes = [len(split) for split in load(tmp_path, path="many.npz", classes=False).splits().values()]
    assert sizes == [45000, 5000, 12500]


def test_the_fingerprint_depends_on_the_rows_the_split_and_the_contract(tmp_path: Path) -> None:
    def mark(text: str, **keys: Any) -> str:
        csv(tmp_path, text)
        return load(tmp_path, path="rows.csv", target="y", **{"classes": False, **keys}).fingerprint

    text = labelled(*([0, 1] * 10))
    first = mark(text)
    assert first == mark(text)
    others = [mark(text.replace("7,1", "7.5,1")), mark(text, seed=1), mark(text, classes=True)]
    others.append(mark(text.replace("a,y", "b,y")))
    assert len({first, *others}) == 5
