"""Folders `key=value` as columns: they are those of PyArrow, and work like the columns of a plain file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet
import pytest
from pyarrow import csv

from mlpcli.data.dataset import Dataset
from mlpcli.data.readers.find_files import find_files, named_files
from mlpcli.data.readers.partitions import FolderKey, files_below, folder_keys
from mlpcli.data.readers.tables import open_tables, read_table
from mlpcli.errors import DataError, MlpcliError, SpecError
from mlpcli.spec.load import LoadedSpec, load_text
from mlpcli.spec.memory_size import CACHE
from tests.bare_runs import train_bare
from tests.conftest import Result
from tests.data.stored_rows import load_rows

Command = Callable[..., Result]

CLASSES = "layers: [Dense: {units: 2, activation: softmax}]\nloss: sparse_categorical_crossentropy\n"
NUMBERS = "layers: [Dense: {units: 1}]\nloss: mse\n"
FOLDERS = [
    f"year={year}/month={month}/region={region}"
    for year in (2023, 2024)
    for month in ("01", "12", "__HIVE_DEFAULT_PARTITION__")
    for region in ("a%20b", "c")
]


def _write(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        csv.write_csv(table, path)
    elif path.suffix == ".feather":
        pyarrow.feather.write_feather(table, path)
    else:
        pyarrow.parquet.write_table(table, path)


def _write_folders(top: Path, ending: str = ".csv", rows: int = 6) -> pa.Table:
    """Write files in folders of three keys; return all of them as one table, as PyArrow reads it."""
    random = np.random.default_rng(4)
    for folder in FOLDERS:
        x = np.round(random.normal(size=rows), 3)
        label = np.where(x + random.normal(size=rows) > 0, "yes", "no")
        table = pa.table({"x": x, "y": np.round(2 * x + 1, 3), "label": label})
        _write(top / folder / f"part-0{ending}", table)
    kind = ending.removeprefix(".")
    return pa.dataset.dataset(str(top), format=kind, partitioning="hive").to_table()


def _loaded(folder: Path, dataset: str, rest: str) -> LoadedSpec:
    return load_text(f"name: t\nseed: 1\ndataset: {{{dataset}}}\n{rest}", folder / "t.yaml")


def _load(loaded: LoadedSpec, *, memory: bool = False) -> Dataset:
    return load_rows(loaded, memory=1000 if memory else None, runs_dir=loaded.folder)


VALUES = {
    "whole": ["03", "12"],
    "mixed": ["03", "a"],
    "missing": ["__HIVE_DEFAULT_PARTITION__", "1"],
    "coded": ["a%20b", "b%2Fc", "b=c", "%C3%A9"],
    "signed": ["-5", "7"],
    "texts": ["+5", "true", "0.5"],
    "day": ["2024-02-29"],
}


@pytest.mark.parametrize("name", VALUES)
def test_keys_are_those_of_pyarrow(name: str, tmp_path: Path) -> None:
    for place, value in enumerate(VALUES[name]):
        _write(tmp_path / f"k%201={value}" / "x.parquet", pa.table({"n": [place]}))
    wanted = pa.dataset.dataset(str(tmp_path), partitioning="hive").to_table()
    file = open_tables(named_files(str(tmp_path)), "all")
    found = read_table(file, file.names).columns
    assert list(found) == wanted.column_names == ["n", "k 1"]
    assert found["n"].arrow.to_pylist() == wanted["n"].to_pylist()
    assert found["k 1"].arrow.to_pylist() == wanted["k 1"].to_pylist()


SECTIONS = {
    "features": ("target: label", CLASSES),
    "target": ("target: region, features: [x, y, year, month]", CLASSES),
    "number": ("target: year, features: {month: {kind: categorical}}", NUMBERS),
    "group": ("target: label, test: {share: 0.3, by: region}, validation: null", CLASSES),
    "time": ("target: y, test: {last: 0.3, by: year}, validation: null", NUMBERS),
}


@pytest.mark.parametrize(
    ("section", "ending"),
    [*((name, ".csv") for name in SECTIONS), ("features", ".parquet"), ("number", ".feather")],
)
def test_keys_work_as_the_columns_of_one_file(section: str, ending: str, tmp_path: Path) -> None:
    whole = _write_folders(tmp_path / "sales", ending)
    _write(tmp_path / "whole.csv", whole)
    dataset, rest = SECTIONS[section]
    one = _load(_loaded(tmp_path, f"path: whole.csv, {dataset}", rest))
    for path in ("sales/", f"'sales/**/*{ending}'", "'sales/year=*'"):
        loaded = _loaded(tmp_path, f"path: {path}, {dataset}", rest)
        for memory in (False, True):
            found = _load(loaded, memory=memory)
            assert found.fingerprint == one.fingerprint
            assert found.contract == one.contract
    assert len(list((tmp_path / CACHE).glob("*-*/dataset.json"))) == 1, "one folder for the same content"


def test_values_of_folders_name_the_cache(tmp_path: Path) -> None:
    _write_folders(tmp_path / "sales")
    dataset = "path: sales, target: label, test: more/year=2020/month=1/region=c"
    _write(
        tmp_path / "more/year=2020/month=1/region=c/a.csv",
        pa.table({"x": [1.0], "y": [1.0], "label": ["no"]}),
    )
    loaded = _loaded(tmp_path, dataset, CLASSES)
    before = _load(loaded, memory=True).fingerprint
    assert before == _load(loaded).fingerprint
    (tmp_path / "more/year=2020").rename(tmp_path / "more/year=2019")
    other = _loaded(tmp_path, dataset.replace("2020", "2019"), CLASSES)
    assert _load(other, memory=True).fingerprint == _load(other).fingerprint != before
    (tmp_path / "sales/year=2023").rename(tmp_path / "sales/year=2022")
    assert _load(other, memory=True).fingerprint == _load(other).fingerprint


def _other_keys(top: Path) -> None:
    _write(top / "year=2025/part-0.csv", pa.table({"x": [1.0], "y": [1.0], "label": ["no"]}))


def _loose(top: Path) -> None:
    _write(top / "part-0.csv", pa.table({"x": [1.0], "y": [1.0], "label": ["no"]}))


def _other_values(top: Path) -> None:
    table = pa.table({"x": [1.0] * 2, "y": [1.0] * 2, "label": ["no"] * 2, "year": [2023, 2024]})
    _write(top / FOLDERS[0] / "part-0.csv", table)


def _other_format(top: Path) -> None:
    _write(top / FOLDERS[0] / "part-1.parquet", pa.table({"x": [1.0], "y": [1.0], "label": ["no"]}))


def _no_table(top: Path) -> None:
    (top / FOLDERS[0] / "notes.doc").touch()


def _twice(top: Path) -> None:
    (top / FOLDERS[0]).rename(top / "moved")
    (top / "year=2023/year=2023/month=1/region=c").mkdir(parents=True)
    (top / "moved").rename(top / "year=2023/year=2023/month=1/region=c/d=1")


WRONG: dict[Callable[[Path], None], str] = {
    _other_keys: r"year=2025/part-0\.csv: has the keys year, year=2023/.* has year, month, region: all files",
    _loose: r"part-0\.csv: is in no folder key=value, .* all files need the same keys",
    _other_values: r"year=2023/.*/part-0\.csv row 2 \(line 3\), column 'year': must be 2023.*'year=2023'",
    _other_format: r"must be of one format: .*part-0\.csv and .*part-1\.parquet",
    _no_table: r"notes\.doc: the extension must be one of",
    _twice: r"key 'year' occurs more than once",
}


@pytest.mark.parametrize("change", WRONG, ids=lambda each: each.__name__)
def test_folders_that_do_not_fit_are_refused(change: Callable[[Path], None], tmp_path: Path) -> None:
    _write_folders(tmp_path / "sales")
    change(tmp_path / "sales")
    loaded = _loaded(tmp_path, "path: sales/, target: label", CLASSES)
    for memory in (False, True):
        with pytest.raises(MlpcliError, match=WRONG[change]):
            _load(loaded, memory=memory)


def test_a_column_of_the_same_values_is_that_of_the_folder(tmp_path: Path) -> None:
    for year in (2023, 2024):
        table = pa.table({"x": np.arange(9.0) * year, "year": [str(year)] * 9, "label": [*"yyynnnyyn"]})
        _write(tmp_path / f"sales/year={year}/a.csv", table)
    loaded = _loaded(tmp_path, "path: sales/, target: label", CLASSES)
    assert _load(loaded).contract.features == _load(loaded, memory=True).contract.features == ("x", "year")


def test_hidden_files_are_left_out_and_empty_folders_refused(tmp_path: Path) -> None:
    _write_folders(tmp_path / "sales")
    for name in ("_SUCCESS", ".part-0.csv.crc", f"{FOLDERS[0]}/_committed_1"):
        (tmp_path / "sales" / name).touch()
    assert len(find_files("sales", tmp_path, ())) == len(FOLDERS)
    assert len(find_files("sales/**/*", tmp_path, ())) == len(FOLDERS)
    (tmp_path / "none/year=1").mkdir(parents=True)
    with pytest.raises(SpecError, match="its folders key=value hold no files"):
        find_files("none", tmp_path, ())


def test_folders_above_what_is_named_are_columns_only_where_they_are_needed(tmp_path: Path) -> None:
    _write_folders(tmp_path / "sales")
    file = tmp_path / "sales" / FOLDERS[3] / "part-0.csv"
    assert open_tables(named_files(str(file)), "one").names == ("x", "y", "label")
    wanted = {"month": (), "x": (), "year": ()}
    opened = open_tables(named_files(str(file)), "one", wanted=wanted)
    assert opened.names == ("x", "y", "label", "year", "month")
    own = pa.table({"x": [1.0], "month": [7]})
    _write(tmp_path / "own" / "month=3" / "a.csv", own)
    with pytest.raises(DataError, match=r"column 'month': must be 3"):
        read_table(open_tables(named_files(str(tmp_path / "own")), "own"), ["month"])


def test_values_are_those_that_a_model_has_learned() -> None:
    files = [Path("m=03/a.csv")]
    (key,) = folder_keys(files, {"m": ("03", "x")})[0]
    assert (key.value, key.whole) == ("03", False)
    (key,) = folder_keys(files, {"m": ("3", "4")})[0]
    assert (key.value, key.whole) == (3, True)
    assert FolderKey("m", "03", "m=03").among(("3", "4")).value == 3


@pytest.mark.slow
def test_a_run_of_folders_predicts_folders_files_and_plain_tables(mlpcli: Command, tmp_path: Path) -> None:
    """One training, whose network takes all keys; every kind of new rows gives the same predictions."""
    whole = _write_folders(tmp_path / "sales")
    _write(tmp_path / "whole.csv", whole)
    spec = tmp_path / "s.yaml"
    dataset = "dataset: {path: sales/, target: label, features: {month: {kind: categorical}}}"
    spec.write_text(
        f"name: s\nseed: 1\n{dataset}\n{CLASSES}fit: {{epochs: 1, engine: graph}}\n", encoding="utf-8"
    )
    runs_dir = tmp_path / "runs"
    assert mlpcli("check", spec).status == 0
    train_bare(spec, runs_dir)
    _header_alone(tmp_path / "sales" / FOLDERS[-1] / "part-1.csv", ".csv")
    written = {}
    for data in (
        "sales",
        "sales/**/*.csv",
        "whole.csv",
        "sales/year=2024/month=12",
        f"sales/{FOLDERS[-1]}/part-0.csv",
    ):
        target = tmp_path / "p.csv"
        result = mlpcli("predict", "s", tmp_path / data, "-o", target, "--force", "--runs-dir", runs_dir)
        assert result.status == 0, result.err
        written[data] = target.read_text(encoding="utf-8").splitlines()[1:]
    assert written["sales"] == written["sales/**/*.csv"] == written["whole.csv"]
    assert {*written["sales/year=2024/month=12"]} < {*written["sales"]}
    assert written[f"sales/{FOLDERS[-1]}/part-0.csv"] == written["sales"][-6:]
    result = mlpcli(
        "evaluate",
        "s",
        "--data",
        tmp_path / "sales",
        "--by",
        "region",
        "--no-figures",
        "--runs-dir",
        runs_dir,
    )
    assert result.status == 0
    assert "72 rows" in result.out
    assert "a b " in result.out


def test_a_folder_is_read_under_its_own_name_not_that_of_a_link_to_it(tmp_path: Path) -> None:
    table, elsewhere = tmp_path / "sales", tmp_path / "elsewhere"
    for place in (table / "year=2024", table / "year=2025", elsewhere):
        place.mkdir(parents=True)
        (place / "p.csv").write_text("x,price\n1,2\n")
    (table / "year=2023").symlink_to("year=2024")
    (table / "aaa").symlink_to("year=2025")
    (table / "year=2024" / "back").symlink_to(table)
    (table / "year=2026").symlink_to(elsewhere)
    found = [path.relative_to(table).as_posix() for path in files_below(table)]
    assert found == ["year=2024/p.csv", "year=2025/p.csv", "year=2026/p.csv"]


def _header_alone(path: Path, ending: str) -> None:
    """Write a file as Spark does for a partition without rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if ending == ".jsonl":
        path.touch()
    elif ending == ".csv":
        path.write_text("x,y,label\n", encoding="utf-8")
    else:
        types = {"x": pa.float64(), "y": pa.float64(), "label": pa.string()}
        _write(path, pa.table({name: pa.array([], kind) for name, kind in types.items()}))


