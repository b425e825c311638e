"""`predict` and `evaluate` on finished runs, and the SavedModel in a process without mlpcli and Keras."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpcli.runs.folder import find_run
from tests.bare_runs import SERVED, train_bare
from tests.conftest import Result

NAMES = ("setosa", "versicolor", "virginica")


def _iris_csv(path: Path, *, target: bool = True, order: tuple[int, ...] = (0, 1, 2, 3)) -> Path:
    """The iris table as people have it: with an id, the columns in some order, labels as words."""
    from sklearn.datasets import load_iris

    iris = load_iris()
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        names = [iris.feature_names[index] for index in order]
        writer.writerow(["id", *names, *(["target"] if target else [])])
        for number, (row, label) in enumerate(zip(iris.data, iris.target, strict=True)):
            values = [row[index] for index in order]
            writer.writerow([f"f{number}", *values, *([NAMES[label]] if target else [])])
    return path


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_predictions_have_a_label_and_a_probability_for_each_class(
    tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    data = _iris_csv(tmp_path / "iris.csv")
    result = mlpcli("predict", "tiny", data, "--runs-dir", tiny_run, "--keep", "id")
    assert result.status == 0
    rows = _rows(result.out)
    assert len(rows) == 150
    assert list(rows[0]) == ["id", "predicted_target", *(f"probability_{name}" for name in NAMES)]
    for row in rows:
        chances = {name: float(row[f"probability_{name}"]) for name in NAMES}
        assert sum(chances.values()) == pytest.approx(1, abs=1e-5)
        assert row["predicted_target"] == max(chances, key=lambda name: chances[name])
    assert [row["id"] for row in rows[:2]] == ["f0", "f1"]


def test_columns_may_stand_in_any_order_and_the_target_may_be_gone(
    tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    straight = mlpcli("predict", "tiny", _iris_csv(tmp_path / "a.csv"), "--runs-dir", tiny_run)
    shuffled = _iris_csv(tmp_path / "b.csv", target=False, order=(2, 0, 3, 1))
    assert mlpcli("predict", "tiny", shuffled, "--runs-dir", tiny_run).out == straight.out


def test_a_name_of_several_runs_says_which_one_predicts(
    tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    data, runs = _iris_csv(tmp_path / "iris.csv"), tmp_path / "runs"
    first = next((tiny_run / "tiny").iterdir())
    assert "newest" not in mlpcli("predict", "tiny", data, "--runs-dir", tiny_run).err
    for name in (first.name, "2035-01-01_00-00-00"):
        shutil.copytree(first, runs / "tiny" / name)
    shown = mlpcli("predict", "tiny", data, "-o", tmp_path / "p.csv", "--runs-dir", runs)
    assert (shown.status, shown.err) == (0, "by tiny/2035-01-01_00-00-00, the newest of 2 runs\n")


def test_every_format_holds_the_same_numbers(
    tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    data = _iris_csv(tmp_path / "iris.csv")
    for ending in ("csv", "tsv", "parquet", "jsonl", "npy"):
        result = mlpcli("predict", "tiny", data, "-o", tmp_path / f"p.{ending}", "--runs-dir", tiny_run)
        assert (result.status, result.out) == (0, f"150 predictions written to {tmp_path / f'p.{ending}'}\n")
    wanted = np.load(tmp_path / "p.npy")
    assert (wanted.shape, wanted.dtype) == ((150, 3), np.float32)
    columns = [f"probability_{name}" for name in NAMES]
    table = pq.read_table(tmp_path / "p.parquet").to_pylist()
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    plain = _rows((tmp_path / "p.csv").read_text())
    for rows in (table, lines, plain):
        got = np.array([[row[name] for name in columns] for row in rows], dtype=np.float32)
        np.testing.assert_array_equal(got, wanted)  # every digit kept
    assert (tmp_path / "p.tsv").read_text().splitlines()[0].split("\t")[0] == "predicted_target"


def test_an_output_is_never_overwritten_without_force(
    tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    data = _iris_csv(tmp_path / "iris.csv")
    output = tmp_path / "p.csv"
    output.write_text("precious")
    result = mlpcli("predict", "tiny", data, "-o", output, "--runs-dir", tiny_run)
    assert result.status == 2
    assert (
        result.err
        == f"-o {output}: the file exists already; add --force to replace it, or choose another with -o\n"
    )
    assert output.read_text() == "precious"
    assert mlpcli("predict", "tiny", data, "-o", output, "--force", "--runs-dir", tiny_run).status == 0
    assert output.read_text().startswith("predicted_target,")


def test_npy_and_npz_rows_are_taken(tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    from sklearn.datasets import load_iris

    rows = load_iris().data
    np.save(tmp_path / "rows.npy", rows)
    np.savez(tmp_path / "rows.npz", x=rows)
    wanted = mlpcli("predict", "tiny", _iris_csv(tmp_path / "iris.csv"), "--runs-dir", tiny_run).out
    for name in ("rows.npy", "rows.npz"):
        assert mlpcli("predict", "tiny", tmp_path / name, "--runs-dir", tiny_run).out == wanted


SERVE = """
import sys
import numpy as np
import tensorflow as tf

