"""A table looked over, and the spec that is made for it."""

from __future__ import annotations

import datetime
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from mlpcli.data.inspect.propose_network import EFFORTS
from mlpcli.spec.load import load_spec
from tests.bare_runs import BARE, train_bare
from tests.conftest import Result


def write_table(path: Path, rows: int = 240, *, sign: str = ".", delimiter: str = ",") -> Path:
    """Houses: price by size and town, an id, a constant, a copy of the price, two sorts and three grades."""
    draw = random.Random(3)
    lines = [delimiter.join(["id", "size", "town", "land", "copy", "price", "sold", "grade"])]
    for place in range(rows):
        size, town = draw.uniform(20, 150), draw.choice(["Aachen", "Bonn", "Ulm"])
        price = f"{2000 * size + 30000 * (town == 'Ulm') + draw.gauss(0, 900):.1f}".replace(".", sign)
        shown = "" if place % 9 == 0 else f"{size:.2f}".replace(".", sign)
        sold, grade = "yes" if size > 60 else "no", "low" if size < 40 else "mid" if size < 90 else "high"
        lines.append(delimiter.join([f"H{place:04}", shown, town, "DE", price, price, sold, grade]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_inspect_tells_kinds_gaps_and_what_is_odd(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    data = write_table(tmp_path / "houses.csv")
    document = json.loads(mlpcli("inspect", data, "--target", "price", "--test", data, "--json").out)
    columns = document["columns"]
    assert {name: column["kind"] for name, column in columns.items()} == {
        "id": "ignore",
        "size": "numeric",
        "town": "categorical",
        "land": "ignore",
        "copy": "numeric",
        "price": "target",
        "sold": "boolean",
        "grade": "categorical",
    }
    assert columns["size"]["missing"] == 27
    assert sum(columns["size"]["histogram"]) == 240 - 27
    warnings = document["warnings"]
    assert "column 'id' would be left out: like an identifier, 240 distinct values in 240 rows" in warnings
    assert "column 'land' would be left out: the same in every row ('DE')" in warnings
    assert "column 'copy' determines the target 'price' by itself; is it known when predicting?" in warnings
    shared = (
        f"240 of 240 distinct rows of {data} are also in {data}: row 1 = row 1, row 2 = row 2, row 3 = row 3"
    )
    assert any(line.startswith(shared) for line in warnings)
    assert len(warnings) == 4
    shown = mlpcli("inspect", data).out
    assert shown.splitlines()[0] == f"{data}: 240 rows, 8 columns"


def test_inspect_tells_of_rows_and_classes(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    rows = [f"{place % 97},{place % 97},{'rare' if place == 5 else 'common'}" for place in range(194)]
    data = tmp_path / "twice.csv"
    data.write_text("\n".join(["a,b,sort", *rows]) + "\n")
    warnings = json.loads(mlpcli("inspect", data, "--target", "sort", "--json").out)["warnings"]
    again = (
        "96 of 194 rows are duplicates of others, and may be in different splits than these: row 98 = row 1, "
    )
    assert any(line.startswith(again) for line in warnings)
    assert "column 'b' is a duplicate of 'a'" in warnings
    assert any(line.startswith("classes of 'sort' are imbalanced: 'common' has 99.5%") for line in warnings)


def test_columns_that_count_the_rows_or_are_constant_are_left_out(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    data = tmp_path / "r.csv"
    copies = [f"c{place}" for place in range(15)]
    names = ["rownames", "obs", "serial", "year", *copies, "y"]
    numbers = ([place, place + 1, place * 7, 2016, *[place % 5] * 15, place % 3] for place in range(30))
    rows = [",".join(names), *(",".join(map(str, row)) for row in numbers)]
    data.write_text("\n".join(rows) + "\n")
    document = json.loads(mlpcli("inspect", data, "--target", "y", "--json").out)
    kinds = [document["columns"][name]["kind"] for name in names[:5]]
    assert kinds == ["ignore", "ignore", "numeric", "ignore", "numeric"]  # 0, 7, 14, ... counts no rows
    assert "column 'year' would be left out: the same in every row (2016)" in document["warnings"]
    copied = [line for line in document["warnings"] if "duplicate" in line]
    assert copied[0] == "column 'c1' is a duplicate of 'c0'"
    assert copied[10:] == ["4 more columns are duplicates of others"]


def test_without_a_usable_column_it_is_said_why(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    data = tmp_path / "t.csv"
    data.write_text("who,size,y\n" + "".join(f"p{n},{n if n % 20 else '5?'},{n % 7}.5\n" for n in range(60)))
    result = mlpcli("init", data, "--target", "y", "-o", tmp_path / "s.yaml")
    assert result.status == 2
    assert result.err.strip() == (
        f"{data}: there is no usable column besides the target; 'who' is left out: like an identifier, 60 "
        "distinct values in 60 rows; 'size' is left out: cells that are not numbers, such as 5?"
    )


@pytest.mark.parametrize("target", ["y", "kind"])
def test_signs_among_numbers_are_missing_cells_however_many_they_are(
    mlpcli: Callable[..., Result], tmp_path: Path, target: str
) -> None:
    data = tmp_path / "t.csv"
    rows = [
        f"{'..' if n % 3 else n},{'--' if n % 2 else f'{1 + n % 12}/2/2024'},{'*' if n % 4 else '**'},"
        f"{'..' if n % 5 == 0 else n * 1.5},{'..' if n % 5 == 0 else 'ab'[n % 2]}"
        for n in range(90)
    ]
    data.write_text("x,at,stars,y,kind\n" + "\n".join(rows) + "\n")
    result = mlpcli("init", data, "--target", target, "-o", tmp_path / "s.yaml", "--json")
    assert (result.status, result.err) == (0, "")
    document = json.loads(result.out)
    assert document["notes"][0] == f"{data}: '..' and '--' among numbers or dates are read as missing cells"
    assert document["rows_without_target"] == 18
    dataset = yaml.safe_load(document["spec"])["dataset"]
    assert dataset["missing"] == ["..", "--"]
    kinds = [dataset["features"][name]["kind"] for name in ("x", "at", "stars")]
    assert kinds == ["numeric", "date", "categorical"]


def test_errors_of_a_spreadsheet_are_missing_cells(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    data = tmp_path / "t.csv"
    cells = [("#DIV/0!", "#REF!", "#N/A")[n // 30] if n % 30 == 0 else str(n % 13) for n in range(90)]
    data.write_text("x,y\n" + "".join(f"{cell},{n % 7}.5\n" for n, cell in enumerate(cells)))
    result = mlpcli("init", data, "--target", "y", "-o", "-")
    assert (result.status, result.err) == (0, "")
    dataset = yaml.safe_load(result.out)["dataset"]
    assert dataset["missing"] == ["#DIV/0!", "#REF!"]
    assert dataset["features"]["x"]["kind"] == "numeric"


@pytest.mark.parametrize(
    ("target", "units", "activation", "loss", "scaled"),
    [
        ("price", 1, None, "mse", True),
        ("sold", 1, "sigmoid", "binary_crossentropy", False),
        ("grade", 3, "softmax", "sparse_categorical_crossentropy", False),
    ],
)
def test_init_writes_a_spec_that_check_passes(
    mlpcli: Callable[..., Result],
    tmp_path: Path,
    target: str,
    units: int,
    activation: str | None,
    loss: str,
    scaled: bool,
) -> None:
    data = write_table(tmp_path / "houses.csv")
    spec = tmp_path / "specs" / "first.yaml"
    spec.parent.mkdir()
    assert mlpcli("init", data, "--target", target, "-o", spec).status == 0
    found = yaml.safe_load(spec.read_text(encoding="utf-8"))
    assert found["layers"][-1] == "MemberMean"
    last = found["layers"][-2]["MemberDense"]
    assert (last["units"], last.get("activation"), found["loss"]) == (units, activation, loss)
    assert ("target_scaling" in found["dataset"]) == scaled
    assert found["dataset"]["features"]["id"] == "ignore"
    result = mlpcli("check", spec)
    assert result.status == 0, result.err
    again = mlpcli("init", data, "--target", target, "-o", spec)
    assert (again.status, again.err) == (
        2,
        f"-o {spec}: the file exists already; add --force to replace it, or choose another with -o\n",
    )


@pytest.mark.parametrize(
    ("columns", "first", "inputs"),
    [
        ({"a": "number", "b": "word"}, {"bins": 48, "width": 16}, ["numbers", "others"]),
        ({"a": "number", "b": "gap"}, {"bins": 48, "width": 16}, ["numbers", "others"]),
        ({"a": "number", "b": "number"}, {"bins": 48, "width": 16}, []),
        ({"a": "word", "b": "word"}, None, []),
        ({f"c{n}": "number" for n in range(101)}, {"bins": 16, "width": 4}, []),
    ],
)
def test_numbers_are_embedded_apart_from_all_else(
    mlpcli: Callable[..., Result],
    tmp_path: Path,
    columns: dict[str, str],
    first: dict[str, int] | None,
    inputs: list[str],
) -> None:
    draw = random.Random(3)
    cells: dict[str, Callable[[], str]] = {
        "number": lambda: f"{draw.random():.4f}",
        "gap": lambda: f"{draw.random():.4f}" if draw.random() < 0.8 else "",
        "word": lambda: draw.choice(["red", "green", "blue"]),
    }
    rows = [
        ",".join([*(cells[kind]() for kind in columns.values()), f"{draw.random():.4f}"]) for _ in range(60)
    ]
    data, spec = tmp_path / "t.csv", tmp_path / "t.yaml"
    data.write_text("\n".join([",".join([*columns, "y"]), *rows]) + "\n")
    assert mlpcli("init", data, "--target", "y", "-o", spec).status == 0
    found = yaml.safe_load(spec.read_text(encoding="utf-8"))
    embedded = [layer for layer in found["layers"] if "PiecewiseLinearEmbedding" in layer]
    assert [layer["PiecewiseLinearEmbedding"] for layer in embedded] == ([first] if first else [])
    assert list(found.get("inputs", {})) == inputs
    result = mlpcli("check", spec)
    assert (result.status, result.err) == (0, "")


def test_effort_is_the_size_of_the_ensemble_and_the_length_of_its_training(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    data, spec = write_table(tmp_path / "houses.csv"), tmp_path / "first.yaml"
    sizes = []
    for effort in ("fast", "good", "best"):
        flags = ("--target", "price", "-o", spec, "--force", "--effort", effort)
        assert mlpcli("init", data, *flags).status == 0
        found = yaml.safe_load(spec.read_text(encoding="utf-8"))
        members = next(layer["Members"]["count"] for layer in found["layers"] if "Members" in layer)
        sizes.append((members, found["fit"]["epochs"]))
        assert mlpcli("check", spec).status == 0
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3
    wrong = mlpcli("init", data, "--target", "price", "-o", spec, "--force", "--effort", "most")
    assert (wrong.status, wrong.err) == (2, "--effort: must be fast, good or best, received 'most'\n")


def test_init_finds_a_decimal_comma_out(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    data = write_table(tmp_path / "houses.csv", sign=",", delimiter=";")
    spec = tmp_path / "first.yaml"
    assert mlpcli("init", data, "--target", "price", "-o", spec).status == 0
    found = yaml.safe_load(spec.read_text(encoding="utf-8"))["dataset"]
    assert (found["decimal"], found["features"]["size"]["kind"]) == (",", "numeric")
    assert mlpcli("check", spec).status == 0


def test_init_refuses_a_target_that_cannot_be_learned(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    data = write_table(tmp_path / "houses.csv")
    spec = tmp_path / "first.yaml"
    for target, told in [
        ("pricee", "--target: must be a column of the table, received 'pricee'; did you mean 'price'?"),
        ("land", "is the same in every row"),
        ("id", "holds text with too many distinct values for classes"),
    ]:
        result = mlpcli("init", data, "--target", target, "-o", spec)
        assert result.status == 2
        assert told in result.err
        assert not spec.exists()


def test_a_single_cell_that_is_no_number_and_numbers_beside_yes_and_no(
    tmp_path: Path, mlpcli: Callable[..., Result]
) -> None:
    sold = ["yes", "no", "1", "0", "TRUE", "f"]
    rows = [f"{row},{row * 3 % 7},{sold[row % 6]},{row % 2}" for row in range(60)]
    data = tmp_path / "one.csv"
    data.write_text("\n".join(["a,b,sold,y", *rows, "inf,1,no,0"]) + "\n")
    document = json.loads(mlpcli("inspect", data, "--target", "y", "--json").out)
    told = (
        "column 'a': 1 cell is not a number (inf), and training rejects it; list spellings of a missing value"
    )
    assert any(each.startswith(told) for each in document["warnings"])
    assert document["columns"]["sold"]["kind"] == "boolean"
    assert document["columns"]["sold"]["missing"] == 0


def test_cells_that_are_no_numbers_are_gaps_or_leave_their_column_out(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    draw = random.Random(1)
    rows = []
    for place in range(120):
        day = "unknown" if place % 40 == 1 else f"2020-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"
        size = "n.a." if place % 30 == 2 else f"{draw.random():.4f}"
        weight = "3 kg" if place % 20 == 3 else f"{draw.random():.4f}"
        rows.append(f"{day},{size},{weight},{draw.random():.4f}")
    data, spec = tmp_path / "odd.csv", tmp_path / "odd.yaml"
    data.write_text("\n".join(["day,size,weight,y", *rows]) + "\n")
    document = json.loads(mlpcli("inspect", data, "--target", "y", "--json").out)
    assert document["columns"]["day"]["kind"] == "date"
    assert document["columns"]["day"]["range"][0].startswith("2020-01-")
    assert sum(document["columns"]["day"]["histogram"]) == 117
    refused = "and training rejects them; list spellings of a missing value under dataset.missing"
    assert f"column 'day': 3 cells are not dates (unknown), {refused}" in document["warnings"]
    assert f"column 'weight': 6 cells are not numbers (3 kg), {refused}" in document["warnings"]
    assert mlpcli("init", data, "--target", "y", "-o", spec).status == 0
    dataset = yaml.safe_load(spec.read_text(encoding="utf-8"))["dataset"]
    assert dataset["missing"] == ["unknown", "n.a."]
    assert dataset["features"]["weight"] == "ignore"
    assert mlpcli("check", spec).status == 0


def test_a_target_that_never_changes_is_told(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    data = tmp_path / "flat.csv"
    data.write_text("\n".join(["x,y", *(f"{place},1" for place in range(50))]) + "\n")
    document = json.loads(mlpcli("inspect", data, "--target", "y", "--json").out)
    assert document["warnings"] == ["target 'y' is the same in every row"]


@pytest.mark.slow
def test_what_init_writes_learns_more_than_a_line(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    data, spec = write_table(tmp_path / "houses.csv", 600), tmp_path / "first.yaml"
    assert mlpcli("init", data, "--target", "price", "-o", spec).status == 0
    settings = ("dataset.features.copy=ignore", "fit.epochs=20", "fit.engine=graph")
    run = train_bare(spec, tmp_path / "runs", settings=settings, options=replace(BARE, baseline=True))
    measured = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    network, baseline = measured["test"]["root_mean_squared_error"], measured["baseline"]
    assert network < 0.7 * baseline["linear"] < 0.3 * baseline["mean"]


def test_a_target_with_a_long_tail_is_told_of_its_logarithm(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    draw = np.random.default_rng(0)
    for name, values, told in (
        ("rents", np.exp(draw.normal(7, 0.8, 500)), True),
        ("sizes", draw.normal(50, 5, 500), False),
        ("debts", np.exp(draw.normal(7, 0.8, 500)) - 1000, False),
    ):
        rows = "".join(f"{n % 13}.5,{value:.2f}\n" for n, value in enumerate(values))
        (tmp_path / f"{name}.csv").write_text(f"x,y\n{rows}", encoding="utf-8")
        spec = tmp_path / f"{name}.yaml"
        made = mlpcli("init", tmp_path / f"{name}.csv", "--target", "y", "-o", spec)
        assert made.status == 0, made.err
        assert ("target_scaling: log" in spec.read_text(encoding="utf-8")) is told, name


def test_a_wide_table_gets_a_spec_that_can_be_read(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    columns = 1200
    rows = "".join(
        ",".join(str((n * k) % 7 + k / 8) for n in range(columns)) + f",{k / 3}\n" for k in range(40)
    )
    header = ",".join(f"c{n}" for n in range(columns))
    (tmp_path / "wide.csv").write_text(f"{header},y\n{rows}", encoding="utf-8")
    made = mlpcli("init", tmp_path / "wide.csv", "--target", "y", "-o", tmp_path / "wide.yaml")
    assert made.status == 0, made.err
    text = (tmp_path / "wide.yaml").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    named = load_spec(tmp_path / "wide.yaml").spec.dataset.features  # those that determine the target
    assert isinstance(named, dict)
    assert list(named) == [f"c{7 * place}" for place in range(10)]
    words = " ".join((made.out + made.err).split())
    assert words.count("determines the target 'y' by itself") == 10
    assert "162 more columns determine the target by themselves" in words


def test_check_has_no_advice_on_what_init_writes(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_of_many_rows = replace(EFFORTS["best"], visits=30_000)
    monkeypatch.setitem(EFFORTS, "best", as_of_many_rows)
    draw = random.Random(3)
    sorts = draw.choices(["u", "v", "w"], [90, 8, 2], k=1000)
    data, spec = tmp_path / "t.csv", tmp_path / "t.yaml"
    data.write_text("\n".join(["a,sort", *(f"{draw.random():.4f},{sort}" for sort in sorts)]) + "\n")
    assert mlpcli("init", data, "--target", "sort", "-o", spec, "--effort", "best").status == 0
    found = yaml.safe_load(spec.read_text(encoding="utf-8"))
    assert found["fit"] == {"epochs": 42, "batch_size": 64}
    assert found["metrics"] == ["accuracy", {"F1Score": {"average": "macro"}}]
    assert json.loads(mlpcli("check", spec, "--json").out)["advice"] == []


@pytest.mark.parametrize(("days", "said"), [(365, True), (1100, False)])
def test_init_says_which_months_only_later_rows_hold(
    days: int, said: bool, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    start = datetime.date(2023, 1, 1)
    lines = [f"{start + datetime.timedelta(days=day)},{day % 17},{day % 17 * 1.5}" for day in range(days)]
    (tmp_path / "t.csv").write_text("day,x,y\n" + "\n".join(lines) + "\n", encoding="utf-8")
    assert mlpcli("init", tmp_path / "t.csv", "--target", "y", "-o", tmp_path / "t.yaml").status == 0
    text = (tmp_path / "t.yaml").read_text(encoding="utf-8")
    note = "month: the training rows lack 4 values of later rows; compare with parts: [weekday]"
    assert (note in text) is said
    assert "parts: [month, weekday]" in text
