# ruff: noqa: E501 (a message stands on one line, as it is shown)
"""Built-in datasets: their rows, classes and splits, and what is said where one is not on this machine."""

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

from mlpcli.data.dataset import Contract, Output
from mlpcli.data.sources.builtin import BUILTIN, FASHION_CLASSES
from mlpcli.data.sources.synthetic import SYNTHETIC
from mlpcli.errors import DataError, SpecError
from mlpcli.spec.split_forms import SplitBy
from tests.data.test_data_load import load

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
