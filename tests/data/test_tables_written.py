"""Tables as other programs and people write them: numbers, codes, gaps, character sets, headers."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.data.dataset import Dataset
from mlpcli.data.features.encoders import BooleanEncoder, CategoryEncoder, NumericEncoder
from mlpcli.data.load import load_dataset
from mlpcli.data.readers.dialect import PLAIN, Dialect
from mlpcli.data.readers.notations import Stated, read_numbers
from mlpcli.data.readers.tables import Table, open_table
from mlpcli.errors import DataError, MlpcliError
from mlpcli.spec.schema import DatasetSpec
from tests.conftest import wanting


def write(path: Path, columns: Mapping[str, Sequence[str]], delimiter: str = ",") -> Path:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    path.write_text(file.getvalue(), encoding="utf-8")
    return path


def read(path: Path, dialect: Dialect = PLAIN, **more: Any) -> tuple[Table, dict[str, str]]:
    file = open_table(path, path.name, dialect)
    return read_numbers(file, file.names, **more)


NUMBERS: list[tuple[list[str], list[float]]] = [
    (["8,281,339", "1,000", "5"], [8281339, 1000, 5]),
    (["12,34,567", "1,000", "5"], [1234567, 1000, 5]),
    (["$6,548.50", "$3", "12", "-$4", "($5.25)"], [6548.5, 3, 12, -4, -5.25]),
    (["$(1,234.50)", "$5.00", "-$3"], [-1234.5, 5, -3]),
    (["€ 1.234,56", "3,00 €", "-12,5 €"], [1234.56, 3, -12.5]),
    (["1.234,56", "3,5", "12"], [1234.56, 3.5, 12]),
    (["1.234.567", "1.000", "12"], [1234567, 1000, 12]),
    (["CHF 1'234.50", "CHF 2’000", "CHF 3"], [1234.5, 2000, 3]),
    (["1 234,5", "1\u00a0234", "1\u202f234\u202f567"], [1234.5, 1234, 1234567]),
    (["12%", "3.5 %", "-7%"], [12, 3.5, -7]),
    (["(0.885)", "0.2", "−3", "–4.5", "5-", "+6"], [-0.885, 0.2, -3, -4.5, -5, 6]),
    (["3 kg", "4.5kg", "10 kg"], [3, 4.5, 10]),
    (["5 °C", "-1 °C", "20.5 °C"], [5, -1, 20.5]),
    (["1,5", "2,25", "3"], [1.5, 2.25, 3]),
    (["0,125", "1,250", "2,375"], [0.125, 1.25, 2.375]),
    (["1,234", "2,345", "12345"], [1.234, 2.345, 12345]),  # 12345 has no separator: the comma is decimal
    (["1,234", "2,345", "999"], [1234, 2345, 999]),
    (["\u00a05\u00a0", "6", "7\u202f"], [5, 6, 7]),
]


@pytest.mark.parametrize(("cells", "numbers"), NUMBERS, ids=[cells[0] for cells, _ in NUMBERS])
def test_numbers_are_read_as_people_write_them(
    tmp_path: Path, cells: list[str], numbers: list[float]
) -> None:
    table, notes = read(write(tmp_path / "n.csv", {"n": cells, "plain": [str(n) for n in range(len(cells))]}))
    np.testing.assert_allclose(table.columns["n"].numbers.values, np.array(numbers, np.float32))
    assert not len(table.columns["n"].numbers.unreadable)
    assert notes, "what is read in a way of its own is told"


def test_a_note_shows_an_invisible_blank_as_an_escape(tmp_path: Path) -> None:
    _, notes = read(write(tmp_path / "n.csv", {"n": ["1\u202f234,5", "2"], "c": ["1'234", "2'345"]}))
    assert "column 'n' holds numbers: '1\\u202f234,5' is read as 1234.5" in notes["n"]
    assert """column 'c' holds numbers: "1'234" is read as 1234""" in notes["c"]
    _, notes = read(write(tmp_path / "n.csv", {"n": ["2 Min", *map(str, range(20)), "(5)"]}))
    assert notes == {"n": "column 'n' holds numbers: '(5)' is read as -5"}


TEXTS = [
    ["1A", "2A", "3A"],
    ["z95838", "z95823", "z95838"],
    ["3 kg", "500 g", "4 lb"],
    ["12:30", "13:30", "11:11"],
    ["2024-01-02", "2023-05-06", "2022-03-04"],
    ["10-20", "20-30", "30-40"],
    ["<5", ">5", "<10"],
    ["1.2.3", "1.10.2", "4.5.6"],
    ["+49 171", "n/k", "call"],
    ["12%", "0.5", "0.7", "0.9"],  # mixed: one of them is wrong by a factor of 100
]


@pytest.mark.parametrize("cells", TEXTS, ids=[cells[0] for cells in TEXTS])
def test_what_only_resembles_numbers_is_no_number(tmp_path: Path, cells: list[str]) -> None:
    table, notes = read(write(tmp_path / "n.csv", {"n": cells, "y": ["x"] * len(cells)}))
    assert not notes
    assert not table.dialect.notations


def test_the_whole_table_decides_what_a_column_does_not_tell(tmp_path: Path) -> None:
    columns = {"a": ["1,5", "2,25", "3"], "b": ["1.234", "2.345", "12"], "n": ["1", "2", "3"]}
    table, notes = read(write(tmp_path / "de.csv", columns, ";"))
    assert table.dialect.decimal == ","
    assert table.columns["b"].numbers.values.tolist() == [1234, 2345, 12]
    assert notes["b"].endswith("for 1.234 set features: {b: {kind: numeric, decimal: '.'}}")
    table, _ = read(tmp_path / "de.csv", stated={"b": Stated(".")})
    np.testing.assert_allclose(table.columns["b"].numbers.values, np.array([1.234, 2.345, 12], np.float32))
    columns = {"a": ["1,5", "2,25", "3"], "b": ["1.5", "2.5", "3.25"], "c": ["0.1", "0.2", "0.3"]}
    table, _ = read(write(tmp_path / "mixed.csv", columns))
    assert (table.dialect.decimal, table.columns["a"].numbers.values[0]) == (".", 1.5)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_decimal_commas_do_not_divide_cells(tmp_path: Path, delimiter: str) -> None:
    columns = {"column_1": ["1.234,56", "2,5"], "b": ["123,563", "4,125"], "c": ["3,6%", "4,5%"]}
    table, _ = read(write(tmp_path / "rows.csv", columns, delimiter))
    assert list(table.columns) == ["column_1", "b", "c"]
    lines = (tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "bare.csv").write_text("\n".join(lines[1:]), encoding="utf-8")
    table, _ = read(tmp_path / "bare.csv", Dialect(header=False))
    assert table.columns["column_1"].numbers.values.tolist() == pytest.approx([1234.56, 2.5])
    assert table.columns["column_3"].numbers.values.tolist() == pytest.approx([3.6, 4.5])


def test_a_column_that_is_not_used_leaves_no_trace_in_the_run(tmp_path: Path) -> None:
    columns = {"a": ["$1,5", "$2,5", "$3,5"] * 10, "b": ["1", "2", "4"] * 10, "y": ["0", "1", "0"] * 10}
    found = load(write(tmp_path / "rows.csv", columns), features={"a": {"kind": "ignore"}}).contract
    assert found.preprocessor is not None
    assert found.preprocessor.dialect.notations == {}


@pytest.mark.parametrize(
    ("cells", "codes"),
    [
        (["02139", "10001", "94110"], True),
        (["007", "042", "123"], True),
        (["030", "0221", "089"], True),
        (["01", "02", "12"], True),
        (["0", "5", "10"], False),
        (["0.5", "0.25", "1"], False),
        (["5", "6", "7"], False),
        (["00501-1234", "02139-0001", "94110-2222"], True),  # text in any case
    ],
)
def test_codes_with_leading_zeros_stay_text(tmp_path: Path, cells: list[str], codes: bool) -> None:
    write(tmp_path / "rows.csv", {"code": cells * 10, "y": [str(row % 2) for row in range(30)]})
    found = load(tmp_path / "rows.csv")
    assert found.contract.preprocessor is not None
    (encoder,) = found.contract.preprocessor.encoders
    assert encoder.kind == ("categorical" if codes else "numeric")
    if isinstance(encoder, CategoryEncoder):
        assert encoder.values == tuple(sorted(cells))
    assert any("holds codes such as" in note for note in found.notes) == (codes and "-" not in cells[0])
    for kind in ("categorical", "numeric") if "-" not in cells[0] else ():
        stated = load(tmp_path / "rows.csv", features={"code": {"kind": kind}}).contract.preprocessor
        assert stated is not None
        assert stated.encoders[0].kind == kind


def test_codes_of_several_files_stay_text_where_another_column_is_text_in_one_of_them(tmp_path: Path) -> None:
    codes = ["02139", "10001", "94110"] * 10
    for name, size in (("a1.csv", "1"), ("a2.csv", "large")):
        write(tmp_path / name, {"size": [size] * 30, "code": codes, "y": [str(row % 2) for row in range(30)]})
    found = load(tmp_path / "a*.csv").contract.preprocessor
    assert found is not None
    encoder = found.encoder("code")
    assert isinstance(encoder, CategoryEncoder)
    assert encoder.values == ("02139", "10001", "94110")


def test_a_column_may_be_called_as_a_file_of_another_format_begins(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", {"PAR1": ["1", "2"], "PAR2": ["3", "4"]})
    assert open_table(path, "rows.csv").names == ("PAR1", "PAR2")
    path.write_bytes(b"PAR1\x15\x04\x15\x10")
    with pytest.raises(DataError, match=r"must be text, this is a Parquet file; is its extension right\?"):
        open_table(path, "rows.csv")


def load(path: Path, *, classes: bool | None = True, target: str = "y", **keys: Any) -> Dataset:
    spec = DatasetSpec.model_validate({"path": path.name, "target": target, **keys})
    return load_dataset(spec, wanting(classes), seed=0, folder=path.parent)


CHARSETS = ["latin-1", "cp1252", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("packed", [False, True])
def test_a_table_is_the_same_in_any_character_set(tmp_path: Path, charset: str, packed: bool) -> None:
    columns = {"näme": ["José", "Zoë", "x"] * 10, "a": ["1.5", "2", "3"] * 10, "y": ["ja", "né"] * 15}
    wanted = load(write(tmp_path / "rows.csv", columns))
    text = (tmp_path / "rows.csv").read_text(encoding="utf-8").encode(charset)
    other = tmp_path / ("other.csv.gz" if packed else "other.csv")
    other.write_bytes(gzip.compress(text) if packed else text)
    found = load(other)
    assert found.fingerprint == wanted.fingerprint
    assert any("read as" in note for note in found.notes) == (charset != "utf-8-sig")
    assert load(other, charset="cp1252" if charset == "latin-1" else charset).notes == ()


def test_a_character_set_that_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    columns = {"город": ["Москва", "Тула", "Казань"] * 10, "y": ["да", "нет"] * 15}
    text = write(tmp_path / "rows.csv", columns).read_text(encoding="utf-8")
    (tmp_path / "old.csv").write_bytes(text.encode("cp1251"))
    with pytest.raises(
        DataError, match=r"character set that cannot be detected, line 1.*charset: windows-1251"
    ):
        load(tmp_path / "old.csv")
    found = load(tmp_path / "old.csv", charset="windows-1251").contract
    assert (found.features, found.output.classes) == (("город",), ("да", "нет"))
    with pytest.raises(DataError, match=r"must be ascii text, line 1 holds byte 0xe3"):
        load(tmp_path / "old.csv", charset="ascii")
    for charset, towns in (("gb18030", "北京 上海"), ("shift_jis", "東京 大阪"), ("euc-kr", "서울 부산")):
        rows = write(tmp_path / "far.csv", {"town": towns.split() * 5, "y": ["1"] * 5 * len(towns.split())})
        (tmp_path / "far.csv").write_bytes(rows.read_text(encoding="utf-8").encode(charset))
        with pytest.raises(DataError, match="character set that cannot be detected, line 2"):
            load(tmp_path / "far.csv")


HEADERS: list[tuple[str, bool]] = [
    ("10 Min Std Dev,Time,10 Min Sampled Avg\n2.73,2001-06-11,22.3\n1.98,2001-06-12,23\n", True),
    ("3 kg,x,12\n4 kg,y,13\n5 kg,z,11\n6 kg,x,11\n", False),
    ("39, State-gov, 77516, 13\n50, Private, 83311, 13\n38, Private, 215646, 9\n", False),
    ("p,x,s\ne,x,s\np,b,y\ne,b,s\np,x,y\n", False),
    ("5.1,3.5,setosa\n4.9,3.0,setosa\n", False),
    ("1,2\n3,4\n", False),
    ("country,1990,1991\nA,1,2\nB,3,4\n", True),
    ("a,b\nx,y\nz,w\n", True),
    ("name,value\nname,3\nother,4\n", True),
    ("0,1,2\n5,6,7\n8,9,1\n", True),
]


@pytest.mark.parametrize(("text", "named"), HEADERS)
def test_a_first_row_of_data_is_no_header(tmp_path: Path, text: str, named: bool) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    if named:
        assert open_table(path, "rows.csv").names[0] == text.split(",")[0]
    else:
        with pytest.raises(
            DataError, match=r"set dataset: \{header: false\}, which calls the columns column_1"
        ):
            open_table(path, "rows.csv")
        assert open_table(path, "rows.csv", Dialect(header=True)).names[0] == text.split(",")[0]
    table, _ = read(path, Dialect(header=False))
    assert (next(iter(table.columns)), table.rows) == ("column_1", len(text.splitlines()))


MESSES: list[tuple[str, str]] = [
    ("comments", "# made by a machine\n# 2024, all rights\na,b,y\n1,2,x\n3,4,z\n"),
    ("title", "Sales of 2024\n\na,b,y\n1,2,x\n3,4,z\n"),
    ("title with delimiters", "Sales,,\na,b,y\n1,2,x\n3,4,z\n"),
    ("separator", "sep=;\na;b;y\n1;2;x\n3;4;z\n"),
    ("last delimiter everywhere", "a,b,y,\n1,2,x,\n3,4,z,\n"),
    ("last delimiter in rows", "a,b,y\n1,2,x,\n3,4,z,\n"),
    ("names of rows", "a,b,y\nr1,1,2,x\nr2,3,4,z\n"),
    ("blank lines", "\n\na,b,y\n\n1,2,x\n\n3,4,z\n\n"),
    ("quotes", '"a","b","y"\n"1","2","x"\n"3","4","z"\n'),
    ("old line ends", "a,b,y\r1,2,x\r3,4,z\r"),
]


@pytest.mark.parametrize(("what", "text"), MESSES, ids=[what for what, _ in MESSES])
def test_what_programs_add_to_a_table_is_no_data(tmp_path: Path, what: str, text: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(text.encode())
    table, _ = read(path)
    assert {name: table.columns[name].texts.values for name in ("a", "b", "y")} == {
        "a": ["1", "3"],
        "b": ["2", "4"],
        "y": ["x", "z"],
    }
    assert any("skipped" in note for note in open_table(path, "rows.csv").notes) == what.startswith(
        ("c", "t", "se")
    )


def test_rows_with_another_number_of_cells_are_told_once(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,y\n1,2,3\n1,5,6\n")
    with pytest.raises(DataError, match="the header has 2 names, every row has 3 cells") as caught:
        load(tmp_path / "rows.csv", classes=False)
    assert len(caught.value.problems) == 1


def test_na_and_none_are_gaps_or_values_as_the_spec_says(tmp_path: Path) -> None:
    columns = {
        "country": ["DE", "NA", "AT"] * 10,
        "size": ["1", "NA", "3"] * 10,
        "sold": ["yes", "NA", "no"] * 10,
        "y": ["NA", "None", "x"] * 10,
    }
    path = write(tmp_path / "rows.csv", columns)
    dropped = load(path, missing_target="drop")
    assert (dropped.contract.output.classes, dropped.left_out) == (("None", "x"), 10)
    with pytest.raises(MlpcliError, match=r"received 'NA'; .*if 'NA' is a class, set dataset: {not_missing"):
        load(path)
    for keep in (["NA"], {"y": ["NA"]}):
        found = load(path, not_missing=keep)
        preprocessor = found.contract.preprocessor
        assert preprocessor is not None
        assert found.contract.output.classes == ("NA", "None", "x")
        country, size, sold = preprocessor.encoders
        assert isinstance(size, NumericEncoder)
        assert size.indicator
        assert isinstance(country, CategoryEncoder)
        if isinstance(keep, list):
            assert isinstance(sold, CategoryEncoder)
            assert (country.values, sold.values) == (("AT", "DE", "NA"), ("NA", "no", "yes"))
        else:
            assert isinstance(sold, BooleanEncoder)
            assert (country.values, sold.indicator) == (("AT", "DE"), True)
        told = [note for note in found.notes if "read as missing cells" in note]
        assert ("'country' ('NA' in 10 rows)" in "".join(told)) == isinstance(keep, dict)
    (tmp_path / "none.csv").write_text(path.read_text(encoding="utf-8").replace("NA", "x2"))
    assert load(tmp_path / "none.csv").contract.output.classes == ("None", "x", "x2")
    assert load(tmp_path / "none.csv", missing=["None"], missing_target="drop").contract.output.classes == (
        "x",
        "x2",
    )