def _write_rows(path: Path, rows: list[tuple[float, float, str]]) -> None:
    if path.suffix == ".jsonl":
        lines = [json.dumps(dict(zip(["x", "y", "label"], row, strict=True))) for row in rows]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines), encoding="utf-8")
    else:
        _write(path, pa.table(dict(zip(["x", "y", "label"], zip(*rows, strict=True), strict=True))))


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".feather", ".jsonl"])
@pytest.mark.parametrize("memory", [False, True])
def test_files_of_a_header_alone_add_no_rows(memory: bool, ending: str, tmp_path: Path) -> None:
    rows = [(place / 4, place / 2, "yn"[place % 2]) for place in range(12)]
    for year in (2023, 2024):
        _write_rows(tmp_path / f"whole/year={year}/part-1{ending}", rows)
        _write_rows(tmp_path / f"sales/year={year}/part-1{ending}", rows)
    for name in ("year=2023/part-0", "year=2024/part-2", "year=2025/part-0"):
        _header_alone(tmp_path / f"sales/{name}{ending}", ending)
    whole = _load(_loaded(tmp_path, "path: whole/, target: label", CLASSES), memory=memory)
    found = _load(_loaded(tmp_path, "path: sales/, target: label", CLASSES), memory=memory)
    assert len(found.train.y) == len(whole.train.y) > 0
    np.testing.assert_array_equal(np.asarray(found.train.x[:]), np.asarray(whole.train.x[:]))
    assert found.contract.features == ("x", "y", "year")


