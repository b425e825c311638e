# ruff: noqa: E501 (a message stands on one line, as it is shown)
"""Datasets: built in and from files, their labels, splits and fingerprint."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn import datasets
from sklearn.model_selection import train_test_split

from mlpcli.data.dataset import Contract, Dataset, Output
from mlpcli.data.load import load_dataset
from mlpcli.data.readers import delimited_columns
from mlpcli.data.sources.builtin import BUILTIN, FASHION_CLASSES
from mlpcli.data.sources.synthetic import SYNTHETIC
from mlpcli.errors import DataError, SpecError
from mlpcli.spec.schema import DatasetSpec
from mlpcli.spec.split_forms import SplitBy
from tests.conftest import wanting

KERAS_HOME = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
TEST_DATA = Path(os.environ.get("MLPCLI_TEST_DATA", "."))

needs_fashion = pytest.mark.skipif(
    not (KERAS_HOME / "datasets" / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz").exists(),
    reason="KERAS_HOME has no datasets/fashion-mnist",
)
needs_housing = pytest.mark.skipif(
    not (TEST_DATA / "california_housing.csv").exists(),
    reason="MLPCLI_TEST_DATA has no california_housing.csv",
)
needs_mnist = pytest.mark.skipif(
    not (TEST_DATA / "mnist.npz").exists(), reason="MLPCLI_TEST_DATA has no mnist.npz"
)


def load(folder: Path = Path(), *, classes: bool | None = True, seed: int = 42, **keys: Any) -> Dataset:
    return load_dataset(DatasetSpec(**keys), wanting(classes), seed=seed, folder=folder)


def csv(folder: Path, text: str, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def labelled(*labels: object) -> str:
    """A table with one feature that counts the rows and a target of these labels."""
    return "a,y\n" + "".join(f"{row},{label}\n" for row, label in enumerate(labels))


# --- built-in datasets


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
def test_builtin_classes_split_as_two_plain_calls_of_scikit_learn(name: str) -> None:
    bunch = getattr(datasets, f"load_{name}")()
    x, y = (bunch.images if name == "digits" else bunch.data), bunch.target
    rest, x_test, y_rest, y_test = train_test_split(x, y, test_size=0.25, random_state=7, stratify=y)
    x_train, x_valid, y_train, y_valid = train_test_split(
        rest, y_rest, test_size=30, random_state=7, stratify=y_rest
    )
    found = load(name=name, seed=7, test=0.25, validation=30)
    expected = {"train": (x_train, y_train), "validation": (x_valid, y_valid), "test": (x_test, y_test)}
    for split, (split_x, split_y) in expected.items():
        np.testing.assert_array_equal(found.splits()[split].x, split_x.astype(np.float32))
        np.testing.assert_array_equal(found.splits()[split].y, split_y)
        np.testing.assert_array_equal(y[found.splits()[split].rows], split_y)
    assert found.contract.output.classes == tuple(map(str, bunch.target_names))
    assert found.train.x.dtype == np.float32
    assert found.train.y.dtype == np.int64


def test_builtin_values_split_as_two_plain_calls_of_scikit_learn() -> None:
    x, y = datasets.load_diabetes(return_X_y=True)
    rest, x_test, y_rest, y_test = train_test_split(x, y, test_size=0.2, random_state=42)
    x_train, x_valid, y_train, y_valid = train_test_split(rest, y_rest, test_size=0.2, random_state=42)
    found = load(name="diabetes", classes=False)
    assert found.validation is not None
    assert found.test is not None
    for split, split_x, split_y in (
        (found.train, x_train, y_train),
        (found.validation, x_valid, y_valid),
        (found.test, x_test, y_test),
    ):
        np.testing.assert_array_equal(split.x, split_x.astype(np.float32))
        np.testing.assert_array_equal(split.y, split_y.astype(np.float32))
    assert found.contract.output.classes is None
    assert found.source == "diabetes (built in)"


def test_a_builtin_table_keeps_the_features_that_are_picked() -> None:
    found = load(name="iris", features=["petal width (cm)", "petal length (cm)"], test=None, validation=None)
    np.testing.assert_array_equal(found.train.x, datasets.load_iris().data[:, [3, 2]].astype(np.float32))
    assert found.contract.features == ("petal width (cm)", "petal length (cm)")
    assert list(found.splits()) == ["train"]


def test_builtin_labels_become_numbers_for_a_loss_on_numbers() -> None:
    found = load(name="iris", classes=False)
    assert found.contract.output.classes is None
    assert found.train.y.dtype == np.float32


def test_a_target_of_numbers_is_refused_for_classes() -> None:
    with pytest.raises(SpecError) as caught:
        load(name="diabetes")
    assert str(caught.value) == "loss: is for classes, the target of diabetes (built in) is a number; use mse"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"name": "iriss"}, f"dataset.name: must be one of {', '.join((*BUILTIN, *SYNTHETIC))}, received 'iriss'; did you mean 'iris'?"),
        ({"name": "iris", "target": "species"}, "dataset.target: a built-in dataset has its own target, received 'species'; remove it, the target of iris is 'target'"),
        ({"name": "wine", "features": ["alcohl"]}, "dataset.features[0]: must be a column of the table, received 'alcohl'; did you mean 'alcohol'?"),
        ({"name": "digits", "features": ["a"]}, "dataset.features: is for tables, images have no columns"),
    ],
)  # fmt: skip
def test_builtins_that_cannot_be_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(**keys)
    assert str(caught.value) == message


@needs_fashion
def test_fashion_mnist_stays_uint8_and_its_last_images_validate() -> None:
    found = load(name="fashion_mnist", validation=SplitBy(last=5000))
    assert found.validation is not None
    assert found.test is not None
    assert [len(split) for split in found.splits().values()] == [55000, 5000, 10000]
    assert found.train.x.dtype == np.uint8
    assert found.train.x.base is not None
    assert np.shares_memory(found.train.x.base, found.validation.x.base)
    assert found.contract == Contract(
        "array", (), (28, 28), "uint8", (Output(("target",), "classes", FASHION_CLASSES),), numbers="float64"
    )
    assert [FASHION_CLASSES[label] for label in found.test.y[:3]] == ["Ankle boot", "Pullover", "Trouser"]
    assert found.validation.rows[0] == 55000


@needs_fashion
def test_fashion_mnist_in_the_cache_needs_no_keras() -> None:
    code = """if True:
        import sys
        from pathlib import Path
        from mlpcli.data.load import Request, load_dataset
        from mlpcli.spec.schema import DatasetSpec
        from mlpcli.spec.split_forms import SplitBy
        assert not {"sklearn", "pyarrow"} & sys.modules.keys()
        spec = DatasetSpec(name="fashion_mnist", validation=SplitBy(last=5000))
        load_dataset(spec, Request({"": "classes"}), seed=0, folder=Path())
        assert not {"sklearn", "pyarrow", "keras", "tensorflow"} & sys.modules.keys()
        """
    subprocess.run([sys.executable, "-c", code], check=True)


@needs_mnist
def test_mnist_comes_from_the_folder_of_test_data() -> None:
    found = load(name="mnist")
    assert [len(split) for split in found.splits().values()] == [54000, 6000, 10000]
    assert found.train.x.dtype == np.uint8
    assert found.contract.output.classes == tuple("0123456789")


@needs_housing
def test_california_housing_comes_from_the_folder_of_test_data() -> None:
    found = load(name="california_housing", classes=False, test=0.25, validation=0.25)
    assert [len(split) for split in found.splits().values()] == [11610, 3870, 5160]
    assert found.contract.features[0] == "MedInc"
    assert found.contract.target == ("MedHouseVal",)


@pytest.fixture
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches, and libraries whose downloads fail as they do without a network."""

    def fail(**_: object) -> None:
        raise Exception("URL fetch failure on https://host/file.gz: None -- [Errno -2] Name not known")

    def fail_early(**_: object) -> None:
        raise OSError("no network")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("MLPCLI_TEST_DATA", raising=False)
    keras_datasets = SimpleNamespace(
        **dict.fromkeys(("fashion_mnist", "mnist"), SimpleNamespace(load_data=fail))
    )
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(datasets=keras_datasets))
    monkeypatch.setattr(datasets, "fetch_california_housing", fail_early)
    return tmp_path


