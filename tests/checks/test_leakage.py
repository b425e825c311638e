"""What `check`, `inspect` and `init` say of rows and groups that splits share, and of how to split."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml

from mlpcli.data.dataset import Dataset
from mlpcli.data.equal_rows import equal_rows, expected_equal, is_more_than_chance, row_hashes
from mlpcli.data.features.group_columns import is_called_group, is_called_time
from mlpcli.data.features.stacked import stack_preprocessors
from mlpcli.data.leakage import equal_row_notes, shared_rows
from mlpcli.data.load import Request, load_dataset
from mlpcli.spec.load import load_text
from mlpcli.statistics.stands_out import stands_out
from tests.conftest import Result

Cli = Callable[..., Result]


def write(path: Path, header: str, rows: list[list[object]]) -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return path


def visits(folder: Path, *, copies: int = 0) -> Path:
    """A table of five visits of each of 40 patients, shuffled; its first rows are repeated at the end."""
    random = np.random.RandomState(2)
    numbers = random.permutation(np.repeat(np.arange(40), 5))
    rows: list[list[object]] = [[f"P{n}", random.rand(), random.rand(), random.rand() + n] for n in numbers]
    return write(folder / "visits.csv", "patient_id,dose,weight,score", [*rows, *rows[:copies]])


def load(folder: Path, path: str, keys: str, target: str = "score") -> Dataset:
    text = f"dataset: {{path: {path}, target: {target}, {keys}}}\nlayers: [Dense: {{units: 1}}]\nloss: mse\n"
    spec = load_text(text, folder / "s.yaml").spec.dataset
    return load_dataset(spec, Request({"": "numbers"}), seed=42, folder=folder)


def test_equal_rows_of_two_splits_are_counted_and_named(tmp_path: Path) -> None:
    visits(tmp_path, copies=4)
    found = load(tmp_path, "visits.csv", "features: [dose, weight], test: {last: 10}, validation: null")
    (note,) = equal_row_notes(found)
    assert note.startswith(
        "test: 4 of 10 rows have the features of a training row (row 201 = row 1, row 202 = "
    )
    write(tmp_path / "more.csv", "patient_id,dose,weight,score", [["P1", 0.5, 0.5, 1]])
    first = (tmp_path / "visits.csv").read_text().splitlines()[1]
    (tmp_path / "more.csv").write_text((tmp_path / "more.csv").read_text() + first + "\n")
    found = load(tmp_path, "visits.csv", "test: more.csv, validation: null, features: [dose, weight]")
    (note,) = equal_row_notes(found)
    assert "1 of 2 rows have the features of a training row (row 2 of more.csv = row 1)" in note


def test_equal_rows_that_chance_explains_are_no_leak(tmp_path: Path) -> None:
    random = np.random.RandomState(0)
    rows = [[*random.randint(0, 3, 3), n % 7] for n in range(200)]
    write(tmp_path / "few.csv", "a,b,c,score", [list(row) for row in rows])
    assert not list(equal_row_notes(load(tmp_path, "few.csv", "test: 0.2")))


def test_a_group_in_two_splits_is_noted_unless_the_test_rows_are_later(tmp_path: Path) -> None:
    visits(tmp_path)
    (note,) = load(tmp_path, "visits.csv", "test: 0.2, validation: null").notes
    assert "column 'patient_id' looks like one of groups, and" in note
    assert "also in train" in note
    assert "write test: {share: 0.2, by: patient_id}" in note
    both = "test: {share: 0.2, by: patient_id}, validation: {share: 0.2, by: patient_id}"
    assert not any("also in train" in note for note in load(tmp_path, "visits.csv", both).notes)
    mixed = load(tmp_path, "visits.csv", "test: {share: 0.2, by: patient_id}, validation: 0.2").notes
    assert any("divides the rows" in note and "in validation are also in train" in note for note in mixed)
    ordered = "features: [dose, patient_id], test: {last: 0.2, by: dose}, validation: null"
    lines = (tmp_path / "visits.csv").read_text().splitlines()
    (tmp_path / "visits.csv").write_text("\n".join([lines[0], *sorted(lines[1:], key=_dose)]) + "\n")
    assert not any("also in train" in note for note in load(tmp_path, "visits.csv", ordered).notes)


def _dose(line: str) -> float:
    return float(line.split(",")[1])


def test_inspect_reports_equal_rows_and_groups_with_examples(mlpcli: Cli, tmp_path: Path) -> None:
    data = visits(tmp_path, copies=3)
    lines = data.read_text().splitlines()
    changed = lines[5].rsplit(",", 1)[0] + ",99"
    data.write_text("\n".join([*lines, changed]) + "\n")
    part = tmp_path / "part.csv"
    part.write_text("\n".join([lines[0], "P1,0.1,0.2,3", lines[7]]) + "\n")
    result = mlpcli("inspect", data, "--target", "score", "--test", part, "--json")
    found = "\n".join(json.loads(result.out)["warnings"])
    assert "3 of 204 rows are duplicates of others" in found
    assert "row 201 = row 1, row 202 = row 2, row 203 = row 3" in found
    assert "1 of 204 rows have the features of another row, and another score: row 204 = row 5" in found
    assert "column 'patient_id' looks like one of groups, about 5 rows each" in found
    assert f"1 of 2 distinct rows of {part} are also in {data}: row 2 = row 7" in found
    assert "values of column 'patient_id'" in found


def test_init_divides_by_groups_or_by_time_where_the_table_looks_like_it(mlpcli: Cli, tmp_path: Path) -> None:
    spec = tmp_path / "s.yaml"
    shown = mlpcli("init", visits(tmp_path), "--target", "score", "-o", spec).out
    assert "splits by whole groups: column 'patient_id' has 40 values of about 5 rows each" in shown
    dataset = yaml.safe_load(spec.read_text())["dataset"]
    assert dataset["test"] == {"share": 0.2, "by": "patient_id"} == dataset["validation"]
    assert dataset["features"]["patient_id"] == "ignore"
    rows = [[f"2024-{1 + n // 28:02d}-{1 + n % 28:02d}", n % 5, n * 0.5] for n in range(100)]
    sales = write(tmp_path / "sales.csv", "when,kind,sales", [list(row) for row in rows])
    shown = mlpcli("init", sales, "--target", "sales", "-o", spec, "--force", "--json").out
    proposal = json.loads(shown)
    assert proposal["splits"].startswith("splits by latest rows: the rows are in the order of the dates")
    assert any(
        "'when' are 1 day apart; a row knows of earlier ones only" in each for each in proposal["notes"]
    )
    dataset = yaml.safe_load(spec.read_text())["dataset"]
    assert dataset["test"] == {"last": 0.2, "by": "when"} == dataset["validation"]
    assert dataset["features"]["when"]["parts"] == ["month", "weekday"]
    mlpcli("init", sales, "--target", "sales", "-o", spec, "--force", "--split", "random")
    assert yaml.safe_load(spec.read_text())["dataset"]["test"] == 0.2
    wrong = mlpcli("init", sales, "--target", "sales", "-o", spec, "--force", "--split", "wen")
    assert wrong.status == 2
    assert (
        "--split: must be random, or a column of the table, received 'wen'; did you mean 'when'?" in wrong.err
    )


def test_init_falls_back_to_random_splits_that_can_be_trained(mlpcli: Cli, tmp_path: Path) -> None:
    rows = [
        [f"2024-{1 + n // 28:02d}-{1 + n % 28:02d}", n % 5, "old" if n < 80 else "new"] for n in range(100)
    ]
    data = write(tmp_path / "phases.csv", "when,kind,phase", [list(row) for row in rows])
    shown = mlpcli("init", data, "--target", "phase", "-o", tmp_path / "s.yaml").out
    assert "splits at random, though the rows are in the order of the dates" in shown
    assert yaml.safe_load((tmp_path / "s.yaml").read_text())["dataset"]["test"] == 0.2


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("customer_id", True), ("CustomerID", True), ("patient", True), ("Subject", True), ("user", True),
        ("household_no", True), ("id", True), ("session_uuid", True), ("device id", True),
        ("store_id", False), ("product_id", False), ("zip", False), ("driver_age", False), ("Surname", False),
        ("foreign_worker_permit", False), ("account_length", False), ("number", False), ("area_code", False),
    ],
)  # fmt: skip
def test_names_of_groups(name: str, group: bool) -> None:
    assert is_called_group(name) == group


def test_names_of_times() -> None:
    assert all(map(is_called_time, ("date", "order_date", "createdAt", "timestamp")))
    assert not any(map(is_called_time, ("birth_date", "date_of_birth", "hire_date", "size")))


def test_hashes_find_equal_rows_only() -> None:
    random = np.random.RandomState(0)
    x = random.randint(0, 2, (400, 12)).astype(np.float32)
    y = np.where(x == 0, np.float32(-0.0), x)[::-1]
    rows, same = equal_rows([x], [y])
    assert len(rows) == 400
    assert (x[rows] == y[same]).all()
    known = {tuple(row) for row in x[:50].tolist()}
    rows, _ = equal_rows([x[50:, :5], x[50:, 5:]], [x[:50, :5], x[:50, 5:]])
    assert rows.tolist() == [place for place, row in enumerate(x[50:].tolist()) if tuple(row) in known]
    images = random.randint(0, 9, (30, 4, 4)).astype(np.uint8)
    assert len({*row_hashes([images]).tolist()}) == 30


def test_chance_of_equal_rows_is_that_of_independent_columns() -> None:
    random = np.random.RandomState(0)
    these, others = (random.randint(0, 6, (3, 2000)) for _ in range(2))
    expected = expected_equal(list(zip(these, others, strict=True)), 100)
    assert expected == pytest.approx(1 - (1 - 6**-3) ** 100, rel=0.05)
    known = {*zip(*others[:, :100].tolist(), strict=True)}
    found = np.mean([row in known for row in zip(*these.tolist(), strict=True)])
    assert found == pytest.approx(expected, abs=0.03)
    assert is_more_than_chance(1, 0.0)
    assert not is_more_than_chance(10, 4.0)


def test_rows_of_a_mean_of_folds_are_compared_although_each_member_encodes_them(tmp_path: Path) -> None:
    visits(tmp_path)
    dataset = load(tmp_path, "visits.csv", "features: {dose: numeric, weight: numeric}")
    own = dataset.contract.preprocessor
    assert own is not None
    moved = replace(own, encoders=tuple(replace(each, fill=9.0) for each in own.encoders))  # type: ignore[arg-type]
    stack = stack_preprocessors([own, moved])
    wide = replace(dataset.train, x=np.concatenate([dataset.train.x] * 2, axis=1))
    contract = replace(dataset.contract, preprocessor=stack, shape=(stack.width,))
    shared = shared_rows(replace(dataset, contract=contract, train=wide), wide)
    assert shared is not None
    assert len(shared.rows) == len(wide)


def test_a_column_that_determines_the_target_is_named_from_init_to_compare(
    mlpcli: Cli, tmp_path: Path
) -> None:
    random = np.random.RandomState(5)
    rows: list[list[object]] = []
    for _ in range(400):
        size, rooms, age = random.uniform(20, 200), random.randint(1, 6), random.randint(0, 90)
        rent = round(300 + 9 * size + random.normal(0, 300))
        rows.append([round(size, 1), rooms, age, 12 * rent + random.randint(-5, 6), rent])
    data = write(tmp_path / "rents.csv", "size,rooms,age,yearly rent,rent", rows)
    spec, runs_dir = tmp_path / "rents.yaml", tmp_path / "runs"
    told = mlpcli("init", data, "--target", "rent", "--effort", "fast", "-o", spec)
    words = " ".join(told.out.split())
    assert "warning: column 'yearly rent' determines the target 'rent' by itself" in words
    assert words.count("warning") == 1
    before, line = spec.read_text().split('    "yearly rent":')[0].splitlines()[-1], '    "yearly rent":'
    assert (line in spec.read_text(), before.split()[:2]) == (True, ["#", "determines"])

    small = "layers: [Dense: {units: 1}]\nloss: mse\nname: %s\nfit: {epochs: 1, engine: graph}\n"
    text = f"dataset: {{path: {data}, target: rent, target_scaling: standardize, features: %s}}\n{small}"
    (tmp_path / "all.yaml").write_text(text % ("{age: {kind: numeric}}", "all"))
    (tmp_path / "fair.yaml").write_text(text % ("{yearly rent: ignore}", "fair"))
    alone = "column 'yearly rent' alone predicts the target"
    assert alone in " ".join(mlpcli("check", tmp_path / "all.yaml").out.split())
    assert "alone predicts" not in mlpcli("check", tmp_path / "fair.yaml").out
    for name, expected in (("all", True), ("fair", False)):
        done = mlpcli("train", tmp_path / f"{name}.yaml", "--runs-dir", runs_dir, "--json")
        codes = [each["code"] for each in json.loads(done.out)["findings"]]
        assert (done.status, "leaking-column" in codes) == (0, expected)
    shown = mlpcli("compare", "fair", "all", "--runs-dir", runs_dir)
    assert f"in B, {alone}" in " ".join(shown.out.split())
    document = json.loads(mlpcli("compare", "fair", "all", "--runs-dir", runs_dir, "--no-test", "--json").out)
    assert document["leaking"] == [None, "yearly rent"]


def test_a_column_that_says_nearly_all_of_a_class_is_asked_about_from_init_to_doctor(
    mlpcli: Cli, tmp_path: Path
) -> None:
    random = np.random.RandomState(6)
    rows: list[list[object]] = []
    for number in range(1500):
        left = random.rand() < 0.1 + 0.1 * (number % 2)
        shown = left != (random.rand() < 0.01)  # with exceptions
        fee = round(random.uniform(10, 60), 2) if shown else 0
        rows.append(
            [random.randint(18, 80), number % 2, random.choice(list("abc")), fee, "ja" if left else "no"]
        )
    data = write(tmp_path / "fees.csv", "age,new,plan,fee,left", rows)
    spec, runs_dir = tmp_path / "fees.yaml", tmp_path / "runs"
    said = "column 'fee' carries nearly all that is known of the target, with a skill of 0."
    told = " ".join(mlpcli("init", data, "--target", "left", "--effort", "fast", "-o", spec).out.split())
    assert f"warning: {said}" in told
    assert "is it known when predicting? If not, write fee: ignore under features" in told
    assert said in " ".join(mlpcli("inspect", data, "--target", "left").out.split())
    assert "carries" not in mlpcli("inspect", data, "--target", "age").out
    text = f"dataset: {{path: {data}, target: left, features: %s}}\nlayers: [Dense: {{units: 1}}]\n"
    text += "loss: binary_crossentropy\nname: fees\nfit: {epochs: 1, engine: graph}\n"
    spec.write_text((text % "{new: {kind: numeric}}").replace("units: 1", "units: 1, activation: sigmoid"))
    assert said in " ".join(mlpcli("check", spec).out.split())
    done = mlpcli("train", spec, "--runs-dir", runs_dir)
    assert f"odd telling-column: {said}" in " ".join(done.out.split())
    (finding,) = (
        each
        for each in json.loads(mlpcli("doctor", "fees", "--runs-dir", runs_dir, "--records", "--json").out)[
            "findings"
        ]
        if each["code"] == "telling-column"
    )
    assert (finding["severity"], finding["patch"]) == ("note", [])


@pytest.mark.parametrize(
    ("best", "following", "rows", "classes", "standing"),
    [
        (0.99, 0.9, 20, False, "leak"),
        (0.99, 0.96, 2000, True, ""),
        (0.973, 0.722, 2000, True, ""),  # the odour of mushrooms
        (0.85, 0.2, 2000, True, "carries"),
        (0.85, 0.2, 99, True, ""),
        (0.85, 0.2, 2000, False, ""),  # the value an hour ago
        (0.75, 0.0, 2000, True, ""),
    ],
)
def test_a_column_stands_out_by_its_skill_and_its_lead(
    best: float, following: float, rows: int, classes: bool, standing: str
) -> None:
    assert stands_out(best, following, rows=rows, classes=classes) == standing


def _yes(n: int) -> bool:
    return n * 31 % 7 < 2


@pytest.mark.parametrize(
    ("column", "rows", "leaks"),
    [
        (lambda n: n % 8 + 2 if _yes(n) else n % 2, 200, True),
        (lambda n: n * 0.37 + 300 if _yes(n) else n * 0.37, 200, True),
        (lambda n: ["lawyer", "court"][n % 2] if _yes(n) else ["none", "mail", "call"][n % 3], 200, True),
        (lambda n: n % 8 + 2 if _yes(n) else n % 3, 200, False),  # 2 calls in rows of both
        (lambda n: n * 0.37 + 50 if _yes(n) else n * 0.37, 200, False),
        (lambda n: ["lawyer", "mail"][n % 2] if _yes(n) else ["none", "mail", "call"][n % 3], 200, False),
        (lambda n: n * 0.37 + 300 if _yes(n) else n * 0.37, 30, False),  # so few may be apart by chance
        (lambda n: f"{'yn'[_yes(n)]}{n % 60}", 200, False),  # few rows of each
    ],
)
def test_a_column_of_values_that_have_one_class_each_determines_the_target(
    mlpcli: Cli, tmp_path: Path, column: Callable[[int], object], rows: int, leaks: bool
) -> None:
    made = [[n * 7919 % 101 * 0.5, column(n), "yes" if _yes(n) else "no"] for n in range(rows)]
    table = write(tmp_path / "t.csv", "income,after,late", made)
    for command in (("inspect",), ("init", "-o", tmp_path / "s.yaml")):
        shown = mlpcli(*command, table, "--target", "late")
        said = " ".join(shown.out.split())
        assert ("column 'after' determines the target 'late' by itself" in said) is leaks, said + shown.err
        assert "'income' determines" not in said


@pytest.mark.parametrize(
    ("hours", "split", "wanted"),
    [
        (lambda n: n, None, "the dates in column 'at' are 1 hour apart"),
        (lambda n: 7 * 24 * (n * 37 % 100), None, "the dates in column 'at' are 1 week apart"),
        (lambda n: n * n, None, None),
        (lambda n: n * n * 37 % 1001, "random", None),
        (lambda n: n // 2, "random", None),
    ],
)
def test_init_says_of_a_series_that_rows_know_nothing_of_earlier_ones(
    mlpcli: Cli, tmp_path: Path, hours: Callable[[int], int], split: str | None, wanted: str | None
) -> None:
    start = datetime(2024, 1, 1)
    rows = [[(start + timedelta(hours=hours(n))).isoformat(" "), n % 5, n * 0.5] for n in range(100)]
    table = write(tmp_path / "t.csv", "at,kind,sales", [list(row) for row in rows])
    options = ["--split", split] if split else []
    shown = mlpcli("init", table, "--target", "sales", "-o", tmp_path / "s.yaml", *options)
    assert shown.status == 0, shown.err
    said = " ".join(shown.out.split())
    assert wanted in said if wanted else "earlier ones" not in said, said
    assert ("'Predict what comes next'" in said) == (wanted is not None)