loaded = tf.saved_model.load(sys.argv[1])
serve = loaded.signatures["serving_default"]
((name, spec),) = serve.structured_input_signature[1].items()
rows = tf.constant(np.load(sys.argv[2]), spec.dtype)
(outputs,) = serve(**{name: rows}).values()
np.save(sys.argv[3], outputs.numpy())
assert not [m for m in sys.modules if m.startswith("mlpcli")]
"""


@pytest.mark.slow
def test_the_saved_model_gives_predicts_numbers_in_plain_tensorflow(
    tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    from sklearn.datasets import load_iris

    np.save(tmp_path / "rows.npy", load_iris().data.astype(np.float32))
    output = tmp_path / "p.npy"
    assert mlpcli("predict", "tiny", tmp_path / "rows.npy", "-o", output, "--runs-dir", tiny_run).status == 0
    saved_model = find_run("tiny", tiny_run).folder / "saved_model"
    served = tmp_path / "served.npy"
    command = [sys.executable, "-c", SERVE, str(saved_model), str(tmp_path / "rows.npy"), str(served)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(served), np.load(output), atol=1e-5)


@pytest.mark.slow
def test_logits_are_exported_as_probabilities(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    import tensorflow as tf
    from sklearn.datasets import load_breast_cancer

    text = """\
