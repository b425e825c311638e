"""Which run of a name speaks, `--best`, and what is checked before TensorFlow is imported."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.conftest import Result

EVALUATE = ("evaluate", "--no-figures")
FEW = "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n"


@pytest.fixture
def three_runs(tiny_run: Path, tmp_path: Path) -> Path:
    """A runs folder with three runs named `tiny`, of which the middle one is best."""
    runs_dir = tmp_path / "runs"
    (folder,) = (tiny_run / "tiny").iterdir()
    for day, loss in (("01", 0.5), ("02", 0.25), ("03", 0.75)):
        copy = runs_dir / "tiny" / f"2026-01-{day}_00-00-00"
        shutil.copytree(folder, copy)
        record = json.loads((copy / "run.json").read_text())
        record["metrics"]["validation"]["loss"] = loss
        record["best"] |= {"value": 0.125, "epoch": 1}  # of the history: the kept models do not reach it
        (copy / "run.json").write_text(json.dumps(record))
    return runs_dir


def test_the_newest_run_speaks_and_a_line_names_the_better_one(
    three_runs: Path, mlpcli: Callable[..., Result]
) -> None:
    result = mlpcli(*EVALUATE, "tiny", "--runs-dir", three_runs, "--json")
    assert json.loads(result.out)["run"] == "tiny/2026-01-03_00-00-00"
    assert (
        "tiny/2026-01-03_00-00-00 is the newest run; "
        "an older one has a better val_loss (0.2500 against 0.7500): "
        "tiny/2026-01-02_00-00-00; --best takes it"
    ) in " ".join(result.err.split())
    best = mlpcli(*EVALUATE, "tiny", "--best", "--runs-dir", three_runs, "--json")
    assert json.loads(best.out)["run"] == "tiny/2026-01-02_00-00-00"
    assert "best of 3: tiny/2026-01-02_00-00-00, val_loss 0.2500" in best.err
    named = mlpcli(*EVALUATE, "tiny/2026-01-03_00-00-00", "--runs-dir", three_runs, "--json")
    assert named.err == ""


def test_a_metric_that_should_be_large_is_best_when_it_is_large(
    three_runs: Path, mlpcli: Callable[..., Result]
) -> None:
    for day, accuracy in (("01", 0.5), ("02", 0.25), ("03", 0.25)):
        path = three_runs / "tiny" / f"2026-01-{day}_00-00-00" / "run.json"
        record = json.loads(path.read_text())
        record["best"] = {"monitor": "val_accuracy", "value": 0.9, "epoch": 1}
        record["metrics"]["validation"]["accuracy"] = accuracy
        path.write_text(json.dumps(record))
    rows = three_runs.parent / "rows.npy"
    import numpy as np

    np.save(rows, np.zeros((2, 4), np.float32))
    result = mlpcli("predict", "tiny", rows, "--best", "--runs-dir", three_runs, "--json")
    assert json.loads(result.out)["run"] == "tiny/2026-01-01_00-00-00"


def test_runs_with_another_monitor_are_not_compared(three_runs: Path, mlpcli: Callable[..., Result]) -> None:
    path = three_runs / "tiny" / "2026-01-02_00-00-00" / "run.json"
    record = json.loads(path.read_text())
    record["best"]["monitor"] = "val_accuracy"
    path.write_text(json.dumps(record))
    result = mlpcli(*EVALUATE, "tiny", "--best", "--runs-dir", three_runs)
    assert "best of 2: tiny/2026-01-01_00-00-00" in result.err
    assert "1 with another monitor left out" in " ".join(result.err.split())


def test_a_run_with_a_damaged_spec_is_not_compared(three_runs: Path) -> None:
    from mlpcli.runs.best_run import better_than_newest, comparable
    from mlpcli.runs.folder import finished_runs
    from mlpcli.runs.remove import useless_runs

    def better() -> str:
        found = better_than_newest(finished_runs("tiny", three_runs))
        return "" if found is None else found[0].run.folder.name

    assert better() == "2026-01-02_00-00-00"
    (three_runs / "tiny" / "2026-01-02_00-00-00" / "resolved.yaml").write_text("loss: [")
    assert better() == "2026-01-01_00-00-00"
    compared = comparable(finished_runs("tiny", three_runs))
    assert (len(compared.scores), compared.left_out) == (2, {"a damaged spec": 1})
    assert not any("not the best" in each.reason for each in useless_runs(three_runs, older=True))
    (three_runs / "tiny" / "2026-01-03_00-00-00" / "resolved.yaml").write_text("loss: [")
    assert better() == ""


def test_the_best_run_is_packed(three_runs: Path, mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    result = mlpcli("pack", "tiny", "--best", "--runs-dir", three_runs, "-o", tmp_path / "t.zip", "--json")
    assert result.status == 0, result.err
    assert "best of 3: tiny/2026-01-02_00-00-00, val_loss 0.2500" in result.err
    with zipfile.ZipFile(tmp_path / "t.zip") as packed:
        assert any("2026-01-02_00-00-00" in name for name in packed.namelist())


def test_best_of_one_run_is_refused(three_runs: Path, mlpcli: Callable[..., Result]) -> None:
    result = mlpcli(*EVALUATE, "tiny/2026-01-01_00-00-00", "--best", "--runs-dir", three_runs)
    assert (result.status, result.err.startswith("--best chooses among the runs of a name")) == (2, True)
    assert mlpcli("train", "x.yaml", "--best").err.startswith("--best is for --continue")


def test_a_run_on_other_rows_or_with_another_loss_is_not_called_better(
    three_runs: Path, mlpcli: Callable[..., Result]
) -> None:
    better = three_runs / "tiny" / "2026-01-02_00-00-00"
    record = json.loads((better / "run.json").read_text())
    for key in ("targets", "unscaled_targets"):
        digests = record["data"][key]
        assert set(digests) == set(record["data"]["rows"])
        record["data"][key] = digests | {"validation": "of a file that was rewritten since"}
    (better / "run.json").write_text(json.dumps(record))
    result = mlpcli(*EVALUATE, "tiny", "--best", "--runs-dir", three_runs)
    assert "best of 2: tiny/2026-01-01_00-00-00" in result.err
    assert "1 with other validation rows left out" in " ".join(result.err.split())
    del record["data"]["targets"], record["data"]["unscaled_targets"]  # as once: the fingerprint tells
    (better / "run.json").write_text(json.dumps(record))
    result = mlpcli(*EVALUATE, "tiny", "--runs-dir", three_runs)
    assert "better val_loss (0.2500 against 0.7500)" in " ".join(result.err.split())
    record["data"]["fingerprint"] = "0" * 64
    (better / "run.json").write_text(json.dumps(record))
    other = three_runs / "tiny" / "2026-01-01_00-00-00"
    resolved = yaml.safe_load((other / "resolved.yaml").read_text())
    resolved["loss"] = "mse"
    (other / "resolved.yaml").write_text(yaml.safe_dump(resolved))
    assert "better" not in mlpcli(*EVALUATE, "tiny", "--runs-dir", three_runs).err


def test_the_same_targets_have_the_same_digest_whatever_columns_are_read() -> None:
    import numpy as np

    from mlpcli.data.dataset import Split
    from mlpcli.data.fingerprint import target_digests

    def digest(x: int, y: list[float], weights: list[float] | None = None) -> str:
        given = None if weights is None else np.array(weights, np.float32)
        split = Split(np.zeros((len(y), x), np.float32), np.array(y, np.float32), np.arange(len(y)), given)
        return target_digests({"validation": split})["validation"]

    assert digest(2, [1, 2, 3]) == digest(5, [1, 2, 3])
    assert digest(2, [1, 2, 3]) != digest(2, [1, 3, 2])
    assert digest(2, [1, 2, 3]) != digest(2, [1, 2, 3], [1, 1, 2])


CHEAP: dict[str, tuple[tuple[str, ...], str]] = {
    "a missing file": (("predict", "tiny", "none.csv"), "none.csv: there is no such file"),
    "an output that exists": (
        ("predict", "tiny", "rows.csv", "-o", "rows.csv"),
        "-o rows.csv: the file exists",
    ),
    "rejects that exist": (
        ("predict", "tiny", "rows.csv", "--rejects", "rows.csv"),
        "--rejects rows.csv: the file exists",
    ),
    "an unknown format": (
        ("predict", "tiny", "rows.csv", "-o", "a.xlsx"),
        "-o a.xlsx: the extension must be",
    ),
    "a column to keep": (
        ("predict", "tiny", "rows.csv", "--keep", "id"),
        "--keep: rows.csv has no column 'id'",
    ),
    "a split": (("evaluate", "tiny", "--split", "tset"), "run tiny/"),
    "a file without the target": (
        ("evaluate", "tiny", "--data", "rows.csv"),
        "rows.csv: has no target (column 'target'), with which predictions are compared; for rows",
    ),
    "a file of something else": (
        ("evaluate", "tiny", "--data", "other.csv"),
        "other.csv: none of the 4 columns of the model is in it; is it the right file, or the right run?",
    ),
}


@pytest.mark.parametrize("name", CHEAP)
def test_what_is_cheap_is_checked_before_the_model_is_loaded(
    name: str,
    tiny_run: Path,
    mlpcli: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mlpcli.inference import evaluate, predict

    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(FEW + "1,2,3,4\n")
    Path("other.csv").write_text("island,species\n1,2\n")
    for module in (evaluate, predict):
        monkeypatch.setattr(module, "load_trained", None)  # it is not called
    command, message = CHEAP[name]
    result = mlpcli(*command, "--runs-dir", tiny_run)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith(message)


@pytest.mark.parametrize(
    "command", [("reproduce", "tiny"), ("evaluate", "tiny"), ("train", "--continue", "tiny", "--epochs", "1")]
)
def test_data_that_is_gone_is_told_before_tensorflow_is_imported(
    command: tuple[str, ...],
    three_runs: Path,
    mlpcli: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mlpcli.cli.named import check_data
    from mlpcli.runs.folder import find_run

    folder = three_runs / "tiny" / "2026-01-03_00-00-00"
    resolved = yaml.safe_load((folder / "resolved.yaml").read_text())
    resolved["dataset"] = {"path": "/gone/study/rows.csv", "target": "y"}
    (folder / "resolved.yaml").write_text(yaml.safe_dump(resolved))
    for module in ("training.reproduce", "training.resume", "inference.evaluate"):
        monkeypatch.setitem(sys.modules, f"mlpcli.{module}", None)  # it is not imported
    result = mlpcli(*command, "--runs-dir", three_runs)
    assert (result.status, result.out) == (2, "")
    assert "dataset.path: there is no such file, received '/gone/study/rows.csv'" in result.err
    (three_runs / "rows.csv").write_text("y\n")
    check_data(find_run("tiny", three_runs))  # near the run: it is read there


@pytest.mark.parametrize("output", [None, "out.csv", "out.parquet", "out.npy", "out.jsonl"])
def test_rows_that_are_all_rejected_leave_an_empty_prediction(
    output: str | None,
    tiny_run: Path,
    mlpcli: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(FEW + "x,2,3,4\n1,y,3,4\n")
    options = () if output is None else ("-o", output)
    result = mlpcli("predict", "tiny", "rows.csv", "--rejects", "bad.csv", *options, "--runs-dir", tiny_run)
    assert result.status == 0
    shown = result.err if output is None else result.out
    assert shown.startswith("0 predictions")
    assert shown.endswith("2 rows rejected, see bad.csv\n")
    assert len(Path("bad.csv").read_text().splitlines()) == 3
    if output == "out.csv":
        assert Path(output).read_text().startswith("predicted_target,")


def test_problems_of_the_spec_and_of_its_data_come_together(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("size,city,price\n1,rome,3\n2,oslo,4\n3,bern,5\n4,rome,6\n")
    layers = "layers: [{Dnse: {units: 1}}]\nloss: mse\n"
    (tmp_path / "a.yaml").write_text("dataset: {path: t.csv, target: prise, features: [area]}\n" + layers)
    said = [line for line in mlpcli("check", tmp_path / "a.yaml").err.splitlines() if ".yaml:" in line]
    assert [line.split(": ", 1)[0].rsplit(" ", 1)[1] for line in said] == [
        "dataset.target",
        "dataset.features[0]",
        "layers[0].Dnse",
    ]
    (tmp_path / "b.yaml").write_text("dataset: {path: u.csv, target: price}\n" + layers)
    for command in ("check", "train", "lr-find"):
        error = mlpcli(command, tmp_path / "b.yaml", "--runs-dir", tmp_path).err
        assert "there is no such file, received 'u.csv'" in error
        assert "unknown layer, received 'Dnse'" in error


def test_a_wrong_kind_is_one_problem(mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    rows = "".join(f"{n},{'rob'[n % 3]},{n * 2}\n" for n in range(40))
    (tmp_path / "t.csv").write_text("size,city,price\n" + rows)
    spec = "dataset: {path: t.csv, target: price, features: {city: {kind: numeric}}}\n"
    (tmp_path / "a.yaml").write_text(spec + "layers: [{Dense: {units: 1}}]\nloss: mse\n")
    result = mlpcli("check", tmp_path / "a.yaml")
    assert len(result.err.splitlines()) == 3  # the message, the line, the caret
    assert (
        "dataset.features.city: the column is stated as numeric, none of its cells is, such as 'r'"
        in result.err
    )


def test_a_loss_for_classes_is_blamed_for_a_target_of_numbers(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("size,price\n" + "".join(f"{n},{n * 2}\n" for n in range(40)))
    spec = "dataset: {path: t.csv, target: price}\nlayers: [{Dense: {units: 40, activation: softmax}}]\n"
    (tmp_path / "a.yaml").write_text(spec + "loss: sparse_categorical_crossentropy\n")
    result = mlpcli("check", tmp_path / "a.yaml")
    assert (
        "a.yaml:3:7 loss: is for classes, the target has 40 distinct labels in 40 rows; "
        "they are numbers: use a loss such as mse"
    ) in result.err


def test_a_spec_for_a_run_and_a_table_for_a_spec_are_told_apart(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    result = mlpcli(*EVALUATE, "tiny.yaml", "--runs-dir", tmp_path)
    assert result.err.endswith("; give the name of a run, not of its spec: tiny\n")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    result = mlpcli("train", tmp_path / "t.csv")
    hint = f"write a spec for this table with mlpcli init {tmp_path / 't.csv'} --target COLUMN"
    assert hint in " ".join(result.err.split())
