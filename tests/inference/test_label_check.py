"""`label-check`: labels flipped on purpose are found, and rows are named as in messages."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import yaml

from mlpcli.data.dataset import Contract, Output
from mlpcli.data.readers.tables import open_tables
from mlpcli.data.row_names import RowName, name_rows
from mlpcli.data.sources.kept_rows import KeptOrigin
from mlpcli.data.written_targets import written_targets
from mlpcli.errors import RunError, UsageError
from mlpcli.inference.given_labels import read_given_labels
from mlpcli.inference.label_check import check_labels
from mlpcli.model.prediction_columns import prediction_columns
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import RunRecord
from mlpcli.spec.load import load_spec
from mlpcli.spec.schema import ComponentSpec
from mlpcli.statistics.label_quality import (
    can_judge_classes,
    can_judge_numbers,
    robust_deviations,
    self_confidence,
    tail_surprise,
    wilson_interval,
    wrong_classes,
    wrong_numbers,
)
from mlpcli.training.find_data import find_opened
from tests.conftest import Result


def _flipped(rows: int = 5000, share: float = 0.05) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels of three classes, some of them flipped; their true probabilities; and which were flipped."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(rows, 3)) * 4
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (probabilities.cumsum(axis=1) < generator.random((rows, 1))).sum(axis=1).clip(0, 2)
    wrong = generator.random(rows) < share
    given = np.where(wrong, (truth + generator.integers(1, 3, rows)) % 3, truth)
    return given, probabilities, wrong


def test_flipped_labels_are_the_least_probable_and_their_number_is_estimated() -> None:
    given, probabilities, wrong = _flipped()
    found = wrong_classes(given, probabilities)
    assert found.low <= wrong.sum() <= found.high
    doubtful = np.argsort(self_confidence(given, probabilities))[: round(found.number)]
    assert wrong[doubtful].mean() > 0.5  # of all labels one in twenty is wrong
    clean = wrong_classes(_flipped(share=0)[0], probabilities)
    assert clean.low == 0 <= clean.number <= 20


def test_the_estimate_counts_no_row_of_which_the_model_is_unsure() -> None:
    """Where classes overlap, a label that contradicts the model says nothing of labels that are wrong."""
    sure = np.tile([0.99, 0.01], (100, 1))
    unsure = np.tile([0.6, 0.4], (900, 1))
    given = np.concatenate([np.zeros(100), np.arange(900) % 2]).astype(np.int64)
    assert wrong_classes(given, np.concatenate([sure, unsure])).number == 0
    given[:10] = 1
    assert wrong_classes(given, np.concatenate([sure, unsure])).number == pytest.approx(100)
    assert wrong_classes(given[:0], sure[:0]) == (0, 0, 0)


def test_wilsons_interval_is_that_of_the_books() -> None:
    assert wilson_interval(10, 100) == pytest.approx((0.0552, 0.1744), abs=1e-4)
    assert wilson_interval(0, 10)[0] == 0
    assert wilson_interval(10, 10)[1] == 1


def test_deviations_are_scaled_by_the_residuals_of_similar_predictions() -> None:
    predicted = np.linspace(0, 1, 1000)
    size = np.where(np.arange(1000) < 500, 0.1, 10)
    given = predicted + 3 + size * np.where(np.arange(1000) % 2, 1, -1)  # a constant bias is no deviation
    given[[100, 900]] = predicted[[100, 900]] + 3 + np.array([6.0, 60.0])
    found = robust_deviations(given, predicted)
    whole = np.median(np.abs(given - predicted - np.median(given - predicted)))
    wanted = [6 / (1.4826 * (whole + 0.1) / 2), 60 / (1.4826 * (whole + 10) / 2)]
    np.testing.assert_allclose(found[[100, 900]], wanted, rtol=0.02)


def test_deviations_without_a_scale_are_none_or_infinite() -> None:
    values = np.array([1.0, 1, 1, 1, 5])
    np.testing.assert_array_equal(robust_deviations(values, np.ones(5)), [0, 0, 0, 0, np.inf])
    np.testing.assert_array_equal(tail_surprise(np.array([0.0, -np.inf])), [0, np.inf])
    assert robust_deviations(np.empty(0), np.empty(0)).shape == (0,)


def test_wrong_numbers_are_those_beyond_what_chance_gives() -> None:
    """By Laplace's distribution with the same median absolute value, 0.6% are beyond 5 deviations."""
    assert np.exp(-tail_surprise(np.array([5.0, -5.0]))) == pytest.approx([0.00586, 0.00586], abs=1e-5)
    deviations = np.random.default_rng(0).laplace(scale=0.6745 / np.log(2), size=4000)
    assert wrong_numbers(deviations).low == 0
    deviations[:200] = 50
    found = wrong_numbers(deviations)
    assert found.number == pytest.approx(200, abs=30)
    assert found.low < 200 < found.high
    assert wrong_numbers(deviations[:0]) == (0, 0, 0)


