"""The recipes of docs/howto.md do what they say: their files are written and their commands run."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.main import get_command

from mlpcli.cli.program import app
from mlpcli.spec.load import load_spec
from tests.conftest import ROOT, Result

PAGE = (ROOT / "docs" / "howto.md").read_text(encoding="utf-8")
RECIPES = {part.split("\n", 1)[0]: part for part in PAGE.split("\n## ")[1:]}
NEXT = "Predict what comes next"
AGAIN = "Train again with new rows"
QUICK = ("--set", "fit.epochs=2", "--set", "fit.engine=graph")


def write_files(recipe: str, folder: Path) -> list[Path]:
    """Write the files of a recipe, whose first line is a comment with their name; return the specs."""
    found = re.findall(r"^```\w+\n# (\S+)\n(.*?)^```", RECIPES[recipe], re.S | re.M)
    for name, text in found:
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name, _ in found if name.endswith(".yaml")]


def commands(recipe: str) -> list[list[str]]:
    """Return the commands of mlpcli in a recipe, without the program's name."""
    blocks = re.findall(r"^```sh\n(.*?)^```", RECIPES[recipe], re.S | re.M)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("mlpcli ")]
    return [shlex.split(line)[1:] for line in lines]


@pytest.mark.parametrize("recipe", RECIPES)
def test_its_specs_are_valid_and_its_commands_have_these_options(recipe: str, tmp_path: Path) -> None:
    assert commands(recipe)
    assert "*Look at*" in RECIPES[recipe]
    (tmp_path / "flats.yaml").write_bytes((ROOT / "configs" / "flats.yaml").read_bytes())
    for spec in write_files(recipe, tmp_path):
        load_spec(spec)
    program = get_command(app)
    for name, *arguments in commands(recipe):
        command = program.commands[name]  # type: ignore[attr-defined]
        command.make_context(f"mlpcli {name}", arguments)


