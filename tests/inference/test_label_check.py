"""`label-check`: labels flipped on purpose are found, and rows are named as in messages."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Result


@pytest.fixture(scope="module")
def checked_run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs folder of a run on iris with out-of-fold predictions, where two labels are doubtful."""
    runs_dir = tmp_path_factory.mktemp("checked") / "runs"
    shutil.copytree(tiny_run, runs_dir)
    names = ("setosa", "versicolor", "virginica")
    (folder,) = (runs_dir / "tiny").iterdir()
    with (folder / "out_of_fold.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "fold", "target", "predicted_target", *(f"probability_{n}" for n in names)])
        for row in range(1, 151):
            chances = np.full(3, 0.1 if row > 100 else 0.005)
            chances[(row - 1) // 50] = 1 - 2 * chances[0]
            likeliest = names[int(chances.argmax())]
            given = {7: "virginica", 120: "setosa"}.get(row, likeliest)
            writer.writerow([row, row % 5 + 1, given, likeliest, *chances])
    return runs_dir


def test_the_most_doubtful_labels_are_shown(checked_run: Path, mlpcli: Callable[..., Result]) -> None:
    result = mlpcli("label-check", "tiny", "--top", 2, "--runs-dir", checked_run)
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].endswith(": 150 rows of iris (built in),")
    assert lines[1:5] == [
        "    each predicted by models that had not seen it",
        "about 2 labels stand out: wrong, or not explained by the columns",
        "    (1.3%; 95% interval 1 to 2)",
        "most often given (predicted):  virginica (setosa) 1  setosa (virginica) 1",
    ]
    assert [line.split() for line in lines[6:10]] == [
        ["row", "given", "predicted", "probability", "doubt"],
        ["7", "virginica", "setosa", "0.9900", "0.9950"],
        ["120", "setosa", "virginica", "0.8000", "0.9000"],
        [],
    ]
    document = json.loads(mlpcli("label-check", "tiny", "-n", 1, "--json", "--runs-dir", checked_run).out)
    assert (document["rows"], document["labels"], document["folds"]) == (150, 150, 5)
    (first,) = document["doubtful"]
    assert (first["row"], first["line"], first["given"], first["fold"]) == (7, None, "virginica", 3)
    assert first["given_probability"] == pytest.approx(0.005)
    assert first["likely_wrong"] is True


def test_all_labels_are_written_the_most_doubtful_first(
    checked_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    output = tmp_path / "doubts.csv"
    result = mlpcli("label-check", "tiny", "-n", 0, "-o", output, "--runs-dir", checked_run)
    assert (result.status, result.out.splitlines()[-1]) == (0, f"150 labels written to {output}")
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 150
    assert [(row["rank"], row["row"], row["likely_wrong"]) for row in rows[:3]] == [
        ("1", "7", "true"),
        ("2", "120", "true"),
        ("3", "101", "false"),
    ]
    again = mlpcli("label-check", "tiny", "-o", output, "--runs-dir", checked_run)
    assert (again.status, again.err) == (
        2,
        f"-o {output}: the file exists already; add --force to replace it, or choose another with -o\n",
    )
    kept = mlpcli("label-check", "tiny", "-o", tmp_path / "a.tsv", "--keep", "x", "--runs-dir", checked_run)
    assert (kept.status, kept.out) == (2, "")
    assert "no columns of iris (built in) can be copied" in kept.err
    npy = mlpcli("label-check", "tiny", "-o", tmp_path / "a.npy", "--runs-dir", checked_run)
    assert (npy.status, npy.err.split(";")[0]) == (
        2,
        f"-o {tmp_path / 'a.npy'}: an .npy file cannot hold labels",
    )


DAMAGES = {
    "row 0": ("row", "0", "must be the number of a row, from 1"),
    "a negative row": ("row", "-5", "must be the number of a row, from 1"),
    "half a row": ("row", "2.5", "must be the number of a row, from 1"),
    "a huge row": ("row", "99999999999999999999", "must be the number of a row, from 1"),
    "no row of the data": ("row", "151", "must be a row of iris, which has 150"),
    "a row again": ("row", "2", "must be there once, this is the same row again"),
    "a fold of none": ("fold", "0", "must be a fold of the run"),
    "a fold too many": ("fold", "6", "must be a fold of the run, 1 to 5"),
    "a negative probability": ("probability_setosa", "-0.1", "must be a probability, from 0 to 1"),
    "a probability above 1": ("probability_setosa", "1.5", "must be a probability, from 0 to 1"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_row_fold_or_probability_that_cannot_be_is_said(
    damage: str, checked_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    column, value, rule = DAMAGES[damage]
    shutil.copytree(checked_run, tmp_path / "runs")
    (folder,) = (tmp_path / "runs" / "tiny").iterdir()
    record = json.loads((folder / "run.json").read_text())
    record["members"] = {"folders": [f"folds/0{fold}" for fold in range(1, 6)], "folds": 5}
    (folder / "run.json").write_text(json.dumps(record))
    header, *lines = (folder / "out_of_fold.csv").read_text().splitlines()
    cells = lines[6].split(",")
    cells[header.split(",").index(column)] = value
    lines[6] = ",".join(cells)
    (folder / "out_of_fold.csv").write_text("\n".join([header, *lines]) + "\n")
    options = ["-o", tmp_path / "d.csv"] if "data" in damage else []
    result = mlpcli("label-check", "tiny", *options, "--runs-dir", tmp_path / "runs")
    assert (result.status, result.out) == (2, "")
    where = f"{folder / 'out_of_fold.csv'} is damaged: row 7 (line 8), column {column!r}: {rule}"
    assert result.err.startswith(where)
    assert result.err.endswith("train again\n")
    assert not (tmp_path / "d.csv").exists()


def test_models_that_have_learned_nothing_give_no_estimate(
    checked_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    shutil.copytree(checked_run, tmp_path / "runs")
    (folder,) = (tmp_path / "runs" / "tiny").iterdir()
    header, *lines = (folder / "out_of_fold.csv").read_text().splitlines()
    shuffled = np.random.default_rng(0).permutation(150)
    mixed = [
        ",".join([*line.split(",")[:3], *lines[other].split(",")[3:]])
        for line, other in zip(lines, shuffled, strict=True)
    ]
    (folder / "out_of_fold.csv").write_text("\n".join([header, *mixed]) + "\n")
    result = mlpcli("label-check", "tiny", "-n", 2, "--runs-dir", tmp_path / "runs")
    assert result.status == 0
    assert "no better than the most frequent label would" in " ".join(result.err.split())
    assert "\nno estimate of wrong labels: the models know too little of them\n" in result.out
    document = json.loads(
        mlpcli("label-check", "tiny", "-n", 2, "--json", "--runs-dir", tmp_path / "runs").out
    )
    assert document["likely_wrong"] is document["targets"][0]["interval"] is None
    assert [each["likely_wrong"] for each in document["doubtful"]] == [False, False]


def test_a_file_of_another_kind_is_offered_those_that_hold_labels(
    checked_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    result = mlpcli("label-check", "tiny", "-o", tmp_path / "f.xlsx", "--runs-dir", checked_run)
    assert result.status == 2
    assert "must be one of .csv, .tsv, .parquet, .jsonl, received '.xlsx'" in result.err


def test_a_folder_without_runs_is_said_in_whole_words(
    checked_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    result = mlpcli("label-check", tmp_path, "--runs-dir", checked_run)
    assert result.status == 2
    assert re.fullmatch(rf"{re.escape(str(tmp_path))} contains no runs; available: [\w, ]+\n", result.err)


def test_a_run_without_folds_says_how_to_train_one(tiny_run: Path, mlpcli: Callable[..., Result]) -> None:
    result = mlpcli("label-check", "tiny", "--runs-dir", tiny_run)
    assert (result.status, result.out) == (2, "")
    assert result.err.endswith("train it with folds: mlpcli train tiny.yaml --folds 5\n")


def test_one_of_the_folds_names_the_run_that_it_is_of(
    checked_run: Path, mlpcli: Callable[..., Result]
) -> None:
    (folder,) = (checked_run / "tiny").iterdir()
    (folder / "folds" / "01").mkdir(parents=True)
    shutil.copy(folder / "run.json", folder / "folds" / "01")
    result = mlpcli("label-check", folder / "folds" / "01", "--runs-dir", checked_run)
    assert result.status == 2
    assert f"mlpcli label-check tiny/{folder.name}" in result.err


FOLDED = """\
name: folded
seed: 3
dataset: {path: rows.csv, target: side, features: [x], test: null, validation: null, missing_target: drop}
layers:
  - Dense: {units: 1, activation: sigmoid}
loss: binary_crossentropy
optimizer: {Adam: {learning_rate: 0.3}}
fit: {epochs: 12, batch_size: 16, folds: 2}
"""

FLIPPED = {11: 13, 40: 45, 77: 86}
"""Rows of `rows.csv` with a wrong label, and their lines: every tenth row has two, the header has one."""


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of whose labels three are wrong, and a run on it with folds."""
    from mlpcli.cli import main

    folder = tmp_path_factory.mktemp("folded")
    with (folder / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["note", "x", "side", "rank"])
        for row in range(1, 91):
            x = (row * 37 % 90) / 45 - 1
            side = "" if row in (5, 6) else ("left", "right")[(x >= 0) != (row in FLIPPED)]
            writer.writerow(["two\nlines" if row % 10 == 1 else f"n{row}", x + np.sign(x) / 2, side, row])
    (folder / "folded.yaml").write_text(FOLDED, encoding="utf-8")
    assert main(["train", str(folder / "folded.yaml"), "--runs-dir", str(folder / "runs")]) == 0
    return folder


@pytest.mark.slow
def test_wrong_labels_are_found_by_folds_and_named_by_their_lines(
    folded: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    output = tmp_path / "doubts.csv"
    runs_dir = ("--runs-dir", folded / "runs")
    result = mlpcli(
        "label-check", "folded", "-n", 3, "-o", output, "--keep", "note,rank", "--json", *runs_dir
    )
    assert (result.status, result.err) == (0, "")
    document = json.loads(result.out)
    assert (document["labels"], document["folds"]) == (88, 2)
    assert {each["row"]: each["line"] for each in document["doubtful"]} == FLIPPED
    with output.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 88
    assert [row["rank_input"] for row in rows] == [row["row"] for row in rows]
    assert rows[0]["note"] == ("two\nlines" if rows[0]["row"] == "11" else f"n{rows[0]['row']}")


@pytest.mark.slow
def test_data_that_has_changed_or_is_gone_is_said(
    folded: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(folded / "runs", moved / "runs")
    (moved / "rows.csv").write_text((folded / "rows.csv").read_text().replace("left", "right", 1))
    aside = folded / "aside.csv"
    (folded / "rows.csv").rename(aside)
    try:
        changed = mlpcli("label-check", "folded", "-n", 3, "--json", "--runs-dir", moved / "runs")
        (moved / "rows.csv").unlink()
        gone = mlpcli("label-check", "folded", "-n", 3, "--runs-dir", moved / "runs")
        keep = ("-o", tmp_path / "d.csv", "--keep", "note", "--runs-dir", moved / "runs")
        kept = mlpcli("label-check", "folded", *keep)
    finally:
        aside.rename(folded / "rows.csv")
    assert changed.status == 0
    assert "has changed since run folded/" in " ".join(changed.err.split())
    assert {each["row"]: each["line"] for each in json.loads(changed.out)["doubtful"]} == dict.fromkeys(
        FLIPPED
    )
    assert gone.status == 0
    assert "cannot be read, so that rows have numbers only: " in " ".join(gone.err.split())
    assert "\nrow  given" in gone.out
    assert (kept.status, (tmp_path / "d.csv").exists()) == (2, False)
    assert "it is gone or has changed; leave --keep out" in kept.err