def test_rows_are_named_by_file_row_and_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('a,b\n1,"two\nlines"\n\n2,x\n3,y\n')
    (tmp_path / "b.csv").write_text("a,b\n4,z\n")
    one = open_tables([tmp_path / "a.csv"], "a.csv").origin
    assert name_rows(one, [2, 0, 1]) == [
        RowName("a.csv", 3, 6),
        RowName("a.csv", 1, 2),
        RowName("a.csv", 2, 5),
    ]
    kept = KeptOrigin(one, np.array([0, 2]))
    assert name_rows(kept, [1]) == [RowName("a.csv", 3, 6)]


def _run_of(
    folder: Path,
    outputs: tuple[Output, ...],
    columns: dict[str, object],
    contract: Contract | None = None,
) -> Run:
    """A run with these outputs, and out-of-fold predictions of four rows."""
    contract = contract or Contract("table", ("a",), (1,), "float32", outputs)
    data = {"fingerprint": "", "source": "rows.csv", "contract": contract.to_json()}
    record = {"status": "completed", "spec": str(folder / "houses.yaml"), "data": data}
    (folder / "run.json").write_text(json.dumps(record))
    columns = {"row": [3, 1, 7, 2], "fold": [1, 2, 1, 2]} | columns
    with (folder / "out_of_fold.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*(np.asarray(each).tolist() for each in columns.values()), strict=True))
    return Run(folder, RunRecord.model_validate_json(json.dumps(record)))


def _predicted(output: Output, values: object, loss: str) -> dict[str, object]:
    """The columns that `predict` writes for a network's outputs."""
    found = prediction_columns(output, np.array(values, np.float32), ComponentSpec(class_name=loss))
    return {name: np.asarray(column) for name, column in found.items()}


CLASSES, CHANCES = Output(("color",), "classes", ("blue", "red")), [[0.75], [0.25], [0.5], [0]]
LABELS, OF_EACH = ("round", "soft"), [[0.75, 0.25], [0.5, 0], [1, 0.25], [0, 1]]
ONES = {"round": [1, 0, 1, 0], "soft": [0, 0, 1, 1]}

KINDS: dict[str, tuple[Output, str, object, Mapping[str, object], Mapping[str, object]]] = {
    "classes by one unit": (
        CLASSES, "BinaryCrossentropy", CHANCES, {"color": ["red", "red", "blue", "blue"]},
        {"": ([1, 1, 0, 0], [0.75, 0.25, 0.5, 1])},
    ),
    "classes by the score of a hinge loss": (
        CLASSES, "Hinge", [[0], [0], [100], [-100]], {"color": ["red", "red", "blue", "blue"]},
        {"": ([1, 1, 0, 0], [0.5, 0.5, 0, 1])},
    ),
    "classes with a column that is named as ours": (
        Output(("fold",), "classes", ("7", "8")), "SparseCategoricalCrossentropy",
        [[0.25, 0.75], [1, 0], [0, 1], [0.5, 0.5]], {"fold_input": ["7", "7", "8", "8"]},
        {"": ([0, 0, 1, 1], [0.25, 1, 1, 0.5])},
    ),
    "pooled classes": (
        Output(("color",), "classes", ("other", "red"), pooled=("blue", "green")), "BinaryCrossentropy",
        CHANCES, {"color": ["red", "green", "blue", "red"]}, {"": ([1, 0, 0, 1], [0.75, 0.75, 0.5, 0])},
    ),
    "one-hot columns": (
        Output(LABELS, "one_hot", LABELS), "CategoricalCrossentropy", OF_EACH,
        {"round": [1, 0, 0, 1], "soft": [0, 1, 1, 0]}, {"": ([0, 1, 1, 0], [0.75, 0, 0.25, 0])},
    ),
    "one-hot rows of an array": (
        Output(("target",), "one_hot", ("0", "1")), "CategoricalCrossentropy", OF_EACH,
        {"target_0": [1, 0, 0, 1], "target_1": [0, 1, 1, 0]}, {"": ([0, 1, 1, 0], [0.75, 0, 0.25, 0])},
    ),
    "several labels": (
        Output(LABELS, "labels", LABELS), "BinaryCrossentropy", OF_EACH, ONES,
        {"round": ([1, 0, 1, 0], [0.75, 0.5, 1, 1]), "soft": ([0, 0, 1, 1], [0.75, 1, 0.25, 1])},
    ),
    "several labels in one cell": (
        Output(("tags",), "labels", LABELS, separator=";"), "BinaryCrossentropy", OF_EACH,
        {"tags": ["round", "", "soft;round", "soft"]},
        {"round": ([1, 0, 1, 0], [0.75, 0.5, 1, 1]), "soft": ([0, 0, 1, 1], [0.75, 1, 0.25, 1])},
    ),
    "numbers of a named output": (
        Output(("a", "b"), name="both"), "MeanSquaredError", [[1, 2], [3, 4], [5, 6], [7, 8]],
        {"a": [1, 3, 5, 7.5], "b": [0, 4, 6, 8]},
        {"a": ([1, 3, 5, 7.5], [1, 3, 5, 7]), "b": ([0, 4, 6, 8], [2, 4, 6, 8])},
    ),
    "quantiles": (
        Output(("a",), levels=(0.25, 0.5, 0.75)), "MeanSquaredError", [[0, 1, 2]] * 4, {"a": [1, 2, 3, 4]},
        {"": ([1, 2, 3, 4], [1, 1, 1, 1])},
    ),
    "a class for each step": (
        Output(("target",), "classes", ("no", "yes"), steps=(2,)), "BinaryCrossentropy",
        [[[0.75], [0.25]]] * 4,
        {"target_0": ["no", "yes", "yes", "yes"], "target_1": ["no", "no", "no", "yes"]},
        {"step 1": ([0, 1, 1, 1], [0.25, 0.75, 0.75, 0.75]),
         "step 2": ([0, 0, 0, 1], [0.75, 0.75, 0.75, 0.25])},
    ),
    "two numbers for each step": (
        Output(("u", "v"), steps=(2,)), "MeanSquaredError", [[[1, 2], [3, 4]]] * 4,
        {"u_0": [1] * 4, "v_0": [2] * 4, "u_1": [3] * 4, "v_1": [9] * 4},
        {"u step 1": ([1] * 4, [1] * 4), "v step 1": ([2] * 4, [2] * 4), "u step 2": ([3] * 4, [3] * 4),
         "v step 2": ([9] * 4, [4] * 4)},
    ),
}  # fmt: skip
"""An output, its loss, what the network gives, the target as it is written, and what is asked of each row:
what was given, and the probability of that class or the predicted number."""


@pytest.mark.parametrize("kind", KINDS)
def test_what_folds_wrote_is_read_for_every_kind_of_target(kind: str, tmp_path: Path) -> None:
    output, loss, values, target, wanted = KINDS[kind]
    found = read_given_labels(_run_of(tmp_path, (output,), {**target, **_predicted(output, values, loss)}))
    assert (found.rows.tolist(), found.folds.tolist()) == ([3, 1, 7, 2], [1, 2, 1, 2])
    asked = {}
    for each in found.questions:
        chances = each.chances()
        asked[each.label] = (
            each.given.tolist(),
            (each.predicted if chances is None else chances[0]).tolist(),
        )
    assert asked == wanted


def _write_sources(folder: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 4, 2))
    words = np.array(["a", "b", "c"])[np.arange(160).reshape(40, 4) % 3]
    np.savez(folder / "steps.npz", x=rows, y=words)
    np.savez(folder / "one_hot.npz", x=rows[:, 0], y=np.eye(3)[np.arange(40) % 3])
    cells = [f"{row};{row * 1.5:.2f}".replace(".", ",") for row in range(40)]
    (folder / "commas.csv").write_text("\n".join(["u;y", *cells]) + "\n")
    (folder / "names.csv").write_text(
        "\n".join(["u,y", *(f"{r},{'NA' if r % 3 else 'EU'}" for r in range(40))])
    )