@pytest.mark.slow
@pytest.mark.uncounted
def test_the_commands_that_end_work_in_their_order(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown: dict[str, str] = {}
    own = ("Use a layer of your own", "Use a loss of your own")
    for recipe in (*own, "Predict several outputs", NEXT, AGAIN):
        write_files(recipe, tmp_path)
        for script in ("demand.py", "lags.py") if recipe == NEXT else ():
            exec((tmp_path / script).read_text(encoding="utf-8"), {})
        if recipe == AGAIN:
            exec((tmp_path / "months.py").read_text(encoding="utf-8"), {})
        for command in commands(recipe):
            result = mlpcli(*command, *(QUICK if command[0] == "train" else ()))
            assert (result.status, command) == (0, command), result.err
            shown[f"{command[0]} {recipe}"] = result.out
            assert "was trained on" not in result.err
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec((tmp_path / "values.py").read_text(encoding="utf-8"), {})
    assert printed.getvalue().count("2024-08-28 ") == 24
    assert re.search(r"Scaled.* 4\b", shown["check Use a layer of your own"])
    assert "models, on 100 rows of data/newest.csv that both predict" in shown[f"compare {AGAIN}"]
    refused = mlpcli("train", "--continue", "june", "--epochs", "1", "--set", "dataset.path=data/july.csv")
    assert refused.status == 2
    assert "the data has changed" in refused.err
    more = ("--set", "dataset.path=data/july.csv", "--force")
    forced = mlpcli("train", "--continue", "june", "--epochs", "1", *more)
    assert forced.status == 0, forced.err
    assert "the rows are divided anew" in " ".join((forced.out + forced.err).split())
    assert "predicted_rent,predicted_balcony" in (tmp_path / "both.csv").read_text().split("\n")[0]


def test_the_lags_of_the_recipe_are_known_when_a_row_is_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlpcli: Callable[..., Result]
) -> None:
    monkeypatch.chdir(tmp_path)
    specs = write_files(NEXT, tmp_path)
    for script in ("demand.py", "lags.py"):
        exec((tmp_path / script).read_text(encoding="utf-8"), {})
    with Path("demand.csv").open(newline="") as file:
        series = [float(row["demand"]) for row in csv.DictReader(file)]
    with Path("lagged.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    start = len(series) - len(rows)
    for place in (0, 1, 1000, len(rows) - 1):
        at, row = start + place, rows[place]
        for lag in (24, 48, 168):
            assert float(row[f"lag_{lag}"]) == series[at - lag]
        known = series[: at - 23]
        assert float(row["week_mean"]) == pytest.approx(np.mean(known[-168:]), abs=1e-3)
        assert float(row["week_change"]) == pytest.approx(known[-1] - known[-169], abs=1e-3)
        assert float(row["change"]) == pytest.approx(series[at] - known[-1], abs=1e-3)
    assert load_spec(specs[1]).spec.dataset.test == load_spec(specs[0]).spec.dataset.test
    for spec in specs:
        result = mlpcli("check", spec)
        assert (result.status, "from 2024-07-" in result.out) == (0, True), result.err


@pytest.mark.parametrize(("ahead", "lags"), [(24, (24, 48, 168)), (168, (168, 192, 336)), (24, (24, 600))])
def test_the_rows_to_come_are_those_that_the_script_makes_when_their_answers_are_known(
    ahead: int, lags: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_files(NEXT, tmp_path)
    exec((tmp_path / "demand.py").read_text(encoding="utf-8"), {})
    script = (tmp_path / "lags.py").read_text(encoding="utf-8")
    script = script.replace("AHEAD = 24 ", f"AHEAD = {ahead} ").replace("(AHEAD, 48, 168)", f"{lags}")
    series = Path("demand.csv").read_text().splitlines(keepends=True)
    exec(script, {})
    with Path("lagged.csv").open(newline="") as file:
        known = list(csv.DictReader(file))
    assert len(known) == len(series) - 1 - max(*lags, ahead + 168)
    Path("demand.csv").write_text("".join(series[:-ahead]))
    exec(script, {})
    with Path("coming.csv").open(newline="") as file:
        coming = list(csv.DictReader(file))
    assert coming == [{name: row[name] for name in coming[0]} for row in known[-ahead:]]


def test_the_script_of_the_recipe_refuses_what_is_not_known_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_files(NEXT, tmp_path)
    exec((tmp_path / "demand.py").read_text(encoding="utf-8"), {})
    script = (tmp_path / "lags.py").read_text(encoding="utf-8")
    with pytest.raises(AssertionError, match="lag 48: what is not known 168 hours ahead"):
        exec(script.replace("AHEAD = 24 ", "AHEAD = 168 "), {})
    series = Path("demand.csv").read_text().splitlines(keepends=True)
    Path("demand.csv").write_text("".join(series[:700] + series[701:]))
    with pytest.raises(AssertionError, match="an hour is missing"):
        exec(script, {})


def test_the_loss_of_the_recipe_is_what_it_says(tmp_path: Path) -> None:
    names: dict[str, Callable[..., object]] = {}
    write_files("Use a loss of your own", tmp_path)
    exec((tmp_path / "costly.py").read_text(encoding="utf-8"), names)
    loss = names["too_low_costs_more"](np.array([[3.0], [3.0]]), np.array([[2.0], [4.0]]))
    assert np.asarray(loss).tolist() == [4.0, 1.0]


def test_the_request_of_the_recipe_has_the_columns_of_the_flats() -> None:
    (sent,) = re.findall(r"-d '(\{.*?\})'$", RECIPES["Serve a model"], re.S | re.M)
    (row,) = json.loads(sent)["rows"]
    head = (ROOT / "configs" / "data" / "flats.csv").read_text(encoding="utf-8").split("\n")[0].split(",")
    assert {*row} == {*head} - {"rent", "balcony"}
