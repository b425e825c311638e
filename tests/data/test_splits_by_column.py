"""Splits by groups, by time, by a column of names, and by the quantiles of a target of numbers."""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.model_selection import train_test_split

from mlpcli.codegen.read_data import data_code
from mlpcli.data.dataset import Dataset
from mlpcli.data.group_split import MOST_TRIED, take_groups, take_latest
from mlpcli.data.load import Request, load_dataset
from mlpcli.data.split_columns import split_column_of
from mlpcli.data.types import Array
from mlpcli.errors import MlpcliError, SpecError, UsageError
from mlpcli.spec.load import load_spec, load_text, located
from mlpcli.spec.resolve import resolve_spec
from mlpcli.spec.split_forms import SplitBy
from tests.bare_runs import train_bare
from tests.conftest import Result

ROWS = 240
LAYERS = "layers: [Dense: {units: 1}]\nloss: mse\n"


def table(folder: Path) -> dict[str, list[str]]:
    """Write visits of customers, in the order of their dates; return the columns."""
    random = np.random.RandomState(1)
    start = datetime.date(2024, 1, 1)
    names = ["Train", "TRAINING ", "train", "Val", "validation", "test"]
    columns = {
        "customer": [f"c{n}" for n in random.randint(0, 40, ROWS)],
        "day": [str(start + datetime.timedelta(days=n // 4)) for n in range(ROWS)],
        "x": [str(value) for value in random.rand(ROWS)],
        "part": [names[n] for n in random.randint(0, 6, ROWS)],
        "y": [str(value) for value in random.rand(ROWS)],
        "bought": [("no", "yes")[n] for n in (random.rand(ROWS) < 0.3).astype(int)],
    }
    lines = [",".join(columns), *(",".join(row) for row in zip(*columns.values(), strict=True))]
    (folder / "visits.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return columns


def load(folder: Path, splits: str, *, target: str = "y", seed: int = 42) -> Dataset:
    """Load the table by a spec with these keys of its dataset, as training would."""
    text = f"seed: {seed}\ndataset: {{path: visits.csv, target: {target}, {splits}}}\n{LAYERS}"
    loaded = load_text(text, folder / "spec.yaml")
    request = Request({"": "numbers" if target == "y" else "classes"})
    with located(loaded):
        return load_dataset(loaded.spec.dataset, request, seed=loaded.spec.seed, folder=folder)


def values(columns: dict[str, list[str]], name: str, rows: Array) -> set[str]:
    return {columns[name][row] for row in rows.tolist()}


def test_no_group_is_in_two_splits_and_shares_are_near_those_asked_for(tmp_path: Path) -> None:
    columns = table(tmp_path)
    keys = "test: {share: 0.2, by: customer}, validation: {share: 0.25, by: customer}"
    found = load(tmp_path, keys, target="bought")
    splits = found.splits()
    groups = {name: values(columns, "customer", split.rows) for name, split in splits.items()}
    assert not groups["train"] & groups["test"]
    assert not groups["train"] & groups["validation"]
    assert not groups["validation"] & groups["test"]
    assert len(splits["test"]) == pytest.approx(48, abs=4)
    assert len(splits["validation"]) == pytest.approx(48, abs=4)
    shares = [np.mean(split.y) for split in splits.values()]  # of the class yes
    assert np.ptp(shares) < 0.06
    assert sorted(np.concatenate([split.rows for split in splits.values()]).tolist()) == [*range(ROWS)]
    again, other = (load(tmp_path, keys, target="bought", seed=seed) for seed in (42, 43))
    assert again.fingerprint == found.fingerprint != other.fingerprint
    assert found.contract.features == ("day", "x", "part", "y")  # a group is no feature
    assert "divides the rows" in found.excluded["customer"]


def test_the_latest_rows_are_taken_and_rows_of_a_day_are_on_one_side(tmp_path: Path) -> None:
    columns = table(tmp_path)
    found = load(tmp_path, "test: {last: 30, by: day}, features: {day: date}")
    days = {name: values(columns, "day", split.rows) for name, split in found.splits().items()}
    assert max(days["train"]) < min(days["validation"]) <= max(days["validation"]) < min(days["test"])
    assert len(found.splits()["test"]) == 32  # whole days of four rows
    assert len(found.splits()["validation"]) == 44  # by time as the test split is: 0.2 of 208 is 42
    assert "day" in found.contract.features  # since it is named


def test_a_column_names_the_split_of_each_row_in_any_spelling(tmp_path: Path) -> None:
    columns = table(tmp_path)
    found = load(tmp_path, "split: part").splits()
    assert values(columns, "part", found["test"].rows) == {"test"}
    assert values(columns, "part", found["validation"].rows) == {"Val", "validation"}
    assert values(columns, "part", found["train"].rows) == {"Train", "TRAINING ", "train"}
    whole = load(tmp_path, "split: part, validation: null")
    assert len(whole.train) == len(found["train"]) + len(found["validation"])
    assert whole.settled == {"validation": None}


def test_a_split_that_the_column_does_not_name_is_made_as_the_spec_says(tmp_path: Path) -> None:
    table(tmp_path)
    path = tmp_path / "visits.csv"
    path.write_text(path.read_text().replace("Val,", "train,").replace("validation,", "train,"))
    named = load(tmp_path, "split: part")
    assert set(named.splits()) == {"train", "test"}
    drawn = load(tmp_path, "split: part, validation: 0.25").splits()
    assert len(drawn["validation"]) == math.ceil(0.25 * len(named.train))
    assert drawn["test"].rows.tolist() == named.splits()["test"].rows.tolist()


def test_a_split_is_stratified_by_the_quantiles_of_numbers_on_request(tmp_path: Path) -> None:
    y = np.array(table(tmp_path)["y"], np.float64)
    found = load(tmp_path, "test: {share: 0.25, stratify: quantile}, validation: null").splits()
    edges = np.quantile(y, np.arange(1, 10) / 10)
    counts = np.bincount(np.searchsorted(edges, y[found["test"].rows]), minlength=10)
    assert counts.tolist() == [6] * 10
    plain = load(tmp_path, "test: {share: 0.25}, validation: null").splits()["test"]
    same = train_test_split(np.arange(ROWS), test_size=0.25, random_state=42)[1]
    assert plain.rows.tolist() == same.tolist()


@pytest.mark.parametrize(
    "keys",
    [
        "test: {last: 0.2, by: day}, validation: {share: 0.2, by: customer}",
        "test: {share: 0.2, by: customer}, validation: {last: 40}",
        "test: 0.2, validation: {last: 0.1, by: day}",
        "test: {last: 0.1}, validation: {share: 0.2, stratify: quantile}",
        "split: part",
    ],
)
def test_the_resolved_spec_gives_the_same_splits(tmp_path: Path, keys: str) -> None:
    table(tmp_path)
    first = load(tmp_path, keys)
    loaded = load_text(
        f"dataset: {{path: visits.csv, target: y, {keys}}}\n{LAYERS}metrics: [mae]\n", tmp_path / "spec.yaml"
    )
    resolved = resolve_spec(loaded, first.settled, first.features)
    again = load_text(resolved, tmp_path / "resolved.yaml")
    second = load_dataset(again.spec.dataset, Request({"": "numbers"}), seed=42, folder=tmp_path)
    assert second.fingerprint == first.fingerprint


def test_folds_find_the_column_that_the_splits_go_by(tmp_path: Path) -> None:
    columns = table(tmp_path)
    found = load(tmp_path, "test: {share: 0.2, by: customer}, validation: {last: 0.2, by: day}")
    spec = load_text(
        "dataset: {path: visits.csv, target: y, validation: {last: 0.2, by: day}}\n" + LAYERS, tmp_path / "s"
    ).spec.dataset
    time = split_column_of(spec, found.split_columns)
    assert time is not None
    assert (time.name, time.sort) == ("day", "time")
    assert [time.texts[place] for place in time.values] == columns["day"]
    assert (np.diff(time.values) >= 0).all()


SPEC = "spec.yaml:2:"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            "test: {by: day}",
            "dataset.test: must have share (a fraction of the rows) or last (the latest rows)",
        ),
        ("test: {share: 0.2, last: 5}", "dataset.test: must have share (a fraction of the rows) or last"),
        ("test: {last: 0.2, stratify: quantile}", "dataset.test.stratify: is for rows that are drawn"),
        ("test: {share: 2, by: day}", "dataset.test.share: must be a fraction between 0 and 1, received 2"),
        (
            "test: {last: 0.2, by: customer}",
            "dataset.test.by: must be a column of dates, years or other times",
        ),
        ("validation: {last: 9, by: x}", "dataset.validation.by: must be a column of dates, years or other"),
        ("test: {share: 0.2, by: x}", "dataset.test.by: must be a column whose values name groups"),
        ("test: {share: 0.2, by: custmer}", "dataset.test.by: must be a column of visits.csv"),
        ("test: {share: 0.2, by: y}", "dataset.test.by: is the target"),
        (
            "test: {share: 0.2, by: bought}",
            "dataset.test.by: needs a group for validation and one to train on",
        ),
        ("split: part, test: 0.2", "dataset.test: cannot be set, column 'part' has rows of this split"),
        (
            "split: 0.2",
            "dataset.split: must be the name of a column with the values train, validation and test",
        ),
    ],
)
def test_what_a_split_cannot_be_is_said_with_its_place(tmp_path: Path, keys: str, message: str) -> None:
    table(tmp_path)
    with pytest.raises(SpecError) as caught:
        load(tmp_path, keys)
    (problem,) = caught.value.problems
    assert SPEC in problem.headline()
    assert message in problem.headline()


def test_a_split_replaces_the_inherited_one_as_a_whole(tmp_path: Path) -> None:
    table(tmp_path)
    base = f"dataset: {{path: visits.csv, target: y, test: {{share: 0.2, by: customer}}}}\n{LAYERS}"
    (tmp_path / "base.yaml").write_text(base)
    own = tmp_path / "own.yaml"
    own.write_text("extends: base.yaml\ndataset: {test: {last: 0.1, by: day}}\n")
    assert load_spec(own).spec.dataset.test == SplitBy(last=0.1, by="day")
    settings = ["dataset.test={last: 9}", "dataset.validation.share=0.3", "dataset.validation.by=customer"]
    found = load_spec(own, settings=settings).spec.dataset
    assert (found.test, found.validation) == (SplitBy(last=9), SplitBy(share=0.3, by="customer"))


def test_cells_that_name_no_split_and_no_time_are_named_with_their_rows(tmp_path: Path) -> None:
    table(tmp_path)
    path = tmp_path / "visits.csv"
    lines = path.read_text().splitlines()
    cells = lines[2].split(",")
    cells[1], cells[3] = "", "tset"
    path.write_text("\n".join([*lines[:2], ",".join(cells), *lines[3:]]) + "\n")
    with pytest.raises(MlpcliError) as caught:
        load(tmp_path, "split: part")
    assert "visits.csv row 2 (line 3), column 'part': must be train, validation or test" in str(caught.value)
    assert "did you mean 'test'?" in str(caught.value)
    with pytest.raises(MlpcliError) as caught:
        load(tmp_path, "test: {last: 0.2, by: day}")
    assert "visits.csv row 2 (line 3), column 'day': must be a date such as 2024-05-31" in str(caught.value)


@pytest.mark.parametrize("source", ["{name: iris, ", "{path: rows.npz, "])
def test_rows_without_columns_cannot_be_divided_by_one(tmp_path: Path, source: str) -> None:
    np.savez(tmp_path / "rows.npz", x=np.ones((20, 2)), y=np.arange(20.0))
    text = f"dataset: {source}test: {{share: 0.2, by: customer}}, split: part}}\n{LAYERS}"
    spec = load_text(text, tmp_path / "spec.yaml").spec.dataset
    with pytest.raises(SpecError) as caught:
        load_dataset(spec, Request({"": None}), seed=1, folder=tmp_path)
    assert [problem.path for problem in caught.value.problems] == [
        ("dataset", "split"),
        ("dataset", "test", "by"),
    ]
    assert all("CSV, TSV or Parquet" in problem.rule for problem in caught.value.problems)


def test_many_groups_are_taken_as_few_are() -> None:
    random = np.random.RandomState(0)
    groups = random.randint(0, 4 * MOST_TRIED, 60_000)
    labels = (groups % 3 == 0).astype(int)  # a group is of one class
    mask = take_groups(groups, 12_000, seed=3, labels=labels)
    assert mask is not None
    assert not {*groups[mask].tolist()} & {*groups[~mask].tolist()}
    assert mask.sum() == pytest.approx(12_000, abs=5)
    assert mask[labels == 1].mean() == pytest.approx(0.2, abs=1e-3)


def test_a_group_that_holds_a_whole_class_stays_for_training() -> None:
    groups = np.repeat(np.arange(10), 10)
    labels = np.where(groups == 4, 1, 0)
    for seed in range(20):
        mask = take_groups(groups, 20, seed=seed, labels=labels)
        assert mask is not None
        assert mask.sum() == 20
        assert not mask[groups == 4].any()
    pair = np.array([0, 0, 1, 1])
    assert take_groups(pair, 2, seed=0, labels=pair) is None
    mask = take_groups(pair, 2, seed=0, labels=pair, keep=False)  # bins of numbers are no classes
    assert mask is not None
    assert mask.sum() == 2


def test_the_latest_rows_end_where_a_time_ends() -> None:
    times = np.array([1, 5, 5, 5, 2, 9])
    assert take_latest(times, 1).tolist() == [False] * 5 + [True]  # type: ignore[union-attr]
    assert take_latest(times, 2).sum() == 1  # type: ignore[union-attr]
    assert take_latest(times, 3).sum() == 4  # type: ignore[union-attr]
    assert take_latest(np.ones(4), 2) is None


@pytest.mark.parametrize(
    "keys",
    [
        "test: {share: 0.2, by: customer}, validation: {last: 0.2, by: day}",
        "test: {share: 0.25, stratify: quantile}, validation: {last: 0.1}",
        "split: part",
        "split: part, validation: null",
    ],
)
def test_a_script_takes_the_same_rows(tmp_path: Path, keys: str) -> None:
    table(tmp_path)
    keys += ", features: [x], scaling: none"
    found = load(tmp_path, keys)
    text = f"dataset: {{path: visits.csv, target: y, {keys}}}\n{LAYERS}"
    code = data_code(load_text(text, tmp_path / "spec.yaml").spec, found, tmp_path)
    names: dict[str, Any] = {}
    program = ["import numpy as np", "SEED = 42", *code.imports, *code.functions, *code.lines]
    exec("\n".join(program), names)
    for name, split in found.splits().items():
        assert names[f"x_{name}"].tolist() == split.x.tolist()
        assert names[f"y_{name}"].tolist() == split.y.tolist()


def test_a_script_is_refused_where_cells_are_not_plain(tmp_path: Path) -> None:
    table(tmp_path)
    path = tmp_path / "visits.csv"
    path.write_text(re.sub(r"2024-0(\d)-(\d\d)", r"\2.0\1.2024", path.read_text()))
    keys = "test: {last: 0.2, by: day}, validation: null, features: [x], scaling: none"
    text = f"dataset: {{path: visits.csv, target: y, {keys}}}\n{LAYERS}"
    with pytest.raises(UsageError, match="a split by column 'day', whose cells are not written plainly"):
        data_code(load_text(text, tmp_path / "spec.yaml").spec, load(tmp_path, keys), tmp_path)


@pytest.mark.slow
def test_a_run_of_groups_is_evaluated_continued_and_predicts(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    table(tmp_path)
    spec = tmp_path / "spec.yaml"
    keys = "test: {share: 0.2, by: customer}, validation: {last: 0.2, by: day}, features: [x, part]"
    spec.write_text(
        f"dataset: {{path: visits.csv, target: y, {keys}}}\nlayers: [Dense: {{units: 1}}]\nloss: mse\n"
        "fit: {epochs: 2, batch_size: 64, engine: graph}\ncallbacks: [TensorBoard: false]\n"
    )
    run = train_bare(spec, tmp_path / "runs").folder
    resolved = yaml.safe_load((run / "resolved.yaml").read_text())["dataset"]
    assert resolved["test"] == {"share": 0.2, "by": "customer"}
    assert resolved["features"]["customer"] == "ignore"
    evaluated = json.loads(mlpcli("evaluate", run, "--json").out)
    measured = json.loads((run / "metrics.json").read_text())["test"]
    assert evaluated["metrics"]["loss"] == pytest.approx(measured["loss"], rel=1e-6)
    more = mlpcli("train", "--continue", run, "--epochs", "1", "--json", "--runs-dir", tmp_path / "runs")
    assert more.status == 0, more.err
    new = tmp_path / "new.csv"
    new.write_text("x,part\n0.5,train\n0.1,test\n")  # neither groups nor times are needed any more
    assert mlpcli("predict", run, new).out.count("\n") == 3
