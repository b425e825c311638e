"""`dataset.positive_class`: which of two classes is the second, in every place that is about one of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.estimators import MlpClassifier
from mlpcli.spec.load import load_spec
from mlpcli.training.find_data import load_data
from tests.bare_runs import train_bare
from tests.conftest import Result

Cli = Callable[..., Result]
SPEC = """\
name: cases
dataset: {path: cases.csv, target: y, positive_class: fraud}
layers: [Dense: {units: 1, activation: sigmoid}]
metrics: [Recall]
optimizer: {Adam: {learning_rate: 0.1}}
fit: {epochs: 30, engine: graph}
predict: {threshold: {metric: f1}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of which one row in eight is `fraud`: those whose size is above the others'."""
    lines = [
        f"{i * 7 % 400},{'fraud' if i * 7 % 400 >= 350 else 'ok'},{i % 3},{i % 8 == 0}" for i in range(400)
    ]
    (tmp_path / "cases.csv").write_text("\n".join(["size,y,three,flag", *lines]) + "\n", encoding="utf-8")
    (tmp_path / "cases.yaml").write_text(SPEC, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("target", "positive", "classes"),
    [
        ("y", "fraud", ("ok", "fraud")),
        ("y", "ok", ("fraud", "ok")),
        ("y", "null", ("fraud", "ok")),
        ("flag", "false", ("true", "false")),
        ("flag", "'False'", ("true", "false")),
    ],
)
def test_the_positive_class_is_the_second(
    folder: Path, target: str, positive: str, classes: tuple[str, str]
) -> None:
    changes = [f"dataset.target={target}", f"dataset.positive_class={positive}", "predict=null"]
    data = load_data(load_spec(folder / "cases.yaml", settings=changes))
    output = data.contract.output
    assert output.classes == classes
    labels = [line.split(",") for line in (folder / "cases.csv").read_text().splitlines()]
    column = labels[0].index(target)
    written = [labels[1 + row][column].lower() for row in data.train.rows]
    assert [classes[place] for place in data.train.y] == written


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (
            "dataset.positive_class=frod",
            "must be a class of the target, received 'frod'; the classes are fraud, ok",
        ),
        ("dataset.target=three", "is for two classes, the target has 3, received 'fraud'; remove it"),
        ("dataset.target=size", "is for a single target of two classes, received 'fraud'; remove it"),
    ],
)
def test_a_positive_class_that_is_none_is_told_at_its_place(
    folder: Path, mlpcli: Cli, change: str, rule: str
) -> None:
    loss = "mse" if "size" in change else "sparse_categorical_crossentropy"
    layers = f"layers=[Dense: {{units: {1 if 'size' in change else 3}}}]"
    more = [change, "predict=null", f"loss={loss}", layers, "metrics=[]"]
    found = mlpcli("check", "cases.yaml", *(part for each in more for part in ("--set", each)))
    assert found.status == 2
    assert "dataset.positive_class: " + rule in found.err.replace("\n", " ")


def test_other_data_has_no_positive_class(folder: Path, mlpcli: Cli) -> None:
    found = mlpcli("check", "cases.yaml", "--set", "dataset={name: xor, positive_class: '1'}")
    assert "is for files, a built-in dataset is used unchanged" in found.err
    with pytest.raises(Exception, match="would put classes in another order than the sorted classes_"):
        MlpClassifier(spec="cases.yaml").fit([[float(i)] for i in range(20)], ["ok", "fraud"] * 10)


def test_init_writes_the_rare_class_as_the_positive_one(folder: Path, mlpcli: Cli) -> None:
    assert mlpcli("init", "cases.csv", "--target", "y", "-o", "new.yaml").status == 0
    dataset = load_spec(folder / "new.yaml").spec.dataset
    assert dataset.positive_class == "fraud"
    assert mlpcli("init", "cases.csv", "--target", "flag", "-o", "flag.yaml").status == 0
    assert load_spec(folder / "flag.yaml").spec.dataset.positive_class is None


@pytest.mark.slow
def test_thresholds_metrics_and_explanations_are_about_the_positive_class(folder: Path, mlpcli: Cli) -> None:
    run = train_bare(folder / "cases.yaml", folder / "runs")
    measured = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert measured["threshold"]["class"] == "fraud"
    threshold = measured["threshold"]["probability"]
    found = mlpcli("predict", "cases", "cases.csv", "-o", "out.csv")
    assert found.status == 0, found.err
    header, *rows = (line.split(",") for line in (folder / "out.csv").read_text().splitlines())
    assert header == ["predicted_y", "probability_ok", "probability_fraud"]
    assert all((float(row[2]) >= threshold) == (row[0] == "fraud") for row in rows)
    assert sum(row[0] == "fraud" for row in rows) == pytest.approx(50, abs=25)
    told = json.loads(mlpcli("explain", "cases", "--json").out)
    assert "fraud" in json.dumps(told)


def test_what_init_and_inspect_say_of_the_classes_is_of_the_positive_one(folder: Path, mlpcli: Cli) -> None:
    assert mlpcli("init", "cases.csv", "--target", "y", "-o", "new.yaml", "--effort", "fast").status == 0
    assert 'the output is the probability of "fraud"' in (folder / "new.yaml").read_text(encoding="utf-8")
    rarer = (folder / "cases.csv").read_text(encoding="utf-8").replace(",fraud,1", ",ok,1")
    (folder / "rarer.csv").write_text(rarer, encoding="utf-8")
    shown = " ".join(mlpcli("inspect", "rarer.csv", "--target", "y").out.split())
    assert "try dataset: {positive_class: fraud} with predict: {threshold: {metric: f1}}" in shown


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("erfasst", "splits at random; to test on the latest rows by column 'erfasst': --split erfasst"),
        ("Stichtag", "splits by latest rows: column 'Stichtag' holds the date of each row"),
        ("birth_date", ""),
    ],
)
def test_a_column_of_dates_by_which_rows_could_be_split_is_named(
    folder: Path, mlpcli: Cli, name: str, said: str
) -> None:
    lines = [f"2024-{i * 7 % 12 + 1:02d}-{i * 5 % 28 + 1:02d},{i * 3 % 17},{i % 2}" for i in range(200)]
    (folder / "dated.csv").write_text("\n".join([f"{name},size,y", *lines]) + "\n", encoding="utf-8")
    found = mlpcli("init", "dated.csv", "--target", "y", "-o", "d.yaml", "--json")
    assert found.status == 0, found.err
    assert json.loads(found.out)["splits"].startswith(said)
    assert bool(json.loads(found.out)["splits"]) == bool(said)