GONE = "is not on this machine and could not be downloaded"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fashion_mnist", f"fashion_mnist: {GONE}; put train-labels-idx1-ubyte.gz, train-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz into HOME/datasets/fashion-mnist, or set KERAS_HOME to a folder that holds datasets/fashion-mnist"),
        ("mnist", f"mnist: {GONE}; put mnist.npz into HOME/datasets, or set KERAS_HOME to a folder that holds datasets, or set MLPCLI_TEST_DATA to a folder with mnist.npz"),
        ("california_housing", f"california_housing: {GONE}; set MLPCLI_TEST_DATA to a folder with california_housing.csv, whose target is MedHouseVal"),
    ],
)  # fmt: skip
def test_without_network_and_cache_the_way_out_is_told(no_network: Path, name: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        load(name=name, classes=name != "california_housing")
    assert str(caught.value) == message.replace("HOME", str(no_network), 1)


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _wrong_checksum(content: bytes) -> bytes:
    return content[:-8] + bytes(4) + content[-4:]


def _fewer_labels(_: bytes) -> bytes:
    return gzip.compress(b"\0\0\x08\x01" + np.array([5], ">u4").tobytes() + bytes(5))


@pytest.mark.parametrize("damage", [_cut, _wrong_checksum, _fewer_labels])
def test_a_file_that_a_broken_download_left_is_never_data(
    no_network: Path, damage: Callable[[bytes], bytes]
) -> None:
    folder = no_network / "datasets" / "fashion-mnist"
    folder.mkdir(parents=True)
    labels = b"\0\0\x08\x01" + np.array([10000], ">u4").tobytes() + bytes(10000)
    broken = folder / "t10k-labels-idx1-ubyte.gz"
    broken.write_bytes(damage(gzip.compress(labels)))
    with pytest.raises(DataError) as caught:
        load(name="fashion_mnist")
    assert str(caught.value) == (
        f"{broken}: cannot be read, the file is damaged or incomplete; delete it; it is downloaded again"
    )
    broken.write_bytes(gzip.compress(labels))
    with pytest.raises(DataError, match="could not be downloaded; put train-labels"):
        load(name="fashion_mnist")


def test_a_damaged_mnist_in_the_cache_is_never_data(no_network: Path) -> None:
    path = no_network / "datasets" / "mnist.npz"
    path.parent.mkdir()
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(DataError, match=r"mnist\.npz: cannot be read as npz; the file is damaged"):
        load(name="mnist")


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