WRITTEN: dict[str, tuple[str, dict[str, object], str | None]] = {
    "classes of a built-in dataset as numbers": ("{name: iris}", {"Dense": {"units": 1}}, "mse"),
    "numbers with commas, without a loss": ("{path: commas.csv, target: y}", {"Dense": {"units": 1}}, None),
    "a class that looks like a missing one": (
        "{path: names.csv, target: y, not_missing: [NA]}",
        {"Dense": {"units": 2, "activation": "softmax"}},
        "sparse_categorical_crossentropy",
    ),
    "a word for each step": (
        "{path: steps.npz}",
        {"Dense": {"units": 3, "activation": "softmax"}},
        "sparse_categorical_crossentropy",
    ),
    "one-hot rows": (
        "{path: one_hot.npz}",
        {"Dense": {"units": 3, "activation": "softmax"}},
        "categorical_crossentropy",
    ),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_the_target_that_folds_write_is_read_back(kind: str, tmp_path: Path) -> None:
    dataset, layer, loss = WRITTEN[kind]
    _write_sources(tmp_path)
    document = {"name": "s", "layers": [layer]} | ({} if loss is None else {"loss": loss})
    text = f"dataset: {dataset}\n{yaml.safe_dump(document)}"
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    found = find_opened(load_spec(tmp_path / "s.yaml"))
    (output,), rows = found.dataset.contract.outputs, np.array([5, 9, 20, 31])
    columns: dict[str, object] = {
        name: column.to_pylist()
        for name, column in written_targets(found.opened.source, found.dataset.contract, rows).items()
    }
    values = np.zeros((4, *output.steps, len(output.classes or ("",))))
    (question, *_) = read_given_labels(
        _run_of(
            tmp_path, (output,), columns | _predicted(output, values, loss or "mse"), found.dataset.contract
        )
    ).questions
    y, _ = found.opened.coded[""]
    first = y[rows].argmax(axis=1) if output.kind == "one_hot" else y[rows].reshape(4, -1)[:, 0]
    np.testing.assert_allclose(question.given, first, rtol=1e-6)


def test_outputs_share_a_column_and_those_without_single_labels_are_named(tmp_path: Path) -> None:
    same = [Output(("a",), name=name) for name in ("first", "second")]
    groups = Output(("a",), "groups", ("1", "2"), name="vectors")
    columns: dict[str, object] = {"a": [1, 2, 1, 2]}
    for output in same:
        columns |= _predicted(output, [[1], [2], [1], [2]], "MeanSquaredError")
    found = read_given_labels(_run_of(tmp_path, (*same, groups), columns))
    assert [each.output for each in found.questions] == ["first", "second"]
    assert found.unchecked == (("vectors", "embeddings"),)
    with pytest.raises(UsageError, match="predicts embeddings, which give no label a probability"):
        check_labels(_run_of(tmp_path, (groups,), columns))


def test_a_damaged_file_of_folds_is_said(tmp_path: Path) -> None:
    columns = {
        "color": ["red", "green", "blue", "blue"],
        **_predicted(CLASSES, CHANCES, "BinaryCrossentropy"),
    }
    with pytest.raises(RunError, match=r"out_of_fold.csv is damaged: row 2 \(line 3\), column 'color'"):
        read_given_labels(_run_of(tmp_path, (CLASSES,), columns))
    with pytest.raises(RunError, match=r"column 'color' is missing.*train again"):
        read_given_labels(_run_of(tmp_path, (CLASSES,), {"row": [1, 2, 3, 4]}))


def test_a_file_of_folds_that_is_none_is_said(tmp_path: Path) -> None:
    run = _run_of(tmp_path, (CLASSES,), {})
    (tmp_path / "out_of_fold.csv").unlink()
    (tmp_path / "out_of_fold.csv").mkdir()
    with pytest.raises(RunError, match=r"out_of_fold.csv cannot be read \(is a folder.*train again"):
        check_labels(run)


@pytest.mark.parametrize("column", ["fold", "row", "file", "predicted_y"])
def test_classes_named_as_missing_are_known_in_a_column_that_is_renamed(column: str, tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text(
        "\n".join([f"u,{column}", *(f"{row},{'NA' if row % 3 else 'EU'}" for row in range(40))])
    )
    text = f"""name: s
dataset: {{path: names.csv, target: {column}, not_missing: {{{column}: [NA]}}}}
layers: [{{Dense: {{units: 2, activation: softmax}}}}]
loss: sparse_categorical_crossentropy
"""
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    contract = find_opened(load_spec(tmp_path / "s.yaml")).dataset.contract
    (output,) = contract.outputs
    name = column if column in ("file", "predicted_y") else f"{column}_input"
    columns = {name: ["NA", "EU", "NA", "NA"], **_predicted(output, [[0, 1]] * 4, "CategoricalCrossentropy")}
    found = read_given_labels(_run_of(tmp_path, (output,), columns, contract))
    assert found.questions[0].shown_given().tolist() == ["NA", "EU", "NA", "NA"]
    assert found.files is None


def test_a_target_beside_the_one_that_has_its_name_and_input_is_read(tmp_path: Path) -> None:
    output = Output(("x", "x_input"))
    columns = {"x": [1, 2, 3, 4], "x_input": [5, 6, 7, 8]}
    predicted = _predicted(output, [[0, 0]] * 4, "MeanSquaredError")
    found = read_given_labels(_run_of(tmp_path, (output,), columns | predicted))
    assert [each.given.tolist() for each in found.questions] == [[1, 2, 3, 4], [5, 6, 7, 8]]


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


def test_what_a_model_has_learned_is_more_than_how_frequent_classes_are() -> None:
    given, probabilities, _ = _flipped(600, 0.2)
    assert can_judge_classes(given, probabilities)
    assert not can_judge_classes(given, np.random.default_rng(1).permutation(probabilities))
    assert not can_judge_classes(given, np.tile([0.5, 0.3, 0.2], (600, 1)))
    assert can_judge_classes(np.zeros(5, np.int64), np.tile([1.0, 0], (5, 1)))
    rare = np.arange(1000) % 20 == 0  # never the likelier class, but likelier where it is
    assert can_judge_classes(rare * 1, np.where(rare[:, None], [[0.6, 0.4]], [[0.99, 0.01]]))
    numbers = np.random.default_rng(2).normal(size=100)
    assert can_judge_numbers(numbers, numbers / 2)
    assert not can_judge_numbers(numbers, np.full(100, numbers.mean()))
    assert not can_judge_numbers(numbers, numbers[::-1])


def test_an_estimate_lies_within_its_interval() -> None:
    generator = np.random.default_rng(0)
    for rows in (1, 2, 7, 30, 112, 400):
        for classes in (2, 30):
            probabilities = generator.dirichlet(np.ones(classes) / 4, rows)
            found = wrong_classes(generator.integers(0, classes, rows), probabilities)
            assert found.low <= found.number <= found.high <= rows
        numbers = wrong_numbers(generator.standard_cauchy(rows) * 3)
        assert numbers.low <= numbers.number <= numbers.high <= rows


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