name: logits
dataset: {name: breast_cancer}
layers: [Normalization, {Dense: {units: 1}}]
loss: {BinaryCrossentropy: {from_logits: true}}
metrics: [{BinaryAccuracy: {threshold: 0.0}}]
fit: {epochs: 3, engine: graph}
"""
    run = train_bare(spec_file(text), tmp_path / "runs", options=SERVED)
    rows = load_breast_cancer().data
    np.save(tmp_path / "rows.npy", rows)
    result = mlpcli("predict", run.folder, tmp_path / "rows.npy")
    table = _rows(result.out)
    assert list(table[0]) == ["predicted_target", "probability_malignant", "probability_benign"]
    benign = np.array([float(row["probability_benign"]) for row in table])
    assert (benign.min(), benign.max()) == (pytest.approx(0, abs=0.2), pytest.approx(1, abs=0.2))
    for row, chance in zip(table, benign, strict=True):
        assert row["predicted_target"] == ("benign" if chance >= 0.5 else "malignant")
    served = tf.saved_model.load(str(run / "saved_model"))
    outputs = served.serve(tf.constant(rows, tf.float32)).numpy()[:, 0]
    np.testing.assert_allclose(outputs, benign, atol=1e-5)


def test_evaluate_agrees_with_the_metrics_of_the_run(tiny_run: Path, mlpcli: Callable[..., Result]) -> None:
    run_dir = find_run("tiny", tiny_run).folder
    metrics = json.loads((run_dir / "metrics.json").read_text())
    for split in ("train", "validation", "test"):
        result = mlpcli(
            "evaluate", "tiny", "--split", split, "--json", "--no-figures", "--runs-dir", tiny_run
        )
        document = json.loads(result.out)
        assert document["metrics"] == metrics[split]
        assert document["run"] == f"tiny/{run_dir.name}"


def test_evaluate_scores_each_class_as_scikit_learn_does(
    tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    from sklearn.metrics import classification_report

    data = _iris_csv(tmp_path / "iris.csv")
    predicted = [
        row["predicted_target"] for row in _rows(mlpcli("predict", "tiny", data, "--runs-dir", tiny_run).out)
    ]
    truth = [row["target"] for row in _rows(data.read_text())]
    report = classification_report(truth, predicted, output_dict=True)
    given = ("evaluate", "tiny", "--data", data, "--no-figures", "--runs-dir", tiny_run)
    document = json.loads(mlpcli(*given, "--json").out)
    assert document["rows"] == 150
    for name in NAMES:
        scores = document["classes"][name]
        assert scores["precision"] == pytest.approx(report[name]["precision"])
        assert scores["recall"] == pytest.approx(report[name]["recall"])
        assert scores["f1"] == pytest.approx(report[name]["f1-score"])
        assert scores["rows"] == 50
    text = mlpcli(*given).out
    assert "versicolor" in text
    assert "precision" in text


def test_runs_are_found_by_name_by_timestamp_and_by_folder(
    tiny_run: Path, mlpcli: Callable[..., Result]
) -> None:
    folder = find_run("tiny", tiny_run).folder
    outputs = {
        mlpcli("evaluate", name, "--no-figures", "--runs-dir", tiny_run).out
        for name in ("tiny", f"tiny/{folder.name}", str(folder))
    }
    assert len(outputs) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tinny", "there is no run 'tinny' under {runs}; did you mean 'tiny'?"),
        ("zzz", "there is no run 'zzz' under {runs}; available: tiny"),
    ],
)
def test_a_run_that_is_not_there_names_those_that_are(
    name: str, message: str, tiny_run: Path, mlpcli: Callable[..., Result]
) -> None:
    result = mlpcli("evaluate", name, "--runs-dir", tiny_run)
    assert (result.status, result.out, result.err) == (2, "", message.format(runs=tiny_run) + "\n")


def test_a_loss_keeps_its_arguments_when_the_run_is_opened_again(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    text = """\
name: huber
dataset: {name: diabetes}
layers: [Normalization, {Dense: {units: 1}}]
loss: {Huber: {delta: 20.0}}
fit: {epochs: 1, engine: graph}
"""
    run = train_bare(spec_file(text), tmp_path / "runs")
    trained = json.loads((run / "metrics.json").read_text())["test"]
    again = json.loads(mlpcli("evaluate", run.folder, "--json", "--no-figures").out)["metrics"]
    assert again == trained


def test_a_row_with_an_id_that_is_no_whole_number_is_among_the_rejects(
    mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    ids = np.random.default_rng(0).integers(0, 10, (60, 3))
    np.savez(tmp_path / "ids.npz", x=ids, y=ids.sum(1).astype(np.float32))
    spec = tmp_path / "ids.yaml"
    spec.write_text(
        "dataset: {path: ids.npz, validation: 0.2}\nloss: mse\nfit: {epochs: 1, engine: graph}\n"
        "layers: [{Embedding: {input_dim: 10, output_dim: 2}}, Flatten, {Dense: {units: 1}}]\n"
    )
    train_bare(spec, tmp_path / "runs")
    here = ("--runs-dir", tmp_path / "runs")
    table = tmp_path / "new.csv"
    table.write_text("a,b,c\n1,5,2\n3.5,6,1\n2,x,3\n4,2,1e30\n7,8,9\n")
    rejects, output = tmp_path / "rejects.csv", tmp_path / "out.csv"
    result = mlpcli("predict", "ids", table, "-o", output, "--rejects", rejects, *here)
    assert result.status == 0, result.err
    reasons = [(row["row"], row["column"], row["reason"]) for row in _rows(rejects.read_text())]
    whole = "must be a whole number below 2^63, an id, received"
    assert reasons == [
        ("2", "a", f"{whole} 3.5"),
        ("3", "b", "must be a number, received 'x'"),
        ("4", "c", f"{whole} 1e+30"),
    ]
    assert len(_rows(output.read_text())) == 2
    wrong = mlpcli("predict", "ids", table, *here)
    assert wrong.status == 2
    assert f"row 2 (line 3), column 'a': {whole} 3.5" in wrong.err
    assert "column 'b': must be a number" in wrong.err  # at once
    rows = np.array([[1, 2, 3], [1.5, 2, 3], [2, 2, 2]])
    np.save(tmp_path / "new.npy", rows)
    np.savez(tmp_path / "new.npz", x=rows)
    for name in ("new.npy", "new.npz"):
        files = ("-o", output, "--rejects", rejects, "--force")
        assert mlpcli("predict", "ids", tmp_path / name, *files, *here).status == 0
        assert [row["row"] for row in _rows(rejects.read_text())] == ["2"]
        assert len(_rows(output.read_text())) == 2
