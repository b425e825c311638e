"""What people's tables hold: gaps in the target, rare classes, counts that look like classes, few rows."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpcli.data.features.profiles import Profile
from mlpcli.data.inspect.check_proposal import check_proposal
from mlpcli.data.inspect.propose_spec import MIN_ROWS, propose_spec
from mlpcli.data.inspect.survey import survey_table
from mlpcli.data.inspect.target_task import choose_task
from mlpcli.data.random_split import sparse_split
from mlpcli.errors import DataError, MlpcliError
from mlpcli.spec.load import load_text
from tests.bare_runs import train_bare
from tests.conftest import Result


def write_table(path: Path, target: Sequence[object], name: str = "y") -> Path:
    draw = random.Random(5)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = [[f"{draw.random():.3f}", draw.choice("abc"), value] for value in target]
        csv.writer(file).writerows([["size", "town", name], *rows])
    return path


def numbers(counts: dict[int, int]) -> Profile:
    values = np.repeat(list(counts), list(counts.values())).astype(np.float32)
    return Profile("y", "numbers", len(values), 0, numbers=values)


# ---------------------------------------------------------------- the task


@pytest.mark.parametrize(
    ("counts", "kind"),
    [
        ({0: 50, 1: 4}, "classification"),
        ({0: 50, 1: 50, 2: 50}, "classification"),
        ({n: 170 + 3 * (n % 3) for n in range(10)}, "classification"),  # digits
        ({1: 70, 2: 76, 3: 17, 5: 13, 6: 9, 7: 29}, "classification"),  # kinds of glass
        ({1: 4913, 2: 329, 3: 28, 4: 88, 5: 115}, "classification"),  # blocks of a page
        (dict.fromkeys(range(15), 40), "classification"),
        ({0: 574, 1: 324, 2: 240, 3: 157, 4: 25, 5: 18}, "regression"),  # children
        ({0: 155, 1: 60, 2: 40, 3: 20, 4: 8, 5: 2, 6: 3, 7: 1, 10: 1}, "regression"),  # visits
        ({3: 20, 4: 163, 5: 1457, 6: 2198, 7: 880, 8: 175, 9: 5}, "regression"),  # marks
        ({8: 120, 9: 30, 10: 45, 11: 5, 12: 400, 13: 60, 14: 70, 15: 2, 16: 200, 17: 4, 20: 3}, "regression"),
        ({n: 20 + n for n in range(30)}, "regression"),
        (dict.fromkeys(range(8), 3), "regression"),
    ],
)  # fmt: skip
def test_whole_numbers_are_classes_or_counts(counts: dict[int, int], kind: str) -> None:
    assert choose_task(numbers(counts), None).kind == kind


def test_the_task_can_be_stated(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    data = write_table(tmp_path / "t.csv", [place % 3 for place in range(90)])
    guessed = json.loads(mlpcli("inspect", data, "--target", "y", "--json").out)
    why = "whole numbers of 3 distinct values (--task regression if that is wrong)"
    assert (guessed["task"], guessed["why"]) == ("classification", why)
    assert "task classification: whole numbers of 3" in mlpcli("inspect", data, "--target", "y").out
    stated = ("--target", "y", "--task", "regression")
    assert json.loads(mlpcli("inspect", data, *stated, "--json").out)["task"] == "regression"
    made = json.loads(mlpcli("init", data, *stated, "-o", tmp_path / "t.yaml", "--json").out)
    assert (made["task"], yaml.safe_load(made["spec"])["loss"]) == ("regression", "mse")
    assert mlpcli("check", tmp_path / "t.yaml").status == 0
    ages = write_table(tmp_path / "ages.csv", [place % 24 for place in range(96)])
    made = json.loads(
        mlpcli("init", ages, "--target", "y", "--task", "classification", "-o", "-", "--json").out
    )
    assert yaml.safe_load(made["spec"])["loss"] == "sparse_categorical_crossentropy"


@pytest.mark.parametrize(
    ("target", "flags", "told"),
    [
        ("uvw", ["--task", "regression"], "holds no numbers to predict by regression (text of 3 distinct"),
        ([0.5, 1, 2], ["--task", "classification"], "holds fractions, which are no classes, received 0.5"),
        ("uvw", ["--task", "guess"], "--task: must be classification or regression, received 'guess'"),
        ("", [], "is missing in every row"),
        ([7], [], "is the same in every row"),
        ([*"uuuuu", ""], [], "is the same in every row that has it"),
        (list(range(60)), ["--task", "classification"], "holds too many distinct values for classes, 60"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_target_is_said_once(
    mlpcli: Callable[..., Result], tmp_path: Path, target: Sequence[object], flags: list[str], told: str
) -> None:
    data = write_table(
        tmp_path / "t.csv", [target[place % len(target)] if target else "" for place in range(60)]
    )
    result = mlpcli("init", data, "--target", "y", *flags, "-o", tmp_path / "t.yaml")
    assert (result.status, result.err.count("\n")) == (2, 1)
    assert told in result.err
    assert not (tmp_path / "t.yaml").exists()


def test_what_is_different_in_each_row_is_not_said_to_leak(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    data = write_table(tmp_path / "t.csv", [f"{7 * place % 100:05}" for place in range(100)])
    assert json.loads(mlpcli("inspect", data, "--target", "y", "--json").out)["warnings"] == []


# ---------------------------------------------------------------- any table


TARGETS = st.one_of(
    st.lists(st.sampled_from(["", "NA", "u", "v", "w", "x"]), min_size=1, max_size=40),
    st.lists(st.sampled_from([*"abcdefghijklmno"]), min_size=1, max_size=80),
    st.lists(st.integers(0, 30) | st.sampled_from(["", "?"]), min_size=1, max_size=60),
    st.lists(st.integers(-1, 2), min_size=30, max_size=80),
    st.lists(st.sampled_from(["true", "False", "", "yes"]), min_size=1, max_size=30),
    st.lists(st.sampled_from(["0.0", "1", "2.0", "0.5", ""]), min_size=1, max_size=60),
    st.lists(st.sampled_from(["01", "1", "2", "None", "-"]), min_size=5, max_size=60),
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=5, max_size=30),
)


@settings(max_examples=100)
@given(target=TARGETS, other=TARGETS, task=st.sampled_from([None, "classification", "regression"]))
def test_a_spec_of_init_is_never_refused(
    tmp_path_factory: pytest.TempPathFactory, target: list[object], other: list[object], task: str | None
) -> None:
    folder = tmp_path_factory.mktemp("any")
    rows = [[other[place % len(other)], value, place / 7] for place, value in enumerate(target)]
    with (folder / "t.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["x", "y", "z"], *rows])
    file_path = folder / "t.yaml"
    try:
        survey = survey_table(str(folder / "t.csv"), "y", task)
        text = propose_spec(survey, name="t", path="t.csv", command="mlpcli train t.yaml")
    except MlpcliError as error:
        told = len(error.problems)
    else:
        told = 0
    if told:
        assert told <= 2
        return
    assert len(target) >= MIN_ROWS
    try:
        check_proposal(text, file_path, survey)
    except DataError as error:
        pytest.fail(f"{error}\n{text}")
    units = load_text(text, file_path).spec.layers[-2].arguments["units"]
    assert units == max(1, len(survey.class_counts) if len(survey.class_counts) != 2 else 1)


# ---------------------------------------------------------------- rows without a target, rare classes


def labels(rows: int) -> list[str]:
    """Two frequent classes, one of three rows, one of a single row, and every tenth missing."""
    found = [("", "ham", "spam")[(place % 10 > 0) + (place % 3 == 0)] for place in range(rows)]
    found = ["" if place % 10 == 0 else value for place, value in enumerate(found)]
    return ["odd" if place in (11, 22, 33) else "lone" if place == 44 else v for place, v in enumerate(found)]


@pytest.mark.parametrize(
    ("target", "classes", "left_out"),
    [
        ([0, 1, 2, "?"], 3, 15),
        ([0, 1, 2, "None"], 3, 15),
        (["Gas", "Oil", "None", "?"], 4, 0),
        (["NA", "u", "v"], 2, 20),
    ],
)  # fmt: skip
def test_a_spelling_of_nothing_is_a_class_only_among_words(
    mlpcli: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    target: list[object],
    classes: int,
    left_out: int,
) -> None:
    data = write_table(tmp_path / "t.csv", [target[place % len(target)] for place in range(60)])
    (tmp_path / "t.yaml").mkdir(exist_ok=True)  # where the spec would be, if it were to be a file
    monkeypatch.chdir(tmp_path)
    made = json.loads(mlpcli("init", data, "--target", "y", "-o", "-", "--json").out)
    assert made["rows_without_target"] == left_out
    assert max(2, yaml.safe_load(made["spec"])["layers"][-2]["MemberDense"]["units"]) == classes


@pytest.mark.uncounted
@pytest.mark.slow
def test_rows_without_a_target_are_left_out_and_rare_classes_kept(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "mail.csv", labels(120))
    made = json.loads(mlpcli("init", "mail.csv", "--target", "y", "--json").out)
    assert (made["rows"], made["rows_without_target"]) == (108, 12)
    assert "'lone' (1), 'odd' (3)" in made["warnings"][0]
    assert yaml.safe_load(made["spec"])["dataset"]["missing_target"] == "drop"
    told = "12 of 120 rows of mail.csv have no target and are left out"
    checked = json.loads(mlpcli("check", "mail.yaml", "--json").out)
    assert checked["notes"] == [told, "classes with too few rows to be in every split: lone, odd"]
    assert sum(checked["rows"].values()) == 108
    trained = mlpcli("train", "mail.yaml", "--set", "fit.epochs=1", "--set", "fit.engine=graph")
    assert trained.status == 0, trained.err
    assert told in trained.out
    (record,) = Path("runs").glob("mail/*/run.json")
    assert json.loads(record.read_text(encoding="utf-8"))["data"]["rows_without_target"] == 12
    measured = mlpcli("evaluate", "mail", "--data", "mail.csv", "--json")
    assert (json.loads(measured.out)["rows"], json.loads(measured.out)["rows_without_target"]) == (108, 12)
    assert told in measured.err
    predicted = mlpcli("predict", "mail", "mail.csv", "--json", "-o", "out.csv")
    assert json.loads(predicted.out)["rows"] == 120


def test_a_wrong_cell_below_a_row_left_out_keeps_its_place(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    data = tmp_path / "t.csv"
    data.write_text("x,y\n" + "1,\n2,5\n" * 20 + "3,\noops,7\n" + "4,8\n" * 20, encoding="utf-8")
    spec = tmp_path / "t.yaml"
    dataset = "{path: t.csv, target: y, missing_target: drop, features: {x: numeric}}"
    spec.write_text(f"dataset: {dataset}\nlayers: [Dense: {{units: 1}}]\nloss: mse\n", encoding="utf-8")
    refused = mlpcli("check", spec)
    assert refused.status == 2
    assert "t.csv row 42 (line 43), column 'x': must be a number, received 'oops'" in refused.err


@pytest.mark.uncounted
@pytest.mark.slow
def test_rare_classes_are_pooled_on_request(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "mail.csv", [label or "ham" for label in labels(120)])
    spec = "name: mail\ndataset: {path: mail.csv, target: y, target_min_count: 4}\n"
    spec += "layers: [{Dense: {units: 3, activation: softmax}}]\nfit: {epochs: 1, engine: graph}\n"
    (tmp_path / "mail.yaml").write_text(spec, encoding="utf-8")
    checked = json.loads(mlpcli("check", "mail.yaml", "--json").out)
    assert "2 classes of fewer than 4 rows are the class 'other': lone, odd" in checked["notes"]
    assert sum(counts["target"]["other"] for counts in checked["classes"].values()) == 4
    train_bare(Path("mail.yaml"), Path("runs"))
    assert json.loads(mlpcli("evaluate", "mail", "--data", "mail.csv", "--json").out)["rows"] == 120
    refused = mlpcli("code", "mail.yaml", "-o", "mail.py")
    assert (refused.status, "target_min_count" in refused.err) == (2, True)
    (tmp_path / "mail.yaml").write_text(spec.replace("target: y", "target: size"), encoding="utf-8")
    numbers_refused = mlpcli(
        "check", "mail.yaml", "--set", "loss=mse", "--set", "layers=[{Dense: {units: 1}}]"
    )
    assert (
        "dataset.target_min_count: is for a target of classes, received 4; remove it" in numbers_refused.err
    )


@given(st.lists(st.integers(0, 12), min_size=2, max_size=80), st.integers(1, 79), st.integers(0, 9))
def test_a_sparse_split_keeps_a_row_of_each_class_and_takes_the_shares(
    labels_: list[int], wanted: int, seed: int
) -> None:
    labels = np.array(labels_)
    classes = len(set(labels_))
    taken = min(wanted, len(labels) - classes)
    if taken < 1:
        return
    stay, take = sparse_split(np.arange(len(labels)), taken, seed=seed, labels=labels)
    assert sorted([*stay, *take]) == list(range(len(labels)))
    assert (len(take), set(labels[stay])) == (taken, set(labels_))
    free = {name: count - 1 for name, count in Counter(labels_).items()}
    found = Counter(labels[take].tolist())
    for name, count in free.items():
        assert abs(found[name] - count * taken / (len(labels) - classes)) < 1


def test_so_many_categories_that_each_has_few_rows_are_advised_against(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    rows = [f"street {n * 7919 % 120},town {n % 40},{n}" for n in range(400)]
    (tmp_path / "t.csv").write_text("street,town,rent\n" + "\n".join(rows) + "\n")
    wanted = "column 'street': 120 categories in 400 rows, about 3 rows each: little is learned of each"
    for command in (("inspect",), ("init", "-o", str(tmp_path / "t.yaml"))):
        shown = mlpcli(*command, tmp_path / "t.csv", "--target", "rent")
        said = " ".join(shown.out.split())
        assert (wanted in said, "column 'town'" in said) == (True, False), said + shown.err
    rows = [f"P{n // 4:03},{n * 7919 % 83},{'yes' if n * 31 % 7 < 3 else 'no'}" for n in range(800)]
    (tmp_path / "v.csv").write_text("person,pulse,ill\n" + "\n".join(rows) + "\n")
    for options, advised in (((), False), (("--split", "random"), True)):
        shown = mlpcli(
            "init", tmp_path / "v.csv", "--target", "ill", "-o", tmp_path / "v.yaml", "--force", *options
        )
        assert ("little is learned of each" in " ".join(shown.out.split())) is advised, shown.out + shown.err
    inspected = mlpcli("inspect", tmp_path / "v.csv", "--target", "ill").out
    assert "little is learned of each" not in " ".join(inspected.split())
