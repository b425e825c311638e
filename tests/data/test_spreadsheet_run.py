"""A run on a table as a spreadsheet writes it, without a header: new rows are read as those of training."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlpcli.runs.folder import find_run
from tests.bare_runs import BARE, train_bare
from tests.conftest import Result

pytestmark = pytest.mark.slow

NAMES = [f"column_{place}" for place in range(1, 7)]

SPEC = """\
name: odd
dataset: {path: odd.csv, header: false, target: column_6, target_scaling: standardize}
layers: [{Dense: {units: 4, activation: relu}}, {Dense: {units: 1}}]
loss: mse
metrics: [RootMeanSquaredError]
fit: {epochs: 1, batch_size: 64, engine: graph}
callbacks: [TensorBoard: false]
"""


def odd_rows() -> list[list[str]]:
    """People, a balance, a share, a zip code, a name and a price, as a spreadsheet writes them."""
    draw = random.Random(1)
    rows = []
    for _ in range(120):
        people, balance = draw.randint(1000, 3_000_000), draw.uniform(-2, 2)
        code, name = draw.choice(["02139", "10001", "00501"]), draw.choice(["José", "Zoë", "x"])
        shown = f"({-balance:.3f})" if balance < 0 else f"{balance:.3f}"
        share, price = f"{draw.uniform(0, 100):.1f}%", f"${5000 + 1000 * balance + people / 1000:,.2f}"
        rows.append([f"{people:,}", shown, share, code, name, price])
    return rows


def write_odd(
    path: Path, *, charset: str = "utf-8", delimiter: str = ",", cut: int = 0, names: bool = False
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    if names:
        writer.writerow(NAMES[::-1])
    writer.writerows((row[: len(row) - cut])[:: -1 if names else 1] for row in odd_rows())
    path.write_bytes(file.getvalue().encode(charset))


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table in Windows-1252 without a header, its spec, and under `runs` a run on it."""
    folder = tmp_path_factory.mktemp("odd")
    write_odd(folder / "odd.csv", charset="cp1252")
    (folder / "odd.yaml").write_text(SPEC, encoding="utf-8")
    train_bare(folder / "odd.yaml", folder / "runs", options=replace(BARE, saved_model=True))
    return folder


def test_new_rows_are_read_as_those_of_training(odd: Path, mlpcli: Callable[..., Result]) -> None:
    def predicted(name: str) -> Result:
        return mlpcli("predict", "odd", odd / name, "--runs-dir", odd / "runs")

    wanted = predicted("odd.csv")
    assert (wanted.status, len(wanted.out.splitlines())) == (0, 121)
    assert "is not UTF-8, read as windows-1252 ('" in " ".join(wanted.err.split())
    write_odd(odd / "plain.csv")
    write_odd(odd / "wide.csv", charset="utf-16", cut=1)
    write_odd(odd / "semicolons.csv", charset="utf-8-sig", delimiter=";", cut=1)
    write_odd(odd / "named.csv", names=True)
    for name in ("plain.csv", "wide.csv", "semicolons.csv", "named.csv"):
        found = predicted(name)
        assert found.out == wanted.out, (name, found.err)
    write_odd(odd / "cut.csv", cut=2)
    assert "column 'column_5' is missing" in predicted("cut.csv").err
    (odd / "more.csv").write_text(
        "".join(f"{line},1\n" for line in (odd / "plain.csv").read_text().splitlines())
    )
    assert "must have 6 columns, as the model's own table, received 7" in predicted("more.csv").err


def test_rejected_rows_are_written_with_their_cells(odd: Path, mlpcli: Callable[..., Result]) -> None:
    write_odd(odd / "good.csv")
    lines = (odd / "good.csv").read_text(encoding="utf-8").splitlines()
    lines[0] = "1,2"
    lines[5] = '"1,23",0.5,7%,02139,"two\nlines",$5'
    lines[9] = '"1,234",0.5,7,00501,x,$5'
    (odd / "bad.csv").write_text("\n".join(lines), encoding="utf-8")
    rejects = odd / "rejects.csv"
    found = mlpcli("predict", "odd", odd / "bad.csv", "--rejects", rejects, "--runs-dir", odd / "runs")
    assert (found.status, len(found.out.splitlines())) == (0, 118)
    with rejects.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    told = [(row["row"], row["column"], [row[name] for name in NAMES]) for row in rows]
    assert told == [
        ("1", "", ["1", "2", "", "", "", ""]),
        ("6", "column_1", ["1,23", "0.5", "7%", "02139", "two\nlines", "$5"]),
        ("10", "column_3", ["1,234", "0.5", "7", "00501", "x", "$5"]),
    ]
    assert "must have 6 cells" in rows[0]["reason"]
    good = mlpcli(
        "predict", "odd", odd / "good.csv", "--rejects", rejects, "--force", "--runs-dir", odd / "runs"
    )
    assert good.status == 0
    assert rejects.read_text(encoding="utf-8") == "file,row,column,reason\n"


def test_init_says_how_it_read_a_table(tmp_path: Path, mlpcli: Callable[..., Result]) -> None:
    from mlpcli.spec.load import load_spec

    write_odd(tmp_path / "bare.csv", charset="latin-1")
    spec = tmp_path / "bare.yaml"
    made = mlpcli("init", tmp_path / "bare.csv", "--target", "column_6", "-o", spec)
    assert made.status == 0, made.err
    dataset = load_spec(spec).spec.dataset
    assert dataset.header is False
    assert isinstance(dataset.features, dict)
    assert (dataset.features["column_1"].thousands, dataset.features["column_3"].unit) == (",", "%")
    assert dataset.features["column_4"].kind == "categorical"
    shown = " ".join((made.out + spec.read_text(encoding="utf-8")).replace("#", " ").split())
    for note in ("has no line of names", "read as windows-1252", "holds codes such as", "is read as -"):
        assert shown.count(note) == 2, note


def test_a_run_records_how_its_table_is_written(odd: Path) -> None:
    from mlpcli.spec.load import load_spec
    from mlpcli.training.find_data import load_data

    run = find_run("odd", odd / "runs")
    document = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    kept = document["data"]["contract"]["preprocessor"]
    assert (kept["header"], kept["width"]) == (False, 6)
    assert kept["notations"] == {
        "column_1": {"decimal": ".", "thousands": ",", "unit": ""},
        "column_2": {"decimal": ".", "thousands": "", "unit": ""},
        "column_3": {"decimal": ".", "thousands": "", "unit": "%"},
        "column_6": {"decimal": ".", "thousands": ",", "unit": "$"},
    }
    assert kept["columns"][3]["values"] == ["00501", "02139", "10001"]
    again = load_data(load_spec(run.folder / "resolved.yaml"))
    assert again.fingerprint == document["data"]["fingerprint"]


def test_the_saved_model_takes_numbers_as_numbers_and_codes_as_text(odd: Path) -> None:
    import tensorflow as tf

    folder = find_run("odd", odd / "runs").folder / "saved_model"
    inputs = tf.saved_model.load(str(folder)).signatures["serving_default"].structured_input_signature[1]
    kinds = {name: spec.dtype.is_floating for name, spec in inputs.items()}
    assert kinds == {name: name in NAMES[:3] for name in NAMES[:5]}