def test_files_of_a_header_alone_are_named_and_one_must_have_rows(tmp_path: Path) -> None:
    for year in (2023, 2024):
        _header_alone(tmp_path / f"none/year={year}/part-0.csv", ".csv")
    with pytest.raises(DataError, match="none: none of its 2 files holds a row"):
        open_tables(find_files("none", tmp_path, ()), "none")
    _write(tmp_path / "none/year=2022/a.csv", pa.table({"x": [1.0], "y": [1.0], "label": ["no"]}))
    (note,) = open_tables(find_files("none", tmp_path, ()), "none").notes
    expected = "none: 2 of 3 files without rows: year=2023/part-0.csv, year=2024/part-0.csv"
    assert note == expected


@pytest.mark.parametrize("text", ["sales", "sales/", "sales/**/*"])
def test_a_foreign_file_says_how_to_leave_it_out(text: str, tmp_path: Path) -> None:
    _write_folders(tmp_path / "sales")
    (tmp_path / "sales" / "README.md").write_text("sales by year", encoding="utf-8")
    hint = r"move README\.md away, or name the others by a pattern, such as '(sales/\*\*/\*\.csv)'"
    with pytest.raises(SpecError, match=rf"README\.md: the extension must be one of .*; {hint}") as refused:
        find_files(text, tmp_path, ())
    pattern = str(refused.value).rpartition("such as ")[2].strip("'\n")
    assert len(find_files(pattern, tmp_path, ())) == len(FOLDERS)


@pytest.mark.parametrize(
    ("path", "named"), [("sales", "year=2024/rows.csv"), ("sales/*/r*.csv", "year=2024/rows.csv")]
)
def test_the_only_file_of_a_folder_or_a_pattern_is_named_too(path: str, named: str, tmp_path: Path) -> None:
    file = tmp_path / "sales" / "year=2024" / "rows.csv"
    file.parent.mkdir(parents=True)
    file.write_text("a,y\n1,2\nx,3\n4,5\n")
    loaded = _loaded(tmp_path, f"path: '{path}', target: y, features: {{a: {{kind: numeric}}}}", NUMBERS)
    for memory in (False, True):
        with pytest.raises(DataError) as caught:
            _load(loaded, memory=memory)
        assert str(caught.value).startswith(f"{named} row 2 (line 3), column 'a': must be a number")
    file.write_text("a,y\n1,2\n3\n")
    with pytest.raises(DataError) as caught:
        _load(loaded)
    assert str(caught.value).startswith(f"{named} row 2 (line 3): must have 2 cells")
