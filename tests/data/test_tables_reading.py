"""Tables as they come: every way to write one is read alike, in blocks of any size, and odd rows are told."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.data.readers.find_files import find_files
from mlpcli.data.readers.partitions import labels_of
from mlpcli.data.readers.tables import open_tables, read_table
from mlpcli.runs.folder import find_run
from tests.bare_runs import train_bare
from tests.conftest import Result

SORTS = ("red", 'gr"een', "bl,ue", "two\nlines", "semi;colon", "tab\tbed")
NAMES = ("a", "b", "sort", "grade", "day", "y")

SPEC = """\
name: {name}
dataset:
  path: "{path}"
  target: y
  features:
    sort: {{kind: categorical, unseen: {unseen}}}
    grade: {{kind: categorical, unseen: error}}
    b: {{kind: numeric, missing: error}}
layers: [{{Dense: {{units: 4, activation: relu}}}}, {{Dense: {{units: 1}}}}]
loss: mse
metrics: [RootMeanSquaredError]
fit: {{epochs: 1, batch_size: 64, engine: graph}}
"""


def make_rows() -> list[dict[str, str]]:
    draw = random.Random(3)
    rows = []
    for place in range(300):
        a, b, sort = draw.gauss(10, 3), draw.random(), draw.choice(SORTS)
        rows.append(
            {
                "a": "" if place % 17 == 0 else f"{a:.3f}",
                "b": f"{b:.4f}",
                "sort": sort,
                "grade": draw.choice("xyz"),
                "day": f"20{draw.randint(10, 20)}-0{draw.randint(1, 9)}-{draw.randint(10, 28)}",
                "y": f"{a + 3 * b + len(sort):.3f}",
            }
        )
    return rows


def write(
    rows: list[dict[str, str]], delimiter: str = ",", *, end: str = "\n", names: tuple[str, ...] = NAMES
) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, names, delimiter=delimiter, lineterminator=end, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def write_all(folder: Path) -> None:
    """The same rows in every way."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = make_rows()
    texts = {
        "comma.csv": write(rows),
        "semicolon.csv": write(rows, ";"),
        "tab.tsv": write(rows, "\t"),
        "crlf.csv": write(rows, end="\r\n"),
        "mark.csv": "\ufeff" + write(rows, ";", end="\r\n"),
        "part1.csv": write(rows[:100]),
        "part2.csv": write(rows[100:220], ";", names=NAMES[::-1]),
        "part3.csv": write(rows[220:], "\t"),
        "bare.csv": write(rows, names=("day", "sort", "b", "grade", "a")),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    with gzip.open(folder / "packed.csv.gz", "wt", encoding="utf-8", newline="") as file:
        file.write(write(rows))
    columns = {name: [row[name] for row in rows] for name in NAMES}
    numbers = {name: [float(cell) if cell else None for cell in columns[name]] for name in ("a", "b", "y")}
    pq.write_table(pa.table(columns | numbers), folder / "table.parquet")


FILES = (
    "comma.csv",
    "semicolon.csv",
    "tab.tsv",
    "crlf.csv",
    "mark.csv",
    "packed.csv.gz",
    "table.parquet",
    "part*.csv",
)


@pytest.fixture(scope="module")
def sorts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files, and under `runs` a run on one of them."""
    folder = tmp_path_factory.mktemp("sorts")
    write_all(folder)
    (folder / "s.yaml").write_text(SPEC.format(name="sorts", path="comma.csv", unseen="bucket"))
    train_bare(folder / "s.yaml", folder / "runs")
    return folder


@pytest.mark.parametrize("name", FILES[1:])
def test_a_table_is_the_same_data_however_it_is_written(sorts: Path, name: str) -> None:
    from mlpcli.spec.load import load_spec
    from mlpcli.training.find_data import load_data

    spec = sorts / "again.yaml"
    spec.write_text(SPEC.format(name="again", path=name, unseen="bucket"), encoding="utf-8")
    found = load_data(load_spec(spec)).fingerprint
    assert found == find_run("sorts", sorts / "runs").record.to_json()["data"]["fingerprint"]


@pytest.mark.slow
def test_predictions_are_the_same_however_rows_are_written_and_cut_into_blocks(
    sorts: Path, mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpcli.data import stream
    from mlpcli.data.readers import delimited_stream

    wanted = mlpcli("predict", "sorts", sorts / "comma.csv", "--runs-dir", sorts / "runs").out
    assert len(wanted.splitlines()) == 301
    for size, names in {8 << 20: (*FILES[1:], "bare.csv"), 64: FILES[:6:5], 1000: ("mark.csv",)}.items():
        monkeypatch.setattr(delimited_stream, "BLOCK_BYTES", size)
        monkeypatch.setattr(stream, "BATCH_ROWS", max(1, size // 20))
        for name in names:
            found = mlpcli("predict", "sorts", sorts / name, "--runs-dir", sorts / "runs")
            assert found.out == wanted, (name, size)


def test_standard_input_is_a_table_too(
    sorts: Path, mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = mlpcli("predict", "sorts", sorts / "comma.csv", "--runs-dir", sorts / "runs")
    with (sorts / "semicolon.csv").open("rb") as file:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(file))
        found = mlpcli("predict", "sorts", "-", "-o", "-", "--runs-dir", sorts / "runs")
    assert (found.out, found.err) == (wanted.out, wanted.err)
    assert found.err.startswith("300 predictions; 18 missing cells filled in (a 18)")


BAD = """\
a,b,sort,grade,day
1,0.5,red,x,2012-01-11
1,,red,x,2012-01-11
1,x,red,x
1,0.5,red,x,2012-13-11
2,0.5,red,x,2012-01-11
"""


def test_everything_wrong_in_a_block_is_told_at_once(
    sorts: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    data = tmp_path / "bad.csv"
    data.write_text(BAD)
    result = mlpcli("predict", "sorts", data, "--runs-dir", sorts / "runs")
    assert (result.status, result.out) == (2, "")
    empty = "must be a number, the cell is empty; fill it, or remove the row"
    way_out = "--rejects FILE writes such rows there and goes on"
    day = f"must be a date such as 2024-05-31, received '2012-13-11'; {way_out}"
    assert result.err.splitlines() == [
        f"{data} row 2 (line 3), column 'b': {empty}",
        f"{data} row 3 (line 4): must have 5 cells, received 4",
        f"{data} row 4 (line 5), column 'day': {day}",
        "3 problems found",
    ]


def test_rejected_rows_of_several_files_name_theirs(
    sorts: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "one.csv").write_text(BAD)
    (tmp_path / "two.csv").write_text("a,b,sort,grade,day\n1,0.5,red,x,2012-01-11\n1,z,red,x,2012-01-11\n")
    output, rejects = tmp_path / "out.csv", tmp_path / "rejects.csv"
    told = mlpcli(
        *("predict", "sorts", tmp_path / "[ot]*.csv", "--runs-dir", sorts / "runs"),
        *("-o", output, "--rejects", rejects),
    )
    said = " ".join(told.out.split())
    assert said.startswith(f"3 predictions written to {output}")
    assert f"4 rows rejected, see {rejects}, and not among the predictions: --keep COLUMN" in said
    lines = list(csv.DictReader(rejects.read_text().splitlines()))
    assert [(line["file"], line["row"], line["column"]) for line in lines] == [
        ("one.csv", "2", "b"),
        ("one.csv", "3", ""),
        ("one.csv", "4", "day"),
        ("two.csv", "2", "b"),
    ]


@pytest.mark.slow
def test_an_unseen_category_follows_the_spec_unless_the_command_says_otherwise(
    sorts: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    spec, data = sorts / "unseen.yaml", tmp_path / "new.csv"
    spec.write_text(SPEC.format(name="unseen", path="comma.csv", unseen="null"))
    train_bare(spec, tmp_path / "runs")
    predict = ("predict", "unseen", data, "--runs-dir", tmp_path / "runs")
    rows = ["9,0.5,red,x,2012-01-11", "9,0.5,violet,x,2012-01-11", "999,0.5,red,x,2012-01-11"]
    data.write_text("\n".join(["a,b,sort,grade,day", *rows]) + "\n")
    result = mlpcli(*predict, "--json")
    assert [row["predicted_y"] is None for row in json.loads(result.out)["predictions"]] == [
        False,
        True,
        False,
    ]
    assert " ".join(mlpcli(*predict).err.split()) == (
        "3 predictions; 1 unseen category (sort 1); 1 value out of the training rows' range (a 1); "
        "1 prediction left empty"
    )
    known = tmp_path / "known.csv"
    known.write_text("\n".join(["a,b,sort,grade,day,y", *(f"{row},12.5" for row in rows)]) + "\n")
    evaluate = ("evaluate", "unseen", "--data", known, "--runs-dir", tmp_path / "runs", "--no-figures")
    measured = mlpcli(*evaluate)
    assert "1 unseen category (sort 1); 1 value out of the training rows' range (a 1)" in " ".join(
        measured.out.split()
    ), measured.err
    counts = json.loads(mlpcli(*evaluate, "--json").out)["counts"]
    assert counts == {"missing": {}, "unseen": {"sort": 1}, "outside": {"a": 1}}
    assert "counts" not in json.loads(mlpcli(*evaluate[:2], *evaluate[4:], "--json").out)
    through = mlpcli(*predict, "--on-unknown", "bucket", "--json")
    assert None not in [row["predicted_y"] for row in json.loads(through.out)["predictions"]]
    empty = mlpcli(*predict, "--on-unknown", "null", "--json")
    assert [row["predicted_y"] is None for row in json.loads(empty.out)["predictions"]] == [False, True, True]
    data.write_text("\n".join(["a,b,sort,grade,day", *rows, "9,0.5,red,w,2012-01-11"]) + "\n")
    refused = mlpcli(*predict)
    assert (refused.status, refused.out) == (2, "")
    assert refused.err == (
        f"{data} row 4 (line 5), column 'grade': must be a value that occurs in the training rows, "
        "received 'w'; the categories are x, y, z; --rejects FILE writes such rows there and goes on\n"
    )


def test_a_pattern_finds_no_hidden_files_unless_it_asks_for_them(tmp_path: Path) -> None:
    """As in a shell: a Mac's archives hold `._rows.csv`, Jupyter's folders copies of old files."""
    (tmp_path / ".kept" / ".ipynb_checkpoints").mkdir(parents=True)
    for name in ("a.csv", "._a.csv", ".ipynb_checkpoints/a.csv"):
        (tmp_path / ".kept" / name).write_text("x\n1\n")
    folder = tmp_path / ".kept"
    for pattern, name in {
        "*.csv": "a.csv",
        "**/*.csv": "a.csv",
        "../.kept/*.csv": "a.csv",
        f"{folder}/*.csv": "a.csv",
        ".*.csv": "._a.csv",
        ".*/*.csv": ".ipynb_checkpoints/a.csv",
    }.items():
        (found,) = find_files(pattern, folder, ())
        assert found.samefile(folder / name), pattern


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rows.csv").write_text("x\n1\n" + "2\n" * 30)
    (tmp_path / "second" / "other.csv").write_text("x\n1\n")
    paths = find_files("*/rows.csv", tmp_path, ())
    assert labels_of(paths) == ["first/rows.csv", "second/rows.csv"]
    table = read_table(open_tables(paths, "*/rows.csv"), ["x"])
    assert table.origin.at(31)[0].label == "second/rows.csv"
    assert labels_of(find_files("second/*.csv", tmp_path, ())) == ["other.csv", "rows.csv"]
